// erase(), detach(), and what becomes of a subtree that was cut off.
#include "engine/art/edit.h"
#include "engine/art/find.h"
#include "engine/art/path.h"
#include "engine/base/check.h"

namespace holt::art {

namespace {

// The thread's own, for one erasure at a time.
Path& scratch_path() {
  thread_local Path path;
  return path;
}

}  // namespace

bool erase(Editor& blob, std::string_view key, std::uint32_t depth) {
  const Found found = find(blob, key, depth);
  CHECK(found.where != Where::kEdge, "B4");
  if (found.where == Where::kAbsent) return false;
  erase_leaf(blob, key, depth, found.ref);
  return true;
}

void erase_leaf(Editor& blob, std::string_view key, std::uint32_t depth, Ref leaf) {
  Path& path = scratch_path();
  path_to(blob, key, depth, leaf, path);
  const Ref inner = blob.ref_at(path.back().place);
  if (blob.head(inner).terminal() == leaf) {
    blob.set_ref(Editor::terminal_place(inner), 0);
  } else {
    blob.remove_child(path.back().place, path.back().byte);
  }
  blob.release(leaf);
  collapse(blob, path);
}

Ref detach(Editor& blob, std::string_view prefix, std::uint32_t depth, const PrefixSpot& spot) {
  CHECK(spot.kind != PrefixSpot::Kind::kEdge, "B4");
  if (spot.kind == PrefixSpot::Kind::kNone) return 0;
  CHECK(spot.ref != blob.root(), "B3");
  Path& path = scratch_path();
  path_to(blob, prefix, depth, spot.ref, path);
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
