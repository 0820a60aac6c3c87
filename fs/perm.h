// POSIX's rules on who may do what, and on what becomes of mode bits.
//
// With default_permissions the kernel decides access itself; what is left to a filesystem is
// inheritance from directories and the removal of set-id bits.
//
// Thread safety: pure functions.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "fs/inode.h"

namespace holtfs {

// Who asks. Supplementary groups are not told to FUSE daemons; the kernel knows them.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Whether `who` may access with the bits of access(2) in `mask`.
bool may_access(const Inode& inode, Credentials who, int mask);

// Owner, group and mode of a new child of `parent`: a set-group-ID directory passes on its group,
// and the bit itself to directories.
void inherit(const Inode& parent, Credentials who, Inode& child);

// The mode after a change of contents or of owner by somebody without CAP_FSETID: no set-user-ID,
// and no set-group-ID where the group may execute (otherwise that bit means mandatory locking).
std::uint32_t without_setid(std::uint32_t mode);

}  // namespace holtfs
