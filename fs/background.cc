#include "fs/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace holtfs {

namespace {

[[noreturn]] void wait_for_word(int pipe, pid_t child) {
  char word = 0;
  ssize_t got;
  do {
    got = read(pipe, &word, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) _exit(0);
  int status = 0;
  if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    _exit(WEXITSTATUS(status));
  }
  _exit(1);
}

}  // namespace

Background Background::enter() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    std::perror("holtfs: pipe");
    std::exit(1);
  }
  const pid_t child = fork();
  if (child < 0) {
    std::perror("holtfs: fork");
    std::exit(1);
  }
  if (child > 0) {
    close(ends[1]);
    wait_for_word(ends[0], child);
  }
  close(ends[0]);
  setsid();
  return Background(ends[1]);
}

void Background::ready() {
  if (chdir("/") != 0) std::perror("holtfs: chdir /");
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    for (const int fd : {0, 1, 2}) dup2(null, fd);
    close(null);
  }
  const char word = 1;
  if (write(pipe_, &word, 1) != 1) {
    // The parent is gone; nobody waits for the word.
  }
  close(pipe_);
}

}  // namespace holtfs
