// Goal: a ticker calls again and again until it is destroyed, and at once when it is asked to.
// Method: the calls release a semaphore, and nothing depends on how long anything takes.
#include "fs/ticker.h"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <semaphore>

using holtfs::Ticker;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(it_calls_again_and_again) {
  std::counting_semaphore<> called(0);
  Ticker ticker(1ms, [&] { called.release(); });
  for (int i = 0; i < 5; ++i) called.acquire();
}

BOOST_AUTO_TEST_CASE(soon_does_not_wait_for_the_interval) {
  std::counting_semaphore<> called(0);
  Ticker ticker(24h, [&] { called.release(); });
  for (int i = 0; i < 5; ++i) {
    ticker.soon();
    called.acquire();
  }
}

BOOST_AUTO_TEST_CASE(the_end_does_not_wait_for_the_interval_either) {
  const Ticker ticker(24h, [] { BOOST_ERROR("called before the interval was over"); });
}

BOOST_AUTO_TEST_CASE(the_end_waits_for_the_call_under_way) {
  std::binary_semaphore begun(0), go_on(0);
  std::atomic<bool> over{false};
  std::thread other;
  {
    Ticker ticker(24h, [&] {
      begun.release();
      go_on.acquire();
      over = true;
    });
    ticker.soon();
    begun.acquire();
    other = std::thread([&] { go_on.release(); });
  }
  BOOST_TEST(over);
  other.join();
}
