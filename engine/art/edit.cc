#include "engine/art/edit.h"

#include "engine/base/check.h"

namespace holt::art {

namespace {

constexpr std::uint32_t u32(std::size_t value) { return static_cast<std::uint32_t>(value); }

// Kinds by size: a node grows to the next when it is full, and shrinks to the one before when it
// has shrink_at() children or fewer, well below that one's capacity, so that it does not flap.
NodeKind larger(NodeKind kind) { return static_cast<NodeKind>(static_cast<int>(kind) + 1); }
NodeKind smaller(NodeKind kind) { return static_cast<NodeKind>(static_cast<int>(kind) - 1); }

std::size_t shrink_at(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNode16: return 3;
    case NodeKind::kNode48: return 12;
    case NodeKind::kNode256: return 36;
    default: return 0;
  }
}

std::uint64_t inner_head(NodeKind kind, std::size_t count, Ref terminal) {
  return static_cast<std::uint64_t>(kind) | std::uint64_t{count} << 16 |
         std::uint64_t{terminal} << 32;
}

}  // namespace

Editor Editor::format(std::byte* base, BlobId id) {
  for (std::size_t at = 0; at < sizeof(DiskBlobHeader); at += 8) store<std::uint64_t>(base + at, 0);
  store<std::uint64_t>(base + offsetof(DiskBlobHeader, magic), kBlobMagic);
  store<std::uint32_t>(base + offsetof(DiskBlobHeader, id), index_of(id));
  store<std::uint32_t>(base + offsetof(DiskBlobHeader, used), sizeof(DiskBlobHeader));
  Editor blob(base);
  blob.set_ref(root_place(), blob.new_inner(NodeKind::kNode4));
  return blob;
}

Ref Editor::allocate(std::size_t bytes) {
  const std::uint32_t at = used();
  CHECK(at + bytes <= kBlobBytes, "B1");
  store<std::uint32_t>(base_ + offsetof(DiskBlobHeader, used), at + u32(bytes));
  return static_cast<Ref>(at / kNodeUnit);
}

void Editor::add_dead(std::size_t bytes) {
  const std::size_t now = dead() + bytes;
  CHECK(now + sizeof(DiskBlobHeader) <= used(), "B2");
  store<std::uint32_t>(base_ + offsetof(DiskBlobHeader, dead), u32(now));
}

Ref Editor::new_leaf(std::string_view suffix, std::string_view value) {
  const std::size_t bytes = leaf_bytes(suffix.size(), value.size());
  const Ref ref = allocate(bytes);
  std::byte* node = at(ref);
  store<std::uint64_t>(node, static_cast<std::uint64_t>(NodeKind::kLeaf) |
                                 std::uint64_t{suffix.size()} << 16 |
                                 std::uint64_t{value.size()} << 32);
  copy_in(node + sizeof(DiskLeaf), suffix.data(), suffix.size());
  copy_in(node + sizeof(DiskLeaf) + suffix.size(), value.data(), value.size());
  return ref;
}

Ref Editor::new_prefix(std::string_view bytes, Ref child) {
  CHECK(!bytes.empty(), "B5");
  const std::size_t size = prefix_bytes(bytes.size());
  const Ref ref = allocate(size);
  std::byte* node = at(ref);
  store<std::uint64_t>(node, static_cast<std::uint64_t>(NodeKind::kPrefix) |
                                 std::uint64_t{bytes.size()} << 16 | std::uint64_t{child} << 32);
  copy_in(node + sizeof(DiskPrefix), bytes.data(), bytes.size());
  return ref;
}

Ref Editor::new_inner(NodeKind kind) {
  const std::size_t size = node_bytes(kind);
  const Ref ref = allocate(size);
  std::byte* node = at(ref);
  for (std::size_t at = 8; at < size; at += 8) store<std::uint64_t>(node + at, 0);
  store<std::uint64_t>(node, inner_head(kind, 0, 0));
  return ref;
}

void Editor::overwrite_with_edge(Ref released, BlobId child) {
  store<std::uint64_t>(at(released), static_cast<std::uint64_t>(NodeKind::kBlobEdge) |
                                         std::uint64_t{index_of(child)} << 32);
  store<std::uint32_t>(base_ + offsetof(DiskBlobHeader, dead), dead() - u32(sizeof(DiskBlobEdge)));
}

Ref Editor::new_edge(BlobId child) {
  const Ref ref = allocate(sizeof(DiskBlobEdge));
  add_dead(sizeof(DiskBlobEdge));
  overwrite_with_edge(ref, child);
  return ref;
}

bool Editor::store_value(Ref leaf, std::string_view value) {
  const NodeHead old = head(leaf);
  const std::size_t had = leaf_bytes(old.part_size(), old.value_size());
  const std::size_t needs = leaf_bytes(old.part_size(), value.size());
  if (needs > had) return false;
  std::byte* node = at(leaf);
  store<std::uint64_t>(node, (old.word & 0xffffffff) | std::uint64_t{value.size()} << 32);
  copy_in(node + sizeof(DiskLeaf) + old.part_size(), value.data(), value.size());
  add_dead(had - needs);
  return true;
}

void Editor::patch_value(Ref leaf, std::uint32_t offset, std::string_view bytes) {
  const NodeHead old = head(leaf);
  CHECK(offset + bytes.size() <= old.value_size(), "B1");
  copy_in(at(leaf) + sizeof(DiskLeaf) + old.part_size() + offset, bytes.data(), bytes.size());
}

void Editor::trim_front(Ref ref, std::size_t bytes) {
  if (bytes == 0) return;
  const NodeHead old = head(ref);
  const std::size_t size = old.part_size();
  CHECK(bytes <= size, "B1");
  const std::size_t had = size_of(old);
  const std::size_t value = old.kind() == NodeKind::kLeaf ? old.value_size() : 0;
  const std::size_t body = size + value - bytes;
  std::byte* node = at(ref);
  shift_down(node + sizeof(DiskLeaf), node + sizeof(DiskLeaf) + bytes, body);
  store<std::uint64_t>(node, old.word - (std::uint64_t{bytes} << 16));
  add_dead(had - size_of(head(ref)));
}

void Editor::set_count(Ref ref, std::size_t count) {
  store<std::uint16_t>(at(ref) + offsetof(DiskInner, count), static_cast<std::uint16_t>(count));
}

namespace {

// Node4 and Node16 differ in their offsets only.
struct SortedLayout {
  std::size_t bytes, children;
};
SortedLayout sorted_layout(NodeKind kind) {
  if (kind == NodeKind::kNode4) return {offsetof(DiskNode4, bytes), offsetof(DiskNode4, children)};
  return {offsetof(DiskNode16, bytes), offsetof(DiskNode16, children)};
}

}  // namespace

void Editor::insert_sorted(Ref ref, NodeHead head, unsigned char byte, Ref child) {
  const SortedLayout layout = sorted_layout(head.kind());
  std::byte* node = at(ref);
  std::size_t at = head.count();
  for (; at > 0; --at) {
    const auto before = load<unsigned char>(node + layout.bytes + at - 1);
    if (before < byte) break;
    store<unsigned char>(node + layout.bytes + at, before);
    store<std::uint16_t>(node + layout.children + 2 * at,
                         load<std::uint16_t>(node + layout.children + 2 * (at - 1)));
  }
  store<unsigned char>(node + layout.bytes + at, byte);
  store<std::uint16_t>(node + layout.children + 2 * at, child);
}

void Editor::add_child(std::uint32_t place, unsigned char byte, Ref child) {
  NodeHead now = head(ref_at(place));
  if (now.count() == node_capacity(now.kind())) {
    change_kind(place, larger(now.kind()));
    now = head(ref_at(place));
  }
  const Ref ref = ref_at(place);
  std::byte* node = at(ref);
  switch (now.kind()) {
    case NodeKind::kNode4:
    case NodeKind::kNode16: insert_sorted(ref, now, byte, child); break;
    case NodeKind::kNode48: {
      std::size_t at = 0;
      while (load<std::uint16_t>(node + offsetof(DiskNode48, children) + 2 * at) != 0) ++at;
      CHECK(at < 48, "B7");
      store<std::uint16_t>(node + offsetof(DiskNode48, children) + 2 * at, child);
      store<unsigned char>(node + offsetof(DiskNode48, index) + byte,
                           static_cast<unsigned char>(at + 1));
      break;
    }
    default: store<std::uint16_t>(node + offsetof(DiskNode256, children) + 2u * byte, child); break;
  }
  set_count(ref, now.count() + 1);
}

void Editor::remove_child(std::uint32_t place, unsigned char byte) {
  const Ref ref = ref_at(place);
  const NodeHead now = head(ref);
  const std::uint32_t child = child_place(ref, now, byte);
  CHECK(child != 0, "B7");
  std::byte* node = at(ref);
  const std::size_t left = now.count() - 1;
  if (now.kind() <= NodeKind::kNode16) {
    const SortedLayout layout = sorted_layout(now.kind());
    std::size_t at = (child - u32(std::size_t{ref} * kNodeUnit + layout.children)) / 2;
    for (; at < left; ++at) {
      store<unsigned char>(node + layout.bytes + at,
                           load<unsigned char>(node + layout.bytes + at + 1));
      store<std::uint16_t>(node + layout.children + 2 * at,
                           load<std::uint16_t>(node + layout.children + 2 * (at + 1)));
    }
    store<unsigned char>(node + layout.bytes + left, 0);
    store<std::uint16_t>(node + layout.children + 2 * left, 0);
  } else {
    set_ref(child, 0);
    if (now.kind() == NodeKind::kNode48) {
      store<unsigned char>(node + offsetof(DiskNode48, index) + byte, 0);
    }
  }
  set_count(ref, left);
  if (left == 0 || left > shrink_at(now.kind())) return;
  if (can_spare(node_bytes(smaller(now.kind())))) change_kind(place, smaller(now.kind()));
}

void Editor::change_kind(std::uint32_t place, NodeKind kind) {
  const Ref old_ref = ref_at(place);
  const NodeHead old = head(old_ref);
  const Ref ref = new_inner(kind);
  set_ref(terminal_place(ref), old.terminal());
  set_ref(place, ref);
  each_child(old_ref, old, 0, [&](unsigned char byte, Ref child) {
    add_child(place, byte, child);
    return true;
  });
  CHECK(head(ref).count() == old.count(), "B7");
  release(old_ref);
}

}  // namespace holt::art
