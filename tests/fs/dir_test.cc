// Goal: a listing gives every entry that is there all the time exactly once, whatever comes and
// goes, and goes on at any position it ever gave.
#include <dirent.h>
#include <fmt/format.h>

#include <random>
#include <thread>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Listing : Fixture {
  struct Seen {
    std::string name;
    std::uint64_t cookie;
  };
  // Up to `count` entries from `cookie` on.
  std::vector<Seen> some(Ino dir, std::uint64_t cookie, std::size_t count) {
    std::vector<Seen> out;
    const auto done = fs->readdir(who, dir, cookie, [&](const DirEntry& entry) {
      if (out.size() == count) return false;
      out.push_back({std::string(entry.name), entry.cookie});
      return true;
    });
    BOOST_REQUIRE(done);
    return out;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(dot_and_dot_dot_come_first, Listing) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino sub = mkdir(dir, "s");
  std::map<std::string, std::uint64_t> inos;
  std::vector<std::string> order;
  BOOST_REQUIRE(fs->readdir(who, sub, 0, [&](const DirEntry& entry) {
    inos[std::string(entry.name)] = number_of(entry.ino);
    order.emplace_back(entry.name);
    BOOST_TEST(entry.type == DT_DIR);
    return true;
  }));
  BOOST_TEST((order == std::vector<std::string>{".", ".."}));
  BOOST_TEST(inos["."] == number_of(sub));
  BOOST_TEST(inos[".."] == number_of(dir));
}

BOOST_FIXTURE_TEST_CASE(types_are_told, Listing) {
  mkdir(kRootIno, "dir");
  const Ino file = create(kRootIno, "file");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "link")) == 0);
  BOOST_REQUIRE(fs->symlink(who, kRootIno, "symlink", "x"));
  BOOST_REQUIRE(fs->mknod(who, kRootIno, "fifo", S_IFIFO | 0600, 0));
  std::map<std::string, int> types;
  BOOST_REQUIRE(fs->readdir(who, kRootIno, kAfterDotDot, [&](const DirEntry& entry) {
    types[std::string(entry.name)] = entry.type;
    return true;
  }));
  BOOST_TEST((types == std::map<std::string, int>{{"dir", DT_DIR},
                                                  {"file", DT_REG},
                                                  {"link", DT_REG},
                                                  {"symlink", DT_LNK},
                                                  {"fifo", DT_FIFO}}));
}

BOOST_FIXTURE_TEST_CASE(any_chunk_size_gives_the_same, Listing) {
  const Ino dir = mkdir(kRootIno, "d");
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) names.push_back(fmt::format("common-part-{:04}", i));
  for (const std::string& name : names) create(dir, name);
  for (const std::size_t chunk : {1, 2, 3, 7, 100, 1000}) BOOST_TEST((list(dir, chunk) == names));
}

BOOST_FIXTURE_TEST_CASE(every_position_can_be_returned_to, Listing) {
  for (int i = 0; i < 100; ++i) create(kRootIno, fmt::format("name{}", i * 37));
  const std::vector<Seen> all = some(kRootIno, 0, 1000);
  BOOST_REQUIRE(all.size() == 102);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const auto next = some(kRootIno, all[i].cookie, 1);
    BOOST_REQUIRE(next.size() == 1);
    BOOST_TEST(next[0].name == all[i + 1].name);
  }
  BOOST_TEST(some(kRootIno, all.back().cookie, 1).empty());
  // A place that was never given is the end, as on other filesystems.
  BOOST_TEST(some(kRootIno, 77, 1000).empty());
}

BOOST_FIXTURE_TEST_CASE(a_damaged_child_hides_no_other, Listing) {
  for (const char* name : {"a", "b", "c"}) mkdir(kRootIno, name);
  const std::string key = schema::inode_key("b/");
  std::string record;
  BOOST_REQUIRE(fs->store().get(key, record));
  BOOST_REQUIRE(fs->store().erase(key));
  std::string names;
  const auto done = fs->readdirplus(who, kRootIno, 0, [&](const DirEntry& entry) {
    names += entry.name;
    if (entry.attr != nullptr) fs->forget(entry.ino, 1);
    return true;
  });
  BOOST_TEST(code(done) == 0);
  BOOST_TEST(names == "...abc");
  BOOST_REQUIRE(fs->store().put(key, record));
}

BOOST_FIXTURE_TEST_CASE(removing_what_was_listed_skips_nothing, Listing) {
  for (int i = 0; i < 500; ++i) create(kRootIno, fmt::format("f{}", i));
  std::uint64_t cookie = 0;
  std::size_t removed = 0;
  while (true) {
    const auto seen = some(kRootIno, cookie, 13);
    if (seen.empty()) break;
    cookie = seen.back().cookie;
    for (const Seen& entry : seen) {
      if (entry.name == "." || entry.name == "..") continue;
      BOOST_TEST(code(fs->unlink(who, kRootIno, entry.name)) == 0);
      ++removed;
    }
  }
  BOOST_TEST(removed == 500);
  BOOST_TEST(list(kRootIno).empty());
}

BOOST_FIXTURE_TEST_CASE(survivors_are_listed_once_while_others_come_and_go, Listing) {
  std::mt19937 random(test_seed());
  const auto name = [&](int i) { return fmt::format("entry-{:x}", i * 7919 % 65536); };
  std::set<std::string> survivors, others;
  for (int i = 0; i < 1000; ++i) {
    create(kRootIno, name(i));
    (i % 2 == 0 ? survivors : others).insert(name(i));
  }
  for (int round = 0; round < 5; ++round) {
    std::map<std::string, int> count;
    std::uint64_t cookie = 0;
    while (true) {
      const auto seen = some(kRootIno, cookie, 1 + random() % 20);
      if (seen.empty()) break;
      // A reader may go on behind any entry of what it got.
      const std::size_t used = 1 + random() % seen.size();
      for (std::size_t i = 0; i < used; ++i) ++count[seen[i].name];
      cookie = seen[used - 1].cookie;
      for (int i = 0; i < 5; ++i) {
        const std::string victim = name(static_cast<int>(random() % 500) * 2 + 1);
        if (others.erase(victim) != 0) {
          BOOST_TEST(code(fs->unlink(who, kRootIno, victim)) == 0);
        } else {
          create(kRootIno, victim);
          others.insert(victim);
        }
      }
    }
    for (const std::string& survivor : survivors) {
      BOOST_TEST(count[survivor] == 1, survivor << " was given " << count[survivor] << " times");
    }
  }
}

BOOST_FIXTURE_TEST_CASE(readdirplus_gives_attributes_and_lookups, Listing) {
  const Ino dir = mkdir(kRootIno, "dir");
  const Ino file = create(kRootIno, "file");
  write(file, "four");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "link")) == 0);
  fs->forget(file, 2);
  fs->forget(dir, 1);
  BOOST_TEST(fs->known_nodes() == 1);
  std::map<std::string, Attr> attrs;
  BOOST_REQUIRE(fs->readdirplus(who, kRootIno, 0, [&](const DirEntry& entry) {
    if (entry.attr != nullptr) attrs[std::string(entry.name)] = *entry.attr;
    return true;
  }));
  BOOST_TEST(attrs.size() == 3);
  BOOST_TEST(attrs["file"].size == 4);
  BOOST_TEST(attrs["link"].nlink == 2);
  BOOST_TEST(attrs["dir"].nlink == 2);
  BOOST_TEST(fs->known_nodes() == 3);
  fs->forget(file, 2);
  fs->forget(dir, 1);
  BOOST_TEST(fs->known_nodes() == 1);
}

BOOST_FIXTURE_TEST_CASE(an_entry_without_room_is_not_looked_up, Listing) {
  const Ino a = create(kRootIno, "a"), b = create(kRootIno, "b");
  fs->forget(a, 1);
  fs->forget(b, 1);
  BOOST_REQUIRE(fs->readdirplus(who, kRootIno, kAfterDotDot,
                                [](const DirEntry& entry) { return entry.name == "a"; }));
  BOOST_TEST(fs->known_nodes() == 2);
}

BOOST_FIXTURE_TEST_CASE(names_of_the_longest_kind, Listing) {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) {
    names.push_back(std::string(250, 'n') + fmt::format("{:05}", i * 3));
    create(kRootIno, names.back());
  }
  BOOST_TEST((list(kRootIno, 3) == names));
}
