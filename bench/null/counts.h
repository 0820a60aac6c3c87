// How many requests of each kind were served.
//
// Thread safety: any thread.
#pragma once

#include <string>

namespace holtfs::null {

enum class Request : unsigned {
  kLookup,
  kForget,
  kBatchForget,
  kGetattr,
  kSetattr,
  kReadlink,
  kSymlink,
  kMknod,
  kMkdir,
  kUnlink,
  kRmdir,
  kRename,
  kLink,
  kOpen,
  kRead,
  kWrite,
  kStatfs,
  kRelease,
  kFsync,
  kSetxattr,
  kGetxattr,
  kListxattr,
  kFlush,
  kOpendir,
  kReaddir,
  kReaddirPlus,
  kReleasedir,
  kFsyncdir,
  kCreate,
  kTmpfile,
  kFallocate,
  kEnd
};

void count(Request request);
// A line for each kind that came: its name, a space, how many.
std::string counts_text();

}  // namespace holtfs::null
