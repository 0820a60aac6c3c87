// mkdir(2) and mkdirat(2). What they share with the other calls that make a file: create_area.cc.
// rmdir(2): unlink_area.cc.
#include "tests/posix/calls.h"

using namespace posix_test;

BOOST_FIXTURE_TEST_SUITE(mkdir_, Case)

BOOST_AUTO_TEST_CASE(makes_an_empty_directory_with_two_links) {
  WORKS(mkdir("d", 0755));
  const struct stat st = stat_of("d");
  BOOST_TEST(S_ISDIR(st.st_mode));
  BOOST_TEST(st.st_nlink == 2U);
  BOOST_TEST(names_in("d").empty());
  BOOST_TEST(stat_of("d/.").st_ino == st.st_ino);
  BOOST_TEST(stat_of("d/..").st_ino == stat_of(".").st_ino);
  BOOST_TEST(st.st_dev == stat_of(".").st_dev);
}

BOOST_AUTO_TEST_CASE(gives_the_mode_less_the_umask) {
  const struct {
    mode_t asked, mask, given;
  } rows[] = {{0777, 0, 0777},   {0777, 022, 0755},   {0777, 077, 0700},    {0, 0, 0},
              {0151, 0, 0151},   {0700, 0777, 0},     {01777, 0, 01777},    {06777, 0, 0777},
              {02755, 0, 0755},  {07777, 022, 01755}, {01777, 0777, 01000}, {0170755, 0, 0755},
              {0100644, 0, 0644}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::oct << row.asked << " with umask " << row.mask) {
      umask(row.mask);
      for (const bool relative : {false, true}) {
        WORKS(relative ? mkdirat(AT_FDCWD, "d", row.asked) : mkdir("d", row.asked));
        BOOST_TEST(mode_of("d") == row.given);
        BOOST_TEST(S_ISDIR(stat_of("d").st_mode));
        WORKS(rmdir("d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(belongs_to_its_maker) {
  make_dir("d", 0777);
  BOOST_TEST(as(kAlice, [] { return err(mkdir("d/sub", 0755)); }) == Err{0});
  const struct stat st = stat_of("d/sub");
  BOOST_TEST(st.st_uid == kAlice.uid);
  BOOST_TEST(st.st_gid == kAlice.gid);
}

BOOST_AUTO_TEST_CASE(inherits_group_and_set_group_id_and_nothing_else) {
  const User member{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
  make_dir("p");
  const struct {
    mode_t parent, asked;
    gid_t group;
    mode_t given;
  } rows[] = {{0777, 0755, kAlice.gid, 0755},  {02777, 0755, kTeam, 02755},
              {02777, 0700, kTeam, 02700},     {02777, 02777, kTeam, 02755},
              {03777, 0755, kTeam, 02755},     {01777, 0755, kAlice.gid, 0755},
              {04777, 0755, kAlice.gid, 0755}, {07777, 01777, kTeam, 03755},
              {02777, 0, kTeam, 02000}};
  for (const auto& row : rows) {
    give("p", {.uid = kBob.uid, .gid = kTeam});
    NEEDS(chmod("p", row.parent));
    for (const User* const user : {&kAlice, &member}) {
      BOOST_TEST_CONTEXT(std::oct << row.asked << " in " << row.parent) {
        BOOST_TEST(as(*user, [&] { return err(mkdir("p/d", row.asked)); }) == Err{0});
        BOOST_TEST(stat_of("p/d").st_uid == kAlice.uid);
        BOOST_TEST(stat_of("p/d").st_gid == row.group);
        BOOST_TEST(mode_of("p/d") == row.given);
        NEEDS(rmdir("p/d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(hands_set_group_id_down_level_by_level) {
  make_dir("p");
  give("p", {.uid = 0, .gid = kTeam});
  NEEDS(chmod("p", 02755));
  std::string path = "p";
  for (int level = 0; level < 5; ++level) {
    path += "/d";
    WORKS(mkdir(path.c_str(), 0755));
    BOOST_TEST(mode_of(path) == 02755U);
    BOOST_TEST(stat_of(path).st_gid == kTeam);
  }
  NEEDS(chmod("p/d", 0755));
  WORKS(mkdir("p/d/e", 0755));
  BOOST_TEST(mode_of("p/d/e") == 0755U);
  BOOST_TEST(stat_of("p/d/e").st_gid == 0U);
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file");
  make_dir("d");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string component = long_name(256);
  const std::string path = std::string("d/") + std::string(4100, '/') + "x";
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"d", EEXIST},
              {"d/", EEXIST},
              {"file", EEXIST},
              {"dangling", EEXIST},
              {"dangling/", EEXIST},
              {"loop", EEXIST},
              {".", EEXIST},
              {"..", EEXIST},
              {"/", EEXIST},
              {"d/.", EEXIST},
              {"missing/x", ENOENT},
              {"missing/.", ENOENT},
              {"dangling/x", ENOENT},
              {"", ENOENT},
              {"file/x", ENOTDIR},
              {"loop/x", ELOOP},
              {component.c_str(), ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      const auto work = [&] { FAILS(mkdir(row.path, 0755), row.wanted); };
      BOOST_TEST(moved_times_of({"d", "."}, work) == "- -");
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_mtime_and_ctime_of_the_parent) {
  make_dir("p");
  BOOST_TEST(moved_times("p", [] { NEEDS(mkdir("p/d", 0755)); }) == "mc");
  BOOST_TEST(stat_of("p").st_nlink == 3U);
  BOOST_TEST(moved_times("p", [] { NEEDS(rmdir("p/d")); }) == "mc");
  BOOST_TEST(stat_of("p").st_nlink == 2U);
}

BOOST_AUTO_TEST_CASE(counts_subdirectories_alone_as_links) {
  constexpr unsigned kDirs = 1000;
  make_dir("p");
  for (unsigned i = 0; i < kDirs; ++i) {
    NEEDS(mkdir(("p/" + std::to_string(i)).c_str(), 0755));
    if (i % 100 == 0) {
      BOOST_TEST(stat_of("p").st_nlink == 3 + i);
      make_file("p/file" + std::to_string(i));
      NEEDS(symlink("0", ("p/link" + std::to_string(i)).c_str()));
      BOOST_TEST(stat_of("p").st_nlink == 3 + i);
    }
  }
  BOOST_TEST(names_in("p").size() == kDirs + 20);
  NEEDS(mkdir("p/0/sub", 0755));
  BOOST_TEST(stat_of("p").st_nlink == 2 + kDirs);
  BOOST_TEST(stat_of("p/0").st_nlink == 3U);
}

BOOST_AUTO_TEST_CASE(makes_another_where_one_was_removed) {
  for (int i = 0; i < 50; ++i) {
    NEEDS(mkdir("d", 0755));
    const Fd removed = open_file("d", O_PATH);
    make_file("d/f");
    NEEDS(unlink("d/f"));
    NEEDS(rmdir("d"));
    NEEDS(mkdir("d", 0700));
    struct stat st;
    NEEDS(fstat(removed, &st));
    BOOST_TEST(st.st_nlink == 0U);
    BOOST_TEST(stat_of("d").st_ino != st.st_ino);
    BOOST_TEST(names_in("d").empty());
    NEEDS(rmdir("d"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
