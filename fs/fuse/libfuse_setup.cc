#include "fs/fuse/libfuse_setup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <thread>

namespace holtfs {

namespace {

constexpr unsigned kMinThreads = 4, kMaxThreads = 64;
// Asynchronous requests in flight; the kernel's default is 12.
constexpr unsigned kMaxBackground = 128;
// Requests of one core that may be under way, those that wait for a sync among them.
constexpr unsigned kQueueDepth = 32;

// A value in a list of mount options, where commas part them.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

SessionPtr new_session(const SessionSetup& setup, const fuse_lowlevel_ops& handlers,
                       void* userdata) {
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  const auto add = [&](const std::string& arg) { fuse_opt_add_arg(&args, arg.c_str()); };
  add(setup.type);
  const auto names = [&](std::string_view start) {
    return std::any_of(setup.passed.begin(), setup.passed.end(),
                       [&](const std::string& option) { return option.starts_with(start); });
  };
  if (!names("fsname=")) add("-ofsname=" + escaped(setup.source));
  if (!names("subtype=")) add("-osubtype=" + setup.type);
  if (!names("default_permissions")) add("-odefault_permissions");
  // As any filesystem that root mounts; libfuse would leave all of it off.
  if (geteuid() == 0) {
    if (!names("allow_")) add("-oallow_other");
    if (!names("nosuid")) add("-osuid");
    if (!names("nodev")) add("-odev");
  }
  for (const std::string& option : setup.passed) add("-o" + option);
  if (setup.debug) add("-d");
  if (setup.uring) add(fmt::format("-oio_uring,io_uring_q_depth={}", kQueueDepth));
  SessionPtr session(fuse_session_new(&args, &handlers, sizeof(fuse_lowlevel_ops), userdata));
  fuse_opt_free_args(&args);
  return session;
}

void request_features(fuse_conn_info* conn, bool acl, ReaddirPlus readdirplus) {
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
  want(FUSE_CAP_POSIX_ACL, acl);
  want(FUSE_CAP_DONT_MASK, acl);  // a default ACL counts instead of the umask
  // This daemon is the only writer, so the kernel need not guess from mtime that its pages are
  // stale: it would drop them after each of its own writes.
  want(FUSE_CAP_AUTO_INVAL_DATA, false);
  want(FUSE_CAP_EXPLICIT_INVAL_DATA, true);
  // O_TRUNC comes as a SETATTR, because OPEN does not come at all.
  want(FUSE_CAP_ATOMIC_O_TRUNC, false);
  want(FUSE_CAP_READDIRPLUS, readdirplus != ReaddirPlus::kNo);
  want(FUSE_CAP_READDIRPLUS_AUTO, readdirplus == ReaddirPlus::kAuto);
  conn->max_background = kMaxBackground;
  conn->congestion_threshold = kMaxBackground * 3 / 4;
  // No request is worth interrupting, and watching for it costs a lock each.
  conn->no_interrupt = 1;
}

int serve_session(fuse_session* session, bool uring) {
  fuse_loop_config* const config = fuse_loop_cfg_create();
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  fuse_loop_cfg_set_clone_fd(config, 1);
  // Over io_uring only FORGET and the like come through the device.
  fuse_loop_cfg_set_max_threads(
      config, uring ? kMinThreads : std::clamp(cores * 2, kMinThreads, kMaxThreads));
  const int result = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  return result;
}

}  // namespace holtfs
