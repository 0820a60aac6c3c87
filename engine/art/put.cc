// put() and attach(): hanging a leaf or a subtree at the place a key points to.
#include <algorithm>

#include "engine/art/edit.h"
#include "engine/art/path.h"
#include "engine/base/check.h"

namespace holt::art {

namespace {

// Where the search for a key ends.
struct End {
  std::uint32_t place;  // refers to `ref`
  Ref ref;              // an inner node without the child, a leaf, or a prefix that differs
  std::uint32_t depth;  // of `ref`
  std::size_t common;   // leaf or prefix: bytes of it that agree with the key
};

End descend(const Editor& blob, std::string_view key, std::uint32_t depth) {
  std::uint32_t place = Editor::root_place();
  for (;;) {
    const Ref ref = blob.ref_at(place);
    const NodeHead head = blob.head(ref);
    const std::size_t rest = key.size() - depth;
    if (is_inner(head.kind())) {
      if (rest == 0) return {place, ref, depth, 0};
      const std::uint32_t child =
          blob.child_place(ref, head, static_cast<unsigned char>(key[depth]));
      if (child == 0) return {place, ref, depth, 0};
      place = child;
      ++depth;
      continue;
    }
    CHECK(head.kind() == NodeKind::kLeaf || head.kind() == NodeKind::kPrefix, "B4");
    const bool leaf = head.kind() == NodeKind::kLeaf;
    const std::size_t size = head.part_size();
    const std::size_t common =
        common_prefix(blob.part(ref), key.data() + depth, std::min(size, rest));
    if (leaf || common < size) return {place, ref, depth, common};
    depth += static_cast<std::uint32_t>(size);
    place = Editor::prefix_child_place(ref);
  }
}

// Splits the leaf or prefix at `end.common` bytes: an inner node stands there, with the remainder
// as its only child or terminal. Returns the place that refers to the inner node.
std::uint32_t fork(Editor& blob, const End& end, std::string_view key) {
  const NodeHead head = blob.head(end.ref);
  const std::size_t size = head.part_size();
  const Ref inner = blob.new_inner(NodeKind::kNode4);
  std::uint32_t place = end.place;
  if (end.common > 0) {
    const Ref prefix = blob.new_prefix(key.substr(end.depth, end.common), inner);
    blob.set_ref(place, prefix);
    place = Editor::prefix_child_place(prefix);
  } else {
    blob.set_ref(place, inner);
  }
  if (end.common == size) {
    blob.trim_front(end.ref, size);
    blob.set_ref(Editor::terminal_place(inner), end.ref);
    return place;
  }
  const auto branch = load<unsigned char>(blob.part(end.ref) + end.common);
  Ref child = end.ref;
  if (head.kind() == NodeKind::kPrefix && end.common + 1 == size) {
    child = head.prefix_child();
    blob.release(end.ref);
  } else {
    blob.trim_front(end.ref, end.common + 1);
  }
  blob.add_child(place, branch, child);
  return place;
}

// Where a child that all keys below `prefix` lead to is to be added.
struct Joint {
  std::uint32_t place;  // refers to the inner node
  std::size_t at;       // of the branching byte in the prefix
};

Joint joint_for(Editor& blob, std::string_view prefix, std::uint32_t depth) {
  const End end = descend(blob, prefix, depth);
  const std::size_t at = end.depth + end.common;
  CHECK(at < prefix.size(), "B4");
  const bool inner = is_inner(blob.head(end.ref).kind());
  return {inner ? end.place : fork(blob, end, prefix), at};
}

}  // namespace

void put(Editor& blob, std::string_view key, std::uint32_t depth, std::string_view value) {
  const End end = descend(blob, key, depth);
  const NodeHead head = blob.head(end.ref);
  const std::string_view rest = key.substr(end.depth);
  if (head.kind() == NodeKind::kLeaf && end.common == rest.size() &&
      head.part_size() == rest.size()) {
    if (blob.store_value(end.ref, value)) return;
    blob.set_ref(end.place, blob.new_leaf(rest, value));
    blob.release(end.ref);
    return;
  }
  const std::uint32_t place = is_inner(head.kind()) ? end.place : fork(blob, end, key);
  const std::string_view tail = rest.substr(end.common);
  if (!tail.empty()) {
    blob.add_child(place, static_cast<unsigned char>(tail[0]),
                   blob.new_leaf(tail.substr(1), value));
    return;
  }
  const Ref inner = blob.ref_at(place);
  const Ref old = blob.head(inner).terminal();
  if (old != 0 && blob.store_value(old, value)) return;
  blob.set_ref(Editor::terminal_place(inner), blob.new_leaf({}, value));
  if (old != 0) blob.release(old);
}

void attach(Editor& blob, std::string_view prefix, std::uint32_t depth, Ref subtree) {
  const auto [place, at] = joint_for(blob, prefix, depth);
  blob.add_child(place, static_cast<unsigned char>(prefix[at]),
                 prepend(blob, prefix.substr(at + 1), subtree));
}

std::uint32_t attach_edge(Editor& blob, std::string_view prefix, std::uint32_t depth,
                          BlobId child) {
  const auto [place, at] = joint_for(blob, prefix, depth);
  blob.add_child(place, static_cast<unsigned char>(prefix[at]), blob.new_edge(child));
  return static_cast<std::uint32_t>(at);
}

}  // namespace holt::art
