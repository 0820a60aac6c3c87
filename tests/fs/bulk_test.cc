// Goal: the cache of host files never gives out one that was removed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "fs/data/bulk.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

constexpr Ino kIno{5};

std::string host_file(const Folder& folder) { return folder.path + "/000/0000000000000005"; }

bool waits_in_openat(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/syscall", thread));
  long number = -1;
  return file >> number && number == SYS_openat;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_removed_file_is_made_anew) {
  const Folder folder;
  BulkFiles files(folder.path, 64, false);
  const auto first = files.open_or_create(kIno);
  BOOST_REQUIRE((first && pwrite((*first)->fd(), "old", 3, 0) == 3));
  files.remove(kIno);
  BOOST_TEST((*files.open(kIno) == nullptr));
  const auto second = files.open_or_create(kIno);
  BOOST_REQUIRE(second);
  BOOST_TEST((*second)->extent()->size == 0u);
  BOOST_TEST((*first)->extent()->size == 3u);
}

// A fifo stands for the host file, because opening one for reading waits for a writer: so the
// removal comes when the file is about to be opened.
BOOST_AUTO_TEST_CASE(a_file_that_is_removed_while_it_is_opened_is_not_kept) {
  const Folder folder;
  BOOST_REQUIRE(mkdir((folder.path + "/000").c_str(), 0700) == 0);
  const std::string other_name = folder.path + "/fifo";
  BOOST_REQUIRE(mkfifo(other_name.c_str(), 0600) == 0);
  BOOST_REQUIRE(link(other_name.c_str(), host_file(folder).c_str()) == 0);
  BulkFiles files(folder.path, 64, true);
  std::atomic<pid_t> thread{0};
  bool opened = false;
  std::thread opener([&] {
    thread = static_cast<pid_t>(gettid());
    const auto file = files.open(kIno);
    opened = file && *file != nullptr;
  });
  while (thread == 0 || !waits_in_openat(thread)) std::this_thread::yield();
  files.remove(kIno);
  const int writer = open(other_name.c_str(), O_RDWR);
  opener.join();
  close(writer);
  BOOST_TEST(opened);
  const auto again = files.open(kIno);
  BOOST_TEST((again && *again == nullptr));
}
