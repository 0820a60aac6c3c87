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
#include "fs/fuse/stderr_capture.h"
#include "fs/fuse/uring.h"
#include "fs/log.h"

namespace holtfs {

namespace {

// Nobody else changes the filesystem, so the kernel may believe what it was told for as long as it
// likes.
constexpr double kTimeoutSeconds = 24 * 3600;
constexpr std::size_t kWorkers = 8;
// Requests of one core that may be under way, those that wait for a sync among them.
constexpr unsigned kQueueDepth = 32;
constexpr unsigned kMinThreads = 4, kMaxThreads = 64;

struct SessionEnd {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using SessionPtr = std::unique_ptr<fuse_session, SessionEnd>;

// A value in a list of mount options, where commas part them.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

SessionPtr make_session(const MountOptions& options, bool uring, Connection& connection) {
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  const auto add = [&](const std::string& arg) { fuse_opt_add_arg(&args, arg.c_str()); };
  add("holtfs");
  const auto names = [&](std::string_view start) {
    return std::any_of(options.passed.begin(), options.passed.end(),
                       [&](const std::string& option) { return option.starts_with(start); });
  };
  if (!names("fsname=")) add("-ofsname=" + escaped(options.store));
  if (!names("subtype=")) add("-osubtype=holtfs");
  if (!names("default_permissions")) add("-odefault_permissions");
  // As any filesystem that root mounts; libfuse would leave all of it off.
  if (geteuid() == 0) {
    if (!names("allow_")) add("-oallow_other");
    if (!names("nosuid")) add("-osuid");
    if (!names("nodev")) add("-odev");
  }
  for (const std::string& option : options.passed) add("-o" + option);
  if (options.debug) add("-d");
  if (uring) add(fmt::format("-oio_uring,io_uring_q_depth={}", kQueueDepth));
  SessionPtr session(fuse_session_new(&args, &handlers(), sizeof(fuse_lowlevel_ops), &connection));
  fuse_opt_free_args(&args);
  return session;
}

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

int loop(fuse_session* session, bool uring) {
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
  Connection connection(fs, kWorkers);
  connection.settings.timeout = kTimeoutSeconds;
  connection.options = describe(options);
  connection.sync = options.sync;
  connection.sync_contents = options.sync_contents;
  connection.acl = options.acl;
  connection.readdirplus = options.readdirplus;

  std::string why;
  kept_message = &why;
  fuse_set_log_func(on_libfuse_message);
  const SessionPtr session = make_session(options, uring.use, connection);
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
    result = loop(session.get(), uring.use);
  }
  // Where the mount was taken away already, another may be at its place. Otherwise libfuse does it,
  // for an ordinary user by fusermount3.
  if (!connection.unmounted) fuse_session_unmount(session.get());
  connection.ending = true;
  connection.settings.unanswered.wait_for_none();
  // Who answered the last of them may still be about to say so.
  wait_for_zero(connection.deferred);
  if (result < 0) return fmt::format("the session ended with error {}", -result);
  return {};
}

}  // namespace holtfs
