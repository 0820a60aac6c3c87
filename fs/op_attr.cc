// getattr, setattr.
#include "fs/ops.h"

namespace holtfs {

Outcome<Attr> Filesystem::getattr(const Caller& caller, Ino ino) {
  return read_inode(ino, [&](Node& node, const Located& at) -> Outcome<Attr> {
    const Outcome<Inode> inode = load(caller, node, at, Parts::kAttributes);
    if (!inode) return fail(inode.error());
    return shown(*inode);
  });
}

Outcome<Attr> Filesystem::setattr(const Caller& caller, Ino ino, const SetAttr& change) {
  const auto apply_change = [&](Inode& after, const Located& at,
                                holt::Batch& batch) -> Outcome<void> {
    if (change.mode) {
      const auto staged = stage_mode(caller, at, *change.mode, after, batch);
      if (!staged) return staged;
    }
    const bool chowned = change.is_chown() && !after.is_directory();
    if (chowned || change.drop_setid) {
      const std::uint32_t mode = without_setid(after, caller.who);
      // Asked for by a chown to nobody, of which the kernel does not know who may; or by a write,
      // which will itself say that the bits go, unless it is not seen here.
      const auto opens = passed_.any() ? passed_.find(ino) : std::nullopt;
      const bool unseen = opens && opens->writes;
      const bool stranger = !unseen && caller.who.uid != 0 && caller.who.uid != after.uid;
      if (mode != after.mode && change.is_nothing() && stranger) return {};
      after.mode = mode;
      const auto lost = stage_capability_loss(caller, at, after, batch);
      if (!lost) return lost;
    }
    if (change.uid) after.uid = *change.uid;
    if (change.gid) after.gid = *change.gid;
    if (change.atime) after.atime = *change.atime;
    if (change.mtime) after.mtime = *change.mtime;
    after.ctime = change.ctime.value_or(now());
    return {};
  };
  if (!change.size) {
    const Outcome<Inode> inode = change_inode(caller, ino, apply_change);
    if (!inode) return fail(inode.error());
    return attr_of(*inode);
  }
  const Outcome<Inode> inode =
      resize(caller, ino, *change.size, [&](Inode& after, const Located& at, holt::Batch& batch) {
        after.mtime = now();
        return apply_change(after, at, batch);
      });
  if (!inode) return fail(inode.error());
  return attr_of(*inode);
}

}  // namespace holtfs
