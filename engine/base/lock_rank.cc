#include "engine/base/lock_rank.h"

#ifdef HOLT_LOCK_RANKS

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/base/check.h"

namespace holt {

namespace {

struct Held {
  Rank rank;
  const void* lock;
};

std::vector<Held>& held() {
  thread_local std::vector<Held> locks;
  return locks;
}

bool in_a_table(Rank rank) {
  return rank == Rank::kDirectory || rank == Rank::kInode || rank == Rank::kLatch;
}

}  // namespace

void RankedLock::acquiring() const {
  for (const Held& other : held()) {
    const bool after = other.rank < rank_ || (other.rank == rank_ && in_a_table(rank_) &&
                                              std::less<const void*>()(other.lock, this));
    CHECK(after, "A1");
  }
  acquired_at_once();
}

void RankedLock::acquired_at_once() const { held().push_back({rank_, this}); }

void RankedLock::released() const {
  std::vector<Held>& locks = held();
  const auto mine =
      std::find_if(locks.rbegin(), locks.rend(), [&](const Held& h) { return h.lock == this; });
  CHECK(mine != locks.rend(), "A1");
  locks.erase(std::next(mine).base());
}

}  // namespace holt

#endif
