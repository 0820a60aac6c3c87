// Goal: a lock taken out of order stops the process, in builds that assert the ranks.
// Crash model: none.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <mutex>

#include "engine/base/annotations.h"
#include "engine/base/gate.h"
#include "engine/frame/latch.h"

using namespace holt;

namespace {

// Whether `work` is let through, found out in a process of its own.
bool passes(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);                          // Boost.Test's handler would catch it
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);  // A1's own message
    work();
    _exit(0);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_REQUIRE((status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)));
  return status == 0;
}

struct Locks {
  Mutex work{Rank::kWork};
  Gate gate{Rank::kGate}, other_gate{Rank::kGate};
  std::array<Latch, 3> latches;
  Mutex leaf{Rank::kLeaf}, other_leaf{Rank::kLeaf};
  SharedMutex directory{Rank::kDirectory};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(ascending_ranks_pass, Locks) {
  BOOST_TEST(passes([&] {
    const std::shared_lock shared(directory);
    const MutexLock first(work);
    const SharedGate inside(gate);
    latches[0].lock();
    latches[2].lock_shared();
    const MutexLock last(leaf);
    latches[2].unlock_shared();
    latches[0].unlock();
  }));
  BOOST_TEST(passes([&] {
    {
      const MutexLock lock(leaf);
    }
    const MutexLock lock(work);  // nothing is held any more
  }));
}

BOOST_FIXTURE_TEST_CASE(descending_ranks_do_not, Locks) {
  BOOST_TEST(!passes([&] {
    const SharedGate inside(gate);
    const MutexLock lock(work);
  }));
  BOOST_TEST(!passes([&] {
    latches[0].lock();
    const SharedGate inside(gate);
  }));
  BOOST_TEST(!passes([&] {
    const MutexLock lock(leaf);
    latches[0].lock_shared();
  }));
  BOOST_TEST(!passes([&] {
    const ExclusiveGate inside(gate);
    const std::unique_lock lock(directory);
  }));
}

BOOST_FIXTURE_TEST_CASE(of_one_rank_only_a_table_and_that_ascending, Locks) {
  BOOST_TEST(!passes([&] { const MutexLock first(leaf), second(other_leaf); }));
  BOOST_TEST(!passes([&] { const SharedGate inside(gate), again(other_gate); }));
  BOOST_TEST(!passes([&] {
    latches[1].lock();
    latches[0].lock();
  }));
  BOOST_TEST(passes([&] {
    latches[1].lock();
    // Had without waiting.
    BOOST_REQUIRE(latches[0].try_lock());
    latches[2].lock();
  }));
}

BOOST_FIXTURE_TEST_CASE(released_is_what_was_taken, Locks) {
  BOOST_TEST(!passes([&] { latches[0].unlock(); }));
}
