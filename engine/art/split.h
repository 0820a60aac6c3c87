// Splitting a full blob: some siblings of one inner node move to a new blob.
//
// A path-shaped tree rarely has one subtree of half a blob, and moving siblings one by one makes
// tiny blobs. So one edge stands for several siblings: the moved children keep their branching
// bytes, the child's root is an inner node of the same depth, and any node can be cut near the
// middle, as a B-tree's can.
#pragma once

#include <vector>

#include "engine/art/edit.h"

namespace holt::art {

struct Cut {
  std::uint32_t place = 0;  // refers to the inner node; 0: nothing can be cut off
  // The entries that move, ascending; an edge's entries all or none.
  std::vector<unsigned char> bytes;
};

// Chooses entries of one node whose subtrees come close to half of the blob's live bytes.
Cut choose_cut(View blob);

// Moves the cut's subtrees to a new blob, formatted at `target` under `id`, leaves one edge and
// compacts.
void split(Editor& blob, const Cut& cut, std::byte* target, BlobId id);

}  // namespace holt::art
