// Which times each call that changes something moves on the object, on its parent and on nothing
// else. What reading moves is an area of its own, as are the times that utimensat(2) sets.
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

// A call in the world of make_world(), and what it moves of some files, in the order of the paths.
struct Row {
  const char* name;
  std::vector<std::string> paths;
  std::string wanted;
  std::function<Err()> call;
  int result = 0;
};

void make_world() {
  for (const char* dir : {"d", "d/empty", "d/full", "e"}) make_dir(dir);
  make_file("d/f", "content");
  make_file("d/g", "content");
  make_file("d/full/x");
  NEEDS(link("d/g", "e/g"));
  NEEDS(symlink("f", "d/link"));
  NEEDS(symlink("nowhere", "d/dangling"));
  make(Type::kFifo, "d/fifo");
  NEEDS(setxattr("d/f", "user.a", "1", 1, 0));
}

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      const Case fresh;
      make_world();
      Err got;
      BOOST_TEST(moved_times_of(row.paths, [&] { got = row.call(); }) == row.wanted);
      BOOST_TEST(got == Err{row.result});
    }
  }
}

// What `call` says of a file that is opened for it.
std::function<Err()> with(const char* path, int flags, const std::function<long(int)>& call) {
  return [=] {
    const Fd fd(open(path, flags | O_CLOEXEC, 0644));
    return fd < 0 ? err(fd) : err(call(fd));
  };
}

const std::vector<std::string> kFile = {"d/f", "d", "."};
const std::vector<std::string> kDirs = {"d", "e", "."};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(times_, Case)

BOOST_AUTO_TEST_CASE(making_names_moves_those_of_the_directory) {
  check({
      {"creat", kDirs, "mc - -", [] { return err(creat("d/x", 0644)); }},
      {"O_CREAT", kDirs, "mc - -", [] { return err(open("d/x", O_RDONLY | O_CREAT, 0644)); }},
      {"O_CREAT of what exists", kFile, "- - -",
       [] { return err(open("d/f", O_RDWR | O_CREAT, 0)); }},
      {"O_CREAT at a dangling link", kDirs, "mc - -",
       [] { return err(open("d/dangling", O_RDWR | O_CREAT, 0644)); }},
      {"mkdir", kDirs, "mc - -", [] { return err(mkdir("d/x", 0755)); }},
      {"mknod", kDirs, "mc - -", [] { return err(mknod("d/x", S_IFREG | 0644, 0)); }},
      {"mkfifo", kDirs, "mc - -", [] { return err(mkfifo("d/x", 0644)); }},
      {"mknod of a device", kDirs, "mc - -", [] { return err(mknod("d/x", S_IFCHR | 0644, 1)); }},
      {"mknod of a socket", kDirs, "mc - -", [] { return err(mknod("d/x", S_IFSOCK | 0644, 0)); }},
      {"symlink", kDirs, "mc - -", [] { return err(symlink("target", "d/x")); }},
      {"link", {"d/f", "d", "e"}, "c - mc", [] { return err(link("d/f", "e/x")); }},
      {"link within", kFile, "c mc -", [] { return err(link("d/f", "d/x")); }},
      {"link of a symlink",
       {"d/link", "d/f", "e"},
       "c - mc",
       [] { return err(link("d/link", "e/x")); }},
      {"link of a symlink's target",
       {"d/f", "e"},
       "c mc",
       [] { return err(linkat(AT_FDCWD, "d/link", AT_FDCWD, "e/x", AT_SYMLINK_FOLLOW)); }},
      {"link of a fifo", {"d/fifo", "e"}, "c mc", [] { return err(link("d/fifo", "e/x")); }},
      {"O_TMPFILE", kDirs, "- - -", [] { return err(open("d", O_TMPFILE | O_RDWR, 0644)); }},
      {"link of an O_TMPFILE", kDirs, "- mc -",
       with("d", O_TMPFILE | O_RDWR,
            [](int fd) {
              const std::string path = "/proc/self/fd/" + std::to_string(fd);
              return linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "e/x", AT_SYMLINK_FOLLOW);
            })},
  });
}

BOOST_AUTO_TEST_CASE(removing_names_moves_those_of_the_directory_and_ctime_of_the_file) {
  check({
      {"unlink", kFile, "c mc -", [] { return err(unlink("d/f")); }},
      {"unlink of one of two names",
       {"d/g", "d", "e"},
       "c mc -",
       [] { return err(unlink("d/g")); }},
      {"unlink of the other", {"d/g", "d", "e"}, "c - mc", [] { return err(unlink("e/g")); }},
      {"unlink of a symlink",
       {"d/link", "d/f", "d"},
       "c - mc",
       [] { return err(unlink("d/link")); }},
      {"unlink of a fifo", {"d/fifo", "d"}, "c mc", [] { return err(unlink("d/fifo")); }},
      {"rmdir", {"d/empty", "d", "."}, "c mc -", [] { return err(rmdir("d/empty")); }},
      {"rename", {"d/f", "d", "e"}, "c mc mc", [] { return err(rename("d/f", "e/x")); }},
      {"rename onto another",
       {"d/f", "d/g", "d", "e"},
       "c c mc -",
       [] { return err(rename("d/f", "d/g")); }},
      {"rename of a directory",
       {"d/full", "d/full/x", "d", "e"},
       "c - mc mc",
       [] { return err(rename("d/full", "e/x")); }},
      {"rename onto a directory",
       {"d/full", "d/empty", "d"},
       "c c mc",
       [] { return err(rename("d/full", "d/empty")); }},
  });
}

BOOST_AUTO_TEST_CASE(attributes_move_ctime_of_the_file) {
  check({
      {"chmod", kFile, "c - -", [] { return err(chmod("d/f", 0600)); }},
      {"fchmod", kFile, "c - -", with("d/f", O_RDONLY, [](int fd) { return fchmod(fd, 0600); })},
      {"chmod of a directory", kDirs, "c - -", [] { return err(chmod("d", 0700)); }},
      {"chown", kFile, "c - -", [] { return err(chown("d/f", 1, 2)); }},
      {"lchown", {"d/link", "d/f"}, "c -", [] { return err(lchown("d/link", 1, 2)); }},
      {"setxattr", kFile, "c - -", [] { return err(setxattr("d/f", "user.b", "1", 1, 0)); }},
      {"setxattr of what is there", kFile, "- - -",
       [] { return err(setxattr("d/f", "user.a", "1", 1, 0)); }},
      {"setxattr of a directory", kDirs, "c - -",
       [] { return err(setxattr("d", "user.a", "1", 1, 0)); }},
      {"removexattr", kFile, "c - -", [] { return err(removexattr("d/f", "user.a")); }},
      {"utimensat", kFile, "amc - -", [] { return err(utimensat(AT_FDCWD, "d/f", nullptr, 0)); }},
  });
}

BOOST_AUTO_TEST_CASE(changes_of_size_move_mtime_and_ctime_of_the_file_even_to_the_same) {
  check({
      {"O_TRUNC", kFile, "mc - -", [] { return err(open("d/f", O_WRONLY | O_TRUNC)); }},
      {"O_TRUNC of an empty file",
       {"d/full/x", "d/full"},
       "mc -",
       [] { return err(open("d/full/x", O_WRONLY | O_TRUNC)); }},
      {"O_CREAT | O_TRUNC", kFile, "mc - -", [] { return err(creat("d/f", 0644)); }},
      {"truncate", kFile, "mc - -", [] { return err(truncate("d/f", 3)); }},
      {"truncate to a larger size", kFile, "mc - -", [] { return err(truncate("d/f", 1 << 20)); }},
      {"truncate to the same size", kFile, "mc - -", [] { return err(truncate("d/f", 7)); }},
      {"ftruncate to the same size", kFile, "mc - -",
       with("d/f", O_WRONLY, [](int fd) { return ftruncate(fd, 7); })},
  });
}

BOOST_AUTO_TEST_CASE(changes_of_contents_move_mtime_and_ctime_of_the_file) {
  const auto writing = [](const std::function<long(int)>& call) {
    return with("d/f", O_RDWR, call);
  };
  check({
      {"write", kFile, "mc - -", writing([](int fd) { return write(fd, "C", 1); })},
      {"write of what is there", kFile, "mc - -",
       writing([](int fd) { return write(fd, "c", 1); })},
      {"pwrite far behind", kFile, "mc - -",
       writing([](int fd) { return pwrite(fd, "x", 1, 1 << 20); })},
      {"append", kFile, "mc - -",
       with("d/f", O_WRONLY | O_APPEND, [](int fd) { return write(fd, "x", 1); })},
      {"write at once to disk", kFile, "mc - -",
       with("d/f", O_WRONLY | O_SYNC, [](int fd) { return write(fd, "x", 1); })},
      {"writev", kFile, "mc - -", writing([](int fd) {
         char bytes[] = "xyz";
         const iovec parts[] = {{bytes, 1}, {bytes + 1, 2}};
         return writev(fd, parts, 2);
       })},
      {"write of one of two names",
       {"e/g", "d", "e"},
       "mc - -",
       with("d/g", O_WRONLY, [](int fd) { return write(fd, "x", 1); })},
      {"write without a name", {"d/f"}, "mc", writing([](int fd) {
         NEEDS(unlink("d/f"));
         return write(fd, "x", 1);
       })},
      {"fallocate", kFile, "mc - -", writing([](int fd) { return fallocate(fd, 0, 0, 8192); })},
      {"fallocate beyond the end", kFile, "mc - -",
       writing([](int fd) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192); })},
      {"a hole", kFile, "mc - -", writing([](int fd) {
         return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
       })},
      {"zeros", kFile, "mc - -",
       writing([](int fd) { return fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096); })},
      {"a mapping", kFile, "amc - -", writing([](int fd) {
         void* const pages = mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, fd, 0);
         static_cast<char*>(pages)[0] = 'C';
         return msync(pages, 4096, MS_SYNC) == 0 ? munmap(pages, 4096) : -1;
       })},
      {"copy_file_range",
       {"d/f", "d/full/x"},
       "a mc",
       with("d/full/x", O_WRONLY,
            [](int to) {
              const Fd from = open_file("d/f", O_RDONLY);
              return copy_file_range(from, nullptr, to, nullptr, 7, 0);
            })},
      {"sendfile",
       {"d/f", "d/full/x"},
       "a mc",
       with("d/full/x", O_WRONLY,
            [](int to) {
              drop_cache("d/f");
              const Fd from = open_file("d/f", O_RDONLY);
              return sendfile(to, from, nullptr, 7);
            })},
  });
}

BOOST_AUTO_TEST_CASE(calls_that_change_nothing_move_nothing) {
  const auto reading = [](const std::function<long(int)>& call) {
    return with("d/f", O_RDONLY, call);
  };
  const auto writing = [](const std::function<long(int)>& call) {
    return with("d/f", O_RDWR, call);
  };
  struct stat st;
  check({
      {"open to read", kFile, "- - -", [] { return err(open("d/f", O_RDONLY)); }},
      {"open to write", kFile, "- - -", [] { return err(open("d/f", O_WRONLY | O_APPEND)); }},
      {"open of a directory", kDirs, "- - -",
       [] { return err(open("d", O_RDONLY | O_DIRECTORY)); }},
      {"stat", kFile, "- - -", [&] { return err(stat("d/f", &st)); }},
      {"lstat", {"d/link"}, "-", [&] { return err(lstat("d/link", &st)); }},
      {"access", kFile, "- - -", [] { return err(access("d/f", R_OK)); }},
      {"chdir", kDirs, "- - -", [] { return err(chdir("d")); }},
      {"read of no bytes", kFile, "- - -", reading([](int fd) { return read(fd, &errno, 0); })},
      {"write of no bytes", kFile, "- - -", writing([](int fd) { return write(fd, "", 0); })},
      {"append of no bytes", kFile, "- - -",
       with("d/f", O_WRONLY | O_APPEND, [](int fd) { return write(fd, "", 0); })},
      {"lseek", kFile, "- - -", reading([](int fd) { return lseek(fd, 100, SEEK_SET); })},
      {"fsync", kFile, "- - -", writing([](int fd) { return fsync(fd); })},
      {"fdatasync", kFile, "- - -", writing([](int fd) { return fdatasync(fd); })},
      {"fsync of a directory", kDirs, "- - -",
       with("d", O_RDONLY, [](int fd) { return fsync(fd); })},
      {"flock", kFile, "- - -", reading([](int fd) { return flock(fd, LOCK_EX); })},
      {"getxattr", kFile, "- - -", [] { return err(getxattr("d/f", "user.a", nullptr, 0)); }},
      {"listxattr", kFile, "- - -", [] { return err(listxattr("d/f", nullptr, 0)); }},
      {"posix_fadvise", kFile, "- - -",
       reading([](int fd) { return posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); })},
      {"a private mapping", {"d", "."}, "- -", writing([](int fd) {
         void* const pages = mmap(nullptr, 4096, PROT_WRITE, MAP_PRIVATE, fd, 0);
         static_cast<char*>(pages)[0] = 'C';
         return munmap(pages, 4096);
       })},
      {"rename onto itself", {"d/g", "d", "e"}, "- - -", [] { return err(rename("d/g", "e/g")); }},
  });
}

BOOST_AUTO_TEST_CASE(calls_that_fail_move_nothing) {
  const auto failing = [](const char* name, int result, const std::function<long()>& call) {
    return Row{name,
               {"d", "d/f", "d/g", "d/full", "d/full/x", "d/empty", "d/link", "e", "."},
               "- - - - - - - - -",
               [=] { return err(call()); },
               result};
  };
  check({
      failing("mkdir", EEXIST, [] { return mkdir("d/f", 0755); }),
      failing("mknod", EEXIST, [] { return mknod("d/full", S_IFREG, 0); }),
      failing("symlink", EEXIST, [] { return symlink("target", "d/link"); }),
      failing("link", EEXIST, [] { return link("d/f", "d/g"); }),
      failing("link of a directory", EPERM, [] { return link("d/full", "d/x"); }),
      failing("O_EXCL", EEXIST, [] { return open("d/f", O_RDWR | O_CREAT | O_EXCL, 0644); }),
      failing("O_DIRECTORY", ENOTDIR, [] { return open("d/f", O_DIRECTORY); }),
      failing("O_TRUNC of a directory", EISDIR, [] { return open("d", O_WRONLY | O_TRUNC); }),
      failing("unlink", ENOENT, [] { return unlink("d/missing"); }),
      failing("unlink of a directory", EISDIR, [] { return unlink("d/empty"); }),
      failing("rmdir", ENOTEMPTY, [] { return rmdir("d/full"); }),
      failing("rmdir of a file", ENOTDIR, [] { return rmdir("d/f"); }),
      failing("rename", EISDIR, [] { return rename("d/f", "d/empty"); }),
      failing("rename of a directory", ENOTEMPTY, [] { return rename("d/empty", "d/full"); }),
      failing("truncate", EINVAL, [] { return truncate("d/f", -1); }),
      failing("truncate of a directory", EISDIR, [] { return truncate("d", 0); }),
      failing("setxattr", EEXIST, [] { return setxattr("d/f", "user.a", "2", 1, XATTR_CREATE); }),
      failing("setxattr of none", ENODATA,
              [] { return setxattr("d/f", "user.b", "2", 1, XATTR_REPLACE); }),
      failing("removexattr", ENODATA, [] { return removexattr("d/f", "user.b"); }),
      failing("removexattr of a directory", ENODATA, [] { return removexattr("d", "user.a"); }),
  });
}

BOOST_AUTO_TEST_CASE(refusals_move_nothing) {
  const auto refused = [](const char* name, int result, const std::function<long()>& call) {
    return Row{name,
               {"d", "d/f", "d/full", "d/full/x", "d/empty", "d/link", "d/fifo"},
               "- - - - - - -",
               [=] { return as(kAlice, [&] { return err(call()); }); },
               result};
  };
  check({
      refused("creat", EACCES, [] { return creat("d/x", 0644); }),
      refused("mkdir", EACCES, [] { return mkdir("d/x", 0755); }),
      refused("mkfifo", EACCES, [] { return mkfifo("d/x", 0644); }),
      refused("symlink", EACCES, [] { return symlink("target", "d/x"); }),
      refused("unlink", EACCES, [] { return unlink("d/f"); }),
      refused("rmdir", EACCES, [] { return rmdir("d/empty"); }),
      refused("rename", EACCES, [] { return rename("d/f", "d/x"); }),
      refused("O_TRUNC", EACCES, [] { return open("d/f", O_WRONLY | O_TRUNC); }),
      refused("truncate", EACCES, [] { return truncate("d/f", 0); }),
      refused("chmod", EPERM, [] { return chmod("d/f", 0600); }),
      refused("chown", EPERM, [] { return chown("d/f", kAlice.uid, kAlice.gid); }),
      refused("utimensat", EACCES, [] { return utimensat(AT_FDCWD, "d/f", nullptr, 0); }),
      refused("setxattr", EACCES, [] { return setxattr("d/f", "user.b", "1", 1, 0); }),
      refused("removexattr", EACCES, [] { return removexattr("d/f", "user.a"); }),
  });
}

BOOST_AUTO_TEST_SUITE_END()
