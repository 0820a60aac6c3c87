// open(2) with O_PATH: descriptors that stand for a place in the tree.
#include <dirent.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

Fd place(const std::string& path, int flags = 0) {
  return open_file(path, O_PATH | O_NOFOLLOW | flags);
}

struct stat stat_of_fd(int fd) {
  struct stat st = {};
  NEEDS(fstat(fd, &st));
  return st;
}

std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// Calls that want an open file.
const struct FdCall {
  const char* name;
  Err (*call)(int fd);
} kRefused[] = {
    {"read",
     [](int fd) {
       char byte;
       return err(read(fd, &byte, 1));
     }},
    {"write", [](int fd) { return err(write(fd, "1", 1)); }},
    {"pread",
     [](int fd) {
       char byte;
       return err(pread(fd, &byte, 1, 0));
     }},
    {"lseek", [](int fd) { return err(lseek(fd, 0, SEEK_SET)); }},
    {"ftruncate", [](int fd) { return err(ftruncate(fd, 0)); }},
    {"fallocate", [](int fd) { return err(fallocate(fd, 0, 0, 1)); }},
    {"fsync", [](int fd) { return err(fsync(fd)); }},
    {"syncfs", [](int fd) { return err(syncfs(fd)); }},
    {"fchmod", [](int fd) { return err(fchmod(fd, 0777)); }},
    {"fchown", [](int fd) { return err(fchown(fd, 1, 1)); }},
    {"futimens", [](int fd) { return err(futimens(fd, nullptr)); }},
    {"fsetxattr", [](int fd) { return err(fsetxattr(fd, "trusted.x", "1", 1, 0)); }},
    {"fgetxattr", [](int fd) { return err(fgetxattr(fd, "trusted.x", nullptr, 0)); }},
    {"flistxattr", [](int fd) { return err(flistxattr(fd, nullptr, 0)); }},
    {"getdents",
     [](int fd) {
       char entries[100];
       return err(getdents64(fd, entries, sizeof entries));
     }},
    {"ioctl",
     [](int fd) {
       int left;
       return err(ioctl(fd, FIONREAD, &left));
     }},
    {"F_SETFL", [](int fd) { return err(fcntl(fd, F_SETFL, O_APPEND)); }},
    {"flock", [](int fd) { return err(flock(fd, LOCK_SH)); }},
    {"mmap", [](int fd) {
       return err(mmap(nullptr, 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
     }}};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(opath_, Case)

BOOST_AUTO_TEST_CASE(stands_for_every_type) {
  for (const Type type : kTypes) {
    make(type, "x", 0);
    BOOST_TEST_CONTEXT(type) {
      const Fd fd = place("x");
      const struct stat st = stat_of_fd(fd);
      BOOST_TEST(st.st_ino == stat_of("x").st_ino);
      BOOST_TEST(st.st_mode == stat_of("x").st_mode);
      BOOST_TEST((fcntl(fd, F_GETFL) & (O_PATH | O_ACCMODE)) == O_PATH);
      struct statfs fs;
      WORKS(fstatfs(fd, &fs));
      const Fd copy(dup(fd));
      WORKS(copy);
      BOOST_TEST(stat_of_fd(copy).st_ino == st.st_ino);
      FAILS(fchdir(fd), type == Type::kDirectory ? 0 : ENOTDIR);
      NEEDS(chdir(folder.c_str()));
      FAILS(openat(fd, "y", O_RDONLY), type == Type::kDirectory ? ENOENT : ENOTDIR);
    }
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(is_not_open_for_anything_else) {
  for (const Type type : kTypes) {
    make(type, "x", 0777);
    const Fd fd = place("x");
    for (const FdCall& refused : kRefused) {
      BOOST_TEST_CONTEXT(refused.name << " of a " << type) {
        BOOST_TEST(refused.call(fd) == Err{EBADF});
      }
    }
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(needs_no_permission_but_on_the_way) {
  make_dir("d");
  make_dir("locked", 0766);
  for (const Type type : kTypes) {
    make(type, "d/x", 0);
    make(type, "locked/x", 0777);
    const auto at = [](const char* path) {
      return as(kAlice, [&] {
        const Fd fd(open(path, O_PATH | O_NOFOLLOW));
        return err(fd);
      });
    };
    BOOST_TEST(at("d/x") == Err{0}, type);
    BOOST_TEST(at("locked/x") == Err{EACCES}, type);
    BOOST_TEST(at("locked") == Err{0});
    NEEDS(remove("d/x"));
    NEEDS(remove("locked/x"));
  }
}

BOOST_AUTO_TEST_CASE(ignores_the_other_flags) {
  make_file("f", "12345");
  for (const int flags : {O_TRUNC, O_WRONLY | O_TRUNC, O_CREAT, O_CREAT | O_EXCL, O_APPEND,
                          O_RDWR | O_SYNC, O_NOATIME}) {
    BOOST_TEST_CONTEXT(std::oct << flags) {
      const Fd fd(open("f", O_PATH | flags, 0644));
      WORKS(fd);
      BOOST_TEST((fcntl(fd, F_GETFL) & ~(O_LARGEFILE | 0100000)) == O_PATH);
      FAILS(open("new", O_PATH | flags, 0644), ENOENT);
    }
  }
  BOOST_TEST(content_of("f") == "12345");
  FAILS(open("f", O_PATH | O_DIRECTORY), ENOTDIR);
  NEEDS(symlink("f", "to_f"));
  NEEDS(symlink("nowhere", "dangling"));
  const Fd followed(open("to_f", O_PATH));
  BOOST_TEST(stat_of_fd(followed).st_ino == stat_of("f").st_ino);
  FAILS(open("dangling", O_PATH), ENOENT);
  FAILS(open("to_f", O_PATH | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
}

BOOST_AUTO_TEST_CASE(a_symlink_is_read_and_changed_through_it) {
  NEEDS(symlink("target of it", "link"));
  const Fd fd = place("link");
  char target[100];
  BOOST_TEST(readlinkat(fd, "", target, sizeof target) == 12);
  BOOST_TEST(std::string(target, 12) == "target of it");
  WORKS(fchownat(fd, "", kAlice.uid, kAlice.gid, AT_EMPTY_PATH));
  BOOST_TEST(stat_of("link").st_uid == kAlice.uid);
  WORKS(utimensat(fd, "", nullptr, AT_EMPTY_PATH));
  WORKS(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
  BOOST_TEST(stat_of_fd(fd).st_nlink == 2U);
  FAILS(open(proc_path(fd).c_str(), O_RDONLY), ELOOP);
  make_file("f");
  const Fd file = place("f");
  FAILS(readlinkat(file, "", target, sizeof target), ENOENT);
}

BOOST_AUTO_TEST_CASE(is_opened_again_with_the_rights_of_who_opens) {
  make_file("f", "12345", 0640);
  make_dir("d", 0750);
  const Fd file = place("f"), dir = place("d");
  char byte = 0;
  const Fd again = open_file(proc_path(file), O_RDWR);
  BOOST_TEST(read(again, &byte, 1) == 1);
  BOOST_TEST(byte == '1');
  for (const int fd : {int{file}, int{dir}}) {
    const std::string path = proc_path(fd);
    const auto open_again = [&] { return err(open(path.c_str(), O_RDONLY)); };
    BOOST_TEST(as(kAlice, open_again) == Err{EACCES});
    NEEDS(chmod(path.c_str(), 0755));
    BOOST_TEST(as(kAlice, open_again) == Err{0});
  }
  BOOST_TEST(mode_of("f") == 0755U);
  FAILS(open(proc_path(dir).c_str(), O_RDWR), EISDIR);
  const Fd truncated(open(proc_path(file).c_str(), O_WRONLY | O_TRUNC));
  BOOST_TEST(stat_of("f").st_size == 0);
}

BOOST_AUTO_TEST_CASE(a_directory_is_where_relative_paths_begin) {
  make_dir("d");
  make_dir("d/sub");
  make_file("d/f");
  const Fd fd = place("d", O_DIRECTORY);
  struct stat st;
  WORKS(fstatat(fd, "f", &st, 0));
  WORKS(mkdirat(fd, "made", 0755));
  WORKS(unlinkat(fd, "made", AT_REMOVEDIR));
  WORKS(renameat(fd, "f", fd, "g"));
  NEEDS(rename("d", "moved"));
  WORKS(fstatat(fd, "g", &st, 0));
  WORKS(fchdir(fd));
  BOOST_TEST((names_in(".") == std::vector<std::string>{"g", "sub"}));
  NEEDS(chdir(folder.c_str()));
}

BOOST_AUTO_TEST_CASE(searching_below_it_asks_again) {
  make_dir("d");
  make_file("d/f");
  const Fd fd = place("d", O_DIRECTORY);
  struct stat st;
  const auto search = [&] { return err(fstatat(fd, "f", &st, 0)); };
  BOOST_TEST(as(kAlice, search) == Err{0});
  NEEDS(chmod("d", 0700));
  BOOST_TEST(as(kAlice, search) == Err{EACCES});
  BOOST_TEST(as(kAlice, [&] { return err(fchdir(fd)); }) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(stays_with_the_file_whatever_becomes_of_the_name) {
  for (const Type type : kTypes) {
    make(type, "x");
    BOOST_TEST_CONTEXT(type) {
      const Fd fd = place("x");
      const ino_t ino = stat_of("x").st_ino;
      NEEDS(rename("x", "y"));
      make(type, "x");
      BOOST_TEST(stat_of_fd(fd).st_ino == ino);
      NEEDS(remove("y"));
      BOOST_TEST(stat_of_fd(fd).st_ino == ino);
      BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
      BOOST_TEST(stat_of("x").st_ino != ino);
      const bool is_dir = type == Type::kDirectory;
      FAILS(linkat(fd, "", AT_FDCWD, "y", AT_EMPTY_PATH), is_dir ? EPERM : ENOENT);
    }
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(moves_no_time) {
  for (const Type type : kTypes) {
    make(type, "x");
    const auto work = [] { place("x"); };
    BOOST_TEST(moved_times_of({"x", "."}, work) == "- -", type);
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
