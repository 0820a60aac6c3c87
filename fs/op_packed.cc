// The contents of small files: in extents of segments (data/segments.h), which the record lists.
//
// Whoever changes them holds the file's data lock, appends the new bytes to a segment, and then
// changes the record. What is let go of dies when that change is durable, never before. Nothing
// in a segment is overwritten, so a file that changes in the middle gets a new extent for what it
// had from there on.
//
// Invariant:
//   P2  New bytes that take the place of promised ones, which are durable or in the log, are so
//       before the record changes, or are logged by the batch that changes it: a crash must not
//       leave the record without either.
#include <algorithm>
#include <cstring>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

// Larger files have a host file.
constexpr std::uint64_t kMaxPackedBytes = 256u << 10;
constexpr std::uint64_t kBlock = 4096;
// A batch takes one value of this size, and the store so many of them until somebody tidies up; up
// to the second number while he does.
constexpr std::uint64_t kMaxLoggedAtOnce = holt::kMaxValueBytes;
constexpr std::uint64_t kManyLogged = 16u << 20, kTooManyLogged = 64u << 20;

std::uint64_t bytes_in(std::span<const Extent> extents) {
  std::uint64_t bytes = 0;
  for (const Extent& extent : extents) bytes += extent.length;
  return bytes;
}

// Which extents are joined with bytes that are appended when there can be no more of them: from
// the first on that is not much longer than all that follows. So a byte is copied a few times only,
// however small the pieces are in which a file grows.
std::size_t first_to_join(std::span<const Extent> extents, std::uint64_t added) {
  std::size_t first = extents.size() - 1;
  added += extents[first].length;
  while (first > 0 && extents[first - 1].length < 2 * added) added += extents[--first].length;
  return first;
}

// Whether ext4 would have no hole in between.
bool is_gapless(std::uint64_t size, std::uint64_t offset) {
  return (size + kBlock - 1) / kBlock >= offset / kBlock;
}

}  // namespace

Outcome<void> Filesystem::read_extent(const Caller& caller, const Extent& extent,
                                      std::span<char> out) {
  const Outcome<void> done = segments_->read(extent, out, caller.wait);
  if (done || done.error() != Errno{EIO}) return done;
  // What was not recovered, because the mount is read-only, may still be in the log.
  const auto logged = load_value(caller, schema::logged_key(extent.segment, extent.offset));
  if (!logged) return fail(logged.error() == kWouldWait ? kWouldWait : Errno{EIO});
  const std::string_view bytes = std::string_view(*logged).substr(0, extent.length);
  if (!Segments::holds(extent, bytes)) return done;
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return {};
}

// The bytes of the extents from the one numbered `first` on.
Outcome<std::string> Filesystem::read_extents(const Caller& caller, std::span<const Extent> extents,
                                              std::size_t reserve) {
  std::string bytes;
  const std::uint64_t size = bytes_in(extents);
  bytes.reserve(size + reserve);
  bytes.resize(size);
  std::uint64_t at = 0;
  for (const Extent& extent : extents) {
    const auto done = read_extent(caller, extent, std::span(bytes).subspan(at, extent.length));
    if (!done) return fail(done.error());
    at += extent.length;
  }
  return bytes;
}

// The part of the file from `offset` on that fits into `out`.
Outcome<std::size_t> Filesystem::read_part(const Caller& caller, const Inode& inode,
                                           std::uint64_t offset, std::span<char> out) {
  thread_local std::vector<char> scratch;
  std::size_t done = 0;
  std::uint64_t start = 0;  // of the extent, in the file
  for (const Extent& extent : inode.extents) {
    const std::uint64_t end = start + extent.length, from = std::max(offset, start);
    const std::uint64_t to = std::min(offset + out.size(), end);
    if (from < to && to - from == extent.length) {
      const auto read = read_extent(caller, extent, out.subspan(done, extent.length));
      if (!read) return fail(read.error());
    } else if (from < to) {
      scratch.resize(extent.length);
      const auto read = read_extent(caller, extent, scratch);
      if (!read) return fail(read.error());
      std::memcpy(out.data() + done, scratch.data() + (from - start), to - from);
    }
    if (from < to) done += to - from;
    start = end;
  }
  return done;
}

// Nothing when the file is not a packed one.
Outcome<std::optional<std::size_t>> Filesystem::read_packed(const Caller& caller, Ino ino,
                                                            std::uint64_t offset,
                                                            std::span<char> out, bool note_atime) {
  bool noted = true;
  const auto attempt = [&]() -> Outcome<std::optional<std::size_t>> {
    const Outcome<Inode> inode =
        read_inode(ino, [&](Node& node, const Located& at) -> Outcome<Inode> {
          Outcome<Inode> loaded = load(caller, node, at);
          const bool packed = loaded && loaded->placement == Placement::kPacked;
          if (packed && note_atime) noted = touch_atime(caller, at, *loaded);
          return loaded;
        });
    if (!inode) return fail(inode.error());
    if (inode->placement != Placement::kPacked) return std::nullopt;
    const Outcome<std::size_t> done = read_part(caller, *inode, offset, out);
    if (!done) return fail(done.error());
    return *done;
  };
  Outcome<std::optional<std::size_t>> done = attempt();
  // The extents may have died before they were read.
  if (!done && done.error() == Errno{EIO}) {
    if (caller.wait == holt::Wait::kNo) return fail(kWouldWait);
    const auto data_lock = data_locks_.shared(ino);
    done = attempt();
    if (!done) log_error("inode {}: its contents are damaged", number_of(ino));
  }
  if (!noted) touch_nameless(caller, ino);
  return done;
}

bool Filesystem::is_promised(const Extent& extent) {
  return segments_->is_durable(extent) || ledger_.is_logged(extent);
}

bool Filesystem::are_promised(std::span<const Extent> extents) {
  return std::any_of(extents.begin(), extents.end(),
                     [&](const Extent& extent) { return is_promised(extent); });
}

// How many of its extents a file keeps when bytes are written there; those behind are rewritten.
// Nothing when the file is one of the bulk tier from now on, as one is that changes before its last
// `max_rewritten` bytes.
std::optional<std::size_t> Filesystem::extents_to_keep(const Inode& inode, std::uint64_t offset,
                                                       std::uint64_t length,
                                                       std::uint64_t max_rewritten) const {
  const std::uint64_t end = std::max(inode.size, offset + length);
  if (!options_.pack || inode.placement == Placement::kBulk || end > kMaxPackedBytes) return {};
  const std::size_t count = inode.extents.size();
  if (offset == inode.size) {
    return count < kMaxExtents ? count : first_to_join(inode.extents, length);
  }
  if (inode.placement == Placement::kNone || !is_gapless(inode.size, offset)) return {};
  std::size_t keep = 0;
  std::uint64_t start = 0;
  while (keep < count && start + inode.extents[keep].length <= offset) {
    start += inode.extents[keep++].length;
  }
  if (keep == kMaxExtents) start -= inode.extents[--keep].length;
  return end - start <= max_rewritten ? std::optional(keep) : std::nullopt;
}

// How many of the bytes to be written there is room for: at least one.
Outcome<std::size_t> Filesystem::claim_packed(const Caller& caller, Limited::Claim& claim,
                                              const Inode& before, std::uint64_t offset,
                                              std::size_t length) {
  const std::uint64_t blocks = blocks_of(offset + length);
  if (limited_.limits().blocks == Limits::kNone || blocks <= before.blocks) return length;
  const auto grown = static_cast<std::int64_t>(blocks - before.blocks);
  const Outcome<void> all = claim_room(caller, claim, {.blocks = grown});
  if (all) return length;
  if (all.error() != Errno{ENOSPC}) return fail(all.error());
  const auto some = claim.take_some(grown, 1, caller.wait);
  if (!some && some.error() != Errno{ENOSPC}) return fail(some.error());
  const std::uint64_t end = (before.blocks + static_cast<std::uint64_t>(some.value_or(0))) * 512;
  if (end <= offset) return fail(ENOSPC);
  return std::min<std::size_t>(length, end - offset);
}

// Writes `bytes` at `offset`; `change` changes the record further. REQUIRES: the data lock,
// exclusively; `before` is the record, `keep` what extents_to_keep() says, and `claim` what
// claim_packed() took.
Outcome<Inode> Filesystem::change_packed(const Caller& caller, const Inode& before,
                                         std::size_t keep, std::uint64_t offset,
                                         std::string_view bytes, const SizeChange& change,
                                         Limited::Claim& claim) {
  const std::span<const Extent> replaced = std::span(before.extents).subspan(keep);
  const bool promised = are_promised(replaced);
  std::string joined;
  if (!replaced.empty() || offset != before.size) {
    Outcome<std::string> old = read_extents(caller, replaced, bytes.size());
    if (!old) return fail(old.error());
    joined = std::move(*old);
    const std::uint64_t start = before.size - joined.size();
    joined.resize(std::max(joined.size(), offset - start + bytes.size()));
    bytes.copy(joined.data() + (offset - start), bytes.size());
    bytes = joined;
  }
  const bool logs = promised && bytes.size() <= kMaxLoggedAtOnce;
  if (promised && !logs && caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  Extent added;
  const Outcome<void> appended = with_space(caller, [&]() -> Outcome<void> {
    const Outcome<Extent> extent = segments_->append(bytes);
    if (!extent) return fail(extent.error());
    added = *extent;
    return {};
  });
  if (!appended) return fail(appended.error());
  const auto give_up = [&](Errno why) {
    segments_->release({added});
    return fail(why);
  };
  if (promised && !logs) {
    if (const auto synced = segments_->sync({&added, 1}); !synced) return give_up(synced.error());
  }
  const auto follow = [&](Inode& after, const Located& at, holt::Batch& batch) -> Outcome<void> {
    std::vector<Extent> extents(before.extents.begin(), before.extents.begin() + keep);
    extents.push_back(added);
    after.set_extents(std::move(extents));
    if (logs) batch.put(schema::logged_key(added.segment, added.offset), bytes);
    if (logs && at.orphan != nullptr) {
      // Its record is in memory, but may get a name.
      if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());
      batch.clear();
      ledger_.add_logged(added);
    }
    return change(after, at, batch);
  };
  Outcome<Inode> inode = change_inode(caller, before.ino, follow, Lazily::kNo, &claim);
  if (!inode) return give_up(inode.error());
  if (logs) ledger_.add_logged(added);
  ledger_.add_dead(replaced, store_->applied());
  return inode;
}

// Truncates. REQUIRES: the data lock, exclusively; `before` is the record.
Outcome<Inode> Filesystem::cut_packed(const Caller& caller, const Inode& before, std::uint64_t size,
                                      const SizeChange& change) {
  std::vector<Extent> kept, dead;
  std::uint64_t start = 0;
  for (const Extent& extent : before.extents) {
    const std::uint64_t left = std::min<std::uint64_t>(size - std::min(size, start), extent.length);
    start += extent.length;
    if (left == extent.length) {
      kept.push_back(extent);
    } else if (left == 0) {
      dead.push_back(extent);
    } else {
      const Outcome<std::string> bytes = read_extents(caller, {&extent, 1}, 0);
      if (!bytes) return fail(bytes.error());
      const auto [head, tail] = Segments::split(extent, *bytes, static_cast<std::uint32_t>(left));
      kept.push_back(head);
      dead.push_back(tail);
    }
  }
  Outcome<Inode> inode =
      change_inode(caller, before.ino, [&](Inode& after, const Located& at, holt::Batch& batch) {
        after.set_extents(kept);
        return change(after, at, batch);
      });
  if (inode) ledger_.add_dead(dead, store_->applied());
  return inode;
}

// Nothing when the file, which is a packed one, cannot stay so.
Outcome<std::optional<Inode>> Filesystem::resize_packed(const Caller& caller, const Inode& before,
                                                        std::uint64_t size,
                                                        const SizeChange& change) {
  Outcome<Inode> inode;
  if (size <= before.size) {
    inode = cut_packed(caller, before, size, change);
  } else {
    const bool stays = (before.size + kBlock - 1) / kBlock * kBlock >= size;
    const auto keep =
        stays ? extents_to_keep(before, before.size, size - before.size) : std::nullopt;
    if (!keep) return std::nullopt;
    Limited::Claim claim(limited_);
    const std::uint64_t grown = blocks_of(size) - before.blocks;
    const auto room = claim_room(caller, claim, {.blocks = static_cast<std::int64_t>(grown)});
    if (!room) return fail(room.error());
    const std::string zeros(size - before.size, '\0');
    inode = change_packed(caller, before, *keep, before.size, zeros, change, claim);
  }
  if (!inode) return fail(inode.error());
  return std::optional(std::move(*inode));
}

// Moves the contents of a packed file to a host file. REQUIRES: as change_packed().
Outcome<void> Filesystem::unpack(const Caller& caller, const Inode& before) {
  const bool promised = are_promised(before.extents);
  if (promised && caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  const Outcome<std::string> bytes = read_extents(caller, before.extents, 0);
  if (!bytes) return fail(bytes.error());
  // The host takes whole blocks.
  Limited::Claim claim(limited_);
  const std::uint64_t most = whole_blocks({0, before.size}, block_).length / 512;
  const auto grown = static_cast<std::int64_t>(most - std::min(most, before.blocks));
  const auto room = claim_room(caller, claim, {.blocks = grown});
  if (!room) return room;
  const Outcome<HostFileRef> file = bulk_->open_or_create(before.ino);
  if (!file) return fail(file.error());
  // What a removal that failed left there is not this file's.
  if (ftruncate((*file)->fd(), 0) != 0) return undo_contents(caller, before.ino, Errno{EIO});
  Outcome<void> written =
      with_space(once_claimed(caller), [&] { return (*file)->write_all(*bytes, 0); });
  if (written && promised) written = (*file)->sync();
  if (!written) return undo_contents(caller, before.ino, written.error());
  const auto extent = (*file)->extent();
  if (!extent) return undo_contents(caller, before.ino, extent.error());
  const auto follow = [&](Inode& after, const Located&, holt::Batch&) {
    after.extents.clear();
    after.placement = Placement::kBulk;
    after.blocks = extent->blocks;
    return Outcome<void>();
  };
  const Outcome<Inode> inode =
      change_inode(once_claimed(caller), before.ino, follow, Lazily::kNo, &claim);
  if (!inode) return undo_contents(caller, before.ino, inode.error());
  ledger_.add_dead(before.extents, store_->applied());
  return {};
}

// Puts what no disk has yet into the store, so that one sync of the log makes it durable together
// with the record. False when that is too much. REQUIRES: the data lock, shared at least.
Outcome<bool> Filesystem::log_contents(const Caller& caller, std::span<const Extent> extents) {
  std::uint64_t bytes = 0;
  std::vector<Extent> open;
  for (const Extent& extent : extents) {
    if (is_promised(extent)) continue;
    bytes += extent.length;
    open.push_back(extent);
  }
  if (open.empty()) return true;
  const std::uint64_t limit = caller.wait == holt::Wait::kNo ? kManyLogged : kTooManyLogged;
  if (bytes > kMaxLoggedAtOnce || ledger_.logged_bytes() + bytes > limit) return false;
  holt::Batch& batch = scratch_batch();
  for (const Extent& extent : open) {
    const Outcome<std::string> part = read_extents(caller, {&extent, 1}, 0);
    if (!part) return fail(part.error());
    batch.put(schema::logged_key(extent.segment, extent.offset), *part);
  }
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());
  for (const Extent& extent : open) ledger_.add_logged(extent);
  return true;
}

// REQUIRES: the data lock, shared at least.
Outcome<void> Filesystem::sync_packed(const Caller& caller, const Inode& inode) {
  if (ledger_.logged_bytes() > kManyLogged) keep_segments(Tidying::kUnlessOthersDo);
  const Outcome<bool> logged = log_contents(caller, inode.extents);
  if (logged && *logged) return {};
  return segments_->sync(inode.extents);
}

}  // namespace holtfs
