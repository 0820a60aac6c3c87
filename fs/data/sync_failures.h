// SyncFailures: syncs the contents of files, and remembers where that failed.
//
// The host tells of a failed sync once for each descriptor, gives up what it could not write, and
// says that all is well the next time. Here all who have a file open share one descriptor, and
// nobody says who they are. So a failure is told to whoever syncs the file, from then on: until its
// contents are gone, for what is there may not be what was written.
//
// Thread safety: any thread. Syncs of one file wait for each other.
#pragma once

#include <unordered_map>

#include "engine/base/annotations.h"
#include "fs/inode.h"
#include "fs/inode_locks.h"

namespace holtfs {

class SyncFailures {
 public:
  using Sync = int (*)(int fd);  // as fdatasync(2)
  explicit SyncFailures(Sync sync_file) : sync_(sync_file) {}
  SyncFailures(const SyncFailures&) = delete;
  SyncFailures& operator=(const SyncFailures&) = delete;

  // 0, or the errno of this sync or of an earlier one. `fd` is the file's.
  int sync(Ino ino, int fd);
  // The contents that could not be synced are gone.
  void forget(Ino ino);

 private:
  int known(Ino ino);

  const Sync sync_;
  InodeLocks<holt::Rank::kFsState> turns_;
  holt::Mutex mutex_{holt::Rank::kLeaf};
  std::unordered_map<std::uint64_t, int> failed_ GUARDED_BY(mutex_);
};

}  // namespace holtfs
