// Frames: the memory that blobs live in, and the page table that finds them.
//
// All frames lie in one mapping that is never unmapped, so an optimistic reader of a recycled frame
// reads stale bytes, sees the version move, and restarts; it never faults. The page table is a flat
// array indexed by blob id.
//
// A frame is free, resident (it holds a blob) or set aside (it holds an old image for the
// checkpoint).
//
// Invariants:
//   F1  A resident frame leaves its blob only under its exclusive latch, which moves the version.
//       A taken frame belongs to who took it; it is filled before it is installed.
//   F2  A dirty, frozen or writing frame is never evicted.
//   F3  A reader that finds another blob in a frame than it looked for restarts; it concludes
//       nothing.
//   F4  The root blob is made first, while every frame is free, and is never evicted.
//
// Eviction is a clock over resident frames with one reference bit. Scans set it only for blobs on
// the way, not for those they read through, so a long scan evicts its own frames first.
//
// Thread safety: every method from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/result.h"
#include "engine/base/types.h"
#include "engine/frame/latch.h"

namespace holt {

using FrameIndex = std::uint32_t;
inline constexpr FrameIndex kNoFrame = 0xffffffff;
inline constexpr std::uint32_t kNoBlob = 0xffffffff;

struct alignas(64) Frame {
  Latch latch;
  std::atomic<std::uint32_t> blob{kNoBlob};
  std::atomic<bool> dirty{false};    // changed since its last image was taken
  std::atomic<bool> frozen{false};   // its bytes belong to the checkpoint under way: copy on write
  std::atomic<bool> writing{false};  // its image is not on disk yet
  std::atomic<bool> referenced{false};  // the clock's bit
};

class FramePool {
 public:
  // kInvalid when `cache_bytes` is below the minimum; kIo when memory cannot be mapped.
  static Result<std::unique_ptr<FramePool>> create(std::uint64_t cache_bytes);
  ~FramePool();

  std::uint32_t size() const { return static_cast<std::uint32_t>(frames_.size()); }
  std::byte* bytes(FrameIndex index) const;
  Frame& frame(FrameIndex index) { return frames_[index]; }
  const Frame& frame(FrameIndex index) const { return frames_[index]; }

  // The frame of a blob, kNoFrame when it is not resident. Only a hint until the frame's blob was
  // checked under a version or latch (F3).
  FrameIndex lookup(BlobId id) const;

  // Makes the caller the one that loads the blob; false when it is resident or being loaded.
  bool claim_load(BlobId id);
  // The claim ends without a frame.
  void abandon_load(BlobId id);
  // Waits while another thread loads the blob.
  void wait_loaded(BlobId id) const;

  // A free frame, or one whose clean blob is evicted. Never waits: nothing when all are in use.
  std::optional<FrameIndex> try_take();
  // The taken and filled frame holds the new blob from now on. It is dirty: no image of it exists.
  void install(FrameIndex index, BlobId id);
  // The same for who claimed the load. False when the blob was installed meanwhile by who made it
  // anew.
  bool install_loaded(FrameIndex index, BlobId id);
  // The frame, latched exclusively, no longer holds a blob. The latch stays held.
  void uninstall(FrameIndex index);
  // Frees a taken frame.
  void give_back(FrameIndex index);

  // Frames that could be taken changed, or a checkpoint ended: see wait_progress().
  void announce_progress();
  std::uint64_t progress() const;
  // Sleeps until progress() is no longer `seen`.
  void wait_progress(std::uint64_t seen);

  void mark_dirty(FrameIndex index);
  void mark_clean(FrameIndex index);
  std::uint32_t dirty_count() const { return dirty_count_.load(std::memory_order_relaxed); }
  std::uint32_t free_count() const;
  std::uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

  void reference(FrameIndex index) {
    Frame& frame = frames_[index];
    if (!frame.referenced.load(std::memory_order_relaxed)) {
      frame.referenced.store(true, std::memory_order_relaxed);
    }
  }

 private:
  FramePool(std::byte* arena, std::uint32_t frames, std::atomic<std::uint32_t>* table);
  bool try_evict(FrameIndex index);

  std::byte* arena_;
  std::vector<Frame> frames_;
  std::atomic<std::uint32_t>* table_;  // blob id -> frame + 1, 0, or kLoading

  mutable Mutex mutex_{Rank::kLeaf};
  std::condition_variable changed_;
  std::vector<FrameIndex> free_ GUARDED_BY(mutex_);
  std::uint64_t progress_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint32_t> hand_{0};
  std::atomic<std::uint32_t> dirty_count_{0};
  std::atomic<std::uint64_t> evictions_{0};
};

}  // namespace holt
