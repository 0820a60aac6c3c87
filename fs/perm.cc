#include "fs/perm.h"

#include <unistd.h>

namespace holtfs {

bool may_access(const Inode& inode, const Credentials& who, int mask) {
  if (who.uid == 0) {
    const bool executable = inode.is_directory() || (inode.mode & 0111) != 0;
    return (mask & X_OK) == 0 || executable;
  }
  std::uint32_t bits = inode.mode;
  if (who.uid == inode.uid) {
    bits >>= 6;
  } else if (who.in_group(inode.gid)) {
    bits >>= 3;
  }
  return (static_cast<std::uint32_t>(mask) & ~bits & 07) == 0;
}

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
