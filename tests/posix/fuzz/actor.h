// Actor: a process of some user that makes the same call on both trees.
//
// Thread safety: one thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <utility>

#include "tests/posix/fuzz/call.h"

namespace posix_fuzz {

class Actor {
 public:
  // `number` from 0 to kActors - 1; the first is root. `roots`: descriptors of the two trees.
  Actor(int number, std::array<int, 2> roots);
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  // What each tree said. Ends the program when the process dies.
  std::pair<Said, Said> perform(const Op& op);

 private:
  [[noreturn]] static void serve(int socket, std::array<int, 2> roots);

  pid_t process_ = -1;
  int socket_ = -1;
};

}  // namespace posix_fuzz
