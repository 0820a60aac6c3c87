#include "engine/frame/latch.h"

#include "engine/base/spin.h"

namespace holt {

// Waits until the exclusive holder, or some shared holder, has gone; may return early.
void Latch::sleep() const {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  if ((word & (kExclusive | kShared)) == 0) return;
  const std::uint64_t marked = word_.fetch_or(kSleepers, std::memory_order_relaxed) | kSleepers;
  if ((marked & (kExclusive | kShared)) == 0) return;
  word_.wait(marked, std::memory_order_relaxed);
}

std::uint64_t Latch::version_slow() const {
  for (int spin = 0;; ++spin) {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kExclusive) == 0) return word & kVersion;
    spin < kSpins ? pause() : sleep();
  }
}

bool Latch::try_lock() {
  if (!take()) return false;
  acquired_at_once();
  return true;
}

bool Latch::take() {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  if ((word & (kExclusive | kShared)) != 0 ||
      !word_.compare_exchange_strong(word, word | kExclusive, std::memory_order_acquire)) {
    return false;
  }
  // Readers must not see the coming stores before they can see the latch taken.
  std::atomic_thread_fence(std::memory_order_release);
  return true;
}

void Latch::lock() {
  acquiring();
  for (int spin = 0; !take(); ++spin) spin < kSpins ? pause() : sleep();
}

void Latch::release(std::uint64_t hold, std::uint64_t step) {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  while (!word_.compare_exchange_weak(word, (word & ~hold & ~kSleepers) + step,
                                      std::memory_order_release, std::memory_order_relaxed)) {
  }
  if ((word & kSleepers) != 0) word_.notify_all();
}

void Latch::lock_shared() {
  acquiring();
  for (int spin = 0;; ++spin) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    if ((word & kExclusive) == 0 &&
        word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire)) {
      CHECK((word & kShared) != kShared, "L1");
      return;
    }
    spin < kSpins ? pause() : sleep();
  }
}

void Latch::unlock_shared() {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  std::uint64_t next;
  do {
    next = word - 1;
    if ((next & kShared) == 0) next &= ~kSleepers;
  } while (!word_.compare_exchange_weak(word, next, std::memory_order_release,
                                        std::memory_order_relaxed));
  if ((word & kSleepers) != 0 && (next & kSleepers) == 0) word_.notify_all();
  released();
}

}  // namespace holt
