// Goal: a store larger than its cache works in bounded memory; space comes back after deletion;
// blobs stay well filled; a full disk is an error that passes; limits, rules for batches, locks and
// read-only opening hold as documented.
// Crash model: none, but for a process that dies with records in its log.
// Method: fixed and seeded loads on the simulated device, or in a directory where the files
// themselves matter. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

std::string path_key(std::uint64_t i) {
  return fmt::format("usr/share/part{:02}/package-{:03}/file_{:05}.txt", i % 23, i / 7 % 331, i);
}

void put_all(Store& store, std::vector<std::string>& keys, std::size_t value_bytes) {
  const std::string value(value_bytes, 'v');
  for (const std::string& key : keys) require_ok(store.put(key, value));
}

std::vector<std::string> shuffled_paths(std::uint64_t count, std::uint64_t seed) {
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; i < count; ++i) keys.push_back(path_key(i));
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(seed));
  return keys;
}

// Bytes in blobs over bytes of blobs.
double fill_of(const VerifyReport& report) {
  const std::uint64_t live = report.live_bytes + report.blobs * sizeof(DiskBlobHeader);
  return static_cast<double>(live) / static_cast<double>(report.blobs * kBlobBytes);
}

void check_refused(Store& store, const Batch& batch, Code code) {
  const auto before = store.applied();
  check_error(store.apply(batch), code);
  BOOST_TEST((store.applied() == before));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_store_ten_times_its_cache_works_in_the_cache) {
  const std::uint64_t seed = test_seed();
  auto disk = SimDisk::create(seed);
  auto store = value_of(Store::open(disk->attach(), small_options(16u << 20)));
  const std::uint64_t frames = store->stats().frames;
  BOOST_REQUIRE_EQUAL(frames, kMinCacheBytes / kBlobBytes);
  constexpr std::uint64_t kKeys = 24000;
  const auto key = [](std::uint64_t i) { return fmt::format("{:05}", i * 7919 % kKeys); };
  const auto value = [](std::uint64_t i) { return fmt::format("{} ", i) + std::string(7000, 'x'); };
  // Near each other in time, near each other in the tree: else every put would read a blob.
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    require_ok(store->put(fmt::format("{:05}", i), value(i)));
    const Stats stats = store->stats();
    BOOST_REQUIRE(stats.resident_blobs + stats.free_frames <= frames);
  }
  require_ok(store->checkpoint());
  BOOST_TEST(store->stats().blobs > 10 * frames);
  std::string out;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string wanted = key(i);
    require_ok(store->get(wanted, out));
    BOOST_REQUIRE(out == value(std::stoull(wanted)));
  }
  BOOST_TEST(store->stats().evictions > 10 * frames);
  Cursor cursor = store->scan({.prefix = {}, .after = {}, .delimiter = std::nullopt});
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    BOOST_REQUIRE(value_of(cursor.next()));
    BOOST_REQUIRE_EQUAL(cursor.key(), fmt::format("{:05}", i));
    BOOST_REQUIRE(cursor.value() == value(i));
  }
  BOOST_REQUIRE(!value_of(cursor.next()));
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, kKeys);

  // Mass deletion, one by one and as a whole: the file shrinks.
  const std::uint64_t slots_full = store->stats().slots_in_file;
  for (std::uint64_t i = 1000; i < kKeys; ++i) require_ok(store->erase(fmt::format("{:05}", i)));
  const auto settle = [&] {
    // A round with few frames ends early, until a checkpoint has made them clean.
    for (std::uint64_t before = 0, i = 0; i < 4 || store->stats().blobs != before; ++i) {
      before = store->stats().blobs;
      store->maintain();
      require_ok(store->checkpoint());
    }
  };
  settle();
  const Stats after = store->stats();
  BOOST_TEST_MESSAGE(fmt::format("{} blobs in {} slots after deletion, {} slots before",
                                 after.blobs, after.slots_in_file, slots_full));
  BOOST_TEST(after.blobs < 40U);  // 1,000 keys of 7 KiB need 14
  // The rest of the file is holes: a blob that nobody changes may keep its slot at the end.
  BOOST_TEST(after.slots_in_use <= 2 * after.blobs);
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, 1000U);
  Batch batch;
  batch.erase_prefix("0");
  require_ok(store->apply(batch));
  settle();
  BOOST_TEST(store->stats().blobs <= 2U);
  // What is left may be where nobody changed it since, at the end of the file.
  for (int i = 0; i < 2; ++i) {
    require_ok(store->put("", "moves the root to another slot"));
    require_ok(store->erase(""));
    require_ok(store->checkpoint());
  }
  BOOST_TEST(store->stats().slots_in_file < slots_full / 4);
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, 0U);
}

BOOST_AUTO_TEST_CASE(blobs_are_half_full_at_least_after_paths_in_random_order) {
  auto disk = SimDisk::create(test_seed());
  Options options = small_options(32u << 20);
  options.cache_bytes = 256u << 20;
  auto store = value_of(Store::open(disk->attach(), options));
  auto keys = shuffled_paths(200000, test_seed());
  put_all(*store, keys, 120);
  store->maintain();
  const VerifyReport report = require_sound(*store);
  BOOST_REQUIRE_EQUAL(report.keys, keys.size());
  BOOST_TEST_MESSAGE(fmt::format("{} blobs, {:.1f}% full", report.blobs, 100 * fill_of(report)));
  BOOST_TEST(fill_of(report) >= 0.5);

  // Deleting everything, key by key in another order, leaves next to nothing.
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(test_seed() + 1));
  for (const std::string& key : keys) require_ok(store->erase(key));
  store->maintain();
  require_ok(store->checkpoint());
  const VerifyReport empty = require_sound(*store);
  BOOST_REQUIRE_EQUAL(empty.keys, 0U);
  BOOST_TEST_MESSAGE(fmt::format("{} blobs after deletion", empty.blobs));
  BOOST_TEST(empty.blobs <= 2U);
}

BOOST_AUTO_TEST_CASE(keys_that_prefix_one_another_make_a_deep_tree) {
  auto disk = SimDisk::create(test_seed());
  auto store = value_of(Store::open(disk->attach(), small_options(64u << 20)));
  Oracle oracle;
  for (std::size_t size = 1; size <= kMaxKeyBytes; size += size < 9000 ? 1 : 97) {
    Batch batch;
    batch.put(std::string(size, 'a'), fmt::format("{}", size));
    require_ok(store->apply(batch));
    oracle.apply(batch);
  }
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  require_sound(*store);
  disk->kill();
  store.reset();
  store = value_of(Store::open(disk->attach(), small_options()));
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  Batch batch;
  batch.move("aaaa", "b");
  require_ok(store->apply(batch));
  oracle.apply(batch);
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  batch.clear();
  batch.erase_prefix("b");
  require_ok(store->apply(batch));
  BOOST_REQUIRE_EQUAL(require_sound(*store).keys, 3U);
}

BOOST_AUTO_TEST_CASE(what_is_too_large_is_refused_and_changes_nothing) {
  auto disk = SimDisk::create(test_seed());
  auto store = value_of(Store::open(disk->attach(), small_options(8u << 20)));
  const std::string key(kMaxKeyBytes, 'k');
  const std::string value(kMaxValueBytes, 'v');
  Batch batch;
  const auto refuse = [&](Code code) {
    check_refused(*store, batch, code);
    batch.clear();
  };
  batch.put(key + "k", "");
  refuse(Code::kTooLarge);
  batch.put("k", value + "v");
  refuse(Code::kTooLarge);
  batch.move(key + "k", "to");
  refuse(Code::kTooLarge);
  batch.move("from", key + "k");
  refuse(Code::kTooLarge);
  batch.require(key + "k");
  refuse(Code::kTooLarge);
  batch.put("good", "");
  batch.put(key + "k", "");
  refuse(Code::kTooLarge);
  for (std::size_t i = 0; i <= kMaxBatchOps; ++i) batch.put(fmt::format("{}", i), "");
  refuse(Code::kTooLarge);
  for (std::size_t i = 0; i < 17; ++i) batch.put(fmt::format("{}", i), value);
  refuse(Code::kTooLarge);
  // More than one blob might have to hold.
  for (std::size_t i = 0; i < 15; ++i) batch.put(fmt::format("{}", i), value);
  refuse(Code::kTooLarge);
  BOOST_REQUIRE(scan_all(*store).empty());

  // The limits themselves.
  for (std::size_t i = 0; i < 3; ++i) batch.put(fmt::format("{}", i), value);
  require_ok(store->apply(batch));
  batch.clear();
  batch.put(key, value);
  require_ok(store->apply(batch));
  std::string out;
  require_ok(store->get(key, out));
  BOOST_REQUIRE(out == value);

  // A quarter of a small log is less than a batch may have otherwise.
  auto tiny = value_of(Store::open(SimDisk::create(1)->attach(), small_options(1u << 20)));
  batch.clear();
  for (std::size_t i = 0; i < 20; ++i)
    batch.move(fmt::format("{:02}", i), fmt::format("x{:02}", i) + std::string(20000, 'x'));
  check_refused(*tiny, batch, Code::kTooLarge);
}

namespace {

using Make = void (*)(Batch&);

// A store with a few keys.
struct FewKeys {
  FewKeys() {
    for (const char* key : {"a/1", "a/2", "b/1", "c"}) require_ok(store->put(key, "12345678"));
    before = scan_all(*store);
  }
  void refuses(Make make, Code code) {
    Batch batch;
    make(batch);
    check_refused(*store, batch, code);
    BOOST_REQUIRE(same_maps(scan_all(*store), before));
  }

  std::unique_ptr<Store> store =
      value_of(Store::open(SimDisk::create(test_seed())->attach(), small_options()));
  Oracle::Map before;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(steps_that_build_on_each_other_where_the_checks_cannot_see_it_are_refused,
                        FewKeys) {
  const Make invalid[] = {
      // A subtree into itself, or onto what contains it.
      [](Batch& b) { b.move("a/", "a/x/"); },
      [](Batch& b) { b.move("a/", "a"); },
      [](Batch& b) { b.move("a/", "a/"); },
      [](Batch& b) { b.move("", "x"); },
      [](Batch& b) { b.move("a", ""); },
      // Patches of what the same batch wrote, erased or moved.
      [](Batch& b) { b.put("c", "new"), b.patch("c", 0, "x"); },
      [](Batch& b) { b.put("n", "12345678"), b.add("n", 0, 1); },
      [](Batch& b) { b.erase("c"), b.patch("c", 0, "x"); },
      [](Batch& b) { b.erase_prefix("a/"), b.patch("a/1", 0, "x"); },
      [](Batch& b) { b.move("a/", "z/"), b.patch("z/1", 0, "x"); },
      [](Batch& b) { b.move("a/", "z/"), b.add("a/1", 0, 1); },
      // Keys under a moved prefix.
      [](Batch& b) { b.move("a/", "z/"), b.put("a/3", ""); },
      [](Batch& b) { b.move("a/", "z/"), b.put("z/3", ""); },
      [](Batch& b) { b.move("a/", "z/"), b.erase("z/1"); },
      // Moves of, or onto, what was just put.
      [](Batch& b) { b.put("a/3", ""), b.move("a/", "z/"); },
      [](Batch& b) { b.put("z/3", ""), b.move("a/", "z/"); },
      [](Batch& b) { b.erase("a/1"), b.move("a/", "z/"); },
      // Prefixes that overlap without being the same.
      [](Batch& b) { b.move("a/", "z/"), b.move("z/1", "y"); },
      [](Batch& b) { b.move("a/", "z/y/"), b.erase_prefix("z/"); },
      [](Batch& b) { b.erase_prefix("a/"), b.move("a/1", "y"); },
      [](Batch& b) { b.erase_prefix("z/"), b.move("a/", "z/y/"); },
  };
  for (std::size_t i = 0; i < std::size(invalid); ++i) {
    BOOST_TEST_CONTEXT("batch " << i) { refuses(invalid[i], Code::kInvalid); }
  }
}

BOOST_FIXTURE_TEST_CASE(of_a_batch_with_one_step_that_fails_nothing_is_applied, FewKeys) {
  const std::pair<Make, Code> failing[] = {
      {[](Batch& b) { b.put("n", ""), b.insert("c", ""); }, Code::kExists},
      {[](Batch& b) { b.put("n", ""), b.replace("d", ""); }, Code::kNotFound},
      {[](Batch& b) { b.put("n", ""), b.erase("d"); }, Code::kNotFound},
      {[](Batch& b) { b.put("n", ""), b.patch("d", 0, "x"); }, Code::kNotFound},
      {[](Batch& b) { b.put("n", ""), b.patch("c", 8, "x"); }, Code::kInvalid},
      {[](Batch& b) { b.put("n", ""), b.add("c", 1, 1); }, Code::kInvalid},
      {[](Batch& b) { b.put("n", ""), b.move("d/", "e/"); }, Code::kNotFound},
      {[](Batch& b) { b.put("n", ""), b.move("a/", "b/"); }, Code::kExists},
      {[](Batch& b) { b.put("n", ""), b.require("d"); }, Code::kPrecondition},
      {[](Batch& b) { b.put("n", ""), b.require_absent("c"); }, Code::kPrecondition},
      {[](Batch& b) { b.put("n", ""), b.require_bytes("c", 1, "x"); }, Code::kPrecondition},
      {[](Batch& b) { b.put("n", ""), b.require_bytes("c", 7, "8x"); }, Code::kPrecondition},
      {[](Batch& b) { b.put("n", ""), b.require_value("c", "1234567"); }, Code::kPrecondition},
  };
  for (std::size_t i = 0; i < std::size(failing); ++i) {
    BOOST_TEST_CONTEXT("batch " << i) { refuses(failing[i].first, failing[i].second); }
  }
}

BOOST_AUTO_TEST_CASE(a_full_disk_with_a_full_log_is_an_error_that_passes) {
  auto disk = SimDisk::create(test_seed());
  auto store = value_of(Store::open(disk->attach(), small_options(1u << 20)));
  disk->fail_randomly(Op::kWriteSlots, 1, ENOSPC);
  Oracle oracle;
  std::size_t accepted = 0;
  Batch batch;
  const auto put = [&](std::size_t i) {
    batch.clear();
    batch.put(fmt::format("{:06}", i), std::string(5000, 'v'));
    auto applied = store->apply(batch);
    if (applied) oracle.apply(batch);
    return applied;
  };
  for (;; ++accepted) {
    const auto applied = put(accepted);
    if (applied) continue;
    check_error(applied, Code::kNoSpace);
    break;
  }
  BOOST_TEST(accepted > 150U);  // the log was full, not the first write refused
  BOOST_TEST(!store->stats().poisoned);
  for (int i = 0; i < 3; ++i) check_error(put(accepted), Code::kNoSpace);
  // What was accepted is there and can be made durable.
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  require_ok(store->sync());

  disk->fail_randomly(Op::kWriteSlots, 0, 0);
  require_ok(store->checkpoint());
  for (std::size_t i = 0; i < 600; ++i) require_ok(put(accepted + i));
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  require_ok(store->sync());
  disk->crash();
  store.reset();
  store = value_of(Store::open(disk->attach(), small_options()));
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  require_sound(*store);
}

namespace {

using Contents = std::map<std::string, std::string>;

Contents read_directory(const std::filesystem::path& path) {
  Contents out;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    out[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_read_only_store_sees_the_tail_of_the_log_and_changes_nothing_on_disk) {
  const TempFolder folder;
  const std::string live = folder.path() / "live";
  const std::string dead = folder.path() / "dead";
  Oracle oracle;
  RandomBatches random(test_seed(), 3000);
  {
    auto store = value_of(Store::open(live, small_options(8u << 20)));
    for (int i = 0; i < 2000; ++i) {
      if (i == 700) require_ok(store->checkpoint());
      const Batch batch = random.next();
      if (store->apply(batch)) oracle.apply(batch);
    }
    // What a process that dies here leaves.
    std::filesystem::copy(live, dead);
  }
  const Contents before = read_directory(dead);
  {
    Options options = small_options();
    options.read_only = true;
    auto store = value_of(Store::open(dead, options));
    BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
    require_sound(*store);
    check_error(store->put("key", "value"), Code::kReadOnly);
    check_error(store->sync(), Code::kReadOnly);
    check_error(store->checkpoint(), Code::kReadOnly);
    // Readers may share it; a writer may not join them.
    auto second = value_of(Store::open(dead, options));
    check_error(Store::open(dead, small_options()), Code::kBusy);
    require_ok(store->close());
  }
  BOOST_REQUIRE(read_directory(dead) == before);
  auto store = value_of(Store::open(dead, small_options()));
  BOOST_REQUIRE(same_maps(scan_all(*store), oracle.map()));
  check_error(Store::open(dead, small_options()), Code::kBusy);
}

BOOST_AUTO_TEST_CASE(a_directory_that_holds_something_else_is_refused_and_left_alone) {
  const TempFolder folder;
  const std::string path = folder.path() / "photos";
  std::filesystem::create_directory(path);
  std::ofstream(path + "/holiday.jpg") << "not a store";
  const Contents before = read_directory(path);
  const auto opened = Store::open(path, small_options());
  check_error(opened, Code::kInvalid);
  BOOST_TEST(opened.error().text().find("holiday.jpg") != std::string::npos);
  BOOST_REQUIRE(read_directory(path) == before);
  Options options = small_options();
  options.create_if_missing = false;
  check_error(Store::open(folder.path() / "nothing", options), Code::kInvalid);
  BOOST_TEST(!std::filesystem::exists(folder.path() / "nothing"));
}
