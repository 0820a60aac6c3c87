// Goal: things become durable in the right order: the log before its place is used again, a record
// before its batch is acknowledged, a checkpoint before what it replaces is given up; and a log
// that failed loses nothing that a checkpoint can still save.
// Crash model: sim_storage.h: power fails or the process dies at a sync point or amid many writers.
// Method: a hook looks at the store at every sync point of one checkpoint; writers count what was
// acknowledged and one of them ends the process. HOLT_TEST_SEED repeats the choices.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <deque>
#include <thread>

#include <fmt/format.h>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

// Roomy, so that no checkpoint starts by itself.
Options roomy_options() {
  Options options = small_options(16u << 20);
  options.cache_bytes = 64u << 20;
  return options;
}

// A store on a simulated device, and what it must hold.
struct Life {
  explicit Life(std::uint64_t seed, Options some_options = roomy_options())
      : disk(SimDisk::create(seed)), options(some_options), random(seed, 3000) {
    open();
  }
  ~Life() { disk->on_sync({}); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  void open() {
    store.reset();
    store = value_of(Store::open(disk->attach(), options));
  }
  void apply_random(int count) {
    for (int i = 0; i < count; ++i) {
      const Batch batch = random.next();
      if (store->apply(batch)) oracle.apply(batch);
    }
  }
  void check_complete() const {
    BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
    require_sound(*store);
  }

  std::shared_ptr<SimDisk> disk;
  Options options;
  RandomBatches random;
  Oracle oracle;
  std::unique_ptr<Store> store;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_checkpoint_gives_nothing_up_before_its_superblock_is_durable) {
  Life life(test_seed());
  life.apply_random(1500);
  require_ok(life.store->checkpoint());
  life.apply_random(300);
  const Stats before = life.store->stats();
  BOOST_REQUIRE_GT(before.log_used, 0U);
  BOOST_REQUIRE((before.durable < before.applied));
  struct Seen {
    Op op;
    Stats stats;
  };
  std::vector<Seen> seen;
  life.disk->on_sync([&](Op op, bool) { seen.push_back({op, life.store->stats()}); });
  require_ok(life.store->checkpoint());
  life.disk->on_sync({});
  // Slots, map, superblock, each before and after.
  BOOST_REQUIRE_EQUAL(seen.size(), 6U);
  BOOST_TEST((seen[0].op == Op::kSyncSlots && seen[5].op == Op::kSyncArea));
  std::uint64_t slots = before.slots_in_use;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    BOOST_TEST_CONTEXT("sync point " << i) {
      const Stats& now = seen[i].stats;
      BOOST_TEST(now.log_used == before.log_used);  // K1
      BOOST_TEST((now.durable == before.durable));
      BOOST_TEST((now.checkpointed == before.checkpointed));
      BOOST_TEST(now.slots_in_use >= slots);  // C1
      slots = now.slots_in_use;
    }
  }
  const Stats after = life.store->stats();
  BOOST_TEST(after.log_used == 0U);
  BOOST_TEST((after.durable == after.applied));
  BOOST_TEST(after.slots_in_use < slots);
}

BOOST_AUTO_TEST_CASE(after_a_checkpoint_that_could_not_write_its_map_the_next_may_end_anywhere) {
  std::uint64_t points = 0;
  for (bool ended = true; ended; ++points) {
    BOOST_TEST_CONTEXT("sync point " << points) {
      Life life(test_seed() + 1);
      life.apply_random(300);
      require_ok(life.store->checkpoint());
      life.apply_random(100);
      life.store->maintain();
      life.disk->fail_nth(Op::kWriteArea, 1, ENOSPC);
      check_error(life.store->checkpoint(), Code::kNoSpace);
      life.apply_random(100);
      require_ok(life.store->sync());
      std::uint64_t left = points;
      ended = false;
      life.disk->on_sync([&](Op, bool) {
        if (left == 0 && !ended) ended = true, life.disk->crash();
        --left;
      });
      const bool written = life.store->checkpoint().has_value();
      BOOST_TEST(written == !ended);
      life.disk->on_sync({});
      if (!ended) life.disk->crash();
      life.open();
      life.check_complete();
      // What the failed ones wrote is not in the way.
      life.apply_random(50);
      require_ok(life.store->checkpoint());
      life.disk->crash();
      life.open();
      life.check_complete();
    }
  }
  BOOST_TEST(points == 7U);
}

namespace {

constexpr int kWriters = 16;

struct Writer {
  std::atomic<int> acknowledged{0};
  int certain = 0;  // when the process died
};

std::string key_of(int writer, int i) { return fmt::format("{:02}/{:05}", writer, i); }
std::string value_of_key(int writer, int i) {
  return std::string(60000, static_cast<char>('a' + (writer + i) % 26));
}

}  // namespace

// A record that is whole may lie behind one that is still being copied.
BOOST_AUTO_TEST_CASE(what_was_acknowledged_amid_many_writers_survives_the_process) {
  const Options options = roomy_options();
  for (int round = 0; round < 15; ++round) {
    auto disk = SimDisk::create(test_seed() + static_cast<std::uint64_t>(round));
    auto store = value_of(Store::open(disk->attach(), options));
    std::deque<Writer> writers(kWriters);
    std::atomic<int> until_death{60 + round};
    std::atomic<bool> dead{false};
    {
      std::vector<std::jthread> threads;
      for (int number = 0; number < kWriters; ++number) {
        threads.emplace_back([&, number] {
          for (int i = 0; !dead; ++i) {
            if (!store->put(key_of(number, i), value_of_key(number, i))) return;
            ++writers[static_cast<std::size_t>(number)].acknowledged;
            if (--until_death != 0) continue;
            for (Writer& writer : writers) writer.certain = writer.acknowledged;
            disk->kill();
            dead = true;
          }
        });
      }
    }
    store.reset();
    store = value_of(Store::open(disk->attach(), options));
    std::string value;
    for (int number = 0; number < kWriters; ++number) {
      for (int i = 0; i < writers[static_cast<std::size_t>(number)].certain; ++i) {
        BOOST_TEST_CONTEXT("round " << round << ", key " << key_of(number, i)) {
          require_ok(store->get(key_of(number, i), value));
          BOOST_REQUIRE(value == value_of_key(number, i));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_commit_timer_makes_batches_durable_by_itself) {
  Options options = small_options();
  options.commit_interval_ms = 1;
  Life life(test_seed() + 2, options);
  for (int i = 0; i < 20; ++i) {
    const std::string key = fmt::format("key {}", i);
    const Lsn end = value_of(life.store->put(key, "value"));
    while (life.store->stats().durable < end) std::this_thread::yield();
    life.disk->crash();
    life.open();
    std::string value;
    require_ok(life.store->get(key, value));
  }
}

BOOST_AUTO_TEST_CASE(closing_after_a_failed_sync_of_the_log_saves_what_was_applied) {
  for (std::uint64_t i = 0; i < 10; ++i) {
    Life life(test_seed() + 3 + i);
    life.apply_random(200);
    life.disk->fail_nth(Op::kSyncLog, 1, EIO);
    check_error(life.store->sync(), Code::kReadOnly);
    check_error(life.store->close(), Code::kReadOnly);
    life.disk->crash();
    life.open();
    life.check_complete();
  }
}

BOOST_AUTO_TEST_CASE(who_asked_is_told_once_why_the_store_turned_read_only) {
  std::atomic<int> calls{0};
  std::string text;
  Options options = small_options();
  options.on_poison = [&](const Error& cause) {
    ++calls;
    text = cause.to_string();
  };
  Life life(test_seed() + 20, options);
  life.apply_random(20);
  BOOST_TEST(calls == 0);
  life.disk->fail_nth(Op::kSyncLog, 1, EIO);
  check_error(life.store->sync(), Code::kReadOnly);
  BOOST_TEST(calls == 1);
  BOOST_TEST(text.find("a sync failed (simulated)") != std::string::npos, text);
  life.disk->fail_nth(Op::kSyncLog, 1, EIO);
  check_error(life.store->sync(), Code::kReadOnly);
  life.disk->fail_nth(Op::kSyncSlots, 1, EIO);
  BOOST_TEST(!life.store->checkpoint().has_value());
  BOOST_TEST(!life.store->close().has_value());
  BOOST_TEST(calls == 1);
}
