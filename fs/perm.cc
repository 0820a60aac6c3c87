#include "fs/perm.h"

namespace holtfs {

void inherit(const Inode& parent, const Credentials& who, Inode& child) {
  child.uid = who.uid;
  child.gid = who.gid;
  if ((parent.mode & S_ISGID) == 0) return;
  child.gid = parent.gid;
  if (child.is_directory()) child.mode |= S_ISGID;
}

std::uint32_t without_setid(const Inode& inode, const Credentials& who) {
  std::uint32_t mode = inode.mode & ~static_cast<std::uint32_t>(S_ISUID);
  const bool keeps_group = (mode & S_IXGRP) == 0 && (who.uid == 0 || who.in_group(inode.gid));
  if ((mode & S_ISGID) != 0 && !keeps_group) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return mode;
}

}  // namespace holtfs
