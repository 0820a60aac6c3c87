// What reading moves: atimes of files, directories and symlinks, as relatime has it. And the time
// of birth, which nothing moves.
#include <dirent.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <fstream>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

const timespec kOmit{.tv_sec = 0, .tv_nsec = UTIME_OMIT};

// Reads of the descriptor of "d/f", which holds "content".
const struct {
  const char* name;
  long (*read_some)(int fd);
} kReads[] = {
    {"read",
     [](int fd) -> long {
       char bytes[3];
       return read(fd, bytes, 3);
     }},
    {"read of all",
     [](int fd) -> long {
       char bytes[100];
       return read(fd, bytes, 100);
     }},
    {"pread",
     [](int fd) -> long {
       char bytes[3];
       return pread(fd, bytes, 3, 2);
     }},
    {"readv",
     [](int fd) -> long {
       char bytes[6];
       const iovec parts[] = {{bytes, 3}, {bytes + 3, 3}};
       return readv(fd, parts, 2);
     }},
    {"mmap",
     [](int fd) -> long {
       void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
       const char volatile first = static_cast<char*>(page)[0];
       return first == 'c' ? munmap(page, 4096) : -1;
     }},
    {"private mmap",
     [](int fd) -> long {
       void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
       static_cast<char*>(page)[0] = 'C';
       return munmap(page, 4096);
     }},
    {"sendfile",
     [](int fd) -> long {
       const Fd out(memfd_create("out", MFD_CLOEXEC));
       return sendfile(out, fd, nullptr, 7);
     }},
    {"splice",
     [](int fd) -> long {
       int ends[2];
       NEEDS(pipe(ends));
       const Fd out(ends[0]), in(ends[1]);
       return splice(fd, nullptr, in, nullptr, 7, 0);
     }},
};

Err list(const char* path) {
  DIR* const dir = opendir(path);
  if (dir == nullptr) return err(-1);
  while (readdir(dir) != nullptr) continue;
  return err(closedir(dir));
}

Err read_link(const char* path) {
  char target[100];
  return err(readlink(path, target, sizeof target));
}

// Moves by reading "f" from the disk.
std::string moved_by_reading(int flags = 0) {
  drop_cache("f");
  const Fd fd = open_file("f", O_RDONLY | flags);
  return moved_times("f", [&] {
    char byte;
    NEEDS(read(fd, &byte, 1));
  });
}

struct statx statx_of(const std::string& path) {
  struct statx out = {};
  NEEDS(statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_ALL, &out));
  return out;
}
std::string text(const statx_timestamp& time) {
  return std::to_string(time.tv_sec) + '.' + std::to_string(time.tv_nsec);
}
std::string text(const timespec& time) {
  return std::to_string(time.tv_sec) + '.' + std::to_string(time.tv_nsec);
}
std::string birth_of(const std::string& path) { return text(statx_of(path).stx_btime); }
timespec clock_of(clockid_t clock) {
  timespec out;
  clock_gettime(clock, &out);
  return out;
}
bool before(const statx_timestamp& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}
bool before(const timespec& a, const statx_timestamp& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(times_read_, Case)

BOOST_AUTO_TEST_CASE(reading_moves_atime) {
  for (const auto& row : kReads) {
    BOOST_TEST_CONTEXT(row.name) {
      make_dir("d");
      make_file("d/f", "content");
      drop_cache("d/f");
      const Fd fd = open_file("d/f", O_RDONLY);
      BOOST_TEST(moved_times_of({"d/f", "d"}, [&] { NEEDS(row.read_some(fd)); }) == "a -");
      NEEDS(unlink("d/f"));
      NEEDS(rmdir("d"));
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_at_the_end_moves_atime) {
  for (const std::string content : {"", "content"}) {
    BOOST_TEST_CONTEXT(content.size() << " bytes") {
      make_file("f", content);
      drop_cache("f");
      const Fd fd = open_file("f", O_RDONLY);
      BOOST_TEST(moved_times("f", [&] {
                   char byte;
                   BOOST_TEST(pread(fd, &byte, 1, std::ssize(content)) == 0);
                 }) == (on_holtfs() ? "" : "a"));  // the kernel knows that there is nothing
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_moves_atime_of_a_file_without_a_name) {
  make_file("f", "content");
  const Fd fd = open_file("f", O_RDONLY);
  drop_cache("f");
  NEEDS(unlink("f"));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  struct stat start, end;
  BOOST_TEST(moved_times(".", [&] { NEEDS(fstat(fd, &start)); }) == "");
  char byte;
  BOOST_TEST(moved_times(".", [&] { NEEDS(read(fd, &byte, 1)); }) == "");
  NEEDS(fstat(fd, &end));
  BOOST_TEST(text(start.st_atim) != text(end.st_atim));
  BOOST_TEST(text(start.st_ctim) == text(end.st_ctim));
}

BOOST_AUTO_TEST_CASE(reading_leaves_an_atime_that_is_younger_than_all_else) {
  make_file("f", "content");
  BOOST_TEST(moved_by_reading() == "a");
  BOOST_TEST(moved_by_reading() == "");
  BOOST_TEST(moved_by_reading() == "");
}

BOOST_AUTO_TEST_CASE(reading_moves_atime_again_after_each_change) {
  make_file("f", "content");
  const struct {
    const char* name;
    void (*change)();
  } rows[] = {{"write", [] { write_at(open_file("f", O_WRONLY), 0, "C"); }},
              {"truncate", [] { NEEDS(truncate("f", 5)); }},
              {"chmod", [] { NEEDS(chmod("f", 0600)); }},
              {"chown", [] { NEEDS(chown("f", 1, 2)); }},
              {"link", [] { NEEDS(link("f", "other")); }},
              {"rename",
               [] {
                 NEEDS(rename("f", "moved"));
                 NEEDS(rename("moved", "f"));
               }},
              {"setxattr", [] { NEEDS(setxattr("f", "user.a", "1", 1, 0)); }}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("after " << row.name) {
      (void)moved_by_reading();
      (void)moved_times("f", row.change);
      BOOST_TEST(moved_by_reading() == "a");
      BOOST_TEST(moved_by_reading() == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_goes_by_the_times_that_were_set) {
  timespec now = clock_of(CLOCK_REALTIME);
  const auto at = [&](long seconds) { return timespec{now.tv_sec + seconds, 5}; };
  const struct {
    const char* name;
    timespec atime, mtime;
    std::string moved;
  } rows[] = {{"both long ago", at(-100000), at(-100000), "a"},
              {"read after it was written, long ago", at(-90000), at(-100000), "a"},
              {"read a moment ago, but set now", at(-10), at(-100), "a"},
              {"read in the future", at(1000), at(-1000), ""},
              {"written further in the future", at(1000), at(2000), "a"},
              {"both in the same future", at(1000), at(1000), "a"},
              {"written in the future", kOmit, at(1000), "a"}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      make_file("f", "content");
      const timespec times[] = {row.atime, row.mtime};
      NEEDS(utimensat(AT_FDCWD, "f", times, 0));
      BOOST_TEST(moved_by_reading() == row.moved);
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_without_a_trace_moves_nothing) {
  make_file("f", "content");
  BOOST_TEST(moved_by_reading(O_NOATIME) == "");
  BOOST_TEST(moved_by_reading() == "a");
}

BOOST_AUTO_TEST_CASE(listing_without_a_trace_moves_nothing) {
  make_dir("d");
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY | O_NOATIME);
  DIR* const stream = fdopendir(dup(dir));
  BOOST_TEST(moved_times("d", [&] {
               while (readdir(stream) != nullptr) continue;
             }) == "");
  closedir(stream);
}

BOOST_AUTO_TEST_CASE(executing_moves_atime) {
  std::ofstream("f", std::ios::binary) << std::ifstream("/bin/true", std::ios::binary).rdbuf();
  NEEDS(chmod("f", 0755));
  drop_cache("f");
  BOOST_TEST(moved_times("f", [] {
               BOOST_TEST(as(kAlice, [] {
                            execl("f", "f", nullptr);
                            return err(-1);
                          }) == Err{0});
             }) == "a");
}

BOOST_AUTO_TEST_CASE(listing_moves_atime_of_the_directory) {
  make_dir("p");
  make_dir("p/d");
  BOOST_TEST(moved_times_of({"p/d", "p"}, [] { BOOST_TEST(list("p/d") == Err{0}); }) == "a -");
  BOOST_TEST(moved_times("p/d", [] { BOOST_TEST(list("p/d") == Err{0}); }) == "");
  (void)moved_times("p/d", [] { make_file("p/d/f"); });
  BOOST_TEST(moved_times_of({"p/d", "p/d/f", "p"}, [] { BOOST_TEST(list("p/d") == Err{0}); }) ==
             "a - -");
  BOOST_TEST(moved_times("p/d", [] { BOOST_TEST(list("p/d") == Err{0}); }) == "");
  (void)moved_times("p/d", [] { NEEDS(unlink("p/d/f")); });
  const Fd dir = open_file("p/d", O_RDONLY | O_DIRECTORY);
  BOOST_TEST(moved_times("p/d", [&] {
               DIR* const stream = fdopendir(dup(dir));
               (void)readdir(stream);
               closedir(stream);
             }) == "a");
}

BOOST_AUTO_TEST_CASE(opening_a_directory_moves_nothing) {
  make_dir("d");
  BOOST_TEST(moved_times("d", [] {
               DIR* const dir = opendir("d");
               BOOST_TEST(dir != nullptr);
               seekdir(dir, 0);
               rewinddir(dir);
               closedir(dir);
               BOOST_TEST(!exists("d/x"));
             }) == "");
}

BOOST_AUTO_TEST_CASE(reading_and_following_a_symlink_moves_its_atime) {
  make_dir("d");
  make_file("d/f");
  NEEDS(symlink("f", "d/link"));
  BOOST_TEST(moved_times_of({"d/link", "d/f", "d"},
                            [] { BOOST_TEST(read_link("d/link") == Err{0}); }) == "a - -");
  BOOST_TEST(moved_times("d/link", [] { BOOST_TEST(read_link("d/link") == Err{0}); }) == "");
  NEEDS(symlink("../d", "d/up"));
  BOOST_TEST(moved_times_of({"d/up", "d/f", "d"}, [] { WORKS(access("d/up/f", F_OK)); }) ==
             "a - -");
  NEEDS(symlink("f", "d/stat"));
  BOOST_TEST(moved_times("d/stat", [] {
               struct stat st;
               NEEDS(stat("d/stat", &st));
             }) == "a");
  NEEDS(symlink("f", "d/left"));
  BOOST_TEST(moved_times("d/left", [] {
               FAILS(open("d/left", O_RDONLY | O_NOFOLLOW), ELOOP);
               NEEDS(access("d/f", F_OK));
               WORKS(faccessat(AT_FDCWD, "d/left", F_OK, AT_SYMLINK_NOFOLLOW));
             }) == "");
}

BOOST_AUTO_TEST_CASE(all_times_begin_as_one) {
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      const timespec start = clock_of(CLOCK_REALTIME_COARSE);
      if (type == Type::kDirectory)
        NEEDS(mkdir("f", 0755));
      else if (type == Type::kSymlink)
        NEEDS(symlink("target", "f"));
      else
        NEEDS(mknod("f", bits_of(type) | 0644, 1));
      const timespec end = clock_of(CLOCK_REALTIME);
      const struct statx st = statx_of("f");
      BOOST_TEST((st.stx_mask & STATX_BTIME) != 0U);
      for (const statx_timestamp* time : {&st.stx_atime, &st.stx_mtime, &st.stx_ctime}) {
        BOOST_TEST(text(*time) == text(st.stx_btime));
      }
      BOOST_TEST(!before(st.stx_btime, start));
      BOOST_TEST(!before(end, st.stx_btime));
      NEEDS(remove("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(birth_stays_whatever_comes) {
  make_dir("d");
  for (const Type type : kTypes) {
    make(type, "f");
    const std::string born = birth_of("f");
    const timespec times[] = {{1, 2}, {3, 4}};
    (void)moved_times("f", [&] {
      NEEDS(lchown("f", 1, 2));
      if (type != Type::kSymlink) NEEDS(chmod("f", 0600));
      if (type != Type::kDirectory) NEEDS(link("f", "other"));
      if (type == Type::kRegular) {
        NEEDS(truncate("f", 100));
        write_at(open_file("f", O_WRONLY), 0, "content");
      }
      NEEDS(utimensat(AT_FDCWD, "f", times, AT_SYMLINK_NOFOLLOW));
    });
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(birth_of("f") == born);
      (void)moved_times("d", [] { NEEDS(rename("f", "d/f")); });
      BOOST_TEST(birth_of("d/f") == born);
      if (type != Type::kDirectory) BOOST_TEST(birth_of("other") == born);
    }
    NEEDS(remove("d/f"));
    (void)remove("other");
  }
}

BOOST_AUTO_TEST_CASE(birth_is_the_files_and_not_the_names) {
  make_file("a");
  const std::string first = birth_of("a");
  (void)moved_times("a", [] { make_file("b"); });
  const std::string second = birth_of("b");
  BOOST_TEST(first != second);
  NEEDS(rename("b", "a"));
  BOOST_TEST(birth_of("a") == second);
  (void)moved_times("a", [] { NEEDS(open("a", O_WRONLY | O_CREAT | O_TRUNC, 0644)); });
  BOOST_TEST(birth_of("a") == second);
  NEEDS(unlink("a"));
  make_file("a");
  BOOST_TEST(birth_of("a") != second);
}

BOOST_AUTO_TEST_CASE(statx_tells_what_stat_tells) {
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make(type, "f");
      give("f", kAlice);
      const struct stat st = stat_of("f");
      const struct statx x = statx_of("f");
      BOOST_TEST((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
      BOOST_TEST(x.stx_ino == st.st_ino);
      BOOST_TEST(x.stx_mode == st.st_mode);
      BOOST_TEST(x.stx_nlink == st.st_nlink);
      BOOST_TEST(x.stx_uid == st.st_uid);
      BOOST_TEST(x.stx_gid == st.st_gid);
      BOOST_TEST(x.stx_size == static_cast<std::uint64_t>(st.st_size));
      BOOST_TEST(x.stx_blocks == static_cast<std::uint64_t>(st.st_blocks));
      BOOST_TEST(text(x.stx_atime) + text(x.stx_mtime) + text(x.stx_ctime) ==
                 text(st.st_atim) + text(st.st_mtim) + text(st.st_ctim));
      NEEDS(remove("f"));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
