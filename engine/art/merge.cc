#include "engine/art/merge.h"

#include "engine/art/copy.h"
#include "engine/art/path.h"
#include "engine/base/check.h"

namespace holt::art {

namespace {

// The entries of an inner node that lead to the blob `id`, and the edge they share.
std::vector<unsigned char> entries_of(View blob, Ref inner, BlobId id, Ref& edge) {
  std::vector<unsigned char> entries;
  blob.each_child(inner, blob.head(inner), 0, [&](unsigned char byte, Ref child) {
    const NodeHead head = blob.head(child);
    if (head.kind() == NodeKind::kBlobEdge && head.blob() == id) {
      entries.push_back(byte);
      edge = child;
    }
    return true;
  });
  CHECK(!entries.empty(), "B4");
  return entries;
}

Ref child_ref(View blob, Ref inner, unsigned char byte) {
  const std::uint32_t place = blob.child_place(inner, blob.head(inner), byte);
  return place == 0 ? 0 : blob.ref_at(place);
}

// Copies what `from`'s root has under `entries` to the places those entries have in the inner node
// that `place` refers to; entries that `from` no longer has are removed. Shared edges stay shared.
void take_entries(Editor& to, std::uint32_t place, const std::vector<unsigned char>& entries,
                  View from) {
  std::vector<std::pair<Ref, Ref>> copies;
  for (const unsigned char byte : entries) {
    const Ref old = child_ref(from, from.root(), byte);
    if (old == 0) continue;
    Ref copy = 0;
    for (const auto& pair : copies) {
      if (pair.first == old) copy = pair.second;
    }
    if (copy == 0) {
      copy = copy_subtree(from, old, to);
      copies.emplace_back(old, copy);
    }
    const Ref inner = to.ref_at(place);
    const std::uint32_t entry = to.child_place(inner, to.head(inner), byte);
    if (entry != 0) {
      to.set_ref(entry, copy);
    } else {
      to.add_child(place, byte, copy);
    }
  }
}

}  // namespace

void absorb_child(Editor& parent, std::uint32_t parent_depth, View child, std::uint32_t child_depth,
                  std::string_view key) {
  Path path = path_to_depth(parent, key, parent_depth, child_depth);
  const std::uint32_t place = path.back().place;
  Ref edge = 0;
  const auto entries = entries_of(parent, parent.ref_at(place), child.id(), edge);
  take_entries(parent, place, entries, child);
  for (const unsigned char byte : entries) {
    if (child_ref(parent, parent.ref_at(place), byte) == edge) parent.remove_child(place, byte);
  }
  parent.release(edge);
  collapse(parent, path);
}

std::vector<BlobId> siblings(View parent, std::uint32_t parent_depth, std::uint32_t child_depth,
                             std::string_view key, BlobId self) {
  std::vector<BlobId> ids;
  const Path path = path_to_depth(parent, key, parent_depth, child_depth);
  const Ref inner = parent.ref_at(path.back().place);
  parent.each_distinct_child(inner, parent.head(inner), [&](Ref child) {
    const NodeHead head = parent.head(child);
    if (head.kind() == NodeKind::kBlobEdge && head.blob() != self) ids.push_back(head.blob());
  });
  return ids;
}

void absorb_sibling(Editor& parent, std::uint32_t parent_depth, Editor& child,
                    std::uint32_t child_depth, View other, std::string_view key) {
  const Path path = path_to_depth(parent, key, parent_depth, child_depth);
  const Ref inner = parent.ref_at(path.back().place);
  Ref edge = 0;
  Ref other_edge = 0;
  entries_of(parent, inner, child.id(), edge);
  const auto entries = entries_of(parent, inner, other.id(), other_edge);
  take_entries(child, Editor::root_place(), entries, other);
  for (const unsigned char byte : entries) {
    parent.set_ref(parent.child_place(inner, parent.head(inner), byte), edge);
  }
  parent.release(other_edge);
}

}  // namespace holt::art
