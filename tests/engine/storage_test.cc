// Goal: every Storage keeps what the seam promises, and the simulated one loses exactly what a
// device may. Crash model: sim_storage.h. Method: the same cases on a directory (io_uring and
// pwrite) and on the simulated device, then what is peculiar to each.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#include "engine/format.h"
#include "engine/storage/posix_file.h"
#include "engine/storage/posix_log.h"
#include "engine/storage/storage.h"
#include "tests/engine/sim/sim_storage.h"
#include "tests/engine/support.h"

namespace holt {
namespace {

using sim::Op;
using sim::SimDisk;
using test::as_bytes;
using test::as_text;
using test::check_error;
using test::Pages;
using test::require_ok;
using test::slot_count;
using test::value_of;
using Area = Storage::Area;

constexpr std::uint64_t kLogBytes = 64 * 1024;
constexpr std::uint32_t kSegments = 4;

template <bool io_uring>
class DirectoryHost {
 public:
  Storage& open() {
    storage_.reset();
    storage_ = value_of(open_posix_storage(
        folder_.path() / "store", {.create = true, .read_only = false, .io_uring = io_uring}));
    return *storage_;
  }

 private:
  test::TempFolder folder_;
  std::unique_ptr<Storage> storage_;
};

class SimHost {
 public:
  Storage& open() {
    storage_.reset();
    storage_ = disk_->attach();
    return *storage_;
  }

 private:
  std::shared_ptr<SimDisk> disk_ = SimDisk::create(test::test_seed());
  std::unique_ptr<Storage> storage_;
};

using Hosts = boost::mpl::list<DirectoryHost<true>, DirectoryHost<false>, SimHost>;

Result<void> write_one(Storage& storage, std::uint32_t slot, const Pages& pages) {
  const Storage::SlotWrite write{Slot{slot}, pages.bytes()};
  return storage.write_slots({&write, 1});
}

std::string read_pages(Storage& storage, std::uint32_t slot, std::size_t count) {
  Pages pages(count);
  require_ok(storage.read_slot(Slot{slot}, pages.bytes()));
  return as_text(pages.bytes());
}

std::string filled(std::size_t pages, int fill) {
  return std::string(pages * kDiskPage, static_cast<char>(fill));
}

// ---- every storage

BOOST_AUTO_TEST_CASE_TEMPLATE(is_fresh_until_a_superblock_is_written, Host, Hosts) {
  Host host;
  BOOST_CHECK(host.open().fresh());
  Storage& again = host.open();
  BOOST_CHECK(again.fresh());
  require_ok(again.write_area(Area::kSuper1, as_bytes("super")));
  require_ok(again.sync_area(Area::kSuper1));
  BOOST_CHECK(again.fresh());
  BOOST_CHECK(!host.open().fresh());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reads_back_every_slot_of_a_large_batch, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  std::vector<Pages> images;
  std::vector<Storage::SlotWrite> writes;
  for (int i = 0; i < 50; ++i) images.emplace_back(1 + i % 5, i + 1);
  for (std::uint32_t i = 0; i < 50; ++i) writes.push_back({Slot{i * 7 % 50}, images[i].bytes()});
  require_ok(storage.write_slots(writes));
  require_ok(storage.sync_slots());
  for (std::uint32_t i = 0; i < 50; ++i) {
    BOOST_CHECK(read_pages(storage, i * 7 % 50, 1 + i % 5) ==
                filled(1 + i % 5, static_cast<int>(i) + 1));
    BOOST_CHECK(read_pages(storage, i * 7 % 50, 1) == filled(1, static_cast<int>(i) + 1));
  }
  BOOST_CHECK_EQUAL(slot_count(storage), 50u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reports_a_slot_that_is_cut_short, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  require_ok(write_one(storage, 0, Pages(2, 1)));
  Pages out(1);
  check_error(storage.read_slot(Slot{5}, out.bytes()), Code::kIo);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(forgets_truncated_and_discarded_slots_only, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  for (std::uint32_t i = 0; i < 6; ++i) {
    require_ok(write_one(storage, i, Pages(1, static_cast<int>(i) + 1)));
  }
  require_ok(storage.sync_slots());
  const std::array discarded{Slot{3}, Slot{1}, Slot{2}};
  storage.discard_slots(discarded);
  require_ok(storage.truncate_slots(5));
  require_ok(storage.truncate_slots(9));  // never makes the store larger
  require_ok(storage.sync_slots());
  BOOST_CHECK_EQUAL(slot_count(storage), 5u);
  BOOST_CHECK(read_pages(storage, 0, 1) == filled(1, 1));
  BOOST_CHECK(read_pages(storage, 4, 1) == filled(1, 5));
  require_ok(write_one(storage, 2, Pages(1, 77)));
  require_ok(write_one(storage, 5, Pages(1, 78)));
  BOOST_CHECK(read_pages(storage, 2, 1) == filled(1, 77));
  BOOST_CHECK(read_pages(storage, 5, 1) == filled(1, 78));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(replaces_whole_areas_and_keeps_them_apart, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  for (const Area area : {Area::kSuper0, Area::kSuper1, Area::kMap0, Area::kMap1}) {
    BOOST_CHECK(value_of(storage.read_area(area)).empty());
  }
  require_ok(storage.write_area(Area::kMap0, as_bytes(std::string(10000, 'a'))));
  require_ok(storage.write_area(Area::kMap0, as_bytes("shorter")));
  require_ok(storage.write_area(Area::kMap1, as_bytes("other")));
  require_ok(storage.write_area(Area::kSuper1, as_bytes("one")));
  BOOST_CHECK(value_of(storage.read_area(Area::kSuper0)).empty());
  require_ok(storage.write_area(Area::kSuper0, as_bytes("zero")));
  for (const Area area : {Area::kSuper0, Area::kSuper1, Area::kMap0, Area::kMap1}) {
    require_ok(storage.sync_area(area));
  }
  Storage& again = host.open();
  BOOST_CHECK_EQUAL(as_text(value_of(again.read_area(Area::kMap0))), "shorter");
  BOOST_CHECK_EQUAL(as_text(value_of(again.read_area(Area::kMap1))), "other");
  BOOST_CHECK_EQUAL(as_text(value_of(again.read_area(Area::kSuper0))).substr(0, 5),
                    std::string("zero\0", 5));
  BOOST_CHECK_EQUAL(as_text(value_of(again.read_area(Area::kSuper1))).substr(0, 3), "one");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(mirrors_the_log_and_keeps_it, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  check_error(storage.map_log(kLogBytes + 1, kSegments), Code::kInvalid);
  std::byte* memory = value_of(storage.map_log(kLogBytes, kSegments));
  BOOST_CHECK(
      std::all_of(memory, memory + 2 * kLogBytes, [](std::byte b) { return b == std::byte{0}; }));
  std::memcpy(memory + kLogBytes - 3, "across", 6);
  BOOST_CHECK_EQUAL(std::memcmp(memory, "oss", 3), 0);
  BOOST_CHECK_EQUAL(std::memcmp(memory + 2 * kLogBytes - 3, "acr", 3), 0);
  require_ok(storage.sync_log(kLogBytes - 3, kLogBytes));
  require_ok(storage.sync_log(0, kLogBytes));
  require_ok(storage.write_area(Area::kSuper0, as_bytes("super")));

  Storage& again = host.open();
  memory = value_of(again.map_log(kLogBytes, kSegments));
  BOOST_CHECK_EQUAL(std::memcmp(memory + kLogBytes - 3, "across", 6), 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(never_makes_the_log_of_an_old_store_anew, Host, Hosts) {
  Host host;
  Storage& storage = host.open();
  std::byte* memory = value_of(storage.map_log(kLogBytes, kSegments));
  memory[7] = std::byte{7};
  require_ok(storage.sync_log(0, 512));
  require_ok(storage.write_area(Area::kSuper0, as_bytes("super")));
  Storage& again = host.open();
  check_error(again.map_log(2 * kLogBytes, kSegments), Code::kCorrupt);
  Storage& third = host.open();
  memory = value_of(third.map_log(kLogBytes, kSegments));
  BOOST_CHECK(memory[7] == std::byte{7});
}

// ---- a directory

struct Directory {
  std::filesystem::path path() const { return folder.path() / "store"; }
  Result<std::unique_ptr<Storage>> open(PosixStorageOptions options = {}) const {
    return open_posix_storage(path(), options);
  }
  // A store with a superblock, one slot and a log.
  void make() const {
    auto storage = value_of(open());
    value_of(storage->map_log(kLogBytes, kSegments))[0] = std::byte{1};
    require_ok(storage->sync_log(0, 1));
    require_ok(write_one(*storage, 0, Pages(1, 9)));
    require_ok(storage->sync_slots());
    require_ok(storage->write_area(Area::kSuper0, as_bytes("super")));
    require_ok(storage->sync_area(Area::kSuper0));
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  std::string content(const std::string& name) const {
    std::ifstream file(path() / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void overwrite(const std::string& name, const std::string& text) const {
    std::ofstream(path() / name, std::ios::binary) << text;
  }
  test::TempFolder folder;
};

BOOST_FIXTURE_TEST_SUITE(directory, Directory)

BOOST_AUTO_TEST_CASE(refuses_a_second_opener) {
  make();
  auto first = value_of(open());
  check_error(open(), Code::kBusy);
  check_error(open({.create = false, .read_only = true}), Code::kBusy);
  first.reset();
  require_ok(open());
}

BOOST_AUTO_TEST_CASE(lets_several_readers_in_and_no_writer) {
  make();
  const PosixStorageOptions reader{.create = false, .read_only = true};
  auto first = value_of(open(reader));
  auto second = value_of(open(reader));
  check_error(open(), Code::kBusy);
}

BOOST_AUTO_TEST_CASE(leaves_a_directory_of_something_else_alone) {
  std::filesystem::create_directory(path());
  overwrite("thesis.tex", "years of work");
  check_error(open(), Code::kInvalid);
  BOOST_CHECK(names() == std::set<std::string>{"thesis.tex"});
}

BOOST_AUTO_TEST_CASE(says_that_there_is_no_store) {
  check_error(open({.create = false}), Code::kInvalid);
  check_error(open({.create = true, .read_only = true}), Code::kInvalid);
  BOOST_CHECK(!std::filesystem::exists(path()));
  std::filesystem::create_directory(path());
  check_error(open({.create = false}), Code::kInvalid);
  BOOST_CHECK(names().empty());
  overwrite("a_file", "");
  check_error(open_posix_storage(path() / "a_file", {}), Code::kInvalid);
}

BOOST_AUTO_TEST_CASE(starts_again_after_an_interrupted_making) {
  {
    auto storage = value_of(open());
    require_ok(write_one(*storage, 3, Pages(1, 1)));
    require_ok(storage->write_area(Area::kMap0, as_bytes("map")));
    value_of(storage->map_log(kLogBytes, kSegments));
  }
  std::filesystem::resize_file(path() / "wal.2", 4096);
  std::filesystem::remove(path() / "wal.3");
  overwrite("superblock", std::string(4096, '\0'));
  auto storage = value_of(open());
  BOOST_CHECK(storage->fresh());
  BOOST_CHECK_EQUAL(slot_count(*storage), 0u);
  BOOST_CHECK(value_of(storage->read_area(Area::kMap0)).empty());
  require_ok(storage->map_log(kLogBytes, kSegments));
}

BOOST_AUTO_TEST_CASE(does_not_take_a_store_that_lost_its_superblock_for_a_new_one) {
  make();
  overwrite("superblock", "");
  check_error(open(), Code::kCorrupt);
  BOOST_CHECK(content("blobs").starts_with("\x09\x09"));
}

BOOST_AUTO_TEST_CASE(names_the_log_segment_that_is_missing_or_cut) {
  make();
  std::filesystem::resize_file(path() / "wal.1", 4096);
  auto cut = value_of(open())->map_log(kLogBytes, kSegments);
  check_error(cut, Code::kCorrupt);
  BOOST_CHECK(cut.error().text().find("wal.1") != std::string::npos);
  std::filesystem::remove(path() / "wal.1");
  auto missing = value_of(open())->map_log(kLogBytes, kSegments);
  check_error(missing, Code::kCorrupt);
  BOOST_CHECK(missing.error().text().find("wal.1") != std::string::npos);
}

// Else who writes to the log waits for the disk to read what he overwrites.
BOOST_AUTO_TEST_CASE(keeps_the_log_in_memory_when_the_kernel_drops_pages) {
  const auto storage = value_of(open());
  std::byte* const memory = value_of(storage->map_log(kLogBytes, kSegments));
  require_ok(storage->sync_log(0, kLogBytes));
  for (std::uint32_t i = 0; i < kSegments; ++i) {
    const UniqueFd file(::open((path() / log_segment_name(i)).c_str(), O_RDONLY | O_CLOEXEC));
    BOOST_TEST(posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  }
  std::vector<unsigned char> resident(kLogBytes / kDiskPage);
  BOOST_REQUIRE(mincore(memory, kLogBytes, resident.data()) == 0);
  BOOST_TEST(std::ranges::count_if(resident, [](unsigned char page) { return (page & 1) == 0; }) ==
             0);
}

BOOST_AUTO_TEST_CASE(changes_nothing_on_disk_when_read_only) {
  make();
  std::map<std::string, std::string> before;
  for (const std::string& name : names()) before[name] = content(name);
  {
    auto storage = value_of(open({.create = true, .read_only = true}));
    BOOST_CHECK(storage->read_only());
    std::byte* const memory = value_of(storage->map_log(kLogBytes, kSegments));
    BOOST_CHECK(memory[0] == std::byte{1});
    memory[0] = std::byte{2};
    require_ok(write_one(*storage, 0, Pages(1, 50)));
    require_ok(write_one(*storage, 4, Pages(2, 51)));
    BOOST_CHECK(read_pages(*storage, 0, 1) == filled(1, 50));
    BOOST_CHECK(read_pages(*storage, 4, 2) == filled(2, 51));
    BOOST_CHECK_EQUAL(slot_count(*storage), 5u);
    check_error(storage->write_area(Area::kMap0, as_bytes("map")), Code::kReadOnly);
    check_error(storage->sync_log(0, 512), Code::kReadOnly);
  }
  std::map<std::string, std::string> after;
  for (const std::string& name : names()) after[name] = content(name);
  BOOST_CHECK(before == after);
}

BOOST_AUTO_TEST_CASE(reports_a_device_that_is_full_or_refuses_writes) {
  auto storage = value_of(open());
  // Beyond the largest file that the host allows.
  const Pages page(1, 1);
  const std::vector<Storage::SlotWrite> writes(20, {Slot{0xfffffff0}, page.bytes()});
  BOOST_CHECK(!storage->write_slots(writes).has_value());
  BOOST_CHECK(!storage->write_slots(std::span(writes).first(1)).has_value());
  require_ok(write_one(*storage, 1, page));
  BOOST_CHECK(read_pages(*storage, 1, 1) == filled(1, 1));
}

BOOST_AUTO_TEST_SUITE_END()
}  // namespace
}  // namespace holt
