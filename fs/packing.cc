// The upkeep of segments: makes what was appended durable, gives up what is dead, moves what lives
// out of segments that are mostly dead, and removes those where nothing lives. Each round is
// bounded. What it holds for long are emptying_ and keeping_, for which only who needs room waits,
// and an fsync when much is logged.
//
// Invariant:
//   P3  an extent dies when the change that let go of it is durable: it is not punched or removed
//       before.
#include <algorithm>
#include <map>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

// A segment of which less than one part in so many lives is emptied.
constexpr std::uint64_t kSparse = 4;
// A smaller one, which after an unclean end may be mostly zeros that were prepared, is not worth a
// pass over all records.
constexpr std::uint64_t kWorthEmptying = 256 * 1024;
// Of one round.
constexpr std::size_t kMaxKeys = 50'000;
constexpr std::uint64_t kMaxMovedBytes = 8u << 20;

}  // namespace

// A file with contents in a segment that is being emptied.
struct Filesystem::Found {
  std::string key;
  Inode inode;
  std::vector<Extent> copies;  // instead of inode.extents
};

void Filesystem::upkeep() {
  if (store_->read_only()) return;
  keep_segments(Tidying::kAlways);
  release_dead();
  if (!keeps_all_segments_) empty_segments();
  retire_segments();
}

// Syncs the segments, and erases from the store what it had of their bytes. False when that failed;
// what could not be synced stays in the store.
bool Filesystem::keep_segments(Tidying when) {
  if (when == Tidying::kUnlessOthersDo && is_keeping_) return true;
  const holt::MutexLock one_at_a_time(keeping_);
  is_keeping_ = true;
  std::vector<std::uint32_t> moved;
  const Outcome<void> synced = segments_->sync_all(moved);
  std::map<std::uint32_t, std::uint64_t> durable;
  for (const SegmentState& state : segments_->states()) {
    if (state.exists) durable[state.number] = state.durable;
  }
  // One that is not known was made meanwhile.
  const auto logged = ledger_.take_logged([&](const PackLedger::Logged& place) {
    const auto mark = durable.find(place.segment);
    return mark != durable.end() && place.end() <= mark->second;
  });
  bool applied = true;
  holt::Batch batch;
  const auto flush = [&](std::size_t at_least) {
    applied = apply_from(at_least, *store_, batch).has_value() && applied;
  };
  for (const std::uint32_t number : moved) {
    const SegmentState state = segments_->state_of(number);
    if (state.exists) batch.put(schema::segment_key(number), encode(state));
    flush(holt::kMaxBatchOps);
  }
  for (const PackLedger::Logged& place : logged) {
    batch.erase_if_present(schema::logged_key(place.segment, place.offset));
    flush(holt::kMaxBatchOps);
  }
  flush(1);
  // What is still in the store has to be known: its segment must not go before it.
  if (!applied) ledger_.add_logged(logged);
  is_keeping_ = false;
  return synced && applied;
}

void Filesystem::release_dead() {
  auto [dead, released] = ledger_.take_dead();
  // On failure the log is poisoned and nothing will be durable again: recovery counts anew.
  if (dead.empty() || !store_->sync(released)) return;
  segments_->release(std::move(dead));
}

// One part of a pass over all records, in which those with contents in sparse segments are found.
void Filesystem::empty_segments() {
  const holt::MutexLock one_at_a_time(emptying_);
  if (victims_.empty()) {
    for (const SegmentState& state : segments_->states()) {
      const bool sparse =
          state.live != 0 && state.live < state.size / kSparse && state.size >= kWorthEmptying;
      if (!sparse || state.current || !state.exists) continue;
      // What the last pass could not move, such as contents of nameless files, is still there.
      const auto stubborn = stubborn_.find(state.number);
      if (stubborn != stubborn_.end() && stubborn->second == state.live) continue;
      victims_.emplace(state.number, state.live);
    }
    emptied_to_.clear();
    if (victims_.empty()) return;
  }
  std::vector<Found> found;
  const bool over = find_in_victims(found);
  move_from_victims(found);
  release_dead();
  if (!over) return;
  stubborn_.clear();
  for (const auto& [number, live] : victims_) stubborn_[number] = segments_->state_of(number).live;
  victims_.clear();
}

// True at the end of the pass.
bool Filesystem::find_in_victims(std::vector<Found>& found) {
  const std::string seen = emptied_to_;
  holt::Cursor cursor = store_->scan({.after = seen});
  std::uint64_t bytes = 0;
  for (std::size_t keys = 0; keys < kMaxKeys && bytes < kMaxMovedBytes; ++keys) {
    const auto more = cursor.next();
    if (!more || !*more) return true;
    emptied_to_ = cursor.key();
    const auto key = schema::parse_key(cursor.key());
    if (!key ||
        (key->kind != schema::KeyKind::kEntry && key->kind != schema::KeyKind::kLinkInode)) {
      continue;
    }
    auto inode = decode_inode(cursor.value());
    if (!inode || inode->placement != Placement::kPacked) continue;
    std::uint64_t here = 0;
    for (const Extent& extent : inode->extents) {
      if (victims_.contains(extent.segment)) here += extent.length;
    }
    bytes += here;
    if (here > 0) found.push_back({std::string(cursor.key()), std::move(*inode), {}});
  }
  return false;
}

void Filesystem::move_from_victims(std::vector<Found>& found) {
  const Caller self;
  std::vector<Extent> copies;
  for (Found& file : found) {
    for (const Extent& extent : file.inode.extents) {
      file.copies.push_back(extent);
      if (!victims_.contains(extent.segment)) continue;
      std::string bytes(extent.length, '\0');
      // What changed meanwhile needs no move; what is damaged stays.
      if (!read_extent(self, extent, bytes)) continue;
      const Outcome<Extent> copy = segments_->append(bytes);
      if (!copy) continue;
      copies.push_back(*copy);
      file.copies.back() = *copy;
    }
  }
  // The old ones are promised to be durable, so the new ones are before a record speaks of them.
  if (!segments_->sync(copies)) return segments_->release(std::move(copies));
  for (const Found& file : found) repoint(file);
}

// Lets the record speak of the copies, unless its contents changed meanwhile.
void Filesystem::repoint(const Found& file) {
  const Caller self;
  const std::vector<Extent>& old = file.inode.extents;
  const auto data_lock = data_locks_.exclusive(file.inode.ino);
  const holt::SharedGate gate(gate_);
  const auto file_lock = file_locks_.exclusive(file.inode.ino);
  const Outcome<Inode> before = load_inode(self, file.key, file.inode.ino);
  bool moved = false;
  if (before && before->extents == old) {
    Inode after = *before;
    after.extents = file.copies;
    holt::Batch batch;
    // A directory in which nothing has a node may move meanwhile, and another take its name.
    batch.require_value(file.key, encode(*before));
    stage_change(batch, file.key, *before, after);
    moved = apply(self, batch).has_value();
  }
  std::vector<Extent> dead;
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i] != file.copies[i]) dead.push_back(moved ? old[i] : file.copies[i]);
  }
  ledger_.add_dead(dead, store_->applied());
}

void Filesystem::retire_segments() {
  if (keeps_all_segments_) return;
  // Or a mark could be written of a segment that is removed by then.
  const holt::MutexLock no_marks_meanwhile(keeping_);
  std::vector<std::uint32_t> dead;
  for (const SegmentState& state : segments_->states()) {
    const bool over = state.live == 0 && !state.current && !ledger_.has_logged(state.number);
    if (over) dead.push_back(state.number);
  }
  // Its number may be given out again: nothing in the log may then restore bytes to it.
  if (dead.empty() || !store_->sync()) return;
  for (const std::uint32_t number : dead) {
    if (!segments_->remove(number)) continue;
    holt::Batch batch;
    batch.erase_if_present(schema::segment_key(number));
    (void)store_->apply(batch);
  }
}

// All that is known of segments, instead of what the store says of them.
holt::Result<void> Filesystem::write_segments() {
  holt::Batch batch;
  batch.erase_prefix(schema::segment_space());
  for (const SegmentState& state : segments_->states()) {
    batch.put(schema::segment_key(state.number), encode(state));
    auto written = apply_from(holt::kMaxBatchOps, *store_, batch);
    if (!written) return written;
  }
  return apply_from(1, *store_, batch);
}

// At the end: all that upkeep does but moving contents, and what is then known of segments.
holt::Result<void> Filesystem::settle_segments() {
  segments_->trim_lanes();
  if (!keep_segments(Tidying::kAlways)) {
    return holt::fail(holt::Code::kIo, "the contents of files are not synced");
  }
  release_dead();
  retire_segments();
  return write_segments();
}

}  // namespace holtfs
