// Goal: threads that want the same blobs, or blobs that keep changing, all get through.
// Crash model: none.
// Method: loads that stand still, or never end, when latches are taken in another order than that
// of their frames, or when a reader that lost too often does not latch. The test's time limit is
// what fails then.
#include <boost/test/unit_test.hpp>

#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

std::string key_of(std::uint64_t i) { return fmt::format("{:04}", i); }

}  // namespace

BOOST_AUTO_TEST_CASE(batches_of_two_blobs_each_do_not_wait_for_each_other_in_a_circle) {
  constexpr std::uint64_t kKeys = 640;
  constexpr int kThreads = 8;
  constexpr int kBatches = 3000;
  auto disk = SimDisk::create(test_seed());
  const auto store = value_of(Store::open(disk->attach(), small_options(16u << 20)));
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    require_ok(store->put(key_of(i), std::string(60000, 'v')));
  }
  require_ok(store->checkpoint());
  BOOST_REQUIRE_GT(store->stats().blobs, 2 * store->stats().frames);
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> threads;
    for (int number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        RandomKeys dice(test_seed() + static_cast<std::uint64_t>(number));
        Batch batch;
        // Few blobs at a time, so that threads meet; others as time goes on, so that frames pass
        // from one blob to another.
        for (std::uint64_t i = 0; i < kBatches; ++i) {
          const auto one_of_some = [&] { return key_of((i / 8 * 5 + dice.below(100)) % kKeys); };
          batch.clear();
          batch.require(one_of_some());
          if (dice.chance(50)) {
            batch.patch(one_of_some(), 0, "p");
          } else {
            batch.require(one_of_some());
          }
          if (!store->apply(batch)) ++failed;
        }
      });
    }
  }
  BOOST_TEST(failed == 0);
  BOOST_TEST(store->stats().evictions > 500U);
  require_sound(*store);
}

namespace {

constexpr std::uint64_t kWriters = 2;
std::atomic<std::uint64_t> written{0};
timer_t next_interruption{};
long interruption_ns = 10'000;

void interrupt_soon() {
  const struct itimerspec once = {.it_interval = {},
                                  .it_value = {.tv_sec = 0, .tv_nsec = interruption_ns}};
  ::timer_settime(next_interruption, 0, &once, nullptr);
}

// Gives the processor away until writers got something done since. When they do not for long, they
// wait for a latch of the thread that is interrupted here, which then goes on undisturbed.
void let_writers_in(int) {
  const int saved = errno;
  const std::uint64_t enough = written + kWriters + 1;
  int patience = 500;
  while (written < enough && --patience > 0) ::poll(nullptr, 0, 1);
  if (patience > 0) interrupt_soon();
  errno = saved;
}

// While it lives, this thread is interrupted several times in each walk of a large blob, of which
// one takes `walk`, so that writers get in amid every one, however busy the machine is.
class Interruptions {
 public:
  explicit Interruptions(std::chrono::nanoseconds walk) {
    interruption_ns = std::clamp<long>(walk.count() / 8, 10'000, 500'000'000);
    struct sigaction action = {};
    action.sa_handler = let_writers_in;
    action.sa_flags = SA_RESTART;
    BOOST_REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
    struct sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event._sigev_un._tid = ::gettid();
    BOOST_REQUIRE(::timer_create(CLOCK_MONOTONIC, &event, &next_interruption) == 0);
    interrupt_soon();
  }
  ~Interruptions() {
    ::signal(SIGUSR1, SIG_IGN);
    ::timer_delete(next_interruption);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_scan_gets_through_blobs_that_change_all_the_time) {
  constexpr std::uint64_t kKeys = 3800;  // a blob's worth
  auto disk = SimDisk::create(test_seed() + 1);
  const auto store = value_of(Store::open(disk->attach(), small_options(32u << 20)));
  const auto key = [](std::uint64_t i) { return fmt::format("key/{:06}", i); };
  for (std::uint64_t i = 0; i < kKeys; ++i) require_ok(store->put(key(i), std::string(100, 'v')));
  const auto scan = [&] {
    std::uint64_t seen = 0;
    Cursor cursor =
        store->scan({.prefix = "key/", .after = {}, .delimiter = std::nullopt, .chunk = 4096});
    while (value_of(cursor.next())) ++seen;
    return seen;
  };
  std::chrono::nanoseconds walk = std::chrono::seconds(1);
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    BOOST_REQUIRE(scan() == kKeys);
    walk = std::min<std::chrono::nanoseconds>(walk, std::chrono::steady_clock::now() - start);
  }
  std::atomic<bool> done{false};
  std::atomic<int> failed{0};
  std::uint64_t seen = 0;
  {
    std::vector<std::jthread> writers;
    for (std::uint64_t number = 0; number < kWriters; ++number) {
      writers.emplace_back([&, number] {
        Batch batch;
        for (std::uint64_t i = number; !done; i += 7919) {
          batch.clear();
          batch.add(key(i % kKeys), 0, 1);
          if (!store->apply(batch)) ++failed;
          ++written;
        }
      });
    }
    const Interruptions interruptions(walk);
    seen = scan();
    done = true;
  }
  BOOST_TEST(failed == 0);
  BOOST_TEST(seen == kKeys);
}

BOOST_AUTO_TEST_CASE(a_scan_fetches_about_a_mebibyte_at_a_time_however_large_the_values) {
  constexpr std::uint64_t kKeys = 128;
  auto disk = SimDisk::create(test_seed() + 2);
  auto store = value_of(Store::open(disk->attach(), small_options(32u << 20)));
  const auto value = [](std::uint64_t i) {
    return std::string(kMaxValueBytes, static_cast<char>('a' + i % 26));
  };
  for (std::uint64_t i = 0; i < kKeys; ++i) require_ok(store->put(key_of(i), value(i)));
  require_ok(store->close());
  store.reset();
  store = value_of(Store::open(disk->attach(), small_options()));
  Cursor cursor = store->scan({.prefix = {}, .after = {}, .delimiter = std::nullopt});
  std::uint64_t read_by_one_step = 0;
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    const std::uint64_t before = store->stats().blob_reads;
    BOOST_REQUIRE(value_of(cursor.next()));
    read_by_one_step = std::max(read_by_one_step, store->stats().blob_reads - before);
    BOOST_REQUIRE_EQUAL(cursor.key(), key_of(i));
    BOOST_REQUIRE(cursor.value() == value(i));
  }
  BOOST_REQUIRE(!value_of(cursor.next()));
  // A blob holds seven of the values, or half as many.
  BOOST_TEST(read_by_one_step >= 2U);
  BOOST_TEST(read_by_one_step <= 7U);
}
