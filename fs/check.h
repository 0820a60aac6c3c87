// check(): whether the records of a filesystem agree with each other, with the host files, and with
// the segments.
//
// The engine's verify() says whether the store holds what was written; this says whether what was
// written makes sense. One pass over all keys in their order sees a directory's inode record just
// before or after its dentries, so directories need a counter each and files with several links one
// more; everything else is checked where it stands.
//
// Thread safety: the store must not change meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/holt.h"

namespace holtfs {

struct CheckReport {
  std::vector<std::string> problems;  // one sentence each, in the order found
  std::uint64_t directories = 0, files = 0, xattrs = 0, host_files = 0;
  std::uint64_t packed_files = 0, segments = 0;
  std::uint64_t unclaimed_host_files = 0;  // a problem only in a store that was unmounted in order
  bool clean = false;                      // it was
};

// `path` is the store's directory, for the host files and segments. With `contents`, those of
// packed files are read and compared with their checksums; host files have none. kInvalid when the
// filesystem is of another version.
holt::Result<CheckReport> check(const holt::Store& store, const std::string& path,
                                bool contents = false);

}  // namespace holtfs
