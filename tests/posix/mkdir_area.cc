// mkdir(2), mkdirat(2) and rmdir(2).
#include "tests/posix/support.h"

using namespace posix_test;

BOOST_FIXTURE_TEST_SUITE(mkdir_, Case)

BOOST_AUTO_TEST_CASE(makes_an_empty_directory_with_two_links) {
  WORKS(mkdir("d", 0755));
  const struct stat st = stat_of("d");
  BOOST_TEST(S_ISDIR(st.st_mode));
  BOOST_TEST(st.st_nlink == 2U);
  BOOST_TEST(names_in("d").empty());
}

BOOST_AUTO_TEST_CASE(gives_the_mode_less_the_umask) {
  const struct {
    mode_t asked, mask, given;
  } rows[] = {{0777, 0, 0777},   {0777, 022, 0755}, {0777, 077, 0700},
              {0, 0, 0},         {0151, 0, 0151},   {0700, 0777, 0},
              {01777, 0, 01777}, {06777, 0, 0777},  {07777, 022, 01755}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::oct << row.asked << " with umask " << row.mask) {
      umask(row.mask);
      WORKS(mkdir("d", row.asked));
      BOOST_TEST(mode_of("d") == row.given);
      WORKS(rmdir("d"));
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
              {"file", EEXIST},
              {"dangling", EEXIST},
              {".", EEXIST},
              {"..", EEXIST},
              {"/", EEXIST},
              {"missing/x", ENOENT},
              {"dangling/x", ENOENT},
              {"", ENOENT},
              {"file/x", ENOTDIR},
              {"loop/x", ELOOP},
              {component.c_str(), ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      FAILS(mkdir(row.path, 0755), row.wanted);
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

BOOST_AUTO_TEST_SUITE_END()
