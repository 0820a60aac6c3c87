// Reading the log after a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt::wal {

// Gives every record from `from` on, in order, to `apply`, and stops at the first place that does
// not hold a whole record of `generation` with the right LSN and checksum: the torn tail, a stale
// lap, or the remains of a crashed run. Returns the LSN where the valid prefix ends. `memory` is a
// mirrored ring of `bytes`. Fails with what `apply` fails with, or kCorrupt when `from` cannot be a
// record's position.
Result<Lsn> replay(const std::byte* memory, std::uint64_t bytes, Lsn from, std::uint32_t generation,
                   const std::function<Result<void>(Lsn at, std::string_view payload)>& apply);

}  // namespace holt::wal
