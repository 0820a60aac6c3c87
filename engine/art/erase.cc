// erase(), detach(), and the folding of nodes that are left with too little.
#include <string>

#include "engine/art/edit.h"
#include "engine/art/find.h"
#include "engine/art/path.h"
#include "engine/base/check.h"

namespace holt::art {

namespace {

std::string bytes_of(const Editor& blob, Ref ref, NodeHead head) {
  const bool leaf = head.kind() == NodeKind::kLeaf;
  std::string out(leaf ? head.suffix_size() : head.prefix_size(), '\0');
  copy_out(out.data(), leaf ? blob.leaf_suffix(ref) : blob.prefix(ref), out.size());
  return out;
}

// Walks towards `key`, noting the way, until `stop` or the end of what matches. find() or
// find_prefix() has said before that `stop` lies on the way.
Path path_to(const Editor& blob, std::string_view key, std::uint32_t depth, Ref stop) {
  Path path;
  std::uint32_t place = Editor::root_place();
  for (;;) {
    const Ref ref = blob.ref_at(place);
    if (ref == stop) return path;
    const NodeHead head = blob.head(ref);
    if (head.kind() == NodeKind::kPrefix) {
      path.push_back({place, 0});
      depth += static_cast<std::uint32_t>(head.prefix_size());
      place = Editor::prefix_child_place(ref);
      continue;
    }
    CHECK(is_inner(head.kind()), "B4");
    if (depth == key.size()) {
      CHECK(head.terminal() == stop, "B6");
      path.push_back({place, 0});
      return path;
    }
    const auto byte = static_cast<unsigned char>(key[depth++]);
    path.push_back({place, byte});
    place = blob.child_place(ref, head, byte);
    CHECK(place != 0, "B4");
  }
}

// Takes what hangs from the last node of the path off it.
void unhang(Editor& blob, Path& path) {
  const Ref ref = blob.ref_at(path.back().place);
  if (blob.head(ref).kind() == NodeKind::kPrefix) {
    blob.release(ref);
    path.pop_back();
  }
  blob.remove_child(path.back().place, path.back().byte);
}

}  // namespace

std::size_t prepend_bound(const Editor& blob, std::size_t bytes, Ref subtree) {
  const NodeHead head = blob.head(subtree);
  switch (head.kind()) {
    case NodeKind::kLeaf:
      return leaf_bytes(bytes + head.suffix_size(), head.value_size()) + sizeof(DiskNode4);
    case NodeKind::kPrefix: return prefix_bytes(bytes + head.prefix_size()) + sizeof(DiskNode4);
    default: return prefix_bytes(bytes);
  }
}

namespace {

// For bytes that do not fit into one node with what the subtree begins with, as sizes are 16 bits.
Ref prepend_apart(Editor& blob, std::string_view bytes, Ref subtree, NodeHead head) {
  const bool leaf = head.kind() == NodeKind::kLeaf;
  const auto first = load<unsigned char>(leaf ? blob.leaf_suffix(subtree) : blob.prefix(subtree));
  Ref rest = subtree;
  if (!leaf && head.prefix_size() == 1) {
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

bool erase(Editor& blob, std::string_view key, std::uint32_t depth) {
  const Found found = find(blob, key, depth);
  CHECK(found.where != Where::kEdge, "B4");
  if (found.where == Where::kAbsent) return false;
  Path path = path_to(blob, key, depth, found.ref);
  const Ref inner = blob.ref_at(path.back().place);
  if (blob.head(inner).terminal() == found.ref) {
    blob.set_ref(Editor::terminal_place(inner), 0);
  } else {
    blob.remove_child(path.back().place, path.back().byte);
  }
  blob.release(found.ref);
  collapse(blob, path);
  return true;
}

Ref detach(Editor& blob, std::string_view prefix, std::uint32_t depth) {
  const PrefixSpot spot = find_prefix(blob, prefix, depth);
  CHECK(spot.kind != PrefixSpot::Kind::kEdge, "B4");
  if (spot.kind == PrefixSpot::Kind::kNone) return 0;
  CHECK(spot.ref != blob.root(), "B3");
  Path path = path_to(blob, prefix, depth, spot.ref);
  unhang(blob, path);
  blob.trim_front(spot.ref, spot.skip);
  collapse(blob, path);
  return spot.ref;
}

void release_subtree(Editor& blob, Ref subtree, std::vector<BlobId>& children) {
  blob.each_node(subtree, [&](Ref ref, NodeHead head) {
    if (head.kind() == NodeKind::kBlobEdge) children.push_back(head.blob());
    blob.release(ref);
    return true;
  });
}

void clear(Editor& blob, std::vector<BlobId>& children) {
  release_subtree(blob, blob.root(), children);
  // Nothing is live: no room could be missing.
  store<std::uint32_t>(blob.base() + offsetof(DiskBlobHeader, used), sizeof(DiskBlobHeader));
  store<std::uint32_t>(blob.base() + offsetof(DiskBlobHeader, dead), 0);
  blob.set_ref(Editor::root_place(), blob.new_inner(NodeKind::kNode4));
}

std::optional<std::size_t> measure_local(const Editor& blob, Ref subtree, std::size_t limit) {
  std::size_t bytes = 0;
  bool local = true;
  blob.each_node(subtree, [&](Ref, NodeHead head) {
    bytes += blob.size_of(head);
    local = head.kind() != NodeKind::kBlobEdge && bytes <= limit;
    return local;
  });
  return local ? std::optional(bytes) : std::nullopt;
}

}  // namespace holt::art
