// NodeTable: the files and directories that somebody refers to by number right now.
//
// A node knows where its record is (parent and name, never a path), so that renaming a directory
// changes one pointer whatever lies below. It lives while it has references: kernel lookups,
// children (a node pins its parent, so forgetting in any order leaves no dangling parent), and pins
// of operations, lazy times and files passed through.
//
// Thread safety: the table's functions may be called by any thread. A node that the caller holds a
// reference on stays where it is in memory. Its place (place, parent, name, extra) is read and
// changed under these rules:
//   N1  a directory's place changes only with the namespace gate held exclusively, or, when it is
//       removed or has no children here, with its own lock and its parents' held exclusively. It is
//       read with the gate held, and, unless a child keeps it where it is, its own lock or its
//       parent's. Its cookies alone are made under its shard's mutex.
//   N2  another file's place changes only with the gate held shared and its file lock exclusively,
//       or the gate held exclusively; it is read with the gate held and the file lock at least
//       shared.
//   N3  refs is never zero while a node is in the table; it and children are guarded by its shard's
//       mutex.
//   N4  no two shard mutexes are held at once.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/types.h"
#include "fs/dir_cookies.h"
#include "fs/inode.h"

namespace holtfs {

enum class Place : std::uint8_t {
  kDirectory,  // under its own prefix, at (parent, name); the root has no parent
  kEntry,      // in the dentry (parent, name)
  kLink,       // in the link space
  kOrphan      // in memory only: no name is left, and nothing of it survives a crash
};

// A file or directory without a name that is still referred to.
struct Orphan {
  Inode inode;
  std::map<std::string, std::string, std::less<>> xattrs;
  holt::Lsn removed{};    // its contents may go once the log is durable up to here
  bool released = false;  // its room was given back already
};

struct NodeExtra {
  std::unique_ptr<Orphan> orphan;       // kOrphan
  std::unique_ptr<DirCookies> cookies;  // directories that were listed
};

// A name of up to 255 bytes, one pointer in size.
class NodeName {
 public:
  NodeName& operator=(std::string_view name);
  std::string_view view() const {
    if (!bytes_) return {};
    return {reinterpret_cast<const char*>(bytes_.get()) + 1, bytes_[0]};
  }

 private:
  std::unique_ptr<unsigned char[]> bytes_;  // how long it is, then the name
};

struct Node {
  Node* next = nullptr;  // in the shard's chain
  Node* parent = nullptr;
  Ino ino{};
  std::uint64_t refs = 0;
  std::unique_ptr<NodeExtra> extra;
  NodeName name;
  std::uint32_t children = 0;  // nodes that have it as their parent
  Place place{};
  bool directory = false;

  Orphan* orphan() const { return place == Place::kOrphan ? extra->orphan.get() : nullptr; }
};
static_assert(sizeof(Node) <= 56, "memory per known file is a promise");

class NodeTable;

// A reference that is no lookup, most often for the length of one operation, for nodes that the
// caller may hold no lookup on. False when there is no such node.
class NodePin {
 public:
  NodePin() = default;
  NodePin(NodeTable& table, Node* node) : table_(&table), node_(node) {}
  NodePin(NodePin&& other) noexcept : table_(other.table_), node_(other.node_) {
    other.node_ = nullptr;
  }
  NodePin& operator=(NodePin&&) = delete;
  ~NodePin();
  explicit operator bool() const { return node_ != nullptr; }
  Node& operator*() const { return *node_; }
  Node* operator->() const { return node_; }
  Node* get() const { return node_; }

 private:
  NodeTable* table_ = nullptr;
  Node* node_ = nullptr;
};

class NodeTable {
 public:
  // Called with each orphan whose last reference goes; never under a lock of the table.
  using OnGone = void (*)(void* context, std::unique_ptr<Orphan> orphan);

  NodeTable(OnGone on_gone, void* context);
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  Node& root() { return *root_; }
  // Null when nobody refers to it. REQUIRES: the caller holds a reference, if there is one.
  Node* find(Ino ino);
  NodePin pin(Ino ino);
  // Whether anything in this directory has a node.
  bool has_children(Ino ino);
  // The node of `ino`, made at the given place if there is none, with one reference more.
  Node& acquire(Ino ino, Place place, Node* parent, std::string_view name);
  Node& acquire_orphan(std::unique_ptr<Orphan> orphan);
  // Takes `count` references back.
  void release(Ino ino, std::uint64_t count);

  // Changes a node's place. REQUIRES: N1, N2. The parent is null for kLink and kOrphan.
  void move(Node& node, Place place, Node* parent, std::string_view name);
  void make_orphan(Node& node, std::unique_ptr<Orphan> orphan);
  // A nameless file has got a name again.
  std::unique_ptr<Orphan> take_orphan(Node& node, Place place, Node* parent, std::string_view name);

  // Forgets everything but the root, nameless files included. REQUIRES: nobody else uses the table.
  void clear();

  DirCookies& cookies_of(Node& directory);
  std::size_t size() const;
  // References that acquire() gave and release() has not taken back: without those that children
  // and operations hold.
  std::uint64_t lookups() const;

 private:
  friend class NodePin;
  static constexpr std::size_t kShards = 64;
  struct alignas(64) Shard {
    mutable holt::Mutex mutex{holt::Rank::kLeaf};
    std::vector<Node*> buckets GUARDED_BY(mutex);
    std::size_t count GUARDED_BY(mutex) = 0;
    std::uint64_t lookups GUARDED_BY(mutex) = 0;
  };

  Shard& shard_of(Ino ino) { return shards_[number_of(ino) % kShards]; }
  static std::size_t bucket_of(const Shard& shard, Ino ino) REQUIRES(shard.mutex) {
    return (number_of(ino) / kShards) & (shard.buckets.size() - 1);
  }
  static Node* find_in(Shard& shard, Ino ino) REQUIRES(shard.mutex);
  static void add_to(Shard& shard, Node* node) REQUIRES(shard.mutex);
  static void remove_from(Shard& shard, Node* node) REQUIRES(shard.mutex);
  enum class Reference : std::uint8_t { kLookup, kChild, kPin };
  void add_child(Node& parent);
  // Takes `count` references of a kind back.
  void drop(Ino ino, std::uint64_t count, Reference kind);

  std::array<Shard, kShards> shards_;
  Node* root_;
  OnGone on_gone_;
  void* context_;
};

}  // namespace holtfs
