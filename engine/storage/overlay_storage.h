// A storage that may be written to while the one under it stays as it is.
//
// A store that is open read-only still replays its log into memory and may have to evict frames
// that replay changed. Their slots go to an unlinked temporary file, which ends with the process.
// What would make state durable (areas, syncs of the log) is refused: a read-only store never
// checkpoints.
//
// Thread safety: as Storage.
#pragma once

#include <memory>
#include <unordered_set>

#include "engine/base/annotations.h"
#include "engine/storage/posix_file.h"
#include "engine/storage/slot_io.h"
#include "engine/storage/storage.h"

namespace holt {

class OverlayStorage final : public Storage {
 public:
  static Result<std::unique_ptr<OverlayStorage>> over(std::unique_ptr<Storage> base);

  Result<void> read_slot(Slot slot, std::span<std::byte> out) override;
  Result<void> write_slots(std::span<const SlotWrite> writes) override;
  Result<void> sync_slots() override { return {}; }
  void discard_slots(std::span<const Slot>) override {}
  Result<void> truncate_slots(std::uint32_t) override { return {}; }

  Result<std::vector<std::byte>> read_area(Area area) override { return base_->read_area(area); }
  Result<void> write_area(Area area, std::span<const std::byte> bytes) override;
  Result<void> sync_area(Area area) override;

  Result<std::byte*> map_log(std::uint64_t bytes, std::uint32_t segments) override;
  Result<void> sync_log(std::uint64_t from, std::uint64_t to) override;

  bool fresh() const override { return base_->fresh(); }
  bool read_only() const override { return true; }

 private:
  OverlayStorage(std::unique_ptr<Storage> base, UniqueFd file);

  const std::unique_ptr<Storage> base_;
  const UniqueFd file_;
  SlotIo slot_io_;
  SharedMutex mutex_{Rank::kGroup};
  // Slots whose contents are in file_; mutex_ guards it.
  std::unordered_set<std::uint32_t> written_;
};

}  // namespace holt
