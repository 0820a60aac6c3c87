#include "fs/data/pack_ledger.h"

#include <algorithm>

namespace holtfs {

void PackLedger::add_dead(std::span<const Extent> extents, holt::Lsn released) {
  if (extents.empty()) return;
  const holt::MutexLock lock(mutex_);
  dead_.insert(dead_.end(), extents.begin(), extents.end());
  released_ = std::max(released_, released);
}

std::pair<std::vector<Extent>, holt::Lsn> PackLedger::take_dead() {
  const holt::MutexLock lock(mutex_);
  return {std::exchange(dead_, {}), std::exchange(released_, {})};
}

void PackLedger::add_logged(const Extent& extent) {
  const Logged place{extent.segment, extent.offset, extent.length};
  add_logged({&place, 1});
}

void PackLedger::add_logged(std::span<const Logged> places) {
  const holt::MutexLock lock(mutex_);
  for (const Logged& place : places) {
    std::uint32_t& length = logged_[{place.segment, place.offset}];
    logged_bytes_ += place.length - length;
    length = place.length;
  }
}

bool PackLedger::is_logged(const Extent& extent) const {
  const holt::MutexLock lock(mutex_);
  const auto found = logged_.find({extent.segment, extent.offset});
  return found != logged_.end() && found->second >= extent.length;
}

bool PackLedger::has_logged(std::uint32_t segment) const {
  const holt::MutexLock lock(mutex_);
  const auto found = logged_.lower_bound({segment, 0});
  return found != logged_.end() && found->first.first == segment;
}

std::vector<PackLedger::Logged> PackLedger::take_logged(
    const std::function<bool(const Logged&)>& done) {
  std::vector<Logged> taken;
  const holt::MutexLock lock(mutex_);
  for (auto at = logged_.begin(); at != logged_.end();) {
    const Logged logged{at->first.first, at->first.second, at->second};
    if (!done(logged)) {
      ++at;
      continue;
    }
    logged_bytes_ -= logged.length;
    taken.push_back(logged);
    at = logged_.erase(at);
  }
  return taken;
}

}  // namespace holtfs
