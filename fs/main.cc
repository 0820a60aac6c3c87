// The daemon: holtfs STORE MOUNTPOINT [-f] [-o ...].
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "fs/background.h"
#include "fs/fuse/options.h"
#include "fs/fuse/session.h"
#include "fs/log.h"

namespace holtfs {

namespace {

constexpr int kFailure = 1;

// As many open files as the hard limit allows; returns how many of them host files may have.
std::size_t raise_file_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kEnough = 16'384;
  return static_cast<std::size_t>(std::min(limit.rlim_cur / 2, kEnough));
}

// Every thread inherits this: signals that end the mount go to the one thread that waits for them.
void block_signals() {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

FilesystemOptions filesystem_options(const MountOptions& options) {
  FilesystemOptions out;
  out.store.cache_bytes = options.cache_bytes;
  out.store.commit_interval_ms = options.commit_ms;
  out.store.read_only = options.read_only;
  out.store.on_poison = [](const holt::Error& cause) {
    log_error("read-only from now on, since the log failed: {}", cause.to_string());
  };
  out.atime = options.read_only ? AtimePolicy::kNever : options.atime;
  out.diratime = options.diratime;
  out.lazytime = options.lazytime;
  out.acl = options.acl;
  out.limits = options.limits;
  out.max_open_host_files = raise_file_limit();
  out.root = {.uid = geteuid(), .gid = getegid()};
  return out;
}

int run(const MountOptions& options) {
  std::optional<Background> background;
  if (!options.foreground) background = Background::enter();
  block_signals();
  auto fs = Filesystem::open(options.store, filesystem_options(options));
  if (!fs) {
    log_error("{}", fs.error().to_string());
    return kFailure;
  }
  std::string error = run_session(**fs, options, [&] {
    if (!background) return;
    log_to_syslog("holtfs");
    background->ready();
  });
  if (!error.empty()) log_error("{}", error);
  const auto closed = (*fs)->close();
  if (!closed) log_error("{}", closed.error().to_string());
  return error.empty() && closed ? 0 : kFailure;
}

}  // namespace

}  // namespace holtfs

int main(int argc, char** argv) {
  const auto options = holtfs::parse_options(argc, argv);
  if (!options) {
    std::fputs(options.error().text.c_str(), options.error().status == 0 ? stdout : stderr);
    return options.error().status;
  }
  return holtfs::run(*options);
}
