// rename: of a file, of a directory, and exchanges.
//
// A file's rename touches two dentries and two directories, under their locks. A directory's
// changes the paths of everything below: its batch detaches one subtree and grafts it elsewhere,
// whatever the number of files in it. For these few microseconds it has the namespace to itself,
// unless nothing below has a node: rename_childless().
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "fs/ops.h"

namespace holtfs {

namespace {

// What a dentry says; nothing where there is none.
Outcome<std::optional<Marker>> find_marker(const holt::Store& store, holt::Wait wait,
                                           std::string_view prefix, std::string_view name) {
  std::array<char, Record::kRoom> value;  // of a longer one the beginning is enough
  const auto got = store.get(schema::entry_key(prefix, name), value, wait);
  if (!got && got.error().code() == holt::Code::kNotFound) return std::nullopt;
  if (!got) return fail(got.error());
  const std::string_view shown(value.data(), std::min(*got, value.size()));
  const holt::Result<Marker> marker = decode_marker(shown);
  if (!marker) return fail(marker.error());
  return *marker;
}

// Whether `node` is, or lies below, directory `ino`.
bool is_within(const Node* node, Ino ino) {
  while (node != nullptr && node->ino != ino) node = node->parent;
  return node != nullptr;
}

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

Outcome<Ino> Filesystem::rename_file(const Caller& caller, const Renaming& what) {
  const holt::SharedGate gate(gate_);
  const auto dir_locks = dir_locks_.both(what.parent, what.new_parent);
  const Outcome<Node*> parent = directory_node(what.parent);
  if (!parent) return fail(parent.error());
  if ((*parent)->place == Place::kOrphan) return fail(ENOENT);
  const auto source = find_marker(*store_, caller.wait, schema::prefix_of(**parent), what.name);
  if (!source) return fail(source.error());
  if (!*source) return fail(ENOENT);
  if ((*source)->tag == Tag::kDirectory) return (*source)->ino;
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();
  const auto target = find_marker(*store_, caller.wait, to.prefix, what.new_name);
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
  dirs->stage(batch);  // first, as in make()
  Removed removed;
  if (replaces) {
    Record value;
    const auto loaded = load_record(caller, schema::entry_key(to.prefix, what.new_name), value);
    if (!loaded) return fail(loaded.error());
    auto staged =
        stage_removal(caller, to, what.new_name, value, static_cast<bool>(old_node), batch);
    if (!staged) return fail(staged.error());
    removed = std::move(*staged);
    // The new contents had to be made durable first, which takes a wait: sync_replacement().
    const bool has_contents = removed.gone && removed.orphan.inode.placement != Placement::kNone;
    if (has_contents && caller.wait == holt::Wait::kNo) return fail(kWouldWait);
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

// Of a directory in which nothing has a node, nobody uses the path without its lock, but upkeep,
// which checks (repoint): it need not have the namespace to itself. 0 when that is not so, the name
// has passed to another, or a directory would be replaced.
Outcome<Ino> Filesystem::rename_childless(const Caller& caller, const Renaming& what, Ino ino) {
  const holt::SharedGate gate(gate_);
  const auto locks = dir_locks_.all(what.parent, what.new_parent, ino);
  return nodes_.has_children(ino) ? Ino{} : rename_directory(caller, what, ino);
}

// REQUIRES: the gate, exclusively; or what rename_childless() has, which is for `only`.
Outcome<Ino> Filesystem::rename_directory(const Caller& caller, const Renaming& what, Ino only) {
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();

  const auto source = find_marker(*store_, caller.wait, from.prefix, what.name);
  if (!source) return fail(source.error());
  if (!*source) return fail(ENOENT);
  if ((*source)->tag != Tag::kDirectory) return Ino{};
  const Ino ino = (*source)->ino;
  if (only != Ino{} && ino != only) return Ino{};
  if (is_within(to.node, ino)) return fail(EINVAL);
  const auto target = find_marker(*store_, caller.wait, to.prefix, what.new_name);
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
    if (old->entries != 0) return fail(ENOTEMPTY);
    Outcome<Orphan> orphan =
        read_orphan(caller, std::move(*old), schema::directory_xattr_prefix(new_prefix));
    if (!orphan) return fail(orphan.error());
    orphan->inode.ctime = now();
    removed = {.gone = true, .orphan = std::move(*orphan)};
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

// RENAME_EXCHANGE: two names change places, whatever they stand for. Rare, so it always has the
// namespace to itself. REQUIRES: the gate, exclusively.
Outcome<Filesystem::Moved> Filesystem::exchange(const Caller& caller, const Renaming& what) {
  Outcome<DirPair> dirs = load_directories(caller, what);
  if (!dirs) return fail(dirs.error());
  Dir &from = dirs->from, &to = dirs->to();
  for (const auto& [prefix, name] :
       {std::pair{&from.prefix, what.name}, std::pair{&to.prefix, what.new_name}}) {
    const auto marker = find_marker(*store_, caller.wait, *prefix, name);
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
