// Checking a blob's bytes as data, before any walker may trust them.
#pragma once

#include <vector>

#include "engine/art/view.h"
#include "engine/base/result.h"

namespace holt::art {

struct BlobCensus {
  std::uint64_t leaves = 0, nodes = 0;
  std::size_t live_bytes = 0;
  std::vector<BlobId> children;  // one for each edge
};

// Checks every node reachable from the root: kinds, bounds, ascending bytes, no node reached twice
// but shared edges, the byte counts of the header, and B1 to B6. kCorrupt names blob, offset and
// fault. `used` bytes at `blob` may be read; the frame must not change meanwhile.
Result<BlobCensus> check_blob(View blob, BlobId expected);

}  // namespace holt::art
