#include "fs/lazy_times.h"

#include <utility>

namespace holtfs {

LazyTimes::Entry* LazyTimes::find_locked(Ino ino) const {
  const auto found = by_ino_.find(number_of(ino));
  return found == by_ino_.end() ? nullptr : &*found->second;
}

bool LazyTimes::note(Ino ino, const LazyTime& times) {
  {
    const holt::MutexLock lock(mutex_);
    if (Entry* const entry = find_locked(ino)) {
      times.apply_to(entry->times);
      return true;
    }
    if (full()) return false;
  }
  NodePin node = nodes_.pin(ino);  // let go, if it is not wanted, after the lock
  if (!node) return false;
  const holt::MutexLock lock(mutex_);
  if (Entry* const entry = find_locked(ino)) {  // another reader was faster
    times.apply_to(entry->times);
    return true;
  }
  if (full()) return false;
  by_age_.push_back({ino, std::move(node), times, Clock::now()});
  by_ino_.emplace(number_of(ino), std::prev(by_age_.end()));
  size_ = by_age_.size();
  return true;
}

std::optional<LazyTime> LazyTimes::find(Ino ino) const {
  if (size_ == 0) return std::nullopt;
  const holt::MutexLock lock(mutex_);
  const Entry* const entry = find_locked(ino);
  return entry != nullptr ? std::optional(entry->times) : std::nullopt;
}

void LazyTimes::erase(Ino ino) {
  if (size_ == 0) return;
  std::list<Entry> gone;  // outlives the lock
  const holt::MutexLock lock(mutex_);
  const auto found = by_ino_.find(number_of(ino));
  if (found == by_ino_.end()) return;
  gone.splice(gone.begin(), by_age_, found->second);
  by_ino_.erase(found);
  size_ = by_age_.size();
}

std::optional<Ino> LazyTimes::oldest(Clock::time_point limit) const {
  const holt::MutexLock lock(mutex_);
  if (by_age_.empty() || by_age_.front().since > limit) return std::nullopt;
  return by_age_.front().ino;
}

}  // namespace holtfs
