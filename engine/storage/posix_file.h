// Small wrappers around file descriptors: whole reads and writes, and errors as sentences.
//
// Thread safety: functions are as safe as the system calls under them; UniqueFd is a value of one
// owner.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "engine/base/result.h"

namespace holt {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// openat() with O_CLOEXEC. `shown` names the file in the error's sentence.
Result<UniqueFd> open_at(int directory, const std::string& name, int flags,
                         const std::string& shown);

Result<std::uint64_t> size_of(int fd, const std::string& shown);
// Reads until `out` is full or the file ends; returns the bytes read.
Result<std::size_t> read_up_to(int fd, std::span<std::byte> out, std::uint64_t offset,
                               const std::string& shown);
Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
                       const std::string& shown);
Result<void> truncate_to(int fd, std::uint64_t size, const std::string& shown);
Result<void> sync_data(int fd, const std::string& shown);
// Also of a directory: makes names durable.
Result<void> sync_all(int fd, const std::string& shown);

}  // namespace holt
