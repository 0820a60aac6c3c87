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

// Checks every node reachable from the root: its kind and size, that no node but a shared edge is
// reached twice, the byte counts of the header, and B1 to B7; but for B4 that no edge elsewhere
// leads to the same child, which takes a look at all blobs. kCorrupt names blob, offset and fault.
// `used` bytes at `blob` may be read; they must not change meanwhile.
Result<BlobCensus> check_blob(View blob, BlobId expected);

}  // namespace holt::art
