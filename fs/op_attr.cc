// getattr, setattr, and the upkeep of atime.
#include "fs/ops.h"

namespace holtfs {

Outcome<Attr> Filesystem::getattr(const Caller& caller, Ino ino) {
  return read_inode(ino, [&](Node& node, const Located& at) -> Outcome<Attr> {
    const Outcome<Inode> inode = load(caller, node, at);
    if (!inode) return fail(inode.error());
    return attr_of(*inode);
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
      // which will itself say that the bits go.
      const bool stranger = caller.who.uid != 0 && caller.who.uid != after.uid;
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

// Sets atime to the present where the policy asks for it. atime alone may be patched by holders of
// the shared lock: everybody who changes other fields holds it exclusively, and readers may race
// each other. False for a file without a name, which is in memory: touch_nameless() is then for who
// holds no lock. Best effort: a read does not fail because its time could not be noted.
bool Filesystem::touch_atime(const Caller& caller, const Located& at, const Inode& inode) {
  const Time present = now();
  if (!atime_due(options_.atime, inode.atime, inode.mtime, inode.ctime, present)) return true;
  if (at.orphan != nullptr) return false;
  Inode after = inode;
  after.atime = present;
  holt::Batch& batch = scratch_batch();
  stage_change(batch, at.key, inode, after);
  (void)store_->apply(batch, caller.wait);
  return true;
}

void Filesystem::touch_nameless(const Caller& caller, Ino ino) {
  (void)change_inode(caller, ino, [](Inode& after, const Located&, holt::Batch&) {
    after.atime = now();
    return Outcome<void>();
  });
}

}  // namespace holtfs
