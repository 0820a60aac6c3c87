#include "fs/fuse/stderr_capture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

namespace holtfs {

StderrCapture::StderrCapture()
    : kept_(memfd_create("stderr", MFD_CLOEXEC)), before_(fcntl(2, F_DUPFD_CLOEXEC, 3)) {
  if (kept_ && before_) dup2(kept_.get(), 2);
}

StderrCapture::~StderrCapture() {
  const std::string lines = take();
  std::fputs(lines.c_str(), stderr);
}

std::string StderrCapture::take() {
  std::string lines;
  if (!kept_ || !before_) return lines;
  dup2(before_.get(), 2);
  before_ = holt::UniqueFd();
  char part[512];
  off_t at = 0;
  for (ssize_t got; (got = pread(kept_.get(), part, sizeof part, at)) > 0; at += got) {
    lines.append(part, static_cast<std::size_t>(got));
  }
  return lines;
}

std::string reason_of_fusermount(const std::string& lines) {
  std::istringstream in(lines);
  std::string reason;
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with("fusermount") || colon == line.npos) continue;
    reason = line.substr(colon + 2);
  }
  return reason;
}

}  // namespace holtfs
