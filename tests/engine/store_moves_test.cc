// Goal: batches that move large subtrees leave room for all their steps, also when they are
// replayed onto blobs that are cut and filled in another way than those they were first applied to;
// moved subtrees do not make the tree grow; a batch beyond the cache is refused, not tried on.
// Crash model: the process dies; the log is replayed without the merges that took place meanwhile.
// Method: fixed layouts near a blob's size, and seeded batches of moves and large values against an
// ordered map. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <fmt/format.h>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

constexpr std::uint64_t kLogBytes = 8u << 20;

Options options_with(std::uint64_t cache_bytes) {
  Options options = small_options(kLogBytes);
  options.cache_bytes = cache_bytes;
  return options;
}

// A store and what it must hold.
struct Life {
  explicit Life(std::uint64_t seed, std::uint64_t cache_bytes = kMinCacheBytes)
      : disk(SimDisk::create(seed)), options(options_with(cache_bytes)) {
    open();
  }
  void open() { store = value_of(Store::open(disk->attach(), options)); }
  void kill_and_open() {
    disk->kill();
    store.reset();
    open();
  }
  void apply(const Batch& batch) {
    require_ok(store->apply(batch));
    oracle.apply(batch);
  }
  void put(std::string_view key, std::size_t size, char fill = 'v') {
    Batch batch;
    batch.put(key, std::string(size, fill));
    apply(batch);
  }
  void erase(std::string_view key) {
    Batch batch;
    batch.erase(key);
    apply(batch);
  }
  // `count` values below a prefix, `bytes` altogether.
  void fill(std::string_view prefix, std::size_t bytes, int count) {
    for (int i = 0; i < count; ++i) {
      put(fmt::format("{}{:02}", prefix, i), bytes / static_cast<std::size_t>(count));
    }
  }
  void check() const {
    BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
    BOOST_REQUIRE_EQUAL(require_sound(*store).keys, oracle.map().size());
  }

  std::shared_ptr<SimDisk> disk;
  Options options;
  std::unique_ptr<Store> store;
  Oracle oracle;
};

}  // namespace

BOOST_AUTO_TEST_CASE(more_moves_than_the_cache_has_frames_are_refused_also_by_recovery) {
  constexpr int kMoves = 40;
  Batch batch;
  for (int i = 0; i < kMoves; ++i) {
    batch.move(fmt::format("from/{:02}/", i), fmt::format("to/{:02}/", i));
  }
  const auto load = [](Life& life) {
    for (int i = 0; i < kMoves; ++i) life.fill(fmt::format("from/{:02}/", i), 20000, 2);
  };
  Life small(test_seed());
  load(small);
  check_error(small.store->apply(batch), Code::kTooLarge);
  small.check();
  small.put("after", 10);
  small.kill_and_open();
  small.check();

  Life large(test_seed() + 1, 64u << 20);
  load(large);
  large.apply(batch);
  large.disk->kill();
  large.store.reset();
  const auto opened = Store::open(large.disk->attach(), options_with(kMinCacheBytes));
  check_error(opened, Code::kTooLarge);
  BOOST_TEST(opened.error().text().find("recovery needs a larger cache") != std::string::npos);
  large.open();
  large.check();
}

BOOST_AUTO_TEST_CASE(a_batch_of_more_blobs_than_the_cache_has_frames_is_refused) {
  constexpr std::uint64_t kKeys = 500;
  Life life(test_seed() + 2);
  const auto key = [](std::uint64_t i) { return fmt::format("{:03}", i); };
  for (std::uint64_t i = 0; i < kKeys; ++i) life.put(key(i), 60000);
  BOOST_REQUIRE_GT(life.store->stats().blobs, 2 * life.store->stats().frames);
  Batch batch;
  for (std::uint64_t i = 0; i < kMaxBatchOps; ++i)
    batch.patch(key(i * kKeys / kMaxBatchOps), 0, "p");
  check_error(life.store->apply(batch), Code::kTooLarge);
  life.check();
}

namespace {

// Two blobs, of which the child has much more dead than the log tells: they merge, and what fits
// into the one blob is replayed onto the two. `moved`: the subtree that the batch moves there.
void merge_then_replay(std::uint64_t seed, std::size_t moved, std::size_t new_bytes,
                       bool puts_first, int more_moves) {
  Life life(seed);
  life.fill("d/", 250 << 10, 25);
  life.fill("s/", moved, 2);
  life.fill("t/", 1000, 2);
  const int rest = static_cast<int>((260U << 10) - moved) >> 10;
  life.fill("a/", static_cast<std::size_t>(rest) << 10, rest / 10);
  BOOST_REQUIRE_EQUAL(life.store->stats().blobs, 2U);  // d/ comes closest to half of it
  for (int i = 6; i < rest / 10; ++i) life.erase(fmt::format("a/{:02}", i));
  require_ok(life.store->checkpoint());
  for (int i = 10; i < 25; ++i) life.erase(fmt::format("d/{:02}", i));
  life.store->maintain();
  BOOST_REQUIRE_EQUAL(life.store->stats().blobs, 1U);
  Batch batch;
  const auto add_puts = [&] {
    for (std::size_t i = 0; i < 4; ++i) {
      batch.put(fmt::format("d/1{}new", i), std::string(new_bytes / 4, 'n'));
    }
  };
  if (puts_first) add_puts();
  batch.move("s/", "d/1moved/");
  if (more_moves > 0) batch.move("t/", "d/1too/");
  if (!puts_first) add_puts();
  life.apply(batch);
  life.check();
  life.kill_and_open();
  life.check();
  life.store->maintain();
  life.check();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_batch_applied_to_a_merged_blob_is_replayed_onto_the_two_it_came_from) {
  std::uint64_t seed = test_seed() + 10;
  for (const std::size_t moved : {60U << 10, 100U << 10, 120U << 10}) {
    for (const std::size_t new_bytes : {100U << 10, 150U << 10, 180U << 10}) {
      for (const bool puts_first : {false, true}) {
        for (const int more_moves : {0, 1}) {
          BOOST_TEST_CONTEXT(fmt::format("seed {}, {} moved, {} put, puts first {}, more {}", seed,
                                         moved, new_bytes, puts_first, more_moves)) {
            merge_then_replay(seed++, moved, new_bytes, puts_first, more_moves);
          }
        }
      }
    }
  }
}

// A subtree of one large value is written anew where it arrives.
BOOST_AUTO_TEST_CASE(a_value_that_moves_leaves_the_room_that_later_steps_were_promised) {
  for (std::size_t used = 200; used <= 450; used += 10) {
    BOOST_TEST_CONTEXT(used << " KiB beside it") {
      Life life(test_seed() + 40);
      life.put("s/value", 60000);
      life.put("t/value", 60000);
      life.fill("a/", used << 10, 10);
      Batch batch;
      batch.move("s/", "u/");
      batch.move("t/", "v/");
      for (int i = 0; i < 3; ++i) batch.put(fmt::format("w{}", i), std::string(45000, 'n'));
      life.apply(batch);
      life.check();
      life.kill_and_open();
      life.check();
    }
  }
}

BOOST_AUTO_TEST_CASE(two_big_subtrees_of_a_nearly_full_blob_change_places_in_one_batch) {
  for (std::size_t size = 100; size <= 250; size += 10) {
    BOOST_TEST_CONTEXT(size << " KiB each") {
      Life life(test_seed() + 50);
      life.fill("a/", size << 10, 5);
      life.fill("b/", size << 10, 5);
      life.fill("c/", 8000, 4);
      Batch batch;
      batch.move("a/", "temporary/");
      batch.move("b/", "a/");
      batch.move("temporary/", "b/");
      for (int i = 0; i < 4; ++i) {
        life.apply(batch);
        life.check();
      }
      life.kill_and_open();
      life.check();
    }
  }
}

namespace {

// Batches of moves, some with long prefixes, and large values, that a store may refuse.
class LargeBatches {
 public:
  explicit LargeBatches(std::uint64_t seed) : dice_(seed) {}

  Batch next() {
    Batch batch;
    switch (dice_.below(6)) {
      case 0:
      case 1: {
        for (std::uint64_t i = dice_.below(4) + 1; i > 0; --i) add_put(batch);
        break;
      }
      case 2: batch.move(subtree(), subtree()); break;
      case 3: {
        const std::string a = subtree();
        const std::string b = subtree();
        batch.move(a, "swap/"), batch.move(b, a), batch.move("swap/", b);
        break;
      }
      case 4: {
        batch.move(subtree(), subtree());
        if (dice_.chance(2)) batch.move(subtree(), subtree());
        for (std::uint64_t i = dice_.below(4); i > 0; --i) add_put(batch);
        break;
      }
      default: {
        for (std::uint64_t i = dice_.below(3) + 1; i > 0; --i) batch.erase_if_present(key());
        if (dice_.chance(30)) batch.erase_prefix(subtree());
        if (dice_.chance(2)) batch.move(subtree(), subtree());
        break;
      }
    }
    return batch;
  }
  RandomKeys& dice() { return dice_; }

 private:
  std::string subtree() {
    std::string out(1, static_cast<char>('a' + dice_.below(5)));
    while (dice_.chance(3)) out += static_cast<char>('a' + dice_.below(5));
    if (dice_.chance(8)) out += std::string(dice_.chance(3) ? 25000 : 700, 'l');
    return out + "/";
  }
  std::string key() {
    std::string out = subtree();
    if (dice_.chance(3)) out += subtree();
    return out + static_cast<char>('0' + dice_.below(8));
  }
  void add_put(Batch& batch) {
    const std::size_t size = dice_.chance(4) ? dice_.below(3000) : 40000 + dice_.below(24000);
    batch.put(key(), std::string(size, static_cast<char>('A' + dice_.below(26))));
  }

  RandomKeys dice_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(large_moves_and_values_in_any_order_survive_kills_at_any_moment) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::uint64_t seed = test_seed() + 100 + i;
    BOOST_TEST_CONTEXT("seed " << seed) {
      Life life(seed);
      LargeBatches batches(seed);
      int applied = 0;
      for (int step = 0; step < 500; ++step) {
        const Batch batch = batches.next();
        const auto done = life.store->apply(batch);
        if (done) {
          ++applied;
          life.oracle.apply(batch);
        } else {
          const Code code = done.error().code();
          BOOST_REQUIRE_MESSAGE(code == Code::kNotFound || code == Code::kExists ||
                                    code == Code::kInvalid || code == Code::kTooLarge,
                                done.error().to_string());
        }
        if (batches.dice().chance(10)) life.store->maintain();
        if (batches.dice().chance(25)) require_ok(life.store->checkpoint());
        if (!batches.dice().chance(30)) continue;
        life.kill_and_open();
        life.check();
      }
      life.check();
      BOOST_TEST(applied > 100);
    }
  }
}

namespace {

// Moves one subtree; gives how many blobs there are then.
std::uint64_t move(Life& life, const std::string& from, const std::string& to) {
  Batch batch;
  batch.move(from, to);
  life.apply(batch);
  return life.store->stats().blobs;
}

// A root blob of 280 KiB, and below it a blob that holds x/1/ alone.
void two_blobs(Life& life, std::size_t bytes_of_child) {
  life.fill("a/", 130 << 10, 10);
  life.fill("x/1/", 256 << 10, 16);
  life.fill("z/", 150 << 10, 15);
  BOOST_REQUIRE_EQUAL(life.store->stats().blobs, 2U);
  life.fill("x/1/more", bytes_of_child - (256 << 10), 16);
  BOOST_REQUIRE_EQUAL(life.store->stats().blobs, 2U);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_subtree_moved_back_and_forth_does_not_make_the_tree_grow) {
  for (const std::size_t kib : {300U, 430U, 450U, 490U}) {
    for (const char* other : {"y/1/", "x/2/", "z/1/"}) {
      BOOST_TEST_CONTEXT(kib << " KiB, to " << other) {
        Life life(test_seed() + 200);
        two_blobs(life, kib << 10);
        for (int i = 0; i < 100; ++i) {
          BOOST_REQUIRE(move(life, "x/1/", other) <= 3U);
          BOOST_REQUIRE(move(life, other, "x/1/") <= 3U);
        }
        life.check();
        move(life, "x/1/", other);
        life.store->maintain();
        BOOST_TEST(life.store->stats().blobs <= 2U);
        life.check();
        life.kill_and_open();
        life.check();
      }
    }
  }
}

namespace {

// Runs `leave_behind` on one new store after another until no merge in the background came in
// between; then that store is merged.
template <class LeaveBehind>
void without_merges(std::uint64_t seed, std::uint64_t blobs_then, LeaveBehind&& leave_behind,
                    std::uint64_t blobs_after_merges) {
  for (;;) {
    Life life(seed);
    leave_behind(life);
    const std::uint64_t blobs = life.store->stats().blobs;
    if (life.store->stats().merges != 0) continue;
    BOOST_TEST(blobs == blobs_then);
    life.store->maintain();
    BOOST_TEST(life.store->stats().blobs == blobs_after_merges);
    return life.check();
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_drained_blob_is_merged_into_one_that_is_rather_full) {
  const auto drain = [](Life& life) {
    two_blobs(life, 400 << 10);
    life.fill("x/2/", 80 << 10, 8);
    move(life, "x/1/", "y/1/");
    move(life, "y/1/", "x/3/");  // beside x/2/ there is no room for it
    life.fill("b/", 130 << 10, 10);
    for (int i = 0; i < 8; ++i) life.erase(fmt::format("x/2/{:02}", i));
  };
  without_merges(test_seed() + 300, 4, drain, 2);
}

BOOST_AUTO_TEST_CASE(what_a_swap_leaves_in_the_midst_of_a_way_is_merged) {
  const auto swap = [](Life& life) {
    two_blobs(life, 400 << 10);
    life.fill("x/0", 60 << 10, 6);
    // So that y/1/ is more than half of the root blob when it has to be cut, and goes alone.
    for (int i = 7; i < 15; ++i) life.erase(fmt::format("z/{:02}", i));
    life.fill("y/1/", 400 << 10, 40);
    // Beside x/0 there is no room for what comes from y/1/: it gets a blob of its own, below.
    Batch batch;
    batch.move("x/1/", "temporary/");
    batch.move("y/1/", "x/1/");
    batch.move("temporary/", "y/1/");
    life.apply(batch);
  };
  without_merges(test_seed() + 301, 5, swap, 3);
}
