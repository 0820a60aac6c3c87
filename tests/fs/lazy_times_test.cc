// Goal: with lazytime, times that change alone are seen at once and reach the record later: with
// the next other change, by fsync, after a day, when there are too many, and at the end.
// Method: compare what stat shows with the record in the store.
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Lazy : Fixture {
  // Contents of packed files change with the record, and so do times.
  Lazy() : Fixture(false) {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    options.lazytime = true;
    options.atime = AtimePolicy::kAlways;
    options.max_lazy_times = 8;
    open();
  }
  Inode record(const std::string& key) {
    std::string value;
    BOOST_REQUIRE(fs->store().get(key, value));
    return *decode_inode(value);
  }
  Inode record_of(const std::string& name) { return record(schema::entry_key("", name)); }
  // A file with contents, whose mtime and atime were moved in memory only.
  Ino touched(const std::string& name) {
    const Ino file = create(kRootIno, name);
    write(file, "data");
    write(file, "DATA");
    read(file);
    BOOST_TEST(fs->has_lazy_times(file));
    return file;
  }
  static bool same_times(const Attr& a, const Inode& b) {
    return a.atime == b.atime && a.mtime == b.mtime && a.ctime == b.ctime;
  }
  void expect_written(const std::string& name) {
    const Ino file = at(name);
    BOOST_TEST(!fs->has_lazy_times(file));
    BOOST_TEST(same_times(attr(file), record_of(name)), name);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(without_it_the_record_has_all_times_at_once, Lazy) {
  BOOST_REQUIRE(fs->close());
  fs.reset();
  options.lazytime = false;
  open();
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  write(file, "DATA");
  read(file);
  expect_written("f");
}

BOOST_FIXTURE_TEST_CASE(reading_moves_atime_in_memory, Lazy) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  const Inode before = record_of("f");
  read(file);
  BOOST_TEST((attr(file).atime > before.atime));
  BOOST_TEST((record_of("f").atime == before.atime));
  const auto entry = fs->lookup(who, kRootIno, "f");
  BOOST_TEST((entry->attr.atime == attr(file).atime));
}

BOOST_FIXTURE_TEST_CASE(overwriting_moves_mtime_and_ctime_in_memory, Lazy) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  const Inode before = record_of("f");
  write(file, "DATA");
  BOOST_TEST((attr(file).mtime > before.mtime));
  BOOST_TEST((attr(file).ctime == attr(file).mtime));
  BOOST_TEST((record_of("f").mtime == before.mtime));
  BOOST_TEST(read(file) == "DATA");
}

BOOST_FIXTURE_TEST_CASE(relatime_goes_by_the_times_in_memory, Lazy) {
  BOOST_REQUIRE(fs->close());
  fs.reset();
  options.atime = AtimePolicy::kRelative;
  open();
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  read(file);
  const Time first = attr(file).atime;
  read(file);
  BOOST_TEST((attr(file).atime == first));
  write(file, "DATA");
  read(file);
  BOOST_TEST((attr(file).atime > first));
}

BOOST_FIXTURE_TEST_CASE(another_change_takes_them_along, Lazy) {
  const std::map<std::string, std::function<void(Ino)>> changes = {
      {"chmod", [&](Ino file) { (void)fs->setattr(who, file, {.mode = 0600}); }},
      {"growth", [&](Ino file) { write(file, "more data"); }},
      {"truncation", [&](Ino file) { (void)fs->setattr(who, file, {.size = 1}); }},
      {"xattr", [&](Ino file) { (void)fs->setxattr(who, file, "user.a", "v", 0); }}};
  for (const auto& [name, change] : changes) {
    const Ino file = touched(name);
    const Time read_at = attr(file).atime;
    change(file);
    BOOST_TEST((attr(file).atime == read_at), name);
    expect_written(name);
  }
}

BOOST_FIXTURE_TEST_CASE(times_that_are_set_win, Lazy) {
  const Ino file = touched("f");
  BOOST_TEST(code(fs->setattr(who, file, {.atime = Time{1}, .mtime = Time{2}})) == 0);
  BOOST_TEST((attr(file).atime == Time{1}));
  BOOST_TEST((attr(file).mtime == Time{2}));
  expect_written("f");
}

BOOST_FIXTURE_TEST_CASE(syncing_a_file_writes_them, Lazy) {
  const Ino file = touched("f"), other = touched("g");
  BOOST_TEST(code(fs->write_times(who, file)) == 0);
  expect_written("f");
  BOOST_TEST(fs->has_lazy_times(other));
}

BOOST_FIXTURE_TEST_CASE(old_ones_are_written, Lazy) {
  touched("f");
  fs->write_times_older_than(std::chrono::hours(24));
  BOOST_TEST(fs->has_lazy_times(at("f")));
  fs->write_times_older_than(std::chrono::seconds(0));
  expect_written("f");
}

BOOST_FIXTURE_TEST_CASE(the_end_writes_them, Lazy) {
  const Attr file = attr(touched("f"));
  const Ino dir = mkdir(kRootIno, "d");
  list(dir);
  const Attr listed = attr(dir);
  BOOST_TEST(fs->has_lazy_times(dir));
  reopen();
  BOOST_TEST(same_times(file, record_of("f")));
  BOOST_TEST((listed.atime == record(schema::inode_key("d/")).atime));
}

BOOST_FIXTURE_TEST_CASE(the_oldest_make_room, Lazy) {
  for (int i = 0; i < 20; ++i) touched(std::to_string(i));
  int lazy = 0;
  for (int i = 0; i < 20; ++i) lazy += fs->has_lazy_times(at(std::to_string(i))) ? 1 : 0;
  BOOST_TEST(lazy > 0);
  BOOST_TEST(lazy <= 8);
  expect_written("0");
  BOOST_TEST(fs->has_lazy_times(at("19")));
}

BOOST_FIXTURE_TEST_CASE(a_file_is_not_forgotten_with_them, Lazy) {
  const std::size_t known = fs->known_nodes();
  const Ino file = touched("f");
  const Attr before = attr(file);
  fs->forget(file, 1);
  BOOST_TEST(fs->known_nodes() == known + 1);
  const auto again = fs->lookup(who, kRootIno, "f");
  BOOST_TEST((again->attr.mtime == before.mtime));
  fs->forget(file, 1);
  fs->write_times_older_than(std::chrono::seconds(0));
  BOOST_TEST(fs->known_nodes() == known);
  BOOST_TEST((record_of("f").mtime == before.mtime));
}

BOOST_FIXTURE_TEST_CASE(they_go_where_the_file_goes, Lazy) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino a = touched("a"), b = touched("b"), c = touched("c");
  const Attr before = attr(a);
  BOOST_TEST(code(fs->rename(who, kRootIno, "a", dir, "moved", 0)) == 0);
  BOOST_TEST((attr(a).atime == before.atime));
  BOOST_TEST((attr(a).ctime > before.ctime));
  BOOST_TEST(code(fs->link(who, b, dir, "link")) == 0);
  BOOST_TEST(code(fs->rename(who, kRootIno, "c", dir, "link", RENAME_EXCHANGE)) == 0);
  for (const Ino file : {a, b, c}) BOOST_TEST((attr(file).mtime < attr(file).ctime));
  write(b, "DATA");
  read(b);
  BOOST_TEST(fs->has_lazy_times(b));
  BOOST_TEST(code(fs->rename(who, kRootIno, "d", kRootIno, "e", 0)) == 0);
  std::vector<Attr> expected;
  for (const char* name : {"e/moved", "e/link", "b"}) expected.push_back(attr(at(name)));
  reopen();
  for (const Attr& was : expected) {
    const Attr is = attr(at(was.ino == a ? "e/moved" : was.ino == b ? "b" : "e/link"));
    BOOST_TEST((is.atime == was.atime && is.mtime == was.mtime && is.ctime == was.ctime));
  }
}

BOOST_FIXTURE_TEST_CASE(they_go_with_the_file, Lazy) {
  const std::size_t known = fs->known_nodes();
  const Ino gone = touched("gone"), replaced = touched("replaced"), by = create(kRootIno, "by");
  const Time read_at = attr(gone).atime;
  BOOST_TEST(code(fs->unlink(who, kRootIno, "gone")) == 0);
  BOOST_TEST((attr(gone).atime == read_at));
  BOOST_TEST(code(fs->rename(who, kRootIno, "by", kRootIno, "replaced", 0)) == 0);
  const Ino dir = mkdir(kRootIno, "d"), target = mkdir(kRootIno, "t"), over = mkdir(kRootIno, "o");
  for (const Ino listed : {dir, target}) list(listed);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == 0);
  BOOST_TEST(code(fs->rename(who, kRootIno, "o", kRootIno, "t", 0)) == 0);
  for (const Ino ino : {gone, replaced, by, dir, target, over}) fs->forget(ino, 1);
  BOOST_TEST(fs->known_nodes() == known);
}

BOOST_FIXTURE_TEST_CASE(the_access_time_of_a_directory_goes_with_its_next_change, Lazy) {
  const Ino dir = mkdir(kRootIno, "d");
  list(dir);
  const Time listed = attr(dir).atime;
  BOOST_TEST((record(schema::inode_key("d/")).atime < listed));
  create(dir, "f");
  BOOST_TEST((record(schema::inode_key("d/")).atime == listed));
  BOOST_TEST(code(fs->setattr(who, dir, {.atime = Time{1}})) == 0);
  BOOST_TEST((attr(dir).atime == Time{1}));
}

BOOST_FIXTURE_TEST_CASE(a_crash_loses_no_more_than_times, Lazy) {
  Ino file = create(kRootIno, "f");
  write(file, "data");
  const Attr before = attr(file);
  BOOST_REQUIRE(fs->close());
  fs.reset();
  const pid_t child = fork();
  if (child == 0) {
    open();
    file = at("f");
    write(file, "DATA");
    read(file);
    _exit(fs->has_lazy_times(file) ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_REQUIRE(status == 0);
  open();
  BOOST_TEST(read(at("f")) == "DATA");
  BOOST_TEST((attr(at("f")).mtime == before.mtime));
}

BOOST_FIXTURE_TEST_CASE(many_threads_leave_it_consistent, Lazy) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino shared = touched("shared");
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      const auto check = [&](bool holds) { failed += holds ? 0 : 1; };
      std::string bytes(4, '\0');
      for (int i = 0; i < 500; ++i) {
        const std::string name = fmt::format("{}-{}", t, random() % 16);
        const auto entry = fs->create(who, dir, name, 0644, false);
        check(entry.has_value());
        const Ino ino = entry->attr.ino;
        check(fs->write(who, ino, 0, "data", false).has_value());
        check(fs->write(who, ino, 0, "DATA", false).has_value());
        check(fs->read(who, ino, 0, bytes).has_value());
        check(fs->read(who, shared, 0, bytes).has_value());
        check(fs->write(who, shared, 0, "some", false).has_value());
        const std::string other = fmt::format("{}-{}", t, random() % 16);
        if (random() % 3 == 0) check(fs->unlink(who, dir, name).has_value());
        if (random() % 3 == 0) (void)fs->rename(who, dir, name, dir, other, 0);
        if (random() % 50 == 0) fs->write_times_older_than(std::chrono::seconds(0));
        fs->forget(ino, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(failed == 0);
  std::set<std::string> left;
  for (const std::string& name : list(dir)) left.insert(name);
  for (const std::string& name : left) BOOST_TEST(read(at("d/" + name)) == "DATA");
}
