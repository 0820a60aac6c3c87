// statfs: the limits of the mount, and the host's space, since that is what files and records use.
#include <algorithm>

#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::uint64_t kBytesPerFreeInode = 256;  // a record, its key, and their share of the tree

std::uint64_t room(std::int64_t limit, std::int64_t used) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, limit - used));
}

}  // namespace

// Takes no lock, so that df(1) works whatever the filesystem is doing.
Outcome<struct statvfs> Filesystem::statfs() {
  struct statvfs out;
  if (statvfs(path_.c_str(), &out) != 0) return fail(EIO);
  const Limits& limits = limited_.limits();
  const Amount used = limited_.used();
  // A file with contents takes an inode of the host, too; not all hosts count theirs.
  std::uint64_t free = out.f_bavail * out.f_frsize / kBytesPerFreeInode;
  if (out.f_files != 0) free = std::min<std::uint64_t>(free, out.f_favail);
  out.f_files = static_cast<std::uint64_t>(used.inodes) + free;
  if (limits.inodes != Limits::kNone) {
    out.f_files = static_cast<std::uint64_t>(limits.inodes);
    free = std::min(free, room(limits.inodes, used.inodes));
  }
  out.f_ffree = out.f_favail = free;
  if (limits.blocks != Limits::kNone) {
    const std::uint64_t unit = std::max<std::uint64_t>(1, out.f_frsize / 512);
    out.f_blocks = static_cast<std::uint64_t>(limits.blocks) / unit;
    const std::uint64_t left = room(limits.blocks, used.blocks) / unit;
    out.f_bfree = out.f_bavail = std::min<std::uint64_t>(out.f_bavail, left);
  }
  out.f_namemax = schema::kMaxNameBytes;
  return out;
}

}  // namespace holtfs
