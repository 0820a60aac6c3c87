// The write-ahead log: one ring of records in a memory-mapped, pre-zeroed, recycled file.
//
// A writer admits its record's size, then, holding the latches of what it changes, reserves a range
// with one fetch_add on the tail; it copies header and payload straight into the mapping and
// publishes. So records of conflicting batches lie in the order in which they were applied, and an
// acknowledged batch is in the page cache, where it outlives the process.
//
// Rejected: a RAM ring with a flusher thread (same cost per record, loses acknowledged batches at
// kill -9); a counter of finished bytes for the contiguous prefix (it can disagree with byte
// order).
//
// Invariants:
//   W1  Records lie back to back: each begins where the one before ends. A record that was
//       reserved is always published.
//   W2  published() <= tail(); every byte below published() belongs to a completely written record.
//   W3  tail() - trimmed() <= capacity: a record that recovery may need is never overwritten.
//   W4  durable() <= published(); it moves only after a sync that covered it succeeded.
//   W5  After a failed sync nothing is admitted, and no later sync succeeds.
//   W6  A sync is asked for up to tail() at most: beyond it lies nothing that could become durable.
//
// Thread safety: every method from any thread, except trim() (one checkpoint at a time) and open().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt {

class Storage;

namespace wal {

struct RingOptions {
  std::uint64_t bytes = 0;
  std::uint32_t generation = 0;
  Lsn start{};                           // first record goes here
  std::uint32_t commit_interval_ms = 0;  // 0: no timer
  // Called, from any thread, when admitted bytes come to exceed half of the ring or still do after
  // a trim, and, again and again, while a writer has to wait: the owner starts a checkpoint. Must
  // not block.
  std::function<void()> on_pressure = {};
  // Asked by a writer that waits for room, each time it wakes: an error ends the wait. May be
  // empty.
  std::function<std::optional<Error>()> give_up = {};
  // Told the cause when the log is poisoned, once. Must not block or call back. May be empty.
  std::function<void(const Error&)> on_poison = {};
};

class Ring {
 public:
  // `memory` is Storage::map_log()'s. Starts the committer's thread.
  static std::unique_ptr<Ring> open(Storage& storage, std::byte* memory, RingOptions options);
  ~Ring();  // stops the committer; what waits in sync_async is synced first

  // Secures room for a record of `payload_size` bytes; waits (asleep) for trim() when the ring is
  // full. Call it holding no latch and outside the gate. Errors: kTooLarge (more than a quarter of
  // the ring), kReadOnly (poisoned), and give_up()'s.
  Result<void> admit(std::size_t payload_size);
  // Gives back what admit() secured, when the batch was not applied after all.
  void cancel(std::size_t payload_size);

  // Takes the next range for an admitted record: one fetch_add. The caller must write() it soon.
  Lsn reserve(std::size_t payload_size);
  // Encodes the record at its place and publishes it. Returns the LSN of its end.
  Lsn write(Lsn at, std::string_view payload);
  // Returns when everything below `end` is published: spins briefly, then sleeps.
  void wait_published(Lsn end);

  Lsn tail() const;
  Lsn published() const;
  Lsn durable() const;
  std::uint64_t used() const;  // bytes admitted and not trimmed

  // Returns when everything below `lsn` is durable. One device sync serves all that wait.
  Result<void> sync(Lsn lsn);
  void sync_async(Lsn lsn, std::function<void(Result<void>)> done);

  // Records before `lsn` are no longer needed, because a durable checkpoint holds them: raises
  // durable(), wakes writers that wait for room.
  void trim(Lsn lsn);

  // Turns the log read-only, as a failed sync does; everybody who waits gets an error.
  void poison(const Error& cause);
  bool poisoned() const;
  Error poison_error() const;  // kReadOnly with the cause

  std::uint64_t sync_count() const;
  std::uint64_t wait_count() const;  // times a writer waited for room

 private:
  class Impl;
  explicit Ring(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wal
}  // namespace holt
