#include "fs/data/reaper.h"

#include <algorithm>
#include <utility>

namespace holtfs {

namespace {

// So many do not sit on their space until the interval is over.
constexpr std::size_t kManyWaiting = 10'000;

}  // namespace

Reaper::Reaper(BulkFiles& files, std::function<bool(holt::Lsn)> make_durable,
               std::chrono::milliseconds interval)
    : files_(files), make_durable_(std::move(make_durable)) {
  ticker_.emplace(interval, [this] { drain(); });
}

Reaper::~Reaper() {
  ticker_.reset();
  drain();
}

void Reaper::add(Ino ino, holt::Lsn removed) {
  bool many;
  {
    const holt::MutexLock lock(mutex_);
    waiting_.push_back({ino, removed});
    many = waiting_.size() == kManyWaiting;
  }
  if (many) ticker_->soon();
}

void Reaper::drain() {
  const holt::MutexLock one_at_a_time(carrying_);
  std::vector<Removal> removals;
  {
    const holt::MutexLock lock(mutex_);
    removals.swap(waiting_);
  }
  if (removals.empty()) return;
  holt::Lsn last{};
  for (const Removal& removal : removals) last = std::max(last, removal.removed);
  // On failure the log is poisoned and nothing will be durable again: recovery decides.
  if (!make_durable_(last)) return;
  for (const Removal& removal : removals) files_.remove(removal.ino);
}

}  // namespace holtfs
