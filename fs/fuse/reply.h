// Reply: the duty to answer one request of the kernel, exactly once.
//
// Whoever holds it must answer it or pass it on; every way to answer uses it up. A request that is
// never answered leaves a process in uninterruptible sleep, one that is answered twice corrupts
// another.
//
// Thread safety: a Reply belongs to one thread at a time, and may move to another.
// Invariants:
//   Q1  a Reply is not destroyed while it is unanswered.
//   Q2  a Reply is answered at most once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/lanes.h"
#include "fs/filesystem.h"
#include "fs/fuse/libfuse.h"

namespace holtfs {

// How many replies exist.
//
// Thread safety: any thread; who leaves need not be who entered.
class Unanswered {
 public:
  using Lane = std::atomic<std::uint32_t>;

  Lane& enter() {
    Lane& lane = lanes_[holt::my_lane()].inside;
    lane.fetch_add(1, std::memory_order_relaxed);
    return lane;
  }
  void leave(Lane& lane);
  // REQUIRES: nobody enters any more.
  void wait_for_none();

 private:
  struct alignas(64) Line {
    Lane inside{0};
  };
  std::array<Line, holt::kLanes> lanes_;
  std::atomic<bool> waiting_{false};
};

struct stat to_stat(const Attr& attr);

class [[nodiscard]] Reply {
 public:
  Reply(Unanswered& unanswered, fuse_req_t request);
  Reply(Reply&& other) noexcept
      : unanswered_(other.unanswered_),
        lane_(other.lane_),
        request_(std::exchange(other.request_, nullptr)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply();  // Q1

  void error(int err);
  void done() { error(0); }
  void none();  // for FORGET, which expects no answer
  // These tell whether the kernel took the answer: one that was interrupted has no lookup to
  // forget, and nothing to release.
  bool entry(const Entry& entry);
  bool created(const Entry& entry, fuse_file_info& info);
  bool opened(const fuse_file_info& info);
  bool buffer(std::string_view bytes);
  void no_entry();  // a name that does not exist, to be remembered
  void attr(const Attr& attr);
  void statx(const Attr& attr);
  void readlink(const std::string& target);
  void written(std::size_t bytes);
  void offset(std::uint64_t offset);
  void statfs(const struct statvfs& values);
  // The answer to getxattr and listxattr for a caller with room for `room` bytes, 0 asking for the
  // size.
  void xattr(std::string_view value, std::size_t room);

 private:
  fuse_req_t take();  // Q2

  Unanswered& unanswered_;
  Unanswered::Lane& lane_;
  fuse_req_t request_;
};

}  // namespace holtfs
