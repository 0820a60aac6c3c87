#include "bench/null/handlers.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bench/null/counts.h"
#include "bench/null/nodes.h"
#include "fs/fuse/libfuse_setup.h"

namespace holtfs::null {

namespace {

Mount& mount_of(fuse_req_t request) { return *static_cast<Mount*>(fuse_req_userdata(request)); }

// At the start of every handler. libfuse cancels its io_uring threads at the end, and a handler is
// no place to be cancelled at.
void begin(Request request) {
  thread_local const bool refused = [] {
    int before = 0;
    return pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before) == 0;
  }();
  (void)refused;
  count(request);
}

fuse_entry_param parameters(const Found& found) {
  fuse_entry_param param = {};
  param.ino = number_of(*found.node);
  param.attr = found.attr;
  param.attr_timeout = param.entry_timeout = kTimeoutSeconds;
  return param;
}

// An entry that the kernel did not take is forgotten on its behalf.
void answer_entry(fuse_req_t request, const Result<Found>& found) {
  if (!found) {
    fuse_reply_err(request, found.error());
    return;
  }
  const fuse_entry_param param = parameters(*found);
  if (fuse_reply_entry(request, &param) != 0) forget(*found->node, 1);
}

void answer_created(fuse_req_t request, const Result<Found>& found, fuse_file_info* info) {
  if (!found) {
    fuse_reply_err(request, found.error());
    return;
  }
  info->fh = 0;
  info->keep_cache = 1;
  info->noflush = 1;
  const fuse_entry_param param = parameters(*found);
  if (fuse_reply_create(request, &param, info) != 0) forget(*found->node, 1);
}

Making making_of(fuse_req_t request, mode_t mode, dev_t rdev = 0) {
  const fuse_ctx* const context = fuse_req_ctx(request);
  const mode_t umask = mount_of(request).acl ? context->umask : 0;
  return {.mode = mode & ~umask, .uid = context->uid, .gid = context->gid, .rdev = rdev};
}

void on_init(void* userdata, fuse_conn_info* conn) noexcept {
  auto& mount = *static_cast<Mount*>(userdata);
  request_features(conn, mount.acl, mount.readdirplus);
  mount.no_open = fuse_get_feature_flag(conn, FUSE_CAP_NO_OPEN_SUPPORT);
  mount.no_opendir = fuse_get_feature_flag(conn, FUSE_CAP_NO_OPENDIR_SUPPORT);
}

// A missing name is an answer too, which the kernel remembers.
void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  begin(Request::kLookup);
  const Result<Found> found = look_up(node_of(parent), name);
  if (found) return answer_entry(request, found);
  fuse_entry_param param = {};
  param.entry_timeout = kTimeoutSeconds;
  fuse_reply_entry(request, &param);
}

void on_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) noexcept {
  begin(Request::kForget);
  forget(node_of(ino), lookups);
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) noexcept {
  begin(Request::kBatchForget);
  for (std::size_t i = 0; i < count; ++i) forget(node_of(forgets[i].ino), forgets[i].nlookup);
  fuse_reply_none(request);
}

void on_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
              dev_t rdev) noexcept {
  begin(Request::kMknod);
  answer_entry(request, make(node_of(parent), name, making_of(request, mode, rdev)));
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) noexcept {
  begin(Request::kMkdir);
  answer_entry(request, make(node_of(parent), name, making_of(request, S_IFDIR | mode)));
}

void on_symlink(fuse_req_t request, const char* target, fuse_ino_t parent,
                const char* name) noexcept {
  begin(Request::kSymlink);
  Making making = making_of(request, S_IFLNK | 0777);
  making.mode = S_IFLNK | 0777;
  making.target = target;
  answer_entry(request, make(node_of(parent), name, making));
}

void on_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) noexcept {
  begin(Request::kLink);
  answer_entry(request, link(node_of(ino), node_of(parent), name));
}

void on_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  begin(Request::kUnlink);
  fuse_reply_err(request, remove(node_of(parent), name, false));
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  begin(Request::kRmdir);
  fuse_reply_err(request, remove(node_of(parent), name, true));
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) noexcept {
  begin(Request::kRename);
  fuse_reply_err(request, rename(node_of(parent), name, node_of(new_parent), new_name, flags));
}

struct stat attr_of(Node& node) {
  const std::lock_guard lock(node.mutex);
  return node.attr;
}

void on_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) noexcept {
  begin(Request::kGetattr);
  const struct stat attr = attr_of(node_of(ino));
  fuse_reply_attr(request, &attr, kTimeoutSeconds);
}

void on_setattr(fuse_req_t request, fuse_ino_t ino, struct stat* st, int valid,
                fuse_file_info*) noexcept {
  begin(Request::kSetattr);
  Node& node = node_of(ino);
  struct stat attr = {};
  {
    const std::lock_guard lock(node.mutex);
    struct stat& to = node.attr;
    const auto wants = [&](int bit) { return (valid & bit) != 0; };
    to.st_ctim = now();
    if (wants(FUSE_SET_ATTR_MODE)) to.st_mode = (to.st_mode & S_IFMT) | (st->st_mode & 07777);
    if (wants(FUSE_SET_ATTR_UID)) to.st_uid = st->st_uid;
    if (wants(FUSE_SET_ATTR_GID)) to.st_gid = st->st_gid;
    if (wants(FUSE_SET_ATTR_SIZE)) {
      to.st_size = st->st_size;
      to.st_mtim = to.st_ctim;
    }
    if (wants(FUSE_SET_ATTR_ATIME)) to.st_atim = st->st_atim;
    if (wants(FUSE_SET_ATTR_MTIME)) to.st_mtim = st->st_mtim;
    if (wants(FUSE_SET_ATTR_ATIME_NOW)) to.st_atim = to.st_ctim;
    if (wants(FUSE_SET_ATTR_MTIME_NOW)) to.st_mtim = to.st_ctim;
    attr = to;
  }
  fuse_reply_attr(request, &attr, kTimeoutSeconds);
}

void on_readlink(fuse_req_t request, fuse_ino_t ino) noexcept {
  begin(Request::kReadlink);
  fuse_reply_readlink(request, node_of(ino).target.c_str());
}

void on_statfs(fuse_req_t request, fuse_ino_t) noexcept {
  begin(Request::kStatfs);
  struct statvfs values = {};
  values.f_bsize = values.f_frsize = 4096;
  values.f_blocks = values.f_bfree = values.f_bavail = 1u << 30;
  values.f_files = values.f_ffree = values.f_favail = 1u << 30;
  values.f_namemax = 255;
  fuse_reply_statfs(request, &values);
}

void on_getxattr(fuse_req_t request, fuse_ino_t, const char*, std::size_t) noexcept {
  begin(Request::kGetxattr);
  fuse_reply_err(request, ENODATA);
}

void on_setxattr(fuse_req_t request, fuse_ino_t, const char*, const char*, std::size_t,
                 int) noexcept {
  begin(Request::kSetxattr);
  fuse_reply_err(request, ENOTSUP);
}

void on_listxattr(fuse_req_t request, fuse_ino_t, std::size_t room) noexcept {
  begin(Request::kListxattr);
  if (room == 0) {
    fuse_reply_xattr(request, 0);
  } else {
    fuse_reply_buf(request, nullptr, 0);
  }
}

// One answer's worth of a listing, packed as the kernel wants it.
struct Page {
  fuse_req_t request;
  bool plus;
  std::vector<char> bytes;
  std::size_t used = 0;
  std::vector<Node*> looked_up = {};  // to be forgotten if the kernel does not take the page

  bool add(const std::string& name, const struct stat& attr, Node* node, std::uint64_t cookie) {
    char* const at = bytes.data() + used;
    const std::size_t left = bytes.size() - used;
    const auto next = static_cast<off_t>(cookie);
    std::size_t needed = 0;
    if (plus) {
      fuse_entry_param param = {};
      // "." and ".." are not looked up, and the kernel knows them by number 0.
      param.ino = node != nullptr ? number_of(*node) : 0;
      param.attr = attr;
      param.attr_timeout = param.entry_timeout = kTimeoutSeconds;
      needed = fuse_add_direntry_plus(request, at, left, name.c_str(), &param, next);
    } else {
      needed = fuse_add_direntry(request, at, left, name.c_str(), &attr, next);
    }
    if (needed > left) return false;
    used += needed;
    if (plus && node != nullptr) {
      node->references.fetch_add(1);
      looked_up.push_back(node);
    }
    return true;
  }
};

void fill(Page& page, Node& node, std::uint64_t after) {
  const std::lock_guard lock(node.mutex);
  struct stat parent = {};
  parent.st_ino = node.parent == &root() ? root().attr.st_ino : number_of(*node.parent);
  parent.st_mode = S_IFDIR;
  if (after < 1 && !page.add(".", node.attr, nullptr, 1)) return;
  if (after < 2 && !page.add("..", parent, nullptr, 2)) return;
  Directory& directory = *node.directory;
  for (auto at = directory.by_cookie.upper_bound(after); at != directory.by_cookie.end(); ++at) {
    const auto& [name, entry] = *at->second;
    if (!page.add(name, attr_of(*entry.node), entry.node, entry.cookie)) return;
  }
}

void list(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset, bool plus) {
  Page page{.request = request, .plus = plus, .bytes = std::vector<char>(room)};
  fill(page, node_of(ino), static_cast<std::uint64_t>(offset));
  if (fuse_reply_buf(request, page.bytes.data(), page.used) == 0) return;
  for (Node* const node : page.looked_up) forget(*node, 1);
}

void on_readdir(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset,
                fuse_file_info*) noexcept {
  begin(Request::kReaddir);
  list(request, ino, room, offset, false);
}

void on_readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset,
                    fuse_file_info*) noexcept {
  begin(Request::kReaddirPlus);
  list(request, ino, room, offset, true);
}

// Once answered so, the kernel opens and closes directories by itself and caches what they hold.
void on_opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) noexcept {
  begin(Request::kOpendir);
  if (mount_of(request).no_opendir) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  info->keep_cache = 1;
  info->cache_readdir = 1;
  fuse_reply_open(request, info);
}

void on_open(fuse_req_t request, fuse_ino_t, fuse_file_info* info) noexcept {
  begin(Request::kOpen);
  if (mount_of(request).no_open) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  info->keep_cache = 1;
  info->noflush = 1;
  fuse_reply_open(request, info);
}

// As holtfs does: the kernel then makes files by MKNOD, and no RELEASE follows.
void on_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* info) noexcept {
  begin(Request::kCreate);
  if (mount_of(request).no_open) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  answer_created(request, make(node_of(parent), name, making_of(request, S_IFREG | mode)), info);
}

void on_tmpfile(fuse_req_t request, fuse_ino_t, mode_t mode, fuse_file_info* info) noexcept {
  begin(Request::kTmpfile);
  answer_created(request, make_nameless(making_of(request, S_IFREG | mode)), info);
}

// Contents are not kept: what a file holds is zeros.
void on_read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
             fuse_file_info*) noexcept {
  begin(Request::kRead);
  thread_local std::vector<char> zeros;
  if (zeros.size() < size) zeros.resize(size);
  const off_t left = std::max<off_t>(attr_of(node_of(ino)).st_size - offset, 0);
  fuse_reply_buf(request, zeros.data(), std::min(size, static_cast<std::size_t>(left)));
}

void grow(Node& node, off_t end) {
  const std::lock_guard lock(node.mutex);
  node.attr.st_size = std::max(node.attr.st_size, end);
  node.attr.st_blocks = (node.attr.st_size + 511) / 512;
  node.attr.st_mtim = node.attr.st_ctim = now();
}

void on_write(fuse_req_t request, fuse_ino_t ino, const char*, std::size_t size, off_t offset,
              fuse_file_info*) noexcept {
  begin(Request::kWrite);
  grow(node_of(ino), offset + static_cast<off_t>(size));
  fuse_reply_write(request, size);
}

void on_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length,
                  fuse_file_info*) noexcept {
  begin(Request::kFallocate);
  if (mode == 0) grow(node_of(ino), offset + length);
  fuse_reply_err(request, mode == 0 ? 0 : ENOTSUP);
}

template <Request kKind, int kAnswer>
void answer_constant(fuse_req_t request, fuse_ino_t, fuse_file_info*) noexcept {
  begin(kKind);
  fuse_reply_err(request, kAnswer);
}

template <Request kKind>
void answer_sync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) noexcept {
  begin(kKind);
  fuse_reply_err(request, 0);
}

}  // namespace

const fuse_lowlevel_ops& handlers() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops = {};
    ops.init = on_init;
    ops.lookup = on_lookup;
    ops.forget = on_forget;
    ops.forget_multi = on_forget_multi;
    ops.mknod = on_mknod;
    ops.mkdir = on_mkdir;
    ops.symlink = on_symlink;
    ops.link = on_link;
    ops.unlink = on_unlink;
    ops.rmdir = on_rmdir;
    ops.rename = on_rename;
    ops.getattr = on_getattr;
    ops.setattr = on_setattr;
    ops.readlink = on_readlink;
    ops.statfs = on_statfs;
    ops.getxattr = on_getxattr;
    ops.setxattr = on_setxattr;
    ops.listxattr = on_listxattr;
    ops.readdir = on_readdir;
    ops.readdirplus = on_readdirplus;
    ops.opendir = on_opendir;
    ops.releasedir = answer_constant<Request::kReleasedir, 0>;
    ops.fsyncdir = answer_sync<Request::kFsyncdir>;
    ops.open = on_open;
    ops.create = on_create;
    ops.tmpfile = on_tmpfile;
    ops.flush = answer_constant<Request::kFlush, ENOSYS>;
    ops.release = answer_constant<Request::kRelease, 0>;
    ops.read = on_read;
    ops.write = on_write;
    ops.fallocate = on_fallocate;
    ops.fsync = answer_sync<Request::kFsync>;
    return ops;
  }();
  return table;
}

}  // namespace holtfs::null
