#include "tests/posix/fuzz/actor.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace posix_fuzz {

namespace {

struct Identity {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

const Identity& identity_of(int number) {
  static const std::array<Identity, kActors> all = {
      {{0, 0, {}}, {70001, 70001, {70100}}, {70002, 70002, {}}}};
  return all[static_cast<std::size_t>(number)];
}

constexpr std::size_t kMaxMessage = 1 << 16;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(3);
}

void send_text(int socket, const std::string& text) {
  if (send(socket, text.data(), text.size(), MSG_NOSIGNAL) < 0) die("an actor does not listen");
}

std::string receive_text(int socket) {
  std::string text(kMaxMessage, '\0');
  const ssize_t got = recv(socket, text.data(), text.size(), 0);
  if (got < 0) die("an actor does not answer");
  text.resize(static_cast<std::size_t>(got));
  return text;
}

std::string encode(const Said& said) {
  std::string out(reinterpret_cast<const char*>(&said.value), sizeof said.value);
  out.append(reinterpret_cast<const char*>(&said.error), sizeof said.error);
  return out + said.data;
}

Said decode(const std::string& text) {
  Said said;
  constexpr std::size_t kHead = sizeof said.value + sizeof said.error;
  if (text.size() < kHead) die("an actor died");
  std::memcpy(&said.value, text.data(), sizeof said.value);
  std::memcpy(&said.error, text.data() + sizeof said.value, sizeof said.error);
  said.data = text.substr(kHead);
  return said;
}

}  // namespace

Actor::Actor(int number, std::array<int, 2> roots) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
  process_ = fork();
  if (process_ < 0) die("fork");
  if (process_ == 0) {
    close(pair[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Identity& who = identity_of(number);
    if (setgroups(who.groups.size(), who.groups.data()) != 0 ||
        setresgid(who.gid, who.gid, who.gid) != 0 || setresuid(who.uid, who.uid, who.uid) != 0) {
      die("becoming another user");
    }
    umask(022);
    serve(pair[1], roots);
  }
  close(pair[1]);
  socket_ = pair[0];
}

Actor::~Actor() {
  shutdown(socket_, SHUT_RDWR);  // actors made later have it open, too
  close(socket_);
  waitpid(process_, nullptr, 0);
}

void Actor::serve(int socket, std::array<int, 2> roots) {
  std::array<Side, 2> sides;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    sides[i].root = roots[i];
    sides[i].slots.fill(-1);
  }
  for (;;) {
    const std::string line = receive_text(socket);
    if (line.empty()) _exit(0);
    const auto op = from_line(line);
    if (!op) _exit(3);
    for (Side& side : sides) send_text(socket, encode(posix_fuzz::perform(side, *op)));
  }
}

std::pair<Said, Said> Actor::perform(const Op& op) {
  send_text(socket_, to_line(op));
  Said first = decode(receive_text(socket_));
  return {std::move(first), decode(receive_text(socket_))};
}

}  // namespace posix_fuzz
