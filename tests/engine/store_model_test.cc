// Goal: an open store agrees with an ordered map, whatever the order of batches, scans, subtree
// moves and erases, checkpoints, reopens and evictions. Method: seeded random batches against both;
// a key space and values large enough that blobs split, merge and leave the smallest cache.
// HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <memory>

#include "tests/engine/oracle.h"
#include "tests/engine/random_keys.h"
#include "tests/engine/sim/sim_storage.h"
#include "tests/engine/support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

Options small_store() {
  Options options;
  options.cache_bytes = kMinCacheBytes;
  options.wal_bytes = 8u << 20;
  options.commit_interval_ms = 0;
  return options;
}

class Model {
 public:
  Model(std::uint64_t seed, std::size_t value_limit)
      : random_(seed), value_limit_(value_limit), disk_(SimDisk::create(seed)) {
    open();
  }

  void open() { store_ = value_of(Store::open(disk_->attach(), small_store())); }
  void reopen() {
    require_ok(store_->close());
    store_.reset();
    open();
  }
  Store& store() { return *store_; }

  void random_batch() {
    Batch batch;
    const std::uint64_t steps = 1 + random_.below(random_.chance(4) ? 12 : 2);
    for (std::uint64_t i = 0; i < steps; ++i) add_step(batch);
    const auto applied = store_->apply(batch);
    if (applied) {
      oracle_.apply(batch);
    } else {
      const Code code = applied.error().code();
      BOOST_REQUIRE_MESSAGE(code == Code::kNotFound || code == Code::kExists ||
                                code == Code::kInvalid || code == Code::kPrecondition,
                            applied.error().to_string());
    }
  }

  void compare_some(int count) {
    std::string value;
    for (int i = 0; i < count; ++i) {
      const std::string key = deep_key();
      const auto got = store_->get(key, value);
      const auto expected = oracle_.map().find(key);
      BOOST_REQUIRE_EQUAL(got.has_value(), expected != oracle_.map().end());
      if (got) BOOST_REQUIRE(value == expected->second);
    }
  }

  void compare_list(std::string_view prefix, std::optional<char> delimiter) {
    Cursor cursor = store_->scan(
        {.prefix = prefix, .after = {}, .delimiter = delimiter, .chunk = 1 + random_.below(200)});
    for (const std::string& expected : oracle_.list(prefix, delimiter)) {
      BOOST_REQUIRE_MESSAGE(value_of(cursor.next()),
                            "the scan of '" << prefix << "' ended before " << expected);
      BOOST_REQUIRE_MESSAGE(cursor.key() == expected, cursor.key() << " instead of " << expected);
      if (!cursor.rolled_up())
        BOOST_REQUIRE(cursor.value() == oracle_.map().find(expected)->second);
    }
    BOOST_REQUIRE(!value_of(cursor.next()));
  }

  void compare_all() {
    compare_list("", std::nullopt);
    compare_list("", '/');
    compare_list(random_.prefix(), '/');
    const VerifyReport report = value_of(store_->verify());
    for (const std::string& problem : report.problems) BOOST_ERROR(problem);
    BOOST_REQUIRE_EQUAL(report.keys, oracle_.map().size());
  }

  RandomKeys& random() { return random_; }
  const Oracle& oracle() const { return oracle_; }

 private:
  std::string deep_key() {
    std::string key = random_.key();
    while (random_.chance(2)) key += "/" + random_.key();
    return key;
  }

  void add_step(Batch& batch) {
    const std::string key = deep_key();
    switch (random_.below(20)) {
      case 0: batch.erase(key); break;
      case 1: batch.replace(key, random_.value()); break;
      case 2: batch.insert(key, random_.value()); break;
      case 3: batch.patch(key, 3, "patched"); break;
      case 4: batch.add(key, 0, -5); break;
      case 5:
      case 6: batch.erase_if_present(key); break;
      case 7:
        if (random_.chance(40)) batch.erase_prefix(random_.prefix());
        break;
      case 8: batch.move(random_.prefix(), random_.prefix() + random_.prefix()); break;
      case 9: batch.require_absent(key); break;
      case 10:
        if (random_.chance(3)) batch.require(key);
        break;
      default: batch.put(key, std::string(random_.below(value_limit_), 'v')); break;
    }
  }

  RandomKeys random_;
  std::size_t value_limit_;
  std::shared_ptr<SimDisk> disk_;
  std::unique_ptr<Store> store_;
  Oracle oracle_;
};

void run_model(std::uint64_t seed, int rounds, int batches, std::size_t value_limit) {
  BOOST_TEST_CONTEXT("seed " << seed) {
    Model model(seed, value_limit);
    for (int round = 0; round < rounds; ++round) {
      for (int i = 0; i < batches; ++i) model.random_batch();
      model.compare_some(batches / 4);
      model.compare_all();
      switch (model.random().below(4)) {
        case 0: model.reopen(); break;
        case 1: require_ok(model.store().checkpoint()); break;
        case 2: model.store().maintain(); break;
        default: break;
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_batches_on_few_keys_agree_with_an_ordered_map) {
  for (std::uint64_t seed = test_seed(), i = 0; i < 6; ++i) run_model(seed + i, 10, 2000, 60);
}

BOOST_AUTO_TEST_CASE(random_batches_beyond_the_cache_agree_with_an_ordered_map) {
  run_model(test_seed() ^ 1, 8, 3000, 6000);
}
