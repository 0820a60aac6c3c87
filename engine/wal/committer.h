// Group commit: makes the published part of the log durable, once for everybody who waits.
//
// A thread that calls sync() while no device sync runs does it itself, without a hand-off to
// another thread; those who come meanwhile wait and share the next one. What must not wait
// (sync_async) and what nobody asked for (the commit timer) is done by one thread, which drains all
// requests per device sync.
//
// Thread safety: every method from any thread.
// Invariants: W4 to W6 of wal/ring.h.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt {

class Storage;

namespace wal {

class Sequencer;

class Committer {
 public:
  // `on_poison` runs once, when the first sync fails or poison() is called; it must not call back.
  Committer(Storage& storage, Sequencer& sequencer, std::uint64_t capacity, Lsn start,
            std::uint32_t interval_ms, std::function<void(const Error&)> on_poison);
  ~Committer();  // serves what waits in sync_async, then stops

  Result<void> sync(Lsn lsn);
  void sync_async(Lsn lsn, std::function<void(Result<void>)> done);

  // What lies before `lsn` is durable by other means, and may be overwritten. Returns how far the
  // mark moved, in bytes.
  std::uint64_t trim(Lsn lsn);

  void poison(const Error& cause);
  bool poisoned() const { return poisoned_.load(std::memory_order_acquire); }
  Error poison_error() const;

  Lsn durable() const { return Lsn{durable_.load(std::memory_order_acquire)}; }
  std::uint64_t sync_count() const { return sync_count_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Request {
    Lsn lsn;
    std::function<void(Result<void>)> done;
  };

  // Syncs ring bytes [from, to) of the log, across the ring's end if need be.
  Result<void> sync_device(std::uint64_t from, std::uint64_t to);
  // Does one device sync of [from, to), without the mutex, and wakes those who share it.
  void lead(std::uint64_t from, std::uint64_t to) EXCLUDES(mutex_);
  void poison_locked(const Error& cause) REQUIRES(mutex_);
  void run();
  // Waits for requests, the timer or the end; false at the end, when none are left.
  bool next_requests(std::vector<Request>& requests, Clock::time_point deadline);

  Storage& storage_;
  Sequencer& sequencer_;
  const std::uint64_t capacity_;
  const std::uint32_t interval_ms_;
  const std::function<void(const Error&)> on_poison_;

  mutable Mutex mutex_{Rank::kGroup};
  std::condition_variable synced_;     // a device sync ended
  std::condition_variable requested_;  // for the thread: requests, or stop
  bool syncing_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<Request> requests_ GUARDED_BY(mutex_);
  std::optional<Error> cause_ GUARDED_BY(mutex_);
  std::uint64_t trimmed_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> durable_;  // written with mutex_ held
  std::atomic<bool> poisoned_{false};   // written with mutex_ held
  std::atomic<std::uint64_t> sync_count_{0};
  std::thread thread_;
};

}  // namespace wal
}  // namespace holt
