// chmod(2), fchmod(2) and fchmodat(2).
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "tests/posix/support.h"

using namespace posix_test;

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace {

Err by_path(const char* path, mode_t mode) { return err(chmod(path, mode)); }
Err by_descriptor(const char* path, mode_t mode) {
  const Fd fd(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(fchmod(fd, mode));
}
Err in_folder(const char* path, mode_t mode) { return err(fchmodat(AT_FDCWD, path, mode, 0)); }
Err without_following(const char* path, mode_t mode) {
  return err(fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW));
}
// Takes no right to open the file.
Err by_path_descriptor(const char* path, mode_t mode) {
  const Fd fd(open(path, O_PATH | O_CLOEXEC));
  return fd < 0 ? err(fd)
                : err(syscall(SYS_fchmodat2, static_cast<int>(fd), "", mode, AT_EMPTY_PATH));
}

const struct {
  const char* name;
  Err (*change)(const char* path, mode_t mode);
} kCalls[] = {{"chmod", by_path},
              {"fchmod", by_descriptor},
              {"fchmodat", in_folder},
              {"fchmodat without following", without_following},
              {"fchmodat2 of a descriptor", by_path_descriptor}};

bool can_be_opened(Type type) {
  return type == Type::kRegular || type == Type::kDirectory || type == Type::kFifo;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(chmod_, Case)

BOOST_AUTO_TEST_CASE(sets_every_mode) {
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    make(type, "f");
    const Fd fd = open_file("f", O_RDONLY);
    for (mode_t mode = 0; mode <= 07777; ++mode) {
      NEEDS(fchmod(fd, mode));
      struct stat st;
      NEEDS(fstat(fd, &st));
      BOOST_REQUIRE_EQUAL(st.st_mode, bits_of(type) | mode);
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_CASE(changes_every_type_by_every_call_and_nothing_else_of_it) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const auto& call : kCalls) {
      if (call.change == by_descriptor && !can_be_opened(type)) continue;
      for (const mode_t mode : {0, 0111, 0644, 01777, 02755, 04755, 07777}) {
        BOOST_TEST_CONTEXT(type << ' ' << call.name << ' ' << std::oct << mode) {
          make(type, "f", 0600);
          give("f", kAlice);
          const struct stat before = stat_of("f");
          BOOST_TEST(moved_times("f", [&] { BOOST_TEST(call.change("f", mode) == Err{0}); }) ==
                     "c");
          const struct stat after = stat_of("f");
          BOOST_TEST(after.st_mode == (bits_of(type) | mode));
          BOOST_TEST(after.st_uid == before.st_uid);
          BOOST_TEST(after.st_gid == before.st_gid);
          BOOST_TEST(after.st_ino == before.st_ino);
          BOOST_TEST(after.st_nlink == before.st_nlink);
          BOOST_TEST(after.st_rdev == before.st_rdev);
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(ignores_bits_that_are_no_mode) {
  make_file("f");
  for (const mode_t extra : {S_IFDIR, S_IFMT, 010000, 1 << 20}) {
    WORKS(chmod("f", extra | 0640));
    BOOST_TEST(stat_of("f").st_mode == (S_IFREG | 0640));
  }
}

BOOST_AUTO_TEST_CASE(umask_means_nothing_to_it) {
  make_file("f");
  umask(0777);
  WORKS(chmod("f", 0777));
  BOOST_TEST(mode_of("f") == 0777U);
}

BOOST_AUTO_TEST_CASE(is_for_the_owner_and_for_root) {
  const User bob_of_all{.uid = kBob.uid, .gid = kAlice.gid, .groups = {kTeam}};
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo}) {
    for (const auto& call : kCalls) {
      BOOST_TEST_CONTEXT(type << ' ' << call.name) {
        make(type, "f", 0666);
        NEEDS(chown("f", kAlice.uid, kAlice.gid));
        const auto change = [&](mode_t mode) {
          return [&, mode] { return call.change("f", mode); };
        };
        BOOST_TEST(as(kBob, change(0600)) == Err{EPERM});
        BOOST_TEST(as(bob_of_all, change(0600)) == Err{EPERM});
        BOOST_TEST(as(kBob, change(0666)) == Err{EPERM});  // though nothing would change
        BOOST_TEST(mode_of("f") == 0666U);
        BOOST_TEST(as(kAlice, change(0604)) == Err{0});
        BOOST_TEST(mode_of("f") == 0604U);
        BOOST_TEST(as(kRoot, change(0640)) == Err{0});
        BOOST_TEST(mode_of("f") == 0640U);
        NEEDS(remove("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_no_right_to_the_file_and_one_to_reach_it) {
  make_dir("d", 0755);
  make_file("d/f", {}, 0);
  give("d/f", kAlice);
  for (const auto& call : kCalls) {
    if (call.change == by_descriptor) continue;
    BOOST_TEST_CONTEXT(call.name) {
      NEEDS(chmod("d/f", 0));
      BOOST_TEST(as(kAlice, [&] { return call.change("d/f", 0600); }) == Err{0});
      NEEDS(chmod("d", 0766));
      BOOST_TEST(as(kAlice, [&] { return call.change("d/f", 0600); }) == Err{EACCES});
      NEEDS(chmod("d", 0755));
    }
  }
}

BOOST_AUTO_TEST_CASE(drops_setgid_for_who_is_not_of_the_group) {
  const User of_team{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const mode_t mode : {02755, 02745, 02777, 06755, 07777, 04755, 01777, 05777, 02000}) {
      for (const gid_t group : {kAlice.gid, kTeam}) {
        BOOST_TEST_CONTEXT(type << ' ' << std::oct << mode << std::dec << " of group " << group) {
          make(type, "f", 0644);
          NEEDS(chown("f", kAlice.uid, group));
          BOOST_TEST(as(kAlice, [&] { return by_path("f", mode); }) == Err{0});
          BOOST_TEST(mode_of("f") == (group == kTeam ? mode & ~02000U : mode));
          BOOST_TEST(as(of_team, [&] { return by_path("f", mode); }) == Err{0});
          BOOST_TEST(mode_of("f") == mode);
          BOOST_TEST(as(kRoot, [&] { return by_path("f", mode); }) == Err{0});
          BOOST_TEST(mode_of("f") == mode);
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(follows_symlinks_and_refuses_to_change_one) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  NEEDS(symlink("link", "link2"));
  BOOST_TEST(moved_times_of({"f", "link"}, [] { WORKS(chmod("link2", 0600)); }) == "c a");
  BOOST_TEST(mode_of("f") == 0600U);
  BOOST_TEST(mode_of("link") == 0777U);
  BOOST_TEST(moved_times_of({"f", "link"}, [] {
               FAILS(fchmodat(AT_FDCWD, "link", 0644, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
               const Fd fd = open_file("link", O_PATH | O_NOFOLLOW);
               FAILS(syscall(SYS_fchmodat2, static_cast<int>(fd), "", 0644, AT_EMPTY_PATH),
                     EOPNOTSUPP);
             }) == "- -");
  BOOST_TEST(mode_of("f") == 0600U);
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file");
  make_dir("d");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string name = long_name(256), path = std::string(4095, '/') + "d";
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"missing", ENOENT},         {"", ENOENT},
              {"missing/x", ENOENT},       {"dangling", ENOENT},
              {"dangling/x", ENOENT},      {"file/x", ENOTDIR},
              {"file/", ENOTDIR},          {"loop", ELOOP},
              {"loop/x", ELOOP},           {name.c_str(), ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      FAILS(chmod(row.path, 0644), row.wanted);
      FAILS(fchmodat(AT_FDCWD, row.path, 0644, 0), row.wanted);
    }
  }
  const Fd file = open_file("file", O_RDONLY), d = open_file("d", O_PATH);
  const char* volatile nowhere = reinterpret_cast<const char*>(1);
  FAILS(chmod(nowhere, 0644), EFAULT);
  FAILS(fchmod(-1, 0644), EBADF);
  FAILS(fchmod(d, 0644), EBADF);
  FAILS(fchmodat(-1, "file", 0644, 0), EBADF);
  FAILS(fchmodat(file, "x", 0644, 0), ENOTDIR);
  FAILS(fchmodat(d, "x", 0644, 0), ENOENT);
  FAILS(syscall(SYS_fchmodat2, AT_FDCWD, "file", 0644, AT_REMOVEDIR), EINVAL);
  WORKS(fchmodat(d, "../file", 0600, 0));
  WORKS(chmod("d/", 0700));
  WORKS(chmod("d/.", 0711));
}

BOOST_AUTO_TEST_CASE(moves_ctime_even_when_nothing_changes) {
  make_dir("d");
  make_file("d/f");
  BOOST_TEST(moved_times_of({"d/f", "d"}, [] { WORKS(chmod("d/f", 0644)); }) == "c -");
  BOOST_TEST(moved_times_of({"d/f", "d", "."}, [] { WORKS(chmod("d", 0755)); }) == "- c -");
}

BOOST_AUTO_TEST_CASE(moves_nothing_when_it_fails) {
  make_dir("d");
  make_file("d/f");
  BOOST_TEST(moved_times_of({"d/f", "d"}, [] {
               for (const auto& call : kCalls) {
                 BOOST_TEST(as(kAlice, [&] { return call.change("d/f", 0600); }) == Err{EPERM});
                 BOOST_TEST(as(kAlice, [&] { return call.change("d", 0700); }) == Err{EPERM});
               }
             }) == "- -");
}

BOOST_AUTO_TEST_CASE(shows_under_every_name_and_after_the_last) {
  make_file("a");
  NEEDS(link("a", "b"));
  WORKS(chmod("a", 04711));
  BOOST_TEST(mode_of("b") == 04711U);
  const Fd fd = open_file("b", O_WRONLY);
  WORKS(fchmod(fd, 0600));
  BOOST_TEST(mode_of("a") == 0600U);
  NEEDS(unlink("a"));
  NEEDS(unlink("b"));
  for (const mode_t mode : {0, 0644, 06755}) {
    WORKS(fchmod(fd, mode));
    struct stat st;
    NEEDS(fstat(fd, &st));
    BOOST_TEST(st.st_mode == (S_IFREG | mode));
  }
}

BOOST_AUTO_TEST_CASE(leaves_contents_xattrs_and_capabilities) {
  constexpr unsigned char kNetRaw[20] = {1, 0, 0, 2, 0, 0x20};
  make_file("f", "content");
  NEEDS(setxattr("f", "security.capability", kNetRaw, sizeof kNetRaw, 0));
  NEEDS(setxattr("f", "user.x", "value", 5, 0));
  for (const mode_t mode : {0755, 0, 06777, 0644}) WORKS(chmod("f", mode));
  BOOST_TEST(getxattr("f", "security.capability", nullptr, 0) == 20);
  BOOST_TEST(getxattr("f", "user.x", nullptr, 0) == 5);
  BOOST_TEST(content_of("f") == "content");
}

BOOST_AUTO_TEST_CASE(is_refused_where_all_is_read_only) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    make(type, "f");
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(where_read_only([] { return by_path("f", 0600); }) == Err{EROFS});
      BOOST_TEST(mode_of("f") == 0644U);
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
