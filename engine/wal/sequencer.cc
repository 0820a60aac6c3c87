#include "engine/wal/sequencer.h"

#include <bit>
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/checksum.h"
#include "engine/base/spin.h"
#include "engine/format.h"

namespace holt::wal {

namespace {

std::uint64_t little(std::uint64_t value) {
  return std::endian::native == std::endian::big ? std::byteswap(value) : value;
}

std::atomic_ref<std::uint64_t> word_at(std::byte* place) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(place));
}

// Copies whole words; the last one is filled up with zeros. The record has room for it.
void copy_words(std::byte* to, const char* from, std::size_t size) {
  const std::size_t whole = size / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + i, 8);
    word_at(to + i).store(word, std::memory_order_relaxed);
  }
  if (whole == size) return;
  std::uint64_t word = 0;
  std::memcpy(&word, from + whole, size - whole);
  word_at(to + whole).store(word, std::memory_order_relaxed);
}

static_assert(offsetof(DiskRecordHeader, seal) == 0);
static_assert(offsetof(DiskRecordHeader, checksum) == 8);
static_assert(offsetof(DiskRecordHeader, lsn) == 16);
static_assert(offsetof(DiskRecordHeader, payload_size) == 24);
static_assert(offsetof(DiskRecordHeader, generation) == 28);
static_assert(kRecordAlign % 8 == 0);

}  // namespace

Sequencer::Sequencer(std::byte* memory, std::uint64_t bytes, std::uint32_t generation, Lsn start)
    : memory_(memory),
      bytes_(bytes),
      generation_(generation),
      tail_(position_of(start)),
      published_(position_of(start)) {
  CHECK(bytes_ % kRecordAlign == 0 && position_of(start) % kRecordAlign == 0, "W1");
}

Lsn Sequencer::reserve(std::size_t payload_size) {
  return Lsn{tail_.fetch_add(record_bytes(payload_size), std::memory_order_seq_cst)};
}

Lsn Sequencer::write(Lsn at, std::string_view payload) {
  const std::uint64_t lsn = position_of(at);
  std::byte* const record = memory_ + lsn % bytes_;
  const std::uint64_t size_and_generation = payload.size() | std::uint64_t{generation_} << 32;
  word_at(record + 16).store(little(lsn), std::memory_order_relaxed);
  word_at(record + 24).store(little(size_and_generation), std::memory_order_relaxed);
  copy_words(record + sizeof(DiskRecordHeader), payload.data(), payload.size());
  // In one piece, from the lines just written: cheaper than hashing header and payload apart.
  const std::uint64_t sum = checksum({record + 16, sizeof(DiskRecordHeader) - 16 + payload.size()});
  word_at(record + 8).store(little(sum), std::memory_order_relaxed);
  word_at(record).store(little(record_seal(lsn, generation_)), std::memory_order_seq_cst);
  advance();
  return at + record_bytes(payload.size());
}

void Sequencer::advance() {
  std::uint64_t at = published_.load(std::memory_order_seq_cst);
  bool moved = false;
  for (;;) {
    const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
    if (at >= tail) break;
    std::byte* const record = memory_ + at % bytes_;
    const std::uint64_t seal = word_at(record).load(std::memory_order_seq_cst);
    if (seal != little(record_seal(at, generation_))) break;
    const std::uint64_t word = little(word_at(record + 24).load(std::memory_order_relaxed));
    const std::uint64_t end = at + record_bytes(word & 0xffffffff);
    if (published_.compare_exchange_strong(at, end, std::memory_order_seq_cst)) {
      CHECK(end <= tail, "W2");
      at = end;
      moved = true;
    }
  }
  if (moved && sleepers_.load(std::memory_order_seq_cst) != 0) {
    wakeups_.fetch_add(1, std::memory_order_seq_cst);
    wakeups_.notify_all();
  }
}

void Sequencer::wait_published(Lsn end) {
  const std::uint64_t target = position_of(end);
  if (published_.load(std::memory_order_acquire) >= target) return;
  for (int i = 0; i < kSpins; ++i) {
    advance();
    if (published_.load(std::memory_order_acquire) >= target) return;
    pause();
  }
  sleep_until_published(target);
}

void Sequencer::sleep_until_published(std::uint64_t end) {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t seen = wakeups_.load(std::memory_order_seq_cst);
    advance();
    if (published_.load(std::memory_order_seq_cst) >= end) break;
    wakeups_.wait(seen, std::memory_order_seq_cst);
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace holt::wal
