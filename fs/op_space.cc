// Room: what an operation may take under the limits of the mount and on a full host, and the count
// of what is taken.
//
// The count follows the records: what changes a record's blocks, makes an inode or lets one go says
// so here, once the store holds the change. Where a record goes and the file is still referred to,
// its room stays taken until it is forgotten.
#include <algorithm>

#include "fs/ops.h"

namespace holtfs {

namespace {

std::int64_t blocks_in(std::uint64_t bytes) { return static_cast<std::int64_t>(bytes / 512); }

std::int64_t signed_blocks(const Inode& inode) { return static_cast<std::int64_t>(inode.blocks); }

}  // namespace

// Runs `work`; where the host has no room for it, once more without what waits to be removed.
Outcome<void> Filesystem::with_space(const Caller& caller,
                                     const std::function<Outcome<void>()>& work) {
  Outcome<void> done = work();
  if (done || done.error() != Errno{ENOSPC}) return done;
  if (caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  reaper_->drain();
  release_dead();
  retire_segments();
  segments_->trim_lanes();
  return work();
}

// ENOSPC where it does not fit without what the kernel has just let go of. REQUIRES: no lock but a
// file's data lock, for which who settles a claim does not wait.
Outcome<void> Filesystem::claim_room(const Caller& caller, Limited::Claim& claim, Amount wanted) {
  const Outcome<void> taken = claim.take(wanted, caller.wait);
  if (taken || taken.error() != Errno{ENOSPC}) return taken;
  if (caller.wait == holt::Wait::kNo) return fail(kWouldWait);
  release_forgotten();
  return claim.take(wanted, caller.wait);
}

// Claims what the range may take, or else what it lacks.
Outcome<void> Filesystem::claim_range(const Caller& caller, const HostFile& file, Range range,
                                      Limited::Claim& claim) {
  if (limited_.limits().blocks == Limits::kNone) return {};
  const std::int64_t most = blocks_in(whole_blocks(range, block_).length);
  const Outcome<void> all = claim_room(caller, claim, {.blocks = most});
  if (all || all.error() != Errno{ENOSPC}) return all;
  return claim.take({.blocks = blocks_in(missing_bytes(file, range, block_))}, caller.wait);
}

// Who has claimed and written goes on at any rate: were that begun anew, others might have taken
// the room by then, and the blocks would be there.
Caller Filesystem::once_claimed(const Caller& caller) const {
  Caller patient = caller;
  if (limited_.limits().blocks != Limits::kNone) patient.wait = holt::Wait::kYes;
  return patient;
}

// Has `change` write the range, as much of it as there is room for: ENOSPC means that it ends
// early. REQUIRES: the file's data lock, exclusively.
Outcome<void> Filesystem::fill(const Caller& caller, const HostFile& file, Range range,
                               Limited::Claim& claim, const RangeChange& change) {
  const Outcome<void> claimed = claim_range(caller, file, range, claim);
  if (claimed) return with_space(once_claimed(caller), [&] { return change(range); });
  if (claimed.error() != Errno{ENOSPC}) return claimed;
  return fill_by_parts(caller, file, range, claim, change);
}

Outcome<void> Filesystem::fill_by_parts(const Caller& caller, const HostFile& file, Range range,
                                        Limited::Claim& claim, const RangeChange& change) {
  while (range.length > 0) {
    Range part = range;
    const std::int64_t most = blocks_in(whole_blocks(range, block_).length);
    const auto taken = claim.take_some(most, blocks_in(block_), caller.wait);
    if (taken) {
      const std::uint64_t end = range.offset / block_ * block_ + *taken * 512ull;
      part.length = std::min(range.end(), end) - range.offset;
    } else if (taken.error() == Errno{ENOSPC}) {
      part.length = allocated_run(file, range, block_);
      if (part.length == 0) return fail(ENOSPC);
    } else {
      return fail(taken.error());
    }
    const auto before = file.extent();
    if (!before) return fail(before.error());
    const Outcome<void> done = with_space(caller, [&] { return change(part); });
    const auto after = file.extent();
    if (!after) return fail(after.error());
    claim.confirm(static_cast<std::int64_t>(after->blocks - before->blocks));
    if (!done) return done;
    range = {part.end(), range.end() - part.end()};
  }
  return {};
}

// An unlinked file that is not open is dropped by the kernel before unlink(2) returns, but its
// FORGET may be overtaken by what is called next. So who finds no room asks the kernel which files
// without names it still knows, and takes the room of others back.
void Filesystem::release_forgotten() {
  for (const Ino ino : nameless_.list()) {
    if (kernel_refers_(ino)) continue;
    const NodePin node = nodes_.pin(ino);
    if (!node) {  // the FORGET is here, and being carried out
      nameless_.wait_until_removed(ino);
      continue;
    }
    const holt::SharedGate gate(gate_);
    const auto lock = node->directory ? dir_locks_.exclusive(ino) : file_locks_.exclusive(ino);
    Orphan* const orphan = node->orphan();
    if (orphan == nullptr || orphan->released) continue;
    count_gone(*orphan);
    orphan->released = true;
  }
}

void Filesystem::count_change(const Located& at, const Inode& before, const Inode& after,
                              Limited::Claim* claim) {
  const std::int64_t grown = signed_blocks(after) - signed_blocks(before);
  // The kernel did not know it yet when it was asked: the answer that told it was under way.
  if (at.orphan != nullptr && at.orphan->released) {
    at.orphan->released = false;
    limited_.change({.blocks = signed_blocks(before), .inodes = 1});
    count_nameless(before.ino);
  }
  if (claim != nullptr) {
    claim->settle({.blocks = grown});
  } else if (grown != 0) {
    limited_.change({.blocks = grown});
  }
}

void Filesystem::count_nameless(Ino ino) {
  if (limited_.limits().any()) nameless_.add(ino);
}

void Filesystem::count_gone(const Orphan& orphan) {
  if (orphan.released) return;
  // In this order: who does not find it in the list any more finds its room.
  limited_.change({.blocks = -signed_blocks(orphan.inode), .inodes = -1});
  if (limited_.limits().any()) nameless_.remove(orphan.inode.ino);
}

// It has a name again.
void Filesystem::count_named(const Orphan& orphan) {
  if (limited_.limits().any()) nameless_.remove(orphan.inode.ino);
  if (orphan.released) limited_.change({.blocks = signed_blocks(orphan.inode), .inodes = 1});
}

}  // namespace holtfs
