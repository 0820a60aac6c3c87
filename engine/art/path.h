// The way from a blob's root to a node, for operations that have to look back up.
#pragma once

#include <vector>

#include "engine/art/edit.h"

namespace holt::art {

struct PathStep {
  std::uint32_t place;  // where the reference to this node stands
  unsigned char byte;   // the branch taken from it, when it is an inner node
};
// From the root down; only Prefix and inner nodes, the last of them an inner node.
using Path = std::vector<PathStep>;

// Puts bytes in front of everything in a subtree whose topmost node no place refers to. Gives the
// new topmost node; the old one is released where it was replaced.
Ref prepend(Editor& blob, std::string_view bytes, Ref subtree);
std::size_t prepend_bound(const Editor& blob, std::size_t bytes, Ref subtree);

// Restores the canonical form after the last inner node of the path lost a child or its terminal:
// an empty node is removed, one with a single child or only a terminal is folded into what is left
// of it.
void collapse(Editor& blob, Path& path);

}  // namespace holt::art
