#include "engine/storage/posix_log.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <utility>

#include "engine/base/check.h"
#include "engine/format.h"

namespace holt {

namespace {

Result<void> fill_with_zeros(int fd, std::uint64_t bytes, const std::string& shown) {
  static constexpr std::array<std::byte, kDiskPage> kZeros{};
  for (std::uint64_t at = 0; at < bytes; at += kDiskPage) {
    if (auto written = write_all(fd, kZeros, at, shown); !written) return written;
  }
  return sync_all(fd, shown);
}

Result<void> read_through(int fd, const std::string& shown) {
  // Without this advice read-ahead would fill the page cache with large folios.
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  std::vector<std::byte> buffer(std::size_t{256} * 1024);
  for (std::uint64_t at = 0;; at += buffer.size()) {
    auto got = read_up_to(fd, buffer, at, shown);
    if (!got) return pass(got);
    if (*got < buffer.size()) return {};
  }
}

}  // namespace

std::string log_segment_name(std::uint32_t segment) { return "wal." + std::to_string(segment); }

PosixLog::PosixLog(int directory, std::string shown)
    : directory_(directory), shown_(std::move(shown)) {}

PosixLog::~PosixLog() {
  if (memory_ != nullptr) ::munmap(memory_, mapped_bytes_);
}

std::string PosixLog::shown(std::uint32_t segment) const {
  return shown_ + "/" + log_segment_name(segment);
}

Result<std::byte*> PosixLog::map(std::uint64_t bytes, std::uint32_t segments, Access access) {
  if (memory_ != nullptr) return fail(Code::kInvalid, "the log is mapped already");
  if (segments == 0 || bytes == 0 || bytes % (std::uint64_t{segments} * kDiskPage) != 0) {
    return fail(Code::kInvalid, "the log's size is not a multiple of 4096 bytes in each segment");
  }
  segment_bytes_ = bytes / segments;
  if (access == Access::kCreate) {
    if (auto created = create_segments(segments); !created) return pass(created);
  }
  const bool shared = access != Access::kPrivate;
  if (auto opened = open_segments(segments, shared); !opened) return pass(opened);
  if (auto mapped = map_segments(shared); !mapped) return pass(mapped);
  return memory_;
}

Result<void> PosixLog::create_segments(std::uint32_t segments) {
  for (std::uint32_t i = 0; i < segments; ++i) {
    auto fd = open_at(directory_, log_segment_name(i), O_RDWR | O_CREAT | O_TRUNC, shown(i));
    if (!fd) return pass(fd);
    auto filled = fill_with_zeros(fd->get(), segment_bytes_, shown(i));
    if (!filled) return filled;
  }
  return sync_all(directory_, shown_);
}

Result<void> PosixLog::open_segments(std::uint32_t segments, bool writable) {
  for (std::uint32_t i = 0; i < segments; ++i) {
    auto fd = open_at(directory_, log_segment_name(i), writable ? O_RDWR : O_RDONLY, shown(i));
    if (!fd && fd.error().sys_errno() == ENOENT) {
      return fail(Code::kCorrupt, shown(i) + " is missing");
    }
    if (!fd) return pass(fd);
    auto size = size_of(fd->get(), shown(i));
    if (!size) return pass(size);
    if (*size != segment_bytes_) {
      return fail(Code::kCorrupt, shown(i) + " has " + std::to_string(*size) +
                                      " bytes instead of " + std::to_string(segment_bytes_));
    }
    if (auto read = read_through(fd->get(), shown(i)); !read) return read;
    segments_.push_back(std::move(*fd));
  }
  return {};
}

Result<void> PosixLog::map_segments(bool shared) {
  const std::uint64_t ring_bytes = segment_bytes_ * segments_.size();
  void* const place = ::mmap(nullptr, 2 * ring_bytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return fail_errno(errno, "cannot reserve memory for the log");
  memory_ = static_cast<std::byte*>(place);
  mapped_bytes_ = 2 * ring_bytes;
  for (std::size_t i = 0; i < 2 * segments_.size(); ++i) {
    const std::size_t segment = i % segments_.size();
    void* const mapped =
        ::mmap(memory_ + i * segment_bytes_, segment_bytes_, PROT_READ | PROT_WRITE,
               (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, segments_[segment].get(), 0);
    if (mapped == MAP_FAILED) {
      return fail_errno(errno, "cannot map " + shown(static_cast<std::uint32_t>(segment)));
    }
  }
  // As for read_through(): a fault brings in one page.
  ::madvise(memory_, mapped_bytes_, MADV_RANDOM);
  // The kernel easily drops pages that nobody has mapped, and who writes to the log would wait for
  // the disk to read back what he overwrites. Before Linux 5.14 this fails, and he may.
  if (shared) ::madvise(memory_, ring_bytes, MADV_POPULATE_READ);
  return {};
}

Result<void> PosixLog::sync(std::uint64_t from, std::uint64_t to) {
  CHECK(from < to && to <= segment_bytes_ * segments_.size(), "S3");
  const std::uint64_t last = (to - 1) / segment_bytes_;
  for (std::uint64_t i = from / segment_bytes_; i <= last; ++i) {
    auto synced = sync_data(segments_[i].get(), shown(static_cast<std::uint32_t>(i)));
    if (!synced) return synced;
  }
  return {};
}

}  // namespace holt
