// Goal: a search that begins where the thread's last one parted from it finds what one from the
// root would, whatever happened in between.
// Method: pairs of searches with a change between them that takes away one of the reasons for which
// the way may be taken again; and seeded keys that begin alike, over several blobs, against an
// ordered map. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <fmt/format.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

struct Subject {
  Subject() : disk(SimDisk::create(1)) {
    Options options = small_options(8u << 20);
    options.cache_bytes = 64u << 20;
    store = value_of(Store::open(disk->attach(), options));
  }
  // Several blobs of keys that begin with `prefix`.
  void fill(std::string_view prefix) {
    for (int i = 0; i < 1000; ++i) {
      put(fmt::format("{}directory {:02}/file {:02}", prefix, i / 50, i % 50),
          std::string(2000, 'v'));
    }
  }
  void put(std::string_view key, std::string_view value) { require_ok(store->put(key, value)); }
  // The value, or nothing.
  std::optional<std::string> get(std::string_view key) const {
    std::string value;
    if (const auto got = store->get(key, value); got) return value;
    return std::nullopt;
  }
  bool has(std::string_view key) const { return get(key).has_value(); }

  std::shared_ptr<SimDisk> disk;
  std::unique_ptr<Store> store;
};

constexpr const char* kKey = "from/directory 07/file 07";
constexpr const char* kNeighbour = "from/directory 07/file 08";

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_blob_that_hangs_elsewhere_now_is_not_found_at_its_old_place, Subject) {
  fill("from/");
  BOOST_REQUIRE(store->stats().blobs > 3);
  std::string here = "from/", there = "to/";
  for (int directory = 0; directory < 20; ++directory) {
    const auto file = [&](std::string_view prefix, int number) {
      return fmt::format("{}directory {:02}/file {:02}", prefix, directory, number);
    };
    BOOST_TEST(has(file(here, 7)));
    std::thread([&] {
      Batch batch;
      batch.move(here, there);
      require_ok(store->apply(batch));
    }).join();
    BOOST_TEST(!has(file(here, 8)));
    BOOST_TEST(has(file(there, 8)));
    std::swap(here, there);
  }
}

BOOST_FIXTURE_TEST_CASE(a_step_finds_what_an_earlier_one_of_the_batch_moved, Subject) {
  for (const char* key : {"d/a", "d/b", "e/a", "e/b"}) put(key, "value");
  Batch batch;
  batch.erase("d/a");  // what is left of the node is folded into one
  batch.patch("d/b", 0, "V");
  batch.erase("e/a");
  batch.erase("e/b");
  require_ok(store->apply(batch));
  BOOST_TEST((get("d/b") == "Value"));
  BOOST_REQUIRE(same_maps(scan_all(*store), {{"d/b", "Value"}}));
  BOOST_TEST(require_sound(*store).keys == 1);
}

BOOST_FIXTURE_TEST_CASE(a_blob_that_changed_is_searched_again, Subject) {
  fill("from/");
  BOOST_TEST(has(kKey));
  std::thread([&] {
    Batch batch;
    batch.erase_prefix("from/directory 07/");
    require_ok(store->apply(batch));
    put(kKey, "new");
  }).join();
  BOOST_TEST(!has(kNeighbour));
  BOOST_TEST((get(kKey) == "new"));
}

BOOST_FIXTURE_TEST_CASE(a_batch_sees_what_others_changed_since_the_search, Subject) {
  fill("from/");
  BOOST_TEST(has(kKey));
  std::thread([&] { require_ok(store->erase(kNeighbour)); }).join();
  Batch batch;
  batch.replace(kNeighbour, "x");
  check_error(store->apply(batch), Code::kNotFound);
  batch.clear();
  batch.insert(kNeighbour, "x");
  require_ok(store->apply(batch));
}

BOOST_FIXTURE_TEST_CASE(of_several_that_insert_a_key_one_succeeds, Subject) {
  constexpr int kKeys = 60'000, kThreads = 4;
  std::atomic<int> inserted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int key = 0; key < kKeys; ++key) {
        Batch batch;
        batch.insert(fmt::format("directory/file {}", key), "x");
        if (store->apply(batch)) inserted.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(inserted == kKeys);
}

BOOST_AUTO_TEST_CASE(stores_of_one_thread_are_told_apart) {
  Subject a, b;
  a.put(kKey, "a");
  a.put(kNeighbour, "a");
  b.put(kKey, "b");
  b.put("from/directory 06", "b");
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST((a.get(kNeighbour) == "a"));
    BOOST_TEST(!b.has(kNeighbour));
    BOOST_TEST((b.get(kKey) == "b"));
  }
}

BOOST_AUTO_TEST_CASE(a_store_that_was_opened_again_is_another) {
  for (int round = 0; round < 20; ++round) {
    Subject subject;
    subject.put(kKey, "x");
    if (round % 2 == 0) subject.put(kNeighbour, "x");
    BOOST_TEST(subject.has(kKey));
    BOOST_TEST(subject.has(kNeighbour) == (round % 2 == 0));
  }
}

BOOST_FIXTURE_TEST_CASE(keys_that_begin_alike_are_found_as_in_an_ordered_map, Subject) {
  RandomKeys keys(test_seed());
  const auto any_key = [&] {
    std::string key;
    for (std::uint64_t i = 1 + keys.below(12); i > 0; --i) {
      key += std::string(1 + keys.below(3), "ab/"[keys.below(3)]);
    }
    if (keys.chance(30)) key += std::string(keys.below(700), 'l');
    return key;
  };
  std::map<std::string, std::string> oracle;
  std::string last;
  for (int i = 0; i < 60'000; ++i) {
    std::string key = any_key();
    // As often as not it goes the last one's way for a while.
    if (keys.chance(2)) key = last.substr(0, keys.below(last.size() + 1)) + key;
    last = key;
    if (keys.chance(4)) {
      const std::string value(keys.chance(10) ? 3000 : 20, static_cast<char>('a' + i % 26));
      put(key, value);
      oracle[key] = value;
    } else if (keys.chance(20)) {
      const auto erased = store->erase(key);
      BOOST_REQUIRE_EQUAL(erased.has_value(), oracle.erase(key) == 1);
    } else {
      const auto found = oracle.find(key);
      const auto value = get(key);
      BOOST_REQUIRE_MESSAGE(value.has_value() == (found != oracle.end()), key);
      if (value) BOOST_REQUIRE(*value == found->second);
    }
  }
  BOOST_TEST(store->stats().blobs > 3);
  BOOST_REQUIRE(same_maps(scan_all(*store), {oracle.begin(), oracle.end()}));
}
