// Goal: after a crash the store holds a prefix of the history of batches that contains everything
// synced; after the death of the process alone it holds everything acknowledged; a checkpoint that
// fails at any phase loses nothing, and a failed sync makes the store read-only and says so.
// Crash model: sim_storage.h. Power fails at any sync point, before or after the device has done
// it, during recovery too; at a power loss unsynced sectors are kept, lost and torn at random.
// Method: a seeded history by one thread. An exhaustive sweep cuts a short one at every sync point;
// long ones are cut at random places. The oracle replays the batches one by one and the recovered
// store must equal one of its states. HOLT_TEST_SEED repeats a run.
#define BOOST_TEST_MODULE store_crash
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

enum class End : std::uint8_t { kCrash, kKill };

// A store, the batches it accepted, and how many of them a crash must leave.
class History {
 public:
  History(std::uint64_t seed, std::size_t value_limit, std::uint64_t wal_bytes = 1u << 20)
      : disk_(SimDisk::create(seed)),
        options_(small_options(wal_bytes)),
        random_(seed, value_limit) {}
  ~History() {
    disk_->on_sync({});
    store_.reset();
  }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  SimDisk& disk() { return *disk_; }
  Store& store() { return *store_; }
  RandomBatches& random() { return random_; }
  bool ended() const { return ended_; }

  // Ends the machine or its process at the nth sync point from now on; 0: never.
  void end_at(std::uint64_t point, End how) {
    left_ = point;
    disk_->on_sync([this, how](Op, bool) {
      if (left_ == 0 || --left_ != 0) return;
      end(how);
    });
  }
  void end(End how) {
    // Counted before: what is acknowledged while the process dies may or may not be there.
    power_lost_ = power_lost_ || how == End::kCrash;
    in_page_cache_ = power_lost_ ? 0 : acknowledged_.load();
    ended_ = true;
    how == End::kKill ? disk_->kill() : disk_->crash();
  }
  bool point_reached() const { return left_ == 0; }

  // False when the machine ended meanwhile.
  bool open() {
    auto opened = Store::open(disk_->attach(), options_);
    // Opening writes a checkpoint, for which a disk that fills has no room now and then.
    while (!opened && !ended_ && disk_fills_ && opened.error().code() == Code::kNoSpace) {
      opened = Store::open(disk_->attach(), options_);
    }
    if (opened) store_ = std::move(*opened);
    if (!ended_) require_ok(opened);
    return !ended_;
  }

  void apply(const Batch& batch) {
    const auto applied = store_->apply(batch);
    if (!applied) return check_rejected(applied.error());
    batches_.push_back(batch);
    acknowledged_ = batches_.size();
  }
  void apply_random(int count) {
    for (int i = 0; i < count && !ended_; ++i) apply(random_.next());
  }
  void sync() { settle(store_->sync()); }
  void checkpoint() { settle(store_->checkpoint()); }
  void reopen() {
    settle(store_->close());
    if (!ended_) disk_->kill();  // an orderly exit; whatever close() did is certain
    store_.reset();
    if (!ended_) open();
  }

  // Some writes of blobs fail from now on, or none any more.
  void fill_disk(double p) {
    disk_fills_ = p > 0;
    disk_->fail_randomly(Op::kWriteSlots, p, ENOSPC);
  }

  // One step of a random life.
  void live() {
    switch (random_.keys().below(12)) {
      case 0:
      case 1: return sync();
      case 2: return checkpoint();
      case 3: return random_.keys().chance(2) ? reopen() : store_->maintain();
      case 4: return disk_->write_back_log(0.5);
      default: return apply_random(1 + static_cast<int>(random_.keys().below(20)));
    }
  }

  // The machine starts again, perhaps to end in the midst of recovery; false then.
  bool restart(std::uint64_t end_at_point = 0, End how = End::kCrash) {
    store_.reset();
    ended_ = false;
    end_at(end_at_point, how);
    open();
    left_ = 0;  // a point that recovery did not reach must not strike while the result is looked at
    return !ended_;
  }

  // The recovered store equals a state that it may have; the history goes on from there.
  void check_recovered() {
    const Oracle::Map found = scan_all(*store_);
    const std::optional<std::size_t> prefix = find_prefix(found);
    BOOST_REQUIRE_MESSAGE(prefix.has_value(), "no prefix of " << batches_.size()
                                                              << " batches that holds the first "
                                                              << certain() << " gives this store");
    const VerifyReport report = require_sound(*store_);
    BOOST_REQUIRE_EQUAL(report.keys, found.size());
    for (std::size_t i = 0; i < *prefix; ++i) base_.apply(batches_[i]);
    batches_.clear();
    acknowledged_ = 0;
    synced_ = 0;
    in_page_cache_ = 0;
    power_lost_ = false;
  }
  // The open store holds every batch it accepted.
  void check_reads() const {
    Oracle state = base_;
    for (const Batch& batch : batches_) state.apply(batch);
    BOOST_REQUIRE(same_maps(scan_all(*store_), state.map()));
    std::string value;
    for (const auto& [key, expected] : state.map()) {
      require_ok(store_->get(key, value));
      BOOST_REQUIRE(value == expected);
    }
  }
  // Nothing may be missing.
  void check_complete() {
    synced_ = batches_.size();
    check_recovered();
  }

 private:
  std::size_t certain() const { return std::max<std::size_t>(synced_, in_page_cache_); }

  void settle(const Result<void>& outcome) {
    if (outcome) {
      synced_ = batches_.size();
    } else if (!ended_ && !(disk_fills_ && outcome.error().code() == Code::kNoSpace)) {
      require_ok(outcome);
    }
  }

  void check_rejected(const Error& error) const {
    const Code code = error.code();
    if (ended_ || (disk_fills_ && code == Code::kNoSpace)) return;
    BOOST_REQUIRE_MESSAGE(code == Code::kNotFound || code == Code::kExists ||
                              code == Code::kInvalid || code == Code::kPrecondition,
                          error.to_string());
  }

  std::optional<std::size_t> find_prefix(const Oracle::Map& found) const {
    Oracle state = base_;
    std::optional<std::size_t> match;
    for (std::size_t i = 0;; ++i) {
      if (i >= certain() && state.map() == found) match = i;
      if (i == batches_.size()) break;
      state.apply(batches_[i]);
    }
    if (!match) same_maps(found, state.map());
    return match;
  }

  std::shared_ptr<SimDisk> disk_;
  Options options_;
  RandomBatches random_;
  std::unique_ptr<Store> store_;
  Oracle base_;                 // what is certain since the last restart
  std::vector<Batch> batches_;  // accepted since
  std::size_t synced_ = 0;      // of them, those that survive a power loss
  std::atomic<std::size_t> in_page_cache_{
      0};  // those that outlived the process, until a power loss
  std::atomic<std::size_t> acknowledged_{0};
  std::atomic<std::uint64_t> left_{0};
  std::atomic<bool> power_lost_{false};  // since the last recovery
  std::atomic<bool> ended_{false};
  bool disk_fills_ = false;
};

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

// After a restart: more batches behind a log that may be torn, and the machine ends once more.
void live_on_and_end(History& history, End how) {
  history.apply_random(8);
  if (history.random().keys().chance(2)) history.sync();
  history.apply_random(8);
  history.end(how);
  BOOST_REQUIRE(history.restart());
  history.check_recovered();
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
