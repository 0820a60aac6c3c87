#include "engine/storage/overlay_storage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <utility>

namespace holt {

namespace {

constexpr const char* kShown = "the temporary file for changes in memory";

Result<UniqueFd> open_unlinked() {
  const char* const chosen = ::getenv("TMPDIR");
  const std::string folder = chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return UniqueFd(fd);
  // No such folder, or its filesystem does not know O_TMPFILE.
  const int memory = ::memfd_create("holt-overlay", MFD_CLOEXEC);
  if (memory >= 0) return UniqueFd(memory);
  return fail_errno(errno, std::string("cannot make ") + kShown);
}

Error refused() { return Error(Code::kReadOnly, "the store is open read-only"); }

}  // namespace

Result<std::unique_ptr<OverlayStorage>> OverlayStorage::over(std::unique_ptr<Storage> base) {
  auto file = open_unlinked();
  if (!file) return pass(file);
  return std::unique_ptr<OverlayStorage>(new OverlayStorage(std::move(base), std::move(*file)));
}

OverlayStorage::OverlayStorage(std::unique_ptr<Storage> base, UniqueFd file)
    : base_(std::move(base)), file_(std::move(file)), slot_io_(file_.get(), kShown, false) {}

Result<void> OverlayStorage::read_slot(Slot slot, std::span<std::byte> out) {
  {
    const std::shared_lock lock(mutex_);
    if (!written_.contains(index_of(slot))) return base_->read_slot(slot, out);
  }
  return slot_io_.read(slot, out);
}

Result<void> OverlayStorage::write_slots(std::span<const SlotWrite> writes) {
  if (auto written = slot_io_.write(writes); !written) return written;
  const std::unique_lock lock(mutex_);
  for (const SlotWrite& write : writes) written_.insert(index_of(write.slot));
  return {};
}

Result<void> OverlayStorage::write_area(Area, std::span<const std::byte>) {
  return std::unexpected(refused());
}

Result<void> OverlayStorage::sync_area(Area) { return std::unexpected(refused()); }

Result<std::byte*> OverlayStorage::map_log(std::uint64_t bytes, std::uint32_t segments) {
  return base_->map_log(bytes, segments);
}

Result<void> OverlayStorage::sync_log(std::uint64_t, std::uint64_t) {
  return std::unexpected(refused());
}

}  // namespace holt
