// Goal: a frame has one owner at a time, what may not be evicted stays, and a blob that is loaded
// can be found afterwards.
// Method: the rules one by one, then threads that load, evict and give back the same few frames;
// each marks a frame as its own while it has it. The race shows with one frame only, so the rest is
// held back.
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <thread>

#include "engine/frame/pool.h"
#include "engine/holt.h"
#include "tests/engine/support.h"

using namespace holt;
using namespace holt::test;

namespace {

constexpr std::uint32_t kFrames = kMinCacheBytes / kBlobBytes;

std::unique_ptr<FramePool> new_pool() { return value_of(FramePool::create(kMinCacheBytes)); }

// Installs blobs from `first` on, clean, until no frame is free; gives the frame of the first.
FrameIndex fill(FramePool& pool, std::uint32_t first) {
  FrameIndex frame_of_first = kNoFrame;
  for (std::uint32_t id = first; pool.free_count() > 0; ++id) {
    const FrameIndex frame = pool.try_take().value();
    BOOST_REQUIRE(pool.claim_load(BlobId{id}));
    BOOST_REQUIRE(pool.install_loaded(frame, BlobId{id}));
    if (id == first) frame_of_first = frame;
  }
  return frame_of_first;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_cache_below_the_minimum_is_refused) {
  check_error(FramePool::create(kMinCacheBytes - 1), Code::kInvalid);
}

BOOST_AUTO_TEST_CASE(a_frame_is_given_to_one_taker_and_comes_back) {
  const auto pool = new_pool();
  BOOST_REQUIRE_EQUAL(pool->size(), kFrames);
  std::array<bool, kFrames> taken{};
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    const FrameIndex frame = pool->try_take().value();
    BOOST_TEST(!std::exchange(taken.at(frame), true));
  }
  BOOST_TEST(!pool->try_take().has_value());
  pool->give_back(7);
  BOOST_TEST(pool->try_take().value() == 7U);
}

BOOST_AUTO_TEST_CASE(a_blob_is_found_from_its_installation_to_its_eviction) {
  const auto pool = new_pool();
  BOOST_TEST(pool->lookup(BlobId{5}) == kNoFrame);
  BOOST_TEST(pool->lookup(BlobId{0xfffffffe}) == kNoFrame);
  BOOST_REQUIRE(pool->claim_load(BlobId{5}));
  BOOST_TEST(!pool->claim_load(BlobId{5}));
  BOOST_TEST(pool->lookup(BlobId{5}) == kNoFrame);
  const FrameIndex frame = pool->try_take().value();
  BOOST_REQUIRE(pool->install_loaded(frame, BlobId{5}));
  BOOST_TEST(pool->lookup(BlobId{5}) == frame);
  BOOST_TEST(!pool->claim_load(BlobId{5}));
  pool->wait_loaded(BlobId{5});

  const std::uint64_t version = pool->frame(frame).latch.version();
  fill(*pool, 100);
  bool evicted = false;
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    evicted = pool->try_take().value() == frame || evicted;
  }
  BOOST_TEST(evicted);
  BOOST_TEST(pool->lookup(BlobId{5}) == kNoFrame);
  BOOST_TEST(!pool->frame(frame).latch.still(version));  // F1
  BOOST_TEST(pool->evictions() == kFrames);
  BOOST_TEST(pool->claim_load(BlobId{5}));
  pool->abandon_load(BlobId{5});
  BOOST_TEST(pool->claim_load(BlobId{5}));
}

BOOST_AUTO_TEST_CASE(a_load_that_lost_to_a_new_blob_of_that_id_installs_nothing) {
  const auto pool = new_pool();
  const FrameIndex loaded = pool->try_take().value();
  const FrameIndex made = pool->try_take().value();
  BOOST_REQUIRE(pool->claim_load(BlobId{3}));
  pool->install(made, BlobId{3});
  BOOST_TEST(!pool->install_loaded(loaded, BlobId{3}));
  BOOST_TEST(pool->lookup(BlobId{3}) == made);
  BOOST_TEST(pool->frame(loaded).blob.load() == kNoBlob);
  pool->give_back(loaded);
}

BOOST_AUTO_TEST_CASE(what_is_dirty_frozen_being_written_latched_or_the_root_is_not_evicted) {
  const auto pool = new_pool();
  const FrameIndex root = fill(*pool, index_of(kRootBlob));
  const FrameIndex dirty = pool->lookup(BlobId{1});
  const FrameIndex frozen = pool->lookup(BlobId{2});
  const FrameIndex writing = pool->lookup(BlobId{3});
  const FrameIndex latched = pool->lookup(BlobId{4});
  pool->mark_dirty(dirty);
  BOOST_TEST(pool->dirty_count() == 1U);
  pool->frame(frozen).frozen = true;
  pool->frame(writing).writing = true;
  pool->frame(latched).latch.lock_shared();
  for (std::uint32_t i = 0; i < kFrames - 5; ++i) {
    const FrameIndex taken = pool->try_take().value();
    BOOST_TEST(taken != root);
    for (const FrameIndex kept : {dirty, frozen, writing, latched}) BOOST_TEST(taken != kept);
  }
  BOOST_TEST(!pool->try_take().has_value());
  pool->mark_clean(dirty);
  BOOST_TEST(pool->try_take().value() == dirty);
  pool->frame(frozen).frozen = false;
  BOOST_TEST(pool->try_take().value() == frozen);
  pool->frame(writing).writing = false;
  BOOST_TEST(pool->try_take().value() == writing);
  pool->frame(latched).latch.unlock_shared();
  BOOST_TEST(pool->try_take().value() == latched);
  BOOST_TEST(pool->lookup(kRootBlob) == root);
}

BOOST_AUTO_TEST_CASE(a_referenced_blob_outlives_those_that_nobody_asked_for) {
  const auto pool = new_pool();
  const FrameIndex wanted = fill(*pool, 1);
  pool->reference(wanted);
  for (std::uint32_t i = 0; i < kFrames - 1; ++i) BOOST_TEST(pool->try_take().value() != wanted);
  BOOST_TEST(pool->try_take().value() == wanted);
}

BOOST_AUTO_TEST_CASE(a_frame_that_is_being_installed_has_one_owner) {
  constexpr int kLoads = 1000000;
  constexpr std::uint32_t kIds = 64;
  const auto pool = new_pool();
  std::array<std::atomic<int>, kFrames> owner{};
  std::atomic<int> doubly_owned{0};
  std::atomic<bool> done{false};
  const auto take = [&](int who) -> std::optional<FrameIndex> {
    const auto frame = pool->try_take();
    if (frame && owner[*frame].exchange(who) != 0) ++doubly_owned;
    return frame;
  };
  // One frame is left to quarrel about: the clock meets it while it is being installed.
  while (pool->free_count() > 1) BOOST_REQUIRE(take(9).has_value());
  int lost = 0;
  {
    std::vector<std::jthread> evictors;
    for (int who : {1, 2}) {
      evictors.emplace_back([&, who] {
        while (!done) {
          const auto frame = take(who);
          if (!frame) continue;
          owner[*frame] = 0;
          pool->give_back(*frame);
        }
      });
    }
    for (std::uint32_t id = 1, loads = 0; loads < kLoads; id = id % kIds + 1) {
      if (!pool->claim_load(BlobId{id})) continue;
      const auto frame = take(3);
      if (!frame) {
        pool->abandon_load(BlobId{id});
        continue;
      }
      ++loads;
      owner[*frame] = 0;
      // Nobody else makes blobs here.
      if (pool->install_loaded(*frame, BlobId{id})) continue;
      ++lost;
      pool->give_back(*frame);
    }
    done = true;
  }
  BOOST_TEST(lost == 0);
  BOOST_TEST(doubly_owned == 0);
  BOOST_TEST(pool->evictions() > kLoads / 10U);
}
