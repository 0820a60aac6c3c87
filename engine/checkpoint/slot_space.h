// Which slots of the blob file are free.
//
// The lowest free slot is handed out first, so that the file's end drains and can be cut off.
// Thread safety: none; BlobMap guards it.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "engine/base/types.h"

namespace holt {

class SlotSpace {
 public:
  // All slots below `end` are free but those in `used`.
  void reset(const std::vector<bool>& used);

  Slot take();
  void release(Slot slot);

  std::uint32_t end() const { return end_; }  // slots from here on hold nothing
  std::uint32_t in_use() const {
    return end_ - static_cast<std::uint32_t>(free_.size() + holes_.size());
  }

  // Free slots whose space may go back to the host: all but a working reserve for the next
  // checkpoints. They count as given back from now on.
  std::vector<Slot> take_discardable();

 private:
  std::uint32_t end_ = 0;
  std::set<std::uint32_t> free_;   // space still allocated
  std::set<std::uint32_t> holes_;  // space given back
};

}  // namespace holt
