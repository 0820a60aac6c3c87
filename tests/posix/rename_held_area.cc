// rename(2) of what somebody holds: open files and directories, working directories, hard links
// inside, mappings, locks, and sockets.
#include <dirent.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

struct stat stat_of(int fd) {
  struct stat st = {};
  NEEDS(fstat(fd, &st));
  return st;
}
using posix_test::stat_of;

std::string cwd() {
  std::array<char, 4096> path;
  return getcwd(path.data(), path.size()) == nullptr ? "" : path.data();
}

std::string all_of(int fd) {
  std::array<char, 100> bytes;
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
  NEEDS(got);
  return {bytes.data(), static_cast<std::size_t>(got)};
}

void write_to(int fd, std::string_view bytes) {
  BOOST_REQUIRE_EQUAL(write(fd, bytes.data(), bytes.size()), std::ssize(bytes));
}

// Of a directory that is removed.
void check_removed(int dir) {
  BOOST_TEST(stat_of(dir).st_nlink == 0U);
  std::array<char, 1000> buffer;
  FAILS(syscall(SYS_getdents64, static_cast<int>(dir), buffer.data(), buffer.size()), ENOENT);
  FAILS(openat(dir, "x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(mkdirat(dir, "x", 0755), ENOENT);
  FAILS(symlinkat("target", dir, "x"), ENOENT);
  FAILS(faccessat(dir, "x", F_OK, 0), ENOENT);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(rename_held_, Case)

BOOST_AUTO_TEST_CASE(an_open_file_is_the_same_under_its_new_name) {
  make_dir("d");
  make_file("a", "content");
  const Fd fd = open_file("a", O_RDWR | O_APPEND);
  for (const char* to : {"b", "d/c", "d/d", "e"}) {
    const char* from = exists("a") ? "a" : exists("b") ? "b" : exists("d/c") ? "d/c" : "d/d";
    WORKS(rename(from, to));
    write_to(fd, "+");
    BOOST_TEST(content_of(to) == all_of(fd));
    BOOST_TEST(stat_of(fd).st_ino == stat_of(to).st_ino);
    BOOST_TEST(stat_of(to).st_size == stat_of(fd).st_size);
  }
  WORKS(ftruncate(fd, 3));
  WORKS(fchmod(fd, 0600));
  BOOST_TEST(content_of("e") == "con");
  BOOST_TEST(mode_of("e") == 0600U);
}

BOOST_AUTO_TEST_CASE(a_replaced_file_lives_until_it_is_closed) {
  make_file("a", "new");
  make_file("b", "old");
  const Fd old = open_file("b", O_RDWR), fresh = open_file("a", O_RDWR);
  WORKS(rename("a", "b"));
  BOOST_TEST(all_of(old) == "old");
  BOOST_TEST(all_of(fresh) == "new");
  BOOST_TEST(stat_of(old).st_nlink == 0U);
  BOOST_TEST(stat_of(fresh).st_nlink == 1U);
  write_to(old, "changed");
  WORKS(fchmod(old, 0600));
  WORKS(fchown(old, kAlice.uid, kAlice.gid));
  WORKS(ftruncate(old, 5));
  BOOST_TEST(all_of(old) == "chang");
  BOOST_TEST(stat_of(old).st_uid == kAlice.uid);
  BOOST_TEST(content_of("b") == "new");
  BOOST_TEST(mode_of("b") == 0644U);
  const std::string name = "/proc/self/fd/" + std::to_string(old);
  FAILS(linkat(AT_FDCWD, name.c_str(), AT_FDCWD, "c", AT_SYMLINK_FOLLOW), ENOENT);
}

BOOST_AUTO_TEST_CASE(a_replaced_file_is_reached_by_its_other_names) {
  make_file("a", "new");
  make_file("b", "old");
  NEEDS(link("b", "c"));
  const Fd old = open_file("b", O_RDWR);
  WORKS(rename("a", "b"));
  BOOST_TEST(stat_of(old).st_nlink == 1U);
  write_to(old, "O");
  BOOST_TEST(content_of("c") == "Old");
  WORKS(rename("c", "b"));
  BOOST_TEST(content_of("b") == "Old");
  BOOST_TEST(stat_of(old).st_ino == stat_of("b").st_ino);
}

BOOST_AUTO_TEST_CASE(open_files_stay_open_when_a_directory_above_moves) {
  for (const char* dir : {"p", "p/d", "p/d/sub", "q"}) make_dir(dir);
  make_file("p/d/file", "1");
  make_file("p/d/sub/file", "2");
  const Fd one = open_file("p/d/file", O_RDWR | O_APPEND);
  const Fd two = open_file("p/d/sub/file", O_RDWR | O_APPEND);
  const Fd sub = open_file("p/d/sub", O_RDONLY | O_DIRECTORY);
  for (const auto& [from, to] : {std::pair{"p/d", "q/e"}, std::pair{"q", "p/q"}}) {
    WORKS(rename(from, to));
    write_to(one, "+");
    write_to(two, "+");
  }
  BOOST_TEST(content_of("p/q/e/file") == "1++");
  BOOST_TEST(content_of("p/q/e/sub/file") == "2++");
  WORKS(unlinkat(sub, "file", 0));
  BOOST_TEST(!exists("p/q/e/sub/file"));
  write_to(two, "+");
  BOOST_TEST(all_of(two) == "2+++");
  WORKS(mkdirat(sub, "deep", 0755));
  BOOST_TEST(exists("p/q/e/sub/deep"));
  WORKS(renameat(sub, "deep", AT_FDCWD, "up"));
  BOOST_TEST((names_in(".") == std::vector<std::string>{"p", "up"}));
}

BOOST_AUTO_TEST_CASE(a_file_removed_below_a_directory_that_moves_lives_on) {
  make_dir("d");
  make_file("d/file", "content");
  const Fd fd = open_file("d/file", O_RDWR);
  NEEDS(unlink("d/file"));
  WORKS(rename("d", "e"));
  BOOST_TEST(all_of(fd) == "content");
  make_file("e/file", "other");
  BOOST_TEST(all_of(fd) == "content");
  BOOST_TEST(stat_of(fd).st_nlink == 0U);
}

BOOST_AUTO_TEST_CASE(a_listing_goes_on_in_a_directory_that_moves) {
  make_dir("d");
  make_dir("q");
  std::vector<std::string> wanted, got;
  for (int i = 100; i < 600; ++i) {
    wanted.push_back(std::to_string(i));
    make(Type::kFifo, "d/" + wanted.back());
  }
  DIR* const dir = opendir("d");
  BOOST_REQUIRE(dir != nullptr);
  int count = 0;
  while (const dirent* const entry = readdir(dir)) {
    if (entry->d_name[0] != '.') got.emplace_back(entry->d_name);
    if (++count == 50) WORKS(rename("d", "q/e"));
    if (count == 250) WORKS(rename("q", "r"));
  }
  closedir(dir);
  std::sort(got.begin(), got.end());
  BOOST_TEST(got == wanted);
  BOOST_TEST(names_in("r/e") == wanted);
}

BOOST_AUTO_TEST_CASE(a_replaced_directory_that_is_open_is_dead) {
  make_dir("a");
  make_file("a/file");
  make_dir("b");
  const Fd old = open_file("b", O_RDONLY | O_DIRECTORY), fresh = open_file("a", O_RDONLY);
  WORKS(rename("a", "b"));
  check_removed(old);
  WORKS(fchmod(old, 0700));
  BOOST_TEST(mode_of("b") == 0755U);
  WORKS(faccessat(fresh, "file", F_OK, 0));
}

BOOST_AUTO_TEST_CASE(a_working_directory_moves_along) {
  for (const char* dir : {"p", "p/d", "p/d/sub", "q"}) make_dir(dir);
  NEEDS(chdir("p/d/sub"));
  make_file("file", "content");
  const std::string &p = folder + "/p", q = folder + "/q";
  const struct {
    std::string from, to, here;
  } rows[] = {{p + "/d/sub", p + "/d/other", p + "/d/other"},
              {p + "/d", p + "/e", p + "/e/other"},
              {p + "/e", q + "/e", q + "/e/other"},
              {q, p + "/q", p + "/q/e/other"},
              {"../../../q", "../../../r", p + "/r/e/other"}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      WORKS(rename(row.from.c_str(), row.to.c_str()));
      BOOST_TEST(cwd() == row.here);
      BOOST_TEST(content_of("file") == "content");
      BOOST_TEST(stat_of(".").st_ino == stat_of(row.here).st_ino);
      WORKS(rename("file", "../file"));
      WORKS(rename("../file", "file"));
    }
  }
  FAILS(rename(".", "x"), EBUSY);
  FAILS(rename("..", "x"), EBUSY);
  FAILS(rename("../../e", "x"), EINVAL);  // an ancestor
}

BOOST_AUTO_TEST_CASE(a_tree_moves_to_where_no_path_reaches) {
  const std::string name = long_name(250);
  const auto dig = [&](const char* top) {
    NEEDS(chdir(folder.c_str()));
    make_dir(top);
    NEEDS(chdir(top));
    for (int depth = 0; depth < 15; ++depth) {
      make_dir(name);
      NEEDS(chdir(name.c_str()));
    }
    make_file("file", top);
    return open_file(".", O_PATH);
  };
  const Fd a = dig("a"), b = dig("b");
  NEEDS(chdir(folder.c_str()));
  WORKS(renameat(AT_FDCWD, "a", b, "a"));
  BOOST_TEST((names_in(".") == std::vector<std::string>{"b"}));
  NEEDS(fchdir(a));
  BOOST_TEST(content_of("file") == "a");
  WORKS(mkdir("sub", 0755));
  for (int depth = 0; depth < 16; ++depth) NEEDS(chdir(".."));
  BOOST_TEST(content_of("file") == "b");
  BOOST_TEST(stat_of(".").st_ino == stat_of(b).st_ino);
  WORKS(rename("a", (folder + "/a").c_str()));
  WORKS(faccessat(a, "sub", F_OK, 0));
  FAILS(renameat(AT_FDCWD, (folder + "/a").c_str(), a, "a"), EINVAL);
}

BOOST_AUTO_TEST_CASE(a_working_directory_that_is_replaced_is_dead) {
  make_dir("a");
  make_dir("b");
  NEEDS(chdir("b"));
  WORKS(rename("../a", "../b"));
  BOOST_TEST(cwd() == "");
  FAILS(open("x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(rename("x", "y"), ENOENT);
  make_file("../file");
  FAILS(rename("../file", "x"), ENOENT);
  BOOST_TEST(exists("../file"));
  const Fd here = open_file(".", O_RDONLY | O_DIRECTORY);
  check_removed(here);
  WORKS(chdir("../b"));
  BOOST_TEST(cwd() == folder + "/b");
}

BOOST_AUTO_TEST_CASE(hard_links_inside_stay_links_to_those_outside) {
  for (const char* dir : {"p", "p/d", "q"}) make_dir(dir);
  make_file("p/d/a", "content");
  NEEDS(link("p/d/a", "p/d/b"));
  NEEDS(link("p/d/a", "outside"));
  const Fd fd = open_file("p/d/b", O_RDWR | O_APPEND);
  WORKS(rename("p/d", "q/e"));
  for (const char* name : {"q/e/a", "q/e/b", "outside"}) {
    BOOST_TEST(stat_of(name).st_ino == stat_of(fd).st_ino);
    BOOST_TEST(stat_of(name).st_nlink == 3U);
  }
  write_to(fd, "+");
  BOOST_TEST(content_of("outside") == "content+");
  WORKS(rename("outside", "q/e/b"));  // one file: nothing happens
  BOOST_TEST(exists("outside"));
  NEEDS(unlink("q/e/a"));
  NEEDS(unlink("q/e/b"));
  BOOST_TEST(stat_of(fd).st_nlink == 1U);
  WORKS(rename("outside", "q/e/c"));
  WORKS(rename("q/e", "p/d"));
  write_to(fd, "+");
  BOOST_TEST(content_of("p/d/c") == "content++");
  WORKS(link("p/d/c", "p/d/d"));
  BOOST_TEST(stat_of(fd).st_nlink == 2U);
}

BOOST_AUTO_TEST_CASE(a_mapping_shows_the_file_under_its_new_name) {
  make_file("a", "content");
  const Fd fd = open_file("a", O_RDWR);
  void* const pages = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(pages != MAP_FAILED);
  WORKS(rename("a", "b"));
  static_cast<char*>(pages)[0] = 'C';
  BOOST_TEST(content_of("b") == "Content");
  make_file("a", "other");
  WORKS(rename("a", "b"));
  static_cast<char*>(pages)[1] = 'O';
  BOOST_TEST(all_of(fd) == "COntent");
  BOOST_TEST(content_of("b") == "other");
  NEEDS(munmap(pages, 4096));
}

BOOST_AUTO_TEST_CASE(locks_stay_with_the_file) {
  make_file("a");
  make_file("other");
  const Fd fd = open_file("a", O_RDWR);
  NEEDS(flock(fd, LOCK_EX));
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  NEEDS(fcntl(fd, F_SETLK, &range));
  const auto try_lock = [&](const char* path, bool whole) {
    return as(kRoot, [&] {
      const int other = open(path, O_RDWR);
      return err(whole ? flock(other, LOCK_EX | LOCK_NB) : fcntl(other, F_SETLK, &range));
    });
  };
  WORKS(rename("a", "b"));
  BOOST_TEST(try_lock("b", true) == Err{EWOULDBLOCK});
  BOOST_TEST(try_lock("b", false) == Err{EAGAIN});
  WORKS(rename("other", "b"));
  BOOST_TEST(try_lock("b", true) == Err{0});
  BOOST_TEST(try_lock("b", false) == Err{0});
}

BOOST_AUTO_TEST_CASE(a_socket_is_reached_by_its_new_name) {
  const auto address = [](const char* path) {
    sockaddr_un out = {.sun_family = AF_UNIX};
    strcpy(out.sun_path, path);
    return out;
  };
  const auto reach = [&](const char* path) {
    const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un to = address(path);
    return err(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to));
  };
  make_dir("d");
  const Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un at = address("d/socket");
  NEEDS(bind(server, reinterpret_cast<const sockaddr*>(&at), sizeof at));
  NEEDS(listen(server, 10));
  BOOST_TEST(reach("d/socket") == Err{0});
  WORKS(rename("d/socket", "d/other"));
  BOOST_TEST(reach("d/socket") == Err{ENOENT});
  BOOST_TEST(reach("d/other") == Err{0});
  WORKS(rename("d", "e"));
  BOOST_TEST(reach("e/other") == Err{0});
  make(Type::kSocket, "nobody");
  WORKS(rename("nobody", "e/other"));
  BOOST_TEST(reach("e/other") == Err{ECONNREFUSED});
}

BOOST_AUTO_TEST_CASE(names_that_were_looked_for_are_found_when_they_come) {
  make_dir("d");
  make_file("d/a", "content");
  make_dir("e");
  for (int i = 0; i < 20; ++i) {
    FAILS(access("d/b", F_OK), ENOENT);
    FAILS(access("e/a", F_OK), ENOENT);
    WORKS(rename("d/a", "d/b"));
    FAILS(access("d/a", F_OK), ENOENT);
    BOOST_TEST(content_of("d/b") == "content");
    WORKS(rename("d/b", "e/a"));
    FAILS(access("d/b", F_OK), ENOENT);
    BOOST_TEST(content_of("e/a") == "content");
    WORKS(rename("e/a", "d/a"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
