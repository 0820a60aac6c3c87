// The order in which locks are taken, of the engine and of the filesystem above it, in one table.
//
// Every lock is made with its rank. In builds that define HOLT_LOCK_RANKS (meson does so with a
// sanitizer, and for buildtype debug) each thread remembers what it holds, and a lock taken out of
// order stops the process whether or not that run would have deadlocked. In other builds nothing
// of this is left. After Linux's lockdep and the mutex ranks of the BSDs' witness(4).
//
// Thread safety: any thread; a lock is released by the thread that took it.
// Invariants:
//   A1  A lock is waited for only while all locks held are of lower ranks. Locks of one table
//       (frame latches, stripes of inode locks) may be held together, taken by ascending address.
#pragma once

#include <cstdint>

namespace holt {

// What each of them is for: fs/README.md and engine/README.md.
enum class Rank : std::uint8_t {
  // The filesystem's.
  kUpkeep,
  kFileData,
  kFsState,
  kSegment,
  kNamespace,
  kDirectory,  // a table
  kInode,      // a table
  // The engine's.
  kWork,
  kCheckpoint,
  kGate,
  kLatch,  // a table
  kGroup,
  kLeaf,  // of both: while it is held no other lock is taken
};

class RankedLock {
 public:
#ifdef HOLT_LOCK_RANKS
  explicit constexpr RankedLock(Rank rank) : rank_(rank) {}
  // Before the lock is waited for; it counts as held from here on.
  void acquiring() const;
  // It was had without waiting, so in any order.
  void acquired_at_once() const;
  void released() const;

 private:
  const Rank rank_;
#else
  explicit constexpr RankedLock(Rank) {}
  void acquiring() const {}
  void acquired_at_once() const {}
  void released() const {}
#endif
};

}  // namespace holt
