// rename: what all kinds have in common, of a file, and exchanges.
//
// A file's rename touches two dentries and two directories, under their locks.
#include <algorithm>
#include <cstdio>

#include "fs/ops.h"

namespace holtfs {

// Runs `work` with the namespace to itself. Everybody waits for it, so it should not wait for the
// disk: what it is going to need is read beforehand, and only if that was not all of it, it waits.
template <class Work>
auto Filesystem::alone(const Caller& caller, const Renaming& what, Work work) {
  if (caller.wait == holt::Wait::kYes) {
    for (const auto& [dir, name] :
         {std::pair{what.parent, what.name}, std::pair{what.new_parent, what.new_name}}) {
      if (const Outcome<Entry> entry = lookup(caller, dir, name)) forget(entry->attr.ino, 1);
    }
    const holt::ExclusiveGate gate(gate_);
    Caller hasty = caller;
    hasty.wait = holt::Wait::kNo;
    auto done = work(hasty);
    if (done || done.error() != kWouldWait) return done;
  }
  const holt::ExclusiveGate gate(gate_);
  return work(caller);
}

Outcome<Filesystem::Moved> Filesystem::rename(const Caller& caller, Ino parent,
                                              std::string_view name, Ino new_parent,
                                              std::string_view new_name, unsigned flags) {
  if (const int bad = check_name(name)) return fail(bad);
  if (const int bad = check_name(new_name)) return fail(bad);
  Renaming what{parent, name, new_parent, new_name, flags};
  if (flags == RENAME_EXCHANGE) {
    return alone(caller, what, [&](const Caller& hasty) { return exchange(hasty, what); });
  }
  constexpr unsigned kKnown = RENAME_NOREPLACE | RENAME_WHITEOUT;
  if ((flags & ~kKnown) != 0) return fail(EINVAL);
  Limited::Claim room(limited_);
  if ((flags & RENAME_WHITEOUT) != 0) {
    if (const auto claimed = claim_room(caller, room, {.inodes = 1}); !claimed) {
      return fail(claimed.error());
    }
    what.claim = &room;
    const Outcome<Ino> ino = new_ino(caller);
    if (!ino) return fail(ino.error());
    what.whiteout = *ino;
  }
  if (caller.wait == holt::Wait::kYes) {
    if (const auto synced = sync_replacement(caller, what); !synced) return fail(synced.error());
  }
  while (true) {
    // Each declines what is not for it; the name may change in between.
    const Outcome<Ino> directory = rename_file(caller, what);
    if (!directory) return fail(directory.error());
    if (*directory == Ino{}) return Moved{};
    Outcome<Ino> moved = rename_childless(caller, what, *directory);
    if (moved && *moved == Ino{}) {
      moved =
          alone(caller, what, [&](const Caller& hasty) { return rename_directory(hasty, what); });
    }
    if (!moved) return fail(moved.error());
    if (*moved != Ino{}) return Moved{parent == new_parent ? Ino{} : *moved};
  }
}

// Whoever writes a new version of a file and renames it over the old one, without fsync, expects to
// find one of the two after a power failure. The rename is durable with the log, the contents are
// when the host writes them: so those of a file that replaces another come first.
Outcome<void> Filesystem::sync_replacement(const Caller& caller, const Renaming& what) {
  const Outcome<Entry> from = lookup(caller, what.parent, what.name);
  if (!from) return {};  // the rename will say why
  const Outcome<Entry> to = lookup(caller, what.new_parent, what.new_name);
  const Attr source = from->attr;
  const bool replaces = to && S_ISREG(to->attr.mode) && to->attr.size > 0 && S_ISREG(source.mode) &&
                        to->attr.ino != source.ino;
  const Outcome<void> synced = replaces ? sync_contents(source.ino) : Outcome<void>();
  forget(source.ino, 1);
  if (to) forget(to->attr.ino, 1);
  return synced;
}

// REQUIRES: their locks, or the gate exclusively.
Outcome<Filesystem::DirPair> Filesystem::load_directories(const Caller& caller,
                                                          const Renaming& what) {
  DirPair dirs;
  dirs.same = what.parent == what.new_parent;
  Outcome<Dir> from = load_directory(caller, what.parent);
  if (!from) return fail(from.error());
  dirs.from = std::move(*from);
  if (dirs.same) return dirs;
  Outcome<Dir> other = load_directory(caller, what.new_parent);
  if (!other) return fail(other.error());
  dirs.other = std::move(*other);
  return dirs;
}

// Reads the dentry `name`, changes the ctime of what it stands for, and says what its new dentry is
// to hold and what lies below the old one. Comes before the moves in the batch: a key is patched
// where it is, and moves with its prefix.
Outcome<Filesystem::Moving> Filesystem::stage_departure(const Caller& caller, const Dir& dir,
                                                        std::string_view name, holt::Batch& batch) {
  Moving out;
  out.key = schema::entry_key(dir.prefix, name);
  Record value;
  const auto loaded = load_record(caller, out.key, value);
  if (!loaded) return fail(loaded.error());
  const holt::Result<Marker> marker = decode_marker(value);
  if (!marker) return fail(marker.error());
  if (marker->tag != Tag::kInode) return stage_marked(caller, dir, name, *marker, batch);
  holt::Result<Inode> inode = decode_inode(value);
  if (!inode) return fail(inode.error());
  inode->ctime = now();
  out.marker = *marker;
  out.value = encode(*inode);
  out.has_below = (inode->flags & kHasXattrs) != 0;
  if (out.has_below) out.below = schema::entry_xattr_prefix(dir.prefix, name);
  return out;
}
// The same for a dentry that is `marker`.
Outcome<Filesystem::Moving> Filesystem::stage_marked(const Caller& caller, const Dir& dir,
                                                     std::string_view name, const Marker& marker,
                                                     holt::Batch& batch) {
  Moving out;
  out.key = schema::entry_key(dir.prefix, name);
  out.value = encode(marker);
  out.marker = marker;
  out.has_below = marker.tag == Tag::kDirectory;
  if (out.has_below) out.below = schema::child_prefix(dir.prefix, name);
  const schema::Key key =
      out.has_below ? schema::inode_key(out.below) : schema::link_key(marker.ino);
  const Outcome<Inode> before = load_inode(caller, key, marker.ino);
  if (!before) return fail(before.error());
  Inode after = *before;
  after.ctime = now();
  stage_change(batch, key, *before, after);
  return out;
}

// Takes the old name away; or leaves a whiteout there, by which an overlayfs hides what a lower
// layer has under this name.
Outcome<void> Filesystem::stage_old_name(const Caller& caller, const Renaming& what,
                                         const Moving& moving, const Dir& from,
                                         holt::Batch& batch) {
  if (what.whiteout == Ino{}) {
    batch.erase(moving.key);
    return {};
  }
  Inode whiteout = new_inode(what.whiteout, S_IFCHR);
  inherit(from.before, caller.who, whiteout);
  const Outcome<Xattrs> acls = inherited_acls(caller, from, whiteout);
  if (!acls) return fail(acls.error());
  // In the link space, because the place of its xattrs is still taken by what moves away.
  batch.put(moving.key, encode(Marker{Tag::kLink, type_of(whiteout.mode), whiteout.ino}));
  batch.put(schema::link_key(whiteout.ino), encode(whiteout));
  const schema::Key xattr_prefix = schema::link_xattr_prefix(whiteout.ino);
  for (const auto& [xattr, value] : *acls) batch.put(xattr_prefix + std::string(xattr), value);
  return {};
}

// Where what lies below the old dentry goes.
schema::Key Filesystem::below(const Moving& moving, const Dir& dir, std::string_view name) {
  return moving.marker.tag == Tag::kDirectory ? schema::child_prefix(dir.prefix, name)
                                              : schema::entry_xattr_prefix(dir.prefix, name);
}

// The node of what was moved, if there is one, follows. A file with several links is at no dentry.
void Filesystem::finish_arrival(const Moving& moved, Node* node, Dir& dir, std::string_view name) {
  if (node == nullptr || moved.marker.tag == Tag::kLink) return;
  nodes_.move(*node, node->place, dir.node, name);
}

// Takes the new name from the file that has it. REQUIRES: as stage_removal().
Outcome<Filesystem::Removed> Filesystem::stage_replaced(const Caller& caller, const Dir& to,
                                                        std::string_view name, bool known,
                                                        holt::Batch& batch) {
  Record value;
  const auto loaded = load_record(caller, schema::entry_key(to.prefix, name), value);
  if (!loaded) return fail(loaded.error());
  Outcome<Removed> removed = stage_removal(caller, to, name, value, known, batch);
  // The new contents had to be made durable first, which takes a wait: sync_replacement().
  const bool has_contents =
      removed && removed->gone && removed->orphan.inode.placement != Placement::kNone;
  if (has_contents && caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  return removed;
}

Outcome<Ino> Filesystem::rename_file(const Caller& caller, const Renaming& what) {
  const holt::SharedGate gate(gate_);
  const auto dir_locks = dir_locks_.both(what.parent, what.new_parent);
  const Outcome<Node*> parent = directory_node(what.parent);
  if (!parent) return fail(parent.error());
  if ((*parent)->place == Place::kOrphan) return fail(ENOENT);
  const auto source = find_marker(caller, schema::prefix_of(**parent), what.name);
  if (!source) return fail(source.error());
  if (!*source) return fail(ENOENT);
  if ((*source)->tag == Tag::kDirectory) return (*source)->ino;
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();
  const auto target = find_marker(caller, to.prefix, what.new_name);
  if (!target) return fail(target.error());
  const bool replaces = target->has_value();
  if (replaces && (what.flags & RENAME_NOREPLACE) != 0) return fail(EEXIST);
  if (replaces && (*target)->tag == Tag::kDirectory) return fail(EISDIR);
  const Ino ino = (*source)->ino, old_ino = replaces ? (*target)->ino : ino;
  // Two names of one file: nothing to do, says rename(2).
  if (replaces && old_ino == ino) return Ino{};

  const auto file_locks = file_locks_.both(ino, old_ino);
  const NodePin node = nodes_.pin(ino);
  const NodePin old_node = replaces ? nodes_.pin(old_ino) : NodePin();
  for (const NodePin* pinned : {&node, &old_node}) {
    if (!*pinned) continue;
    if (const auto settled = settle_times(caller, **pinned); !settled) {
      return fail(settled.error());
    }
  }
  holt::Batch& batch = scratch_batch();
  dirs->count_move(what, replaces, 0);
  dirs->stage(batch);  // first, as in insert()
  Removed removed;
  if (replaces) {
    auto staged = stage_replaced(caller, to, what.new_name, static_cast<bool>(old_node), batch);
    if (!staged) return fail(staged.error());
    removed = std::move(*staged);
  }
  const Outcome<Moving> moving = stage_departure(caller, from, what.name, batch);
  if (!moving) return fail(moving.error());
  if (moving->has_below) batch.move(moving->below, below(*moving, to, what.new_name));
  if (const auto left = stage_old_name(caller, what, *moving, from, batch); !left) {
    return fail(left.error());
  }
  batch.put(schema::entry_key(to.prefix, what.new_name), moving->value);
  const Outcome<holt::Lsn> lsn = apply(caller, batch);
  if (!lsn) return fail(lsn.error());

  if (what.whiteout != Ino{}) what.claim->settle({.inodes = 1});
  finish_removal(std::move(removed), old_node.get(), *lsn);
  finish_arrival(*moving, node.get(), to, what.new_name);
  return Ino{};
}

// RENAME_EXCHANGE: two names change places, whatever they stand for. Rare, so it always has the
// namespace to itself. REQUIRES: the gate, exclusively.
Outcome<Filesystem::Moved> Filesystem::exchange(const Caller& caller, const Renaming& what) {
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();
  for (const auto& [prefix, name] :
       {std::pair{&from.prefix, what.name}, std::pair{&to.prefix, what.new_name}}) {
    const auto marker = find_marker(caller, *prefix, name);
    if (!marker) return fail(marker.error());
    // A directory's stay with its number, as its record moves with its prefix.
    if (!*marker || (*marker)->tag == Tag::kDirectory) continue;
    const NodePin node = nodes_.pin((*marker)->ino);
    if (!node) continue;
    if (const auto settled = settle_times(caller, *node); !settled) return fail(settled.error());
  }
  holt::Batch& batch = scratch_batch();
  const Outcome<Moving> a = stage_departure(caller, from, what.name, batch);
  if (!a) return fail(a.error());
  const Outcome<Moving> b = stage_departure(caller, to, what.new_name, batch);
  if (!b) return fail(b.error());
  if (a->marker.ino == b->marker.ino) return Moved{};
  const bool a_is_dir = a->marker.tag == Tag::kDirectory;
  const bool b_is_dir = b->marker.tag == Tag::kDirectory;
  if (a_is_dir && is_within(to.node, a->marker.ino)) return fail(EINVAL);
  if (b_is_dir && is_within(from.node, b->marker.ino)) return fail(EINVAL);

  // Where both have the like below, one goes aside first: a prefix can only move to a free one.
  const std::string a_below = below(*a, to, what.new_name);
  const std::string b_below = below(*b, from, what.name);
  if (std::max(a_below.size(), b_below.size()) > schema::kMaxPrefixBytes + schema::kMaxNameBytes) {
    return fail(ENAMETOOLONG);
  }
  for (const auto& [moved, to_prefix] : {std::pair{&*a, &a_below}, std::pair{&*b, &b_below}}) {
    if (!moved->has_below) continue;
    const Outcome<void> fits = check_depth(caller, moved->below, *to_prefix);
    if (!fits) return fail(fits.error());
  }
  const bool crosses = a->has_below && b->has_below && a_is_dir == b_is_dir;
  const std::string aside = schema::exchange_prefix();
  if (a->has_below) batch.move(a->below, crosses ? aside : a_below);
  if (b->has_below) batch.move(b->below, b_below);
  if (crosses) batch.move(aside, a_below);
  batch.put(a->key, b->value);
  batch.put(b->key, a->value);
  from.count_entries(0, b_is_dir - a_is_dir);
  to.count_entries(0, a_is_dir - b_is_dir);
  dirs->stage(batch);
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());

  finish_arrival(*a, nodes_.pin(a->marker.ino).get(), to, what.new_name);
  finish_arrival(*b, nodes_.pin(b->marker.ino).get(), from, what.name);
  if (dirs->same) return Moved{};
  return Moved{a_is_dir ? a->marker.ino : Ino{}, b_is_dir ? b->marker.ino : Ino{}};
}

}  // namespace holtfs
