// Goal: an operation that may not wait either does all it would do otherwise, or says so and can be
// run again from the start (O2). Method: every operation on a store that was just opened, where
// little is in memory, first without waiting, then, if that was refused, with. The checker ends it.
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <future>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

// Directories d0 to d39 of 500 files each: enough that the tree has several blobs.
struct Waiting : Fixture {
  static constexpr int kDirs = 40, kFiles = 500;

  Waiting() {
    for (int d = 0; d < kDirs; ++d) {
      const Ino dir = mkdir(kRootIno, fmt::format("d{}", d));
      for (int f = 0; f < kFiles; ++f) {
        const Ino made = create(dir, file(f));
        if (f == 0) BOOST_REQUIRE(fs->setxattr(who, made, "user.k", "v", 0));
        fs->forget(made, 1);
      }
    }
  }

  static std::string file(int number) { return fmt::format("file-with-a-name-{}", number); }

  // Calls `operation(dir, name, i)` on a few directories, each on a store that was just opened;
  // none of it may fail, and some of it has to wait.
  void each_cold(const std::function<void(Ino dir, const std::string& name, int i)>& operation) {
    for (int i = 0; i < 3; ++i) {
      reopen();
      const std::string name = fmt::format("d{}", 10 * i);
      operation(look_up(kRootIno, name), name, i);
      BOOST_REQUIRE_EQUAL(problems(), "");
    }
    BOOST_TEST(waits > 0);
  }

  // Without waiting, and again with, if that is what it takes.
  void succeeds(const std::function<int(const Caller&)>& operation) {
    const Caller hasty{.who = {}, .wait = holt::Wait::kNo};
    int outcome = operation(hasty);
    if (outcome == value_of(kWouldWait)) {
      ++waits;
      outcome = operation(who);
    }
    BOOST_REQUIRE_EQUAL(outcome, 0);
  }
  Ino look_up(Ino parent, const std::string& name) {
    Ino found{};
    succeeds([&](const Caller& caller) {
      const auto entry = fs->lookup(caller, parent, name);
      if (entry) found = entry->attr.ino;
      return code(entry);
    });
    return found;
  }
  // A directory far from the one of round `i`.
  Ino another(int i) { return look_up(kRootIno, fmt::format("d{}", kDirs - 1 - i)); }

  int waits = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(mkdir_and_create_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int) {
    succeeds([&](const Caller& c) { return code(fs->mkdir(c, dir, "made", 0755)); });
  });
  each_cold([&](Ino dir, const std::string&, int) {
    succeeds([&](const Caller& c) { return code(fs->create(c, dir, "new", 0644, false)); });
  });
}

BOOST_FIXTURE_TEST_CASE(unlink_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int) {
    succeeds([&](const Caller& c) { return code(fs->unlink(c, dir, file(0))); });
  });
}

BOOST_FIXTURE_TEST_CASE(renaming_a_file_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int i) {
    const Ino to = another(i);
    succeeds([&](const Caller& c) { return code(fs->rename(c, dir, file(0), to, "moved", 0)); });
  });
}

BOOST_FIXTURE_TEST_CASE(renaming_a_directory_on_a_cold_store, Waiting) {
  each_cold([&](Ino, const std::string& name, int i) {
    const Ino to = another(i);
    succeeds([&](const Caller& c) { return code(fs->rename(c, kRootIno, name, to, "moved", 0)); });
  });
}

BOOST_FIXTURE_TEST_CASE(exchanging_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int i) {
    const Ino to = another(i);
    succeeds([&](const Caller& c) {
      return code(fs->rename(c, dir, file(0), to, file(0), RENAME_EXCHANGE));
    });
  });
}

BOOST_FIXTURE_TEST_CASE(link_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int i) {
    const Ino linked = look_up(dir, file(7));
    succeeds([&](const Caller& c) {
      return code(fs->link(c, linked, kRootIno, fmt::format("linked{}", i)));
    });
  });
}

BOOST_FIXTURE_TEST_CASE(changing_contents_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int) {
    const Ino changed = look_up(dir, file(9));
    succeeds([&](const Caller& c) { return code(fs->setattr(c, changed, {.size = 10})); });
    succeeds([&](const Caller& c) { return code(fs->write(c, changed, 5, "bytes", false)); });
  });
}

BOOST_FIXTURE_TEST_CASE(removexattr_on_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int) {
    const Ino changed = look_up(dir, file(0));
    succeeds([&](const Caller& c) { return code(fs->removexattr(c, changed, "user.k")); });
  });
}

BOOST_FIXTURE_TEST_CASE(listing_a_cold_store, Waiting) {
  each_cold([&](Ino dir, const std::string&, int) {
    std::set<std::string> names;
    std::uint64_t cookie = 0;
    for (bool more = true; more;) {
      more = false;
      succeeds([&](const Caller& c) {
        return code(fs->readdirplus(c, dir, cookie, [&](const DirEntry& entry) {
          more = true;
          cookie = entry.cookie;
          BOOST_REQUIRE(names.emplace(entry.name).second);
          return true;
        }));
      });
    }
    BOOST_TEST(names.size() >= 500);
  });
}

namespace {

std::atomic<bool> syncs_hang{false};
std::atomic<int> hanging{0};
int sync_slowly(int) {
  ++hanging;
  syncs_hang.wait(true);
  return 0;
}

struct SlowDisk : Fixture {
  SlowDisk() {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    options.sync_file = sync_slowly;
    open();
  }
};

}  // namespace

// Of more bytes than the log takes, a sync waits for the disk with the file's contents locked.
BOOST_FIXTURE_TEST_CASE(changes_of_contents_do_not_wait_for_a_sync, SlowDisk) {
  const Ino ino = create(kRootIno, "f");
  write(ino, std::string(200'000, 'b'));
  syncs_hang = true;
  hanging = 0;
  auto synced = std::async(std::launch::async, [&] { return code(fs->sync_contents(ino)); });
  while (hanging == 0) std::this_thread::yield();
  auto changes = std::async(std::launch::async, [&] {
    const Caller hasty{.who = {}, .wait = holt::Wait::kNo};
    return code(fs->write(hasty, ino, 0, "bytes", false)) == value_of(kWouldWait) &&
           code(fs->setattr(hasty, ino, {.size = 10})) == value_of(kWouldWait) &&
           code(fs->fallocate(hasty, ino, 0, 0, 10)) == value_of(kWouldWait) &&
           fs->getattr(hasty, ino);
  });
  BOOST_TEST((changes.wait_for(std::chrono::seconds(60)) == std::future_status::ready));
  syncs_hang = false;
  syncs_hang.notify_all();
  BOOST_TEST(changes.get());
  BOOST_TEST(synced.get() == 0);
}
