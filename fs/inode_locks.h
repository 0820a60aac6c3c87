// InodeLocks: reader-writer locks for inode numbers, many numbers to a lock.
//
// A lock in every node would cost memory for each file that somebody refers to; 1,024 stripes make
// a collision rare and harmless. Two numbers on one stripe are locked once.
//
// Thread safety: any thread. Two locks of one table are taken together, by Pair, in the order of
// their stripes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "fs/inode.h"

namespace holtfs {

class InodeLocks {
 public:
  InodeLocks() : stripes_(std::make_unique<std::array<Stripe, kStripes>>()) {}

  std::shared_lock<std::shared_mutex> shared(Ino ino) {
    return std::shared_lock((*stripes_)[index_of(ino)].mutex);
  }
  std::unique_lock<std::shared_mutex> exclusive(Ino ino) {
    return std::unique_lock((*stripes_)[index_of(ino)].mutex);
  }

  // Two numbers, which may be the same.
  class Pair {
   public:
    Pair(InodeLocks& locks, Ino a, Ino b) {
      const std::size_t first = std::min(index_of(a), index_of(b));
      const std::size_t second = std::max(index_of(a), index_of(b));
      first_ = std::unique_lock((*locks.stripes_)[first].mutex);
      if (second != first) second_ = std::unique_lock((*locks.stripes_)[second].mutex);
    }

   private:
    std::unique_lock<std::shared_mutex> first_, second_;
  };

 private:
  static constexpr std::size_t kStripes = 1024;
  struct alignas(64) Stripe {
    std::shared_mutex mutex;
  };
  static std::size_t index_of(Ino ino) { return number_of(ino) % kStripes; }

  std::unique_ptr<std::array<Stripe, kStripes>> stripes_;
};

}  // namespace holtfs
