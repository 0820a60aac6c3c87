// Descending inside one blob.
//
// Safe on a frame that is being changed: it ends after at most one step per key byte, and its
// answer counts only if the frame's version did not move meanwhile.
#pragma once

#include <array>
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

// The inner nodes below the root that a search passed, as many as there is room for.
class Trail {
 public:
  struct Stop {
    Ref ref;
    std::uint32_t depth;  // bytes of the key consumed above it
  };

  void clear() { count_ = 0; }
  void add(Ref ref, std::uint32_t depth) {
    if (count_ < kMaxStops) stops_[count_++] = {ref, depth};
  }
  // The last stop that keys pass which have `common` bytes in common with the one searched; null
  // when there is none. What lies behind it is forgotten.
  const Stop* back_to(std::size_t common) {
    while (count_ > 0 && stops_[count_ - 1].depth > common) --count_;
    return count_ > 0 ? &stops_[count_ - 1] : nullptr;
  }

 private:
  static constexpr std::uint32_t kMaxStops = 48;
  std::uint32_t count_ = 0;
  std::array<Stop, kMaxStops> stops_;
};
// The same search, which notes its way in `trail`; it begins at the trail's `stop` or, when that is
// null, at the root.
Found find(View blob, std::string_view key, std::uint32_t depth, const Trail::Stop* stop,
           Trail& trail);

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
