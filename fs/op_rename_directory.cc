// rename of a directory.
//
// It changes the paths of everything below: its batch detaches one subtree and grafts it elsewhere,
// whatever the number of files in it. For these few microseconds it has the namespace to itself,
// unless nothing below has a node and it replaces no other: rename_childless(). Of an empty one
// without xattrs only the record moves, mostly: rename_empty().
#include <dirent.h>

#include "fs/ops.h"

namespace holtfs {

namespace {

// Deeper than any path that a system call takes in one piece.
constexpr std::size_t kDeepPrefix = 4096;
constexpr std::size_t kMaxDeepKeys = 10'000;

}  // namespace

// A subtree that moves below a deep directory takes its own depth along: without a limit, a few
// hundred moves would make keys too long to be listed. Below kDeepPrefix, where that could happen,
// small subtrees whose keys stay within the limit may move. ENAMETOOLONG for others.
Outcome<void> Filesystem::check_depth(const Caller& caller, std::string_view from,
                                      std::string_view to) {
  if (to.size() <= kDeepPrefix || to.size() <= from.size()) return {};
  const std::size_t limit = holt::kMaxKeyBytes - (to.size() - from.size());
  holt::Cursor cursor = store_->scan({.prefix = from, .values = false, .wait = caller.wait});
  for (std::size_t keys = 0; keys < kMaxDeepKeys; ++keys) {
    const holt::Result<bool> more = cursor.next();
    if (!more) return fail(more.error());
    if (!*more) return {};
    if (cursor.key().size() > limit) break;
  }
  return fail(ENAMETOOLONG);
}

// Of a directory in which nothing has a node, nobody uses the path without its lock, but upkeep,
// which checks (repoint): it need not have the namespace to itself. 0 when that is not so, the name
// has passed to another, or a directory would be replaced.
Outcome<Ino> Filesystem::rename_childless(const Caller& caller, const Renaming& what, Ino ino) {
  const holt::SharedGate gate(gate_);
  const auto locks = dir_locks_.all(what.parent, what.new_parent, ino);
  if (nodes_.has_children(ino)) return Ino{};
  const Outcome<Ino> empty = rename_empty(caller, what, ino);
  return empty && *empty == Ino{} ? rename_directory(caller, what, ino) : empty;
}

// Nothing is below an empty directory without xattrs but its record. 0 when it is not one, its
// record is not there, the new name is taken, or it is not simple enough. REQUIRES: what
// rename_childless() has.
Outcome<Ino> Filesystem::rename_empty(const Caller& caller, const Renaming& what, Ino ino) {
  if (what.whiteout != Ino{} || what.new_parent == ino) return Ino{};
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();
  const schema::Key old_key = schema::inode_key(schema::child_prefix(from.prefix, what.name));
  Outcome<Inode> inode = load_inode(caller, old_key, ino);
  if (!inode) return inode.error() == kWouldWait ? fail(kWouldWait) : Outcome<Ino>(Ino{});
  const schema::Key new_prefix = schema::child_prefix(to.prefix, what.new_name);
  const bool simple =
      inode->entries == 0 && (inode->flags & kHasXattrs) == 0 && new_prefix.size() <= kDeepPrefix;
  if (!simple) return Ino{};
  inode->ctime = now();
  holt::Batch& batch = scratch_batch();
  dirs->count_move(what, false, 1);
  dirs->stage(batch);  // first, as in insert()
  batch.erase(schema::entry_key(from.prefix, what.name));
  batch.erase(old_key);
  batch.insert(schema::entry_key(to.prefix, what.new_name),
               encode(Marker{Tag::kDirectory, DT_DIR, ino}));
  batch.put(schema::inode_key(new_prefix), encode(*inode));
  if (const auto lsn = apply(caller, batch); !lsn) {
    return lsn.error() == Errno{EEXIST} ? Outcome<Ino>(Ino{}) : fail(lsn.error());
  }
  const NodePin node = nodes_.pin(ino);
  if (node) nodes_.move(*node, Place::kDirectory, to.node, what.new_name);
  return ino;
}

// REQUIRES: the gate, exclusively; or what rename_childless() has, which is for `only`.
Outcome<Ino> Filesystem::rename_directory(const Caller& caller, const Renaming& what, Ino only) {
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();

  const auto source = find_marker(caller, from.prefix, what.name);
  if (!source) return fail(source.error());
  if (!*source) return fail(ENOENT);
  if ((*source)->tag != Tag::kDirectory) return Ino{};
  const Ino ino = (*source)->ino;
  if (only != Ino{} && ino != only) return Ino{};
  if (is_within(to.node, ino)) return fail(EINVAL);
  const auto target = find_marker(caller, to.prefix, what.new_name);
  if (!target) return fail(target.error());
  const bool replaces = target->has_value();
  if (replaces && (what.flags & RENAME_NOREPLACE) != 0) return fail(EEXIST);
  if (replaces && (*target)->tag != Tag::kDirectory) return fail(ENOTDIR);
  if (replaces && (*target)->ino == ino) return ino;
  if (replaces && only != Ino{}) return Ino{};  // the other's lock is not held

  const schema::Key new_prefix = schema::child_prefix(to.prefix, what.new_name);
  if (new_prefix.size() > schema::kMaxPrefixBytes) return fail(ENAMETOOLONG);
  holt::Batch& batch = scratch_batch();
  dirs->count_move(what, replaces, 1);
  dirs->stage(batch);
  Removed removed;
  if (replaces) {
    auto old = load_inode(caller, schema::inode_key(new_prefix), (*target)->ino);
    if (!old) return fail(old.error());
    Outcome<Removed> gone = removed_directory(caller, std::move(*old), new_prefix);
    if (!gone) return fail(gone.error());
    removed = std::move(*gone);
    batch.erase_prefix(new_prefix);
  }
  const Outcome<Moving> moving = stage_marked(caller, from, what.name, **source, batch);
  if (!moving) return fail(moving.error());
  const Outcome<void> fits = check_depth(caller, moving->below, new_prefix);
  if (!fits) return fail(fits.error());
  if (const auto left = stage_old_name(caller, what, *moving, from, batch); !left) {
    return fail(left.error());
  }
  batch.move(moving->below, new_prefix);
  batch.put(schema::entry_key(to.prefix, what.new_name), moving->value);
  const Outcome<holt::Lsn> lsn = apply(caller, batch);
  if (!lsn) return fail(lsn.error());

  if (lazy_ != nullptr && replaces) lazy_->erase((*target)->ino);
  const NodePin old_node = replaces ? nodes_.pin((*target)->ino) : NodePin();
  if (what.whiteout != Ino{}) what.claim->settle({.inodes = 1});
  finish_removal(std::move(removed), old_node.get(), *lsn);
  finish_arrival(*moving, nodes_.pin(ino).get(), to, what.new_name);
  return ino;
}

}  // namespace holtfs
