// A library that is preloaded into the daemon, so that a test decides when its host answers.
//
// While the FIFO $HOLTFS_STALL/sync exists, fdatasync() waits on it, and pread() on the FIFO
// $HOLTFS_STALL/read, until somebody opens it for writing. A file beside it, NAME.reached, says
// that a call waits.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

void wait_while_stalled(const char* name) {
  const char* const folder = std::getenv("HOLTFS_STALL");
  if (folder == nullptr) return;
  const std::string gate = std::string(folder) + "/" + name;
  if (access(gate.c_str(), F_OK) != 0) return;
  close(open((gate + ".reached").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const int fd = open(gate.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fdatasync(int fd) {
  static auto* const original = next<int(int)>("fdatasync");
  wait_while_stalled("sync");
  return original(fd);
}

ssize_t pread64(int fd, void* out, size_t size, off64_t offset) {
  static auto* const original = next<ssize_t(int, void*, size_t, off64_t)>("pread64");
  wait_while_stalled("read");
  return original(fd, out, size, offset);
}
}
