#include "fs/perm.h"

#include <unistd.h>

namespace holtfs {

bool may_access(const Inode& inode, Credentials who, int mask) {
  if (who.uid == 0) {
    const bool executable = inode.is_directory() || (inode.mode & 0111) != 0;
    return (mask & X_OK) == 0 || executable;
  }
  std::uint32_t bits = inode.mode;
  if (who.uid == inode.uid) {
    bits >>= 6;
  } else if (who.gid == inode.gid) {
    bits >>= 3;
  }
  return (static_cast<std::uint32_t>(mask) & ~bits & 07) == 0;
}

void inherit(const Inode& parent, Credentials who, Inode& child) {
  child.uid = who.uid;
  child.gid = who.gid;
  if ((parent.mode & S_ISGID) == 0) return;
  child.gid = parent.gid;
  if (child.is_directory()) child.mode |= S_ISGID;
}

std::uint32_t without_setid(std::uint32_t mode) {
  mode &= ~static_cast<std::uint32_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return mode;
}

}  // namespace holtfs
