// Reading and writing the bytes of one frame.
//
// Readers look at frames that a writer may be changing, and throw the result away when the frame's
// version moved (frame/latch.h). So every access to shared bytes is a relaxed atomic, here and
// nowhere else; an optimistic reader may see any garbage, and offsets taken from it stay inside the
// mapped arena: a reference is 16 bits, sizes are clamped, and the arena ends with kFramePad spare
// bytes.
//
// Invariants:
//   B1  A node begins at a multiple of 8, at or after the header, and lies below `used`.
//   B2  dead <= used - sizeof(header); used - dead is what a compaction would leave.
//   B3  The root of a blob is an inner node; it is never collapsed, even with no child.
//   B4  A BlobEdge hangs only from an entry of an inner node, and all entries that lead to one
//       child blob share one BlobEdge: a blob has exactly one parent.
//   B5  A Prefix holds at least one byte; its child is an inner node.
//   B6  The terminal of an inner node is a leaf with an empty suffix.
//   B7  The count of an inner node is the number of its entries; the branching bytes of a Node4 or
//       Node16 ascend.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/types.h"
#include "engine/format.h"

namespace holt::art {

// A node inside a blob: offset / 8; 0 is none.
using Ref = std::uint16_t;

// ---- relaxed atomic access to little-endian integers at any aligned place

template <class T>
T load(const std::byte* at) {
  T value = __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_RELAXED);
  if constexpr (sizeof(T) > 1 && std::endian::native == std::endian::big)
    value = std::byteswap(value);
  return value;
}

template <class T>
void store(std::byte* at, T value) {
  if constexpr (sizeof(T) > 1 && std::endian::native == std::endian::big)
    value = std::byteswap(value);
  __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELAXED);
}

// Copies shared bytes out; any alignment.
void copy_out(char* to, const std::byte* from, std::size_t size);
// Copies private bytes in; any alignment.
void copy_in(std::byte* to, const char* from, std::size_t size);
// Moves shared bytes within a frame to a lower address.
void shift_down(std::byte* to, const std::byte* from, std::size_t size);
// Copies whole words between frames: both at multiples of 8; size is rounded up to 8.
void copy_words(std::byte* to, const std::byte* from, std::size_t size);
// Length of the common prefix of shared bytes and private bytes.
std::size_t common_prefix(const std::byte* shared, const char* own, std::size_t size);
inline bool equal(const std::byte* shared, const char* own, std::size_t size) {
  return common_prefix(shared, own, size) == size;
}

// The first 8 bytes of any node, read at once.
struct NodeHead {
  std::uint64_t word;
  NodeKind kind() const { return static_cast<NodeKind>(word & 0xff); }
  // DiskLeaf, DiskPrefix: bytes of the key that the node itself holds
  std::size_t part_size() const { return word >> 16 & 0xffff; }
  // DiskLeaf
  std::size_t value_size() const {
    const std::size_t size = word >> 32;
    return size < 0x1ffff ? size : 0x1ffff;  // kFramePad bounds what garbage can say
  }
  // DiskPrefix
  Ref prefix_child() const { return static_cast<Ref>(word >> 32); }
  // DiskInner
  std::size_t count() const { return word >> 16 & 0xffff; }
  Ref terminal() const { return static_cast<Ref>(word >> 32); }
  // DiskBlobEdge
  BlobId blob() const { return BlobId{static_cast<std::uint32_t>(word >> 32)}; }
};

static_assert(offsetof(DiskLeaf, suffix_size) == 2 && offsetof(DiskPrefix, size) == 2);
static_assert(sizeof(DiskLeaf) == sizeof(DiskPrefix));

inline bool is_inner(NodeKind kind) {
  return kind >= NodeKind::kNode4 && kind <= NodeKind::kNode256;
}

inline std::size_t round_up(std::size_t size) { return (size + kNodeUnit - 1) & ~(kNodeUnit - 1); }
inline std::size_t leaf_bytes(std::size_t suffix, std::size_t value) {
  return round_up(sizeof(DiskLeaf) + suffix + value);
}
inline std::size_t prefix_bytes(std::size_t size) { return round_up(sizeof(DiskPrefix) + size); }

// Fixed-size kinds only.
inline std::size_t node_bytes(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNode4: return sizeof(DiskNode4);
    case NodeKind::kNode16: return sizeof(DiskNode16);
    case NodeKind::kNode48: return sizeof(DiskNode48);
    case NodeKind::kNode256: return sizeof(DiskNode256);
    default: return sizeof(DiskBlobEdge);
  }
}
inline std::size_t node_capacity(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNode4: return 4;
    case NodeKind::kNode16: return 16;
    case NodeKind::kNode48: return 48;
    default: return 256;
  }
}

// Read access to one blob. Cheap to copy; holds nothing.
class View {
 public:
  explicit View(const std::byte* base) : base_(base) {}

  const std::byte* base() const { return base_; }
  const std::byte* at(Ref ref) const { return base_ + std::size_t{ref} * kNodeUnit; }
  NodeHead head(Ref ref) const { return NodeHead{load<std::uint64_t>(at(ref))}; }

  Ref root() const { return load<std::uint16_t>(base_ + offsetof(DiskBlobHeader, root)); }
  std::uint32_t used() const { return load<std::uint32_t>(base_ + offsetof(DiskBlobHeader, used)); }
  std::uint32_t dead() const { return load<std::uint32_t>(base_ + offsetof(DiskBlobHeader, dead)); }
  std::uint32_t live() const { return used() - dead(); }
  BlobId id() const { return BlobId{load<std::uint32_t>(base_ + offsetof(DiskBlobHeader, id))}; }

  // The part of the key that a leaf or prefix node holds.
  const std::byte* part(Ref ref) const { return at(ref) + sizeof(DiskLeaf); }
  const std::byte* leaf_value(Ref ref, NodeHead head) const { return part(ref) + head.part_size(); }

  // The bytes a node itself takes.
  std::size_t size_of(NodeHead head) const {
    switch (head.kind()) {
      case NodeKind::kLeaf: return leaf_bytes(head.part_size(), head.value_size());
      case NodeKind::kPrefix: return prefix_bytes(head.part_size());
      default: return node_bytes(head.kind());
    }
  }

  // The place of the reference to the child for `byte`, as an offset into the blob; 0 when there is
  // none. `head` is that of the inner node `ref`.
  std::uint32_t child_place(Ref ref, NodeHead head, unsigned char byte) const;
  Ref ref_at(std::uint32_t place) const { return load<std::uint16_t>(base_ + place); }

  // Calls fn(byte, child) for the children of an inner node in byte order, from `first` on, until
  // it returns false.
  template <class Fn>
  void each_child(Ref ref, NodeHead head, unsigned first, Fn&& fn) const {
    const std::byte* node = at(ref);
    switch (head.kind()) {
      case NodeKind::kNode4:
        each_sorted<DiskNode4>(node, head.count() < 4 ? head.count() : 4, first, fn);
        break;
      case NodeKind::kNode16:
        each_sorted<DiskNode16>(node, head.count() < 16 ? head.count() : 16, first, fn);
        break;
      case NodeKind::kNode48:
        for (unsigned byte = first; byte < 256; ++byte) {
          const auto index = load<unsigned char>(node + offsetof(DiskNode48, index) + byte);
          if (index == 0 || index > 48) continue;
          const Ref child =
              load<std::uint16_t>(node + offsetof(DiskNode48, children) + 2 * (index - 1u));
          if (!fn(static_cast<unsigned char>(byte), child)) return;
        }
        break;
      case NodeKind::kNode256:
        for (unsigned byte = first; byte < 256; ++byte) {
          const Ref child = load<std::uint16_t>(node + offsetof(DiskNode256, children) + 2 * byte);
          if (child == 0) continue;
          if (!fn(static_cast<unsigned char>(byte), child)) return;
        }
        break;
      default: break;
    }
  }

  // Calls fn(child) once for every child of an inner node; entries that share a BlobEdge count
  // once.
  template <class Fn>
  void each_distinct_child(Ref ref, NodeHead inner, Fn&& fn) const {
    std::vector<Ref> edges;
    each_child(ref, inner, 0, [&](unsigned char, Ref child) {
      if (head(child).kind() == NodeKind::kBlobEdge) {
        if (std::find(edges.begin(), edges.end(), child) != edges.end()) return true;
        edges.push_back(child);
      }
      fn(child);
      return true;
    });
  }

  // Calls fn(node, head) for every node of a subtree, entries that share a BlobEdge once, parents
  // first, until it returns false. No recursion: a chain of nodes may be as long as the blob is
  // large.
  template <class Fn>
  void each_node(Ref subtree, Fn&& fn) const {
    std::vector<Ref> todo{subtree};
    while (!todo.empty()) {
      const Ref ref = todo.back();
      todo.pop_back();
      const NodeHead node = head(ref);
      if (!fn(ref, node)) return;
      if (node.kind() == NodeKind::kPrefix) todo.push_back(node.prefix_child());
      if (!is_inner(node.kind())) continue;
      if (node.terminal() != 0) todo.push_back(node.terminal());
      each_distinct_child(ref, node, [&](Ref child) { todo.push_back(child); });
    }
  }

 private:
  template <class Node, class Fn>
  static void each_sorted(const std::byte* node, std::size_t count, unsigned first, Fn& fn) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto byte = load<unsigned char>(node + offsetof(Node, bytes) + i);
      if (byte < first) continue;
      if (!fn(byte, load<std::uint16_t>(node + offsetof(Node, children) + 2 * i))) return;
    }
  }

  const std::byte* base_;
};

}  // namespace holt::art
