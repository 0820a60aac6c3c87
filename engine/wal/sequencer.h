// Reserves ranges of the log for writers and knows how far the log is completely written.
//
// A writer reserves with one fetch_add and seals its record when it is encoded. Whoever looks,
// advances: while the header at published() carries the seal that belongs there, published() moves
// over that record. There is no list of outstanding writers and no second counter; the log's own
// bytes are the only truth, so the prefix cannot disagree with byte order.
//
// No wake-up is lost: a writer seals, then looks at published(); a helper moves published(), then
// looks at the next seal; a sleeper announces itself, then looks at both. All of these are seq_cst,
// so one of two that race sees the other.
//
// A helper that was preempted may read a header that a later lap is overwriting. It then reads
// garbage and its compare-exchange fails, because published() only grows. Hence every access to the
// mapping is a relaxed atomic of a word at least.
//
// Thread safety: every method from any thread.
// Invariants: W1, W2 of wal/ring.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/types.h"

namespace holt::wal {

class Sequencer {
 public:
  // `memory` is a ring of `bytes`, mirrored behind itself.
  Sequencer(std::byte* memory, std::uint64_t bytes, std::uint32_t generation, Lsn start);

  Lsn reserve(std::size_t payload_size);
  // Returns the end of the record.
  Lsn write(Lsn at, std::string_view payload);
  void wait_published(Lsn end);

  Lsn tail() const { return Lsn{tail_.load(std::memory_order_acquire)}; }
  Lsn published() const { return Lsn{published_.load(std::memory_order_acquire)}; }

 private:
  // Moves published() over every record that is sealed.
  void advance();
  void sleep_until_published(std::uint64_t end);

  std::byte* const memory_;
  const std::uint64_t bytes_;
  const std::uint32_t generation_;
  alignas(64) std::atomic<std::uint64_t> tail_;
  alignas(64) std::atomic<std::uint64_t> published_;
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<std::uint32_t> wakeups_{0};  // what sleepers wait on
};

}  // namespace holt::wal
