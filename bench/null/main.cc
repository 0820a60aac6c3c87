// bench_null: a FUSE filesystem that keeps names and attributes in memory and throws contents away,
// set up exactly as holtfs is. What it cannot do faster, no FUSE filesystem can.
//
// Prints "mounted" once it is; on SIGUSR1, and at the end, the requests served, ended by an empty
// line.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <thread>

#include "bench/null/counts.h"
#include "bench/null/handlers.h"
#include "fs/fuse/libfuse_setup.h"
#include "fs/fuse/uring.h"

namespace holtfs::null {

namespace {

constexpr int kFailure = 1, kUsageError = 2;

void print_counts() {
  fmt::print("{}\n", counts_text());
  std::fflush(stdout);
}

sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  return signals;
}

std::atomic<bool> over{false};

// Takes signals until one of them, or the end of the session, which sends SIGTERM, ends it.
void take_signals(const std::string& mountpoint) {
  const sigset_t signals = handled_signals();
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGUSR1) print_counts();
  if (!over) umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH);
}

int serve(const MountOptions& options) {
  const UringChoice uring = choose_uring(options.io_uring);
  if (uring.fatal) {
    fmt::print(stderr, "bench_null: {}\n", uring.hint);
    return kFailure;
  }
  Mount mount{.acl = options.acl, .readdirplus = options.readdirplus};
  const SessionSetup setup{.type = "holtfs_null",
                           .source = "null",
                           .passed = options.passed,
                           .debug = options.debug,
                           .uring = uring.use};
  const SessionPtr session = new_session(setup, handlers(), &mount);
  if (!session || fuse_session_mount(session.get(), options.mountpoint.c_str()) != 0) {
    fmt::print(stderr, "bench_null: cannot mount on {}\n", options.mountpoint);
    return kFailure;
  }
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread signal_thread(take_signals, options.mountpoint);
  fmt::print("mounted\n");
  std::fflush(stdout);
  const int result = serve_session(session.get(), uring.use);
  over = true;
  pthread_kill(signal_thread.native_handle(), SIGTERM);
  signal_thread.join();
  fuse_session_unmount(session.get());
  print_counts();
  return result < 0 ? kFailure : 0;
}

int run(int argc, char** argv) {
  MountOptions options;
  std::vector<std::string> lists;
  CLI::App app("Mounts a FUSE filesystem that stores nothing.", "bench_null");
  app.add_option("MOUNTPOINT", options.mountpoint, "directory to mount it on")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("-o", lists, "mount options, as those of holtfs(8)")->allow_extra_args(false);
  CLI11_PARSE(app, argc, argv);
  for (const std::string& list : lists) {
    if (const std::string error = apply_mount_options(list, options); !error.empty()) {
      fmt::print(stderr, "bench_null: {}\n", error);
      return kUsageError;
    }
  }
  return serve(options);
}

}  // namespace

}  // namespace holtfs::null

int main(int argc, char** argv) { return holtfs::null::run(argc, argv); }
