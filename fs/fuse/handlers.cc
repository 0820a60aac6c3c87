#include "fs/fuse/handlers.h"

#include "fs/fuse/connection.h"

namespace holtfs {

namespace {

// Asynchronous requests in flight; the kernel's default is 12.
constexpr unsigned kMaxBackground = 128;

void on_init(void* userdata, fuse_conn_info* conn) noexcept {
  auto& connection = *static_cast<Connection*>(userdata);
  const auto want = [&](std::uint64_t capability, bool wanted) {
    if (wanted) {
      fuse_set_feature_flag(conn, capability);
    } else {
      fuse_unset_feature_flag(conn, capability);
    }
  };
  want(FUSE_CAP_PARALLEL_DIROPS, true);
  want(FUSE_CAP_CACHE_SYMLINKS, true);
  // Numbers are good while somebody refers to them, which file handles would outlive.
  want(FUSE_CAP_NO_EXPORT_SUPPORT, true);
  // Spares a getxattr for each write; set-id bits and capabilities are dropped here.
  want(FUSE_CAP_HANDLE_KILLPRIV_V2, true);
  want(FUSE_CAP_POSIX_ACL, connection.acl);
  want(FUSE_CAP_DONT_MASK, connection.acl);  // a default ACL counts instead of the umask
  // This daemon is the only writer, so the kernel need not guess from mtime that its pages are
  // stale: it would drop them after each of its own writes.
  want(FUSE_CAP_AUTO_INVAL_DATA, false);
  want(FUSE_CAP_EXPLICIT_INVAL_DATA, true);
  // O_TRUNC comes as a SETATTR, because OPEN does not come at all.
  want(FUSE_CAP_ATOMIC_O_TRUNC, false);
  want(FUSE_CAP_READDIRPLUS, connection.readdirplus != ReaddirPlus::kNo);
  want(FUSE_CAP_READDIRPLUS_AUTO, connection.readdirplus == ReaddirPlus::kAuto);
  connection.no_open = fuse_get_feature_flag(conn, FUSE_CAP_NO_OPEN_SUPPORT);
  connection.no_opendir = fuse_get_feature_flag(conn, FUSE_CAP_NO_OPENDIR_SUPPORT);
  conn->max_background = kMaxBackground;
  conn->congestion_threshold = kMaxBackground * 3 / 4;
  // No request is worth interrupting, and watching for it costs a lock each.
  conn->no_interrupt = 1;
}

}  // namespace

const fuse_lowlevel_ops& handlers() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops = {};
    ops.init = on_init;
    add_namespace_handlers(ops);
    add_attribute_handlers(ops);
    add_directory_handlers(ops);
    add_file_handlers(ops);
    add_status_handlers(ops);
    count_requests(ops);
    return ops;
  }();
  return table;
}

}  // namespace holtfs
