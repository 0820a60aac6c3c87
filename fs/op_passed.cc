// Opening and closing of files that the kernel may read and write by itself (data/passed_files.h).
//
// What it writes the daemon does not see. So a record says, from before the first write until after
// the last close, that the host file knows better (kHostAhead), which is what recovery goes by.
// That set-ID bits and capabilities have to go the kernel says by SETATTR, before it writes.
#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

// REQUIRES: the data lock, exclusively; it is passed through.
Outcome<void> Filesystem::begin_passed_writes(const Caller& caller, Ino ino) {
  if (store_->read_only()) return fail(EROFS);
  passed_.set_writes(ino, true);
  const Outcome<Inode> inode =
      change_inode(caller, ino, [](Inode& after, const Located&, holt::Batch&) {
        after.flags |= kHostAhead;
        return Outcome<void>();
      });
  if (inode) return {};
  passed_.set_writes(ino, false);
  return fail(inode.error());
}

Outcome<int> Filesystem::open_passed(const Caller& caller, Ino ino, bool writes,
                                     const Backing& backing) {
  const auto data_lock = data_locks_.exclusive(ino, caller.wait);
  if (!data_lock) return fail(kWouldWait);
  if (const auto opens = passed_.find(ino)) {
    if (opens->backing_id != 0 && writes && !opens->writes) {
      const Outcome<void> begun = begin_passed_writes(caller, ino);
      if (!begun) return fail(begun.error());
    }
    passed_.open_again(ino);
    return opens->backing_id;
  }
  const Outcome<Inode> inode = inode_of(caller, ino);
  if (!inode) return fail(inode.error());
  const bool bulk = inode->is_regular() && inode->placement == Placement::kBulk;
  const auto cached = [&] {
    passed_.add(ino);
    return 0;
  };
  if (!bulk) return cached();
  const Outcome<HostFileRef> host = bulk_->open(ino);
  if (!host || *host == nullptr) return cached();
  const int id = backing.open((*host)->fd());
  if (id == 0) return cached();
  if (!passed_.add(ino, nodes_.pin(ino), *host, id)) {
    backing.close(id);
    return cached();
  }
  const Outcome<void> begun = writes ? begin_passed_writes(caller, ino) : Outcome<void>();
  if (begun) return id;
  passed_.erase(ino);
  backing.close(id);
  return fail(begun.error());
}

Outcome<void> Filesystem::close_passed(const Caller& caller, Ino ino, const Backing& backing) {
  const auto data_lock = data_locks_.exclusive(ino, caller.wait);
  if (!data_lock) return fail(kWouldWait);
  const auto opens = passed_.find(ino);
  if (!opens) return {};
  if (opens->count > 1) {
    passed_.close_one(ino);
    return {};
  }
  if (opens->backing_id != 0) {
    Outcome<void> written;
    if (!options_.store.read_only) written = write_passed(caller, ino, true);
    if (!written && written.error() == kWouldWait) return written;
    if (!written) {
      log_error("inode {}: its record does not say what was written", number_of(ino));
      contents_unsure_ = true;
    }
    backing.close(opens->backing_id);
  }
  passed_.erase(ino);  // last, or who shows the file would not find it in either place
  return {};
}

// What the host file says goes into the record, as it does with every change of it.
Outcome<void> Filesystem::write_passed(const Caller& caller, Ino ino, bool last) {
  const Outcome<Inode> inode =
      change_inode(caller, ino, [last](Inode& after, const Located&, holt::Batch&) {
        if (last) after.flags &= static_cast<std::uint8_t>(~kHostAhead);
        return Outcome<void>();
      });
  if (!inode) return fail(inode.error());
  return {};
}

Outcome<void> Filesystem::sync_passed(Ino ino) {
  const auto opens = passed_.any() ? passed_.find(ino) : std::nullopt;
  if (!opens || !opens->writes) return {};
  return write_passed({}, ino, false);
}

// At the end. Who still has a file open may go on writing to it when the daemon is gone.
void Filesystem::leave_passed() {
  for (const Ino ino : passed_.all_passed()) {
    const auto opens = passed_.find(ino);
    if (opens && opens->writes) {
      (void)write_passed({}, ino, false);
      contents_unsure_ = true;
    }
    passed_.erase(ino);
  }
}

}  // namespace holtfs
