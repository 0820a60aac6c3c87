// StderrCapture: what programs that this process starts write to standard error, kept for as long
// as it exists.
//
// libfuse mounts for an ordinary user by fusermount3, which says there, and only there, why it
// refuses.
// Thread safety: one at a time; other threads may write to standard error meanwhile.
#pragma once

#include <string>

#include "engine/storage/posix_file.h"

namespace holtfs {

class StderrCapture {
 public:
  StderrCapture();
  ~StderrCapture();  // whatever was not taken goes to standard error after all
  StderrCapture(const StderrCapture&) = delete;
  StderrCapture& operator=(const StderrCapture&) = delete;

  // Ends the capture. The lines are the caller's.
  std::string take();

 private:
  // A file, not a pipe: a child may outlive this and go on writing.
  holt::UniqueFd kept_, before_;
};

// The reason in what fusermount3 wrote, which may stand among other lines; empty when it gave none.
std::string reason_of_fusermount(const std::string& lines);

}  // namespace holtfs
