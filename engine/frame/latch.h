// The hybrid latch of a frame: optimistic, shared or exclusive.
//
// An optimistic reader takes a version, reads, and asks whether the version still stands; it writes
// nothing, so readers neither disturb each other nor a writer. The shared mode is for who must have
// stable bytes (an image on its way to disk, a reader that lost too often). After "LeanStore" (Leis
// et al., ICDE 2018) and "Scalable and Robust Latches for Database Systems" (Boettcher et al.,
// DaMoN 2020).
//
// The word: version in the upper 40 bits, then a flag for sleepers, the exclusive flag, and 22 bits
// that count shared holders. Only the release of the exclusive mode moves the version.
//
// Who holds one waits for no frame, disk or log (T3 of tree/tree.h).
// Thread safety: any thread.
// Invariants:
//   L1  At most 2^22 - 1 threads hold a latch shared.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/check.h"
#include "engine/base/lock_rank.h"

namespace holt {

class Latch : private RankedLock {
 public:
  Latch() : RankedLock(Rank::kLatch) {}

  // Waits, spinning briefly, while somebody writes.
  std::uint64_t version() const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kExclusive) == 0) [[likely]]
      return word & kVersion;
    return version_slow();
  }
  // Whether nothing was changed since `version` was taken.
  bool still(std::uint64_t version) const {
    std::atomic_thread_fence(std::memory_order_acquire);
    return (word_.load(std::memory_order_relaxed) & (kVersion | kExclusive)) == version;
  }

  void lock();
  // For who holds the exclusive mode: the version since it was last released.
  std::uint64_t held_version() const { return word_.load(std::memory_order_relaxed) & kVersion; }
  bool try_lock();
  void unlock() {
    release(kExclusive, kVersionStep);
    released();
  }
  // The bytes are as they were: readers need not restart.
  void unlock_unchanged() {
    release(kExclusive, 0);
    released();
  }

  void lock_shared();
  void unlock_shared();

 private:
  static constexpr std::uint64_t kShared = (1u << 22) - 1;
  static constexpr std::uint64_t kExclusive = 1u << 22;
  static constexpr std::uint64_t kSleepers = 1u << 23;
  static constexpr std::uint64_t kVersionStep = 1u << 24;
  static constexpr std::uint64_t kVersion = ~(kVersionStep - 1);

  std::uint64_t version_slow() const;
  bool take();
  void release(std::uint64_t hold, std::uint64_t step);
  void sleep() const;

  mutable std::atomic<std::uint64_t> word_{0};
};

}  // namespace holt
