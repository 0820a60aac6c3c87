// Descending inside one blob.
//
// Safe on a frame that is being changed: it ends after at most one step per key byte, and its
// answer counts only if the frame's version did not move meanwhile.
#pragma once

#include <string_view>

#include "engine/art/view.h"

namespace holt::art {

enum class Where : std::uint8_t {
  kLeaf,    // the key's leaf is `ref`
  kAbsent,  // the key is not in the store, if this blob is the right one
  kEdge     // the search goes on at the root of `child`, at `depth`
};

struct Found {
  Where where = Where::kAbsent;
  Ref ref = 0;
  std::uint32_t depth = 0;  // kEdge: bytes of the key consumed above the child's root
  BlobId child{};
};

// Searches `key` from the root, which stands at `depth` bytes of the key.
Found find(View blob, std::string_view key, std::uint32_t depth);

// Where the keys that begin with a prefix hang.
struct PrefixSpot {
  enum class Kind : std::uint8_t {
    kNone,  // no node: no key begins with the prefix
    kNode,  // all of them are under `ref`
    kEdge   // the search goes on in `child` at `depth`
  };
  Kind kind = Kind::kNone;
  Ref ref = 0;
  // kNode: how many bytes of that leaf's suffix, or of that prefix node, belong to the prefix.
  std::uint32_t skip = 0;
  std::uint32_t depth = 0;
  BlobId child{};
};
PrefixSpot find_prefix(View blob, std::string_view prefix, std::uint32_t depth);

}  // namespace holt::art
