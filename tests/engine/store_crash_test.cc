// Goal: after a crash the store holds a prefix of the history of batches that contains everything
// synced; after the death of the process alone it holds everything acknowledged.
// Crash model: sim_storage.h. Power fails at any sync point, before or after the device has done
// it, during recovery too; at a power loss unsynced sectors are kept, lost and torn at random.
// Method: a seeded history by one thread. An exhaustive sweep cuts a short one at every sync point;
// long ones are cut at random places. The oracle replays the batches one by one and the recovered
// store must equal one of its states. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include "tests/engine/history.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

// What each point of the sweep cuts: every way of making something durable, on few batches.
void live_shortly(History& history) {
  const auto steps = [&](auto... step) {
    const auto one = [&](auto&& run) {
      if (history.ended()) return;
      history.apply_random(6);
      if (!history.ended()) run();
    };
    (one(step), ...);
  };
  if (!history.open()) return;
  steps([&] { history.sync(); }, [&] { history.checkpoint(); }, [&] { history.sync(); },
        [&] { history.reopen(); }, [&] { history.checkpoint(); },
        [&] { history.disk().write_back_log(0.5); }, [&] { history.sync(); },
        [&] { history.apply_random(6); });
}

// Points 1, 2, ... until the history runs through. Returns how many there are.
std::uint64_t sweep(std::uint64_t seed, End how, std::uint64_t first_in_recovery,
                    std::uint64_t last_in_recovery) {
  for (std::uint64_t point = 1;; ++point) {
    for (std::uint64_t again = first_in_recovery; again <= last_in_recovery; ++again) {
      BOOST_TEST_CONTEXT("seed " << seed << ", sync point " << point << ", in recovery " << again) {
        History history(seed, 200);
        history.end_at(point, how);
        live_shortly(history);
        if (!history.point_reached()) return point - 1;
        if (!history.restart(again, how)) BOOST_REQUIRE(history.restart());
        history.check_recovered();
        live_on_and_end(history, how);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(power_loss_at_every_sync_point_leaves_a_prefix_with_all_that_was_synced) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    BOOST_TEST(sweep(test_seed() + i, End::kCrash, 0, 0) >= 30U);
  }
}

BOOST_AUTO_TEST_CASE(process_death_at_every_sync_point_leaves_everything_acknowledged) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    BOOST_TEST(sweep(test_seed() + 100 + i, End::kKill, 0, 0) >= 30U);
  }
}

BOOST_AUTO_TEST_CASE(power_loss_at_every_sync_point_of_recovery_from_every_power_loss) {
  BOOST_TEST(sweep(test_seed() + 200, End::kCrash, 1, 9) >= 30U);
}

BOOST_AUTO_TEST_CASE(process_death_and_then_power_loss_leaves_everything_once_reopened) {
  const std::uint64_t seed = test_seed() + 300;
  std::uint64_t in_recovery = 0;
  for (std::uint64_t point = 1;; point += in_recovery == 0 ? 1 : 0) {
    BOOST_TEST_CONTEXT("seed " << seed << ", sync point " << point << ", in recovery "
                               << in_recovery) {
      History history(seed + 10 * in_recovery, 200);
      history.end_at(point, End::kKill);
      live_shortly(history);
      if (!history.point_reached()) return;
      // Recovery works on what the dead process left in the page cache; then that is lost.
      if (history.restart(in_recovery, End::kCrash)) {
        history.check_recovered();
        live_on_and_end(history, End::kCrash);
      } else {
        BOOST_REQUIRE(history.restart());
        history.check_recovered();
      }
    }
    in_recovery = (in_recovery + 1) % 10;
  }
}

BOOST_AUTO_TEST_CASE(long_lives_on_a_disk_that_fills_survive_ends_at_any_moment) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::uint64_t seed = test_seed() + 400 + i;
    History history(seed, 3000, 4u << 20);
    RandomKeys dice(seed);
    BOOST_REQUIRE(history.open());
    for (int life = 0; life < 12; ++life) {
      BOOST_TEST_CONTEXT("seed " << seed << ", life " << life) {
        const End how = dice.chance(2) ? End::kCrash : End::kKill;
        history.end_at(dice.below(80), how);
        history.fill_disk(dice.chance(3) ? 0.3 : 0);
        for (std::uint64_t step = dice.below(60); step > 0 && !history.ended(); --step) {
          history.live();
        }
        // Once there is room again, every frame can be written and so every blob read.
        history.fill_disk(0);
        if (!history.ended()) history.checkpoint();
        if (!history.ended()) history.check_reads();
        if (!history.ended()) history.end(how);
        // Recovery ends in a crash now and then, too.
        while (!history.restart(dice.below(12), dice.chance(2) ? End::kCrash : End::kKill)) {
        }
        history.check_recovered();
      }
    }
  }
}

// Counters, because adding twice shows.
BOOST_AUTO_TEST_CASE(checkpoints_amid_replay_apply_no_record_twice) {
  const std::uint64_t seed = test_seed() + 500;
  History history(seed, 0, 8u << 20);
  RandomKeys dice(seed);
  constexpr std::uint64_t kCounters = 1700;
  const auto name = [](std::uint64_t i) { return "counter/" + std::to_string(i * 7919 % 10007); };
  BOOST_REQUIRE(history.open());
  for (std::uint64_t i = 0; i < kCounters; ++i) {
    Batch batch;
    batch.put(name(i), std::string(4000, '\0'));
    history.apply(batch);
  }
  for (int round = 0; round < 6; ++round) {
    BOOST_TEST_CONTEXT("seed " << seed << ", round " << round) {
      history.checkpoint();
      history.fill_disk(
          1);  // so that the log grows to more than recovery can do without a checkpoint
      for (int i = 0; i < 8000; ++i) {
        Batch batch;
        batch.add(name(dice.below(kCounters)), 8 * dice.below(4), 1);
        history.apply(batch);
      }
      history.sync();
      history.fill_disk(0);
      history.end(dice.chance(2) ? End::kCrash : End::kKill);
      // A slow recovery makes one checkpoint after another: it would hardly get through for ever.
      for (int ends = 4; ends > 0; --ends) {
        const End again = dice.chance(2) ? End::kCrash : End::kKill;
        if (history.restart(1 + dice.below(12), again)) break;
      }
      if (history.ended()) BOOST_REQUIRE(history.restart());
      history.check_complete();
    }
  }
  BOOST_TEST(history.store().stats().blobs > history.store().stats().frames / 2);
}
