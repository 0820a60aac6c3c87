// Goal: a checkpoint that fails at any phase loses nothing, a failed sync makes the store read-only
// and says so, and a failed read is an error that passes.
// Crash model: sim_storage.h; one operation of the device fails, and later the machine or its
// process ends.
// Method: a seeded history by one thread (history.h) around each fault. HOLT_TEST_SEED repeats a
// run.
#include <boost/test/unit_test.hpp>

#include "tests/engine/history.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

struct Fault {
  Op op;
  std::uint64_t nth;  // in the course of one checkpoint
  int err;
};

// Enough dirty blobs that their images are written in more than one group.
void fill(History& history) {
  BOOST_REQUIRE(history.open());
  history.apply_random(600);
  history.checkpoint();
  // Not so many that a checkpoint starts by itself.
  while (history.store().stats().dirty_blobs <= 10) history.apply_random(20);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_checkpoint_that_cannot_write_loses_nothing_and_a_later_one_succeeds) {
  const Fault faults[] = {{Op::kWriteSlots, 1, ENOSPC},
                          {Op::kWriteSlots, 2, ENOSPC},
                          {Op::kWriteSlots, 2, EIO},
                          {Op::kWriteArea, 1, ENOSPC},
                          {Op::kWriteArea, 1, EIO}};
  std::uint64_t seed = test_seed() + 600;
  for (const Fault& fault : faults) {
    for (const bool crash_at_once : {false, true}) {
      BOOST_TEST_CONTEXT("seed " << ++seed << ", operation " << static_cast<int>(fault.op)) {
        History history(seed, 6000, 32u << 20);
        fill(history);
        history.disk().fail_nth(fault.op, fault.nth, fault.err);
        check_error(history.store().checkpoint(), fault.err == ENOSPC ? Code::kNoSpace : Code::kIo);
        BOOST_TEST(!history.store().stats().poisoned);
        if (!crash_at_once) {
          history.apply_random(50);
          history.check_reads();
          require_sound(history.store());
          history.sync();
          history.checkpoint();
          history.apply_random(50);
        }
        history.end(End::kCrash);
        BOOST_REQUIRE(history.restart());
        history.check_recovered();
        live_on_and_end(history, End::kKill);
      }
    }
  }
}

namespace {

void check_read_only(History& history) {
  Store& store = history.store();
  BOOST_TEST(store.stats().poisoned);
  const auto refused = store.put("key", "value");
  check_error(refused, Code::kReadOnly);
  BOOST_TEST(refused.error().text().find("read-only since its log failed") != std::string::npos);
  check_error(store.erase("key"), Code::kReadOnly);
  history.check_reads();
  require_sound(store);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_failed_sync_of_a_checkpoint_makes_the_store_read_only) {
  // The second area of a checkpoint is the superblock: once its write failed, nobody knows which
  // one is on disk.
  const Fault faults[] = {{Op::kSyncSlots, 1, EIO},
                          {Op::kSyncArea, 1, EIO},
                          {Op::kSyncArea, 2, EIO},
                          {Op::kWriteArea, 2, ENOSPC}};
  std::uint64_t seed = test_seed() + 700;
  for (const Fault& fault : faults) {
    for (const End end : {End::kCrash, End::kKill}) {
      for (int repeat = 0; repeat < 4; ++repeat) {
        BOOST_TEST_CONTEXT("seed " << ++seed << ", operation " << static_cast<int>(fault.op)) {
          History history(seed, 1000, 4u << 20);
          BOOST_REQUIRE(history.open());
          history.apply_random(100);
          history.sync();
          history.apply_random(100);
          history.disk().fail_nth(fault.op, fault.nth, fault.err);
          BOOST_TEST(!history.store().checkpoint().has_value());
          check_read_only(history);
          BOOST_TEST(!history.store().checkpoint().has_value());
          check_error(history.store().sync(), Code::kReadOnly);
          check_error(history.store().close(), Code::kReadOnly);
          history.end(end);
          BOOST_REQUIRE(history.restart());
          history.check_recovered();
          // What the failed sync dropped is gone only when power is.
          live_on_and_end(history, End::kCrash);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_failed_sync_of_the_log_makes_the_store_read_only) {
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t seed = test_seed() + 800 + i;
    BOOST_TEST_CONTEXT("seed " << seed) {
      History history(seed, 300);
      BOOST_REQUIRE(history.open());
      history.apply_random(100);
      history.sync();
      history.apply_random(100);
      history.disk().fail_nth(Op::kSyncLog, 1, EIO);
      const auto failed = history.store().sync();
      check_error(failed, Code::kReadOnly);
      check_error(history.store().sync(), Code::kReadOnly);
      check_read_only(history);
      // Blobs may still be written, and then the log is not needed.
      if (i % 3 == 0) history.checkpoint();
      check_error(history.store().sync(), Code::kReadOnly);
      check_error(history.store().close(), Code::kReadOnly);
      history.end(i % 2 == 0 ? End::kCrash : End::kKill);
      BOOST_REQUIRE(history.restart());
      history.check_recovered();
      live_on_and_end(history, End::kCrash);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_read_that_fails_is_an_error_and_works_again_later) {
  const std::uint64_t seed = test_seed() + 900;
  History history(seed, 6000, 32u << 20);
  fill(history);
  history.reopen();
  std::size_t failed = 0;
  for (int i = 0; i < 30; ++i) {
    history.disk().fail_nth(Op::kReadSlot, 1, i % 2 == 0 ? EIO : kShortRead);
    Cursor cursor = history.store().scan({.prefix = {}, .after = {}, .delimiter = std::nullopt});
    Result<bool> more = true;
    while (more && *more) more = cursor.next();
    if (!more) check_error(more, Code::kIo), ++failed;
    if (i % 10 == 9) history.reopen();
  }
  BOOST_TEST(failed >= 3U);
  history.check_reads();
  require_sound(history.store());
}
