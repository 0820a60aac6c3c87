// Limited: how much of a filesystem is in use, and how much may be.
//
// An operation claims what it may need at most before it begins, and says afterwards what it came
// to. What is claimed and not settled yet counts as taken, so that the limit holds whatever many do
// at once; but nobody is refused for its sake: who would fit without the claims of others waits
// until they are settled. ENOSPC means that what is really there leaves no room.
//
// Thread safety: any thread may claim, settle and ask; one claim belongs to one thread.
// Invariants:
//   L1  used = the sum over all records and nameless files, and what claims have confirmed.
//   L2  used + claimed <= limit after every claim that succeeds.
//   L3  a claim waits only while it has nothing unconfirmed itself, so none waits for another that
//       waits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/holt.h"
#include "fs/inode.h"
#include "fs/outcome.h"

namespace holtfs {

// Of blocks of 512 bytes, as st_blocks counts them, and of inodes; or by how much these change.
struct Amount {
  std::int64_t blocks = 0, inodes = 0;
};

struct Limits {
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t blocks = kNone, inodes = kNone;

  bool any() const { return blocks != kNone || inodes != kNone; }
};

class Limited {
 public:
  explicit Limited(Limits limits) : limits_(limits) {}
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;

  // One operation's. What is not settled when it goes is given back.
  class Claim {
   public:
    explicit Claim(Limited& limited) : limited_(limited) {}
    ~Claim() { settle({}); }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    // All of `wanted`, or ENOSPC; with Wait::kNo also kWouldWait, when others' claims are in the
    // way. REQUIRES: nothing unconfirmed (L3).
    Outcome<void> take(Amount wanted, holt::Wait wait);
    // As many blocks as there is room for, at most `most`; a multiple of `unit` and not 0. Errors
    // and REQUIRES: as take().
    Outcome<std::int64_t> take_some(std::int64_t most, std::int64_t unit, holt::Wait wait);
    // What was taken has come to `blocks` so far, and no record says so yet.
    void confirm(std::int64_t blocks);
    // In the end it came to `really` altogether, which the records say now.
    void settle(Amount really);

   private:
    Limited& limited_;
    Amount taken_;
    std::int64_t confirmed_ = 0;
  };

  const Limits& limits() const { return limits_; }
  Amount used() const;
  // REQUIRES: nobody claims yet.
  void start(Amount used);
  // A change that asks nobody.
  void change(Amount by);

 private:
  enum class Fit : std::uint8_t { kYes, kLater, kNever };
  Fit fit(Amount wanted) const REQUIRES(mutex_);
  Outcome<void> wait_for(Amount wanted, holt::Wait wait, holt::MutexLock& lock) REQUIRES(mutex_);
  void add(Amount by);
  void replace(Amount taken, Amount by);

  const Limits limits_;
  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::condition_variable settled_;
  Amount claimed_ GUARDED_BY(mutex_);
  // Changed under the mutex where there are limits; read without.
  std::atomic<std::int64_t> blocks_{0}, inodes_{0};
};

// Which files have no name and are still referred to: their room is the next to come back.
//
// Thread safety: any thread.
class Nameless {
 public:
  void add(Ino ino);
  void remove(Ino ino);
  // REQUIRES: another thread is about to remove it.
  void wait_until_removed(Ino ino);
  std::vector<Ino> list() const;

 private:
  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::condition_variable removed_;
  std::unordered_set<std::uint64_t> numbers_ GUARDED_BY(mutex_);
};

}  // namespace holtfs
