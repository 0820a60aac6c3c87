// POSIX's rules on who may do what, and on what becomes of mode bits.
//
// With default_permissions the kernel decides access itself; what is left to a filesystem is
// inheritance from directories and the removal of set-id bits.
//
// Thread safety: pure functions.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "fs/inode.h"

namespace holtfs {

// Who asks.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  // Whether a group is among the supplementary ones. No request tells them, so they are only asked
  // for when it matters; empty when there are none.
  std::function<bool(gid_t group)> has_group = {};

  bool in_group(gid_t group) const { return group == gid || (has_group && has_group(group)); }
};

// Owner, group and mode of a new child of `parent`: a set-group-ID directory passes on its group,
// and the bit itself to directories.
void inherit(const Inode& parent, const Credentials& who, Inode& child);

// The mode after a change of contents or of owner: no set-user-ID, and no set-group-ID where the
// group may execute or the caller is not of the group. (What the latter bit means on a file that
// the group may not execute is long forgotten; its rules are not.)
std::uint32_t without_setid(const Inode& inode, const Credentials& who);

}  // namespace holtfs
