// Goal: attributes are what was set, to the nanosecond, and change with what the file goes through.
#include <sys/stat.h>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

BOOST_FIXTURE_TEST_CASE(set_attributes_are_kept, Fixture) {
  const Ino file = create(kRootIno, "f");
  const Time atime{-123'456'789'012'345'678}, mtime{4'102'444'800'000'000'001};
  const auto set =
      fs->setattr(who, file, {.mode = 0604, .uid = 12, .gid = 34, .atime = atime, .mtime = mtime});
  BOOST_REQUIRE(set);
  reopen();
  const Attr got = attr(at("f"));
  BOOST_TEST(got.mode == (S_IFREG | 0604u));
  BOOST_TEST(got.uid == 12u);
  BOOST_TEST(got.gid == 34u);
  BOOST_TEST((got.atime == atime));
  BOOST_TEST((got.mtime == mtime));
}

BOOST_FIXTURE_TEST_CASE(directories_take_attributes_too, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  create(dir, "f");
  BOOST_TEST(code(fs->setattr(who, dir, {.mode = 01777, .uid = 5})) == 0);
  create(dir, "g");
  BOOST_TEST(attr(dir).mode == (S_IFDIR | 01777u));
  BOOST_TEST(attr(dir).uid == 5u);
  BOOST_TEST(attr(dir).size == 2);
  BOOST_TEST(code(fs->setattr(who, kRootIno, {.mode = 0700})) == 0);
  reopen();
  BOOST_TEST((attr(kRootIno).mode & 07777) == 0700u);
}

BOOST_FIXTURE_TEST_CASE(every_change_moves_ctime, Fixture) {
  const Ino file = create(kRootIno, "f");
  Time last = attr(file).ctime;
  for (const SetAttr& change :
       {SetAttr{.mode = 0600}, SetAttr{.uid = 1}, SetAttr{.atime = Time{1}}, SetAttr{.size = 10}}) {
    BOOST_TEST(code(fs->setattr(who, file, change)) == 0);
    BOOST_TEST((attr(file).ctime > last));
    last = attr(file).ctime;
  }
}

BOOST_FIXTURE_TEST_CASE(a_new_owner_clears_set_id_bits, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 06755})) == 0);
  BOOST_TEST(code(fs->setxattr(who, file, "security.capability", "x", 0)) == 0);
  BOOST_TEST(code(fs->setattr(who, file, {.uid = 5})) == 0);
  BOOST_TEST((attr(file).mode & 07777) == 0755u);
  BOOST_TEST(code(fs->getxattr(who, file, "security.capability")) == ENODATA);
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(code(fs->setattr(who, dir, {.mode = 02755})) == 0);
  BOOST_TEST(code(fs->setattr(who, dir, {.uid = 5})) == 0);
  BOOST_TEST((attr(dir).mode & 07777) == 02755u);
}

BOOST_FIXTURE_TEST_CASE(reading_changes_atime_as_relatime_says, Fixture) {
  const Ino file = create(kRootIno, "f");
  write(file, "x");
  BOOST_TEST(code(fs->setattr(who, file, {.atime = Time{1}})) == 0);
  read(file);
  const Time first = attr(file).atime;
  BOOST_TEST(nanoseconds(first) > 1);
  read(file);
  BOOST_TEST((attr(file).atime == first));
  write(file, "y");
  read(file);
  BOOST_TEST((attr(file).atime > first));
}

BOOST_FIXTURE_TEST_CASE(noatime_leaves_atime_alone, Fixture) {
  close();
  options.atime = AtimePolicy::kNever;
  open();
  const Ino dir = mkdir(kRootIno, "d");
  const Ino file = create(dir, "f");
  write(file, "x");
  const Time before = attr(file).atime, dir_before = attr(dir).atime;
  read(file);
  list(dir);
  BOOST_TEST((attr(file).atime == before));
  BOOST_TEST((attr(dir).atime == dir_before));
}

BOOST_FIXTURE_TEST_CASE(listing_changes_the_atime_of_a_directory, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  create(dir, "f");
  const Time before = attr(dir).atime;
  list(dir);
  BOOST_TEST((attr(dir).atime > before));
  BOOST_TEST((attr(dir).mtime < attr(dir).atime));
}

BOOST_FIXTURE_TEST_CASE(statfs_counts_inodes_and_space, Fixture) {
  const auto before = fs->statfs();
  BOOST_REQUIRE(before);
  for (int i = 0; i < 10; ++i) create(kRootIno, std::to_string(i));
  const auto later = fs->statfs();
  BOOST_TEST(later->f_files - later->f_ffree == before->f_files - before->f_ffree + 10);
  BOOST_TEST(later->f_blocks > 0u);
  BOOST_TEST(later->f_namemax == 255u);
}
