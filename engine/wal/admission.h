// The credit of bytes that writers may still put into the ring.
//
// Admission comes before latches and the gate, so that a writer that waits for a checkpoint holds
// nothing the checkpoint needs. The credit is one atomic: what is admitted and not yet trimmed.
//
// Thread safety: every method from any thread.
// Invariants: W3 of wal/ring.h: used() <= capacity, and the log's tail never runs ahead of used().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>

#include "engine/base/annotations.h"
#include "engine/base/result.h"

namespace holt::wal {

class Admission {
 public:
  // `on_pressure` and `give_up` as in RingOptions; may be empty.
  Admission(std::uint64_t capacity, std::function<void()> on_pressure,
            std::function<std::optional<Error>()> give_up);

  // Takes `bytes` of credit, asleep while there is too little. False: closed. Errors: give_up()'s.
  Result<bool> take(std::uint64_t bytes);
  // Bytes that were admitted and not used, or trimmed, may be admitted again.
  void give_back(std::uint64_t bytes);
  // Calls on_pressure when more than half of the ring is in use.
  void signal_pressure_if_above_half() const;
  // Nobody is admitted any more; who waits is told so.
  void close();

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t wait_count() const { return wait_count_.load(std::memory_order_relaxed); }

 private:
  enum class Outcome { kTaken, kTakenCrossingHalf, kFull, kClosed };
  Outcome try_take(std::uint64_t bytes);
  Result<bool> wait_and_take(std::uint64_t bytes);
  void signal_pressure() const;

  const std::uint64_t capacity_;
  const std::function<void()> on_pressure_;
  const std::function<std::optional<Error>()> give_up_;
  alignas(64) std::atomic<std::uint64_t> used_{0};
  alignas(64) std::atomic<bool> closed_{false};
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<std::uint64_t> wait_count_{0};
  Mutex mutex_{Rank::kLeaf};
  std::condition_variable room_;
};

}  // namespace holt::wal
