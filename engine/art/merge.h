// Merging blobs that have become small.
//
// The caller holds the gate exclusively and the latches of the blobs it names.
#pragma once

#include "engine/art/edit.h"
#include "engine/art/find.h"

namespace holt::art {

// Takes everything of `child` into the parent in place of the edge on the way of `key`.
// `parent_depth` and `child_depth` are those of the roots. Needs child.live() bytes plus
// kMergeSlack of room in the parent.
void absorb_child(Editor& parent, std::uint32_t parent_depth, View child, std::uint32_t child_depth,
                  std::string_view key);

// Child blobs of the inner node that `key` reaches at `child_depth`, beside the one named `self`.
std::vector<BlobId> siblings(View parent, std::uint32_t parent_depth, std::uint32_t child_depth,
                             std::string_view key, BlobId self);

// Takes everything of `other` into `child`, both hanging from that inner node; the entries of
// `other`'s edge lead to `child` afterwards. Needs other.live() plus kMergeSlack of room in
// `child`.
void absorb_sibling(Editor& parent, std::uint32_t parent_depth, Editor& child,
                    std::uint32_t child_depth, View other, std::string_view key);

inline constexpr std::size_t kMergeSlack = 2 * sizeof(DiskNode256);

}  // namespace holt::art
