// Goal: what is removed is gone at once by name, and stays usable for those who still refer to it.
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

BOOST_FIXTURE_TEST_CASE(a_removed_file_has_no_name, Fixture) {
  create(kRootIno, "f");
  BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == 0);
  BOOST_TEST(lookup_code(kRootIno, "f") == ENOENT);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == ENOENT);
  BOOST_TEST(attr(kRootIno).size == 0);
}

BOOST_FIXTURE_TEST_CASE(a_removed_file_works_until_it_is_forgotten, Fixture) {
  const Ino file = create(kRootIno, "f");
  write(file, "before");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == 0);
  BOOST_TEST(attr(file).nlink == 0);
  BOOST_TEST(read(file) == "before");
  write(file, "after!");
  BOOST_TEST(read(file) == "after!");
  BOOST_TEST(*fs->getxattr(who, file, "user.k") == "v");
  BOOST_TEST(code(fs->setxattr(who, file, "user.l", "w", 0)) == 0);
  BOOST_TEST(fs->listxattr(who, file)->size() == 14);
  BOOST_TEST(code(fs->removexattr(who, file, "user.k")) == 0);
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 0600})) == 0);
  BOOST_TEST((attr(file).mode & 0777) == 0600u);
  create(kRootIno, "f");  // the name is free
  BOOST_TEST(read(file) == "after!");
  fs->forget(file, 1);
  BOOST_TEST(code(fs->getattr(who, file)) == ESTALE);
  reopen();
  BOOST_TEST(check(fs->store(), folder.path + "/store")->host_files == 0);
}

BOOST_FIXTURE_TEST_CASE(unlink_and_rmdir_tell_files_from_directories, Fixture) {
  mkdir(kRootIno, "d");
  create(kRootIno, "f");
  BOOST_TEST(code(fs->unlink(who, kRootIno, "d")) == EISDIR);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "f")) == ENOTDIR);
}

BOOST_FIXTURE_TEST_CASE(only_empty_directories_are_removed, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  create(dir, "f");
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == ENOTEMPTY);
  BOOST_TEST(code(fs->unlink(who, dir, "f")) == 0);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == 0);
  BOOST_TEST(attr(kRootIno).nlink == 2);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == ENOENT);
}

BOOST_FIXTURE_TEST_CASE(a_removed_directory_is_an_empty_one_without_names, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(code(fs->setxattr(who, dir, "user.k", "v", 0)) == 0);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == 0);
  BOOST_TEST(attr(dir).nlink == 0);
  BOOST_TEST(list(dir).empty());
  BOOST_TEST(code(fs->create(who, dir, "f", 0644, true)) == ENOENT);
  BOOST_TEST(code(fs->mkdir(who, dir, "f", 0755)) == ENOENT);
  BOOST_TEST(code(fs->lookup(who, dir, "f")) == ENOENT);
  const Ino file = create(kRootIno, "g");
  BOOST_TEST(code(fs->rename(who, kRootIno, "g", dir, "g", 0)) == ENOENT);
  BOOST_TEST(code(fs->link(who, file, dir, "g")) == ENOENT);
  mkdir(kRootIno, "d");  // another directory of that name is another directory
  BOOST_TEST(code(fs->create(who, dir, "f", 0644, true)) == ENOENT);
  BOOST_TEST(code(fs->getxattr(who, at("d"), "user.k")) == ENODATA);
}

BOOST_FIXTURE_TEST_CASE(xattrs_go_with_their_file, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setxattr(who, file, "user.k", "v", 0)) == 0);
  BOOST_TEST(code(fs->link(who, file, kRootIno, "g")) == 0);
  const Ino other = create(kRootIno, "o");
  BOOST_TEST(code(fs->setxattr(who, other, "user.k", "v", 0)) == 0);
  for (const char* name : {"f", "g", "o"}) BOOST_TEST(code(fs->unlink(who, kRootIno, name)) == 0);
  create(kRootIno, "f");
  BOOST_TEST(code(fs->getxattr(who, at("f"), "user.k")) == ENODATA);
}

BOOST_FIXTURE_TEST_CASE(contents_go_after_the_last_name_and_reference, Fixture) {
  for (int i = 0; i < 20; ++i) {
    const Ino file = create(kRootIno, "f" + std::to_string(i));
    write(file, "data");
    fs->forget(file, i % 2);
  }
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(code(fs->unlink(who, kRootIno, "f" + std::to_string(i))) == 0);
  }
  reopen();
  BOOST_TEST(check(fs->store(), folder.path + "/store")->host_files == 0);
}
