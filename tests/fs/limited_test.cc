// Goal: claims keep the limit exactly, with one thread and with many, and refuse nobody for whom
// there is room in the end.
#include "fs/limited.h"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <random>
#include <thread>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

using Claim = Limited::Claim;
constexpr auto kWait = holt::Wait::kYes, kNoWait = holt::Wait::kNo;
constexpr int kThreads = 8;

struct TenOfBoth {
  Limited room{{.blocks = 10, .inodes = 10}};
};

template <class Work>
void in_threads(Work work) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back([t, &work] { work(t); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(what_is_there_limits_what_is_claimed, TenOfBoth) {
  room.start({.blocks = 4, .inodes = 9});
  Claim a(room), b(room);
  BOOST_TEST(code(a.take({.blocks = 7}, kWait)) == ENOSPC);
  BOOST_TEST(code(a.take({.inodes = 2}, kWait)) == ENOSPC);
  BOOST_TEST(code(a.take({.blocks = 6, .inodes = 1}, kWait)) == 0);
  a.settle({.blocks = 6, .inodes = 1});
  BOOST_TEST(room.used().blocks == 10);
  BOOST_TEST(room.used().inodes == 10);
  BOOST_TEST(code(b.take({.blocks = 1}, kWait)) == ENOSPC);
  BOOST_TEST(code(b.take({.inodes = 1}, kWait)) == ENOSPC);
  BOOST_TEST(code(b.take({}, kWait)) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_claim_that_may_not_wait_says_so, TenOfBoth) {
  Claim a(room), b(room);
  BOOST_TEST(code(a.take({.blocks = 10}, kNoWait)) == 0);
  BOOST_TEST(code(b.take({.blocks = 1}, kNoWait)) == value_of(kWouldWait));
  BOOST_TEST(code(b.take_some(8, 2, kNoWait)) == value_of(kWouldWait));
  BOOST_TEST(code(b.take({.blocks = 11}, kNoWait)) == ENOSPC);
  a.settle({.blocks = 9});
  BOOST_TEST(code(b.take_some(8, 2, kNoWait)) == ENOSPC);
  BOOST_TEST(code(b.take({.blocks = 1}, kNoWait)) == 0);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_settled_is_given_back, TenOfBoth) {
  {
    Claim a(room);
    BOOST_TEST(code(a.take_some(10, 1, kWait)) == 0);
    a.confirm(7);
    BOOST_TEST(room.used().blocks == 7);
  }
  BOOST_TEST(room.used().blocks == 0);
  Claim b(room);
  BOOST_TEST(code(b.take({.blocks = 10, .inodes = 10}, kNoWait)) == 0);
}

BOOST_FIXTURE_TEST_CASE(some_is_as_much_as_there_is_in_whole_units, TenOfBoth) {
  room.start({.blocks = 1});
  Claim a(room);
  BOOST_TEST(*a.take_some(4, 4, kWait) == 4);
  a.confirm(4);
  BOOST_TEST(*a.take_some(100, 2, kWait) == 4);
  a.confirm(4);
  BOOST_TEST(code(a.take_some(100, 2, kWait)) == ENOSPC);
  BOOST_TEST(*a.take_some(100, 1, kWait) == 1);
  a.settle({.blocks = 9});
  BOOST_TEST(room.used().blocks == 10);
}

BOOST_FIXTURE_TEST_CASE(who_fits_once_others_have_settled_waits_for_them, TenOfBoth) {
  Claim a(room);
  BOOST_REQUIRE(a.take({.blocks = 10}, kWait));
  std::atomic<int> got = -1;
  std::thread waiting([&] {
    Claim b(room);
    got = code(b.take({.blocks = 6}, kWait));
  });
  a.settle({.blocks = 4});
  waiting.join();
  BOOST_TEST(got == 0);
}

BOOST_FIXTURE_TEST_CASE(who_waits_is_refused_once_nothing_is_left, TenOfBoth) {
  Claim a(room);
  BOOST_REQUIRE(a.take({.inodes = 10}, kWait));
  std::atomic<int> got = -1;
  std::thread waiting([&] {
    Claim b(room);
    got = code(b.take({.inodes = 1}, kWait));
  });
  a.settle({.inodes = 10});
  waiting.join();
  BOOST_TEST(got == ENOSPC);
}

BOOST_AUTO_TEST_CASE(without_limits_everything_fits) {
  Limited room({});
  Claim a(room), b(room);
  BOOST_TEST(code(a.take({.blocks = Limits::kNone, .inodes = Limits::kNone}, kNoWait)) == 0);
  BOOST_TEST(code(b.take_some(Limits::kNone, 8, kNoWait)) == 0);
  b.settle({.blocks = 5, .inodes = 1});
  BOOST_TEST(room.used().blocks == 5);
  BOOST_TEST(room.used().inodes == 1);
}

BOOST_AUTO_TEST_CASE(one_limit_leaves_the_other_open) {
  Limited room({.blocks = Limits::kNone, .inodes = 1});
  Claim a(room), b(room);
  BOOST_TEST(code(a.take({.blocks = 1 << 30, .inodes = 1}, kNoWait)) == 0);
  BOOST_TEST(code(b.take({.blocks = 1 << 30}, kNoWait)) == 0);
  BOOST_TEST(code(b.take_some(1 << 30, 8, kNoWait)) == 0);
}

BOOST_AUTO_TEST_CASE(sums_of_damaged_records_refuse_and_do_nothing_else) {
  Limited room({.blocks = 10, .inodes = 10});
  room.start({.blocks = -5, .inodes = Limits::kNone});
  Claim a(room);
  BOOST_TEST(room.used().blocks == 0);
  BOOST_TEST(code(a.take({.blocks = 11}, kWait)) == ENOSPC);
  BOOST_TEST(code(a.take({.inodes = 1}, kWait)) == ENOSPC);
}

// Nothing is given back here, so whoever is refused must find the limit reached exactly.
BOOST_AUTO_TEST_CASE(many_threads_reach_the_limit_and_none_is_refused_before) {
  constexpr std::int64_t kLimit = 5000;
  Limited room({.blocks = Limits::kNone, .inodes = kLimit});
  std::atomic<int> early = 0, above = 0;
  in_threads([&](int t) {
    std::mt19937 random(static_cast<unsigned>(t));
    while (true) {
      Claim claim(room);
      if (!claim.take({.inodes = 1}, kWait)) {
        early += room.used().inodes < kLimit;
        return;
      }
      if (random() % 2 == 0) claim.settle({.inodes = 1});
      above += room.used().inodes > kLimit;
    }
  });
  BOOST_TEST(early == 0);
  BOOST_TEST(above == 0);
  BOOST_TEST(room.used().inodes == kLimit);
}

BOOST_AUTO_TEST_CASE(large_claims_that_come_to_little_refuse_nobody_who_goes_by_parts) {
  constexpr std::int64_t kUnit = 8, kMost = 64, kLimit = 1000 * kUnit;
  Limited room({.blocks = kLimit, .inodes = Limits::kNone});
  std::atomic<int> early = 0, above = 0;
  in_threads([&](int t) {
    std::mt19937 random(static_cast<unsigned>(t));
    while (true) {
      Claim claim(room);
      const std::int64_t really = kUnit * (1 + random() % 3);
      if (claim.take({.blocks = kMost}, kWait)) {
        claim.settle({.blocks = really});
      } else {
        std::int64_t sum = 0;
        while (sum < really && claim.take_some(really - sum, kUnit, kWait)) {
          sum += kUnit;
          claim.confirm(kUnit);
        }
        claim.settle({.blocks = sum});
        if (sum < really) {
          early += room.used().blocks < kLimit;
          return;
        }
      }
      above += room.used().blocks > kLimit;
    }
  });
  BOOST_TEST(early == 0);
  BOOST_TEST(above == 0);
  BOOST_TEST(room.used().blocks == kLimit);
}

BOOST_AUTO_TEST_CASE(nameless_files_are_listed_until_they_are_removed) {
  Nameless files;
  files.add(Ino{3});
  files.add(Ino{5});
  files.add(Ino{3});
  files.remove(Ino{5});
  files.remove(Ino{7});
  const std::vector<Ino> list = files.list();
  BOOST_REQUIRE(list.size() == 1);
  BOOST_TEST(number_of(list.front()) == 3u);
}
