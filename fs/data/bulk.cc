#include "fs/data/bulk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "fs/log.h"

namespace holtfs {

namespace {

constexpr int kOpenFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;

// An errno of the host as the caller of the filesystem should see it.
std::unexpected<Errno> host_failure(int err, const char* what, const std::string& path) {
  if (err == ENOSPC || err == EDQUOT || err == EFBIG) return fail(err);
  log_error("{} {}: {}", what, path, std::generic_category().message(err));
  return fail(EIO);
}

}  // namespace

HostFile::~HostFile() { close(fd_); }

Outcome<HostFile::Extent> HostFile::extent() const {
  struct stat st;
  if (fstat(fd_, &st) != 0) return fail(EIO);
  return Extent{static_cast<std::uint64_t>(st.st_size), static_cast<std::uint64_t>(st.st_blocks)};
}

BulkFiles::BulkFiles(std::string folder, std::size_t max_open)
    : folder_(std::move(folder)), max_per_shard_(std::max<std::size_t>(4, max_open / kShards)) {}

std::string BulkFiles::folder_of(Ino ino) const {
  return fmt::format("{}/{:03x}", folder_, (number_of(ino) >> 10) & 0xfff);
}

std::string BulkFiles::path_of(Ino ino) const {
  return fmt::format("{}/{:016x}", folder_of(ino), number_of(ino));
}

HostFileRef BulkFiles::cached(Ino ino) {
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  const auto found = shard.by_ino.find(number_of(ino));
  if (found == shard.by_ino.end()) return nullptr;
  shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
  return found->second->file;
}

HostFileRef BulkFiles::remember(Ino ino, HostFileRef file) {
  HostFileRef evicted;  // closed after the lock is gone
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  if (const auto found = shard.by_ino.find(number_of(ino)); found != shard.by_ino.end()) {
    return found->second->file;  // another thread was faster
  }
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
  if (HostFileRef file = cached(ino)) return file;
  const std::string path = path_of(ino);
  const int fd = ::open(path.c_str(), kOpenFlags);
  if (fd >= 0) return remember(ino, std::make_shared<HostFile>(fd));
  if (errno == ENOENT) return HostFileRef();
  return host_failure(errno, "cannot open", path);
}

Outcome<HostFileRef> BulkFiles::open_or_create(Ino ino) {
  if (HostFileRef file = cached(ino)) return file;
  const std::string path = path_of(ino);
  int fd = ::open(path.c_str(), kOpenFlags | O_CREAT, 0600);
  if (fd < 0 && errno == ENOENT) {
    mkdir(folder_.c_str(), 0700);
    mkdir(folder_of(ino).c_str(), 0700);
    fd = ::open(path.c_str(), kOpenFlags | O_CREAT, 0600);
  }
  if (fd < 0) return host_failure(errno, "cannot create", path);
  return remember(ino, std::make_shared<HostFile>(fd));
}

void BulkFiles::remove(Ino ino) {
  HostFileRef closed;
  {
    Shard& shard = shard_of(ino);
    const holt::MutexLock lock(shard.mutex);
    if (const auto found = shard.by_ino.find(number_of(ino)); found != shard.by_ino.end()) {
      closed = std::move(found->second->file);
      shard.recent.erase(found->second);
      shard.by_ino.erase(found);
    }
  }
  const std::string path = path_of(ino);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    log_error("cannot remove {}: {}", path, std::generic_category().message(errno));
  }
}

Outcome<void> BulkFiles::sync_all() const {
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return {};
  if (fd < 0) return host_failure(errno, "cannot open", folder_);
  const int err = syncfs(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (err != 0) return host_failure(err, "cannot sync", folder_);
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
    if (path_of(Ino{number}) != at->path().string()) continue;
    visit(Ino{number});
  }
  if (error) return host_failure(error.value(), "cannot list", folder_);
  return {};
}

}  // namespace holtfs
