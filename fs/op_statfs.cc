// statfs: the host's space, since that is what files and records use up.
#include <algorithm>

#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::uint64_t kBytesPerFreeInode = 256;  // a record, its key, and their share of the tree

}  // namespace

// Takes no lock, so that df(1) works whatever the filesystem is doing.
Outcome<struct statvfs> Filesystem::statfs() {
  struct statvfs out;
  if (statvfs(path_.c_str(), &out) != 0) return fail(EIO);
  const auto used = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, inodes_.load(std::memory_order_relaxed)));
  // A file with contents takes an inode of the host, too; not all hosts count theirs.
  std::uint64_t room = out.f_bavail * out.f_frsize / kBytesPerFreeInode;
  if (out.f_files != 0) room = std::min<std::uint64_t>(room, out.f_favail);
  out.f_files = used + room;
  out.f_ffree = out.f_favail = room;
  out.f_namemax = schema::kMaxNameBytes;
  return out;
}

}  // namespace holtfs
