// Goal: many threads on one store each see their own writes, and nothing else under their keys,
// while blobs split, merge, are evicted, set aside for checkpoints and moved with whole subtrees.
// Crash model: at the end the process dies; everything acknowledged must be there.
// Method: each writer owns keys that lie between those of the others, and checks every read against
// an oracle of its own. A mover carries subtrees back and forth between two names; writers find
// their keys under one of them. A scanner must meet all keys that never change. The smallest cache
// on a larger store keeps frames scarce. Meant for ThreadSanitizer too. HOLT_TEST_SEED repeats the
// choices, though not the interleaving.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr int kScale = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr int kScale = 1;
#else
constexpr int kScale = 6;
#endif
#else
constexpr int kScale = 6;
#endif

constexpr int kWriters = 3;
constexpr int kBuckets = 600;
constexpr int kStablePerBucket = 2;
constexpr int kOpsPerWriter = 4000 * kScale;
constexpr std::size_t kValueBytes = 3000;

// Two subtrees that move: one inside a blob, one over several.
struct Tree {
  const char* names[2];
  std::size_t value_bytes;
};
constexpr Tree kMoving[] = {{{"m/a/", "z/far/away/"}, 30}, {{"m/b/", "c/"}, 9000}};
constexpr int kKeysPerTree = 120;  // of each writer

// What went wrong in any thread; the first few.
class Failures {
 public:
  bool expect(bool holds, std::string_view what) {
    if (holds) return true;
    const std::scoped_lock lock(mutex_);
    if (texts_.size() < 5) texts_.emplace_back(what);
    stop = true;
    return false;
  }
  void report() {
    for (const std::string& text : texts_) BOOST_ERROR(text);
    BOOST_REQUIRE(texts_.empty());
  }
  std::atomic<bool> stop{false};

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

std::string describe(std::string_view what, std::string_view key, const Result<void>& outcome) {
  return fmt::format("{} of {}: {}", what, key, outcome ? "ok" : outcome.error().to_string());
}

Result<void> no_value(const Result<Lsn>& result) {
  if (result) return {};
  return std::unexpected<Error>(result.error());
}

class Writer {
 public:
  Writer(int number, Store& store, Failures& failures, std::uint64_t seed)
      : number_(number), store_(store), failures_(failures), random_(seed) {}

  void run() {
    for (int i = 0; i < kOpsPerWriter && !failures_.stop; ++i) {
      if (i % 300 == 0) {
        first_bucket_ = static_cast<int>(random_.below(kBuckets));
        growing_ = !random_.chance(3);
      }
      step();
    }
  }

  const Oracle::Map& keys() const { return keys_; }
  // Keys of a moving tree, without its name.
  const Oracle::Map& moving(std::size_t tree) const { return moving_[tree]; }

 private:
  std::string prefix() {
    const std::uint64_t bucket =
        (static_cast<std::uint64_t>(first_bucket_) + random_.below(12)) % kBuckets;
    return fmt::format("k/{:03}/{}/", bucket, number_);
  }
  std::string key() { return fmt::format("{}{}", prefix(), random_.below(12)); }
  std::string value(std::size_t limit) {
    ++version_;
    return fmt::format("{} {} ", number_, version_) +
           std::string(random_.below(limit), static_cast<char>('a' + version_ % 26));
  }

  void step() {
    switch (random_.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3: return read(key());
      case 4: return list(prefix());
      case 5: return erase_all(growing_ && !random_.chance(4) ? key() : prefix());
      case 6: return put_many();
      case 7: return change_part(key());
      case 8:
      case 9: return read_moving();
      case 10:
      case 11: return write_moving();
      case 12: return erase_moving();
      default: return growing_ || random_.chance(4) ? put(key()) : erase(key());
    }
  }

  void put(const std::string& key) {
    const std::string fresh = value(kValueBytes);
    const auto done = no_value(store_.put(key, fresh));
    if (failures_.expect(done.has_value(), describe("put", key, done))) keys_[key] = fresh;
  }

  void erase(const std::string& key) {
    const auto done = no_value(store_.erase(key));
    const bool existed = keys_.erase(key) > 0;
    const bool right = existed ? done.has_value() : !done && done.error().code() == Code::kNotFound;
    failures_.expect(right, describe(existed ? "erase" : "erase of none", key, done));
  }

  void erase_all(const std::string& prefix) {
    Batch batch;
    batch.erase_prefix(prefix);
    const auto done = no_value(store_.apply(batch));
    if (!failures_.expect(done.has_value(), describe("erase_prefix", prefix, done))) return;
    auto at = keys_.lower_bound(prefix);
    while (at != keys_.end() && at->first.starts_with(prefix)) at = keys_.erase(at);
  }

  void put_many() {
    Batch batch;
    Oracle::Map fresh;
    for (int i = 0; i < 6; ++i) fresh[key()] = value(200);
    for (const auto& [key, value] : fresh) batch.put(key, value);
    const auto done = no_value(store_.apply(batch));
    if (!failures_.expect(done.has_value(), describe("put_many", fresh.begin()->first, done)))
      return;
    for (auto& [key, value] : fresh) keys_[key] = value;
  }

  void change_part(const std::string& key) {
    Batch batch;
    batch.patch(key, 0, "#");
    const auto done = no_value(store_.apply(batch));
    const auto at = keys_.find(key);
    if (failures_.expect(done.has_value() == (at != keys_.end()), describe("patch", key, done)) &&
        done) {
      at->second[0] = '#';
    }
  }

  void read(const std::string& key) {
    const auto done = store_.get(key, buffer_);
    const auto at = keys_.find(key);
    if (at == keys_.end()) {
      failures_.expect(!done && done.error().code() == Code::kNotFound,
                       describe("get of none", key, done));
    } else if (failures_.expect(done.has_value(), describe("get", key, done))) {
      failures_.expect(buffer_ == at->second, "another value under " + key);
    }
  }

  void list(const std::string& prefix) {
    Cursor cursor = store_.scan({.prefix = prefix, .after = {}, .delimiter = std::nullopt});
    auto at = keys_.lower_bound(prefix);
    for (;;) {
      const auto more = cursor.next();
      if (!failures_.expect(more.has_value(), "scan of " + prefix)) return;
      const bool expected = at != keys_.end() && at->first.starts_with(prefix);
      if (!failures_.expect(*more == expected, "a scan of another length: " + prefix)) return;
      if (!*more) return;
      failures_.expect(cursor.key() == at->first && cursor.value() == at->second,
                       "the scan gives another entry than " + at->first);
      ++at;
    }
  }

  // Tries an operation under both names of a tree until it finds it there.
  template <class Try>
  void under_either_name(std::size_t tree, const std::string& rest, Try&& attempt) {
    for (int i = 0; i < 100000; ++i) {
      if (failures_.stop || attempt(kMoving[tree].names[i % 2] + rest)) return;
    }
    failures_.expect(false, fmt::format("{} is under neither name of tree {}", rest, tree));
  }
  std::string moving_key() {
    return fmt::format("{:02}/{}", random_.below(kKeysPerTree) % 40,
                       number_ * kKeysPerTree + static_cast<int>(random_.below(3)));
  }

  void read_moving() {
    const std::size_t tree = random_.below(std::size(kMoving));
    if (moving_[tree].empty()) return;
    auto at = moving_[tree].lower_bound(moving_key());
    if (at == moving_[tree].end()) at = moving_[tree].begin();
    under_either_name(tree, at->first, [&](const std::string& key) {
      const auto done = store_.get(key, buffer_);
      if (done) failures_.expect(buffer_ == at->second, "another value under " + key);
      return done ||
             !failures_.expect(done.error().code() == Code::kNotFound, describe("get", key, done));
    });
  }

  void write_moving() {
    const std::size_t tree = random_.below(std::size(kMoving));
    const std::string rest = moving_key();
    const std::string fresh = value(kMoving[tree].value_bytes);
    under_either_name(tree, rest, [&](const std::string& key) {
      Batch batch;
      batch.require(key.substr(0, key.size() - rest.size()) + "anchor");
      batch.put(key, fresh);
      const auto done = no_value(store_.apply(batch));
      return done || !failures_.expect(done.error().code() == Code::kPrecondition,
                                       describe("put", key, done));
    });
    moving_[tree][rest] = fresh;
  }

  void erase_moving() {
    const std::size_t tree = random_.below(std::size(kMoving));
    auto at = moving_[tree].lower_bound(moving_key());
    if (at == moving_[tree].end()) return;
    under_either_name(tree, at->first, [&](const std::string& key) {
      const auto done = no_value(store_.erase(key));
      return done || !failures_.expect(done.error().code() == Code::kNotFound,
                                       describe("erase", key, done));
    });
    moving_[tree].erase(at);
  }

  const int number_;
  Store& store_;
  Failures& failures_;
  RandomKeys random_;
  Oracle::Map keys_;
  Oracle::Map moving_[std::size(kMoving)];
  std::string buffer_;
  std::uint64_t version_ = 0;
  int first_bucket_ = 0;
  bool growing_ = true;
};

// Keys that never change, between those that do.
Oracle::Map stable_keys() {
  Oracle::Map out;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    for (int i = 0; i < kStablePerBucket; ++i) {
      out[fmt::format("k/{:03}/{}s", bucket, i)] = std::string(12000, static_cast<char>('A' + i));
    }
  }
  return out;
}

void move_for_ever(Store& store, Failures& failures, const std::atomic<bool>& done, int (&at)[2]) {
  for (std::size_t tree = 0; !done && !failures.stop; tree = (tree + 1) % std::size(kMoving)) {
    Batch batch;
    batch.move(kMoving[tree].names[at[tree]], kMoving[tree].names[1 - at[tree]]);
    const auto moved = no_value(store.apply(batch));
    failures.expect(moved.has_value(), describe("move", kMoving[tree].names[at[tree]], moved));
    at[tree] = 1 - at[tree];
  }
}

void scan_for_ever(Store& store, Failures& failures, const std::atomic<bool>& done,
                   const Oracle::Map& stable) {
  while (!done && !failures.stop) {
    Cursor cursor = store.scan({.prefix = "k/", .after = {}, .delimiter = std::nullopt});
    auto at = stable.begin();
    std::string last;
    for (auto more = cursor.next();; more = cursor.next()) {
      if (!failures.expect(more.has_value(), "the long scan failed")) return;
      if (!*more) break;
      failures.expect(last < cursor.key(), "the long scan went back");
      last = cursor.key();
      if (at == stable.end() || last < at->first) continue;
      if (!failures.expect(last == at->first && cursor.value() == at->second,
                           "the long scan missed " + at->first)) {
        return;
      }
      ++at;
    }
    failures.expect(at == stable.end(), "the long scan ended early");
  }
}

void checkpoint_for_ever(Store& store, Failures& failures, const std::atomic<bool>& done) {
  while (!done && !failures.stop) {
    const auto written = store.checkpoint();
    failures.expect(written.has_value(), describe("checkpoint", "the store", written));
    store.maintain();
    const auto synced = store.sync();
    failures.expect(synced.has_value(), describe("sync", "the log", synced));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(threads_see_their_own_writes_and_nothing_else) {
  const std::uint64_t seed = test_seed();
  auto disk = SimDisk::create(seed);
  auto options = small_options(8u << 20);
  options.commit_interval_ms = 20;
  auto store = value_of(Store::open(disk->attach(), options));
  const Oracle::Map stable = stable_keys();
  Oracle::Map expected = stable;
  for (const auto& [key, value] : stable) require_ok(store->put(key, value));
  for (const Tree& tree : kMoving)
    require_ok(store->put(std::string(tree.names[0]) + "anchor", ""));

  Failures failures;
  std::vector<Writer> writers;
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back(i, *store, failures, seed + 1 + static_cast<std::uint64_t>(i));
  int moved_to[2] = {0, 0};
  std::atomic<bool> done{false};
  {
    std::vector<std::jthread> helpers;
    helpers.emplace_back([&] { move_for_ever(*store, failures, done, moved_to); });
    helpers.emplace_back([&] { scan_for_ever(*store, failures, done, stable); });
    helpers.emplace_back([&] { checkpoint_for_ever(*store, failures, done); });
    {
      std::vector<std::jthread> threads;
      for (Writer& writer : writers) threads.emplace_back([&] { writer.run(); });
    }
    done = true;
  }
  failures.report();

  for (const Writer& writer : writers) {
    expected.insert(writer.keys().begin(), writer.keys().end());
    for (std::size_t tree = 0; tree < std::size(kMoving); ++tree) {
      const std::string name = kMoving[tree].names[moved_to[tree]];
      expected[name + "anchor"] = "";
      for (const auto& [rest, value] : writer.moving(tree)) expected[name + rest] = value;
    }
  }
  BOOST_REQUIRE(same_maps(scan_all(*store), expected));
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, expected.size());
  const Stats stats = store->stats();
  BOOST_TEST_MESSAGE(
      fmt::format("blobs {}, splits {}, merges {}, evictions {}, copies on write {}, "
                  "checkpoints {}, restarts {}",
                  stats.blobs, stats.splits, stats.merges, stats.evictions, stats.copies_on_write,
                  stats.checkpoints, stats.restarts));
  // Otherwise nothing of what this is about took place.
  BOOST_TEST(stats.splits > 0U);
  BOOST_TEST(stats.evictions > 0U);
  BOOST_TEST(stats.copies_on_write > 0U);

  disk->kill();
  store.reset();
  store = value_of(Store::open(disk->attach(), options));
  BOOST_REQUIRE(same_maps(scan_all(*store), expected));
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, expected.size());
}
