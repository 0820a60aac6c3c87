// InodeLocks: reader-writer locks for inode numbers, many numbers to a lock.
//
// A lock in every node would cost memory for each file that somebody refers to; 1,024 stripes make
// a collision rare and harmless. Two numbers on one stripe are locked once.
//
// Thread safety: any thread. Several locks of one table are taken together, by both() or all(), in
// the order of their stripes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "engine/base/annotations.h"
#include "engine/holt.h"
#include "fs/inode.h"

namespace holtfs {

template <holt::Rank rank>
class InodeLocks {
 public:
  using Exclusive = std::unique_lock<holt::SharedMutex>;
  using Shared = std::shared_lock<holt::SharedMutex>;

  InodeLocks() : stripes_(std::make_unique<std::array<Stripe, kStripes>>()) {}

  Shared shared(Ino ino) { return Shared(lock_of(ino)); }
  Exclusive exclusive(Ino ino) { return Exclusive(lock_of(ino)); }
  // False where the caller may not wait and would have to.
  Shared shared(Ino ino, holt::Wait wait) {
    return wait == holt::Wait::kYes ? shared(ino) : Shared(lock_of(ino), std::try_to_lock);
  }
  Exclusive exclusive(Ino ino, holt::Wait wait) {
    return wait == holt::Wait::kYes ? exclusive(ino) : Exclusive(lock_of(ino), std::try_to_lock);
  }
  // Two numbers, which may be the same.
  std::pair<Exclusive, Exclusive> both(Ino a, Ino b) {
    const auto [first, second] = std::minmax({index_of(a), index_of(b)});
    Exclusive lock((*stripes_)[first].mutex);
    return {std::move(lock), second == first ? Exclusive() : Exclusive((*stripes_)[second].mutex)};
  }
  std::array<Exclusive, 3> all(Ino a, Ino b, Ino c) {
    std::array stripes = {index_of(a), index_of(b), index_of(c)};
    std::ranges::sort(stripes);
    std::array<Exclusive, 3> locks;
    for (std::size_t i = 0; i < stripes.size(); ++i) {
      const bool held = i > 0 && stripes[i] == stripes[i - 1];
      if (!held) locks[i] = Exclusive((*stripes_)[stripes[i]].mutex);
    }
    return locks;
  }

 private:
  static constexpr std::size_t kStripes = 1024;
  struct alignas(64) Stripe {
    holt::SharedMutex mutex{rank};
  };
  static std::size_t index_of(Ino ino) { return number_of(ino) % kStripes; }
  holt::SharedMutex& lock_of(Ino ino) { return (*stripes_)[index_of(ino)].mutex; }

  std::unique_ptr<std::array<Stripe, kStripes>> stripes_;
};

}  // namespace holtfs
