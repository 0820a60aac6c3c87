// Recovery of packed contents.
//
// A record may be ahead of its bytes, as with host files. What was promised to be durable is below
// the durable mark of its segment, or in the store under NUL D, from where it goes to its place
// first. All else is there or not: whether it is, its checksum says. A file ends before its first
// extent that is not. Promised extents are left alone, so that what the host lost of them is an
// error when it is read, and can be restored.
#include <fmt/format.h>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

// What the store knows of segments; `complete` becomes false unless it knows all that there are,
// and has nothing that is still to be written to them.
holt::Result<void> Filesystem::learn_segments(bool& complete) {
  std::size_t known = 0;
  holt::Cursor cursor = store_->scan({.prefix = schema::segment_space()});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) break;
    const auto key = schema::parse_key(cursor.key());
    const auto state =
        key ? decode_segment(key->segment, cursor.value()) : holt::Result<SegmentState>();
    if (!key || !state) {
      complete = false;
      continue;
    }
    segments_->know(*state);
    ++known;
  }
  holt::Cursor logged = store_->scan({.prefix = schema::logged_space(), .values = false});
  auto some = logged.next();
  if (!some) return holt::pass(some);
  complete = complete && !*some && known == segments_->states().size();
  return {};
}

// Writes what the log had of segments to its place; returns the keys, for when that is durable.
holt::Result<std::vector<std::string>> Filesystem::restore_logged() {
  std::vector<std::string> keys;
  segments_->forget_counts();
  holt::Cursor cursor = store_->scan({.prefix = schema::logged_space()});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) return keys;
    const auto key = schema::parse_key(cursor.key());
    if (!key || std::uint64_t{key->offset} + cursor.value().size() > kSegmentBytes) continue;
    keys.emplace_back(cursor.key());
    const auto done = segments_->restore(key->segment, key->offset, cursor.value());
    if (!done) return holt::fail_errno(value_of(done.error()), "cannot restore a segment");
  }
}

// What the record has to say, if something else; counts what it refers to. Fails where that cannot
// be told: what the host cannot read today may be there tomorrow.
holt::Result<std::optional<Inode>> Filesystem::fit_packed(const Inode& inode) {
  std::vector<Extent> left;
  for (const Extent& extent : inode.extents) {
    const SegmentState state = segments_->state_of(extent.segment);
    if (extent.end() > state.durable) {
      if (!state.exists || extent.end() > state.size) break;
      std::string bytes(extent.length, '\0');
      const auto arrived = segments_->has(extent, bytes, holt::Wait::kYes);
      if (!arrived) {
        return holt::fail_errno(value_of(arrived.error()),
                                fmt::format("cannot read segment {:08x}", extent.segment));
      }
      if (!*arrived) break;
    }
    left.push_back(extent);
  }
  for (const Extent& extent : left) segments_->count(extent);
  if (left.size() == inode.extents.size()) return std::nullopt;
  Inode fitted = inode;
  fitted.set_extents(std::move(left));
  log_warning("inode {}: the last {} bytes did not reach the disk", number_of(inode.ino),
              inode.size - fitted.size);
  return fitted;
}

holt::Result<void> Filesystem::finish_packed(const std::vector<std::string>& logged) {
  // Also the bytes that were found to be there.
  if (const auto synced = segments_->sync_everything(); !synced) {
    return holt::fail_errno(value_of(synced.error()), "cannot sync the segments");
  }
  holt::Batch batch;
  for (const std::string& key : logged) {
    batch.erase_if_present(key);
    if (auto erased = apply_from(holt::kMaxBatchOps, *store_, batch); !erased) return erased;
  }
  if (auto erased = apply_from(1, *store_, batch); !erased) return erased;
  return write_segments();
}

}  // namespace holtfs
