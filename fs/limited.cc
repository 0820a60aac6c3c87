#include "fs/limited.h"

#include <algorithm>

namespace holtfs {

namespace {

// Records that are damaged may say anything, so that sums may be below zero.
std::int64_t left(std::int64_t limit, std::int64_t used) {
  return limit - std::max<std::int64_t>(0, used);
}

}  // namespace

Amount Limited::used() const {
  return {.blocks = std::max<std::int64_t>(0, blocks_.load(std::memory_order_relaxed)),
          .inodes = std::max<std::int64_t>(0, inodes_.load(std::memory_order_relaxed))};
}

void Limited::start(Amount used) {
  blocks_ = used.blocks;
  inodes_ = used.inodes;
}

void Limited::add(Amount by) {
  if (by.blocks != 0) blocks_.fetch_add(by.blocks, std::memory_order_relaxed);
  if (by.inodes != 0) inodes_.fetch_add(by.inodes, std::memory_order_relaxed);
}

void Limited::change(Amount by) { replace({}, by); }

// Gives back what was claimed, and counts what came of it, in one step.
void Limited::replace(Amount taken, Amount by) {
  if (!limits_.any()) return add(by);
  {
    const holt::MutexLock lock(mutex_);
    add(by);
    claimed_.blocks -= taken.blocks;
    claimed_.inodes -= taken.inodes;
  }
  settled_.notify_all();
}

Limited::Fit Limited::fit(Amount wanted) const {
  const std::int64_t blocks = left(limits_.blocks, blocks_.load(std::memory_order_relaxed));
  const std::int64_t inodes = left(limits_.inodes, inodes_.load(std::memory_order_relaxed));
  const bool needs_blocks = wanted.blocks > 0, needs_inodes = wanted.inodes > 0;
  if (needs_blocks && wanted.blocks > blocks) return Fit::kNever;
  if (needs_inodes && wanted.inodes > inodes) return Fit::kNever;
  if (needs_blocks && wanted.blocks > blocks - claimed_.blocks) return Fit::kLater;
  if (needs_inodes && wanted.inodes > inodes - claimed_.inodes) return Fit::kLater;
  return Fit::kYes;
}

Outcome<void> Limited::wait_for(Amount wanted, holt::Wait wait, holt::MutexLock& lock) {
  while (true) {
    switch (fit(wanted)) {
      case Fit::kYes: return {};
      case Fit::kNever: return fail(ENOSPC);
      case Fit::kLater: break;
    }
    if (wait == holt::Wait::kNo) return fail(kWouldWait);
    lock.wait(settled_);
  }
}

Outcome<void> Limited::Claim::take(Amount wanted, holt::Wait wait) {
  if (!limited_.limits_.any()) return {};
  holt::MutexLock lock(limited_.mutex_);
  if (const auto waited = limited_.wait_for(wanted, wait, lock); !waited) return waited;
  limited_.claimed_.blocks += wanted.blocks;
  limited_.claimed_.inodes += wanted.inodes;
  taken_ = wanted;
  return {};
}

Outcome<std::int64_t> Limited::Claim::take_some(std::int64_t most, std::int64_t unit,
                                                holt::Wait wait) {
  if (limited_.limits_.blocks == Limits::kNone) return most;
  holt::MutexLock lock(limited_.mutex_);
  if (const auto waited = limited_.wait_for({.blocks = unit}, wait, lock); !waited) {
    return fail(waited.error());
  }
  const std::int64_t room =
      left(limited_.limits_.blocks, limited_.blocks_) - limited_.claimed_.blocks;
  const std::int64_t granted = std::min(most, room / unit * unit);
  limited_.claimed_.blocks += granted;
  taken_.blocks = granted;
  return granted;
}

void Limited::Claim::confirm(std::int64_t blocks) {
  limited_.replace({.blocks = taken_.blocks}, {.blocks = blocks});
  taken_.blocks = 0;
  confirmed_ += blocks;
}

void Limited::Claim::settle(Amount really) {
  const Amount by = {.blocks = really.blocks - confirmed_, .inodes = really.inodes};
  if (taken_.blocks != 0 || taken_.inodes != 0 || by.blocks != 0 || by.inodes != 0) {
    limited_.replace(taken_, by);
  }
  taken_ = {};
  confirmed_ = 0;
}

void Nameless::add(Ino ino) {
  const holt::MutexLock lock(mutex_);
  numbers_.insert(number_of(ino));
}

void Nameless::remove(Ino ino) {
  {
    const holt::MutexLock lock(mutex_);
    numbers_.erase(number_of(ino));
  }
  removed_.notify_all();
}

void Nameless::wait_until_removed(Ino ino) {
  holt::MutexLock lock(mutex_);
  while (numbers_.contains(number_of(ino))) lock.wait(removed_);
}

std::vector<Ino> Nameless::list() const {
  const holt::MutexLock lock(mutex_);
  std::vector<Ino> out;
  out.reserve(numbers_.size());
  for (const std::uint64_t number : numbers_) out.push_back(Ino{number});
  return out;
}

}  // namespace holtfs
