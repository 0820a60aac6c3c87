// Goal: that contents could not be made durable is told to everybody who asks, not to the first
// only as the host does it.
#include <atomic>
#include <cerrno>
#include <thread>

#include "fs/data/sync_failures.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

// As a host whose disk failed a moment ago: says so once.
std::atomic<int> calls{0}, failures{0};
int sync_once_in_vain(int) {
  ++calls;
  if (failures.load() == 0) return 0;
  --failures;
  errno = EIO;
  return -1;
}

struct FailingHost : Fixture {
  FailingHost() : Fixture(false) {
    reopen_with([&] { options.sync_file = sync_once_in_vain; });
    failures = 0;
  }
  void reopen_with(const std::function<void()>& change) {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    change();
    open();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_waiter_is_told) {
  SyncFailures syncs(sync_once_in_vain);
  failures = 1;
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { told += syncs.sync(Ino{5}, 0) == EIO ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(told == 8);
}

BOOST_AUTO_TEST_CASE(other_files_are_not_concerned) {
  SyncFailures syncs(sync_once_in_vain);
  failures = 1;
  BOOST_TEST(syncs.sync(Ino{5}, 0) == EIO);
  BOOST_TEST(syncs.sync(Ino{6}, 0) == 0);
  BOOST_TEST(syncs.sync(Ino{5 + 1024}, 0) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_failure_is_told_until_the_contents_are_gone, FailingHost) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  BOOST_TEST(code(fs->sync_contents(file)) == 0);
  failures = 1;
  BOOST_TEST(code(fs->sync_contents(file)) == EIO);
  write(file, "more");
  BOOST_TEST(code(fs->sync_contents(file)) == EIO);
  BOOST_TEST(code(fs->setattr(who, file, {.size = 2})) == 0);
  BOOST_TEST(code(fs->sync_contents(file)) == EIO);
  BOOST_TEST(code(fs->setattr(who, file, {.size = 0})) == 0);
  write(file, "new");
  BOOST_TEST(code(fs->sync_contents(file)) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_file_that_could_not_be_synced_replaces_no_other, FailingHost) {
  write(create(kRootIno, "old"), "old");
  write(create(kRootIno, "new"), "new");
  failures = 1;
  BOOST_TEST(code(fs->sync_contents(at("new"))) == EIO);
  BOOST_TEST(code(fs->rename(who, kRootIno, "new", kRootIno, "old", 0)) == EIO);
  BOOST_TEST(read(at("old")) == "old");
}

BOOST_FIXTURE_TEST_CASE(the_end_after_a_failure_is_not_clean, FailingHost) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  failures = 1;
  BOOST_TEST(code(fs->sync_contents(file)) == EIO);
  BOOST_REQUIRE(fs->close());
  fs.reset();
  auto store = holt::Store::open(folder.path + "/store", options.store);
  BOOST_REQUIRE(store);
  BOOST_TEST(!check(**store, folder.path + "/store")->clean);
  BOOST_REQUIRE((*store)->close());
  store->reset();
  open();
}
