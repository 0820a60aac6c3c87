// The way from a blob's root to a node, for operations that have to look back up.
#pragma once

#include <string_view>
#include <vector>

#include "engine/art/edit.h"

namespace holt::art {

struct PathStep {
  std::uint32_t place;  // where the reference to this node stands
  unsigned char byte;   // the branch taken from it, when it is an inner node
};
// From the root down; only Prefix and inner nodes, the last of them an inner node.
using Path = std::vector<PathStep>;

// The way to the node `stop`, which lies on the way of `key`, without it; find() or find_prefix()
// said so. `depth` is that of the root.
// `path` is cleared first: it may keep its memory from one walk to the next.
void path_to(const Editor& blob, std::string_view key, std::uint32_t depth, Ref stop, Path& path);
// The way to the inner node at `to_depth` on the way of `key`, which goes on from there.
Path path_to_depth(View blob, std::string_view key, std::uint32_t depth, std::uint32_t to_depth);

// Takes what hangs from the last node of the path off it.
void unhang(Editor& blob, Path& path);

// Puts bytes in front of everything in a subtree whose topmost node no place refers to. Gives the
// new topmost node; the old one is released where it was replaced.
Ref prepend(Editor& blob, std::string_view bytes, Ref subtree);
std::size_t prepend_bound(const Editor& blob, std::size_t bytes, Ref subtree);

// Restores the canonical form after the last inner node of the path lost a child or its terminal:
// an empty node is removed, one with a single child or only a terminal is folded into what is left
// of it.
void collapse(Editor& blob, Path& path);

}  // namespace holt::art
