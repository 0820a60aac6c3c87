#include "fs/data/bulk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "fs/log.h"

namespace holtfs {

namespace {

constexpr int kOpenFlags = O_CLOEXEC | O_NOFOLLOW;

}  // namespace

std::unexpected<Errno> host_failure(int err, const char* what, const std::string& path) {
  if (err == EDQUOT) return fail(ENOSPC);  // the daemon's user's quota is not the caller's
  if (err == ENOSPC || err == EFBIG) return fail(err);
  log_error("{} {}: {}", what, path, std::generic_category().message(err));
  return fail(EIO);
}

HostFile::~HostFile() { close(fd_); }

Outcome<void> HostFile::write_all(std::string_view bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return host_failure(errno, "cannot write", shown_);
    offset += static_cast<std::uint64_t>(put);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

std::size_t HostFile::write_zeros(std::uint64_t offset, std::size_t size) const {
  // Few, so that reading them does not empty the processor's cache.
  alignas(64) static char zeros[4096];
  std::array<iovec, 64> parts;
  std::size_t count = 0;
  for (std::size_t left = size; left > 0 && count < parts.size(); ++count) {
    parts[count] = {zeros, std::min(left, sizeof zeros)};
    left -= parts[count].iov_len;
  }
  const ssize_t put =
      pwritev(fd_, parts.data(), static_cast<int>(count), static_cast<off_t>(offset));
  return put < 0 ? 0 : static_cast<std::size_t>(put);
}

Outcome<void> HostFile::sync() const {
  if (fdatasync(fd_) != 0) return host_failure(errno, "cannot sync", shown_);
  return {};
}

Outcome<HostFile::Size> HostFile::extent() const {
  struct stat st;
  if (fstat(fd_, &st) != 0) return fail(EIO);
  return Size{static_cast<std::uint64_t>(st.st_size), static_cast<std::uint64_t>(st.st_blocks)};
}

BulkFiles::BulkFiles(std::string folder, std::size_t max_open, bool read_only)
    : folder_(std::move(folder)),
      max_per_shard_(std::max<std::size_t>(4, max_open / kShards)),
      access_(read_only ? O_RDONLY : O_RDWR) {
  if (!read_only) mkdir(folder_.c_str(), 0700);
  directory_ = holt::UniqueFd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::string BulkFiles::directory_of(Ino ino) {
  return fmt::format("{:03x}", (number_of(ino) >> 10) & 0xfff);
}

std::string BulkFiles::name_of(Ino ino) {
  return fmt::format("{}/{:016x}", directory_of(ino), number_of(ino));
}

std::string BulkFiles::shown(Ino ino) const { return folder_ + "/" + name_of(ino); }

HostFileRef BulkFiles::cached(Ino ino, std::uint64_t& removals) {
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  removals = shard.removals;
  const auto found = shard.by_ino.find(number_of(ino));
  if (found == shard.by_ino.end()) return nullptr;
  shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
  return found->second->file;
}

HostFileRef BulkFiles::remember(Ino ino, HostFileRef file, std::uint64_t removals) {
  HostFileRef evicted;  // closed after the lock is gone
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  if (const auto found = shard.by_ino.find(number_of(ino)); found != shard.by_ino.end()) {
    return found->second->file;  // another thread was faster
  }
  if (shard.removals != removals) return file;
  shard.recent.push_front({ino, file});
  shard.by_ino.emplace(number_of(ino), shard.recent.begin());
  if (shard.recent.size() > max_per_shard_) {
    evicted = std::move(shard.recent.back().file);
    shard.by_ino.erase(number_of(shard.recent.back().ino));
    shard.recent.pop_back();
  }
  return file;
}

Outcome<HostFileRef> BulkFiles::open(Ino ino) {
  std::uint64_t removals = 0;
  if (HostFileRef file = cached(ino, removals)) return file;
  const int fd = openat(directory_.get(), name_of(ino).c_str(), access_ | kOpenFlags);
  if (fd >= 0) return remember(ino, std::make_shared<HostFile>(fd, shown(ino)), removals);
  // Without a data directory, which only a store opened read-only can lack, there are no contents.
  if (errno == ENOENT || directory_.get() < 0) return HostFileRef();
  return host_failure(errno, "cannot open", shown(ino));
}

Outcome<HostFileRef> BulkFiles::open_or_create(Ino ino) {
  std::uint64_t removals = 0;
  if (HostFileRef file = cached(ino, removals)) return file;
  const std::string name = name_of(ino);
  int fd = openat(directory_.get(), name.c_str(), access_ | kOpenFlags | O_CREAT, 0600);
  if (fd < 0 && errno == ENOENT) {
    mkdirat(directory_.get(), directory_of(ino).c_str(), 0700);
    fd = openat(directory_.get(), name.c_str(), access_ | kOpenFlags | O_CREAT, 0600);
  }
  if (fd < 0) return host_failure(errno, "cannot create", shown(ino));
  return remember(ino, std::make_shared<HostFile>(fd, shown(ino)), removals);
}

void BulkFiles::remove(Ino ino) {
  if (unlinkat(directory_.get(), name_of(ino).c_str(), 0) != 0 && errno != ENOENT) {
    log_error("cannot remove {}: {}", shown(ino), std::generic_category().message(errno));
  }
  HostFileRef closed;
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  ++shard.removals;
  if (const auto found = shard.by_ino.find(number_of(ino)); found != shard.by_ino.end()) {
    closed = std::move(found->second->file);
    shard.recent.erase(found->second);
    shard.by_ino.erase(found);
  }
}

Outcome<void> BulkFiles::sync_all() const {
  if (syncfs(directory_.get()) != 0) return host_failure(errno, "cannot sync", folder_);
  return {};
}

Outcome<void> BulkFiles::for_each(const std::function<void(Ino)>& visit) const {
  std::error_code error;
  if (!std::filesystem::exists(folder_, error)) return {};
  std::filesystem::recursive_directory_iterator at(folder_, error), end;
  for (; !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    const std::string name = at->path().filename().string();
    std::uint64_t number = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
    if (bad != std::errc() || stop != name.data() + name.size()) continue;
    if (shown(Ino{number}) != at->path().string()) continue;
    visit(Ino{number});
  }
  if (error) return host_failure(error.value(), "cannot list", folder_);
  return {};
}

}  // namespace holtfs
