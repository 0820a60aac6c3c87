// A reader-writer lock whose shared side costs one atomic add on a line of one's own.
//
// Every change enters shared. What alters the shape across blobs (subtree move, blob merge) and the
// start of a checkpoint epoch enter exclusively, for microseconds as a rule. A "big-reader" lock
// (Linux's old brlock).
//
// Shared entries do not nest.
// Thread safety: any thread; a thread leaves from where it entered.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/base/annotations.h"
#include "engine/base/lanes.h"

namespace holt {

class CAPABILITY("gate") Gate : private RankedLock {
 public:
  explicit Gate(Rank rank) : RankedLock(rank) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void enter_shared() ACQUIRE_SHARED();
  void exit_shared() RELEASE_SHARED();
  void enter_exclusive() ACQUIRE();
  void exit_exclusive() RELEASE();

 private:
  struct alignas(64) Lane {
    std::atomic<std::uint32_t> inside{0};
  };
  void leave(std::atomic<std::uint32_t>& inside);

  std::array<Lane, kLanes> lanes_;
  alignas(64) std::atomic<std::uint32_t> closed_{0};  // 1: somebody is or wants to be inside alone
};

class SCOPED_CAPABILITY SharedGate {
 public:
  explicit SharedGate(Gate& gate) ACQUIRE_SHARED(gate) : gate_(gate) { gate_.enter_shared(); }
  ~SharedGate() RELEASE() { gate_.exit_shared(); }
  SharedGate(const SharedGate&) = delete;
  SharedGate& operator=(const SharedGate&) = delete;

 private:
  Gate& gate_;
};

class SCOPED_CAPABILITY ExclusiveGate {
 public:
  explicit ExclusiveGate(Gate& gate) ACQUIRE(gate) : gate_(gate) { gate_.enter_exclusive(); }
  ~ExclusiveGate() RELEASE() { gate_.exit_exclusive(); }
  ExclusiveGate(const ExclusiveGate&) = delete;
  ExclusiveGate& operator=(const ExclusiveGate&) = delete;

 private:
  Gate& gate_;
};

}  // namespace holt
