// Goal: one process at a time has a store, one that is being closed is waited for, and one whose
// killed owner still has writes under way is, too.
// Method: the locks are held here, by open files of the test's own, and the storage is opened in
// another thread; /proc/locks shows when that waits.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "engine/holt.h"
#include "engine/storage/posix_file.h"
#include "engine/storage/storage.h"
#include "tests/engine/support.h"

using namespace holt;
using namespace holt::test;

namespace {

using Opened = Result<std::unique_ptr<Storage>>;

struct Directory {
  std::string path() const { return folder.path() / "store"; }
  Opened open(bool read_only = false) const {
    return open_posix_storage(path(), {.create = !read_only, .read_only = read_only});
  }
  // A store that was made and closed.
  Directory() {
    auto storage = value_of(open());
    require_ok(storage->map_log(64 * 1024, 4));
    require_ok(storage->write_area(Storage::Area::kSuper0, as_bytes("super")));
  }
  UniqueFd file(const std::string& name) const {
    return value_of(open_at(AT_FDCWD, path() + "/" + name, O_RDWR, name));
  }
  TempFolder folder;
};

// Whether anybody has the lock of the file, or (`waiting`) waits for it, as the kernel tells.
bool kernel_shows(const UniqueFd& file, bool waiting) {
  struct stat status;
  BOOST_REQUIRE(::fstat(file.get(), &status) == 0);
  const std::string inode = ":" + std::to_string(status.st_ino) + " ";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    const bool blocked = line.find("-> FLOCK") != std::string::npos;
    if (line.find(inode) != std::string::npos && blocked == waiting) return true;
  }
  return false;
}

bool is_ready(const std::future<Opened>& opened) {
  return opened.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(directory, Directory)

BOOST_AUTO_TEST_CASE(an_open_store_has_the_lock_of_its_blobs) {
  const UniqueFd blobs = file("blobs");
  auto storage = value_of(open());
  BOOST_TEST(::flock(blobs.get(), LOCK_SH | LOCK_NB) == -1);
  BOOST_TEST(errno == EWOULDBLOCK);
  storage.reset();
  BOOST_REQUIRE(::flock(blobs.get(), LOCK_EX | LOCK_NB) == 0);
  ::flock(blobs.get(), LOCK_UN);
  // Readers share it.
  storage = value_of(open(true));
  BOOST_TEST(::flock(blobs.get(), LOCK_EX | LOCK_NB) == -1);
  BOOST_TEST(::flock(blobs.get(), LOCK_SH | LOCK_NB) == 0);
}

BOOST_AUTO_TEST_CASE(a_store_whose_blobs_are_still_written_to_is_waited_for) {
  for (const bool read_only : {false, true}) {
    const UniqueFd blobs = file("blobs");
    BOOST_REQUIRE(::flock(blobs.get(), LOCK_EX | LOCK_NB) == 0);
    std::atomic<bool> released{false};
    std::atomic<bool> came_after{false};
    auto opened = std::async(std::launch::async, [&] {
      Opened result = open(read_only);
      came_after = released.load();
      return result;
    });
    if (!kernel_shows(blobs, false)) {
      BOOST_TEST_MESSAGE("the kernel does not show locks: nobody knows when the thread waits");
    } else {
      while (!kernel_shows(blobs, true) && !is_ready(opened)) std::this_thread::yield();
      BOOST_TEST(!is_ready(opened));
    }
    released = true;
    ::flock(blobs.get(), LOCK_UN);
    require_ok(opened.get());
    BOOST_TEST(came_after);
  }
}

BOOST_AUTO_TEST_CASE(a_store_that_is_being_closed_is_waited_for) {
  auto first = value_of(open());
  first->announce_close();
  auto opened = std::async(std::launch::async, [&] { return open(); });
  // Longer than a store that is in use is waited for.
  BOOST_TEST((opened.wait_for(std::chrono::milliseconds(1500)) == std::future_status::timeout));
  first.reset();
  auto second = value_of(opened.get());
  // The mark does not outlive the one that closed.
  BOOST_TEST(std::filesystem::file_size(path() + "/LOCK") == 0U);
  const auto third = open();
  check_error(third, Code::kBusy);
  BOOST_TEST(third.error().text().find("is in use") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_in_use_is_busy_for_writers_and_readers) {
  const auto first = value_of(open());
  check_error(open(), Code::kBusy);
  check_error(open(true), Code::kBusy);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(a_store_that_announced_its_close_lets_the_next_one_in_when_it_is_closed) {
  const TempFolder folder;
  Options options;
  options.cache_bytes = kMinCacheBytes;
  options.wal_bytes = 1u << 20;
  auto first = value_of(Store::open(folder.path() / "store", options));
  require_ok(first->put("key", "value"));
  first->announce_close();
  auto opened =
      std::async(std::launch::async, [&] { return Store::open(folder.path() / "store", options); });
  BOOST_TEST((opened.wait_for(std::chrono::milliseconds(1500)) == std::future_status::timeout));
  require_ok(first->put("late", "value"));
  require_ok(first->close());
  first.reset();
  const auto second = value_of(opened.get());
  std::string value;
  require_ok(second->get("key", value));
  require_ok(second->get("late", value));
}
