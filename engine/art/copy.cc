#include "engine/art/copy.h"

#include <array>
#include <memory>
#include <utility>

#include "engine/base/check.h"

namespace holt::art {

std::size_t measure(View blob, Ref subtree) {
  const NodeHead head = blob.head(subtree);
  std::size_t bytes = blob.size_of(head);
  if (head.kind() == NodeKind::kPrefix) return bytes + measure(blob, head.prefix_child());
  if (!is_inner(head.kind())) return bytes;
  if (head.terminal() != 0) bytes += measure(blob, head.terminal());
  blob.each_distinct_child(subtree, head, [&](Ref child) { bytes += measure(blob, child); });
  return bytes;
}

bool has_leaf(View blob, Ref subtree) {
  const NodeHead head = blob.head(subtree);
  if (head.kind() == NodeKind::kLeaf) return true;
  if (head.kind() == NodeKind::kPrefix) return has_leaf(blob, head.prefix_child());
  if (!is_inner(head.kind())) return false;
  bool found = head.terminal() != 0;
  blob.each_child(subtree, head, 0, [&](unsigned char, Ref child) {
    found = found || has_leaf(blob, child);
    return !found;
  });
  return found;
}

namespace {

// Copies the children of the inner node `from_ref` to its word-for-word copy `to_ref`.
void copy_children(View from, Ref from_ref, NodeHead head, Editor& to, Ref to_ref) {
  if (head.terminal() != 0) {
    to.set_ref(Editor::terminal_place(to_ref), copy_subtree(from, head.terminal(), to));
  }
  std::vector<std::pair<Ref, Ref>> edges;  // shared edges stay shared (B4)
  from.each_child(from_ref, head, 0, [&](unsigned char byte, Ref child) {
    const std::uint32_t place = to.child_place(to_ref, head, byte);
    const bool edge = from.head(child).kind() == NodeKind::kBlobEdge;
    if (edge) {
      for (const auto& [old_edge, new_edge] : edges) {
        if (old_edge == child) return to.set_ref(place, new_edge), true;
      }
    }
    const Ref copy = copy_subtree(from, child, to);
    to.set_ref(place, copy);
    if (edge) edges.emplace_back(child, copy);
    return true;
  });
}

}  // namespace

Ref copy_subtree(View from, Ref subtree, Editor& to) {
  const NodeHead head = from.head(subtree);
  const std::size_t bytes = from.size_of(head);
  const Ref copy = to.allocate(bytes);
  copy_words(to.base() + std::size_t{copy} * kNodeUnit, from.at(subtree), bytes);
  if (head.kind() == NodeKind::kPrefix) {
    to.set_ref(Editor::prefix_child_place(copy), copy_subtree(from, head.prefix_child(), to));
  } else if (is_inner(head.kind())) {
    copy_children(from, subtree, head, to, copy);
  }
  return copy;
}

NodeKind kind_for(std::size_t children) {
  if (children <= 4) return NodeKind::kNode4;
  if (children <= 16) return NodeKind::kNode16;
  return children <= 48 ? NodeKind::kNode48 : NodeKind::kNode256;
}

void compact(Editor& blob) {
  struct alignas(8) Scratch {
    std::array<std::byte, kBlobBytes> bytes;
  };
  thread_local const auto scratch = std::make_unique_for_overwrite<Scratch>();
  std::byte* to = scratch->bytes.data();
  copy_words(to, blob.base(), sizeof(DiskBlobHeader));
  store<std::uint32_t>(to + offsetof(DiskBlobHeader, used), sizeof(DiskBlobHeader));
  store<std::uint32_t>(to + offsetof(DiskBlobHeader, dead), 0);
  Editor compacted(to);
  compacted.set_ref(Editor::root_place(), copy_subtree(blob, blob.root(), compacted));
  CHECK(compacted.used() == blob.live(), "B2");
  copy_words(blob.base(), to, compacted.used());
}

}  // namespace holt::art
