#include "engine/storage/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace holt {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<UniqueFd> open_at(int directory, const std::string& name, int flags,
                         const std::string& shown) {
  const int fd = ::openat(directory, name.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "cannot open " + shown);
  return UniqueFd(fd);
}

Result<std::uint64_t> size_of(int fd, const std::string& shown) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return fail_errno(errno, "cannot look at " + shown);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> read_up_to(int fd, std::span<std::byte> out, std::uint64_t offset,
                               const std::string& shown) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "cannot read " + shown);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
                       const std::string& shown) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "cannot write " + shown);
    if (put == 0) return fail_errno(EIO, "cannot write " + shown);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Result<void> truncate_to(int fd, std::uint64_t size, const std::string& shown) {
  while (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return fail_errno(errno, "cannot set the size of " + shown);
  }
  return {};
}

// A sync that was interrupted may have consumed the error it would have reported: EINTR counts as
// failed.
Result<void> sync_data(int fd, const std::string& shown) {
  if (::fdatasync(fd) != 0) return fail_errno(errno, "cannot sync " + shown);
  return {};
}

Result<void> sync_all(int fd, const std::string& shown) {
  if (::fsync(fd) != 0) return fail_errno(errno, "cannot sync " + shown);
  return {};
}

}  // namespace holt
