// Outcome<T>: what an operation of the filesystem returns, a value or an errno.
//
// The engine reports causes (holt::Error); POSIX callers want errno. errno_table.h translates at
// the one place where the layers meet.
//
// Thread safety: values.
#pragma once

#include <cerrno>
#include <expected>

namespace holtfs {

enum class Errno : int {};
constexpr int value_of(Errno e) { return static_cast<int>(e); }

template <class T>
using Outcome = std::expected<T, Errno>;

// The operation would have to wait, for a disk, a sync or others' claims, and the caller asked not
// to. No operation means anything else by EAGAIN, and one that returns it has changed nothing that
// a second attempt would not redo.
inline constexpr Errno kWouldWait{EAGAIN};

inline std::unexpected<Errno> fail(int err) { return std::unexpected<Errno>(Errno{err}); }
inline std::unexpected<Errno> fail(Errno err) { return std::unexpected<Errno>(err); }

}  // namespace holtfs
