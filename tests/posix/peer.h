// Another process that makes calls when it is told to, for the areas about locks.
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include "tests/posix/support.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <fstream>

namespace posix_test {

inline struct flock range(int type, off_t start = 0, off_t length = 0, int whence = SEEK_SET) {
  struct flock out = {};
  out.l_type = static_cast<short>(type);
  out.l_whence = static_cast<short>(whence);
  out.l_start = start;
  out.l_len = length;
  return out;
}

// It has copies of the descriptors there were when it began.
class Peer {
 public:
  Peer() {
    std::array<int, 2> ends;
    NEEDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
    pid_ = fork();
    if (pid_ == 0) obey(ends[1]);
    ::close(ends[1]);
    line_ = ends[0];
  }
  ~Peer() { end(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The descriptor is that process's.
  int open(std::string_view path, int flags = O_RDWR) {
    Order order = {.call = [](Order& o) -> long { return ::open(o.path, o.argument | O_CLOEXEC); },
                   .argument = flags};
    path.copy(order.path, sizeof order.path - 1);
    send(order);
    BOOST_REQUIRE_EQUAL(finish(), Err{0});
    return static_cast<int>(answer_.value);
  }
  Err close(int fd) {
    send({.call = [](Order& o) -> long { return ::close(o.fd); }, .fd = fd});
    return finish();
  }
  Err lock(int fd, int command, struct flock what) {
    send(locking(fd, command, what));
    return finish();
  }
  Err flock(int fd, int operation) {
    send(flocking(fd, operation));
    return finish();
  }
  // What stands in the way, as F_GETLK or F_OFD_GETLK tells.
  struct flock holder(int fd, struct flock asked, int command = F_GETLK) {
    BOOST_TEST(lock(fd, command, asked) == Err{0});
    return answer_.what;
  }

  // These return when the call waits; finish() waits for its end.
  void begin_lock(int fd, int command, struct flock what) {
    send(locking(fd, command, what));
    see_it_wait(SYS_fcntl);
  }
  void begin_flock(int fd, int operation) {
    send(flocking(fd, operation));
    see_it_wait(SYS_flock);
  }
  Err finish() {
    BOOST_REQUIRE_EQUAL(read(line_, &answer_, sizeof answer_), ssize_t{sizeof answer_});
    return {answer_.error};
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const { NEEDS(kill(pid_, number)); }
  void end() {
    if (pid_ <= 0) return;
    // Later peers have copies of the line, so closing it is not enough.
    const Order leave = {.call = [](Order&) -> long { _exit(0); }};
    (void)::send(line_, &leave, sizeof leave, MSG_NOSIGNAL);
    ::close(line_);
    (void)waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  struct Order {
    long (*call)(Order&) = nullptr;
    int fd = -1;
    int argument = 0;
    struct flock what = {};
    char path[64] = {};
  };
  struct Answer {
    int error = 0;
    long value = 0;
    struct flock what = {};
  };

  static Order locking(int fd, int command, struct flock what) {
    return {.call = [](Order& o) -> long { return fcntl(o.fd, o.argument, &o.what); },
            .fd = fd,
            .argument = command,
            .what = what};
  }
  static Order flocking(int fd, int operation) {
    return {.call = [](Order& o) -> long { return ::flock(o.fd, o.argument); },
            .fd = fd,
            .argument = operation};
  }

  [[noreturn]] static void obey(int line) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction quiet = {};  // without SA_RESTART
    quiet.sa_handler = [](int) {};
    sigaction(SIGUSR1, &quiet, nullptr);
    Order order;
    while (read(line, &order, sizeof order) == ssize_t{sizeof order}) {
      const long value = order.call(order);
      const Answer answer{.error = err(value).number, .value = value, .what = order.what};
      if (write(line, &answer, sizeof answer) != ssize_t{sizeof answer}) break;
    }
    _exit(0);
  }

  void send(const Order& order) {
    BOOST_REQUIRE_EQUAL(::send(line_, &order, sizeof order, MSG_NOSIGNAL), ssize_t{sizeof order});
  }

  void see_it_wait(long call) {
    const std::string where = "/proc/" + std::to_string(pid_) + "/syscall";
    long number = -1;
    do {
      pollfd answered = {.fd = line_, .events = POLLIN, .revents = 0};
      BOOST_REQUIRE_MESSAGE(poll(&answered, 1, 0) == 0, "the call did not wait");
      sched_yield();
      std::ifstream(where) >> number;  // "running" is no number
    } while (number != call);
  }

  pid_t pid_ = -1;
  int line_ = -1;
  Answer answer_;
};

}  // namespace posix_test
