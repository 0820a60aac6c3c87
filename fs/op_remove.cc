// unlink, rmdir, and what becomes of an inode that loses a name.
#include <dirent.h>

#include "fs/ops.h"

namespace holtfs {

// Reads what must be kept of an inode whose records are about to go.
Outcome<Orphan> Filesystem::read_orphan(const Caller& caller, Inode inode,
                                        std::string_view xattr_prefix) {
  Orphan orphan;
  orphan.inode = std::move(inode);
  if ((orphan.inode.flags & kHasXattrs) == 0) return orphan;
  const auto all = each_xattr(caller, xattr_prefix, Values::kYes,
                              [&](std::string_view name, std::string_view value) {
                                orphan.xattrs.emplace(name, value);
                                return true;
                              });
  if (!all) return fail(all.error());
  return orphan;
}

// What is left of a directory that is about to go. ENOTEMPTY where it may not.
Outcome<Filesystem::Removed> Filesystem::removed_directory(const Caller& caller, Inode inode,
                                                           std::string_view prefix) {
  if (inode.entries != 0) return fail(ENOTEMPTY);
  inode.ctime = now();
  Outcome<Orphan> orphan =
      read_orphan(caller, std::move(inode), schema::directory_xattr_prefix(prefix));
  if (!orphan) return fail(orphan.error());
  return Removed{.gone = true, .orphan = std::move(*orphan)};
}

// Takes one name from the non-directory that the dentry `value` at `name` stands for. The dentry
// itself is the caller's to erase or overwrite. REQUIRES: its file lock; `known`: it has a node.
Outcome<Filesystem::Removed> Filesystem::stage_removal(const Caller& caller, const Dir& dir,
                                                       std::string_view name,
                                                       std::string_view value, bool known,
                                                       holt::Batch& batch) {
  const holt::Result<Marker> marker = decode_marker(value);
  if (!marker) return fail(marker.error());
  const bool is_link = marker->tag == Tag::kLink;
  const schema::Key link_key = is_link ? schema::link_key(marker->ino) : schema::Key();
  Inode inode;
  if (is_link) {
    Outcome<Inode> loaded = load_inode(caller, link_key, marker->ino);
    if (!loaded) return fail(loaded.error());
    inode = std::move(*loaded);
  } else {
    holt::Result<Inode> decoded = decode_inode(value);
    if (!decoded) return fail(decoded.error());
    inode = std::move(*decoded);
  }
  const Inode before = inode;
  --inode.nlink;
  inode.ctime = now();
  if (is_link && inode.nlink > 0) {
    stage_change(batch, link_key, before, inode);
    return Removed{};
  }
  if (is_link) batch.erase(link_key);
  const schema::Key xattr_prefix = is_link ? schema::link_xattr_prefix(marker->ino)
                                           : schema::entry_xattr_prefix(dir.prefix, name);
  if ((inode.flags & kHasXattrs) != 0) batch.erase_prefix(xattr_prefix);
  if (!known) return Removed{.gone = true, .orphan = {.inode = std::move(inode)}};
  Outcome<Orphan> orphan = read_orphan(caller, std::move(inode), xattr_prefix);
  if (!orphan) return fail(orphan.error());
  return Removed{.gone = true, .orphan = std::move(*orphan)};
}

// After the batch: an inode without names lives on in memory while it has a node.
void Filesystem::finish_removal(Removed removed, Node* node, holt::Lsn lsn) {
  if (!removed.gone) return;
  removed.orphan.inode.nlink = 0;
  removed.orphan.removed = lsn;
  auto orphan = std::make_unique<Orphan>(std::move(removed.orphan));
  if (node != nullptr) {
    count_nameless(node->ino);
    nodes_.make_orphan(*node, std::move(orphan));
  } else {
    on_gone(this, std::move(orphan));
  }
}

void Filesystem::on_gone(void* self, std::unique_ptr<Orphan> orphan) {
  auto* const fs = static_cast<Filesystem*>(self);
  fs->count_gone(*orphan);
  if (orphan->inode.placement == Placement::kBulk) {
    fs->syncs_.forget(orphan->inode.ino);
    fs->reaper_->add(orphan->inode.ino, orphan->removed);
  } else {
    fs->ledger_.add_dead(orphan->inode.extents, orphan->removed);
  }
}

Outcome<void> Filesystem::unlink(const Caller& caller, Ino parent, std::string_view name) {
  if (const int bad = check_name(name)) return fail(bad);
  const holt::SharedGate gate(gate_);
  const auto dir_lock = dir_locks_.exclusive(parent);
  Outcome<Dir> dir = load_directory(caller, parent);
  if (!dir) return fail(dir.error());
  const schema::Key key = schema::entry_key(dir->prefix, name);
  Record value;
  auto loaded = load_record(caller, key, value);
  if (!loaded) return fail(loaded.error());
  const holt::Result<Marker> marker = decode_marker(value);
  if (!marker) return fail(marker.error());
  if (marker->tag == Tag::kDirectory) return fail(EISDIR);

  const auto file_lock = file_locks_.exclusive(marker->ino);
  const NodePin node = nodes_.pin(marker->ino);
  if (node) {
    if (const auto settled = settle_times(caller, *node); !settled) return settled;
  }
  if (marker->tag == Tag::kInode) {
    loaded = load_record(caller, key, value);  // it may have changed before the lock was ours
    if (!loaded) return fail(loaded.error());
  }
  holt::Batch& batch = scratch_batch();
  dir->count_entries(-1, 0);
  dir->stage(batch);  // first, as in insert()
  Outcome<Removed> removed =
      stage_removal(caller, *dir, name, value, static_cast<bool>(node), batch);
  if (!removed) return fail(removed.error());
  batch.erase(key);
  const Outcome<holt::Lsn> lsn = apply(caller, batch);
  if (!lsn) return fail(lsn.error());
  finish_removal(std::move(*removed), node.get(), *lsn);
  return {};
}

Outcome<void> Filesystem::rmdir(const Caller& caller, Ino parent, std::string_view name) {
  if (const int bad = check_name(name)) return fail(bad);
  const holt::SharedGate gate(gate_);
  const Outcome<Node*> parent_node = directory_node(parent);
  if (!parent_node) return fail(parent_node.error());
  while (true) {
    // Which directory it is has to be known before both locks can be taken in order.
    Outcome<Ino> child = [&]() -> Outcome<Ino> {
      const auto lock = dir_locks_.shared(parent);
      if ((*parent_node)->place == Place::kOrphan) return fail(ENOENT);
      const auto marker = find_marker(caller, schema::prefix_of(**parent_node), name);
      if (!marker) return fail(marker.error());
      if (!*marker) return fail(ENOENT);
      if ((*marker)->tag != Tag::kDirectory) return fail(ENOTDIR);
      return (*marker)->ino;
    }();
    if (!child) return fail(child.error());

    const auto locks = dir_locks_.both(parent, *child);
    Outcome<Dir> dir = load_directory(caller, parent);
    if (!dir) return fail(dir.error());
    const schema::Key prefix = schema::child_prefix(dir->prefix, name);
    const schema::Key child_key = schema::inode_key(prefix);
    Outcome<Inode> inode = load_inode(caller, child_key, *child);
    if (!inode) {
      if (inode.error() == kWouldWait) return fail(kWouldWait);
      const auto marker = find_marker(caller, dir->prefix, name);
      if (!marker) return fail(marker.error());
      if (!*marker || (*marker)->ino != *child) continue;  // the name has passed to another
      return fail(EIO);
    }
    Outcome<Removed> removed = removed_directory(caller, std::move(*inode), prefix);
    if (!removed) return fail(removed.error());

    holt::Batch& batch = scratch_batch();
    dir->count_entries(-1, -1);
    dir->stage(batch);
    batch.erase(schema::entry_key(dir->prefix, name));
    // The record alone, where that is all there is: it is much less work.
    if ((removed->orphan.inode.flags & kHasXattrs) != 0) {
      batch.erase_prefix(prefix);
    } else {
      batch.erase(child_key);
    }
    const Outcome<holt::Lsn> lsn = apply(caller, batch);
    if (!lsn) return fail(lsn.error());
    if (lazy_ != nullptr) lazy_->erase(*child);
    const NodePin node = nodes_.pin(*child);
    finish_removal(std::move(*removed), node.get(), *lsn);
    return {};
  }
}

}  // namespace holtfs
