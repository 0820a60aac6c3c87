// The one table that turns errors of the engine into errno values.
//
// kCorrupt and kIo are logged here with the engine's sentence, which names the place, because the
// caller of a system call sees only EIO.
//
// Thread safety: any thread.
#pragma once

#include "engine/base/result.h"
#include "fs/outcome.h"

namespace holtfs {

Errno errno_of(const holt::Error& error);

inline std::unexpected<Errno> fail(const holt::Error& error) {
  return std::unexpected<Errno>(errno_of(error));
}

}  // namespace holtfs
