// What the operations of the filesystem have in common; private to the sources of Filesystem.
//
// An operation reads the records it needs under their locks (O3), builds one batch, applies it, and
// then follows in the node table. stage_*() add to the batch.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/holt.h"
#include "fs/errno_table.h"
#include "fs/filesystem.h"
#include "fs/schema.h"

namespace holtfs {

// A directory whose lock is held (or the gate, exclusively): where it is, what its record says, and
// what it shall say after the batch.
struct Filesystem::Dir {
  Node* node = nullptr;
  schema::Key prefix;
  Inode before, after;

  // One entry more or less; its times change with it.
  void count_entries(int entries, int subdirectories) {
    after.entries += static_cast<std::uint64_t>(entries);
    after.nlink += static_cast<std::uint64_t>(subdirectories);
    after.mtime = after.ctime = holtfs::after(before.mtime);
  }
  void stage(holt::Batch& batch) const;
};

// Where the record and the xattrs of an inode are, while its lock is held.
struct Filesystem::Located {
  const Node& node;
  schema::Key key;
  Orphan* orphan = nullptr;  // set: in here, and the key is empty

  schema::Key xattr_prefix() const;
};

// An inode that lost a name. `orphan` is complete if that was the last one.
struct Filesystem::Removed {
  bool gone = false;
  Orphan orphan;
};

struct Filesystem::Renaming {
  Ino parent;
  std::string_view name;
  Ino new_parent;
  std::string_view new_name;
  unsigned flags;
  Ino whiteout{};  // with RENAME_WHITEOUT, the number of what stays at the old name
  Limited::Claim* claim = nullptr;  // then for one inode
};

// The two directories of a rename, which may be one.
struct Filesystem::DirPair {
  Dir from, other;
  bool same = false;

  Dir& to() { return same ? from : other; }
  // One name goes over, a directory's if there are `subdirectories`.
  void count_move(const Renaming& what, bool replaces, int subdirectories) {
    from.count_entries(what.whiteout == Ino{} ? -1 : 0, -subdirectories);
    to().count_entries(replaces ? 0 : +1, replaces ? 0 : subdirectories);
  }
  void stage(holt::Batch& batch) const {
    from.stage(batch);
    if (!same) other.stage(batch);
  }
};

// A dentry that is about to be under another name.
struct Filesystem::Moving {
  schema::Key key;  // of the old dentry
  Record value;     // for the new one
  Marker marker;
  schema::Key below;  // prefix of what moves with it: a subtree, or xattrs
  bool has_below = false;
};

// Empty, and kept by the thread for its next batch. Operations do not nest.
holt::Batch& scratch_batch();

// Applies a batch that has so many changes at least, and empties it, also when that failed.
holt::Result<void> apply_from(std::size_t at_least, holt::Store& store, holt::Batch& batch);

// 0, or the errno for a name that cannot be a dentry's.
int check_name(std::string_view name);

// Whether `node` is, or lies below, directory `ino`. REQUIRES: N1.
bool is_within(const Node* node, Ino ino);

// Made now, with one link, or a directory's two.
Inode new_inode(Ino ino, std::uint32_t mode);

// Changes the record at `key` from `before` to `after`, by a patch of the bytes that differ.
void stage_change(holt::Batch& batch, std::string_view key, const Inode& before,
                  const Inode& after);

// Gives what `read(node, at)` gives, under the inode's lock, shared.
template <class Read>
auto Filesystem::read_inode(Ino ino, Read read)
    -> std::invoke_result_t<Read, Node&, const Located&> {
  const holt::SharedGate gate(gate_);
  Node* const node = nodes_.find(ino);
  if (node == nullptr) return fail(ESTALE);
  const auto lock = node->directory ? dir_locks_.shared(ino) : file_locks_.shared(ino);
  return read(*node, locate(*node));
}

// Calls `visit(name, value)` with the xattrs under the prefix until it says false.
template <class Visit>
Outcome<void> Filesystem::each_xattr(const Caller& caller, std::string_view prefix, Values values,
                                     Visit visit) {
  holt::Cursor cursor =
      store_->scan({.prefix = prefix, .values = values == Values::kYes, .wait = caller.wait});
  while (true) {
    const holt::Result<bool> more = cursor.next();
    if (!more) return fail(more.error());
    if (!*more) return {};
    if (!visit(cursor.key().substr(prefix.size()), cursor.value())) return {};
  }
}

// Lets `change(inode, at, batch)` change the record, under the inode's lock, exclusively.
template <class Change>
Outcome<Inode> Filesystem::change_inode(const Caller& caller, Ino ino, Change change, Lazily lazily,
                                        Limited::Claim* claim) {
  const holt::SharedGate gate(gate_);
  Node* const node = nodes_.find(ino);
  if (node == nullptr) return fail(ESTALE);
  const auto lock = node->directory ? dir_locks_.exclusive(ino) : file_locks_.exclusive(ino);
  const Located at = locate(*node);
  const Outcome<Inode> before = load(caller, *node, at);
  if (!before) return fail(before.error());
  Inode after = *before;
  if (lazy_ != nullptr) lazy_->show(after);
  const auto passed = passed_.show(after);
  holt::Batch& batch = scratch_batch();
  if (const Outcome<void> changed = change(after, at, batch); !changed) {
    return fail(changed.error());
  }
  if (lazily == Lazily::kYes && at.orphan == nullptr && keep_times(*before, after, batch)) {
    return after;
  }
  if (const auto saved = save(caller, at, *before, after, batch); !saved) {
    return fail(saved.error());
  }
  if (lazy_ != nullptr) lazy_->erase(ino);
  if (passed) passed_.rebase(after, *passed);
  count_change(at, *before, after, claim);
  return after;
}

}  // namespace holtfs
