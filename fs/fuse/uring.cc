#include "fs/fuse/uring.h"

#include <fstream>

namespace holtfs {

namespace {

constexpr const char* kParameter = "/sys/module/fuse/parameters/enable_uring";

}  // namespace

UringChoice choose_uring(UringWanted wanted) {
  UringChoice choice;
  if (wanted == UringWanted::kOff) return choice;
  std::ifstream parameter(kParameter);
  char enabled = 0;
  if (!(parameter >> enabled)) {
    choice.hint = "FUSE over io_uring needs Linux 6.14 or later with CONFIG_FUSE_IO_URING";
  } else if (enabled != 'Y') {
    choice.hint =
        std::string("FUSE over io_uring is off in this kernel; to enable it, which takes less ") +
        "time for each request, run as root: echo Y > " + kParameter;
  } else {
    choice.use = true;
  }
  choice.fatal = !choice.use && wanted == UringWanted::kOn;
  return choice;
}

}  // namespace holtfs
