// POSIX ACLs: setting one, inheriting one, and chmod of a file that has one.
#include "fs/acl.h"
#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

Outcome<Acl> stored_acl(std::string_view value, Ino ino) {
  auto acl = Acl::parse(value);
  if (acl) return std::move(*acl);
  log_error("an ACL of inode {} is damaged", number_of(ino));
  return fail(EIO);
}

}  // namespace

// An access ACL sets the mode, and is not kept if that says all of it.
Outcome<void> Filesystem::set_acl(const Caller& caller, Ino ino, std::string_view name,
                                  std::string_view value) {
  const auto acl = Acl::parse(value);
  if (!acl) return fail(EINVAL);
  const bool is_default = name == kDefaultAclXattr;
  const auto set = [&](Inode& after, const Located& at, holt::Batch& batch) -> Outcome<void> {
    if (is_default && !after.is_directory()) return fail(EACCES);
    const Inode before = after;
    if (!is_default) {
      after.mode = acl->apply_to(after.mode);
      const bool privileged = caller.who.uid == 0;
      if ((after.mode & S_ISGID) != 0 && !privileged && !caller.who.in_group(after.gid)) {
        after.mode &= ~static_cast<std::uint32_t>(S_ISGID);
      }
    }
    const Outcome<bool> same = has_xattr(caller, at, after, name, value);
    if (!same) return fail(same.error());
    const bool is_mode = !is_default && acl->is_mode();
    const bool kept = !is_mode && !*same;
    const bool lost = is_mode && (after.flags & kHasAccessAcl) != 0;
    if (kept || lost || after.mode != before.mode) after.ctime = now();
    if (kept) {
      const auto room = check_xattr_room(caller, at, after, name, value, 0);
      if (room) stage_xattr(at, name, value, after, batch);
      return room;
    }
    if (lost) return stage_xattr_loss(caller, at, name, after, batch);
    return {};
  };
  const Outcome<Inode> done = change_inode(caller, ino, set);
  if (!done) return fail(done.error());
  return {};
}

// What a new file gets from its directory's default ACL. Without one, the umask counts.
Outcome<Filesystem::Xattrs> Filesystem::inherited_acls(const Caller& caller, const Dir& dir,
                                                       Inode& child) {
  if (S_ISLNK(child.mode)) return Xattrs();
  if (!options_.acl || (dir.before.flags & kHasDefaultAcl) == 0) {
    child.mode &= ~caller.umask;
    return Xattrs();
  }
  Outcome<std::string> value = load_value(
      caller, schema::directory_xattr_prefix(dir.prefix) + std::string(kDefaultAclXattr));
  if (!value) return fail(value.error());
  Outcome<Acl> access = stored_acl(*value, dir.before.ino);
  if (!access) return fail(access.error());
  access->restrict(child.mode);
  Xattrs out;
  if (!access->is_mode()) {
    child.flags |= kHasXattrs | kHasAccessAcl;
    out.emplace_back(kAccessAclXattr, access->xattr());
  }
  if (child.is_directory()) {
    child.flags |= kHasXattrs | kHasDefaultAcl;
    out.emplace_back(kDefaultAclXattr, std::move(*value));
  }
  return out;
}

// chmod(2).
Outcome<void> Filesystem::stage_mode(const Caller& caller, const Located& at, std::uint32_t mode,
                                     Inode& after, holt::Batch& batch) {
  after.mode = (after.mode & S_IFMT) | (mode & 07777);
  if ((after.flags & kHasAccessAcl) == 0) return {};
  const Outcome<std::string> value = xattr_of(caller, at, kAccessAclXattr);
  if (!value) return fail(value.error());
  Outcome<Acl> acl = stored_acl(*value, after.ino);
  if (!acl) return fail(acl.error());
  acl->set_mode(after.mode);
  stage_xattr(at, kAccessAclXattr, acl->xattr(), after, batch);
  return {};
}

}  // namespace holtfs
