// Reaper: removes the contents of removed files, in the background.
//
// A host file may only go once the removal of its inode is durable: were it removed at once and the
// machine died before the log reached the disk, recovery would bring back a file whose contents are
// gone. That happens to the old version of a file that was just replaced by rename. So removals are
// collected and carried out every few seconds, after one sync of the log for all of them.
//
// What has not been carried out when the process dies is found by recovery.
// Thread safety: any thread may add.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/types.h"
#include "fs/data/bulk.h"
#include "fs/ticker.h"

namespace holtfs {

class Reaper {
 public:
  // `make_durable` returns false when the log up to the given LSN cannot be made durable.
  Reaper(BulkFiles& files, std::function<bool(holt::Lsn)> make_durable,
         std::chrono::milliseconds interval);
  ~Reaper();  // carries out what is left
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // The contents of `ino` are unreachable once the log is durable up to `removed`.
  void add(Ino ino, holt::Lsn removed);
  // Carries out everything added before the call.
  void drain();

 private:
  struct Removal {
    Ino ino;
    holt::Lsn removed;
  };
  BulkFiles& files_;
  const std::function<bool(holt::Lsn)> make_durable_;
  holt::Mutex carrying_{holt::Rank::kFsState};  // before mutex_
  holt::Mutex mutex_{holt::Rank::kLeaf};
  std::vector<Removal> waiting_ GUARDED_BY(mutex_);
  std::optional<Ticker> ticker_;  // last: its thread uses the rest
};

}  // namespace holtfs
