// Goal: all names of a file are equal, and its link count is their number at every moment.
#include <sys/stat.h>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

BOOST_FIXTURE_TEST_CASE(names_share_one_inode, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  const Ino file = create(kRootIno, "a");
  write(file, "x");
  for (const char* name : {"b", "c"}) {
    const auto linked = fs->link(who, file, dir, name);
    BOOST_REQUIRE(linked);
    BOOST_TEST(number_of(linked->attr.ino) == number_of(file));
  }
  BOOST_TEST(attr(file).nlink == 3);
  write(file, "yz");
  reopen();
  BOOST_TEST(read(at("d/b")) == "yz");
  BOOST_TEST(number_of(at("a")) == number_of(at("d/c")));
  BOOST_TEST(attr(at("d/c")).nlink == 3);
}

BOOST_FIXTURE_TEST_CASE(removing_names_counts_down_to_none, Fixture) {
  const Ino file = create(kRootIno, "a");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "a")) == 0);
  BOOST_TEST(attr(file).nlink == 1);
  BOOST_TEST(code(fs->link(who, file, kRootIno, "c")) == 0);
  BOOST_TEST(attr(file).nlink == 2);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "b")) == 0);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "c")) == 0);
  BOOST_TEST(attr(file).nlink == 0);
  BOOST_TEST(list(kRootIno).empty());
}

BOOST_FIXTURE_TEST_CASE(a_link_changes_ctime_only, Fixture) {
  const Ino file = create(kRootIno, "a");
  const Attr before = attr(file);
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  BOOST_TEST((attr(file).ctime > before.ctime));
  BOOST_TEST((attr(file).mtime == before.mtime));
}

BOOST_FIXTURE_TEST_CASE(xattrs_follow_to_the_link_space, Fixture) {
  const Ino file = create(kRootIno, "a");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  BOOST_TEST(code(fs->setxattr(who, file, "user.l", "w", 0)) == 0);
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  BOOST_TEST(*fs->getxattr(who, file, "user.k") == "v");
  BOOST_TEST(code(fs->unlink(who, kRootIno, "a")) == 0);
  reopen();
  BOOST_TEST(*fs->getxattr(who, at("b"), "user.l") == "w");
}

BOOST_FIXTURE_TEST_CASE(symlinks_and_special_files_can_be_linked, Fixture) {
  const auto link = fs->symlink(who, kRootIno, "s", "target");
  BOOST_REQUIRE(link);
  BOOST_TEST(code(fs->link(who, link->attr.ino, kRootIno, "s2")) == 0);
  BOOST_TEST(*fs->readlink(who, at("s2")) == "target");
  BOOST_TEST(*fs->readlink(who, at("s")) == "target");
}

BOOST_FIXTURE_TEST_CASE(directories_cannot_be_linked, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(code(fs->link(who, dir, kRootIno, "e")) == EPERM);
}

BOOST_FIXTURE_TEST_CASE(an_existing_name_is_refused, Fixture) {
  const Ino file = create(kRootIno, "a");
  create(kRootIno, "b");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == EEXIST);
  BOOST_TEST(code(fs->link(who, file, kRootIno, "a")) == EEXIST);
  BOOST_TEST(attr(file).nlink == 1);
}

BOOST_FIXTURE_TEST_CASE(a_new_node_of_a_linked_file_finds_it, Fixture) {
  const Ino file = create(kRootIno, "a");
  BOOST_TEST(code(fs->link(who, file, kRootIno, "b")) == 0);
  fs->forget(file, 2);
  BOOST_TEST(attr(at("b")).nlink == 2);
  BOOST_TEST(list(kRootIno).size() == 2);
}
