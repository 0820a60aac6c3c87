// open(2) with O_TMPFILE, and how linkat(2) names such a file. What it can do meanwhile:
// unlinked_area.cc.
#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

Fd temporary(const char* dir = ".", int flags = O_RDWR, mode_t mode = 0644) {
  Fd fd(open(dir, flags | O_TMPFILE | O_CLOEXEC, mode));
  NEEDS(fd);
  return fd;
}

struct stat stat_of_fd(int fd) {
  struct stat st = {};
  NEEDS(fstat(fd, &st));
  return st;
}

Err by_proc(int fd, const char* name) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return err(linkat(AT_FDCWD, path.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW));
}
Err by_empty_path(int fd, const char* name) {
  return err(linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
}
const struct Naming {
  const char* name;
  Err (*give)(int fd, const char* name);
} kNamings[] = {{"/proc", by_proc}, {"AT_EMPTY_PATH", by_empty_path}};
std::ostream& operator<<(std::ostream& out, const Naming& naming) { return out << naming.name; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tmpfile_, Case)

BOOST_AUTO_TEST_CASE(makes_an_empty_file_without_a_name) {
  make_dir("d");
  BOOST_TEST(moved_times_of({"d", "."}, [] { temporary("d"); }) == "- -");
  const Fd fd = temporary("d");
  const struct stat st = stat_of_fd(fd);
  BOOST_TEST(S_ISREG(st.st_mode));
  BOOST_TEST(st.st_nlink == 0U);
  BOOST_TEST(st.st_size == 0);
  BOOST_TEST(st.st_dev == stat_of("d").st_dev);
  BOOST_TEST(names_in("d").empty());
  WORKS(rmdir("d"));
  BOOST_TEST(write(fd, "12345", 5) == 5);
}

BOOST_AUTO_TEST_CASE(gives_the_mode_less_the_umask) {
  const struct {
    mode_t asked, mask, given;
  } rows[] = {{0777, 0, 0777}, {0666, 022, 0644}, {0777, 077, 0700},   {0, 0, 0},
              {0777, 0777, 0}, {07777, 0, 07777}, {06711, 022, 06711}, {01644, 0, 01644}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::oct << row.asked << " with umask " << row.mask) {
      umask(row.mask);
      const Fd fd = temporary(".", O_RDWR, row.asked);
      BOOST_TEST((stat_of_fd(fd).st_mode & 07777U) == row.given);
      BOOST_TEST(by_proc(fd, "f") == Err{0});
      BOOST_TEST(mode_of("f") == row.given);
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(belongs_to_its_maker_or_the_group_of_the_directory) {
  make_dir("d");
  const User member{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
  const struct {
    mode_t dir, asked;
    const User& user;
    gid_t group;
    mode_t given;
  } rows[] = {{0777, 02755, kAlice, kAlice.gid, 02755}, {02777, 0644, kAlice, kTeam, 0644},
              {02777, 02755, kAlice, kTeam, 0755},      {02777, 02744, kAlice, kTeam, 02744},
              {02777, 02755, member, kTeam, 02755},     {02777, 06755, kRoot, kTeam, 06755}};
  for (const auto& row : rows) {
    give("d", {.uid = kBob.uid, .gid = kTeam});
    NEEDS(chmod("d", row.dir));
    BOOST_TEST_CONTEXT(std::oct << row.asked << " in " << row.dir << std::dec << " by "
                                << row.user.uid) {
      const auto work = [&] {
        const Fd fd(open("d", O_RDWR | O_TMPFILE, row.asked));
        return fd < 0 ? err(fd) : by_proc(fd, "d/f");
      };
      BOOST_TEST(as(row.user, work) == Err{0});
      BOOST_TEST(stat_of("d/f").st_uid == row.user.uid);
      BOOST_TEST(stat_of("d/f").st_gid == row.group);
      BOOST_TEST(mode_of("d/f") == row.given);
      NEEDS(unlink("d/f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file");
  make_dir("d");
  NEEDS(symlink("d", "to_d"));
  NEEDS(symlink("nowhere", "dangling"));
  const struct {
    const char* path;
    int flags, wanted;
  } rows[] = {{"d", O_RDONLY, EINVAL},
              {"d", O_RDWR | O_CREAT, EINVAL},
              {"d", O_ACCMODE, 0},
              {"d", O_WRONLY, 0},
              {"d", O_RDWR | O_EXCL, 0},
              {"d", O_RDWR | O_TRUNC, 0},
              {"d", O_RDWR | O_APPEND | O_SYNC, 0},
              {"d", O_RDWR | O_DIRECT, 0},
              {"d", O_RDWR | O_NOFOLLOW, 0},
              {"d/", O_RDWR, 0},
              {"to_d", O_RDWR, 0},
              {"to_d", O_RDWR | O_NOFOLLOW, ENOTDIR},
              {"file", O_RDWR, ENOTDIR},
              {"missing", O_RDWR, ENOENT},
              {"dangling", O_RDWR, ENOENT},
              {"", O_RDWR, ENOENT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path << " with " << std::oct << row.flags) {
      const Fd fd(open(row.path, O_TMPFILE | row.flags, 0644));
      BOOST_TEST(err(fd) == Err{row.wanted});
    }
  }
  // O_TMPFILE without O_DIRECTORY, so that an old kernel would not make a file instead.
  FAILS(open("d", O_RDWR | (O_TMPFILE & ~O_DIRECTORY), 0644), EINVAL);
}

BOOST_AUTO_TEST_CASE(needs_write_and_search_permission_in_the_directory) {
  make_dir("d");
  for (const auto& [mode, wanted] :
       {std::pair{0755, EACCES}, {0776, EACCES}, {0775, EACCES}, {0773, 0}, {01777, 0}}) {
    NEEDS(chmod("d", mode));
    const auto work = [] {
      const Fd fd(open("d", O_RDWR | O_TMPFILE, 0));
      return err(fd);
    };
    BOOST_TEST(as(kAlice, work) == Err{wanted}, std::oct << mode);
  }
}

BOOST_AUTO_TEST_CASE(reads_and_writes_as_the_access_mode_says) {
  char byte = 'x';
  const Fd both = temporary(".", O_RDWR, 0);
  BOOST_TEST(write(both, &byte, 1) == 1);
  BOOST_TEST(pread(both, &byte, 1, 0) == 1);
  const Fd written = temporary(".", O_WRONLY | O_APPEND);
  BOOST_TEST(write(written, &byte, 1) == 1);
  FAILS(read(written, &byte, 1), EBADF);
}

BOOST_AUTO_TEST_CASE(linkat_gives_it_a_name) {
  make_dir("p");
  make_dir("other");
  for (const Naming& naming : kNamings) {
    BOOST_TEST_CONTEXT(naming) {
      const Fd fd = temporary("p");
      write_at(fd, 0, pattern(100000));
      NEEDS(fchmod(fd, 0640));
      NEEDS(fchown(fd, kAlice.uid, kTeam));
      NEEDS(fsetxattr(fd, "user.name", "value", 5, 0));
      const struct stat before = stat_of_fd(fd);
      // Where it is named counts, not where it was made.
      BOOST_TEST(moved_times_of({"p", "other"}, [&] {
                   BOOST_TEST(naming.give(fd, "other/f") == Err{0});
                 }) == "- mc");
      const struct stat after = stat_of("other/f");
      BOOST_TEST(after.st_ino == before.st_ino);
      BOOST_TEST(after.st_nlink == 1U);
      BOOST_TEST(after.st_mode == before.st_mode);
      BOOST_TEST(after.st_uid == kAlice.uid);
      BOOST_TEST(after.st_gid == kTeam);
      BOOST_TEST(after.st_blocks == before.st_blocks);
      BOOST_TEST(same_bytes(content_of("other/f"), pattern(100000)));
      char value[5];
      BOOST_TEST(getxattr("other/f", "user.name", value, 5) == 5);
      write_at(fd, 0, "through the descriptor");
      BOOST_TEST(content_of("other/f").starts_with("through"));
      NEEDS(unlink("other/f"));
      BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
    }
  }
}

BOOST_AUTO_TEST_CASE(linkat_moves_the_ctime_alone) {
  for (const Naming& naming : kNamings) {
    const Fd fd = temporary();
    const struct stat before = stat_of_fd(fd);
    // The parent's moves as well, and both by the same clock.
    BOOST_TEST(moved_times(".", [&] { BOOST_TEST(naming.give(fd, "f") == Err{0}); }) == "mc");
    const struct stat after = stat_of("f");
    BOOST_TEST(after.st_atim.tv_nsec == before.st_atim.tv_nsec);
    BOOST_TEST(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    BOOST_TEST(after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
    NEEDS(unlink("f"));
  }
}

BOOST_AUTO_TEST_CASE(linkat_gives_it_further_names) {
  const Fd fd = temporary();
  write_at(fd, 0, "12345");
  BOOST_TEST(by_proc(fd, "one") == Err{0});
  BOOST_TEST(by_empty_path(fd, "two") == Err{0});
  WORKS(link("one", "three"));
  BOOST_TEST(stat_of_fd(fd).st_nlink == 3U);
  NEEDS(unlink("one"));
  NEEDS(unlink("three"));
  BOOST_TEST(content_of("two") == "12345");
  NEEDS(unlink("two"));
  BOOST_TEST(by_proc(fd, "four") == Err{ENOENT});
}

BOOST_AUTO_TEST_CASE(linkat_is_refused) {
  make_file("taken", "1");
  make_dir("dir");
  NEEDS(symlink("nowhere", "dangling"));
  make_dir("gone");
  const Fd gone = open_file("gone", O_PATH | O_DIRECTORY);
  NEEDS(rmdir("gone"));
  const std::string too_long = long_name(256);
  const std::pair<const char*, int> rows[] = {
      {"taken", EEXIST}, {"dir", EEXIST},       {"dangling", EEXIST},
      {".", EEXIST},     {"missing/f", ENOENT}, {"new/", ENOENT},
      {"", ENOENT},      {"taken/f", ENOTDIR},  {too_long.c_str(), ENAMETOOLONG}};
  for (const Naming& naming : kNamings) {
    const Fd fd = temporary();
    for (const auto& [name, wanted] : rows) {
      BOOST_TEST_CONTEXT(naming << " as " << std::string_view(name).substr(0, 20)) {
        BOOST_TEST(naming.give(fd, name) == Err{wanted});
        BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
      }
    }
    FAILS(linkat(fd, "", gone, "f", AT_EMPTY_PATH), ENOENT);
    FAILS(linkat(fd, "", AT_FDCWD, "f", 0), ENOENT);
    BOOST_TEST(naming.give(fd, "f") == Err{0});
    NEEDS(unlink("f"));
  }
}

BOOST_AUTO_TEST_CASE(O_EXCL_keeps_it_from_ever_getting_a_name) {
  for (const Naming& naming : kNamings) {
    const Fd fd = temporary(".", O_RDWR | O_EXCL);
    write_at(fd, 0, "12345");
    BOOST_TEST(naming.give(fd, "f") == Err{ENOENT}, naming);
    BOOST_TEST(read_at(fd, 0, 9) == "12345");
  }
  BOOST_TEST(names_in(".").empty());
}

BOOST_AUTO_TEST_CASE(linkat_asks_for_permission_where_the_name_is_to_be) {
  make_dir("d", 0777);
  make_dir("locked", 0755);
  for (const Naming& naming : kNamings) {
    BOOST_TEST_CONTEXT(naming) {
      const auto work = [&](const char* name) {
        return as(kAlice, [&] {
          const Fd fd(open("d", O_RDWR | O_TMPFILE, 0600));
          return fd < 0 ? err(fd) : naming.give(fd, name);
        });
      };
      BOOST_TEST(work("locked/f") == Err{EACCES});
      BOOST_TEST(work("d/f") == Err{0});
      BOOST_TEST(mode_of("d/f") == 0600U);
      NEEDS(unlink("d/f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_named_one_is_like_any_other_file) {
  const Fd fd = temporary();
  BOOST_TEST(by_proc(fd, "f") == Err{0});
  WORKS(rename("f", "g"));
  WORKS(link("g", "h"));
  WORKS(truncate("h", 10));
  BOOST_TEST(stat_of_fd(fd).st_size == 10);
  WORKS(creat("g", 0644));
  BOOST_TEST(stat_of_fd(fd).st_size == 0);
  BOOST_TEST((names_in(".") == std::vector<std::string>{"g", "h"}));
}

BOOST_AUTO_TEST_CASE(many_at_once_have_numbers_of_their_own) {
  std::vector<Fd> files;
  std::vector<ino_t> numbers;
  for (int i = 0; i < 100; ++i) {
    files.push_back(temporary());
    numbers.push_back(stat_of_fd(files.back()).st_ino);
    write_at(files.back(), 0, std::to_string(i));
  }
  std::sort(numbers.begin(), numbers.end());
  BOOST_TEST((std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end()));
  for (int i = 0; i < 100; ++i) BOOST_TEST(read_at(files[i], 0, 9) == std::to_string(i));
}

BOOST_AUTO_TEST_SUITE_END()
