// Goal: threads that work on one filesystem at once never see anything that no order of their
// operations would show, and leave it consistent. Method: each thread owns some names and checks
// every answer about them, while all of them change the same directories and move directories above
// each other's work. Ends with the checker. The seed is printed.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <random>
#include <thread>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

constexpr int kThreads = 4;

struct Threads : Fixture {
  template <class Work>
  void run(Work work) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t, &work] {
        std::mt19937 random(test_seed() + static_cast<unsigned>(t));
        work(t, random);
      });
    }
    for (std::thread& thread : threads) thread.join();
    BOOST_TEST(unexpected.load() == 0, first_unexpected);
  }
  // Boost's own checks are not for several threads.
  void expect(bool holds, const std::string& what) {
    if (holds || unexpected.fetch_add(1) != 0) return;
    first_unexpected = what;
  }
  void expect_code(int got, int wanted, const std::string& what) {
    expect(got == wanted, fmt::format("{}: {} instead of {}", what, got, wanted));
  }

  std::atomic<int> unexpected{0};
  std::string first_unexpected;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(own_names_in_one_directory, Threads) {
  const Ino dir = mkdir(kRootIno, "shared");
  run([&](int t, std::mt19937& random) {
    std::map<std::string, Ino> mine;
    for (int i = 0; i < 3000; ++i) {
      const std::string name = fmt::format("t{}-{}", t, random() % 50);
      const bool exists = mine.contains(name);
      if (random() % 2 == 0) {
        const auto made = fs->create(who, dir, name, 0644, true);
        expect_code(code(made), exists ? EEXIST : 0, "create " + name);
        if (made) mine[name] = made->attr.ino;
      } else {
        expect_code(code(fs->unlink(who, dir, name)), exists ? 0 : ENOENT, "unlink " + name);
        if (exists) {
          const auto gone = fs->getattr(who, mine[name]);
          expect(gone && gone->nlink == 0, "getattr of removed " + name);
          fs->forget(mine[name], 1);
          mine.erase(name);
        }
      }
    }
    for (const auto& [name, ino] : mine) expect_code(lookup_code(dir, name), 0, "lookup " + name);
  });
}

BOOST_FIXTURE_TEST_CASE(own_directories_side_by_side, Threads) {
  run([&](int t, std::mt19937&) {
    const std::string name = fmt::format("d{}", t);
    const auto dir = fs->mkdir(who, kRootIno, name, 0755);
    expect_code(code(dir), 0, "mkdir");
    if (!dir) return;
    for (int round = 0; round < 30; ++round) {
      for (int i = 0; i < 100; ++i) {
        const auto made = fs->create(who, dir->attr.ino, std::to_string(i), 0644, false);
        expect_code(code(made), 0, fmt::format("create {}/{}", name, i));
        if (!made) continue;
        const auto wrote = fs->write(who, made->attr.ino, 0, "some bytes", false);
        expect_code(code(wrote), 0, fmt::format("write {}/{}", name, i));
        fs->forget(made->attr.ino, 1);
      }
      for (int i = 0; i < 100; ++i) {
        expect_code(code(fs->unlink(who, dir->attr.ino, std::to_string(i))), 0,
                    fmt::format("unlink {}/{}", name, i));
      }
    }
  });
}

BOOST_FIXTURE_TEST_CASE(work_goes_on_while_directories_move, Threads) {
  const Ino a = mkdir(kRootIno, "a"), b = mkdir(kRootIno, "b");
  std::vector<Ino> homes;
  for (int t = 0; t < kThreads; ++t) homes.push_back(mkdir(a, fmt::format("home{}", t)));
  run([&](int t, std::mt19937& random) {
    Ino at = a, other = b;
    const std::string home = fmt::format("home{}", t);
    for (int i = 0; i < 500; ++i) {
      const std::string name = fmt::format("f{}", i);
      const auto made = fs->create(who, homes[t], name, 0644, true);
      expect_code(code(made), 0, "create");
      if (random() % 4 == 0) {
        expect_code(code(fs->rename(who, at, home, other, home, 0)), 0, "rename");
        std::swap(at, other);
      }
      if (made) expect_code(code(fs->getattr(who, made->attr.ino)), 0, "getattr");
      expect_code(code(fs->rename(who, homes[t], name, homes[t], "g" + name, 0)), 0, "rename file");
      if (made) expect_code(code(fs->setattr(who, made->attr.ino, {.mode = 0600})), 0, "setattr");
      expect_code(code(fs->unlink(who, homes[t], "g" + name)), 0, "unlink");
      if (made) fs->forget(made->attr.ino, 1);
    }
  });
}

// In which now and then nobody knows anything, so that it moves beside other work.
BOOST_FIXTURE_TEST_CASE(an_empty_directory_moves_while_it_is_used, Threads) {
  const Ino a = mkdir(kRootIno, "a"), b = mkdir(kRootIno, "b");
  const Ino homes[] = {mkdir(a, "home0"), mkdir(a, "home1")};
  run([&](int t, std::mt19937& random) {
    const std::string home = fmt::format("home{}", t / 2);
    const Ino ino = homes[t / 2];
    Ino at = a, other = b;
    for (int i = 0; i < 1500; ++i) {
      if (t % 2 == 0) {
        expect_code(code(fs->rename(who, at, home, other, home, 0)), 0, "rename " + home);
        std::swap(at, other);
        continue;
      }
      const std::string name = fmt::format("f{}", random() % 3);
      const auto made = fs->create(who, ino, name, 0644, false);
      expect_code(code(made), 0, "create");
      if (made) fs->forget(made->attr.ino, 1);
      if (random() % 2 == 0) expect_code(code(fs->unlink(who, ino, name)), 0, "unlink");
      const auto attr = fs->getattr(who, ino);
      expect(attr && attr->nlink == 2, "getattr " + home);
      const auto found = fs->lookup(who, ino, "missing");
      expect_code(code(found), ENOENT, "lookup");
    }
  });
}

BOOST_FIXTURE_TEST_CASE(an_empty_directory_moves_while_it_is_forgotten, Threads) {
  const Ino a = mkdir(kRootIno, "a"), b = mkdir(kRootIno, "b");
  for (const char* home : {"home0", "home1"}) fs->forget(mkdir(a, home), 1);
  run([&](int t, std::mt19937&) {
    const std::string home = fmt::format("home{}", t / 2);
    Ino at = a, other = b;
    for (int i = 0; i < 5000; ++i, std::swap(at, other)) {
      if (t % 2 == 0) {
        expect_code(code(fs->rename(who, at, home, other, home, 0)), 0, "rename " + home);
      } else if (const auto found = fs->lookup(who, at, home)) {
        fs->forget(found->attr.ino, 1);
      }
    }
  });
}

BOOST_FIXTURE_TEST_CASE(an_empty_directory_moves_without_having_all_to_itself, Threads) {
  mkdir(kRootIno, "moved");
  const Ino listed = mkdir(kRootIno, "listed"), other = mkdir(kRootIno, "other");
  std::future<int> renamed;
  const auto listing = fs->readdir(who, listed, kStartCookie, [&](const DirEntry&) {
    renamed = std::async(std::launch::async, [&] {
      return code(fs->rename(who, kRootIno, "moved", other, "moved", 0));
    });
    expect(renamed.wait_for(std::chrono::seconds(30)) == std::future_status::ready, "it waits");
    return false;
  });
  BOOST_TEST(code(listing) == 0);
  BOOST_TEST(renamed.get() == 0);
  BOOST_TEST(unexpected.load() == 0, first_unexpected);
}

BOOST_FIXTURE_TEST_CASE(everybody_does_everything_to_the_same_names, Threads) {
  const Ino dirs[] = {mkdir(kRootIno, "x"), mkdir(kRootIno, "y"), kRootIno};
  run([&](int, std::mt19937& random) {
    const auto name = [&] { return std::string(1, static_cast<char>('a' + random() % 6)); };
    const auto dir = [&] { return dirs[random() % 3]; };
    for (int i = 0; i < 3000; ++i) {
      // Names x and y are not among those below, so the three directories stay.
      const Ino from = dir(), to = dir();
      const std::string one = name(), two = name();
      int result = 0;
      switch (random() % 8) {
        case 0: result = code(fs->mkdir(who, from, one, 0755)); break;
        case 1: {
          const auto made = fs->create(who, from, one, 0644, false);
          result = code(made);
          if (!made) break;
          (void)fs->write(who, made->attr.ino, 0, "bytes", false);
          fs->forget(made->attr.ino, 1);
          break;
        }
        case 2: result = code(fs->unlink(who, from, one)); break;
        case 3: result = code(fs->rmdir(who, from, one)); break;
        case 4: result = code(fs->rename(who, from, one, to, two, 0)); break;
        case 5: result = code(fs->rename(who, from, one, to, two, RENAME_EXCHANGE)); break;
        case 6: {
          const auto found = fs->lookup(who, from, one);
          if (!found) break;
          result = code(fs->link(who, found->attr.ino, to, two));
          if (result == 0) fs->forget(found->attr.ino, 1);
          if (result == ENOENT || result == ESTALE) result = 0;
          fs->forget(found->attr.ino, 1);
          break;
        }
        default: {
          const auto found = fs->lookup(who, from, one);
          if (!found) break;
          (void)fs->setxattr(who, found->attr.ino, "user.k", one, 0);
          fs->forget(found->attr.ino, 1);
          break;
        }
      }
      const std::set<int> fine = {0, ENOENT, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, EPERM};
      expect(fine.contains(result), fmt::format("an operation returned {}", result));
    }
  });
}

BOOST_FIXTURE_TEST_CASE(listing_beside_changes_gives_survivors_once, Threads) {
  const Ino dir = mkdir(kRootIno, "d");
  for (int i = 0; i < 300; ++i) create(dir, fmt::format("stay{:03}", i));
  run([&](int t, std::mt19937& random) {
    for (int i = 0; i < 40; ++i) {
      if (t % 2 == 0) {
        std::map<std::string, int> count;
        std::uint64_t cookie = 0;
        while (true) {
          std::size_t room = 1 + random() % 50, taken = 0;
          const auto listed = fs->readdir(who, dir, cookie, [&](const DirEntry& entry) {
            if (taken == room) return false;
            ++taken;
            cookie = entry.cookie;
            ++count[std::string(entry.name)];
            return true;
          });
          expect_code(code(listed), 0, "readdir");
          if (taken == 0) break;
        }
        for (int k = 0; k < 300; ++k) {
          expect(count[fmt::format("stay{:03}", k)] == 1, "a survivor was skipped or repeated");
        }
        continue;
      }
      for (int k = 0; k < 50; ++k) {
        const std::string name = fmt::format("stay{:03}-{}", random() % 300, t);
        if (!fs->create(who, dir, name, 0644, true)) (void)fs->unlink(who, dir, name);
      }
    }
  });
}
