// read, write, truncate, fallocate, lseek, and making contents durable.
//
// The bytes of a file that is not packed (op_packed.cc) are in its host file (data/bulk.h). Whoever
// changes them holds the file's data lock, and changes the host file first and the record
// afterwards, except where bytes are cut off: then the record goes first, so that a crash in
// between leaves bytes that no record speaks of, never the reverse.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::uint64_t kMaxFileBytes = std::numeric_limits<off_t>::max();

std::unexpected<Errno> host_failure(const char* what, Ino ino) {
  const int err = errno;
  if (err == EDQUOT) return fail(ENOSPC);  // the daemon's user's quota is not the caller's
  if (err == ENOSPC || err == EFBIG || err == EOPNOTSUPP || err == ENXIO) return fail(err);
  log_error("cannot {} the contents of inode {}: {}", what, number_of(ino),
            std::generic_category().message(err));
  return fail(EIO);
}

// Bytes from `offset` on into `out`, fewer at the end of the host file.
Outcome<std::size_t> read_host(const HostFileRef& file, Ino ino, std::uint64_t offset,
                               std::span<char> out, holt::Wait wait) {
  std::size_t done = 0;
  // The page cache answers at once; a read that has to wait is the caller's to send elsewhere.
  const int flags = wait == holt::Wait::kNo ? RWF_NOWAIT : 0;
  while (file != nullptr && done < out.size()) {
    iovec part = {out.data() + done, out.size() - done};
    const ssize_t got = preadv2(file->fd(), &part, 1, static_cast<off_t>(offset + done), flags);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && flags != 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) return fail(kWouldWait);
    if (got < 0) return host_failure("read", ino);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// Whether that changes the mode, of which the kernel then has to be told: it believes the one it
// has, and no answer to a write carries another.
bool take_setid(const Caller& caller, Inode& inode) {
  const std::uint32_t before = inode.mode;
  inode.mode = without_setid(inode, caller.who);
  return inode.mode != before;
}

}  // namespace

Outcome<std::size_t> Filesystem::read(const Caller& caller, Ino ino, std::uint64_t offset,
                                      std::span<char> out, bool note_atime) {
  // A guess: the record decides, and may come to say otherwise in between.
  bool in_host_file = bulk_->is_open(ino);
  while (true) {
    const auto done = in_host_file ? read_bulk(caller, ino, offset, out, note_atime)
                                   : read_packed(caller, ino, offset, out, note_atime);
    if (!done) return fail(done.error());
    in_host_file = !in_host_file;
    if (!*done) continue;
    make_room_for_times(caller);
    return **done;
  }
}

// Nothing when the file is a packed one.
Outcome<std::optional<std::size_t>> Filesystem::read_bulk(const Caller& caller, Ino ino,
                                                          std::uint64_t offset, std::span<char> out,
                                                          bool note_atime) {
  using Done = Outcome<std::optional<std::size_t>>;
  bool noted = true, whole = false;
  const auto attempt = [&]() -> Done {
    const Outcome<HostFileRef> file = bulk_->open(ino);
    if (!file) return fail(file.error());
    const Outcome<std::size_t> done = read_host(*file, ino, offset, out, caller.wait);
    if (!done) return fail(done.error());
    return read_inode(ino, [&](Node& node, const Located& at) -> Done {
      const Outcome<Inode> inode = load(caller, node, at);
      if (!inode) return fail(inode.error());
      if (inode->placement == Placement::kPacked) return std::nullopt;
      whole = *done == out.size() || offset + *done >= inode->size;
      if (note_atime) noted = touch_atime(caller, at, *inode);
      // What is beyond is of a change that has not come to its record, or never will.
      return std::min<std::size_t>(*done, inode->size - std::min(inode->size, offset));
    });
  };
  Done done = attempt();
  if (!noted) touch_nameless(caller, ino);
  if (!done || !*done || whole) return done;
  // The host file ended before the record says. Perhaps somebody is just writing.
  if (caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  const auto data_lock = data_locks_.shared(ino);
  done = attempt();
  if (!done || !*done || whole) return done;
  log_error("inode {}: its contents are shorter than its record says", number_of(ino));
  return fail(EIO);
}

Outcome<std::size_t> Filesystem::write(const Caller& caller, Ino ino, std::uint64_t offset,
                                       std::string_view bytes, bool drop_setid) {
  if (offset > kMaxFileBytes - bytes.size()) return fail(EFBIG);
  if (bytes.empty()) return std::size_t{0};
  if (store_->read_only()) return fail(EROFS);
  make_room_for_times(caller);
  const auto data_lock = data_locks_.exclusive(ino, caller.wait);
  if (!data_lock) return fail(kWouldWait);  // somebody may hold it over a sync
  const Outcome<Inode> before = inode_of(caller, ino);
  if (!before) return fail(before.error());
  if (!before->is_regular()) return fail(EINVAL);
  bool lost_setid = false;
  const auto note = [&](Inode& after, const Located& at, holt::Batch& batch) {
    after.mtime = after.ctime = now();
    if (drop_setid) lost_setid = take_setid(caller, after);
    return stage_capability_loss(caller, at, after, batch);
  };
  auto keep = extents_to_keep(*before, offset, bytes.size());
  if (!keep && before->placement == Placement::kPacked) {
    const Outcome<void> moved = unpack(caller, *before);
    // A host file takes whole blocks; where there is room for the bytes only, they stay packed.
    if (!moved && moved.error() == Errno{ENOSPC}) {
      keep = extents_to_keep(*before, offset, bytes.size(), bytes.max_size());
    }
    if (!moved && !keep) return fail(moved.error());
  }
  const auto put = [&]() -> Outcome<std::size_t> {
    if (!keep) return write_bulk(caller, *before, offset, bytes, std::ref(note));
    Limited::Claim claim(limited_);
    const auto room = claim_packed(caller, claim, *before, offset, bytes.size());
    if (!room) return fail(room.error());
    const Outcome<Inode> inode = change_packed(caller, *before, *keep, offset,
                                               bytes.substr(0, *room), std::ref(note), claim);
    if (!inode) return fail(inode.error());
    return *room;
  };
  const Outcome<std::size_t> done = put();
  if (done && lost_setid) setid_lost_(ino);
  return done;
}

// The host file of one that is about to have contents there, made when it is missing. If `before`
// knows of none, what is there was left by a removal that failed. REQUIRES: the file's data lock,
// exclusively.
Outcome<HostFileRef> Filesystem::host_file_of(const Inode& before) {
  Outcome<HostFileRef> file = bulk_->open_or_create(before.ino);
  const bool fresh = before.placement == Placement::kNone;
  if (file && fresh && ftruncate((*file)->fd(), 0) != 0) return host_failure("empty", before.ino);
  return file;
}

// REQUIRES: the file's data lock, exclusively, and that it is not packed any more.
Outcome<std::size_t> Filesystem::write_bulk(const Caller& caller, const Inode& before,
                                            std::uint64_t offset, std::string_view bytes,
                                            const SizeChange& note) {
  const Ino ino = before.ino;
  const Outcome<HostFileRef> file = host_file_of(before);
  if (!file) return fail(file.error());
  std::size_t done = 0;
  Limited::Claim claim(limited_);
  const auto put_range = [&](Range range) -> Outcome<void> {
    const std::size_t end = range.end() - offset;
    while (done < end) {
      const ssize_t put =
          pwrite((*file)->fd(), bytes.data() + done, end - done, static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return host_failure("write", ino);
      done += static_cast<std::size_t>(put);
    }
    return {};
  };
  const Outcome<void> written =
      fill(caller, **file, {offset, bytes.size()}, claim, std::ref(put_range));
  // What was written counts.
  if (!written && (done == 0 || written.error() == kWouldWait)) {
    return undo_contents(caller, ino, written.error());
  }
  const auto extent = (*file)->extent();
  if (!extent) return undo_contents(caller, ino, extent.error());
  const auto follow = [&](Inode& after, const Located& at, holt::Batch& batch) {
    after.placement = Placement::kBulk;
    after.size = std::max(after.size, offset + done);
    after.blocks = extent->blocks;
    return note(after, at, batch);
  };
  const Outcome<Inode> inode =
      change_inode(once_claimed(caller), ino, follow, Lazily::kYes, &claim);
  if (!inode) return undo_contents(caller, ino, inode.error());
  return done;
}

// After a change of contents that failed, or whose record could not follow: no bytes beyond what
// the record says, and no host file it does not speak of. REQUIRES: the file's data lock,
// exclusively.
std::unexpected<Errno> Filesystem::undo_contents(const Caller& caller, Ino ino, Errno why) {
  if (why == kWouldWait) {
    // It will be done again, but others may change the file before.
    const Outcome<Inode> inode = inode_of(caller, ino);
    if (inode && inode->placement != Placement::kBulk) bulk_->remove(ino);
    return fail(why);
  }
  const Outcome<Inode> inode = inode_of({.who = caller.who, .wait = holt::Wait::kYes}, ino);
  if (!inode) {
    // Nobody knows what to cut off. Recovery will.
    contents_unsure_ = true;
    return fail(why);
  }
  if (inode->placement != Placement::kBulk) {
    bulk_->remove(ino);
    return fail(why);
  }
  const Outcome<HostFileRef> file = bulk_->open(ino);
  if (!file || *file == nullptr) return fail(why);
  auto extent = (*file)->extent();
  if (extent && extent->size > inode->size) {
    const bool cut = ftruncate((*file)->fd(), static_cast<off_t>(inode->size)) == 0;
    extent = cut ? (*file)->extent() : fail(EIO);
  }
  if (!extent) contents_unsure_ = true;
  if (!extent || extent->blocks == inode->blocks) return fail(why);
  // Holes that were filled stay so.
  (void)change_inode({.who = caller.who, .wait = holt::Wait::kYes}, ino,
                     [&](Inode& after, const Located&, holt::Batch&) {
                       after.blocks = extent->blocks;
                       return Outcome<void>();
                     });
  return fail(why);
}

// Truncates, or extends with zeros; `change` changes the record further in the same batch.
Outcome<Inode> Filesystem::resize(const Caller& caller, Ino ino, std::uint64_t size,
                                  const SizeChange& change) {
  if (size > kMaxFileBytes) return fail(EFBIG);
  if (store_->read_only()) return fail(EROFS);
  const auto data_lock = data_locks_.exclusive(ino, caller.wait);
  if (!data_lock) return fail(kWouldWait);  // somebody may hold it over a sync
  const Outcome<Inode> before = inode_of(caller, ino);
  if (!before) return fail(before.error());
  if (before->is_directory()) return fail(EISDIR);
  if (!before->is_regular()) return fail(EINVAL);
  if (before->placement == Placement::kPacked) {
    auto done = resize_packed(caller, *before, size, change);
    if (!done) return fail(done.error());
    if (*done) return std::move(**done);
    if (const auto moved = unpack(caller, *before); !moved) return fail(moved.error());
  }

  HostFileRef file;
  if (size > 0 || before->size > 0 || before->blocks > 0) {
    const auto opened = size > 0 ? host_file_of(*before) : bulk_->open(ino);
    if (!opened) return fail(opened.error());
    file = *opened;
  }
  std::uint64_t blocks = 0;
  const auto resize_host = [&]() -> Outcome<void> {
    if (file == nullptr) return {};
    if (ftruncate(file->fd(), static_cast<off_t>(size)) != 0) return host_failure("resize", ino);
    const auto extent = file->extent();
    if (!extent) return fail(extent.error());
    blocks = extent->blocks;
    return {};
  };
  const bool shrinks = size < before->size;
  if (!shrinks) {
    const auto done = with_space(caller, resize_host);
    if (!done) return undo_contents(caller, ino, done.error());
  }
  Outcome<Inode> inode =
      change_inode(caller, ino, [&](Inode& after, const Located& at, holt::Batch& batch) {
        after.size = size;
        if (file != nullptr) after.placement = Placement::kBulk;
        // Not less than is left of them, so that nobody takes what does not become free.
        const std::uint64_t most = whole_blocks({0, size}, block_).length / 512;
        after.blocks = shrinks ? std::min(after.blocks, most) : blocks;
        return change(after, at, batch);
      });
  if (!inode) return undo_contents(caller, ino, inode.error());
  if (!shrinks) return inode;
  if (const auto done = resize_host(); !done) return undo_contents(caller, ino, done.error());
  if (size == 0) syncs_.forget(ino);
  if (blocks == inode->blocks && !passed_.any()) return inode;
  return change_inode(caller, ino, [&](Inode& after, const Located&, holt::Batch&) {
    after.blocks = blocks;
    return Outcome<void>();
  });
}

Outcome<void> Filesystem::fallocate(const Caller& caller, Ino ino, int mode, std::uint64_t offset,
                                    std::uint64_t length) {
  constexpr int kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if ((mode & ~kKnown) != 0) return fail(EOPNOTSUPP);
  if (length == 0) return fail(EINVAL);
  if (offset > kMaxFileBytes || length > kMaxFileBytes - offset) return fail(EFBIG);
  if (store_->read_only()) return fail(EROFS);
  const auto data_lock = data_locks_.exclusive(ino, caller.wait);
  if (!data_lock) return fail(kWouldWait);  // somebody may hold it over a sync
  const Outcome<Inode> before = inode_of(caller, ino);
  if (!before) return fail(before.error());
  if (!before->is_regular()) return fail(before->is_directory() ? EISDIR : ENODEV);
  if (before->placement == Placement::kPacked) {
    if (const auto moved = unpack(caller, *before); !moved) return fail(moved.error());
  }
  const Outcome<HostFileRef> file = host_file_of(*before);
  if (!file) return fail(file.error());
  Limited::Claim claim(limited_);
  const bool takes = (mode & FALLOC_FL_PUNCH_HOLE) == 0;
  Outcome<void> allocated;
  if (takes) allocated = claim_range(caller, **file, {offset, length}, claim);
  if (allocated) {
    allocated = with_space(once_claimed(caller), [&]() -> Outcome<void> {
      const int done =
          ::fallocate((*file)->fd(), mode, static_cast<off_t>(offset), static_cast<off_t>(length));
      if (done != 0) return host_failure("allocate", ino);
      return {};
    });
  }
  if (!allocated) return undo_contents(caller, ino, allocated.error());
  const auto extent = (*file)->extent();
  if (!extent) return undo_contents(caller, ino, extent.error());
  bool lost_setid = false;
  const auto follow = [&](Inode& after, const Located& at, holt::Batch& batch) {
    after.placement = Placement::kBulk;
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0) after.size = std::max(after.size, offset + length);
    after.blocks = extent->blocks;
    after.mtime = after.ctime = now();
    // The kernel leaves it to the filesystem here, without telling who may keep them.
    if (caller.who.uid != 0) lost_setid = take_setid(caller, after);
    return stage_capability_loss(caller, at, after, batch);
  };
  const Outcome<Inode> inode = change_inode(once_claimed(caller), ino, follow, Lazily::kNo, &claim);
  if (!inode) return undo_contents(caller, ino, inode.error());
  if (lost_setid) setid_lost_(ino);
  return {};
}

Outcome<std::uint64_t> Filesystem::lseek(const Caller& caller, Ino ino, std::uint64_t offset,
                                         int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return fail(EINVAL);
  if (offset > kMaxFileBytes) return fail(ENXIO);
  const Outcome<Inode> inode = inode_of(caller, ino);
  if (!inode) return fail(inode.error());
  if (inode->placement == Placement::kPacked) {
    if (offset >= inode->size) return fail(ENXIO);
    return whence == SEEK_DATA ? offset : inode->size;
  }
  const Outcome<HostFileRef> file = bulk_->open(ino);
  if (!file) return fail(file.error());
  if (*file == nullptr) return fail(ENXIO);
  // The offset that this moves is nobody's: contents are read and written at given places.
  const off_t found = ::lseek((*file)->fd(), static_cast<off_t>(offset), whence);
  if (found < 0) return host_failure("seek in", ino);
  return static_cast<std::uint64_t>(found);
}

bool Filesystem::sync_at_once(Ino ino) {
  const Caller hasty{.who = {}, .wait = holt::Wait::kNo};
  // Or bytes that are there now could move away.
  const auto data_lock = data_locks_.shared(ino, hasty.wait);
  if (!data_lock) return false;
  const Outcome<Inode> inode = inode_of(hasty, ino);
  if (!inode || inode->placement == Placement::kBulk) return false;
  const Outcome<bool> logged = log_contents(hasty, inode->extents);
  return logged && *logged;
}

Outcome<void> Filesystem::sync_contents(Ino ino) {
  const Caller patient;
  {
    const auto data_lock = data_locks_.shared(ino);
    const Outcome<Inode> inode = inode_of(patient, ino);
    if (!inode) return fail(inode.error());
    if (inode->placement == Placement::kPacked) return sync_packed(patient, *inode);
  }
  const Outcome<HostFileRef> file = bulk_->open(ino);
  if (!file) return fail(file.error());
  if (*file == nullptr) return {};
  errno = syncs_.sync(ino, (*file)->fd());
  if (errno == 0) return {};
  contents_unsure_ = true;
  return host_failure("sync", ino);
}

void Filesystem::sync_async(std::function<void(int)> done) {
  if (options_.store.read_only) return done(0);  // nothing changes, so all of it is durable
  store_->sync_async(store_->applied(), [done = std::move(done)](holt::Result<void> synced) {
    // That the store is read-only since a sync failed is the cause; the answer is that this failed.
    const bool failed = !synced && synced.error().code() == holt::Code::kReadOnly;
    done(synced ? 0 : failed ? EIO : value_of(errno_of(synced.error())));
  });
}

}  // namespace holtfs
