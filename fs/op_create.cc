// mknod, mkdir, symlink, create, tmpfile.
#include <sys/sysmacros.h>

#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::size_t kMaxTargetBytes = 4095;  // PATH_MAX, as the kernel has it

}  // namespace

namespace {

// The host file of a file that is about to be made, gone again unless that comes about.
class HostFileInAdvance {
 public:
  HostFileInAdvance(BulkFiles& files, Ino ino) : files_(files), ino_(ino) {}
  ~HostFileInAdvance() {
    if (made_) files_.remove(ino_);
  }
  HostFileInAdvance(const HostFileInAdvance&) = delete;
  HostFileInAdvance& operator=(const HostFileInAdvance&) = delete;

  Outcome<void> make() {
    const Outcome<HostFileRef> file = files_.open_or_create(ino_);
    if (!file) return fail(file.error());
    made_ = true;
    return {};
  }
  void keep() { made_ = false; }

 private:
  BulkFiles& files_;
  const Ino ino_;
  bool made_ = false;
};

}  // namespace

// REQUIRES: `child` has its type, mode, and what belongs to its type.
Outcome<Entry> Filesystem::make(const Caller& caller, Ino parent, std::string_view name,
                                Inode child) {
  if (const int bad = check_name(name)) return fail(bad);
  Limited::Claim room(limited_);
  if (const auto claimed = claim_room(caller, room, {.inodes = 1}); !claimed) {
    const Outcome<Entry> there = lookup(caller, parent, name);
    if (!there) return fail(there.error() == Errno{ENOENT} ? claimed.error() : there.error());
    forget(there->attr.ino, 1);
    return fail(EEXIST);
  }
  const Outcome<Ino> ino = new_ino(caller);
  if (!ino) return fail(ino.error());
  child.ino = *ino;
  HostFileInAdvance contents(*bulk_, *ino);
  if (child.placement == Placement::kBulk) {
    const auto made = with_space(caller, [&] { return contents.make(); });
    if (!made) return fail(made.error());
  }
  Outcome<Entry> entry = insert(caller, parent, name, std::move(child), room);
  if (entry) contents.keep();
  return entry;
}

Outcome<Entry> Filesystem::insert(const Caller& caller, Ino parent, std::string_view name,
                                  Inode child, Limited::Claim& room) {
  const holt::SharedGate gate(gate_);
  const auto lock = dir_locks_.exclusive(parent);
  Outcome<Dir> dir = load_directory(caller, parent);
  if (!dir) return fail(dir.error());
  inherit(dir->before, caller.who, child);
  const Outcome<Xattrs> acls = inherited_acls(caller, *dir, child);
  if (!acls) return fail(acls.error());

  holt::Batch& batch = scratch_batch();
  // The directory first: what patches a record finds it where it was, what makes one may move it.
  dir->count_entries(+1, child.is_directory() ? +1 : 0);
  dir->stage(batch);
  const schema::Key key = schema::entry_key(dir->prefix, name);
  if (child.is_directory()) {
    const schema::Key prefix = schema::child_prefix(dir->prefix, name);
    if (prefix.size() > schema::kMaxPrefixBytes) return fail(ENAMETOOLONG);
    batch.insert(key, encode(Marker{Tag::kDirectory, type_of(child.mode), child.ino}));
    batch.put(schema::inode_key(prefix), encode(child));
  } else {
    batch.insert(key, encode(child));
  }
  for (const auto& [xattr, value] : *acls) {
    const schema::Key prefix =
        child.is_directory()
            ? schema::directory_xattr_prefix(schema::child_prefix(dir->prefix, name))
            : schema::entry_xattr_prefix(dir->prefix, name);
    batch.put(prefix + std::string(xattr), value);
  }
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());

  room.settle({.inodes = 1});
  nodes_.acquire(child.ino, child.is_directory() ? Place::kDirectory : Place::kEntry, dir->node,
                 name);
  return Entry{attr_of(child)};
}

Outcome<Entry> Filesystem::mknod(const Caller& caller, Ino parent, std::string_view name,
                                 mode_t mode, dev_t rdev) {
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  if (S_ISDIR(mode) || S_ISLNK(mode)) return fail(EINVAL);
  Inode child = new_inode({}, mode);
  child.rdev_major = major(rdev);
  child.rdev_minor = minor(rdev);
  return make(caller, parent, name, std::move(child));
}

Outcome<Entry> Filesystem::mkdir(const Caller& caller, Ino parent, std::string_view name,
                                 mode_t mode) {
  return make(caller, parent, name, new_inode({}, S_IFDIR | (mode & 07777)));
}

Outcome<Entry> Filesystem::symlink(const Caller& caller, Ino parent, std::string_view name,
                                   std::string_view target) {
  if (target.empty()) return fail(ENOENT);
  if (target.size() > kMaxTargetBytes) return fail(ENAMETOOLONG);
  Inode child = new_inode({}, S_IFLNK | 0777);
  child.target = target;
  child.size = target.size();
  return make(caller, parent, name, std::move(child));
}

Outcome<Entry> Filesystem::create(const Caller& caller, Ino parent, std::string_view name,
                                  mode_t mode, bool exclusive, Placement placement) {
  while (true) {
    Inode child = new_inode({}, S_IFREG | (mode & 07777));
    child.placement = placement;
    Outcome<Entry> made = make(caller, parent, name, std::move(child));
    if (made || exclusive || made.error() != Errno{EEXIST}) return made;
    Outcome<Entry> found = lookup(caller, parent, name);
    // Removed in between: the next attempt makes it.
    if (found || found.error() != Errno{ENOENT}) return found;
  }
}

Outcome<Entry> Filesystem::tmpfile(const Caller& caller, Ino parent, mode_t mode) {
  Limited::Claim room(limited_);
  if (const auto claimed = claim_room(caller, room, {.inodes = 1}); !claimed) {
    return fail(claimed.error());
  }
  const Outcome<Ino> ino = new_ino(caller);
  if (!ino) return fail(ino.error());
  auto orphan = std::make_unique<Orphan>();
  orphan->inode = new_inode(*ino, S_IFREG | (mode & 07777));
  orphan->inode.nlink = 0;
  {
    const holt::SharedGate gate(gate_);
    const auto lock = dir_locks_.shared(parent);
    const Outcome<Dir> dir = load_directory(caller, parent);
    // Where the directory has no name left, ext4's answer.
    if (!dir) return fail(dir.error() == Errno{ENOENT} ? Errno{EPERM} : dir.error());
    inherit(dir->before, caller.who, orphan->inode);
    Outcome<Xattrs> acls = inherited_acls(caller, *dir, orphan->inode);
    if (!acls) return fail(acls.error());
    for (auto& [xattr, value] : *acls) orphan->xattrs.emplace(xattr, std::move(value));
  }
  room.settle({.inodes = 1});
  const Attr attr = attr_of(orphan->inode);
  nodes_.acquire_orphan(std::move(orphan));
  count_nameless(*ino);
  return Entry{attr};
}

}  // namespace holtfs
