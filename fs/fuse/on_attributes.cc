// Requests about attributes, xattrs, symlink targets and the filesystem as a whole.
#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"

namespace holtfs {

namespace {

constexpr auto kAnswerAttr = [](Reply& reply, Attr& attr) { reply.attr(attr); };

void on_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) noexcept {
  serve(
      request, [ino](Filesystem& fs, const Caller& caller) { return fs.getattr(caller, Ino{ino}); },
      kAnswerAttr);
}

void on_statx(fuse_req_t request, fuse_ino_t ino, int, int, fuse_file_info*) noexcept {
  serve(
      request, [ino](Filesystem& fs, const Caller& caller) { return fs.getattr(caller, Ino{ino}); },
      [](Reply& reply, Attr& attr) { reply.statx(attr); });
}

SetAttr to_change(const struct stat& st, int valid) {
  SetAttr change;
  if ((valid & FUSE_SET_ATTR_MODE) != 0) change.mode = st.st_mode;
  if ((valid & FUSE_SET_ATTR_UID) != 0) change.uid = st.st_uid;
  if ((valid & FUSE_SET_ATTR_GID) != 0) change.gid = st.st_gid;
  if ((valid & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<std::uint64_t>(st.st_size);
  if ((valid & FUSE_SET_ATTR_ATIME) != 0) change.atime = time_from(st.st_atim);
  if ((valid & FUSE_SET_ATTR_MTIME) != 0) change.mtime = time_from(st.st_mtim);
  const int to_now = valid & (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW);
  if (to_now != 0) change.ctime = now();  // and all of them the same instant
  if ((to_now & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime = change.ctime;
  if ((to_now & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime = change.ctime;
  if ((valid & FUSE_SET_ATTR_CTIME) != 0) change.ctime = time_from(st.st_ctim);
  change.drop_setid = (valid & FUSE_SET_ATTR_KILL_SUID) != 0;
  return change;
}

void on_setattr(fuse_req_t request, fuse_ino_t ino, struct stat* st, int valid,
                fuse_file_info*) noexcept {
  const auto work = [ino, change = to_change(*st, valid)](Filesystem& fs, const Caller& caller) {
    return fs.setattr(caller, Ino{ino}, change);
  };
  if ((valid & FUSE_SET_ATTR_SIZE) != 0) return serve_resize(request, Ino{ino}, work, kAnswerAttr);
  serve_change(request, work, kAnswerAttr);
}

void on_readlink(fuse_req_t request, fuse_ino_t ino) noexcept {
  serve(
      request,
      [ino](Filesystem& fs, const Caller& caller) { return fs.readlink(caller, Ino{ino}); },
      [](Reply& reply, std::string& target) { reply.readlink(target); });
}

void on_setxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value,
                 std::size_t size, int flags) noexcept {
  serve_change(
      request,
      [ino, name = Name(name), value = std::string(value, size), flags](Filesystem& fs,
                                                                        const Caller& caller) {
        return done(fs.setxattr(caller, Ino{ino}, name, value, flags));
      },
      kAnswerDone);
}

void on_getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, std::size_t room) noexcept {
  serve(
      request,
      [ino, name = Name(name)](Filesystem& fs, const Caller& caller) {
        return fs.getxattr(caller, Ino{ino}, name);
      },
      [room](Reply& reply, std::string& value) { reply.xattr(value, room); });
}

void on_listxattr(fuse_req_t request, fuse_ino_t ino, std::size_t room) noexcept {
  serve(
      request,
      [ino](Filesystem& fs, const Caller& caller) { return fs.listxattr(caller, Ino{ino}); },
      [room](Reply& reply, std::string& names) { reply.xattr(names, room); });
}

void on_removexattr(fuse_req_t request, fuse_ino_t ino, const char* name) noexcept {
  serve_change(
      request,
      [ino, name = Name(name)](Filesystem& fs, const Caller& caller) {
        return done(fs.removexattr(caller, Ino{ino}, name));
      },
      kAnswerDone);
}

void on_statfs(fuse_req_t request, fuse_ino_t) noexcept {
  serve(
      request, [](Filesystem& fs, const Caller&) { return fs.statfs(); },
      [](Reply& reply, struct statvfs& values) { reply.statfs(values); });
}

}  // namespace

void add_attribute_handlers(fuse_lowlevel_ops& ops) {
  ops.getattr = on_getattr;
  ops.statx = on_statx;
  ops.setattr = on_setattr;
  ops.readlink = on_readlink;
  ops.setxattr = on_setxattr;
  ops.getxattr = on_getxattr;
  ops.listxattr = on_listxattr;
  ops.removexattr = on_removexattr;
  ops.statfs = on_statfs;
}

}  // namespace holtfs
