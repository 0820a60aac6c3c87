// A seeded history of batches on a simulated device that ends by crashes and kills, and what a
// recovered store may hold.
#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <vector>

#include "tests/engine/store_support.h"

namespace holt::test {

using sim::Op;
using sim::SimDisk;

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

// After a restart: more batches behind a log that may be torn, and the machine ends once more.
inline void live_on_and_end(History& history, End how) {
  history.apply_random(8);
  if (history.random().keys().chance(2)) history.sync();
  history.apply_random(8);
  history.end(how);
  BOOST_REQUIRE(history.restart());
  history.check_recovered();
}

}  // namespace holt::test
