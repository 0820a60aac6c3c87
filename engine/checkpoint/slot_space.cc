#include "engine/checkpoint/slot_space.h"

#include <algorithm>

#include "engine/base/check.h"

namespace holt {

void SlotSpace::reset(const std::vector<bool>& used) {
  free_.clear();
  holes_.clear();
  end_ = static_cast<std::uint32_t>(used.size());
  for (std::uint32_t slot = 0; slot < end_; ++slot) {
    if (!used[slot]) free_.insert(slot);
  }
}

Slot SlotSpace::take() {
  std::set<std::uint32_t>& from = free_.empty() ? holes_ : free_;
  if (from.empty()) return Slot{end_++};
  const std::uint32_t slot = *from.begin();
  from.erase(from.begin());
  return Slot{slot};
}

void SlotSpace::release(Slot slot) {
  CHECK(index_of(slot) < end_ && !holes_.contains(index_of(slot)), "C3");
  CHECK(free_.insert(index_of(slot)).second, "C3");
}

std::vector<Slot> SlotSpace::take_discardable() {
  while (end_ > 0 && (free_.erase(end_ - 1) > 0 || holes_.erase(end_ - 1) > 0)) --end_;
  // A checkpoint of everything needs as many free slots as there are used ones; keep half of that.
  const std::size_t reserve = std::max<std::size_t>(16, in_use() / 2);
  std::vector<Slot> out;
  while (free_.size() > reserve) {
    const std::uint32_t slot = *std::prev(free_.end());
    free_.erase(slot);
    holes_.insert(slot);
    out.push_back(Slot{slot});
  }
  return out;
}

}  // namespace holt
