#include "fs/fuse/requests.h"

#include <utility>

#include "fs/fuse/connection.h"

namespace holtfs {

namespace {

// Counts, and calls what was in the table before.
template <auto kMember, std::uint32_t kOpcode>
struct Counted;

template <class... Args, void (*fuse_lowlevel_ops::*kMember)(fuse_req_t, Args...),
          std::uint32_t kOpcode>
struct Counted<kMember, kOpcode> {
  static inline void (*next)(fuse_req_t, Args...) = nullptr;

  static void call(fuse_req_t request, Args... args) noexcept {
    connection_of(request).requests.count(kOpcode);
    next(request, args...);
  }
};

template <auto kMember, std::uint32_t kOpcode>
void count(fuse_lowlevel_ops& ops) {
  if (ops.*kMember == nullptr) return;
  using This = Counted<kMember, kOpcode>;
  This::next = std::exchange(ops.*kMember, &This::call);
}

}  // namespace

Requests::Counts Requests::counts() const {
  Counts sum{};
  for (const Lane& lane : lanes_) {
    for (std::size_t i = 0; i < kMaxOpcodes; ++i) {
      sum[i] += lane.counts[i].load(std::memory_order_relaxed);
    }
  }
  return sum;
}

void count_requests(fuse_lowlevel_ops& ops) {
  using Ops = fuse_lowlevel_ops;
  count<&Ops::lookup, opcode("LOOKUP")>(ops);
  count<&Ops::forget, opcode("FORGET")>(ops);
  count<&Ops::getattr, opcode("GETATTR")>(ops);
  count<&Ops::setattr, opcode("SETATTR")>(ops);
  count<&Ops::readlink, opcode("READLINK")>(ops);
  count<&Ops::symlink, opcode("SYMLINK")>(ops);
  count<&Ops::mknod, opcode("MKNOD")>(ops);
  count<&Ops::mkdir, opcode("MKDIR")>(ops);
  count<&Ops::unlink, opcode("UNLINK")>(ops);
  count<&Ops::rmdir, opcode("RMDIR")>(ops);
  count<&Ops::rename, opcode("RENAME")>(ops);
  count<&Ops::link, opcode("LINK")>(ops);
  count<&Ops::open, opcode("OPEN")>(ops);
  count<&Ops::read, opcode("READ")>(ops);
  count<&Ops::write, opcode("WRITE")>(ops);
  count<&Ops::write_buf, opcode("WRITE")>(ops);
  count<&Ops::statfs, opcode("STATFS")>(ops);
  count<&Ops::release, opcode("RELEASE")>(ops);
  count<&Ops::fsync, opcode("FSYNC")>(ops);
  count<&Ops::setxattr, opcode("SETXATTR")>(ops);
  count<&Ops::getxattr, opcode("GETXATTR")>(ops);
  count<&Ops::listxattr, opcode("LISTXATTR")>(ops);
  count<&Ops::removexattr, opcode("REMOVEXATTR")>(ops);
  count<&Ops::flush, opcode("FLUSH")>(ops);
  count<&Ops::opendir, opcode("OPENDIR")>(ops);
  count<&Ops::readdir, opcode("READDIR")>(ops);
  count<&Ops::releasedir, opcode("RELEASEDIR")>(ops);
  count<&Ops::fsyncdir, opcode("FSYNCDIR")>(ops);
  count<&Ops::getlk, opcode("GETLK")>(ops);
  count<&Ops::setlk, opcode("SETLK")>(ops);
  count<&Ops::flock, opcode("SETLK")>(ops);
  count<&Ops::access, opcode("ACCESS")>(ops);
  count<&Ops::create, opcode("CREATE")>(ops);
  count<&Ops::bmap, opcode("BMAP")>(ops);
  count<&Ops::ioctl, opcode("IOCTL")>(ops);
  count<&Ops::poll, opcode("POLL")>(ops);
  count<&Ops::forget_multi, opcode("BATCH_FORGET")>(ops);
  count<&Ops::fallocate, opcode("FALLOCATE")>(ops);
  count<&Ops::readdirplus, opcode("READDIRPLUS")>(ops);
  count<&Ops::lseek, opcode("LSEEK")>(ops);
  count<&Ops::copy_file_range, opcode("COPY_FILE_RANGE")>(ops);
  count<&Ops::tmpfile, opcode("TMPFILE")>(ops);
  count<&Ops::statx, opcode("STATX")>(ops);
}

}  // namespace holtfs
