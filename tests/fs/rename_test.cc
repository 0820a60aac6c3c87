// Goal: rename moves any kind of name onto any kind it may replace, and refuses the rest;
// directories take everything below them along.
#include <sys/stat.h>

#include <cstdio>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Renames : Fixture {
  int rename(Ino from, const std::string& name, Ino to, const std::string& new_name,
             unsigned flags = 0) {
    return code(fs->rename(who, from, name, to, new_name, flags));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_file_moves_with_contents_and_xattrs, Renames) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  const Attr before = attr(file);
  BOOST_TEST(rename(kRootIno, "f", dir, "g") == 0);
  BOOST_TEST(lookup_code(kRootIno, "f") == ENOENT);
  BOOST_TEST((attr(file).ctime > before.ctime));
  BOOST_TEST(read(file) == "data");
  BOOST_TEST(*fs->getxattr(who, file, "user.k") == "v");
  write(file, "more");
  reopen();
  BOOST_TEST(read(at("d/g")) == "more");
  BOOST_TEST(*fs->getxattr(who, at("d/g"), "user.k") == "v");
}

BOOST_FIXTURE_TEST_CASE(a_file_replaces_a_file, Renames) {
  const Ino a = create(kRootIno, "a"), b = create(kRootIno, "b");
  write(a, "new");
  write(b, "old");
  BOOST_TEST(code(fs->setxattr(who, a, "user.a", "1", 0)) == 0);
  BOOST_TEST(code(fs->setxattr(who, b, "user.b", "2", 0)) == 0);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b") == 0);
  BOOST_TEST(read(at("b")) == "new");
  BOOST_TEST(read(b) == "old");  // still referred to
  BOOST_TEST(attr(b).nlink == 0);
  BOOST_TEST(*fs->getxattr(who, b, "user.b") == "2");
  BOOST_TEST(code(fs->getxattr(who, at("b"), "user.b")) == ENODATA);
  BOOST_TEST(*fs->getxattr(who, at("b"), "user.a") == "1");
  BOOST_TEST(attr(kRootIno).size == 1);
}

BOOST_FIXTURE_TEST_CASE(a_whiteout_stays_at_the_old_name, Renames) {
  const Ino from = mkdir(kRootIno, "from"), to = mkdir(kRootIno, "to");
  const Ino file = create(from, "f");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  create(mkdir(from, "d"), "inside");
  create(to, "g");
  const std::uint64_t inodes = fs->statfs()->f_files - fs->statfs()->f_ffree;
  BOOST_TEST(rename(from, "f", to, "g", RENAME_WHITEOUT | RENAME_NOREPLACE) == EEXIST);
  BOOST_TEST(rename(from, "f", to, "g", RENAME_WHITEOUT) == 0);
  BOOST_TEST(rename(from, "d", to, "d", RENAME_WHITEOUT) == 0);
  BOOST_TEST(*fs->getxattr(who, at("to/g"), "user.k") == "v");
  BOOST_TEST(lookup_code(at("to/d"), "inside") == 0);
  for (const char* const name : {"from/f", "from/d"}) {
    const Attr whiteout = attr(at(name));
    BOOST_TEST(whiteout.mode == mode_t{S_IFCHR});
    BOOST_TEST(whiteout.rdev_major + whiteout.rdev_minor == 0);
    BOOST_TEST(code(fs->getxattr(who, at(name), "user.k")) == ENODATA);
  }
  BOOST_TEST(attr(from).nlink == 2);
  BOOST_TEST(attr(to).nlink == 3);
  BOOST_TEST(fs->statfs()->f_files - fs->statfs()->f_ffree == inodes + 2);
  reopen();
  BOOST_TEST(attr(at("from/d")).mode == mode_t{S_IFCHR});
}

BOOST_FIXTURE_TEST_CASE(a_directory_takes_everything_along, Renames) {
  const Ino a = mkdir(kRootIno, "a"), target = mkdir(kRootIno, "t");
  const Ino b = mkdir(a, "b");
  const Ino deep = create(b, "deep");
  write(deep, "x");
  BOOST_TEST(code(fs->setxattr(who, b, "user.k", "v", 0)) == 0);
  BOOST_TEST(rename(kRootIno, "a", target, "moved") == 0);
  BOOST_TEST(attr(kRootIno).nlink == 3);
  BOOST_TEST(attr(target).nlink == 3);
  BOOST_TEST(lookup_code(kRootIno, "a") == ENOENT);
  // Everybody who knew something below still does.
  BOOST_TEST(attr(deep).size == 1);
  create(b, "another");
  BOOST_TEST(*fs->getxattr(who, b, "user.k") == "v");
  reopen();
  BOOST_TEST(read(at("t/moved/b/deep")) == "x");
  BOOST_TEST(lookup_code(at("t/moved/b"), "another") == 0);
}

// Nothing in it has a node, and at most its record and its xattrs are there.
BOOST_FIXTURE_TEST_CASE(an_empty_directory_moves_with_record_and_xattrs, Renames) {
  const Ino from = mkdir(kRootIno, "from"), to = mkdir(kRootIno, "to");
  for (const bool marked : {false, true}) {
    const Ino dir = mkdir(from, "d");
    if (marked) BOOST_TEST(code(fs->setxattr(who, dir, "user.k", "v", 0)) == 0);
    const Attr before = attr(dir);
    BOOST_TEST(rename(from, "d", from, "d") == 0);
    BOOST_TEST(rename(from, "d", dir, "d") == EINVAL);
    BOOST_TEST(rename(from, "d", to, marked ? "marked" : "bare") == 0);
    BOOST_TEST(lookup_code(from, "d") == ENOENT);
    const Attr after = attr(dir);
    BOOST_TEST((after.ctime > before.ctime));
    BOOST_TEST((after.mtime == before.mtime && after.btime == before.btime));
    BOOST_TEST((after.mode == before.mode && after.nlink == 2u));
    BOOST_TEST(attr(from).nlink == 2u);
    BOOST_TEST(attr(to).nlink == (marked ? 4u : 3u));
    create(dir, "inside");
  }
  BOOST_TEST(rename(to, "bare", to, "marked", RENAME_NOREPLACE) == EEXIST);
  reopen();
  BOOST_TEST(lookup_code(at("to/bare"), "inside") == 0);
  BOOST_TEST(lookup_code(at("to/marked"), "inside") == 0);
  BOOST_TEST(*fs->getxattr(who, at("to/marked"), "user.k") == "v");
}

BOOST_FIXTURE_TEST_CASE(a_directory_replaces_an_empty_one_only, Renames) {
  const Ino a = mkdir(kRootIno, "a"), b = mkdir(kRootIno, "b");
  create(a, "f");
  const Ino inside = create(b, "g");
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b") == ENOTEMPTY);
  BOOST_TEST(code(fs->unlink(who, b, "g")) == 0);
  fs->forget(inside, 1);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b") == 0);
  BOOST_TEST(number_of(at("b")) == number_of(a));
  BOOST_TEST(attr(b).nlink == 0);
  BOOST_TEST(attr(kRootIno).nlink == 3);
  BOOST_TEST(attr(kRootIno).size == 1);
  BOOST_TEST(lookup_code(a, "f") == 0);
}

BOOST_FIXTURE_TEST_CASE(kinds_must_match, Renames) {
  mkdir(kRootIno, "d");
  create(kRootIno, "f");
  BOOST_TEST(rename(kRootIno, "f", kRootIno, "d") == EISDIR);
  BOOST_TEST(rename(kRootIno, "d", kRootIno, "f") == ENOTDIR);
  BOOST_TEST(rename(kRootIno, "none", kRootIno, "f") == ENOENT);
}

BOOST_FIXTURE_TEST_CASE(a_directory_cannot_go_below_itself, Renames) {
  const Ino a = mkdir(kRootIno, "a");
  const Ino b = mkdir(a, "b");
  BOOST_TEST(rename(kRootIno, "a", a, "x") == EINVAL);
  BOOST_TEST(rename(kRootIno, "a", b, "x") == EINVAL);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "a") == 0);
  BOOST_TEST(rename(a, "b", kRootIno, "a") == ENOTEMPTY);
  BOOST_TEST(rename(kRootIno, "a", b, "x", RENAME_EXCHANGE) == ENOENT);
  create(b, "x");
  BOOST_TEST(rename(kRootIno, "a", b, "x", RENAME_EXCHANGE) == EINVAL);
  BOOST_TEST(rename(b, "x", kRootIno, "a", RENAME_EXCHANGE) == EINVAL);
}

BOOST_FIXTURE_TEST_CASE(two_names_of_one_file_stay, Renames) {
  const Ino file = create(kRootIno, "a");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b") == 0);
  BOOST_TEST(attr(file).nlink == 2);
  BOOST_TEST(list(kRootIno).size() == 2);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "c") == 0);
  BOOST_TEST((list(kRootIno) == std::vector<std::string>{"b", "c"}));
}

BOOST_FIXTURE_TEST_CASE(replacing_one_of_several_names_counts_down, Renames) {
  const Ino file = create(kRootIno, "a");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  create(kRootIno, "c");
  BOOST_TEST(rename(kRootIno, "c", kRootIno, "b") == 0);
  BOOST_TEST(attr(file).nlink == 1);
}

BOOST_FIXTURE_TEST_CASE(noreplace_refuses_an_existing_name, Renames) {
  const Ino dir = mkdir(kRootIno, "d");
  create(kRootIno, "a");
  create(kRootIno, "b");
  mkdir(dir, "e");
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b", RENAME_NOREPLACE) == EEXIST);
  BOOST_TEST(rename(kRootIno, "d", kRootIno, "b", RENAME_NOREPLACE) == EEXIST);
  BOOST_TEST(rename(dir, "e", kRootIno, "d", RENAME_NOREPLACE) == EEXIST);
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "c", RENAME_NOREPLACE) == 0);
  BOOST_TEST(rename(kRootIno, "d", kRootIno, "e", RENAME_NOREPLACE) == 0);
  BOOST_TEST(rename(kRootIno, "b", kRootIno, "x", 64) == EINVAL);
  BOOST_TEST(rename(kRootIno, "b", kRootIno, "x", RENAME_NOREPLACE | RENAME_EXCHANGE) == EINVAL);
}

BOOST_FIXTURE_TEST_CASE(exchange_of_two_files, Renames) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino a = create(kRootIno, "a"), b = create(dir, "b");
  write(a, "A");
  write(b, "B");
  BOOST_TEST(code(fs->setxattr(who, a, "user.k", "a", 0)) == 0);
  BOOST_TEST(code(fs->setxattr(who, b, "user.k", "b", 0)) == 0);
  BOOST_TEST(rename(kRootIno, "a", dir, "b", RENAME_EXCHANGE) == 0);
  BOOST_TEST(number_of(at("a")) == number_of(b));
  BOOST_TEST(read(a) == "A");
  BOOST_TEST(*fs->getxattr(who, a, "user.k") == "a");
  reopen();
  BOOST_TEST(read(at("a")) == "B");
  BOOST_TEST(*fs->getxattr(who, at("a"), "user.k") == "b");
  BOOST_TEST(*fs->getxattr(who, at("d/b"), "user.k") == "a");
}

BOOST_FIXTURE_TEST_CASE(exchange_of_two_directories, Renames) {
  const Ino a = mkdir(kRootIno, "a"), sub = mkdir(kRootIno, "sub");
  const Ino b = mkdir(sub, "b");
  const Ino in_a = create(a, "in_a");
  mkdir(b, "in_b");
  BOOST_TEST(rename(kRootIno, "a", sub, "b", RENAME_EXCHANGE) == 0);
  BOOST_TEST(attr(in_a).nlink == 1);
  BOOST_TEST(number_of(at("sub/b/in_a")) == number_of(in_a));
  BOOST_TEST(lookup_code(at("a"), "in_b") == 0);
  BOOST_TEST(attr(kRootIno).nlink == 4);
  BOOST_TEST(attr(sub).nlink == 3);
  reopen();
  BOOST_TEST(lookup_code(at("a"), "in_b") == 0);
  BOOST_TEST(lookup_code(at("sub/b"), "in_a") == 0);
}

BOOST_FIXTURE_TEST_CASE(exchange_of_a_file_and_a_directory, Renames) {
  const Ino sub = mkdir(kRootIno, "sub");
  const Ino dir = mkdir(kRootIno, "x");
  create(dir, "f");
  const Ino file = create(sub, "y");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  BOOST_TEST(rename(kRootIno, "x", sub, "y", RENAME_EXCHANGE) == 0);
  BOOST_TEST(attr(kRootIno).nlink == 3);
  BOOST_TEST(attr(sub).nlink == 3);
  BOOST_TEST(S_ISREG(attr(at("x")).mode));
  BOOST_TEST(*fs->getxattr(who, file, "user.k") == "v");
  BOOST_TEST(lookup_code(dir, "f") == 0);
  BOOST_TEST(rename(sub, "y", kRootIno, "x", RENAME_EXCHANGE) == 0);
  BOOST_TEST(S_ISDIR(attr(at("x")).mode));
  BOOST_TEST(rename(kRootIno, "x", kRootIno, "none", RENAME_EXCHANGE) == ENOENT);
}

BOOST_FIXTURE_TEST_CASE(exchange_with_linked_files, Renames) {
  const Ino a = create(kRootIno, "a");
  BOOST_TEST(code(fs->link(who, a, kRootIno, "a2")) == 0);
  const Ino b = create(kRootIno, "b");
  BOOST_TEST(rename(kRootIno, "a", kRootIno, "b", RENAME_EXCHANGE) == 0);
  BOOST_TEST(number_of(at("a")) == number_of(b));
  BOOST_TEST(number_of(at("b")) == number_of(a));
  BOOST_TEST(rename(kRootIno, "b", kRootIno, "a2", RENAME_EXCHANGE) == 0);
  BOOST_TEST(attr(a).nlink == 2);
}

BOOST_FIXTURE_TEST_CASE(depth_does_not_pile_up, Fixture) {
  const std::string name(250, 'n');
  const auto chain = [&](const char* top, int length) {
    Ino dir = mkdir(kRootIno, top);
    for (int i = 0; i < length; ++i) dir = mkdir(dir, name);
    return dir;
  };
  const Ino end = chain("long", 18);
  chain("longer", 120);
  chain("short", 2);
  BOOST_TEST(code(fs->rename(who, kRootIno, "longer", end, "x", 0)) == ENAMETOOLONG);
  BOOST_TEST(code(fs->rename(who, kRootIno, "short", end, "x", 0)) == 0);
  BOOST_TEST(code(fs->rename(who, kRootIno, "longer", end, "x", RENAME_EXCHANGE)) == ENAMETOOLONG);
  BOOST_TEST(code(fs->rename(who, kRootIno, "longer", kRootIno, "other", 0)) == 0);
}
