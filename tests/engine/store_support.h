// What tests of a whole store share: small options, a full scan, random batches.
#pragma once

#include <memory>
#include <string>

#include "tests/engine/oracle.h"
#include "tests/engine/random_keys.h"
#include "tests/engine/sim/sim_storage.h"
#include "tests/engine/support.h"

namespace holt::test {

// The smallest cache and log, and no commit timer: a sync happens only when the test asks for one.
inline Options small_options(std::uint64_t wal_bytes = 1u << 20) {
  Options options;
  options.cache_bytes = kMinCacheBytes;
  options.wal_bytes = wal_bytes;
  options.commit_interval_ms = 0;
  return options;
}

inline Oracle::Map scan_all(const Store& store, std::string_view prefix = {}) {
  Oracle::Map out;
  Cursor cursor = store.scan({.prefix = prefix, .after = {}, .delimiter = std::nullopt});
  for (;;) {
    const bool more = value_of(cursor.next());
    if (!more) return out;
    const bool ascending = out.empty() || out.rbegin()->first < cursor.key();
    BOOST_REQUIRE_MESSAGE(ascending, "the scan went back to " << cursor.key());
    out.emplace_hint(out.end(), cursor.key(), cursor.value());
  }
}

inline VerifyReport require_sound(const Store& store) {
  VerifyReport report = value_of(store.verify());
  for (const std::string& problem : report.problems) BOOST_ERROR(problem);
  BOOST_REQUIRE(report.problems.empty());
  return report;
}

// Whether both hold the same; says where they part if not.
inline bool same_maps(const Oracle::Map& found, const Oracle::Map& expected) {
  if (found == expected) return true;
  auto a = found.begin();
  auto b = expected.begin();
  while (a != found.end() && b != expected.end() && *a == *b) ++a, ++b;
  BOOST_TEST_MESSAGE("found " << found.size() << " keys, expected " << expected.size()
                              << "; they part at '" << (a == found.end() ? "the end" : a->first)
                              << "' and '" << (b == expected.end() ? "the end" : b->first) << "'");
  return false;
}

// Batches of every operation over keys that collide often. A store may reject any of them.
class RandomBatches {
 public:
  RandomBatches(std::uint64_t seed, std::size_t value_limit)
      : keys_(seed), value_limit_(value_limit) {}

  Batch next() {
    Batch batch;
    const std::uint64_t steps = 1 + keys_.below(keys_.chance(4) ? 12 : 2);
    for (std::uint64_t i = 0; i < steps; ++i) add_step(batch);
    return batch;
  }

  std::string key() {
    std::string key = keys_.key();
    while (keys_.chance(2)) key += "/" + keys_.key();
    return key;
  }
  RandomKeys& keys() { return keys_; }

 private:
  void add_step(Batch& batch) {
    switch (keys_.below(20)) {
      case 0: batch.erase(key()); break;
      case 1: batch.replace(key(), keys_.value()); break;
      case 2: batch.insert(key(), keys_.value()); break;
      case 3: batch.patch(key(), 3, "patched"); break;
      case 4: batch.add(key(), 0, -5); break;
      case 5: batch.erase_if_present(key()); break;
      case 6:
        if (keys_.chance(20)) batch.erase_prefix(keys_.prefix());
        break;
      case 7: batch.move(keys_.prefix(), keys_.prefix() + keys_.prefix()); break;
      default: batch.put(key(), std::string(8 + keys_.below(value_limit_), letter())); break;
    }
  }
  char letter() { return static_cast<char>('a' + keys_.below(26)); }

  RandomKeys keys_;
  std::size_t value_limit_;
};

}  // namespace holt::test
