// Trees deeper than any path that a call can be given, by relative calls. holtfs(8) says how deep a
// tree of its may be: a directory's path has 31 KiB.
#include <dirent.h>

#include <algorithm>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

// Makes `levels` directories of that name, one in the other, and is in the innermost in the end.
void descend(const std::string& name, int levels) {
  for (int i = 0; i < levels; ++i) {
    NEEDS(mkdir(name.c_str(), 0755));
    NEEDS(chdir(name.c_str()));
  }
}

// Removes them from below: what else they hold has to be gone.
void ascend(const std::string& name, int levels) {
  for (int i = 0; i < levels; ++i) {
    NEEDS(chdir(".."));
    WORKS(rmdir(name.c_str()));
  }
}

struct Deep : Case {
  ~Deep() { (void)!chdir(folder.c_str()); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(depth_, Deep)

BOOST_AUTO_TEST_CASE(every_call_works_110_long_names_down) {
  const std::string name = long_name(255);
  descend(name, 110);  // 28,160 bytes
  make_file("source");
  for (const PathCall& call : kPathCalls) {
    if (call.last == Last::kFollowed || call.last == Last::kNamed) make(call.on, "x");
    BOOST_TEST_CONTEXT(call) { BOOST_TEST(call.call("x") == Err{0}); }
    for (const char* const left : {"x", "made"}) {
      if (exists(left)) NEEDS(remove(left));
    }
    if (!exists("source")) make_file("source");
  }
  NEEDS(unlink("source"));
  const std::string longest = long_name(255, 'f');
  make_file(longest, "12345");
  BOOST_TEST(content_of(longest) == "12345");
  WORKS(link(longest.c_str(), "../linked"));
  WORKS(unlink(longest.c_str()));
  BOOST_TEST(content_of("../linked") == "12345");
  WORKS(unlink("../linked"));
  ascend(name, 110);
}

BOOST_AUTO_TEST_CASE(paths_from_the_top_are_too_long) {
  const std::string name = long_name(255);
  descend(name, 20);
  make_file("x", "12345");
  std::string path = folder;
  for (int i = 0; i < 20; ++i) path += "/" + name;
  struct stat st;
  FAILS(stat((path + "/x").c_str(), &st), ENAMETOOLONG);
  FAILS(chdir(path.c_str()), ENAMETOOLONG);
  char bytes[4096];
  FAILS(readlink("/proc/self/cwd", bytes, sizeof bytes), ENAMETOOLONG);
  // A symlink and a working directory lead on from half way.
  NEEDS(chdir(folder.c_str()));
  const std::string half = path.substr(folder.size() + 1, 10 * 256 - 1);
  NEEDS(symlink(half.c_str(), "half"));
  BOOST_TEST(content_of("half/" + half + "/x") == "12345");
  NEEDS(chdir(half.c_str()));
  NEEDS(chdir(half.c_str()));
  NEEDS(unlink("x"));
  ascend(name, 20);
  NEEDS(unlink("half"));
}

BOOST_AUTO_TEST_CASE(short_names_reach_as_deep) {
  constexpr int kLevels = 3000;
  descend("d", kLevels);
  make_file("x", "12345");
  const Fd bottom = open_file(".", O_PATH | O_DIRECTORY);
  NEEDS(chdir(folder.c_str()));
  struct stat st;
  WORKS(fstatat(bottom, "x", &st, 0));
  WORKS(renameat(bottom, "x", AT_FDCWD, "moved"));
  BOOST_TEST(content_of("moved") == "12345");
  WORKS(renameat(AT_FDCWD, "moved", bottom, "x"));
  NEEDS(fchdir(bottom));
  NEEDS(unlink("x"));
  ascend("d", kLevels);
}

BOOST_AUTO_TEST_CASE(many_components_fill_a_path_of_4095_bytes) {
  constexpr int kLevels = 2047;
  descend("d", kLevels);
  NEEDS(chdir(folder.c_str()));
  std::string path = "d";
  for (int i = 1; i < kLevels; ++i) path += "/d";
  BOOST_TEST(path.size() == 4093U);
  WORKS(mkdir((path + "/e").c_str(), 0755));
  FAILS(mkdir((path + "/ef").c_str(), 0755), ENAMETOOLONG);
  BOOST_TEST(names_in(path) == std::vector<std::string>{"e"});
  WORKS(rmdir((path + "/e").c_str()));
  NEEDS(chdir(path.c_str()));
  ascend("d", kLevels);
}

BOOST_AUTO_TEST_CASE(a_deep_tree_moves_and_is_found_where_it_is) {
  const std::string name = long_name(255);
  make_dir("from");
  make_dir("to");
  NEEDS(chdir("from"));
  descend(name, 15);
  make_file("x", "12345");
  const Fd bottom = open_file(".", O_RDONLY | O_DIRECTORY);
  NEEDS(chdir(folder.c_str()));
  WORKS(rename("from", "to/moved"));
  NEEDS(fchdir(bottom));
  BOOST_TEST(content_of("x") == "12345");
  NEEDS(unlink("x"));
  ascend(name, 15);
  BOOST_TEST(stat_of(".").st_ino == stat_of(folder + "/to/moved").st_ino);
  NEEDS(chdir(folder.c_str()));
}

BOOST_AUTO_TEST_CASE(a_directory_is_not_moved_below_itself_however_deep) {
  const std::string name = long_name(200);
  descend(name, 40);
  const Fd bottom = open_file(".", O_PATH | O_DIRECTORY);
  NEEDS(chdir(folder.c_str()));
  FAILS(renameat(AT_FDCWD, name.c_str(), bottom, "x"), EINVAL);
  FAILS(renameat(bottom, ".", AT_FDCWD, "x"), EBUSY);
  NEEDS(fchdir(bottom));
  FAILS(rename("../..", "x"), EBUSY);
  ascend(name, 40);
}

BOOST_AUTO_TEST_CASE(the_working_directory_is_known_at_every_depth) {
  const std::string name = long_name(255);
  descend(name, 40);
  char* const known = getcwd(nullptr, 0);  // which climbs where the kernel has no room
  BOOST_REQUIRE(known != nullptr);
  std::string wanted = folder;
  for (int i = 0; i < 40; ++i) wanted += "/" + name;
  BOOST_TEST((wanted == known));
  free(known);
  ascend(name, 40);
}

BOOST_AUTO_TEST_CASE(beyond_31_KiB_no_directory_is_made_on_holtfs) {
  const std::string name = long_name(255);
  constexpr int kLevels = 130;
  int made = 0;
  Err last{0};
  while (made < kLevels) {
    last = err(mkdir(name.c_str(), 0755));
    if (last.number != 0) break;
    NEEDS(chdir(name.c_str()));
    ++made;
  }
  if (on_holtfs()) {
    BOOST_TEST(last == Err{ENAMETOOLONG});
    BOOST_TEST(made >= 120);
    BOOST_TEST(names_in(".").empty());
    // What needs no longer path is still made, and a shorter one fits.
    make_file("x", "12345");
    BOOST_TEST(content_of("x") == "12345");
    NEEDS(unlink("x"));
  } else {
    BOOST_TEST(made == kLevels);
  }
  ascend(name, made);
}

BOOST_AUTO_TEST_SUITE_END()
