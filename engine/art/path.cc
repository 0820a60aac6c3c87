#include "engine/art/path.h"

#include <string>

#include "engine/base/check.h"

namespace holt::art {

namespace {

// Notes the way towards `key` until `ends(ref, depth)` is true, which is asked at each node before
// it is added, and last of the terminal.
template <class Ends>
void walk_towards(View blob, std::string_view key, std::uint32_t depth, Path& path, Ends ends) {
  path.clear();
  std::uint32_t place = Editor::root_place();
  for (;;) {
    const Ref ref = blob.ref_at(place);
    if (ends(ref, depth)) return;
    const NodeHead head = blob.head(ref);
    if (head.kind() == NodeKind::kPrefix) {
      path.push_back({place, 0});
      depth += static_cast<std::uint32_t>(head.part_size());
      place = Editor::prefix_child_place(ref);
      continue;
    }
    CHECK(is_inner(head.kind()), "B4");
    if (depth == key.size()) {
      CHECK(ends(head.terminal(), depth), "B6");
      path.push_back({place, 0});
      return;
    }
    const auto byte = static_cast<unsigned char>(key[depth++]);
    path.push_back({place, byte});
    place = blob.child_place(ref, head, byte);
    CHECK(place != 0, "B4");
  }
}

std::string bytes_of(const Editor& blob, Ref ref, NodeHead head) {
  std::string out(head.part_size(), '\0');
  copy_out(out.data(), blob.part(ref), out.size());
  return out;
}

}  // namespace

void path_to(const Editor& blob, std::string_view key, std::uint32_t depth, Ref stop, Path& path) {
  walk_towards(blob, key, depth, path, [&](Ref ref, std::uint32_t) { return ref == stop; });
}

Path path_to_depth(View blob, std::string_view key, std::uint32_t depth, std::uint32_t to_depth) {
  CHECK(depth <= to_depth && to_depth < key.size(), "B4");
  Path path;
  walk_towards(blob, key, depth, path, [&](Ref, std::uint32_t at) { return at > to_depth; });
  CHECK(is_inner(blob.head(blob.ref_at(path.back().place)).kind()), "B4");
  return path;
}

void unhang(Editor& blob, Path& path) {
  const Ref ref = blob.ref_at(path.back().place);
  if (blob.head(ref).kind() == NodeKind::kPrefix) {
    blob.release(ref);
    path.pop_back();
  }
  blob.remove_child(path.back().place, path.back().byte);
}

std::size_t prepend_bound(const Editor& blob, std::size_t bytes, Ref subtree) {
  const NodeHead head = blob.head(subtree);
  switch (head.kind()) {
    case NodeKind::kLeaf:
      return leaf_bytes(bytes + head.part_size(), head.value_size()) + sizeof(DiskNode4);
    case NodeKind::kPrefix: return prefix_bytes(bytes + head.part_size()) + sizeof(DiskNode4);
    default: return prefix_bytes(bytes);
  }
}

namespace {

// For bytes that do not fit into one node with what the subtree begins with, as sizes are 16 bits.
Ref prepend_apart(Editor& blob, std::string_view bytes, Ref subtree, NodeHead head) {
  const auto first = load<unsigned char>(blob.part(subtree));
  Ref rest = subtree;
  if (head.kind() == NodeKind::kPrefix && head.part_size() == 1) {
    rest = head.prefix_child();
    blob.release(subtree);
  } else {
    blob.trim_front(subtree, 1);
  }
  const Ref prefix = blob.new_prefix(bytes, blob.new_inner(NodeKind::kNode4));
  blob.add_child(Editor::prefix_child_place(prefix), first, rest);
  return prefix;
}

}  // namespace

Ref prepend(Editor& blob, std::string_view bytes, Ref subtree) {
  if (bytes.empty()) return subtree;
  const NodeHead head = blob.head(subtree);
  CHECK(head.kind() != NodeKind::kBlobEdge, "B4");
  if (is_inner(head.kind())) return blob.new_prefix(bytes, subtree);
  std::string whole(bytes);
  whole += bytes_of(blob, subtree, head);
  if (whole.size() > 0xffff) return prepend_apart(blob, bytes, subtree, head);
  Ref ref;
  if (head.kind() == NodeKind::kLeaf) {
    std::string value(head.value_size(), '\0');
    copy_out(value.data(), blob.leaf_value(subtree, head), value.size());
    ref = blob.new_leaf(whole, value);
  } else {
    ref = blob.new_prefix(whole, head.prefix_child());
  }
  blob.release(subtree);
  return ref;
}

void collapse(Editor& blob, Path& path) {
  while (path.size() > 1) {
    std::uint32_t place = path.back().place;
    const Ref ref = blob.ref_at(place);
    const NodeHead head = blob.head(ref);
    if (head.count() > 1 || (head.count() == 1 && head.terminal() != 0)) return;
    if (head.count() == 0 && head.terminal() == 0) {
      blob.release(ref);
      path.pop_back();
      unhang(blob, path);
      continue;
    }
    const Ref above = blob.ref_at(path[path.size() - 2].place);
    const NodeHead above_head = blob.head(above);
    const bool prefixed = above_head.kind() == NodeKind::kPrefix;
    std::string bytes = prefixed ? bytes_of(blob, above, above_head) : std::string();
    if (prefixed) place = path[path.size() - 2].place;
    Ref rest = head.terminal();
    if (head.count() == 1) {
      blob.each_child(ref, head, 0, [&](unsigned char byte, Ref child) {
        bytes += static_cast<char>(byte);
        rest = child;
        return false;
      });
      if (blob.head(rest).kind() == NodeKind::kBlobEdge) return;  // B4
    }
    if (!blob.can_spare(prepend_bound(blob, bytes.size(), rest))) return;
    blob.set_ref(place, prepend(blob, bytes, rest));
    blob.release(ref);
    if (prefixed) blob.release(above);
    return;
  }
}

}  // namespace holt::art
