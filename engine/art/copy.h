// Copying subtrees between frames, and compaction.
#pragma once

#include "engine/art/edit.h"

namespace holt::art {

// Bytes of all nodes of a subtree, shared edges once.
std::size_t measure(View blob, Ref subtree);

// Whether a subtree has a leaf in this blob.
bool has_leaf(View blob, Ref subtree);

// Copies a subtree, in depth-first order, which is also the order of a scan. The room must be
// there: measure() says how much. The source must not change meanwhile.
Ref copy_subtree(View from, Ref subtree, Editor& to);

// The smallest inner kind for a number of children.
NodeKind kind_for(std::size_t children);

// Rewrites the blob without its dead bytes.
void compact(Editor& blob);

}  // namespace holt::art
