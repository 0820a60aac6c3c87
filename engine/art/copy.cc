#include "engine/art/copy.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/base/buffer.h"
#include "engine/base/check.h"

namespace holt::art {

std::size_t measure(View blob, Ref subtree) {
  const NodeHead top = blob.head(subtree);
  if (top.kind() != NodeKind::kPrefix && !is_inner(top.kind())) return blob.size_of(top);
  std::size_t bytes = 0;
  blob.each_node(subtree, [&](Ref, NodeHead head) { return bytes += blob.size_of(head), true; });
  return bytes;
}

bool has_leaf(View blob, Ref subtree) {
  bool found = false;
  blob.each_node(subtree, [&](Ref, NodeHead head) {
    found = head.kind() == NodeKind::kLeaf;
    return !found;
  });
  return found;
}

namespace {

// A node to be copied, and where the reference to its copy belongs; 0 for the topmost.
struct Pending {
  Ref from;
  std::uint32_t place;
};

Ref copy_node(View from, Ref ref, std::size_t bytes, Editor& to) {
  const Ref copy = to.allocate(bytes);
  copy_words(to.at(copy), from.at(ref), bytes);
  return copy;
}

// Notes what hangs from the inner node `from_ref`, whose word-for-word copy is `to_ref`; the first
// child comes last, for it is taken first.
void note_children(View from, Ref from_ref, NodeHead head, Editor& to, Ref to_ref,
                   std::vector<Pending>& todo) {
  const auto first = static_cast<std::ptrdiff_t>(todo.size());
  std::vector<std::pair<Ref, Ref>> edges;  // shared edges stay shared (B4)
  from.each_child(from_ref, head, 0, [&](unsigned char byte, Ref child) {
    const std::uint32_t place = to.child_place(to_ref, head, byte);
    if (from.head(child).kind() != NodeKind::kBlobEdge) {
      todo.push_back({child, place});
      return true;
    }
    auto same = std::find_if(edges.begin(), edges.end(),
                             [&](const auto& edge) { return edge.first == child; });
    if (same == edges.end()) {
      same = edges.insert(same, {child, copy_node(from, child, sizeof(DiskBlobEdge), to)});
    }
    to.set_ref(place, same->second);
    return true;
  });
  std::reverse(todo.begin() + first, todo.end());
  if (head.terminal() != 0) todo.push_back({head.terminal(), Editor::terminal_place(to_ref)});
}

}  // namespace

Ref copy_subtree(View from, Ref subtree, Editor& to) {
  Ref top = 0;
  std::vector<Pending> todo{{subtree, 0}};
  while (!todo.empty()) {
    const Pending next = todo.back();
    todo.pop_back();
    const NodeHead head = from.head(next.from);
    const Ref copy = copy_node(from, next.from, from.size_of(head), to);
    if (next.place == 0) {
      top = copy;
    } else {
      to.set_ref(next.place, copy);
    }
    if (head.kind() == NodeKind::kPrefix) {
      todo.push_back({head.prefix_child(), Editor::prefix_child_place(copy)});
    } else if (is_inner(head.kind())) {
      note_children(from, next.from, head, to, copy, todo);
    }
  }
  return top;
}

NodeKind kind_for(std::size_t children) {
  if (children <= 4) return NodeKind::kNode4;
  if (children <= 16) return NodeKind::kNode16;
  return children <= 48 ? NodeKind::kNode48 : NodeKind::kNode256;
}

void compact(Editor& blob) {
  thread_local const auto scratch = std::make_unique_for_overwrite<BlobBuffer>();
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
