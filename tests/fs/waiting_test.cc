// Goal: an operation that may not wait either does all it would do otherwise, or says so and can be
// run again from the start (O2). Method: every operation on a store that was just opened, where
// little is in memory, first without waiting, then, if that was refused, with. The checker ends it.
#include <fmt/format.h>

#include <functional>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Waiting : Fixture {
  // Returns the errno, and counts how often waiting was needed.
  int twice(const std::function<int(const Caller&)>& operation) {
    const Caller hasty{.who = {}, .wait = holt::Wait::kNo};
    const int first = operation(hasty);
    if (first != value_of(kWouldWait)) return first;
    ++waits;
    return operation(who);
  }
  int waits = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(every_operation_on_a_cold_store, Waiting) {
  // Enough that the tree has several blobs.
  for (int d = 0; d < 40; ++d) {
    const Ino dir = mkdir(kRootIno, fmt::format("d{}", d));
    for (int f = 0; f < 500; ++f) {
      const Ino file = create(dir, fmt::format("file-with-a-name-{}", f));
      if (f == 0) BOOST_REQUIRE(fs->setxattr(who, file, "user.k", "v", 0));
      fs->forget(file, 1);
    }
  }
  for (int d = 0; d < 30; ++d) {
    reopen();
    const std::string name = fmt::format("d{}", d), other = fmt::format("d{}", 39 - d % 9);
    Ino dir{}, to{}, file{};
    const auto look_up = [&](Ino parent, const std::string& what, Ino& found) {
      BOOST_REQUIRE_EQUAL(twice([&](const Caller& caller) {
                            const auto entry = fs->lookup(caller, parent, what);
                            if (entry) found = entry->attr.ino;
                            return code(entry);
                          }),
                          0);
    };
    const auto succeeds = [&](const std::function<int(const Caller&)>& operation) {
      BOOST_REQUIRE_EQUAL(twice(operation), 0);
    };
    look_up(kRootIno, name, dir);
    // Each round does one thing first, on the coldest store.
    switch (d % 10) {
      case 0:
        succeeds([&](const Caller& c) { return code(fs->mkdir(c, dir, "new", 0755)); });
        break;
      case 1:
        succeeds([&](const Caller& c) { return code(fs->create(c, dir, "new", 0644, false)); });
        break;
      case 2:
        succeeds([&](const Caller& c) { return code(fs->unlink(c, dir, "file-with-a-name-0")); });
        break;
      case 3:
        look_up(kRootIno, other, to);
        succeeds([&](const Caller& c) {
          return code(fs->rename(c, dir, "file-with-a-name-0", to, fmt::format("moved{}", d), 0));
        });
        break;
      case 4:
        look_up(kRootIno, other, to);
        succeeds([&](const Caller& c) {
          return code(fs->rename(c, kRootIno, name, to, fmt::format("moved{}", d), 0));
        });
        break;
      case 5:
        look_up(dir, "file-with-a-name-7", file);
        succeeds([&](const Caller& c) {
          return code(fs->link(c, file, kRootIno, fmt::format("linked{}", d)));
        });
        break;
      case 6:
        look_up(dir, "file-with-a-name-9", file);
        succeeds([&](const Caller& c) { return code(fs->setattr(c, file, {.size = 10})); });
        succeeds([&](const Caller& c) { return code(fs->write(c, file, 5, "bytes", false)); });
        break;
      case 7:
        look_up(dir, "file-with-a-name-0", file);
        succeeds([&](const Caller& c) { return code(fs->removexattr(c, file, "user.k")); });
        break;
      case 8:
        look_up(kRootIno, other, to);
        succeeds([&](const Caller& c) {
          return code(
              fs->rename(c, dir, "file-with-a-name-0", to, "file-with-a-name-0", RENAME_EXCHANGE));
        });
        break;
      default: {
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
      }
    }
    BOOST_REQUIRE_EQUAL(problems(), "");
  }
  BOOST_TEST(waits > 0);
}
