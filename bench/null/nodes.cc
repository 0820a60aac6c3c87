#include "bench/null/nodes.h"

#include <cerrno>
#include <ctime>
#include <optional>

namespace holtfs::null {

namespace {

constexpr std::uint64_t kRootNumber = 1;

using Guard = std::lock_guard<std::mutex>;

void touch(Node& directory) { directory.attr.st_mtim = directory.attr.st_ctim = now(); }

Node* new_node(const Making& making) {
  auto* const node = new Node;
  struct stat& attr = node->attr;
  attr.st_ino = number_of(*node);
  attr.st_mode = making.mode;
  attr.st_uid = making.uid;
  attr.st_gid = making.gid;
  attr.st_rdev = making.rdev;
  attr.st_nlink = 1;
  attr.st_blksize = 4096;
  attr.st_atim = attr.st_mtim = attr.st_ctim = now();
  node->target = making.target;
  attr.st_size = static_cast<off_t>(making.target.size());
  if (S_ISDIR(making.mode)) {
    node->directory = std::make_unique<Directory>();
    attr.st_nlink = 2;
  }
  return node;
}

// REQUIRES: the directory's mutex is held, the name is free.
void add_name(Node& parent, std::string_view name, Node& node) {
  Directory& directory = *parent.directory;
  const std::uint64_t cookie = directory.next_cookie++;
  const auto [at, added] =
      directory.names.emplace(std::string(name), Directory::Entry{&node, cookie});
  directory.by_cookie.emplace_hint(directory.by_cookie.end(), cookie, at);
  if (node.directory) {
    node.parent = &parent;
    ++parent.attr.st_nlink;
  }
  touch(parent);
}

// REQUIRES: the directory's mutex is held. The name's reference passes to the caller.
Node* take_name(Node& parent, Directory::Names::iterator at) {
  Node* const node = at->second.node;
  parent.directory->by_cookie.erase(at->second.cookie);
  parent.directory->names.erase(at);
  if (node->directory) --parent.attr.st_nlink;
  touch(parent);
  return node;
}

// A node that lost its name.
void drop_name(Node& node) {
  {
    const Guard lock(node.mutex);
    node.attr.st_nlink = node.directory ? 0 : node.attr.st_nlink - 1;
    node.attr.st_ctim = now();
  }
  forget(node, 1);
}

// An errno when a node cannot be removed, or replaced, as one that is or is not a directory.
int removable(Node& node, bool directory) {
  if (!node.directory) return directory ? ENOTDIR : 0;
  if (!directory) return EISDIR;
  const Guard lock(node.mutex);
  return node.directory->names.empty() ? 0 : ENOTEMPTY;
}

}  // namespace

timespec now() {
  timespec time = {};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return time;
}

Node& root() {
  static Node* const node = [] {
    Node* const made = new_node({.mode = S_IFDIR | 0755, .uid = 0, .gid = 0});
    made->references = 1;
    made->attr.st_ino = kRootNumber;
    made->parent = made;
    return made;
  }();
  return *node;
}

Node& node_of(std::uint64_t number) {
  return number == kRootNumber ? root() : *reinterpret_cast<Node*>(number);
}

std::uint64_t number_of(const Node& node) { return reinterpret_cast<std::uint64_t>(&node); }

void forget(Node& node, std::uint64_t lookups) {
  if (&node == &root()) return;
  if (node.references.fetch_sub(lookups) == lookups) delete &node;
}

Result<Found> look_up(Node& parent, std::string_view name) {
  const Guard lock(parent.mutex);
  const auto at = parent.directory->names.find(name);
  if (at == parent.directory->names.end()) return std::unexpected(ENOENT);
  Node* const node = at->second.node;
  node->references.fetch_add(1);
  const Guard inner(node->mutex);
  return Found{node, node->attr};
}

Result<Found> make(Node& parent, std::string_view name, const Making& making) {
  const Guard lock(parent.mutex);
  if (parent.attr.st_nlink == 0) return std::unexpected(ENOENT);
  if (parent.directory->names.contains(name)) return std::unexpected(EEXIST);
  Node* const node = new_node(making);
  node->references = 2;
  add_name(parent, name, *node);
  return Found{node, node->attr};
}

Result<Found> make_nameless(const Making& making) {
  Node* const node = new_node(making);
  node->references = 1;
  node->attr.st_nlink = 0;
  return Found{node, node->attr};
}

Result<Found> link(Node& node, Node& parent, std::string_view name) {
  const Guard lock(parent.mutex);
  if (parent.directory->names.contains(name)) return std::unexpected(EEXIST);
  add_name(parent, name, node);
  node.references.fetch_add(2);
  const Guard inner(node.mutex);
  ++node.attr.st_nlink;
  node.attr.st_ctim = now();
  return Found{&node, node.attr};
}

int remove(Node& parent, std::string_view name, bool directory) {
  Node* node = nullptr;
  {
    const Guard lock(parent.mutex);
    const auto at = parent.directory->names.find(name);
    if (at == parent.directory->names.end()) return ENOENT;
    if (const int err = removable(*at->second.node, directory)) return err;
    node = take_name(parent, at);
  }
  drop_name(*node);
  return 0;
}

int rename(Node& parent, std::string_view name, Node& new_parent, std::string_view new_name,
           unsigned flags) {
  constexpr unsigned kNoReplace = 1;
  if ((flags & ~kNoReplace) != 0) return EINVAL;
  Node* replaced = nullptr;
  {
    std::unique_lock first(parent.mutex, std::defer_lock);
    std::unique_lock second(new_parent.mutex, std::defer_lock);
    if (&parent == &new_parent) {
      first.lock();
    } else {
      std::lock(first, second);
    }
    const auto from = parent.directory->names.find(name);
    if (from == parent.directory->names.end()) return ENOENT;
    Node& node = *from->second.node;
    const auto to = new_parent.directory->names.find(new_name);
    if (to != new_parent.directory->names.end()) {
      if ((flags & kNoReplace) != 0) return EEXIST;
      if (to->second.node == &node) return 0;
      if (const int err = removable(*to->second.node, node.directory != nullptr)) return err;
      replaced = take_name(new_parent, to);
    }
    take_name(parent, from);
    add_name(new_parent, new_name, node);
    const Guard inner(node.mutex);
    node.attr.st_ctim = now();
  }
  if (replaced != nullptr) drop_name(*replaced);
  return 0;
}

}  // namespace holtfs::null
