#include "engine/storage/posix_storage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/format.h"
#include "engine/storage/overlay_storage.h"

namespace holt {

namespace {

std::uint64_t super_offset(Storage::Area area) {
  return area == Storage::Area::kSuper1 ? kSuperblockStride : 0;
}

bool is_super(Storage::Area area) {
  return area == Storage::Area::kSuper0 || area == Storage::Area::kSuper1;
}

// Some filesystems accept O_DIRECT at open and refuse every read.
bool takes_direct_reads(int fd) {
  struct alignas(kDiskPage) Page {
    std::byte bytes[kDiskPage];
  };
  const auto page = std::make_unique<Page>();
  return ::pread(fd, page->bytes, kDiskPage, 0) >= 0;
}

}  // namespace

Result<std::unique_ptr<PosixStorage>> PosixStorage::open(const std::string& path,
                                                         const PosixStorageOptions& options) {
  auto directory = open_store_directory(path, options);
  if (!directory) return pass(directory);
  std::unique_ptr<PosixStorage> storage(new PosixStorage(std::move(*directory), options));
  if (auto opened = storage->open_all(); !opened) return pass(opened);
  return storage;
}

PosixStorage::PosixStorage(StoreDirectory store, const PosixStorageOptions& options)
    : store_(std::move(store)),
      read_only_(options.read_only),
      io_uring_(options.io_uring),
      log_(store_.directory.get(), store_.path) {}

Result<PosixStorage::File> PosixStorage::open_file(const std::string& name, int extra_flags) {
  const int flags = read_only_ ? O_RDONLY : O_RDWR | (store_.fresh ? O_CREAT : 0);
  auto fd = open_at(store_.directory.get(), name, flags | extra_flags, store_.shown(name));
  if (!fd && fd.error().sys_errno() == ENOENT) {
    return fail(Code::kCorrupt, store_.shown(name) + " is missing");
  }
  if (!fd) return pass(fd);
  return File{.fd = std::move(*fd), .shown = store_.shown(name)};
}

Result<void> PosixStorage::open_all() {
  const std::array<std::pair<File*, const char*>, 3> files{
      {{&superblock_, "superblock"}, {&maps_[0], "map.0"}, {&maps_[1], "map.1"}}};
  for (auto [file, name] : files) {
    auto opened = open_file(name, 0);
    if (!opened) return pass(opened);
    *file = std::move(*opened);
  }
  if (auto opened = open_blobs(); !opened) return opened;
  if (store_.fresh) return sync_all(store_.directory.get(), store_.path);
  return {};
}

Result<void> PosixStorage::open_blobs() {
  auto direct = open_file("blobs", O_DIRECT);
  if (direct && takes_direct_reads(direct->fd.get())) {
    blobs_ = std::move(*direct);
  } else {
    if (!direct && direct.error().code() == Code::kCorrupt) return pass(direct);
    auto buffered = open_file("blobs", 0);
    if (!buffered) return pass(buffered);
    blobs_ = std::move(*buffered);
  }
  // A process that was killed may still have writes under way: they hold its open file, and with it
  // this lock, longer than LOCK. Nobody else can hold it, so it is waited for.
  while (::flock(blobs_.fd.get(), read_only_ ? LOCK_SH : LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, "cannot lock " + blobs_.shown);
  }
  slot_io_.emplace(blobs_.fd.get(), blobs_.shown, io_uring_ && !read_only_);
  return {};
}

// ---- blob slots

Result<void> PosixStorage::read_slot(Slot slot, std::span<std::byte> out) {
  return slot_io_->read(slot, out);
}

Result<void> PosixStorage::write_slots(std::span<const SlotWrite> writes) {
  return slot_io_->write(writes);
}

Result<void> PosixStorage::sync_slots() { return sync_data(blobs_.fd.get(), blobs_.shown); }

void PosixStorage::discard_slots(std::span<const Slot> slots) {
  std::vector<std::uint32_t> sorted;
  sorted.reserve(slots.size());
  for (const Slot slot : slots) sorted.push_back(index_of(slot));
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size();) {
    std::size_t end = i + 1;
    while (end < sorted.size() && sorted[end] == sorted[end - 1] + 1) ++end;
    const int punched = ::fallocate(blobs_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    static_cast<off_t>(sorted[i] * kBlobBytes),
                                    static_cast<off_t>((end - i) * kBlobBytes));
    if (punched != 0 && errno == EOPNOTSUPP) return;
    i = end;
  }
}

Result<void> PosixStorage::truncate_slots(std::uint32_t count) {
  auto size = size_of(blobs_.fd.get(), blobs_.shown);
  if (!size) return pass(size);
  const std::uint64_t wanted = std::uint64_t{count} * kBlobBytes;
  if (*size <= wanted) return {};
  return truncate_to(blobs_.fd.get(), wanted, blobs_.shown);
}

// ---- maps and superblocks

PosixStorage::File& PosixStorage::file_of(Area area) {
  switch (area) {
    case Area::kMap0: return maps_[0];
    case Area::kMap1: return maps_[1];
    case Area::kSuper0:
    case Area::kSuper1: break;
  }
  return superblock_;
}

Result<std::vector<std::byte>> PosixStorage::read_area(Area area) {
  const File& file = file_of(area);
  auto size = size_of(file.fd.get(), file.shown);
  if (!size) return pass(size);
  std::vector<std::byte> bytes(is_super(area) ? kSuperblockStride : *size);
  auto got = read_up_to(file.fd.get(), bytes, super_offset(area), file.shown);
  if (!got) return pass(got);
  bytes.resize(*got);
  if (is_super(area) && all_zero(bytes)) bytes.clear();
  return bytes;
}

Result<void> PosixStorage::write_area(Area area, std::span<const std::byte> bytes) {
  const File& file = file_of(area);
  if (!is_super(area)) {
    if (auto written = write_all(file.fd.get(), bytes, 0, file.shown); !written) return written;
    return truncate_to(file.fd.get(), bytes.size(), file.shown);
  }
  CHECK(bytes.size() <= kSuperblockStride, "S2");
  std::array<std::byte, kSuperblockStride> page{};
  std::ranges::copy(bytes, page.begin());
  return write_all(file.fd.get(), page, super_offset(area), file.shown);
}

Result<void> PosixStorage::sync_area(Area area) {
  const File& file = file_of(area);
  return sync_data(file.fd.get(), file.shown);
}

// ---- log ring

Result<std::byte*> PosixStorage::map_log(std::uint64_t bytes, std::uint32_t segments) {
  using Access = PosixLog::Access;
  if (read_only_) return log_.map(bytes, segments, Access::kPrivate);
  // A log that a superblock already relies on is never made anew.
  return log_.map(bytes, segments, store_.fresh ? Access::kCreate : Access::kShared);
}

Result<void> PosixStorage::sync_log(std::uint64_t from, std::uint64_t to) {
  return log_.sync(from, to);
}

Result<std::unique_ptr<Storage>> open_posix_storage(const std::string& path,
                                                    const PosixStorageOptions& options) {
  auto storage = PosixStorage::open(path, options);
  if (!storage) return pass(storage);
  if (!options.read_only) return std::unique_ptr<Storage>(std::move(*storage));
  auto overlay = OverlayStorage::over(std::move(*storage));
  if (!overlay) return pass(overlay);
  return std::unique_ptr<Storage>(std::move(*overlay));
}

}  // namespace holt
