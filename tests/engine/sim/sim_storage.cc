#include "tests/engine/sim/sim_storage.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/format.h"

namespace holt::sim {

namespace {

bool is_super(Storage::Area area) {
  return area == Storage::Area::kSuper0 || area == Storage::Area::kSuper1;
}

std::unexpected<Error> gone() { return fail(Code::kIo, "the simulated process is dead"); }

std::unexpected<Error> injected(int err, const char* what) {
  if (err == kShortRead) return fail(Code::kIo, std::string(what) + " was cut short (simulated)");
  return fail_errno(err, std::string(what) + " failed (simulated)");
}

}  // namespace

// What one simulated process holds. Everything happens on the disk, under its mutex.
class SimStorage final : public Storage {
 public:
  SimStorage(std::shared_ptr<SimDisk> disk, std::uint64_t id, bool fresh, bool read_only)
      : disk_(std::move(disk)), id_(id), fresh_(fresh), read_only_(read_only) {}
  ~SimStorage() override {
    MutexLock lock(disk_->mutex_);
    if (disk_->attached_ == id_) disk_->detach_locked();
  }

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

  bool fresh() const override { return fresh_; }
  bool read_only() const override { return read_only_; }

 private:
  template <class Body>
  Result<void> with_hooks(Op op, Body body);
  bool dead() const REQUIRES(disk_->mutex_) { return disk_->attached_ != id_; }

  const std::shared_ptr<SimDisk> disk_;
  const std::uint64_t id_;
  const bool fresh_;
  const bool read_only_;
  std::shared_ptr<SimLogMemory> log_memory_;  // outlives a crash: threads may still store into it
};

std::unique_ptr<Storage> SimDisk::attach(bool read_only) {
  MutexLock lock(mutex_);
  CHECK(attached_ == 0, "one process at a time");
  attached_ = ++attachments_;
  const bool fresh = all_zero(areas_[0].contents()) && all_zero(areas_[1].contents());
  return std::make_unique<SimStorage>(shared_from_this(), attached_, fresh, read_only);
}

// ---- blob slots

Result<void> SimStorage::read_slot(Slot slot, std::span<std::byte> out) {
  CHECK(out.size() <= kBlobBytes && out.size() % kDiskPage == 0, "S1");
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  const int err = disk_->begin(Op::kReadSlot);
  const auto found = disk_->slots_.find(index_of(slot));
  const bool behind_end = disk_->slots_.empty() || index_of(slot) > disk_->slots_.rbegin()->first;
  const auto part = err == 0 ? out : out.first(out.size() / 2);
  std::ranges::fill(part, std::byte{0});
  if (found != disk_->slots_.end()) found->second.read(0, part);
  if (err != 0) return injected(err, "reading a slot");
  if (behind_end) return fail(Code::kIo, "the simulated blobs end before this slot");
  return {};
}

Result<void> SimStorage::write_slots(std::span<const SlotWrite> writes) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  const int err = disk_->begin(Op::kWriteSlots);
  for (const SlotWrite& write : writes) {
    CHECK(write.bytes.size() <= kBlobBytes && write.bytes.size() % kDiskPage == 0, "S1");
    auto bytes = write.bytes;
    // Writes of a batch run at once: after an error any of them may be done, torn or not begun.
    if (err != 0) {
      bytes = bytes.first(disk_->random_() % (bytes.size() / kSectorBytes + 1) * kSectorBytes);
    }
    disk_->slots_[index_of(write.slot)].write(0, bytes);
  }
  if (err != 0) return injected(err, "writing slots");
  return {};
}

template <class Body>
Result<void> SimStorage::with_hooks(Op op, Body body) {
  const SimDisk::SyncHook hook = disk_->hook();
  if (hook) hook(op, false);
  {
    MutexLock lock(disk_->mutex_);
    if (dead()) return gone();
    const int err = disk_->begin(op);
    body(err);
    if (err != 0) return injected(err, "a sync");
  }
  if (hook) hook(op, true);
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  return {};
}

Result<void> SimStorage::sync_slots() {
  return with_hooks(Op::kSyncSlots, [this](int err) NO_THREAD_SAFETY_ANALYSIS {
    for (auto& [slot, image] : disk_->slots_) {
      if (err == 0) {
        image.sync();
      } else {
        image.fail_sync(disk_->random_);
      }
    }
  });
}

void SimStorage::discard_slots(std::span<const Slot> slots) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return;
  for (const Slot slot : slots) {
    const auto found = disk_->slots_.find(index_of(slot));
    if (found != disk_->slots_.end()) found->second.discard();
  }
}

Result<void> SimStorage::truncate_slots(std::uint32_t count) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  if (const int err = disk_->begin(Op::kTruncateSlots); err != 0) {
    return injected(err, "truncating the blobs");
  }
  // Their contents are gone for good at once: the strictest reading of "no longer needed".
  disk_->slots_.erase(disk_->slots_.lower_bound(count), disk_->slots_.end());
  return {};
}

// ---- maps and superblocks

Result<std::vector<std::byte>> SimStorage::read_area(Area area) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  if (const int err = disk_->begin(Op::kReadArea); err != 0) {
    return injected(err, "reading an area");
  }
  auto bytes = disk_->areas_[static_cast<std::size_t>(area)].contents();
  if (is_super(area) && all_zero(bytes)) bytes.clear();
  return bytes;
}

Result<void> SimStorage::write_area(Area area, std::span<const std::byte> bytes) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  const int err = disk_->begin(Op::kWriteArea);
  SimImage& image = disk_->areas_[static_cast<std::size_t>(area)];
  std::vector<std::byte> whole(bytes.begin(), bytes.end());
  if (is_super(area)) {
    CHECK(bytes.size() <= kSuperblockStride, "S2");
    whole.resize(kSuperblockStride);
  }
  // As the seam promises, what a failed write leaves behind ends between sectors.
  if (err != 0) whole.resize(disk_->random_() % (whole.size() / kSectorBytes + 1) * kSectorBytes);
  image.write(0, whole);
  if (err != 0) return injected(err, "writing an area");
  image.resize(whole.size());
  return {};
}

Result<void> SimStorage::sync_area(Area area) {
  return with_hooks(Op::kSyncArea, [this, area](int err) NO_THREAD_SAFETY_ANALYSIS {
    SimImage& image = disk_->areas_[static_cast<std::size_t>(area)];
    if (err == 0) {
      image.sync();
    } else {
      image.fail_sync(disk_->random_);
    }
  });
}

// ---- log ring

Result<std::byte*> SimStorage::map_log(std::uint64_t bytes, std::uint32_t segments) {
  MutexLock lock(disk_->mutex_);
  if (dead()) return gone();
  if (const int err = disk_->begin(Op::kMapLog); err != 0) return injected(err, "mapping the log");
  if (log_memory_) return fail(Code::kInvalid, "the log is mapped already");
  if (segments == 0 || bytes == 0 || bytes % (std::uint64_t{segments} * kDiskPage) != 0) {
    return fail(Code::kInvalid, "the log's size is not a multiple of 4096 bytes in each segment");
  }
  if (fresh_ && !read_only_) disk_->log_.create(bytes);
  if (disk_->log_.size() != bytes) return fail(Code::kCorrupt, "the log has another size");
  log_memory_ = disk_->log_.attach(!read_only_);
  return log_memory_->mirrored();
}

Result<void> SimStorage::sync_log(std::uint64_t from, std::uint64_t to) {
  CHECK(from < to, "S3");
  return with_hooks(Op::kSyncLog, [this, from, to](int err) NO_THREAD_SAFETY_ANALYSIS {
    if (err == 0) {
      disk_->log_.sync(from, to);
    } else {
      disk_->log_.fail_sync(from, to, disk_->random_);
    }
  });
}

}  // namespace holt::sim
