// Directories that are open, or somebody's working directory, and were removed.
#include <dirent.h>
#include <sys/syscall.h>

#include "tests/posix/acls.h"

using namespace posix_test;

namespace {

struct stat stat_of_fd(int fd) {
  struct stat st = {};
  NEEDS(fstat(fd, &st));
  return st;
}

const struct Way {
  const char* name;
  void (*remove)();
} kWays[] = {{"removed", [] { NEEDS(rmdir("d")); }}, {"replaced", [] {
                                                        make_dir("other");
                                                        NEEDS(rename("other", "d"));
                                                      }}};
std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }

// "d", removed while open.
Fd hold(const Way& way) {
  make_dir("d");
  Fd fd = open_file("d", O_RDONLY | O_DIRECTORY);
  way.remove();
  return fd;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(removed_, Case)

namespace data = boost::unit_test::data;

BOOST_DATA_TEST_CASE(it_has_no_links, data::make(kWays), way) {
  make_dir("d");
  const ino_t ino = stat_of("d").st_ino;
  Fd fd = open_file("d", O_RDONLY | O_DIRECTORY);
  const Fd path = open_file("d", O_PATH);
  way.remove();
  for (const int held : {int{fd}, int{path}}) {
    const struct stat st = stat_of_fd(held);
    BOOST_TEST(st.st_nlink == 0U);
    BOOST_TEST(st.st_ino == ino);
    BOOST_TEST(S_ISDIR(st.st_mode));
  }
  make_dir("again");
  BOOST_TEST(stat_of("again").st_ino != ino);
}

BOOST_DATA_TEST_CASE(nothing_is_made_in_it, data::make(kWays), way) {
  make_file("file");
  make_dir("sub");
  const Fd fd = hold(way);
  FAILS(openat(fd, "x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(openat(fd, ".", O_WRONLY | O_TMPFILE, 0644), EPERM);  // so says ext4
  FAILS(mkdirat(fd, "x", 0755), ENOENT);
  FAILS(symlinkat("target", fd, "x"), ENOENT);
  FAILS(linkat(AT_FDCWD, "file", fd, "x", 0), ENOENT);
  for (const mode_t type : {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR}) {
    FAILS(mknodat(fd, "x", type | 0644, 0), ENOENT);
  }
  FAILS(renameat(AT_FDCWD, "file", fd, "x"), ENOENT);
  FAILS(renameat(AT_FDCWD, "sub", fd, "x"), ENOENT);
  BOOST_TEST(stat_of("file").st_nlink == 1U);
}

BOOST_DATA_TEST_CASE(nothing_is_found_in_it, data::make(kWays), way) {
  const Fd fd = hold(way);
  struct stat st = {};
  FAILS(fstatat(fd, "x", &st, 0), ENOENT);
  FAILS(openat(fd, "x", O_RDONLY), ENOENT);
  FAILS(unlinkat(fd, "x", 0), ENOENT);
  FAILS(unlinkat(fd, "x", AT_REMOVEDIR), ENOENT);
  FAILS(renameat(fd, "x", AT_FDCWD, "y"), ENOENT);
  FAILS(faccessat(fd, "x", F_OK, 0), ENOENT);
  FAILS(unlinkat(fd, ".", AT_REMOVEDIR), EINVAL);
  FAILS(unlinkat(fd, "..", AT_REMOVEDIR), ENOTEMPTY);
  WORKS(fstatat(fd, ".", &st, 0));
  BOOST_TEST(st.st_nlink == 0U);
  WORKS(fstatat(fd, "..", &st, 0));
  BOOST_TEST(st.st_ino == stat_of(".").st_ino);
  const Fd again(openat(fd, ".", O_RDONLY | O_DIRECTORY));
  WORKS(again);
}

BOOST_DATA_TEST_CASE(it_lists_nothing, data::make(kWays), way) {
  const Fd fd = hold(way);
  std::array<char, 4096> entries;
  FAILS(syscall(SYS_getdents64, int{fd}, entries.data(), entries.size()), ENOENT);
}

BOOST_AUTO_TEST_CASE(a_listing_that_began_before_ends) {
  make_dir("d");
  make_file("d/a");
  make_file("d/b");
  DIR* const dir = opendir("d");
  BOOST_REQUIRE(dir != nullptr);
  BOOST_TEST(readdir(dir) != nullptr);
  NEEDS(unlink("d/a"));
  NEEDS(unlink("d/b"));
  NEEDS(rmdir("d"));
  int entries = 0;
  while (readdir(dir) != nullptr) ++entries;
  BOOST_TEST(entries <= 3);
  rewinddir(dir);
  errno = 0;
  BOOST_TEST(readdir(dir) == nullptr);
  closedir(dir);
}

BOOST_DATA_TEST_CASE(attributes_and_xattrs_are_changed, data::make(kWays), way) {
  const Fd fd = hold(way);
  WORKS(fchmod(fd, 01711));
  WORKS(fchown(fd, kAlice.uid, kAlice.gid));
  const timespec times[2] = {{.tv_sec = 111, .tv_nsec = 1}, {.tv_sec = 222, .tv_nsec = 2}};
  WORKS(futimens(fd, times));
  struct stat st = stat_of_fd(fd);
  BOOST_TEST((st.st_mode & 07777U) == 01711U);
  BOOST_TEST(st.st_uid == kAlice.uid);
  BOOST_TEST(st.st_mtim.tv_sec == 222);
  WORKS(fsetxattr(fd, "user.a", "value", 5, 0));
  char value[16];
  BOOST_TEST(fgetxattr(fd, "user.a", value, 16) == 5);
  BOOST_TEST(flistxattr(fd, value, 16) == 7);
  WORKS(fremovexattr(fd, "user.a"));
  FAILS(fgetxattr(fd, "user.a", value, 16), ENODATA);
  WORKS(fsync(fd));
  WORKS(fdatasync(fd));
}

BOOST_DATA_TEST_CASE(acls_are_changed, data::make(kWays), way) {
  const Fd fd = hold(way);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  for (const char* name : {kAccess, kDefault}) {
    BOOST_TEST(set_acl(path, name, "u:rwx u70001:rwx g:r-x m:rwx o:---") == Err{0});
    BOOST_TEST(fgetxattr(fd, name, nullptr, 0) == 44);
    WORKS(fremovexattr(fd, name));
    FAILS(fgetxattr(fd, name, nullptr, 0), ENODATA);
  }
  BOOST_TEST((stat_of_fd(fd).st_mode & 07777U) == 0770U);
}

BOOST_DATA_TEST_CASE(its_xattrs_stay, data::make(kWays), way) {
  make_dir("d");
  NEEDS(setxattr("d", "user.kept", "value", 5, 0));
  const Fd fd = open_file("d", O_RDONLY);
  way.remove();
  char value[16];
  BOOST_TEST(fgetxattr(fd, "user.kept", value, 16) == 5);
  BOOST_TEST(flistxattr(fd, value, 16) == 10);
}

BOOST_DATA_TEST_CASE(losing_its_name_moves_the_ctime, data::make(kWays), way) {
  make_dir("d");
  const Fd fd = open_file("d", O_RDONLY);
  const timespec before = stat_of_fd(fd).st_ctim;
  (void)moved_times(".", [&] { way.remove(); });
  const timespec after = stat_of_fd(fd).st_ctim;
  BOOST_TEST((before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec));
}

BOOST_DATA_TEST_CASE(it_can_still_be_the_working_directory, data::make(kWays), way) {
  const Fd fd = hold(way);
  WORKS(fchdir(fd));
  std::array<char, 4096> path;
  FAILS(syscall(SYS_getcwd, path.data(), path.size()), ENOENT);
  FAILS(open("x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(mkdir("x", 0755), ENOENT);
  FAILS(rmdir("."), EINVAL);
  struct stat st = {};
  WORKS(stat(".", &st));
  BOOST_TEST(st.st_nlink == 0U);
  WORKS(chdir("."));
  WORKS(chdir(".."));
  const ssize_t got = syscall(SYS_getcwd, path.data(), path.size());
  NEEDS(got);
  BOOST_TEST(std::string(path.data()) == folder);
}

BOOST_AUTO_TEST_CASE(the_working_directory_is_removed_from_under_a_process) {
  make_dir("d");
  make_dir("d/e");
  NEEDS(chdir("d/e"));
  NEEDS(rmdir("../e"));
  FAILS(open("x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(rmdir("../e"), ENOENT);
  NEEDS(rmdir((folder + "/d").c_str()));
  struct stat st = {};
  WORKS(stat("..", &st));
  BOOST_TEST(st.st_nlink == 0U);
  FAILS(open("../x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(mkdir("../x", 0755), ENOENT);
  WORKS(stat("../..", &st));
  BOOST_TEST(st.st_ino == stat_of(folder).st_ino);
}

BOOST_AUTO_TEST_CASE(it_is_shown_as_deleted) {
  const Fd fd = hold(kWays[0]);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, 4096> target;
  const ssize_t got = readlink(path.c_str(), target.data(), target.size());
  NEEDS(got);
  BOOST_TEST(std::string(target.data(), static_cast<std::size_t>(got)) == folder + "/d (deleted)");
  struct stat st = {};
  WORKS(stat(path.c_str(), &st));
  WORKS(open(path.c_str(), O_RDONLY | O_DIRECTORY));
  FAILS(open((path + "/x").c_str(), O_WRONLY | O_CREAT, 0644), ENOENT);
}

BOOST_AUTO_TEST_CASE(a_file_is_moved_out_of_a_directory_that_is_removed) {
  make_dir("d");
  make_file("d/f", "content");
  const Fd dir = open_file("d", O_RDONLY), file = open_file("d/f", O_RDWR);
  FAILS(rmdir("d"), ENOTEMPTY);
  NEEDS(renameat(dir, "f", AT_FDCWD, "f"));
  WORKS(rmdir("d"));
  write_at(file, 0, "CONTENT");
  BOOST_TEST(content_of("f") == "CONTENT");
}

BOOST_AUTO_TEST_SUITE_END()
