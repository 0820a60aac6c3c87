// link, readlink.
#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::uint64_t kMaxLinks = 65'000;  // ext4's, which programs meet

}  // namespace

// The first further name moves the record to the link space, where every name leads to it. A file
// without names gets its record back into the dentry. REQUIRES: the locks of the file, of `parent`,
// and of the directory where the file's dentry is.
Outcome<void> Filesystem::link_to(const Caller& caller, Node& node, Ino parent,
                                  std::string_view name, Inode& linked) {
  Outcome<Dir> dir = load_directory(caller, parent);
  if (!dir) return fail(dir.error());
  const Located at = locate(node);
  const Outcome<Inode> before = load(caller, node, at);
  if (!before) return fail(before.error());
  linked = *before;
  if (linked.nlink >= kMaxLinks) return fail(EMLINK);
  ++linked.nlink;
  linked.ctime = now();

  holt::Batch& batch = scratch_batch();
  const std::string new_key = schema::entry_key(dir->prefix, name);
  const std::string marker = encode(Marker{Tag::kLink, type_of(linked.mode), node.ino});
  switch (node.place) {
    case Place::kOrphan: {
      batch.insert(new_key, encode(linked));
      const std::string prefix = schema::entry_xattr_prefix(dir->prefix, name);
      for (const auto& [attr, value] : at.orphan->xattrs) batch.put(prefix + attr, value);
      break;
    }
    case Place::kLink:
      batch.insert(new_key, marker);
      stage_change(batch, at.key, *before, linked);
      break;
    case Place::kEntry:
      batch.insert(new_key, marker);
      batch.replace(at.key, marker);
      batch.insert(schema::link_key(node.ino), encode(linked));
      if ((linked.flags & kHasXattrs) != 0) {
        batch.move(at.xattr_prefix(), schema::link_xattr_prefix(node.ino));
      }
      break;
    case Place::kDirectory: return fail(EPERM);
  }
  dir->count_entries(+1, 0);
  dir->stage(batch);
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());
  if (node.place == Place::kOrphan) {
    const auto orphan = nodes_.take_orphan(node, Place::kEntry, dir->node, name);
    count_named(*orphan);
  } else if (node.place == Place::kEntry) {
    nodes_.move(node, Place::kLink, nullptr, {});
  }
  return {};
}

Outcome<Entry> Filesystem::link(const Caller& caller, Ino ino, Ino parent, std::string_view name) {
  if (const int bad = check_name(name)) return fail(bad);
  const holt::SharedGate gate(gate_);
  Node* const node = nodes_.find(ino);
  if (node == nullptr) return fail(ESTALE);
  if (node->directory) return fail(EPERM);
  while (true) {
    // Where the file's dentry is has to be known before the locks can be taken in order.
    const Ino old_parent = [&] {
      const auto lock = file_locks_.shared(ino);
      return node->place == Place::kEntry ? node->parent->ino : parent;
    }();
    const auto dir_locks = dir_locks_.both(old_parent, parent);
    const auto file_lock = file_locks_.exclusive(ino);
    if (node->place == Place::kEntry && node->parent->ino != old_parent) continue;

    if (const auto settled = settle_times(caller, *node); !settled) return fail(settled.error());
    Inode linked;
    if (const auto done = link_to(caller, *node, parent, name, linked); !done) {
      return fail(done.error());
    }
    nodes_.acquire(ino, node->place, nullptr, {});  // it exists: one lookup more
    return Entry{shown(linked)};
  }
}

Outcome<std::string> Filesystem::readlink(const Caller& caller, Ino ino) {
  return read_inode(ino, [&](Node& node, const Located& at) -> Outcome<std::string> {
    if (node.directory) return fail(EINVAL);
    Outcome<Inode> inode = load(caller, node, at);
    if (!inode) return fail(inode.error());
    if (!S_ISLNK(inode->mode)) return fail(EINVAL);
    touch_atime(caller, at, *inode);
    return std::move(inode->target);
  });
}

}  // namespace holtfs
