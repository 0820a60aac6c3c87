#include "fs/data/sync_failures.h"

#include <cerrno>

namespace holtfs {

int SyncFailures::known(Ino ino) {
  const holt::MutexLock lock(mutex_);
  const auto found = failed_.find(number_of(ino));
  return found == failed_.end() ? 0 : found->second;
}

int SyncFailures::sync(Ino ino, int fd) {
  // Who waits here shall learn of the failure of whoever is first.
  const auto turn = turns_.exclusive(ino);
  if (const int err = known(ino)) return err;
  if (sync_(fd) == 0) return 0;
  const int err = errno;
  const holt::MutexLock lock(mutex_);
  failed_.emplace(number_of(ino), err);
  return err;
}

void SyncFailures::forget(Ino ino) {
  const holt::MutexLock lock(mutex_);
  failed_.erase(number_of(ino));
}

}  // namespace holtfs
