// The storage seam on a directory of a host filesystem: the files listed at the top of
// engine/format.h.
//
// Blobs bypass the page cache where the host allows it: the engine has a cache of its own, and
// direct writes measured 1.4 GB/s against 0.34 GB/s through the page cache.
//
// Thread safety: as Storage.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/storage/posix_file.h"
#include "engine/storage/posix_log.h"
#include "engine/storage/slot_io.h"
#include "engine/storage/storage.h"
#include "engine/storage/store_directory.h"

namespace holt {

// Opened read-only, only an OverlayStorage above it keeps writes away.
class PosixStorage final : public Storage {
 public:
  static Result<std::unique_ptr<PosixStorage>> open(const std::string& path,
                                                    const PosixStorageOptions& options);

  Result<void> read_slot(Slot slot, std::span<std::byte> out) override;
  Result<void> write_slots(std::span<const SlotWrite> writes) override;
  Result<void> sync_slots() override;
  void discard_slots(std::span<const Slot> slots) override;
  Result<void> truncate_slots(std::uint32_t count) override;

  Result<std::vector<std::byte>> read_area(Area area) override;
  Result<void> write_area(Area area, std::span<const std::byte> bytes) override;
  Result<void> sync_area(Area area) override;

  Result<std::byte*> map_log(std::uint64_t bytes, std::uint32_t segments) override;
  Result<void> sync_log(std::uint64_t from, std::uint64_t to) override;

  void announce_close() override { mark_closing(store_); }
  bool fresh() const override { return store_.fresh; }
  bool read_only() const override { return read_only_; }

 private:
  struct File {
    UniqueFd fd;
    std::string shown;
  };

  PosixStorage(StoreDirectory store, const PosixStorageOptions& options);
  Result<File> open_file(const std::string& name, int extra_flags);
  Result<void> open_blobs();
  Result<void> open_all();
  File& file_of(Area area);

  StoreDirectory store_;  // first: the lock is let go last
  const bool read_only_;
  const bool io_uring_;
  File superblock_;
  std::array<File, 2> maps_;
  File blobs_;
  std::optional<SlotIo> slot_io_;
  PosixLog log_;
};

}  // namespace holt
