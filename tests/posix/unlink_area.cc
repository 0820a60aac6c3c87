// unlink(2), rmdir(2) and unlinkat(2). Who may, in sticky directories too: permission_tree_area.cc.
// What is held open lives on: unlinked_area.cc and removed_area.cc.
#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

Err by_unlinkat(const char* path, int flags) { return err(unlinkat(AT_FDCWD, path, flags)); }

// The calls that remove a file that is not a directory, and those that remove a directory.
const struct Remover {
  const char* name;
  Err (*remove)(const char* path);
} kUnlinks[] = {{"unlink", [](const char* path) { return err(unlink(path)); }},
                {"unlinkat", [](const char* path) { return by_unlinkat(path, 0); }},
                {"remove", [](const char* path) { return err(remove(path)); }}},
  kRmdirs[] = {{"rmdir", [](const char* path) { return err(rmdir(path)); }},
               {"unlinkat", [](const char* path) { return by_unlinkat(path, AT_REMOVEDIR); }},
               {"remove", [](const char* path) { return err(remove(path)); }}};

// Runs `work` with "mounted" a place where something is mounted, in a namespace of its own.
Err with_a_mount(const std::function<Err()>& work) {
  return as(kRoot, [&] {
    const bool mounted =
        mounts_apart() && mount("other", "mounted", nullptr, MS_BIND, nullptr) == 0;
    return mounted ? work() : Err{EBADE};
  });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(unlink_, Case)

BOOST_AUTO_TEST_CASE(removes_the_name_of_every_type) {
  make_dir("grand");
  make_dir("grand/p");
  make_file("grand/p/sibling");
  for (const Remover& remover : kUnlinks) {
    for (const Type type : kTypes) {
      if (type == Type::kDirectory) continue;
      make(type, "grand/p/x", 0);
      BOOST_TEST_CONTEXT(remover.name << " of a " << type) {
        const auto work = [&] { BOOST_TEST(remover.remove("grand/p/x") == Err{0}); };
        BOOST_TEST(moved_times_of({"grand/p/x", "grand/p", "grand", "grand/p/sibling"}, work) ==
                   "c mc - -");
        BOOST_TEST(!exists("grand/p/x"));
        BOOST_TEST(remover.remove("grand/p/x") == Err{ENOENT});
        BOOST_TEST(stat_of("grand/p").st_nlink == 2U);
        BOOST_TEST(names_in("grand/p") == std::vector<std::string>{"sibling"});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(rmdir_removes_an_empty_directory) {
  make_dir("p");
  make_dir("p/sibling");
  for (const Remover& remover : kRmdirs) {
    make_dir("p/d", 0);
    BOOST_TEST_CONTEXT(remover.name) {
      BOOST_TEST(stat_of("p").st_nlink == 4U);
      const auto work = [&] { BOOST_TEST(remover.remove("p/d") == Err{0}); };
      BOOST_TEST(moved_times_of({"p/d", "p", ".", "p/sibling"}, work) == "c mc - -");
      BOOST_TEST(!exists("p/d"));
      BOOST_TEST(stat_of("p").st_nlink == 3U);
      BOOST_TEST(remover.remove("p/d") == Err{ENOENT});
    }
  }
}

BOOST_AUTO_TEST_CASE(rmdir_refuses_a_directory_that_holds_anything) {
  make_dir("p");
  make_dir("p/d");
  const std::string names[] = {"x", ".x", "...", "\x01", "\xff", " ", long_name(255)};
  for (const Remover& remover : kRmdirs) {
    for (const Type type : kTypes) {
      for (const std::string& name : names) {
        make(type, "p/d/" + name);
        BOOST_TEST_CONTEXT(remover.name << " with a " << type << " of " << name.size()) {
          BOOST_TEST(remover.remove("p/d") == Err{ENOTEMPTY});
          BOOST_TEST(remover.remove("p/d/") == Err{ENOTEMPTY});
        }
        NEEDS(remove(("p/d/" + name).c_str()));
      }
    }
    make_file("p/d/x");
    const auto work = [&] { BOOST_TEST(remover.remove("p/d") == Err{ENOTEMPTY}); };
    BOOST_TEST(moved_times_of({"p/d", "p", "p/d/x"}, work) == "- - -");
    NEEDS(unlink("p/d/x"));
  }
  WORKS(rmdir("p/d"));
}

BOOST_AUTO_TEST_CASE(each_removes_its_own_kind) {
  for (const Type type : kTypes) {
    make(type, "x");
    BOOST_TEST_CONTEXT(type) {
      const bool is_dir = type == Type::kDirectory;
      const auto work = [&] {
        if (is_dir) {
          FAILS(unlink("x"), EISDIR);
          FAILS(unlinkat(AT_FDCWD, "x", 0), EISDIR);
          FAILS(unlink("x/"), EISDIR);
        } else {
          FAILS(rmdir("x"), ENOTDIR);
          FAILS(unlinkat(AT_FDCWD, "x", AT_REMOVEDIR), ENOTDIR);
          FAILS(rmdir("x/"), ENOTDIR);
          FAILS(unlink("x/"), ENOTDIR);
        }
      };
      BOOST_TEST(moved_times_of({"x", "."}, work) == "- -");
      BOOST_TEST(stat_of("x").st_nlink == (is_dir ? 2U : 1U));
    }
    NEEDS(remove("x"));
  }
  FAILS(unlinkat(AT_FDCWD, "x", 1), EINVAL);
  FAILS(unlinkat(AT_FDCWD, "x", AT_REMOVEDIR | AT_SYMLINK_NOFOLLOW), EINVAL);
}

BOOST_AUTO_TEST_CASE(never_follows_a_symlink) {
  make_file("f");
  make_dir("d");
  make_file("d/f");
  const std::pair<const char*, const char*> rows[] = {
      {"f", "f"}, {"d", "d"}, {"nowhere", nullptr}, {"link", nullptr}, {"d/f", "d/f"}};
  for (const auto& [target, left] : rows) {
    for (const Remover& remover : kUnlinks) {
      NEEDS(symlink(target, "link"));
      FAILS(rmdir("link"), ENOTDIR);
      BOOST_TEST(remover.remove("link") == Err{0}, remover.name << " of one to " << target);
      BOOST_TEST(!exists("link"));
      if (left != nullptr) BOOST_TEST(exists(left));
    }
  }
  NEEDS(symlink("d", "to_d"));
  WORKS(unlink("to_d/f"));
  FAILS(rmdir("to_d/"), ENOTDIR);
  BOOST_TEST(names_in("d").empty());
}

BOOST_AUTO_TEST_CASE(needs_no_permission_on_the_file) {
  make_dir("d", 0777);
  for (const Type type : kTypes) {
    for (const mode_t mode : {0U, 0777U}) {
      make(type, "d/x", mode);
      give("d/x", kBob);
      BOOST_TEST(as(kAlice, [] { return err(remove("d/x")); }) == Err{0}, type);
      BOOST_TEST(!exists("d/x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(says_first_what_is_not_there) {
  make_dir("d");  // where Alice may not write
  make_file("d/f");
  make_dir("d/sub");
  make_file("d/sub/f");
  const struct {
    const char* path;
    int unlinked, removed;
  } rows[] = {{"d/missing", ENOENT, ENOENT}, {"d/f", EACCES, EACCES}, {"d/sub", EACCES, EACCES},
              {"d/f/", ENOTDIR, EACCES},     {"d/.", EISDIR, EINVAL}, {"d/..", EISDIR, ENOTEMPTY},
              {"d/f/x", ENOTDIR, ENOTDIR}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path) {
      BOOST_TEST(as(kAlice, [&] { return err(unlink(row.path)); }) == Err{row.unlinked});
      BOOST_TEST(as(kAlice, [&] { return err(rmdir(row.path)); }) == Err{row.removed});
    }
  }
}

BOOST_AUTO_TEST_CASE(rmdir_takes_the_working_directory) {
  make_dir("d");
  make_dir("d/sub");
  NEEDS(chdir("d/sub"));
  FAILS(rmdir("."), EINVAL);
  FAILS(rmdir(".."), ENOTEMPTY);
  FAILS(rmdir("../../d"), ENOTEMPTY);
  WORKS(rmdir("../sub"));
  BOOST_TEST(stat_of(".").st_nlink == 0U);
  WORKS(rmdir((folder + "/d").c_str()));
  FAILS(rmdir("."), EINVAL);
  FAILS(rmdir(".."), ENOTEMPTY);
  NEEDS(chdir(folder.c_str()));
}

BOOST_AUTO_TEST_CASE(a_mount_point_is_busy) {
  make_dir("other");
  make_file("other/f");
  make_dir("mounted");
  make_file("mounted/f");
  BOOST_TEST(with_a_mount([] { return err(rmdir("mounted")); }) == Err{EBUSY});
  BOOST_TEST(with_a_mount([] { return err(unlink("mounted")); }) == Err{EISDIR});
  BOOST_TEST(with_a_mount([] { return err(unlink("mounted/f")); }) == Err{0});
  BOOST_TEST(!exists("other/f"));
  BOOST_TEST(exists("mounted/f"));
  NEEDS(unlink("mounted/f"));
  BOOST_TEST(with_a_mount([] { return err(rmdir("mounted/")); }) == Err{EBUSY});
  WORKS(rmdir("mounted"));
  make_file("other_file");
  make_file("file");
  BOOST_TEST(as(kRoot, [] {
               const bool mounted =
                   mounts_apart() && mount("other_file", "file", nullptr, MS_BIND, nullptr) == 0;
               return mounted ? err(unlink("file")) : Err{EBADE};
             }) == Err{EBUSY});
  BOOST_TEST(exists("file"));
}

BOOST_AUTO_TEST_CASE(one_mounted_elsewhere_goes_all_the_same) {
  make_dir("other");
  make_dir("mounted");
  // Not a mount point where the call is made: it is detached there.
  BOOST_TEST(with_a_mount([] {
               return as(kRoot, [] {
                 const bool apart = unshare(CLONE_NEWNS) == 0 && umount("mounted") == 0;
                 return apart ? err(rmdir("mounted")) : Err{EBADE};
               });
             }) == Err{0});
  BOOST_TEST(!exists("mounted"));
}

BOOST_AUTO_TEST_CASE(takes_many_in_any_order) {
  constexpr int kFiles = 300;
  const auto name = [](int i) { return "d/" + std::to_string(i * 7919 % kFiles); };
  make_dir("d");
  for (int i = 0; i < kFiles; ++i) make(i % 5 == 0 ? Type::kDirectory : Type::kRegular, name(i));
  BOOST_TEST(stat_of("d").st_nlink == 2U + kFiles / 5);
  for (int i = 0; i < kFiles; i += 2) WORKS(remove(name(i).c_str()));
  BOOST_TEST(names_in("d").size() == kFiles / 2U);
  FAILS(rmdir("d"), ENOTEMPTY);
  for (int i = 1; i < kFiles; i += 2) WORKS(remove(name(i).c_str()));
  BOOST_TEST(stat_of("d").st_nlink == 2U);
  WORKS(rmdir("d"));
}

BOOST_AUTO_TEST_CASE(leaves_names_that_begin_alike) {
  const std::vector<std::string> names = {"a", "a\x01", "a ", "a-", "a.", "a0", "aa", "a\xff", "b"};
  for (const std::string& gone : names) {
    for (const Type type : {Type::kRegular, Type::kDirectory}) {
      make_dir("d");
      for (const std::string& name : names)
        make(name == gone ? type : Type::kDirectory, "d/" + name);
      WORKS(remove(("d/" + gone).c_str()));
      std::vector<std::string> left = names_in("d"), wanted = names;
      std::erase(wanted, gone);
      BOOST_TEST((left == wanted), gone);
      for (const std::string& name : left) WORKS(rmdir(("d/" + name).c_str()));
      NEEDS(rmdir("d"));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
