// The upkeep of atime, and of all times that may be kept in memory (lazytime).
#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

// Sets atime to the present where the policy asks for it. atime alone may be patched by holders of
// the shared lock: everybody who changes other fields holds it exclusively, and readers may race
// each other. False for a file without a name, which is in memory: touch_nameless() is then for who
// holds no lock. Best effort: a read does not fail because its time could not be noted.
bool Filesystem::touch_atime(const Caller& caller, const Located& at, const Inode& inode) {
  const Time present = now();
  const Attr seen = shown(inode);
  if (!atime_due(options_.atime, seen.atime, seen.mtime, seen.ctime, present)) return true;
  if (at.orphan != nullptr) return false;
  if (lazy_ != nullptr && lazy_->note(inode.ino, {.atime = present})) return true;
  Inode after = inode;
  after.atime = present;
  holt::Batch& batch = scratch_batch();
  stage_change(batch, at.key, inode, after);
  (void)store_->apply(batch, caller.wait);
  return true;
}

void Filesystem::touch_nameless(const Caller& caller, Ino ino) {
  (void)change_inode(caller, ino, [](Inode& after, const Located&, holt::Batch&) {
    after.atime = now();
    return Outcome<void>();
  });
}

// What is seen of a record: with what is not in it yet.
Attr Filesystem::shown(const Inode& inode) const {
  Attr attr = attr_of(inode);
  if (lazy_ != nullptr) lazy_->show(attr);
  passed_.show(attr);
  return attr;
}

// True when nothing but mtime and ctime changes from `before`, the record, to `after`, and they are
// kept in memory instead.
bool Filesystem::keep_times(const Inode& before, const Inode& after, const holt::Batch& batch) {
  if (lazy_ == nullptr || !batch.empty()) return false;
  Inode rest = after;
  rest.atime = before.atime;
  rest.mtime = before.mtime;
  rest.ctime = before.ctime;
  return encode(rest) == encode(before) &&
         lazy_->note(after.ino, {.mtime = after.mtime, .ctime = after.ctime});
}

// Writes what is kept in memory of a file's times, for operations that change its record or move it
// in batches of their own. REQUIRES: its lock, exclusively, or the gate; before a batch is begun.
Outcome<void> Filesystem::settle_times(const Caller& caller, const Node& node) {
  const auto times = lazy_ != nullptr ? lazy_->find(node.ino) : std::nullopt;
  if (!times) return {};
  const Located at = locate(node);
  const Outcome<Inode> before = load(caller, node, at);
  if (!before) return fail(before.error());
  Inode after = *before;
  times->apply_to(after);
  const auto saved = save(caller, at, *before, after, scratch_batch());
  if (!saved) return saved;
  lazy_->erase(node.ino);
  return {};
}

bool Filesystem::has_lazy_times(Ino ino) const { return lazy_ != nullptr && lazy_->find(ino); }

Outcome<void> Filesystem::write_times(const Caller& caller, Ino ino) {
  if (!has_lazy_times(ino)) return {};
  const NodePin node = nodes_.pin(ino);  // let go after the locks
  if (!node) return {};
  const holt::SharedGate gate(gate_);
  const auto lock = node->directory ? dir_locks_.exclusive(ino) : file_locks_.exclusive(ino);
  return settle_times(caller, *node);
}

// False when that has to wait and may not. Times that cannot be written are lost, which is better
// than that nobody else's find a place.
bool Filesystem::write_oldest_times(const Caller& caller, Ino ino) {
  const Outcome<void> written = write_times(caller, ino);
  if (written) return true;
  if (written.error() == kWouldWait) return false;
  // Of a store that turned read-only everybody knows already.
  if (written.error() != Errno{EROFS}) {
    log_error("inode {}: its times cannot be written", number_of(ino));
  }
  lazy_->erase(ino);
  return true;
}

// REQUIRES: no lock is held.
void Filesystem::make_room_for_times(const Caller& caller) {
  while (lazy_ != nullptr && lazy_->full()) {
    const auto ino = lazy_->oldest(LazyTimes::Clock::time_point::max());
    if (!ino) return;
    if (!write_oldest_times(caller, *ino)) return lazy_ticker_->soon();
  }
}

void Filesystem::write_times_older_than(std::chrono::seconds age) {
  if (lazy_ == nullptr) return;
  const Caller patient;
  const auto limit = LazyTimes::Clock::now() - age;
  while (const auto ino = lazy_->oldest(limit)) write_oldest_times(patient, *ino);
  make_room_for_times(patient);
}

}  // namespace holtfs
