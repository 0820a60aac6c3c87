// Goal: recovery replays every acknowledged record, in order, and never one that does not belong
// there. Crash model: sim_storage.h. Method: cut, rot and go stale at every byte of small logs;
// power loss and death of the process under several writers, with random seeds.
#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "tests/engine/wal_support.h"

namespace holt::wal {
namespace {

using test::check_error;
using test::require_ok;

constexpr std::uint64_t kBytes = 16 * 1024;

std::string text_of(int i, std::size_t size) {
  return std::string(size, static_cast<char>('a' + i % 26));
}

BOOST_AUTO_TEST_CASE(gives_every_record_in_order) {
  TestLog log(kBytes);
  log.open();
  std::vector<std::string> written;
  for (int i = 0; i < 40; ++i) {
    written.push_back(text_of(i, static_cast<std::size_t>(i * 7 % 200)));
    log.append(written.back());
  }
  const Replayed replayed = replay_all(log.memory, kBytes, Lsn{}, 1);
  BOOST_CHECK(replayed.payloads == written);
  BOOST_CHECK(replayed.end == log.ring->published());
}

BOOST_AUTO_TEST_CASE(finds_nothing_in_a_new_log) {
  TestLog log(kBytes);
  BOOST_CHECK(replay_all(log.memory, kBytes, Lsn{}, 1).end == Lsn{});
  BOOST_CHECK(replay_all(log.memory, kBytes, Lsn{}, 0).end == Lsn{});
}

BOOST_AUTO_TEST_CASE(stops_at_a_torn_tail_wherever_it_is_cut) {
  TestLog log(kBytes);
  // Begins near the ring's end, so that some cut records run across it.
  log.open({.start = Lsn{kBytes * 5 - 320}});
  std::vector<Lsn> ends{Lsn{kBytes * 5 - 320}};
  for (int i = 0; i < 5; ++i)
    ends.push_back(log.append(text_of(i, 41 + 30 * static_cast<std::size_t>(i))));
  for (const std::byte rest : {std::byte{0}, std::byte{0xff}}) {
    for (std::uint64_t cut = position_of(ends[0]); cut <= position_of(ends[5]); ++cut) {
      RingCopy copy(log.memory, kBytes);
      copy.fill(cut, position_of(ends[5]), rest);
      const Replayed replayed = replay_all(copy.data(), kBytes, ends[0], 1);
      std::size_t whole = 0;
      for (std::size_t i = 1; i <= 5; ++i) {
        // What fills a record up to the next multiple of 32 bytes does not matter.
        const std::uint64_t needed = position_of(ends[i - 1]) + 32 + 41 + 30 * (i - 1);
        if (cut >= needed) whole = i;
      }
      BOOST_REQUIRE_EQUAL(replayed.payloads.size(), whole);
      BOOST_REQUIRE(replayed.end == ends[whole]);
    }
  }
}

BOOST_AUTO_TEST_CASE(stops_at_a_record_with_any_bit_flipped) {
  TestLog log(kBytes);
  log.open();
  log.append("first");
  const std::string payload = "the record that rots";
  const Lsn end = log.append(payload);
  log.append("last");
  const std::uint64_t at = position_of(end) - record_bytes(payload.size());
  for (std::uint64_t bit = 0; bit < 8 * (32 + payload.size()); ++bit) {
    RingCopy copy(log.memory, kBytes);
    copy.set(at + bit / 8,
             copy.get(at + bit / 8) ^ std::byte{static_cast<unsigned char>(1u << bit % 8)});
    BOOST_REQUIRE_EQUAL(replay_all(copy.data(), kBytes, Lsn{}, 1).payloads.size(), 1u);
  }
}

BOOST_AUTO_TEST_CASE(does_not_run_into_the_lap_before) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  // All records of one size, which divides the ring: old headers lie exactly where new ones are
  // expected.
  const std::string payload(96, 'x');
  const std::uint64_t per_lap = kBytes / record_bytes(payload.size());
  for (std::uint64_t i = 0; i < 3 * per_lap + per_lap / 2; ++i) {
    log.append(payload);
    if (i % 16 == 15) ring.trim(ring.published());
  }
  const Lsn from = ring.published();
  log.append("a");
  log.append("b");
  const Replayed replayed = replay_all(log.memory, kBytes, from, 1);
  BOOST_CHECK(replayed.payloads == (std::vector<std::string>{"a", "b"}));
}

BOOST_AUTO_TEST_CASE(gives_a_whole_lap_and_no_more) {
  TestLog log(kBytes);
  Ring& ring = log.open({.start = Lsn{4096}});
  const std::string payload(480, 'x');
  for (std::uint64_t i = 0; i < kBytes / 512; ++i) log.append(payload);
  BOOST_CHECK_EQUAL(ring.used(), kBytes);
  const Replayed replayed = replay_all(log.memory, kBytes, Lsn{4096}, 1);
  BOOST_CHECK_EQUAL(replayed.payloads.size(), kBytes / 512);
  BOOST_CHECK(replayed.end == Lsn{4096 + kBytes});
}

// Three records of one size; the second is lost. A new run puts its first record where the second
// was.
Replayed replay_behind_a_hole(std::uint32_t new_generation) {
  TestLog log(kBytes);
  log.open({.generation = 1});
  const Lsn first_end = log.append("first");
  const Lsn second_end = log.append("lost!");
  log.append("third");
  log.ring.reset();
  std::fill(log.memory + position_of(first_end), log.memory + position_of(second_end),
            std::byte{0});
  BOOST_REQUIRE(replay_all(log.memory, kBytes, Lsn{}, 1).end == first_end);
  log.open({.generation = new_generation, .start = first_end});
  log.append("fresh");
  return replay_all(log.memory, kBytes, first_end, new_generation);
}

BOOST_AUTO_TEST_CASE(ignores_a_crashed_runs_remains_that_line_up_behind_a_hole) {
  BOOST_CHECK(replay_behind_a_hole(2).payloads == std::vector<std::string>{"fresh"});
  // Without a generation of its own the new run would inherit the record: the trap is real.
  BOOST_CHECK(replay_behind_a_hole(1).payloads == (std::vector<std::string>{"fresh", "third"}));
}

BOOST_AUTO_TEST_CASE(ignores_a_record_inside_a_payload) {
  TestLog log(kBytes);
  log.open();
  log.append("inner");
  const std::string whole(reinterpret_cast<const char*>(log.memory), 64);
  log.append(whole + whole + whole);
  BOOST_CHECK_EQUAL(replay_all(log.memory, kBytes, Lsn{}, 1).payloads.size(), 2u);
  // Nor is one that was moved elsewhere taken for a record.
  RingCopy copy(log.memory, kBytes);
  for (std::uint64_t i = 0; i < 64; ++i) copy.set(8192 + i, copy.get(i));
  BOOST_CHECK_EQUAL(replay_all(copy.data(), kBytes, Lsn{8192}, 1).payloads.size(), 0u);
}

BOOST_AUTO_TEST_CASE(survives_a_size_that_reaches_beyond_the_ring) {
  TestLog log(kBytes);
  DiskRecordHeader header{};
  header.lsn = 64u;
  header.payload_size = 0xffffffffu;
  header.generation = 1u;
  header.seal = record_seal(64, 1);
  std::memcpy(log.memory + 64, &header, sizeof header);
  BOOST_CHECK(replay_all(log.memory, kBytes, Lsn{64}, 1).end == Lsn{64});
}

BOOST_AUTO_TEST_CASE(passes_on_what_the_reader_fails_with) {
  TestLog log(kBytes);
  log.open();
  log.append("one");
  log.append("two");
  int calls = 0;
  auto end = replay(log.memory, kBytes, Lsn{}, 1, [&](Lsn, std::string_view) -> Result<void> {
    if (++calls == 2) return fail(Code::kCorrupt, "unreadable");
    return {};
  });
  check_error(end, Code::kCorrupt);
  BOOST_CHECK_EQUAL(calls, 2);
}

BOOST_AUTO_TEST_CASE(refuses_a_position_where_no_record_can_begin) {
  TestLog log(kBytes);
  const auto ignore = [](Lsn, std::string_view) { return Result<void>(); };
  check_error(replay(log.memory, kBytes, Lsn{7}, 1, ignore), Code::kCorrupt);
}

// ---- several writers, and the end of the world

struct Writers {
  static constexpr int kThreads = 3;
  static constexpr std::uint64_t kMost = 1000;  // records of one thread: all fit the ring
  enum class Acknowledge { kPublished, kSynced };

  Writers(TestLog& test_log, Acknowledge how) : log(test_log) {
    for (int t = 0; t < kThreads; ++t) threads.emplace_back([this, t, how] { run(t, how); });
  }
  void run(int t, Acknowledge how) {
    Ring& ring = *log.ring;
    for (std::uint64_t i = 0; i < kMost && !stop; ++i) {
      const std::string payload =
          std::to_string(t) + " " + std::to_string(i) + std::string(i * 13 % 90, '.');
      if (!ring.admit(payload.size())) return;
      const Lsn end = ring.write(ring.reserve(payload.size()), payload);
      ring.wait_published(end);
      if (how == Acknowledge::kSynced && !ring.sync(end)) return;
      acknowledged[static_cast<std::size_t>(t)].store(i + 1);
    }
  }
  void await(std::uint64_t count) const {
    for (const auto& each : acknowledged) {
      while (each.load() < count) std::this_thread::yield();
    }
  }
  std::array<std::uint64_t, kThreads> seen() const {
    std::array<std::uint64_t, kThreads> out;
    for (std::size_t t = 0; t < kThreads; ++t) out[t] = acknowledged[t].load();
    return out;
  }
  void join() {
    stop = true;
    log.ring->poison(Error(Code::kIo, "the test ends"));
    for (std::thread& thread : threads) thread.join();
  }

  TestLog& log;
  std::atomic<bool> stop{false};
  std::array<std::atomic<std::uint64_t>, kThreads> acknowledged{};
  std::vector<std::thread> threads;
};

void check_replayed(const Replayed& replayed, const std::array<std::uint64_t, 3>& acknowledged) {
  std::array<std::uint64_t, 3> next{};
  for (const std::string& payload : replayed.payloads) {
    const auto t = static_cast<std::size_t>(payload[0] - '0');
    BOOST_REQUIRE_EQUAL(std::stoull(payload.substr(2)), next[t]);
    ++next[t];
  }
  for (std::size_t t = 0; t < 3; ++t) BOOST_CHECK_GE(next[t], acknowledged[t]);
}

BOOST_AUTO_TEST_CASE(everything_synced_is_replayed_in_order_after_power_loss) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    TestLog log(std::uint64_t{1} << 20, test::test_seed() + round);
    log.open();
    Writers writers(log, Writers::Acknowledge::kSynced);
    writers.await(5 + round);
    if (round % 2 == 0) log.disk->write_back_log(0.3);
    const auto acknowledged = writers.seen();
    log.disk->crash();
    writers.join();
    log.attach();
    check_replayed(replay_all(log.memory, log.capacity, Lsn{}, 1), acknowledged);
  }
}

BOOST_AUTO_TEST_CASE(everything_published_is_replayed_in_order_after_the_death_of_the_process) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    TestLog log(std::uint64_t{1} << 20, test::test_seed() + round);
    log.open();
    Writers writers(log, Writers::Acknowledge::kPublished);
    writers.await(5 + 10 * round);
    const auto acknowledged = writers.seen();
    log.disk->kill();
    writers.join();
    log.attach();
    check_replayed(replay_all(log.memory, log.capacity, Lsn{}, 1), acknowledged);
  }
}

}  // namespace
}  // namespace holt::wal
