// Goal: the ring's protocol of admit, reserve, write, wait and sync keeps W1 to W5 of
// engine/wal/ring.h. Method: every order of a few writers exhaustively, then many threads on a ring
// of a few records, with a reader that checks each record as it is published.
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <future>
#include <numeric>
#include <thread>

#include "tests/engine/wal_support.h"

namespace holt::wal {
namespace {

using sim::Op;
using test::check_error;
using test::require_ok;

constexpr std::uint64_t kBytes = 16 * 1024;

// ---- publication

BOOST_AUTO_TEST_CASE(publishes_the_contiguous_prefix_in_every_order_of_writers) {
  constexpr std::size_t kWriters = 6;
  std::array<std::size_t, kWriters> order;
  std::iota(order.begin(), order.end(), 0);
  TestLog log(kBytes);
  Ring& ring = log.open({.start = Lsn{kBytes - 96}});
  do {
    std::array<Lsn, kWriters> at;
    std::array<std::string, kWriters> payloads;
    for (std::size_t i = 0; i < kWriters; ++i) {
      payloads[i] = std::string(10 + 40 * i, 'p');
      require_ok(ring.admit(payloads[i].size()));
      at[i] = ring.reserve(payloads[i].size());
    }
    std::array<bool, kWriters> written{};
    for (const std::size_t i : order) {
      ring.write(at[i], payloads[i]);
      written[i] = true;
      const auto first_missing = std::ranges::find(written, false);
      const Lsn expected = first_missing == written.end()
                               ? ring.tail()
                               : at[static_cast<std::size_t>(first_missing - written.begin())];
      BOOST_REQUIRE(ring.published() == expected);
    }
    ring.trim(ring.published());
  } while (std::next_permutation(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE(wakes_a_writer_that_sleeps_behind_an_unwritten_record) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  require_ok(ring.admit(5));
  require_ok(ring.admit(6));
  const Lsn first = ring.reserve(5);
  const Lsn second = ring.reserve(6);
  std::atomic<bool> waiting{false};
  auto behind = std::async(std::launch::async, [&] {
    const Lsn end = ring.write(second, "second");
    waiting = true;
    ring.wait_published(end);
    return ring.published() >= end;
  });
  while (!waiting) std::this_thread::yield();
  BOOST_CHECK(ring.published() == first);
  ring.write(first, "first");
  BOOST_CHECK(behind.get());
}

BOOST_AUTO_TEST_CASE(writes_across_the_end_of_the_ring) {
  TestLog log(kBytes);
  log.open({.start = Lsn{3 * kBytes - 64}});
  std::string payload(1000, '\0');
  std::iota(payload.begin(), payload.end(), '\0');
  log.append(payload);
  log.append("next");
  const Replayed replayed = replay_all(log.memory, kBytes, Lsn{3 * kBytes - 64}, 1);
  BOOST_CHECK(replayed.payloads == (std::vector<std::string>{payload, "next"}));
}

// ---- room

BOOST_AUTO_TEST_CASE(refuses_more_than_a_quarter_of_the_ring) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  check_error(ring.admit(kBytes / 4 - sizeof(DiskRecordHeader) + 1), Code::kTooLarge);
  check_error(ring.admit(std::size_t{1} << 40), Code::kTooLarge);
  BOOST_CHECK_EQUAL(ring.used(), 0u);
  require_ok(ring.admit(kBytes / 4 - sizeof(DiskRecordHeader)));
  BOOST_CHECK_EQUAL(ring.used(), kBytes / 4);
  ring.cancel(kBytes / 4 - sizeof(DiskRecordHeader));
  BOOST_CHECK_EQUAL(ring.used(), 0u);
}

BOOST_AUTO_TEST_CASE(asks_for_a_checkpoint_beyond_half_and_while_still_beyond_after_a_trim) {
  TestLog log(kBytes);
  int asked = 0;
  Ring& ring = log.open({.on_pressure = [&] { ++asked; }});
  const std::string payload(1024 - sizeof(DiskRecordHeader), 'x');
  Lsn end{};
  for (int i = 0; i < 8; ++i) end = log.append(payload);
  BOOST_CHECK_EQUAL(asked, 0);
  for (int i = 0; i < 4; ++i) log.append(payload);
  BOOST_CHECK_EQUAL(asked, 1);
  ring.trim(Lsn{1024});
  BOOST_CHECK_EQUAL(asked, 2);
  ring.trim(end);
  BOOST_CHECK_EQUAL(asked, 2);
}

BOOST_AUTO_TEST_CASE(a_full_ring_makes_writers_wait_until_a_trim) {
  TestLog log(kBytes);
  std::atomic<int> asked{0};
  Ring& ring = log.open({.on_pressure = [&] { ++asked; }});
  const std::string payload(1024 - sizeof(DiskRecordHeader), 'x');
  for (int i = 0; i < 16; ++i) log.append(payload);
  BOOST_CHECK_EQUAL(ring.used(), kBytes);
  BOOST_CHECK_EQUAL(ring.wait_count(), 0u);
  std::atomic<bool> admitted{false};
  auto writer = std::async(std::launch::async, [&] {
    const bool ok = ring.admit(payload.size()).has_value();
    admitted = true;
    return ok;
  });
  // The first time for the half, the others while the writer waits, again and again.
  while (asked < 4) std::this_thread::yield();
  BOOST_CHECK(!admitted);
  BOOST_CHECK_EQUAL(ring.wait_count(), 1u);
  ring.trim(Lsn{1024});
  BOOST_CHECK(writer.get());
  BOOST_CHECK_EQUAL(ring.used(), kBytes);
}

// ---- syncs

BOOST_AUTO_TEST_CASE(a_sync_makes_records_outlive_a_power_loss) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TestLog log(kBytes, seed);
    Ring& ring = log.open({.start = Lsn{kBytes - 256}});
    for (int i = 0; i < 6; ++i) log.append("a record");
    const Lsn end = ring.published();
    log.append("one more");
    require_ok(ring.sync(end));
    BOOST_CHECK(ring.durable() >= end);
    log.disk->crash();
    log.attach();
    BOOST_CHECK_GE(replay_all(log.memory, kBytes, Lsn{kBytes - 256}, 1).payloads.size(), 6u);
  }
}

BOOST_AUTO_TEST_CASE(one_device_sync_serves_all_that_wait) {
  TestLog log(kBytes);
  std::promise<void> first_began;
  std::promise<void> go_on;
  std::atomic<bool> held{false};
  log.disk->on_sync([&](Op op, bool done) {
    if (op != Op::kSyncLog || done || held.exchange(true)) return;
    first_began.set_value();
    go_on.get_future().wait();
  });
  Ring& ring = log.open();
  std::atomic<int> served{0};
  const auto count = [&](const Result<void>& result) { served += result.has_value() ? 1 : 1000; };
  ring.sync_async(log.append("first"), count);
  first_began.get_future().wait();
  for (int i = 0; i < 50; ++i) ring.sync_async(log.append("shares"), count);
  const Lsn end = ring.published();
  auto waits = std::async(std::launch::async, [&] { return ring.sync(end).has_value(); });
  go_on.set_value();
  BOOST_CHECK(waits.get());
  log.ring.reset();
  BOOST_CHECK_EQUAL(served, 51);
  // The first, and one or two for the others: thread and caller may each lead one.
  BOOST_CHECK_LE(log.disk->count(Op::kSyncLog), 3u);
  log.disk->on_sync({});
}

BOOST_AUTO_TEST_CASE(a_sync_of_what_is_durable_costs_nothing) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  const Lsn first = log.append("one");
  const Lsn second = log.append("two");
  require_ok(ring.sync(second));
  require_ok(ring.sync(first));
  BOOST_CHECK_EQUAL(ring.sync_count(), 1u);
  BOOST_CHECK_EQUAL(log.disk->count(Op::kSyncLog), 1u);
}

BOOST_AUTO_TEST_CASE(the_timer_syncs_what_nobody_asked_for) {
  TestLog log(kBytes);
  Ring& ring = log.open({.commit_interval_ms = 1});
  const Lsn end = log.append("alone");
  while (ring.durable() < end) std::this_thread::yield();
  BOOST_CHECK_GE(ring.sync_count(), 1u);
}

BOOST_AUTO_TEST_CASE(closing_serves_those_who_wait) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  std::atomic<int> served{0};
  for (int i = 0; i < 10; ++i) {
    ring.sync_async(log.append("x"), [&](const Result<void>& r) { served += r.has_value(); });
  }
  log.ring.reset();
  BOOST_CHECK_EQUAL(served, 10);
}

BOOST_AUTO_TEST_CASE(a_trim_counts_as_durable) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  const Lsn end = log.append("in a checkpoint");
  ring.trim(end);
  BOOST_CHECK(ring.durable() == end);
  require_ok(ring.sync(end));
  BOOST_CHECK_EQUAL(log.disk->count(Op::kSyncLog), 0u);
}

// ---- failure

BOOST_AUTO_TEST_CASE(a_failed_sync_turns_the_log_read_only_for_good) {
  TestLog log(kBytes);
  Ring& ring = log.open();
  require_ok(ring.sync(log.append("durable")));
  const Lsn durable = ring.durable();
  log.disk->fail_nth(Op::kSyncLog, 1, EIO);
  const Lsn lost = log.append("lost");
  auto failed = ring.sync(lost);
  check_error(failed, Code::kReadOnly);
  BOOST_CHECK_EQUAL(failed.error().sys_errno(), EIO);
  BOOST_CHECK(ring.poisoned());
  BOOST_CHECK(ring.durable() == durable);
  // The device would not complain a second time: it must not be asked.
  check_error(ring.sync(lost), Code::kReadOnly);
  check_error(ring.admit(1), Code::kReadOnly);
  std::promise<bool> served;
  ring.sync_async(lost, [&](const Result<void>& result) { served.set_value(result.has_value()); });
  BOOST_CHECK(!served.get_future().get());
  BOOST_CHECK_EQUAL(log.disk->count(Op::kSyncLog), 2u);
  BOOST_CHECK(ring.durable() == durable);
}

BOOST_AUTO_TEST_CASE(all_who_share_a_failed_sync_are_told) {
  TestLog log(std::uint64_t{1} << 20);
  log.disk->fail_randomly(Op::kSyncLog, 1, EIO);
  Ring& ring = log.open();
  std::vector<std::future<bool>> syncs;
  for (int t = 0; t < 4; ++t) {
    syncs.push_back(std::async(std::launch::async, [&] {
      if (!ring.admit(10)) return false;
      const Lsn end = ring.write(ring.reserve(10), "0123456789");
      return ring.sync(end).has_value();
    }));
  }
  for (auto& sync : syncs) BOOST_CHECK(!sync.get());
  BOOST_CHECK_EQUAL(log.disk->count(Op::kSyncLog), 1u);
}

BOOST_AUTO_TEST_CASE(poison_wakes_those_who_wait_for_room) {
  TestLog log(kBytes);
  std::atomic<int> asked{0};
  Ring& ring = log.open({.on_pressure = [&] { ++asked; }});
  const std::string payload(1024 - sizeof(DiskRecordHeader), 'x');
  for (int i = 0; i < 16; ++i) log.append(payload);
  auto writer = std::async(std::launch::async, [&] { return ring.admit(1).has_value(); });
  while (asked < 2) std::this_thread::yield();
  ring.poison(Error(Code::kIo, "the device is gone"));
  BOOST_CHECK(!writer.get());
  BOOST_CHECK(ring.poison_error().text().find("the device is gone") != std::string::npos);
}

// ---- all at once

// A record of the stress: who wrote it, its number, and bytes that follow from both.
std::string stress_payload(std::uint64_t thread, std::uint64_t number) {
  const std::uint64_t mix = (thread + 1) * 0x9e3779b97f4a7c15ULL + number * 0xbf58476d1ce4e5b9ULL;
  std::string payload(16 + (mix >> 40) % 400, static_cast<char>(mix >> 8));
  std::memcpy(payload.data(), &thread, 8);
  std::memcpy(payload.data() + 8, &number, 8);
  return payload;
}

// Checks the published records from `from` on and returns where they end.
Lsn check_published(const TestLog& log, Lsn from, Lsn to, std::vector<std::uint64_t>& next) {
  while (from < to) {
    const std::byte* const record = log.memory + position_of(from) % log.capacity;
    DiskRecordHeader header;
    std::memcpy(&header, record, sizeof header);
    BOOST_REQUIRE_EQUAL(header.seal.get(), record_seal(position_of(from), 1));
    BOOST_REQUIRE_EQUAL(header.lsn.get(), position_of(from));
    const std::string payload(reinterpret_cast<const char*>(record + sizeof header),
                              header.payload_size);
    std::uint64_t thread = 0;
    std::memcpy(&thread, payload.data(), 8);
    BOOST_REQUIRE_LT(thread, next.size());
    BOOST_REQUIRE(payload == stress_payload(thread, next[thread]));
    ++next[thread];
    from = from + record_bytes(payload.size());
  }
  return from;
}

BOOST_AUTO_TEST_CASE(many_writers_on_a_small_ring_publish_every_record_whole_and_in_order) {
  constexpr std::uint64_t kThreads = 6;
  constexpr std::uint64_t kRecords = 3000;
  TestLog log(kBytes, test::test_seed());
  Ring& ring = log.open({.commit_interval_ms = 1});
  std::atomic<std::uint64_t> done{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(test::test_seed() + t);
      for (std::uint64_t i = 0; i < kRecords; ++i) {
        const std::string payload = stress_payload(t, i);
        bool ok = ring.admit(payload.size()).has_value();
        if (random() % 8 == 0) {
          ring.cancel(payload.size());
          ok = ok && ring.admit(payload.size()).has_value();
        }
        const Lsn at = ring.reserve(payload.size());
        if (random() % 8 == 0) std::this_thread::yield();
        const Lsn end = ring.write(at, payload);
        ring.wait_published(end);
        ok = ok && ring.published() >= end && end <= ring.tail();
        if (random() % 64 == 0) ok = ok && ring.sync(end).has_value() && ring.durable() >= end;
        if (!ok) std::abort();
      }
      ++done;
    });
  }
  std::vector<std::uint64_t> next(kThreads);
  Lsn checked{};
  while (done < kThreads || checked < ring.tail()) {
    checked = check_published(log, checked, ring.published(), next);
    BOOST_REQUIRE_LE(ring.used(), kBytes);
    ring.trim(checked);
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_CHECK(std::ranges::all_of(next, [](std::uint64_t n) { return n == kRecords; }));
  BOOST_CHECK_EQUAL(ring.used(), 0u);
}

}  // namespace
}  // namespace holt::wal
