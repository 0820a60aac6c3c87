// Bringing blobs into frames.
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "engine/art/check.h"
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/base/checksum.h"
#include "engine/base/limits.h"
#include "engine/storage/storage.h"
#include "engine/tree/tree.h"

namespace holt {

Result<void> Tree::wait_for_frames() {
  const std::uint64_t seen = pool_.progress();
  checkpointer_.request();
  // Without room on disk no frame becomes clean: say so instead of waiting for ever.
  if (auto failure = checkpointer_.failure()) return std::unexpected<Error>(*failure);
  pool_.wait_progress(seen);
  return {};
}

Result<FrameIndex> Tree::take_frame() {
  for (;;) {
    const std::uint64_t seen = pool_.progress();
    if (const auto taken = pool_.try_take()) return *taken;
    if (pool_.progress() != seen) continue;
    if (auto waited = wait_for_frames(); !waited) return pass(waited);
  }
}

// The image comes through a buffer of one's own: it is checked before it reaches a frame, and the
// frame's bytes, which a late optimistic reader may look at, are only ever stored to atomically.
Result<void> Tree::read_image(BlobId id, const BlobImage& image, std::byte* to) {
  thread_local const auto buffer = std::make_unique_for_overwrite<BlobBuffer>();
  std::byte* bytes = buffer->bytes.data();
  if (auto read = storage_.read_slot(image.slot, {bytes, round_to_page(image.used)}); !read) {
    return read;
  }
  counters.blob_reads.fetch_add(1, std::memory_order_relaxed);
  DiskBlobHeader header;
  std::memcpy(&header, bytes, sizeof header);
  const std::uint64_t stored = header.checksum;
  header.checksum = 0;
  std::memcpy(bytes, &header, sizeof header);
  if (stored != image.checksum || checksum({bytes, image.used}) != stored) {
    return fail(Code::kCorrupt, fmt::format("blob {} in slot {} has a wrong checksum", index_of(id),
                                            index_of(image.slot)));
  }
  if (header.used != image.used) {
    return fail(Code::kCorrupt, fmt::format("blob {} in slot {} is not as long as the map says",
                                            index_of(id), index_of(image.slot)));
  }
  if (auto checked = art::check_blob(art::View(bytes), id); !checked) return pass(checked);
  art::copy_words(to, bytes, image.used);
  return {};
}

Result<void> Tree::load(BlobId id, bool keep, std::uint64_t shape) {
  if (index_of(id) >= kMaxBlobs) {
    return fail(Code::kCorrupt,
                fmt::format("an edge names blob {}, which cannot exist", index_of(id)));
  }
  if (!pool_.claim_load(id)) {
    pool_.wait_loaded(id);
    return {};
  }
  auto loaded = load_claimed(id, keep, shape);
  if (!loaded) pool_.abandon_load(id);
  return loaded;
}

Result<void> Tree::load_claimed(BlobId id, bool keep, std::uint64_t shape) {
  const BlobImage image = blobs_.image(id);
  if (image.slot == kNoSlot) {
    // Blobs go away only when the shape changes; otherwise the edge that led here is rotten.
    if (!same_shape(shape)) return pool_.abandon_load(id), Result<void>();
    return fail(Code::kCorrupt,
                fmt::format("an edge names blob {}, which does not exist", index_of(id)));
  }
  auto frame = take_frame();
  if (!frame) return pass(frame);
  auto read = read_image(id, image, pool_.bytes(*frame));
  if (!read || !pool_.install_loaded(*frame, id)) {
    pool_.give_back(*frame);
    return read;
  }
  if (keep) pool_.reference(*frame);
  pool_.announce_progress();
  return {};
}

}  // namespace holt
