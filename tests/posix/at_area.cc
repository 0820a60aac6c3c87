// The calls that take a directory to begin at: openat(2), openat2(2) and the others of that name.
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

Err open_beneath(int dir, const char* path, std::uint64_t flags, std::uint64_t resolve = 0,
                 std::uint64_t mode = 0) {
  open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  return closed(static_cast<int>(syscall(SYS_openat2, dir, path, &how, sizeof how)));
}

const struct AtCall {
  const char* name;
  Last last;
  Type on;
  Err (*call)(int dir, const char* path);
} kAtCalls[] = {
    {"openat", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) { return closed(openat(dir, path, O_RDONLY | O_CLOEXEC)); }},
    {"openat with O_CREAT", Last::kMade, Type::kRegular,
     [](int dir, const char* path) {
       return closed(openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
     }},
    {"openat with O_TMPFILE", Last::kFollowed, Type::kDirectory,
     [](int dir, const char* path) {
       return closed(openat(dir, path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0644));
     }},
    {"openat2", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) { return open_beneath(dir, path, O_RDONLY); }},
    {"fstatat", Last::kNamed, Type::kRegular,
     [](int dir, const char* path) {
       struct stat st;
       return err(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW));
     }},
    {"statx", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) {
       struct statx st;
       return err(statx(dir, path, 0, STATX_BASIC_STATS, &st));
     }},
    {"faccessat", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) { return err(faccessat(dir, path, R_OK, 0)); }},
    {"fchmodat", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) { return err(fchmodat(dir, path, 0600, 0)); }},
    {"fchownat", Last::kNamed, Type::kRegular,
     [](int dir, const char* path) { return err(fchownat(dir, path, 1, 1, AT_SYMLINK_NOFOLLOW)); }},
    {"utimensat", Last::kFollowed, Type::kRegular,
     [](int dir, const char* path) { return err(utimensat(dir, path, kSomeTimes, 0)); }},
    {"mkdirat", Last::kMade, Type::kDirectory,
     [](int dir, const char* path) { return err(mkdirat(dir, path, 0755)); }},
    {"mknodat", Last::kMade, Type::kFifo,
     [](int dir, const char* path) { return err(mknodat(dir, path, S_IFIFO | 0644, 0)); }},
    {"mkfifoat", Last::kMade, Type::kFifo,
     [](int dir, const char* path) { return err(mkfifoat(dir, path, 0644)); }},
    {"symlinkat", Last::kMade, Type::kSymlink,
     [](int dir, const char* path) { return err(symlinkat("target", dir, path)); }},
    {"readlinkat", Last::kNamed, Type::kSymlink,
     [](int dir, const char* path) {
       char target[10];
       return err(readlinkat(dir, path, target, sizeof target));
     }},
    {"unlinkat", Last::kNamed, Type::kRegular,
     [](int dir, const char* path) { return err(unlinkat(dir, path, 0)); }},
    {"unlinkat with AT_REMOVEDIR", Last::kNamed, Type::kDirectory,
     [](int dir, const char* path) { return err(unlinkat(dir, path, AT_REMOVEDIR)); }},
    {"linkat from", Last::kNamed, Type::kRegular,
     [](int dir, const char* path) { return err(linkat(dir, path, AT_FDCWD, "made", 0)); }},
    {"linkat to", Last::kMade, Type::kRegular,
     [](int dir, const char* path) { return err(linkat(AT_FDCWD, "source", dir, path, 0)); }},
    {"renameat from", Last::kNamed, Type::kRegular,
     [](int dir, const char* path) { return err(renameat(dir, path, AT_FDCWD, "made")); }},
    {"renameat to", Last::kMade, Type::kRegular,
     [](int dir, const char* path) { return err(renameat(AT_FDCWD, "source", dir, path)); }},
};
std::ostream& operator<<(std::ostream& out, const AtCall& call) { return out << call.name; }

struct Prepared : Case {
  Prepared() {
    make_dir("d");
    make_file("source");
  }

  void before(const AtCall& call) {
    if (call.last != Last::kMade) make(call.on, "d/x");
  }
  void after() {
    for (const char* const left : {"d/x", "made"}) {
      if (exists(left)) NEEDS(remove(left));
    }
    if (!exists("source")) make_file("source");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(at_, Prepared)

BOOST_AUTO_TEST_CASE(begin_at_the_directory) {
  const Fd open_dir = open_file("d", O_RDONLY | O_DIRECTORY), place = open_file("d", O_PATH);
  const std::string absolute = folder + "/d/x";
  const struct {
    const char* name;
    int dir;
    std::string path;
    bool anywhere;
  } rows[] = {{"an open directory", open_dir, "x", false},
              {"an open directory", open_dir, "./../d/x", false},
              {"a place", place, "x", false},
              {"the working directory", AT_FDCWD, "d/x", false},
              {"no directory", -1, absolute, true},
              {"standard input", 0, absolute, true}};
  for (const auto& row : rows) {
    for (const AtCall& call : kAtCalls) {
      BOOST_TEST_CONTEXT(call << " at " << row.name << " of " << row.path) {
        before(call);
        BOOST_TEST(call.call(row.dir, row.path.c_str()) == Err{0});
        if (call.last == Last::kMade) {
          BOOST_TEST((stat_of("d/x").st_mode & S_IFMT) == bits_of(call.on));
        }
        after();
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(refuse_what_is_no_directory) {
  make_file("file");
  make(Type::kFifo, "fifo");
  NEEDS(symlink("d", "to_d"));
  const Fd file = open_file("file", O_RDWR), fifo = open_file("fifo", O_RDWR),
           link = open_file("to_d", O_PATH | O_NOFOLLOW);
  make_file("d/x");
  const std::pair<int, int> rows[] = {
      {-1, EBADF}, {12345, EBADF}, {file, ENOTDIR}, {fifo, ENOTDIR}, {link, ENOTDIR}};
  for (const auto& [dir, wanted] : rows) {
    for (const AtCall& call : kAtCalls) {
      BOOST_TEST_CONTEXT(call << " at " << dir) {
        BOOST_TEST(call.call(dir, "x") == Err{wanted});
        BOOST_TEST(call.call(dir, ".") == Err{wanted});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(begin_where_the_directory_is_now) {
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  make_dir("away");
  NEEDS(rename("d", "away/e"));
  for (const AtCall& call : kAtCalls) {
    BOOST_TEST_CONTEXT(call) {
      if (call.last != Last::kMade) make(call.on, "away/e/x");
      BOOST_TEST(call.call(dir, "x") == Err{0});
      for (const char* const left : {"away/e/x", "made"}) {
        if (exists(left)) NEEDS(remove(left));
      }
      if (!exists("source")) make_file("source");
    }
  }
  struct stat st;
  NEEDS(fstatat(dir, "..", &st, 0));
  BOOST_TEST(st.st_ino == stat_of("away").st_ino);
}

BOOST_AUTO_TEST_CASE(need_search_permission_of_the_directory_at_the_time) {
  NEEDS(chmod("d", 0777));
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  NEEDS(chmod("d", 0766));
  for (const AtCall& call : kAtCalls) {
    BOOST_TEST_CONTEXT(call) {
      before(call);
      BOOST_TEST(as(kAlice, [&] { return call.call(dir, "x"); }) == Err{EACCES});
      after();
    }
  }
}

BOOST_AUTO_TEST_CASE(refuse_flags_they_do_not_know) {
  make_file("d/x");
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  struct stat st;
  struct statx stx;
  FAILS(fstatat(dir, "x", &st, 0x40000000), EINVAL);
  FAILS(statx(dir, "x", AT_STATX_SYNC_TYPE, STATX_BASIC_STATS, &stx), EINVAL);
  FAILS(fchownat(dir, "x", 1, 1, 0x40000000), EINVAL);
  FAILS(utimensat(dir, "x", nullptr, 0x40000000), EINVAL);
  FAILS(unlinkat(dir, "x", AT_SYMLINK_FOLLOW), EINVAL);
  FAILS(linkat(dir, "x", dir, "y", AT_REMOVEDIR), EINVAL);
  FAILS(renameat2(dir, "x", dir, "y", 0x40000000), EINVAL);
  FAILS(syscall(SYS_faccessat2, int{dir}, "x", R_OK, 0x40000000), EINVAL);
  BOOST_TEST(names_in("d") == std::vector<std::string>{"x"});
}

BOOST_AUTO_TEST_CASE(take_a_descriptor_itself_with_AT_EMPTY_PATH) {
  make_file("f", "12345");
  const Fd fd = open_file("f", O_RDONLY), dir = open_file("d", O_RDONLY | O_DIRECTORY);
  struct stat st;
  struct statx stx;
  WORKS(fstatat(fd, "", &st, AT_EMPTY_PATH));
  BOOST_TEST(st.st_ino == stat_of("f").st_ino);
  WORKS(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
  BOOST_TEST(stx.stx_size == 5U);
  WORKS(fchownat(fd, "", 1, 2, AT_EMPTY_PATH));
  BOOST_TEST(stat_of("f").st_gid == 2U);
  WORKS(utimensat(fd, "", kSomeTimes, AT_EMPTY_PATH));
  BOOST_TEST(stat_of("f").st_mtim.tv_sec == 3);
  WORKS(fstatat(dir, "", &st, AT_EMPTY_PATH));
  BOOST_TEST(st.st_ino == stat_of("d").st_ino);
  WORKS(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
  BOOST_TEST(st.st_ino == stat_of(".").st_ino);
  FAILS(fstatat(fd, "", &st, 0), ENOENT);
  FAILS(fstatat(-1, "", &st, AT_EMPTY_PATH), EBADF);
  FAILS(fstatat(fd, "x", &st, AT_EMPTY_PATH), ENOTDIR);
}

BOOST_AUTO_TEST_CASE(openat2_resolves_as_it_is_told) {
  make_file("d/f");
  make_dir("d/sub");
  NEEDS(symlink("f", "d/to_f"));
  NEEDS(symlink("../source", "d/out"));
  NEEDS(symlink((folder + "/d/f").c_str(), "d/absolute"));
  NEEDS(symlink("/f", "d/rooted"));
  NEEDS(symlink("sub", "d/to_sub"));
  const std::string absolute = folder + "/d/f";
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  const struct {
    const char* path;
    int none, no_symlinks, beneath, in_root, no_xdev;
  } rows[] = {{"f", 0, 0, 0, 0, 0},
              {"sub/../f", 0, 0, 0, 0, 0},
              {"to_f", 0, ELOOP, 0, 0, 0},
              {"to_sub/../f", 0, ELOOP, 0, 0, 0},
              {"../source", 0, 0, EXDEV, ENOENT, 0},
              {"out", 0, ELOOP, EXDEV, ENOENT, 0},
              {"absolute", 0, ELOOP, EXDEV, ENOENT, EXDEV},
              {"rooted", ENOENT, ELOOP, EXDEV, 0, EXDEV},
              {"/f", ENOENT, ENOENT, EXDEV, 0, ENOENT},
              {"..", 0, 0, EXDEV, 0, 0},
              {"missing", ENOENT, ENOENT, ENOENT, ENOENT, ENOENT},
              {absolute.c_str(), 0, 0, EXDEV, ENOENT, EXDEV},
              {"/proc/self/cwd", 0, ELOOP, EXDEV, ENOENT, EXDEV}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path) {
      BOOST_TEST(open_beneath(dir, row.path, O_RDONLY) == Err{row.none});
      BOOST_TEST(open_beneath(dir, row.path, O_RDONLY, RESOLVE_NO_SYMLINKS) ==
                 Err{row.no_symlinks});
      BOOST_TEST(open_beneath(dir, row.path, O_RDONLY, RESOLVE_BENEATH) == Err{row.beneath});
      BOOST_TEST(open_beneath(dir, row.path, O_RDONLY, RESOLVE_IN_ROOT) == Err{row.in_root});
      BOOST_TEST(open_beneath(dir, row.path, O_RDONLY, RESOLVE_NO_XDEV) == Err{row.no_xdev});
    }
  }
  BOOST_TEST(open_beneath(dir, "/new", O_RDWR | O_CREAT, RESOLVE_IN_ROOT, 0644) == Err{0});
  BOOST_TEST(exists("d/new"));
}

BOOST_AUTO_TEST_CASE(openat2_refuses_what_openat_ignores) {
  make_file("d/f");
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  BOOST_TEST(open_beneath(dir, "f", O_RDONLY, 0, 0644) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "f", 1ULL << 40) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "f", O_RDONLY, 1ULL << 40) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "f", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "new", O_RDWR | O_CREAT, 0, 010000) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "f", O_PATH | O_TRUNC) == Err{EINVAL});
  BOOST_TEST(open_beneath(dir, "new", O_RDWR | O_CREAT, RESOLVE_CACHED, 0644) == Err{EAGAIN});
  BOOST_TEST(open_beneath(dir, "new", O_RDWR | O_CREAT, 0, 06640) == Err{0});
  BOOST_TEST(mode_of("d/new") == 06640U);
  struct {
    open_how how;
    std::uint64_t more;
  } longer = {.how = {.flags = O_RDONLY, .mode = 0, .resolve = 0}, .more = 1};
  FAILS(syscall(SYS_openat2, int{dir}, "f", &longer, sizeof longer), E2BIG);
  FAILS(syscall(SYS_openat2, int{dir}, "f", &longer, std::size_t{8}), EINVAL);
}

BOOST_AUTO_TEST_SUITE_END()
