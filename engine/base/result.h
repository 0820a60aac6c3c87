// Operating errors as values: Result<T> is T or an Error.
//
// Four kinds of trouble are kept apart. An operating error (no such key, disk full) is an Error. A
// damaged store is an Error with Code::kCorrupt whose text names the blob and offset. A broken
// invariant is a CHECK (base/check.h). An optimistic restart is a type of its own, never an Error.
//
// Thread safety: values, no shared state.
#pragma once

#include <cerrno>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace holt {

enum class Code : std::uint8_t {
  kNotFound,      // the key, or the prefix to move, does not exist
  kExists,        // insert of a key, or move onto a prefix, that exists
  kPrecondition,  // a batch precondition does not hold
  kInvalid,       // the caller's argument is wrong
  kTooLarge,      // key, value or batch beyond the documented limit
  kWouldBlock,    // Wait::kNo, and the answer needs a read from disk
  kCorrupt,       // bytes on disk are not what was written
  kIo,            // a system call failed; sys_errno() says how
  kNoSpace,       // the storage is full
  kReadOnly,      // opened read-only, or turned read-only after a failed sync
  kBusy,          // somebody else has the store open
};

class [[nodiscard]] Error {
 public:
  explicit Error(Code code, std::string text = {}, int sys_errno = 0)
      : text_(std::move(text)), sys_errno_(sys_errno), code_(code) {}

  // A failed system call: kNoSpace for ENOSPC and EDQUOT, kIo otherwise.
  static Error from_errno(int err, std::string text) {
    const Code code = err == ENOSPC || err == EDQUOT ? Code::kNoSpace : Code::kIo;
    return Error(code, std::move(text), err);
  }

  Code code() const { return code_; }
  int sys_errno() const { return sys_errno_; }
  // One sentence for a person; empty for the ordinary outcomes (kNotFound, kExists, ...).
  const std::string& text() const { return text_; }
  // The text, or a generic one for the code; with strerror() where a system call failed.
  std::string to_string() const;

 private:
  std::string text_;
  int sys_errno_;
  Code code_;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string text = {}) {
  return std::unexpected<Error>(Error(code, std::move(text)));
}
inline std::unexpected<Error> fail_errno(int err, std::string text) {
  return std::unexpected<Error>(Error::from_errno(err, std::move(text)));
}
// Passes the error of one result on as the error of another.
template <class T>
std::unexpected<Error> pass(Result<T>& result) {
  return std::unexpected<Error>(std::move(result.error()));
}
template <class T>
std::unexpected<Error> pass(Result<T>&& result) {
  return std::unexpected<Error>(std::move(result.error()));
}

}  // namespace holt
