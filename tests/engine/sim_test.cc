// Goal: the simulated device loses, keeps and tears exactly what a real one may, or tests built on
// it prove nothing. Crash model: sim_storage.h. Method: many seeds; each outcome must be allowed,
// and every kind of outcome must occur.
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <set>

#include "tests/engine/sim/sim_storage.h"
#include "tests/engine/support.h"

namespace holt::sim {
namespace {

using test::as_bytes;
using test::as_text;
using test::check_error;
using test::Pages;
using test::require_ok;
using test::slot_count;
using test::value_of;
using Area = Storage::Area;

constexpr std::uint64_t kLogBytes = 16 * 1024;

Result<void> write_one(Storage& storage, std::uint32_t slot, const Pages& pages) {
  const Storage::SlotWrite write{Slot{slot}, pages.bytes()};
  return storage.write_slots({&write, 1});
}

// One character for each sector's fill, '?' where a sector is not all one byte.
std::string sectors_of(std::span<const std::byte> bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += kSectorBytes) {
    const auto sector = bytes.subspan(i, kSectorBytes);
    const bool uniform = std::ranges::all_of(sector, [&](std::byte b) { return b == sector[0]; });
    out += uniform ? static_cast<char>(sector[0]) : '?';
  }
  return out;
}

std::string slot_sectors(Storage& storage, std::uint32_t slot) {
  Pages pages(1);
  require_ok(storage.read_slot(Slot{slot}, pages.bytes()));
  return sectors_of(pages.bytes());
}

BOOST_AUTO_TEST_CASE(power_loss_keeps_each_unsynced_sector_old_or_new) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    auto disk = SimDisk::create(seed);
    auto storage = disk->attach();
    require_ok(write_one(*storage, 0, Pages(1, 'a')));
    require_ok(storage->sync_slots());
    require_ok(write_one(*storage, 0, Pages(1, 'b')));
    require_ok(write_one(*storage, 0, Pages(1, 'c')));
    disk->crash();
    const std::string sectors = slot_sectors(*disk->attach(), 0);
    BOOST_CHECK_EQUAL(sectors.find_first_not_of("abc"), std::string::npos);
    outcomes.insert(sectors);
  }
  BOOST_CHECK(outcomes.contains("aaaaaaaa"));
  BOOST_CHECK(outcomes.contains("cccccccc"));
  BOOST_CHECK_GT(outcomes.size(), 20u);
}

BOOST_AUTO_TEST_CASE(power_loss_keeps_what_was_synced) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto disk = SimDisk::create(seed);
    auto storage = disk->attach();
    std::byte* const memory = value_of(storage->map_log(kLogBytes, 4));
    std::memset(memory, 'l', 1024);
    require_ok(write_one(*storage, 2, Pages(1, 's')));
    require_ok(storage->write_area(Area::kMap0, as_bytes("map")));
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
    require_ok(storage->sync_slots());
    require_ok(storage->sync_area(Area::kMap0));
    require_ok(storage->sync_area(Area::kSuper0));
    require_ok(storage->sync_log(0, 1024));
    disk->crash();
    auto again = disk->attach();
    BOOST_CHECK(!again->fresh());
    BOOST_CHECK_EQUAL(slot_sectors(*again, 2), "ssssssss");
    BOOST_CHECK_EQUAL(as_text(value_of(again->read_area(Area::kMap0))), "map");
    const std::byte* const reread = value_of(again->map_log(kLogBytes, 4));
    BOOST_CHECK_EQUAL(sectors_of({reread, 1024}), "ll");
  }
}

BOOST_AUTO_TEST_CASE(power_loss_may_keep_any_sector_of_the_log) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    auto disk = SimDisk::create(seed);
    auto storage = disk->attach();
    std::byte* const memory = value_of(storage->map_log(kLogBytes, 4));
    std::memset(memory, 'a', 2048);
    require_ok(storage->sync_log(0, 2048));
    std::memset(memory + kLogBytes + 512, 'b', 1536);  // through the mirror
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
    require_ok(storage->sync_area(Area::kSuper0));
    disk->crash();
    auto again = disk->attach();
    outcomes.insert(sectors_of({value_of(again->map_log(kLogBytes, 4)), 2048}));
  }
  for (const std::string& outcome : outcomes) {
    BOOST_CHECK_EQUAL(outcome[0], 'a');
    BOOST_CHECK_EQUAL(outcome.find_first_not_of("ab"), std::string::npos);
  }
  BOOST_CHECK_EQUAL(outcomes.size(), 8u);
}

BOOST_AUTO_TEST_CASE(death_of_the_process_keeps_everything) {
  auto disk = SimDisk::create(1);
  auto storage = disk->attach();
  std::memset(value_of(storage->map_log(kLogBytes, 4)), 'l', 512);
  require_ok(write_one(*storage, 0, Pages(1, 's')));
  require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
  disk->kill();
  auto again = disk->attach();
  BOOST_CHECK_EQUAL(slot_sectors(*again, 0), "ssssssss");
  BOOST_CHECK_EQUAL(sectors_of({value_of(again->map_log(kLogBytes, 4)), 512}), "l");
}

BOOST_AUTO_TEST_CASE(a_dead_process_does_no_harm) {
  auto disk = SimDisk::create(1);
  auto dead = disk->attach();
  std::byte* const memory = value_of(dead->map_log(kLogBytes, 4));
  require_ok(dead->write_area(Area::kSuper0, as_bytes("super")));
  disk->kill();
  auto alive = disk->attach();
  const std::byte* const reread = value_of(alive->map_log(kLogBytes, 4));
  std::memset(memory, 'x', kLogBytes);
  BOOST_CHECK(reread[0] == std::byte{0});
  check_error(write_one(*dead, 0, Pages(1, 'x')), Code::kIo);
  check_error(dead->sync_log(0, kLogBytes), Code::kIo);
  check_error(dead->write_area(Area::kMap0, as_bytes("x")), Code::kIo);
  BOOST_CHECK_EQUAL(slot_count(*alive), 0u);
  dead.reset();
  require_ok(write_one(*alive, 0, Pages(1, 'y')));
}

BOOST_AUTO_TEST_CASE(a_failed_sync_loses_the_data_for_ever_and_hides_it) {
  bool lost_slot = false;
  bool lost_log = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto disk = SimDisk::create(seed);
    auto storage = disk->attach();
    std::byte* const memory = value_of(storage->map_log(kLogBytes, 4));
    std::memset(memory, 'l', 4096);
    require_ok(write_one(*storage, 0, Pages(1, 's')));
    disk->fail_nth(Op::kSyncSlots, 1, EIO);
    disk->fail_nth(Op::kSyncLog, 1, EIO);
    check_error(storage->sync_slots(), Code::kIo);
    check_error(storage->sync_log(0, 4096), Code::kIo);
    BOOST_CHECK_EQUAL(slot_sectors(*storage, 0), "ssssssss");
    // These "succeed", and make nothing durable: the kernel forgot that the pages were dirty.
    require_ok(storage->sync_slots());
    require_ok(storage->sync_log(0, 4096));
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
    require_ok(storage->sync_area(Area::kSuper0));
    disk->crash();
    auto again = disk->attach();
    if (slot_count(*again) > 0) lost_slot |= slot_sectors(*again, 0) != "ssssssss";
    lost_log |= sectors_of({value_of(again->map_log(kLogBytes, 4)), 4096}) != "llllllll";
  }
  BOOST_CHECK(lost_slot);
  BOOST_CHECK(lost_log);
}

BOOST_AUTO_TEST_CASE(fails_the_operation_that_was_chosen) {
  auto disk = SimDisk::create(1);
  auto storage = disk->attach();
  disk->fail_nth(Op::kWriteSlots, 2, ENOSPC);
  require_ok(write_one(*storage, 0, Pages(1, 'a')));
  check_error(write_one(*storage, 1, Pages(1, 'b')), Code::kNoSpace);
  require_ok(write_one(*storage, 1, Pages(1, 'b')));
  disk->fail_nth(Op::kReadSlot, 1, kShortRead);
  Pages out(1);
  check_error(storage->read_slot(Slot{0}, out.bytes()), Code::kIo);
  require_ok(storage->read_slot(Slot{0}, out.bytes()));
  disk->fail_randomly(Op::kReadArea, 1, EIO);
  check_error(storage->read_area(Area::kMap0), Code::kIo);
  disk->fail_randomly(Op::kReadArea, 0, 0);
  require_ok(storage->read_area(Area::kMap0));
  BOOST_CHECK_EQUAL(disk->count(Op::kWriteSlots), 3u);
}

BOOST_AUTO_TEST_CASE(can_lose_power_at_any_sync) {
  for (const bool done : {false, true}) {
    auto disk = SimDisk::create(3);
    auto storage = disk->attach();
    disk->on_sync([&](Op op, bool after) {
      if (op == Op::kSyncArea && after == done) disk->crash();
    });
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
    check_error(storage->sync_area(Area::kSuper0), Code::kIo);
    disk->on_sync({});
    if (done) BOOST_CHECK(!disk->attach()->fresh());
  }
}

BOOST_AUTO_TEST_CASE(flips_the_bit_that_was_chosen) {
  auto disk = SimDisk::create(1);
  {
    auto storage = disk->attach();
    require_ok(write_one(*storage, 0, Pages(1, 0)));
    value_of(storage->map_log(kLogBytes, 4));
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
  }
  disk->flip_bit_in_slot(Slot{0}, 100, 3);
  disk->flip_bit_in_area(Area::kSuper0, 0, 0);
  disk->flip_bit_in_log(200, 1);
  auto storage = disk->attach();
  Pages out(1);
  require_ok(storage->read_slot(Slot{0}, out.bytes()));
  BOOST_CHECK(out.bytes()[100] == std::byte{8});
  BOOST_CHECK(value_of(storage->read_area(Area::kSuper0))[0] == std::byte{'s' ^ 1});
  BOOST_CHECK(value_of(storage->map_log(kLogBytes, 4))[200] == std::byte{2});
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_loss) {
  std::set<std::string> outcomes;
  for (int round = 0; round < 5; ++round) {
    auto disk = SimDisk::create(test::test_seed());
    auto storage = disk->attach();
    require_ok(write_one(*storage, 0, Pages(1, 'a')));
    require_ok(storage->sync_slots());
    require_ok(write_one(*storage, 0, Pages(1, 'b')));
    disk->crash();
    outcomes.insert(slot_sectors(*disk->attach(), 0));
  }
  BOOST_CHECK_EQUAL(outcomes.size(), 1u);
}

}  // namespace
}  // namespace holt::sim
