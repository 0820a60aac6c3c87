// Goal: what the directory storage says is durable was really asked of the kernel: each file, and
// the directories that hold its name; and a sync that fails is an error.
// Method: this program's own fsync() and fdatasync() stand before the C library's: they note the
// file, fail when told to, and else call the kernel.
#include <boost/test/unit_test.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include "engine/holt.h"
#include "engine/storage/storage.h"
#include "tests/engine/support.h"

using namespace holt;
using namespace holt::test;
using Area = Storage::Area;
using Names = std::vector<std::string>;

namespace {

struct Recorder {
  std::mutex mutex;
  Names synced;         // paths, in order
  std::string failing;  // file name whose syncs fail
  int err = 0;
};
Recorder& recorder() {
  static Recorder instance;
  return instance;
}

int record(int fd, long call) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  const std::filesystem::path whole(std::string(path.data(), size > 0 ? size : 0));
  {
    Recorder& all = recorder();
    const std::scoped_lock lock(all.mutex);
    all.synced.push_back(whole);
    if (all.err != 0 && whole.filename() == all.failing) {
      errno = all.err;
      return -1;
    }
  }
  return static_cast<int>(::syscall(call, fd));
}

}  // namespace

extern "C" int fsync(int fd) { return record(fd, SYS_fsync); }
extern "C" int fdatasync(int fd) { return record(fd, SYS_fdatasync); }

namespace {

constexpr std::uint64_t kSegmentBytes = 16 * 1024;
constexpr std::uint32_t kSegments = 4;

void fail_syncs_of(const std::string& name, int err) {
  Recorder& all = recorder();
  const std::scoped_lock lock(all.mutex);
  all.failing = name;
  all.err = err;
}

struct Directory {
  std::string path() const { return folder.path() / "store"; }
  // What was synced since the last call, files of the store by their names.
  Names synced() const {
    Recorder& all = recorder();
    const std::scoped_lock lock(all.mutex);
    Names names;
    for (const std::string& one : all.synced) {
      const bool inside = one.starts_with(path() + "/");
      names.push_back(inside ? one.substr(path().size() + 1) : one);
    }
    all.synced.clear();
    return names;
  }
  std::unique_ptr<Storage> open() const { return value_of(open_posix_storage(path(), {})); }

  Directory() { fail_syncs_of("", 0), synced(); }
  ~Directory() { fail_syncs_of("", 0); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  TempFolder folder;
};

std::ptrdiff_t first_of(const Names& names, const std::string& name) {
  const auto at = std::ranges::find(names, name);
  BOOST_REQUIRE_MESSAGE(at != names.end(), name << " was never synced");
  return at - names.begin();
}
std::ptrdiff_t last_of(const Names& names, const std::string& name) {
  const auto at = std::find(names.rbegin(), names.rend(), name);
  BOOST_REQUIRE_MESSAGE(at != names.rend(), name << " was never synced");
  return names.rend() - at - 1;
}

Options small_log() {
  Options options;
  options.cache_bytes = kMinCacheBytes;
  options.wal_bytes = 1u << 20;
  options.commit_interval_ms = 0;
  return options;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(directory, Directory)

BOOST_AUTO_TEST_CASE(a_new_store_syncs_all_files_and_their_names_before_its_superblock) {
  const auto store = value_of(Store::open(path(), small_log()));
  const Names names = synced();
  const std::ptrdiff_t superblock = first_of(names, "superblock");
  BOOST_TEST(superblock == last_of(names, "superblock"));
  for (const char* file : {"wal.0", "wal.1", "wal.2", "wal.3", "blobs"}) {
    BOOST_TEST(last_of(names, file) < superblock);
  }
  const bool first_map = std::ranges::find(names, "map.0") != names.end();
  BOOST_TEST(first_of(names, first_map ? "map.0" : "map.1") < superblock);
  BOOST_TEST(first_of(names, "blobs") < first_of(names, first_map ? "map.0" : "map.1"));
  BOOST_TEST(first_of(names, folder.path().string()) < superblock);
  // The directory: once the last of its files is made.
  BOOST_TEST(last_of(names, path()) < superblock);
  BOOST_TEST(last_of(names, path()) > first_of(names, "wal.3"));
}

BOOST_AUTO_TEST_CASE(a_new_storage_syncs_the_names_of_its_files_before_the_log_is_made) {
  const auto storage = open();
  const Names names = synced();
  first_of(names, folder.path().string());
  first_of(names, path());
}

BOOST_AUTO_TEST_CASE(a_sync_of_the_log_syncs_every_segment_it_touches_and_no_other) {
  const auto storage = open();
  require_ok(storage->map_log(kSegments * kSegmentBytes, kSegments));
  synced();
  const auto sync = [&](std::uint64_t from, std::uint64_t to) {
    require_ok(storage->sync_log(from, to));
    return synced();
  };
  BOOST_TEST(sync(kSegmentBytes - 512, kSegmentBytes + 512) == (Names{"wal.0", "wal.1"}));
  BOOST_TEST(sync(kSegmentBytes - 1, kSegmentBytes + 1) == (Names{"wal.0", "wal.1"}));
  BOOST_TEST(sync(0, 1) == Names{"wal.0"});
  BOOST_TEST(sync(kSegmentBytes, 2 * kSegmentBytes) == Names{"wal.1"});
  BOOST_TEST(sync(kSegmentBytes + 5, 4 * kSegmentBytes) == (Names{"wal.1", "wal.2", "wal.3"}));
  BOOST_TEST(sync(0, 4 * kSegmentBytes) == (Names{"wal.0", "wal.1", "wal.2", "wal.3"}));
}

BOOST_AUTO_TEST_CASE(each_area_and_the_slots_are_synced_where_they_lie) {
  const auto storage = open();
  synced();
  const std::pair<Area, const char*> areas[] = {{Area::kSuper0, "superblock"},
                                                {Area::kSuper1, "superblock"},
                                                {Area::kMap0, "map.0"},
                                                {Area::kMap1, "map.1"}};
  for (const auto& [area, name] : areas) {
    require_ok(storage->write_area(area, as_bytes("contents")));
    require_ok(storage->sync_area(area));
    BOOST_TEST(synced() == Names{name});
  }
  require_ok(storage->sync_slots());
  BOOST_TEST(synced() == Names{"blobs"});
}

BOOST_AUTO_TEST_CASE(a_checkpoint_syncs_blobs_then_map_then_superblock_and_a_sync_the_log) {
  const auto store = value_of(Store::open(path(), small_log()));
  require_ok(store->put("key", "value"));
  synced();
  require_ok(store->sync());
  BOOST_TEST(synced() == Names{"wal.0"});
  require_ok(store->checkpoint());
  const Names first = synced();
  require_ok(store->checkpoint());
  const Names second = synced();
  for (const Names& names : {first, second}) {
    BOOST_REQUIRE_EQUAL(names.size(), 3U);
    BOOST_TEST(names[0] == "blobs");
    BOOST_TEST(names[1].starts_with("map."));
    BOOST_TEST(names[2] == "superblock");
  }
  BOOST_TEST(first[1] != second[1]);  // K5
}

BOOST_AUTO_TEST_CASE(a_sync_that_fails_is_an_error_that_names_the_file) {
  const auto storage = open();
  require_ok(storage->map_log(kSegments * kSegmentBytes, kSegments));
  const auto refused = [&](const Result<void>& outcome, const std::string& name, int err) {
    check_error(outcome, Code::kIo);
    BOOST_TEST(outcome.error().sys_errno() == err);
    BOOST_TEST(outcome.error().text().find(name) != std::string::npos, outcome.error().text());
  };
  // A sync that was interrupted may have eaten the error that it would have reported.
  for (const int err : {EIO, EINTR}) {
    fail_syncs_of("wal.1", err);
    refused(storage->sync_log(kSegmentBytes - 1, kSegmentBytes + 1), "wal.1", err);
    require_ok(storage->sync_log(0, kSegmentBytes));
    fail_syncs_of("wal.0", err);
    refused(storage->sync_log(kSegmentBytes - 1, kSegmentBytes + 1), "wal.0", err);
    fail_syncs_of("map.1", err);
    refused(storage->sync_area(Area::kMap1), "map.1", err);
    require_ok(storage->sync_area(Area::kMap0));
    fail_syncs_of("superblock", err);
    refused(storage->sync_area(Area::kSuper0), "superblock", err);
    fail_syncs_of("blobs", err);
    refused(storage->sync_slots(), "blobs", err);
  }
}

BOOST_AUTO_TEST_CASE(a_store_is_not_made_when_any_of_its_files_cannot_be_synced) {
  const std::string above = folder.path().filename();
  for (const std::string& name :
       {above, std::string("store"), std::string("wal.0"), std::string("wal.3"),
        std::string("blobs"), std::string("superblock")}) {
    fail_syncs_of(name, EIO);
    BOOST_TEST_CONTEXT("no sync of " << name) {
      const auto opened = Store::open(path(), small_log());
      check_error(opened, Code::kIo);
      BOOST_TEST(opened.error().sys_errno() == EIO);
    }
    fail_syncs_of("", 0);
    std::filesystem::remove_all(path());
  }
  require_ok(Store::open(path(), small_log()));
}

BOOST_AUTO_TEST_CASE(a_failed_sync_of_a_segment_makes_the_store_read_only) {
  const auto store = value_of(Store::open(path(), small_log()));
  require_ok(store->put("key", "value"));
  fail_syncs_of("wal.0", EIO);
  check_error(store->sync(), Code::kReadOnly);
  fail_syncs_of("", 0);
  check_error(store->sync(), Code::kReadOnly);
  check_error(store->put("key", "other"), Code::kReadOnly);
}

BOOST_AUTO_TEST_SUITE_END()
