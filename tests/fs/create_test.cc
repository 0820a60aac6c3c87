// Goal: what is created is there, as asked for, and its directory knows.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

BOOST_FIXTURE_TEST_CASE(a_new_filesystem_has_an_empty_root, Fixture) {
  const Attr root = attr(kRootIno);
  BOOST_TEST(S_ISDIR(root.mode));
  BOOST_TEST(root.nlink == 2);
  BOOST_TEST(list(kRootIno).empty());
}

BOOST_FIXTURE_TEST_CASE(every_type_is_created_as_asked, Fixture) {
  const auto fifo = fs->mknod(who, kRootIno, "fifo", S_IFIFO | 0640, 0);
  const auto device = fs->mknod(who, kRootIno, "dev", S_IFBLK | 0600, makedev(259, 70'000));
  const auto link = fs->symlink(who, kRootIno, "link", "some/where");
  const auto file = fs->mknod(who, kRootIno, "file", 0644, 0);
  BOOST_REQUIRE(fifo && device && link && file);
  BOOST_TEST(fifo->attr.mode == (S_IFIFO | 0640u));
  BOOST_TEST(device->attr.rdev_major == 259u);
  BOOST_TEST(device->attr.rdev_minor == 70'000u);
  BOOST_TEST(link->attr.size == 10u);
  BOOST_TEST(*fs->readlink(who, link->attr.ino) == "some/where");
  BOOST_TEST(S_ISREG(file->attr.mode));
  BOOST_TEST(code(fs->readlink(who, file->attr.ino)) == EINVAL);
  reopen();
  BOOST_TEST(attr(at("dev")).rdev_minor == 70'000u);
  BOOST_TEST(*fs->readlink(who, at("link")) == "some/where");
}

BOOST_FIXTURE_TEST_CASE(directories_count_entries_and_subdirectories, Fixture) {
  mkdir(kRootIno, "a");
  mkdir(kRootIno, "b");
  create(kRootIno, "f");
  BOOST_TEST(attr(kRootIno).nlink == 4);
  BOOST_TEST(attr(kRootIno).size == 3);
}

BOOST_FIXTURE_TEST_CASE(creation_changes_the_times_of_the_directory, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  const Attr before = attr(dir);
  create(dir, "f");
  const Attr later = attr(dir);
  BOOST_TEST((later.mtime > before.mtime));
  BOOST_TEST((later.ctime > before.ctime));
  BOOST_TEST((later.btime == before.btime));
}

BOOST_FIXTURE_TEST_CASE(an_existing_name_is_refused, Fixture) {
  mkdir(kRootIno, "d");
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->mkdir(who, kRootIno, "d", 0755)) == EEXIST);
  BOOST_TEST(code(fs->mkdir(who, kRootIno, "f", 0755)) == EEXIST);
  BOOST_TEST(code(fs->symlink(who, kRootIno, "d", "x")) == EEXIST);
  BOOST_TEST(code(fs->create(who, kRootIno, "f", 0644, true)) == EEXIST);
  const auto opened = fs->create(who, kRootIno, "f", 0600, false);
  BOOST_REQUIRE(opened);
  BOOST_TEST(number_of(opened->attr.ino) == number_of(file));
}

BOOST_FIXTURE_TEST_CASE(names_are_checked, Fixture) {
  BOOST_TEST(code(fs->mkdir(who, kRootIno, std::string(256, 'x'), 0755)) == ENAMETOOLONG);
  BOOST_TEST(code(fs->mkdir(who, kRootIno, std::string(255, 'x'), 0755)) == 0);
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string("a\0b", 3)}) {
    BOOST_TEST(code(fs->mkdir(who, kRootIno, name, 0755)) == EINVAL);
    BOOST_TEST(code(fs->lookup(who, kRootIno, name)) == EINVAL);
  }
  BOOST_TEST(code(fs->symlink(who, kRootIno, "l", std::string(4096, 'x'))) == ENAMETOOLONG);
  BOOST_TEST(code(fs->symlink(who, kRootIno, "l", std::string(4095, 'x'))) == 0);
}

BOOST_FIXTURE_TEST_CASE(any_other_byte_may_be_in_a_name, Fixture) {
  std::set<std::string> names;
  for (int c = 1; c < 256; ++c) {
    if (c == '/' || c == '.') continue;
    names.insert(std::string(1, static_cast<char>(c)));
  }
  for (const std::string& name : names) mkdir(kRootIno, name);
  const auto listed = list(kRootIno);
  BOOST_TEST((std::set<std::string>(listed.begin(), listed.end()) == names));
  for (const std::string& name : names) BOOST_TEST(lookup_code(kRootIno, name) == 0);
}

BOOST_FIXTURE_TEST_CASE(only_directories_hold_names, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->create(who, file, "x", 0644, true)) == ENOTDIR);
  BOOST_TEST(code(fs->lookup(who, file, "x")) == ENOTDIR);
  BOOST_TEST(code(fs->unlink(who, file, "x")) == ENOTDIR);
  BOOST_TEST(code(fs->rmdir(who, file, "x")) == ENOTDIR);
  BOOST_TEST(code(fs->lookup(who, Ino{999}, "x")) == ESTALE);
}

BOOST_FIXTURE_TEST_CASE(paths_beyond_the_key_limit_are_refused_and_harmless, Fixture) {
  Ino dir = kRootIno;
  int depth = 0, last = 0;
  for (; depth < 400; ++depth) {
    const auto made = fs->mkdir(who, dir, std::string(200, 'd'), 0755);
    last = code(made);
    if (!made) break;
    dir = made->attr.ino;
  }
  BOOST_TEST(last == ENAMETOOLONG);
  BOOST_TEST(depth > 150);
  BOOST_TEST(code(fs->create(who, dir, std::string(255, 'f'), 0644, true)) == 0);
  BOOST_TEST(code(fs->setxattr(who, at(std::string()), "user.a", "v", 0)) == 0);
}

BOOST_FIXTURE_TEST_CASE(inode_numbers_are_never_reused, Fixture) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 10; ++i) {
    const Ino ino = create(kRootIno, "f");
    BOOST_TEST(seen.insert(number_of(ino)).second);
    BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == 0);
    fs->forget(ino, 1);
    if (i % 3 == 0) reopen();
  }
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_can_get_a_name, Fixture) {
  const auto made = fs->tmpfile(who, kRootIno, 0600);
  BOOST_REQUIRE(made);
  const Ino ino = made->attr.ino;
  BOOST_TEST(made->attr.nlink == 0);
  write(ino, "contents");
  BOOST_TEST(code(fs->setxattr(who, ino, "user.a", "1", 0)) == 0);
  BOOST_TEST(list(kRootIno).empty());
  BOOST_TEST(code(fs->link(who, ino, kRootIno, "named")) == 0);
  BOOST_TEST(attr(ino).nlink == 1);
  BOOST_TEST(*fs->getxattr(who, ino, "user.a") == "1");
  reopen();
  BOOST_TEST(read(at("named")) == "contents");
  BOOST_TEST(*fs->getxattr(who, at("named"), "user.a") == "1");
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_without_name_leaves_nothing, Fixture) {
  const auto made = fs->tmpfile(who, kRootIno, 0600);
  BOOST_REQUIRE(made);
  write(made->attr.ino, "contents");
  fs->forget(made->attr.ino, 1);
  reopen();
  BOOST_TEST(check(fs->store(), folder.path + "/store")->host_files == 0);
}
