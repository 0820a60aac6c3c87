#include "fs/fuse/reply.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "engine/base/check.h"
#include "fs/fuse/libfuse_setup.h"

namespace holtfs {

namespace {

constexpr std::uint32_t kIoBytes = 4096;  // st_blksize

statx_timestamp to_statx(Time t) {
  const timespec ts = to_timespec(t);
  statx_timestamp out = {};
  out.tv_sec = ts.tv_sec;
  out.tv_nsec = static_cast<std::uint32_t>(ts.tv_nsec);
  return out;
}

// libfuse cancels its io_uring threads at the end, and a handler is no place to be cancelled at.
void refuse_cancellation() {
  thread_local const bool refused = [] {
    int before = 0;
    return pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before) == 0;
  }();
  (void)refused;
}

fuse_entry_param parameters(const Entry& entry) {
  fuse_entry_param param = {};
  param.ino = number_of(entry.attr.ino);
  param.attr = to_stat(entry.attr);
  param.attr_timeout = kTimeoutSeconds;
  param.entry_timeout = kTimeoutSeconds;
  return param;
}

}  // namespace

struct stat to_stat(const Attr& attr) {
  struct stat st = {};
  st.st_ino = number_of(attr.ino);
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_rdev = makedev(attr.rdev_major, attr.rdev_minor);
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  st.st_blksize = kIoBytes;
  st.st_atim = to_timespec(attr.atime);
  st.st_mtim = to_timespec(attr.mtime);
  st.st_ctim = to_timespec(attr.ctime);
  return st;
}

// Either who leaves sees that somebody waits, or who waits sees that nobody is left.
void Unanswered::leave(Lane& lane) {
  if (lane.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
      waiting_.load(std::memory_order_seq_cst)) {
    lane.notify_all();
  }
}

void Unanswered::wait_for_none() {
  waiting_.store(true, std::memory_order_seq_cst);
  for (Line& line : lanes_) {
    std::uint32_t inside;
    while ((inside = line.inside.load(std::memory_order_seq_cst)) != 0) line.inside.wait(inside);
  }
}

Reply::Reply(Unanswered& unanswered, fuse_req_t request)
    : unanswered_(unanswered), lane_(unanswered.enter()), request_(request) {
  refuse_cancellation();
}

Reply::~Reply() { CHECK(request_ == nullptr, "Q1"); }

fuse_req_t Reply::take() {
  CHECK(request_ != nullptr, "Q2");
  return std::exchange(request_, nullptr);
}

// Counts an answer as given once libfuse is through with it.
#define ANSWER(call)            \
  [&] {                         \
    const auto result = (call); \
    unanswered_.leave(lane_);   \
    return result;              \
  }()

void Reply::error(int err) { (void)ANSWER(fuse_reply_err(take(), err)); }

void Reply::none() { (void)ANSWER((fuse_reply_none(take()), 0)); }

bool Reply::entry(const Entry& entry) {
  const fuse_entry_param param = parameters(entry);
  return ANSWER(fuse_reply_entry(take(), &param)) == 0;
}

bool Reply::created(const Entry& entry, fuse_file_info& info) {
  const fuse_entry_param param = parameters(entry);
  return ANSWER(fuse_reply_create(take(), &param, &info)) == 0;
}

bool Reply::buffer(std::string_view bytes) {
  return ANSWER(fuse_reply_buf(take(), bytes.data(), bytes.size())) == 0;
}

void Reply::no_entry() {
  fuse_entry_param param = {};
  param.entry_timeout = kTimeoutSeconds;
  (void)ANSWER(fuse_reply_entry(take(), &param));
}

void Reply::attr(const Attr& attr) {
  const struct stat st = to_stat(attr);
  (void)ANSWER(fuse_reply_attr(take(), &st, kTimeoutSeconds));
}

bool Reply::opened(const fuse_file_info& info) {
  return ANSWER(fuse_reply_open(take(), &info)) == 0;
}

void Reply::statx(const Attr& attr) {
  struct statx stx = {};
  stx.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  stx.stx_blksize = kIoBytes;
  stx.stx_nlink = static_cast<std::uint32_t>(attr.nlink);
  stx.stx_uid = attr.uid;
  stx.stx_gid = attr.gid;
  stx.stx_mode = static_cast<std::uint16_t>(attr.mode);
  stx.stx_ino = number_of(attr.ino);
  stx.stx_size = attr.size;
  stx.stx_blocks = attr.blocks;
  stx.stx_atime = to_statx(attr.atime);
  stx.stx_btime = to_statx(attr.btime);
  stx.stx_ctime = to_statx(attr.ctime);
  stx.stx_mtime = to_statx(attr.mtime);
  stx.stx_rdev_major = attr.rdev_major;
  stx.stx_rdev_minor = attr.rdev_minor;
  (void)ANSWER(fuse_reply_statx(take(), 0, &stx, kTimeoutSeconds));
}

void Reply::readlink(const std::string& target) {
  (void)ANSWER(fuse_reply_readlink(take(), target.c_str()));
}

void Reply::written(std::size_t bytes) { (void)ANSWER(fuse_reply_write(take(), bytes)); }

void Reply::offset(std::uint64_t offset) {
  (void)ANSWER(fuse_reply_lseek(take(), static_cast<off_t>(offset)));
}

void Reply::statfs(const struct statvfs& values) {
  (void)ANSWER(fuse_reply_statfs(take(), &values));
}

void Reply::xattr(std::string_view value, std::size_t room) {
  if (room == 0) {
    (void)ANSWER(fuse_reply_xattr(take(), value.size()));
  } else if (value.size() > room) {
    error(ERANGE);
  } else {
    buffer(value);
  }
}

#undef ANSWER

}  // namespace holtfs
