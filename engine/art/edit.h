// Changing the nodes of one blob.
//
// Memory inside a blob is handed out from the end of `used`; freed nodes only count as dead until
// the blob is compacted (art/copy.h). Rejected: free lists by size; they save no more than
// compaction does, and a freed node that is never overwritten is harmless to readers.
//
// The caller holds the frame's exclusive latch, and has made sure that the worst case fits
// (put_bound(), attach_bound()); allocation beyond that is CHECKed. Operations that only improve
// the shape (collapsing a node, shrinking it) are left out when there is no room for them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/art/find.h"
#include "engine/art/view.h"

namespace holt::art {

class Editor : public View {
 public:
  explicit Editor(std::byte* base) : View(base), base_(base) {}

  // Makes an empty blob: header and a root with no children.
  static Editor format(std::byte* base, BlobId id);

  std::byte* base() const { return base_; }
  std::byte* at(Ref ref) const { return base_ + std::size_t{ref} * kNodeUnit; }
  std::size_t room() const { return kBlobBytes - used(); }
  // Room that changes to come were promised: what merely improves the shape must leave it alone.
  void keep_room(std::size_t bytes) { kept_ = bytes; }
  bool can_spare(std::size_t bytes) const { return bytes + kept_ <= room(); }

  void set_ref(std::uint32_t place, Ref ref) { store<std::uint16_t>(base_ + place, ref); }
  static constexpr std::uint32_t root_place() { return offsetof(DiskBlobHeader, root); }
  static constexpr std::uint32_t prefix_child_place(Ref ref) {
    return std::uint32_t{ref} * kNodeUnit + static_cast<std::uint32_t>(offsetof(DiskPrefix, child));
  }
  static constexpr std::uint32_t terminal_place(Ref ref) {
    return std::uint32_t{ref} * kNodeUnit +
           static_cast<std::uint32_t>(offsetof(DiskInner, terminal));
  }

  // New nodes; nothing refers to them yet.
  Ref new_leaf(std::string_view suffix, std::string_view value);
  Ref new_prefix(std::string_view bytes, Ref child);
  Ref new_inner(NodeKind kind);
  Ref new_edge(BlobId child);
  // Space for a node to be filled by copy_words().
  Ref allocate(std::size_t bytes);

  // Turns the first bytes of a released node into a live edge.
  void overwrite_with_edge(Ref released, BlobId child);

  // The node's own bytes become dead; children are the caller's business.
  void release(Ref ref) { add_dead(size_of(head(ref))); }
  void add_dead(std::size_t bytes);

  // Overwrites a leaf's value where it lies. False when it does not fit there.
  bool store_value(Ref leaf, std::string_view value);
  void patch_value(Ref leaf, std::uint32_t offset, std::string_view bytes);
  // Drops the first `bytes` of a leaf's suffix or a prefix's bytes, in place.
  void trim_front(Ref ref, std::size_t bytes);

  // Adds a child under a byte that has none. `place` refers to the inner node and is updated when
  // the node has to grow.
  void add_child(std::uint32_t place, unsigned char byte, Ref child);
  // Removes the entry of `byte`, which exists; the child stays. The node shrinks when well below.
  void remove_child(std::uint32_t place, unsigned char byte);

 private:
  void insert_sorted(Ref ref, NodeHead head, unsigned char byte, Ref child);
  void set_count(Ref ref, std::size_t count);
  // Replaces the inner node at `place` by one of `kind` with the same children and terminal.
  void change_kind(std::uint32_t place, NodeKind kind);

  std::byte* base_;
  std::size_t kept_ = 0;
};

// Room that put() can need at most for a key of `key_size` bytes.
constexpr std::size_t put_bound(std::size_t key_size, std::size_t value_size) {
  return 2 * key_size + value_size + 4 * kNodeUnit + sizeof(DiskNode4) + sizeof(DiskNode256);
}
// Room that attach() can need at most for a subtree whose topmost node takes `top` bytes.
constexpr std::size_t attach_bound(std::size_t prefix_size, std::size_t top) {
  return put_bound(prefix_size, 0) + prefix_size + top + sizeof(DiskNode4);
}

// ---- operations on keys; `depth` is that of the blob's root

// The key holds `value` afterwards. The key's search must not leave the blob through an edge.
void put(Editor& blob, std::string_view key, std::uint32_t depth, std::string_view value);
// Returns whether the key was there. The same condition holds for the search.
bool erase(Editor& blob, std::string_view key, std::uint32_t depth);
// The same for a key of which it is known that `leaf` is its leaf.
void erase_leaf(Editor& blob, std::string_view key, std::uint32_t depth, Ref leaf);

// Cuts off the subtree of all keys in this blob that begin with `prefix` and gives the reference of
// its topmost node, already trimmed to what follows the prefix; 0 when there is none. The node's
// bytes stay live until release_subtree() or attach(). The search for `prefix` must not leave
// through an edge, and the prefix is not empty.
// `spot` is what find_prefix() says of it.
Ref detach(Editor& blob, std::string_view prefix, std::uint32_t depth, const PrefixSpot& spot);
// Hangs a detached subtree of this blob under `prefix`, below which there must be no key here.
void attach(Editor& blob, std::string_view prefix, std::uint32_t depth, Ref subtree);
// Hangs an edge there instead. Returns the depth of the child's root, to which the subtree is to be
// attached.
std::uint32_t attach_edge(Editor& blob, std::string_view prefix, std::uint32_t depth, BlobId child);
// Empties the blob, whose root is the whole tree's, and appends the child blobs its edges led to.
void clear(Editor& blob, std::vector<BlobId>& children);
// Bytes of a subtree of at most `limit` bytes without edges; nothing otherwise.
std::optional<std::size_t> measure_local(const Editor& blob, Ref subtree, std::size_t limit);
// Counts a detached subtree as dead and appends the child blobs its edges led to.
void release_subtree(Editor& blob, Ref subtree, std::vector<BlobId>& children);

}  // namespace holt::art
