#include "engine/wal/committer.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/storage/storage.h"
#include "engine/wal/sequencer.h"

namespace holt::wal {

Committer::Committer(Storage& storage, Sequencer& sequencer, std::uint64_t capacity, Lsn start,
                     std::uint32_t interval_ms, std::function<void(const Error&)> on_poison)
    : storage_(storage),
      sequencer_(sequencer),
      capacity_(capacity),
      interval_ms_(interval_ms),
      on_poison_(std::move(on_poison)),
      trimmed_(position_of(start)),
      durable_(position_of(start)) {
  thread_ = std::thread([this] { run(); });
}

Committer::~Committer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    requested_.notify_all();
  }
  thread_.join();
}

Result<void> Committer::sync(Lsn lsn) {
  CHECK(lsn <= sequencer_.tail(), "W6");
  sequencer_.wait_published(lsn);
  if (durable() >= lsn && !poisoned()) return {};
  for (;;) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    {
      MutexLock lock(mutex_);
      while (syncing_ && !poisoned() && durable() < lsn) lock.wait(synced_);
      if (poisoned()) break;
      if (durable() >= lsn) return {};
      syncing_ = true;
      // Under the mutex, as trim() is: so the range never exceeds the ring.
      from = position_of(durable());
      to = position_of(sequencer_.published());
    }
    lead(from, to);
  }
  return std::unexpected(poison_error());
}

void Committer::lead(std::uint64_t from, std::uint64_t to) {
  CHECK(from <= to && to - from <= capacity_, "W4");
  auto synced = sync_device(from, to);
  sync_count_.fetch_add(1, std::memory_order_relaxed);

  MutexLock lock(mutex_);
  syncing_ = false;
  if (!synced) {
    poison_locked(synced.error());
  } else if (!poisoned()) {
    durable_.store(std::max(to, position_of(durable())), std::memory_order_release);
  }
  synced_.notify_all();
}

Result<void> Committer::sync_device(std::uint64_t from, std::uint64_t to) {
  if (from == to) return {};
  const std::uint64_t begin = from % capacity_;
  const std::uint64_t size = to - from;
  const std::uint64_t first = std::min(size, capacity_ - begin);
  if (auto synced = storage_.sync_log(begin, begin + first); !synced) return synced;
  if (first == size) return {};
  return storage_.sync_log(0, size - first);
}

void Committer::sync_async(Lsn lsn, std::function<void(Result<void>)> done) {
  CHECK(lsn <= sequencer_.tail(), "W6");
  MutexLock lock(mutex_);
  requests_.push_back({lsn, std::move(done)});
  if (requests_.size() == 1) requested_.notify_one();
}

bool Committer::next_requests(std::vector<Request>& requests, Clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (requests_.empty() && !stopping_) {
    if (interval_ms_ == 0) {
      lock.wait(requested_);
      continue;
    }
    const auto now = Clock::now();
    if (now >= deadline) break;
    lock.wait_for(requested_, deadline - now);
  }
  requests.swap(requests_);
  return !stopping_ || !requests.empty();
}

void Committer::run() {
  std::vector<Request> requests;
  const std::chrono::milliseconds interval(interval_ms_);
  Clock::time_point deadline = Clock::now() + interval;
  while (next_requests(requests, deadline)) {
    // The timer makes durable whatever is published by now; requests for what is durable already do
    // not put it off.
    Lsn target{};
    if (interval_ms_ != 0 && Clock::now() >= deadline) {
      target = sequencer_.published();
      deadline = Clock::now() + interval;
    }
    for (const Request& request : requests) target = std::max(target, request.lsn);
    const auto synced = sync(target);
    for (Request& request : requests) request.done(synced);
    requests.clear();
  }
}

std::uint64_t Committer::trim(Lsn lsn) {
  sequencer_.wait_published(lsn);
  const std::uint64_t to = position_of(lsn);
  MutexLock lock(mutex_);
  CHECK(to >= trimmed_, "W3");
  const std::uint64_t freed = to - trimmed_;
  trimmed_ = to;
  // The checkpoint holds what the log need not hold any more.
  if (durable() < lsn && !poisoned()) {
    durable_.store(to, std::memory_order_release);
    synced_.notify_all();
  }
  return freed;
}

void Committer::poison(const Error& cause) {
  MutexLock lock(mutex_);
  poison_locked(cause);
}

void Committer::poison_locked(const Error& cause) {
  if (poisoned()) return;
  cause_ = cause;
  poisoned_.store(true, std::memory_order_release);
  on_poison_(cause);
  synced_.notify_all();
}

Error Committer::poison_error() const {
  MutexLock lock(mutex_);
  CHECK(cause_.has_value(), "W5");
  return Error(Code::kReadOnly, "the store is read-only since its log failed: " + cause_->text(),
               cause_->sys_errno());
}

}  // namespace holt::wal
