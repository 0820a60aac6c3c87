#include "fs/fuse/session.h"

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <thread>

#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"
#include "fs/fuse/libfuse_setup.h"
#include "fs/fuse/stderr_capture.h"
#include "fs/fuse/uring.h"
#include "fs/log.h"

namespace holtfs {

namespace {

constexpr std::size_t kWorkers = 8;

// What libfuse has to say goes where everything goes. While mounting it is kept instead, because it
// says why the mount failed.
std::string* kept_message = nullptr;

void on_libfuse_message(fuse_log_level level, const char* format, va_list args) {
  char text[1024];
  std::vsnprintf(text, sizeof text, format, args);
  std::string_view message(text);
  if (message.starts_with("fuse: ")) message.remove_prefix(6);
  while (message.ends_with('\n')) message.remove_suffix(1);
  if (kept_message != nullptr) {
    *kept_message = message;
  } else if (level == FUSE_LOG_DEBUG) {
    std::fprintf(stderr, "%s\n", std::string(message).c_str());
  } else {
    log_line(level <= FUSE_LOG_ERR ? LogLevel::kError : LogLevel::kInfo, std::string(message));
  }
}

// Gives memory back to the system after many files were forgotten; the allocator would keep it.
class MemoryKeeper {
 public:
  // Called now and then with the number of files that are known.
  void look(std::size_t known) {
    constexpr std::size_t kMany = 10'000;
    peak_ = std::max(peak_, known);
    if (peak_ - known < kMany || known > peak_ / 2) return;
    peak_ = known;
    malloc_trim(0);
  }

 private:
  std::size_t peak_ = 0;
};

// An error sentence, or nothing.
std::string mount_session(fuse_session* session, const std::string& mountpoint) {
  std::string why;
  kept_message = &why;
  StderrCapture capture;
  const int failed = fuse_session_mount(session, mountpoint.c_str());
  kept_message = nullptr;
  if (failed == 0) return {};
  const std::string refusal = reason_of_fusermount(capture.take());
  if (!refusal.empty()) why = refusal;
  if (why.empty()) why = "fusermount3 gave no reason";
  return fmt::format("cannot mount on {}: {}", mountpoint, why);
}

template <class Count>
void wait_for_zero(const std::atomic<Count>& count) {
  for (Count left = count.load(); left != 0; left = count.load()) count.wait(left);
}

// Waits for a signal that asks for the end, and brings it about; keeps memory small meanwhile.
// Another thread ends this by SIGTERM.
class SignalThread {
 public:
  SignalThread(fuse_session* session, Connection& connection, std::string mountpoint)
      : session_(session), connection_(connection), mountpoint_(std::move(mountpoint)) {
    thread_ = std::thread([this] { run(); });
  }
  ~SignalThread() {
    over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void run() {
    const sigset_t signals = ending_signals();
    constexpr timespec kInterval{.tv_sec = 2, .tv_nsec = 0};
    MemoryKeeper memory;
    int signal = -1;
    while (signal < 0) {
      signal = sigtimedwait(&signals, nullptr, &kInterval);
      memory.look(connection_.fs.known_nodes());
    }
    if (over_) return;
    log_info("ending on signal {}", signal);
    // Not busy: the kernel ends the session by itself, with nothing left to answer.
    if (umount2(mountpoint_.c_str(), UMOUNT_NOFOLLOW) == 0) return;
    connection_.ending = true;
    const bool gone = umount2(mountpoint_.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0;
    connection_.unmounted = gone;
    wait_for_zero(connection_.deferred);
    fuse_session_exit(session_);
  }

  fuse_session* const session_;
  Connection& connection_;
  const std::string mountpoint_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

std::string run_session(Filesystem& fs, const MountOptions& options,
                        const std::function<void()>& mounted) {
  const UringChoice uring = choose_uring(options.io_uring);
  if (uring.fatal) return uring.hint;
  Connection connection(fs, options, kWorkers);

  std::string why;
  kept_message = &why;
  fuse_set_log_func(on_libfuse_message);
  const SessionSetup setup{.type = "holtfs",
                           .source = options.store,
                           .passed = options.passed,
                           .debug = options.debug,
                           .uring = uring.use};
  const SessionPtr session = new_session(setup, handlers(), &connection);
  kept_message = nullptr;
  if (!session) return fmt::format("libfuse refuses the mount options: {}", why);
  std::string refused = mount_session(session.get(), options.mountpoint);
  if (!refused.empty()) return refused;
  connection.session = session.get();
  fs.on_setid_loss([&connection](Ino ino) { connection.forget_attributes(ino); });
  fs.on_full([&connection](Ino ino) { return connection.kernel_refers(ino); });
  if (!uring.hint.empty()) log_info("{}", uring.hint);
  mounted();
  int result = 0;
  {
    const SignalThread signals(session.get(), connection, options.mountpoint);
    result = serve_session(session.get(), uring.use);
  }
  // Where the mount was taken away already, another may be at its place. Otherwise libfuse does it,
  // for an ordinary user by fusermount3.
  if (!connection.unmounted) fuse_session_unmount(session.get());
  connection.ending = true;
  connection.unanswered.wait_for_none();
  // Who answered the last of them may still be about to say so.
  wait_for_zero(connection.deferred);
  if (result < 0) return fmt::format("the session ended with error {}", -result);
  return {};
}

}  // namespace holtfs
