// link(2) and linkat(2).
#include <fstream>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

std::vector<Type> types_with_links() {
  std::vector<Type> types;
  for (const Type type : kTypes) {
    if (type != Type::kDirectory) types.push_back(type);
  }
  return types;
}

bool same_but_for_ctime(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_uid == b.st_uid &&
         a.st_gid == b.st_gid && a.st_rdev == b.st_rdev && a.st_size == b.st_size &&
         a.st_blocks == b.st_blocks && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_atim.tv_nsec == b.st_atim.tv_nsec;
}

// fs.protected_hardlinks: those who neither own a file nor may read and write it do not link it.
bool links_are_protected() {
  std::ifstream file("/proc/sys/fs/protected_hardlinks");
  int value = 0;
  file >> value;
  return value != 0;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(link_, Case)

BOOST_AUTO_TEST_CASE(gives_every_type_a_further_name) {
  make_dir("d");
  for (const Type type : types_with_links()) {
    make(type, "x", 07751);
    give("x", kAlice);
    if (type != Type::kSymlink) NEEDS(chmod("x", 07751));
    BOOST_TEST_CONTEXT(type) {
      const struct stat before = stat_of("x");
      nlink_t links = 1;
      for (const char* const name : {"y", "d/x", "d/z"}) {
        WORKS(link("x", name));
        ++links;
        BOOST_TEST(same_but_for_ctime(stat_of(name), before));
        for (const char* const each : {"x", name}) BOOST_TEST(stat_of(each).st_nlink == links);
      }
      for (const char* const name : {"x", "d/z", "y"}) {
        WORKS(unlink(name));
        --links;
        BOOST_TEST(!exists(name));
        BOOST_TEST(stat_of("d/x").st_nlink == links);
        BOOST_TEST(same_but_for_ctime(stat_of("d/x"), before));
      }
    }
    NEEDS(unlink("d/x"));
  }
}

BOOST_AUTO_TEST_CASE(moves_the_ctime_of_the_file_and_both_of_the_new_parent) {
  make_dir("from");
  make_dir("to");
  for (const Type type : types_with_links()) {
    make(type, "from/x");
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(moved_times_of({"from/x", "from", "to"}, [] { WORKS(link("from/x", "to/x")); }) ==
                 "c - mc");
      BOOST_TEST(moved_times_of({"to/x", "from", "to"}, [] { WORKS(unlink("from/x")); }) ==
                 "c mc -");
      BOOST_TEST(moved_times_of({"to/x", "to"}, [] { WORKS(link("to/x", "to/y")); }) == "c mc");
    }
    NEEDS(unlink("to/x"));
    NEEDS(unlink("to/y"));
  }
  BOOST_TEST(stat_of("to").st_nlink == 2U);
}

BOOST_AUTO_TEST_CASE(names_are_of_one_file) {
  make_file("one", "12345");
  make_dir("d");
  NEEDS(link("one", "d/two"));
  NEEDS(truncate("d/two", 2));
  BOOST_TEST(content_of("one") == "12");
  const Fd fd = open_file("one", O_WRONLY | O_APPEND);
  BOOST_TEST(write(fd, "more", 4) == 4);
  BOOST_TEST(content_of("d/two") == "12more");
  NEEDS(chmod("one", 06710));
  BOOST_TEST(mode_of("d/two") == 06710U);
  give("d/two", kBob);
  BOOST_TEST(stat_of("one").st_uid == kBob.uid);
  NEEDS(setxattr("one", "user.name", "value", 5, 0));
  BOOST_TEST(getxattr("d/two", "user.name", nullptr, 0) == 5);
  NEEDS(utimensat(AT_FDCWD, "d/two", kSomeTimes, 0));
  BOOST_TEST(stat_of("one").st_mtim.tv_sec == 3);
  NEEDS(unlink("one"));
  BOOST_TEST(getxattr("d/two", "user.name", nullptr, 0) == 5);
  BOOST_TEST(content_of("d/two") == "12more");
  BOOST_TEST(write(fd, "!", 1) == 1);
  BOOST_TEST(stat_of("d/two").st_size == 7);
}

BOOST_AUTO_TEST_CASE(names_outlive_their_directories) {
  make_dir("d");
  make_dir("e");
  make_file("d/x", "12345");
  NEEDS(setxattr("d/x", "user.name", "value", 5, 0));
  NEEDS(link("d/x", "e/x"));
  NEEDS(unlink("d/x"));
  NEEDS(rmdir("d"));
  NEEDS(rename("e", "f"));
  BOOST_TEST(content_of("f/x") == "12345");
  NEEDS(link("f/x", "x"));
  NEEDS(unlink("f/x"));
  NEEDS(rmdir("f"));
  BOOST_TEST(content_of("x") == "12345");
  BOOST_TEST(stat_of("x").st_nlink == 1U);
  BOOST_TEST(getxattr("x", "user.name", nullptr, 0) == 5);
}

BOOST_AUTO_TEST_CASE(leaves_set_id_bits_and_capabilities) {
  make_file("f", "12345", 06777);
  give("f", kAlice);
  NEEDS(chmod("f", 06777));
  make_dir("d", 0777);
  BOOST_TEST(as(kAlice, [] { return err(link("f", "d/f")); }) == Err{0});
  BOOST_TEST(mode_of("f") == 06777U);
}

BOOST_AUTO_TEST_CASE(refuses_directories) {
  make_dir("d", 0777);
  give("d", kAlice);
  NEEDS(symlink("d", "to_d"));
  for (const User* const user : {&kRoot, &kAlice}) {
    const auto linked = [&](const char* path, int flags) {
      return as(*user, [&] { return err(linkat(AT_FDCWD, path, AT_FDCWD, "d/new", flags)); });
    };
    BOOST_TEST(linked("d", 0) == Err{EPERM});
    BOOST_TEST(linked("d/", 0) == Err{EPERM});
    BOOST_TEST(linked("to_d", AT_SYMLINK_FOLLOW) == Err{EPERM});
    BOOST_TEST(linked("to_d/", 0) == Err{EPERM});
  }
  const auto work = [] { FAILS(link("d", "new"), EPERM); };
  BOOST_TEST(moved_times_of({"d", "."}, work) == "- -");
  BOOST_TEST(stat_of("d").st_nlink == 2U);
}

BOOST_AUTO_TEST_CASE(refuses_a_taken_name) {
  for (const Type from : types_with_links()) {
    make(from, "from");
    for (const Type to : kTypes) {
      make(to, "to");
      BOOST_TEST_CONTEXT(from << " to " << to) {
        const auto work = [] { FAILS(link("from", "to"), EEXIST); };
        const bool timed = from == Type::kRegular || to == Type::kRegular;
        if (timed) {
          BOOST_TEST(moved_times_of({"from", "to", "."}, work) == "- - -");
        } else {
          work();
        }
        FAILS(link("from", "from"), EEXIST);
        BOOST_TEST(stat_of("from").st_nlink == 1U);
      }
      NEEDS(remove("to"));
    }
    NEEDS(unlink("from"));
  }
}

BOOST_AUTO_TEST_CASE(follows_a_symlink_only_when_told) {
  make_file("f");
  NEEDS(symlink("f", "to_f"));
  NEEDS(symlink("to_f", "to_to_f"));
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const auto linked = [](const char* path, int flags) {
    return err(linkat(AT_FDCWD, path, AT_FDCWD, "new", flags));
  };
  for (const char* const path : {"to_f", "to_to_f", "dangling", "loop"}) {
    BOOST_TEST(linked(path, 0) == Err{0});
    BOOST_TEST(stat_of("new").st_ino == stat_of(path).st_ino);
    BOOST_TEST(stat_of(path).st_nlink == 2U);
    NEEDS(unlink("new"));
  }
  for (const char* const path : {"f", "to_f", "to_to_f"}) {
    BOOST_TEST(linked(path, AT_SYMLINK_FOLLOW) == Err{0});
    BOOST_TEST(stat_of("new").st_ino == stat_of("f").st_ino);
    NEEDS(unlink("new"));
  }
  BOOST_TEST(linked("dangling", AT_SYMLINK_FOLLOW) == Err{ENOENT});
  BOOST_TEST(linked("loop", AT_SYMLINK_FOLLOW) == Err{ELOOP});
  BOOST_TEST(linked("f", 0x4000) == Err{EINVAL});
  BOOST_TEST(linked("f", AT_SYMLINK_NOFOLLOW) == Err{EINVAL});
}

BOOST_AUTO_TEST_CASE(of_a_descriptor_is_for_those_who_opened_it) {
  make_file("f", "12345");
  make_dir("d", 0777);
  const Fd fd = open_file("f", O_RDONLY);
  WORKS(linkat(fd, "", AT_FDCWD, "d/one", AT_EMPTY_PATH));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  WORKS(linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "d/two", AT_SYMLINK_FOLLOW));
  BOOST_TEST(stat_of("d/two").st_nlink == 3U);
  FAILS(linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "d/three", 0), EXDEV);
  FAILS(linkat(fd, "", AT_FDCWD, "d/three", 0), ENOENT);
  BOOST_TEST(as(kBob, [&] { return err(linkat(fd, "", AT_FDCWD, "d/x", AT_EMPTY_PATH)); }) ==
             Err{ENOENT});
  for (const char* const name : {"f", "d/one", "d/two"}) NEEDS(unlink(name));
  FAILS(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH), ENOENT);
  FAILS(linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "back", AT_SYMLINK_FOLLOW), ENOENT);
  BOOST_TEST(!exists("back"));
}

BOOST_AUTO_TEST_CASE(needs_write_permission_in_the_new_parent_alone) {
  make_dir("from");
  make_dir("to");
  make_file("from/f", "", 0666);
  const std::pair<mode_t, int> rows[] = {{0755, EACCES}, {0776, EACCES}, {0775, EACCES},
                                         {0773, 0},      {0777, 0},      {01777, 0}};
  for (const auto& [mode, wanted] : rows) {
    NEEDS(chmod("to", mode));
    const Err linked = as(kAlice, [] { return err(link("from/f", "to/f")); });
    BOOST_TEST(linked == Err{wanted}, std::oct << mode);
    if (wanted == 0) NEEDS(unlink("to/f"));
  }
  NEEDS(chmod("from", 0766));
  BOOST_TEST(as(kAlice, [] { return err(link("from/f", "to/f")); }) == Err{EACCES});
  BOOST_TEST(stat_of("from/f").st_nlink == 1U);
}

BOOST_AUTO_TEST_CASE(of_what_others_own_is_protected) {
  make_dir("d", 0777);
  const int refusal = links_are_protected() ? EPERM : 0;
  const struct {
    Type type;
    mode_t mode;
    const User& owner;
    int wanted;
  } rows[] = {{Type::kRegular, 0666, kBob, 0},
              {Type::kRegular, 0644, kBob, refusal},
              {Type::kRegular, 0622, kBob, refusal},
              {Type::kRegular, 0, kAlice, 0},
              {Type::kRegular, 04666, kBob, refusal},
              {Type::kRegular, 02676, kBob, refusal},
              {Type::kRegular, 02666, kBob, 0},
              {Type::kFifo, 0666, kBob, refusal},
              {Type::kFifo, 0, kAlice, 0},
              {Type::kSymlink, 0777, kBob, refusal},
              {Type::kSocket, 0666, kBob, refusal},
              {Type::kCharDevice, 0666, kBob, refusal},
              {Type::kSymlink, 0777, kAlice, 0}};
  for (const auto& row : rows) {
    make(row.type, "d/x");
    give("d/x", row.owner);
    if (row.type != Type::kSymlink) NEEDS(chmod("d/x", row.mode));
    const auto linked = [](const User& user) {
      return as(user, [] { return err(link("d/x", "d/y")); });
    };
    BOOST_TEST_CONTEXT(row.type << " of mode " << std::oct << row.mode) {
      BOOST_TEST(linked(kAlice) == Err{row.wanted});
      if (row.wanted == 0) NEEDS(unlink("d/y"));
      BOOST_TEST(linked(kRoot) == Err{0});
      NEEDS(unlink("d/y"));
    }
    NEEDS(unlink("d/x"));
  }
}

BOOST_AUTO_TEST_CASE(stays_within_the_filesystem) {
  make_file("f");
  FAILS(link("/proc/self/status", "new"), EXDEV);
  FAILS(link("f", "/tmp/holtfs-posix-link"), EXDEV);
  make_dir("again");
  const auto across_mounts = [] {
    const bool mounted = mounts_apart() && mount(".", "again", nullptr, MS_BIND, nullptr) == 0;
    return mounted ? err(link("f", "again/g")) : Err{EBADE};
  };
  BOOST_TEST(as(kRoot, across_mounts) == Err{EXDEV});
  BOOST_TEST(stat_of("f").st_nlink == 1U);
}

BOOST_AUTO_TEST_CASE(counts_many_names_in_many_directories) {
  make_file("f", "12345");
  constexpr unsigned kDirs = 20, kEach = 50;
  for (unsigned d = 0; d < kDirs; ++d) {
    const std::string dir = "d" + std::to_string(d);
    make_dir(dir);
    for (unsigned i = 0; i < kEach; ++i) NEEDS(link("f", (dir + "/" + std::to_string(i)).c_str()));
  }
  BOOST_TEST(stat_of("f").st_nlink == 1 + kDirs * kEach);
  NEEDS(unlink("f"));
  BOOST_TEST(content_of("d7/31") == "12345");
  for (unsigned d = 0; d < kDirs; ++d) {
    const std::string dir = "d" + std::to_string(d);
    BOOST_TEST(stat_of(dir + "/0").st_nlink == (kDirs - d) * kEach);
    for (unsigned i = 0; i < kEach; ++i) NEEDS(unlink((dir + "/" + std::to_string(i)).c_str()));
    WORKS(rmdir(dir.c_str()));
  }
}

BOOST_AUTO_TEST_CASE(the_65001st_name_is_refused) {
  make_file("f");
  make_dir("d");
  const auto link_as = [](int number) {
    return link("f", ("d/" + std::to_string(number)).c_str());
  };
  for (int i = 1; i < 65000; ++i) NEEDS(link_as(i));
  BOOST_TEST(stat_of("f").st_nlink == 65000U);
  FAILS(link_as(65000), EMLINK);
  BOOST_TEST(stat_of("f").st_nlink == 65000U);
  NEEDS(unlink("d/1"));
  WORKS(link_as(1));
}

BOOST_AUTO_TEST_SUITE_END()
