#include "fs/fuse/passthrough.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "fs/log.h"

namespace holtfs {

namespace {

// Whether files there are another filesystem's, through which the kernel has to go as well.
bool is_stacked(const std::string& folder) {
  constexpr auto kFuseMagic = 0x65735546;
  struct statfs host;
  if (statfs(folder.c_str(), &host) != 0) return false;
  return host.f_type == OVERLAYFS_SUPER_MAGIC || host.f_type == kFuseMagic;
}

}  // namespace

bool request_passthrough(fuse_conn_info* conn, const std::string& store) {
  if (geteuid() != 0) {
    log_warning("passthrough is for mounts by root only; the mount goes without");
    return false;
  }
  if (!fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH)) {
    log_warning("this kernel offers no passthrough (Linux 6.9); the mount goes without");
    return false;
  }
  // Either this filesystem may lie upon such a one, or overlayfs upon this.
  conn->max_backing_stack_depth =
      is_stacked(store) ? FUSE_BACKING_STACKED_OVER : FUSE_BACKING_STACKED_UNDER;
  return true;
}

Backing backing_of(fuse_req_t request) {
  return {.open = [request](int fd) { return fuse_passthrough_open(request, fd); },
          .close = [request](int id) { (void)fuse_passthrough_close(request, id); }};
}

// The kernel does not keep its pages of a file that it passes through, of which nobody would say
// that they are out of date. There are none then until it is opened otherwise.
void set_opened(int backing_id, fuse_file_info& info) {
  info.fh = 0;
  info.noflush = 1;
  info.backing_id = backing_id;
  info.keep_cache = backing_id == 0 ? 1 : 0;
}

}  // namespace holtfs
