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

// `too_large` is what exceeding a limit of the engine means to the caller: ENAMETOOLONG where the
// key grew with the path, E2BIG or ENOSPC where the value did.
Errno errno_of(const holt::Error& error, int too_large = ENAMETOOLONG);

inline std::unexpected<Errno> fail(const holt::Error& error, int too_large = ENAMETOOLONG) {
  return std::unexpected<Errno>(errno_of(error, too_large));
}

}  // namespace holtfs
