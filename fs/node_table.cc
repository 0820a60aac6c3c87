#include "fs/node_table.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"

namespace holtfs {

NodeName& NodeName::operator=(std::string_view name) {
  CHECK(name.size() <= 255, "names are checked before they come here");
  if (name.empty()) {
    bytes_.reset();
    return *this;
  }
  // As much as the allocator gives anyway, so that a rename to about the same length needs no more.
  const auto room = [](std::size_t length) {
    return std::max<std::size_t>(24, (length + 8) / 16 * 16 + 8);
  };
  if (!bytes_ || room(bytes_[0]) != room(name.size())) {
    bytes_ = std::make_unique_for_overwrite<unsigned char[]>(room(name.size()));
  }
  bytes_[0] = static_cast<unsigned char>(name.size());
  std::ranges::copy(name, bytes_.get() + 1);
  return *this;
}

NodePin::~NodePin() {
  if (node_ != nullptr) table_->drop(node_->ino, 1, NodeTable::Reference::kPin);
}

NodeTable::NodeTable(OnGone on_gone, void* context) : on_gone_(on_gone), context_(context) {
  for (Shard& shard : shards_) {
    const holt::MutexLock lock(shard.mutex);
    shard.buckets.assign(16, nullptr);
  }
  root_ = &acquire(kRootIno, Place::kDirectory, nullptr, {});
  Shard& shard = shard_of(kRootIno);
  const holt::MutexLock lock(shard.mutex);
  shard.lookups = 0;  // nobody looked it up
}

NodeTable::~NodeTable() {
  clear();
  delete root_;
}

void NodeTable::clear() {
  for (Shard& shard : shards_) {
    std::vector<Node*> chains;
    {
      const holt::MutexLock lock(shard.mutex);
      chains.assign(16, nullptr);
      chains.swap(shard.buckets);
      shard.count = 0;
      shard.lookups = 0;
    }
    for (Node* chain : chains) {
      while (chain != nullptr) {
        Node* const node = std::exchange(chain, chain->next);
        if (node == root_) continue;
        if (node->orphan() != nullptr) on_gone_(context_, std::move(node->extra->orphan));
        delete node;
      }
    }
  }
  Shard& shard = shard_of(kRootIno);
  const holt::MutexLock lock(shard.mutex);
  root_->refs = 1;
  root_->children = 0;
  add_to(shard, root_);
}

Node* NodeTable::find_in(Shard& shard, Ino ino) {
  Node* node = shard.buckets[bucket_of(shard, ino)];
  while (node != nullptr && node->ino != ino) node = node->next;
  return node;
}

void NodeTable::add_to(Shard& shard, Node* node) {
  if (shard.count >= shard.buckets.size()) {
    std::vector<Node*> old(shard.buckets.size() * 2, nullptr);
    old.swap(shard.buckets);
    for (Node* chain : old) {
      while (chain != nullptr) {
        Node* moved = std::exchange(chain, chain->next);
        Node*& head = shard.buckets[bucket_of(shard, moved->ino)];
        moved->next = std::exchange(head, moved);
      }
    }
  }
  Node*& head = shard.buckets[bucket_of(shard, node->ino)];
  node->next = std::exchange(head, node);
  ++shard.count;
}

void NodeTable::remove_from(Shard& shard, Node* node) {
  Node** link = &shard.buckets[bucket_of(shard, node->ino)];
  while (*link != node) link = &(*link)->next;
  *link = node->next;
  --shard.count;
}

Node* NodeTable::find(Ino ino) {
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  return find_in(shard, ino);
}

NodePin NodeTable::pin(Ino ino) {
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  Node* node = find_in(shard, ino);
  if (node == nullptr) return {};
  ++node->refs;
  return {*this, node};
}

bool NodeTable::has_children(Ino ino) {
  Shard& shard = shard_of(ino);
  const holt::MutexLock lock(shard.mutex);
  const Node* const node = find_in(shard, ino);
  return node != nullptr && node->children > 0;
}

void NodeTable::add_child(Node& parent) {
  const holt::MutexLock lock(shard_of(parent.ino).mutex);
  CHECK(parent.refs > 0, "N3");
  ++parent.refs;
  ++parent.children;
}

Node& NodeTable::acquire(Ino ino, Place place, Node* parent, std::string_view name) {
  Shard& shard = shard_of(ino);
  {
    const holt::MutexLock lock(shard.mutex);
    if (Node* node = find_in(shard, ino)) {
      ++node->refs;
      ++shard.lookups;
      return *node;
    }
  }
  if (parent != nullptr) add_child(*parent);
  auto made = std::make_unique<Node>();
  made->ino = ino;
  made->refs = 1;
  made->parent = parent;
  made->name = name;
  made->place = place;
  made->directory = place == Place::kDirectory;
  Node* found;
  {
    const holt::MutexLock lock(shard.mutex);
    ++shard.lookups;
    found = find_in(shard, ino);  // another thread may have been faster
    if (found == nullptr) {
      add_to(shard, made.get());
      return *made.release();
    }
    ++found->refs;
  }
  if (parent != nullptr) drop(parent->ino, 1, Reference::kChild);
  return *found;
}

Node& NodeTable::acquire_orphan(std::unique_ptr<Orphan> orphan) {
  auto node = std::make_unique<Node>();
  node->ino = orphan->inode.ino;
  node->refs = 1;
  node->place = Place::kOrphan;
  node->extra = std::make_unique<NodeExtra>();
  node->extra->orphan = std::move(orphan);
  Shard& shard = shard_of(node->ino);
  const holt::MutexLock lock(shard.mutex);
  ++shard.lookups;
  add_to(shard, node.get());
  return *node.release();
}

void NodeTable::release(Ino ino, std::uint64_t count) { drop(ino, count, Reference::kLookup); }

void NodeTable::drop(Ino ino, std::uint64_t count, Reference kind) {
  while (count > 0) {
    std::unique_ptr<Node> gone;
    {
      Shard& shard = shard_of(ino);
      const holt::MutexLock lock(shard.mutex);
      Node* node = find_in(shard, ino);
      CHECK(node != nullptr && node->refs >= count, "N3");
      node->refs -= count;
      if (kind == Reference::kLookup) shard.lookups -= count;
      if (kind == Reference::kChild) --node->children;
      if (node->refs > 0) return;
      remove_from(shard, node);
      gone.reset(node);
    }
    if (gone->orphan() != nullptr) on_gone_(context_, std::move(gone->extra->orphan));
    if (gone->parent == nullptr) return;
    ino = gone->parent->ino;
    count = 1;
    kind = Reference::kChild;
  }
}

void NodeTable::move(Node& node, Place place, Node* parent, std::string_view name) {
  if (parent != nullptr) add_child(*parent);
  Node* const old = std::exchange(node.parent, parent);
  node.place = place;
  node.name = name;
  if (old != nullptr) drop(old->ino, 1, Reference::kChild);
}

void NodeTable::make_orphan(Node& node, std::unique_ptr<Orphan> orphan) {
  if (!node.extra) node.extra = std::make_unique<NodeExtra>();
  node.extra->orphan = std::move(orphan);
  move(node, Place::kOrphan, nullptr, {});
}

std::unique_ptr<Orphan> NodeTable::take_orphan(Node& node, Place place, Node* parent,
                                               std::string_view name) {
  std::unique_ptr<Orphan> orphan = std::move(node.extra->orphan);
  move(node, place, parent, name);
  return orphan;
}

DirCookies& NodeTable::cookies_of(Node& directory) {
  const holt::MutexLock lock(shard_of(directory.ino).mutex);
  if (!directory.extra) directory.extra = std::make_unique<NodeExtra>();
  if (!directory.extra->cookies) directory.extra->cookies = std::make_unique<DirCookies>();
  return *directory.extra->cookies;
}

std::uint64_t NodeTable::lookups() const {
  std::uint64_t total = 0;
  for (const Shard& shard : shards_) {
    const holt::MutexLock lock(shard.mutex);
    total += shard.lookups;
  }
  return total;
}

std::size_t NodeTable::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const holt::MutexLock lock(shard.mutex);
    total += shard.count;
  }
  return total;
}

}  // namespace holtfs
