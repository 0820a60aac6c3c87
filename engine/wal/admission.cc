#include "engine/wal/admission.h"

#include <chrono>
#include <utility>

#include "engine/base/check.h"

namespace holt::wal {

namespace {

// A checkpoint that failed trims nothing and wakes nobody, so a waiter asks for another one now and
// then.
constexpr std::chrono::milliseconds kAskAgain{100};

}  // namespace

Admission::Admission(std::uint64_t capacity, std::function<void()> on_pressure,
                     std::function<std::optional<Error>()> give_up)
    : capacity_(capacity), on_pressure_(std::move(on_pressure)), give_up_(std::move(give_up)) {}

void Admission::signal_pressure() const {
  if (on_pressure_) on_pressure_();
}

void Admission::signal_pressure_if_above_half() const {
  if (used() > capacity_ / 2) signal_pressure();
}

Admission::Outcome Admission::try_take(std::uint64_t bytes) {
  if (closed_.load(std::memory_order_seq_cst)) return Outcome::kClosed;
  std::uint64_t used = used_.load(std::memory_order_seq_cst);
  do {
    if (used + bytes > capacity_) return Outcome::kFull;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_seq_cst));
  const bool crosses = used <= capacity_ / 2 && used + bytes > capacity_ / 2;
  return crosses ? Outcome::kTakenCrossingHalf : Outcome::kTaken;
}

Result<bool> Admission::take(std::uint64_t bytes) {
  const Outcome outcome = try_take(bytes);
  if (outcome == Outcome::kFull) [[unlikely]]
    return wait_and_take(bytes);
  if (outcome == Outcome::kTakenCrossingHalf) signal_pressure();
  return outcome != Outcome::kClosed;
}

Result<bool> Admission::wait_and_take(std::uint64_t bytes) {
  wait_count_.fetch_add(1, std::memory_order_relaxed);
  Outcome outcome = Outcome::kFull;
  while (outcome == Outcome::kFull) {
    signal_pressure();  // outside the mutex: the owner may trim from within it
    {
      MutexLock lock(mutex_);
      // Announced before the last look: give_back() either leaves room for that look or sees the
      // waiter.
      waiters_.fetch_add(1, std::memory_order_seq_cst);
      outcome = try_take(bytes);
      if (outcome == Outcome::kFull) {
        lock.wait_for(room_, kAskAgain);
        outcome = try_take(bytes);
      }
      waiters_.fetch_sub(1, std::memory_order_seq_cst);
    }
    if (outcome != Outcome::kFull || !give_up_) continue;
    if (auto why = give_up_()) return std::unexpected<Error>(std::move(*why));
  }
  return outcome != Outcome::kClosed;
}

void Admission::give_back(std::uint64_t bytes) {
  const std::uint64_t before = used_.fetch_sub(bytes, std::memory_order_seq_cst);
  CHECK(bytes <= before, "W3");
  if (waiters_.load(std::memory_order_seq_cst) != 0) {
    MutexLock lock(mutex_);
    room_.notify_all();
  }
}

void Admission::close() {
  closed_.store(true, std::memory_order_seq_cst);
  MutexLock lock(mutex_);
  room_.notify_all();
}

}  // namespace holt::wal
