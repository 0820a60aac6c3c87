// POSIX ACLs, acl(5): setting, reading and removing them, and what they and modes do to each other.
#include "tests/posix/acls.h"

using namespace posix_test;

namespace {

const std::string kNamed = "u:rw- u70001:rwx g:r-- g70100:-wx m:rwx o:r--";

Err remove_acl(const std::string& path, const char* name) {
  return err(removexattr(path.c_str(), name));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(acl_, Case)

BOOST_AUTO_TEST_CASE(sets_the_mode_and_is_kept_unless_the_mode_says_all_of_it) {
  const struct {
    const char* acl;
    mode_t mode;
    bool kept;
  } rows[] = {
      {"u:rw- g:r-- o:r--", 0644, false},
      {"u:--- g:--- o:---", 0, false},
      {"u:rwx g:rwx o:rwx", 0777, false},
      {"u:r-- g:-w- o:--x", 0421, false},
      {"u:rw- g:r-- m:rw- o:r--", 0664, true},
      {"u:rw- g:rw- m:--- o:r--", 0604, true},
      {"u:rw- u70001:rwx g:r-- m:rwx o:---", 0670, true},
      {"u:rw- g:r-- g70001:rwx m:--x o:---", 0610, true},
      {"u:rw- u0:r-- u70001:rwx u70002:--- g:r-- g0:r-- g70001:-w- m:r-x o:-wx", 0653, true}};
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo, Type::kSocket,
                          Type::kCharDevice, Type::kBlockDevice}) {
    for (const auto& row : rows) {
      for (const mode_t special : {0U, 07000U}) {
        BOOST_TEST_CONTEXT(row.acl << " on a " << type << " with " << std::oct << special) {
          make(type, "x", special | 0123);
          BOOST_TEST(set_acl("x", kAccess, row.acl) == Err{0});
          BOOST_TEST(mode_of("x") == (special | row.mode));
          BOOST_TEST(acl_of("x") == (row.kept ? row.acl : ""));
          BOOST_TEST(xattrs_of("x").size() == (row.kept ? 1U : 0U));
          NEEDS(remove("x"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(one_that_the_mode_says_removes_what_was_there) {
  make_file("f");
  BOOST_TEST(set_acl("f", kAccess, kNamed) == Err{0});
  BOOST_TEST(set_acl("f", kAccess, "u:rwx g:r-x o:---") == Err{0});
  BOOST_TEST(acl_of("f") == "");
  BOOST_TEST(mode_of("f") == 0750U);
  BOOST_TEST(xattrs_of("f").empty());
}

BOOST_AUTO_TEST_CASE(a_default_acl_leaves_the_mode_and_is_always_kept) {
  make_dir("d", 0755);
  for (const std::string& text :
       {std::string("u:--- g:--- o:---"), kNamed, std::string("u:rwx g:r-x m:rwx o:r-x")}) {
    BOOST_TEST(set_acl("d", kDefault, text) == Err{0});
    BOOST_TEST(acl_of("d", kDefault) == text);
    BOOST_TEST(acl_of("d") == "");
    BOOST_TEST(mode_of("d") == 0755U);
  }
  BOOST_TEST(set_acl("d", kAccess, kNamed) == Err{0});
  BOOST_TEST(acl_of("d", kDefault) == "u:rwx g:r-x m:rwx o:r-x");
  BOOST_TEST((xattrs_of("d") == std::vector<std::string>{kAccess, kDefault}));
}

BOOST_AUTO_TEST_CASE(a_mode_changes_owner_mask_or_group_and_others) {
  const struct {
    const char* before;
    mode_t mode;
    const char* after;
  } rows[] = {{"u:rw- u70001:rwx g:r-- m:rwx o:r--", 0750, "u:rwx u70001:rwx g:r-- m:r-x o:---"},
              {"u:rw- u70001:rwx g:r-- m:rwx o:r--", 0, "u:--- u70001:rwx g:r-- m:--- o:---"},
              {"u:rw- g:r-- m:rw- o:r--", 0124, "u:--x g:r-- m:-w- o:r--"},
              {"u:rw- g:r-- g70100:--- m:--- o:r--", 07777, "u:rwx g:r-- g70100:--- m:rwx o:rwx"}};
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(row.before << " on a " << type << " to " << std::oct << row.mode) {
        make(type, "x");
        BOOST_TEST(set_acl("x", kAccess, row.before) == Err{0});
        NEEDS(chmod("x", row.mode));
        BOOST_TEST(acl_of("x") == row.after);
        BOOST_TEST(mode_of("x") == row.mode);
        const Fd fd = open_file("x", O_RDONLY);
        NEEDS(fchmod(fd, 0640));
        BOOST_TEST(mode_of("x") == 0640U);
        NEEDS(remove("x"));
      }
    }
  }
  make_dir("d");
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  NEEDS(chmod("d", 0700));
  BOOST_TEST(acl_of("d", kDefault) == kNamed);
}

BOOST_AUTO_TEST_CASE(what_is_no_acl_is_refused) {
  make_dir("d");
  BOOST_TEST(set_acl("d", kAccess, kNamed) == Err{0});
  const char* const rows[] = {"u:rwx g:rwx",
                              "u:rwx o:rwx",
                              "g:rwx o:rwx",
                              "u:rwx u:rwx g:rwx o:rwx",
                              "u:rwx g:rwx g:rwx o:rwx",
                              "u:rwx g:rwx o:rwx o:rwx",
                              "u:rwx g:rwx m:rwx m:rwx o:rwx",
                              "g:rwx u:rwx o:rwx",
                              "u:rwx g:rwx o:rwx m:rwx",
                              "u:rwx o:rwx g:rwx",
                              "u:rwx u70001:rwx g:rwx o:rwx",
                              "u:rwx g:rwx g70001:rwx o:rwx",
                              "u70001:rwx u:rwx g:rwx m:rwx o:rwx",
                              "u:rwx g:rwx m:rwx g70001:rwx o:rwx",
                              "u:rwx g70001:rwx g:rwx m:rwx o:rwx",
                              "u:rwx u4294967295:rwx g:rwx m:rwx o:rwx",
                              "m:rwx"};
  for (const char* name : {kAccess, kDefault}) {
    for (const char* row : rows) {
      BOOST_TEST_CONTEXT(row << " as " << name) {
        BOOST_TEST(set_acl("d", name, row) == Err{EINVAL});
      }
    }
    const std::string sound = acl("u:rwx g:rwx o:rwx");
    for (const std::size_t size : {1U, 3U, 5U, 11U, 13U, 27U}) {
      FAILS(setxattr("d", name, sound.data(), size, 0), EINVAL);
    }
    std::string bad = sound;
    bad[0] = 1;  // the version
    FAILS(setxattr("d", name, bad.data(), bad.size(), 0), EOPNOTSUPP);
    bad = sound;
    bad[6] = 8;  // a permission
    FAILS(setxattr("d", name, bad.data(), bad.size(), 0), EINVAL);
    bad = sound;
    bad[4] = 0x40;  // a tag
    FAILS(setxattr("d", name, bad.data(), bad.size(), 0), EINVAL);
  }
  BOOST_TEST(acl_of("d") == kNamed);
  BOOST_TEST(acl_of("d", kDefault) == "");
}

BOOST_AUTO_TEST_CASE(a_user_twice_and_users_in_any_order_are_no_matter) {
  make_file("f");
  const std::string text = "u:rwx u70002:r-- u70001:rwx u70001:--- g:rwx m:rwx o:rwx";
  BOOST_TEST(set_acl("f", kAccess, text) == Err{0});
  BOOST_TEST(acl_of("f") == text);
}

BOOST_AUTO_TEST_CASE(only_directories_have_default_acls_and_symlinks_have_none) {
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make(type, "x");
      const bool directory = type == Type::kDirectory, symlink = type == Type::kSymlink;
      const std::string bytes = acl(kNamed);
      const int refused = symlink ? EOPNOTSUPP : 0;
      FAILS(lsetxattr("x", kAccess, bytes.data(), bytes.size(), 0), refused);
      FAILS(lgetxattr("x", kAccess, nullptr, 0), refused);
      FAILS(lremovexattr("x", kAccess), refused);
      FAILS(lsetxattr("x", kDefault, bytes.data(), bytes.size(), 0), symlink     ? EOPNOTSUPP
                                                                     : directory ? 0
                                                                                 : EACCES);
      FAILS(lgetxattr("x", kDefault, nullptr, 0), symlink ? EOPNOTSUPP : directory ? 0 : ENODATA);
      FAILS(lremovexattr("x", kDefault), refused);
      BOOST_TEST(xattrs_of("x").empty());
      NEEDS(remove("x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(it_is_removed_and_the_mode_stays) {
  make_dir("d", 0755);
  for (const char* name : {kAccess, kDefault}) {
    BOOST_TEST(remove_acl("d", name) == Err{0});  // of none
    BOOST_TEST(set_acl("d", name, kNamed) == Err{0});
    FAILS(getxattr("d", name, nullptr, 0), 0);
    BOOST_TEST(remove_acl("d", name) == Err{0});
    FAILS(getxattr("d", name, nullptr, 0), ENODATA);
    BOOST_TEST(remove_acl("d", name) == Err{0});
    BOOST_TEST(set_acl("d", name, kNamed) == Err{0});
    WORKS(setxattr("d", name, nullptr, 0, 0));  // the empty one
    FAILS(getxattr("d", name, nullptr, 0), ENODATA);
    BOOST_TEST(set_acl("d", name, kNamed) == Err{0});
    BOOST_TEST(set_acl("d", name, "") == Err{0});
    FAILS(getxattr("d", name, nullptr, 0), ENODATA);
  }
  BOOST_TEST(mode_of("d") == 0674U);
  BOOST_TEST(xattrs_of("d").empty());
}

BOOST_AUTO_TEST_CASE(it_is_read_as_an_xattr) {
  make_file("f");
  make_dir("d");
  BOOST_TEST(set_acl("f", kAccess, kNamed) == Err{0});
  const std::string bytes = acl(kNamed);
  std::string room(bytes.size(), '\0');
  BOOST_TEST(getxattr("f", kAccess, nullptr, 0) == std::ssize(bytes));
  BOOST_TEST(getxattr("f", kAccess, room.data(), room.size()) == std::ssize(bytes));
  BOOST_TEST(same_bytes(room, bytes));
  FAILS(getxattr("f", kAccess, room.data(), room.size() - 1), ERANGE);
  FAILS(getxattr("f", kDefault, nullptr, 0), ENODATA);
  FAILS(getxattr("d", kAccess, nullptr, 0), ENODATA);
  const Fd fd = open_file("f", O_RDONLY), path = open_file("f", O_PATH);
  BOOST_TEST(fgetxattr(fd, kAccess, nullptr, 0) == std::ssize(bytes));
  FAILS(fgetxattr(path, kAccess, nullptr, 0), EBADF);
  WORKS(fsetxattr(fd, kAccess, bytes.data(), bytes.size(), XATTR_CREATE));  // flags do not count
  WORKS(fremovexattr(fd, kAccess));
  WORKS(fsetxattr(fd, kAccess, bytes.data(), bytes.size(), XATTR_REPLACE));
  FAILS(fsetxattr(fd, kAccess, bytes.data(), bytes.size(), 8), EINVAL);
  BOOST_TEST(set_acl("missing", kAccess, kNamed) == Err{ENOENT});
}

BOOST_AUTO_TEST_CASE(many_entries_are_kept) {
  make_dir("d");
  std::string text = "u:rwx";
  for (int i = 0; i < 200; ++i) text += " u" + std::to_string(80'000 + i) + ":r-x";
  text += " g:r-x";
  for (int i = 0; i < 100; ++i) text += " g" + std::to_string(80'000 + i) + ":--x";
  text += " m:rwx o:---";
  BOOST_TEST(set_acl("d", kAccess, text) == Err{0});
  BOOST_TEST(acl_of("d") == text);
  NEEDS(chmod("d", 0750));
  BOOST_TEST(acl_of("d").ends_with(":--x m:r-x o:---"));
}

BOOST_AUTO_TEST_CASE(owner_and_root_change_it_and_everybody_sees_it) {
  make_dir("d", 0777);
  give("d", kAlice);
  const User in_group = {.uid = kBob.uid, .gid = kBob.gid, .groups = {kAlice.gid}};
  for (const char* name : {kAccess, kDefault}) {
    const struct {
      const User& user;
      int wanted;
    } rows[] = {{kAlice, 0}, {kRoot, 0}, {kBob, EPERM}, {in_group, EPERM}};
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(row.user.uid << " and " << name) {
        BOOST_TEST(as(row.user, [&] { return set_acl("d", name, kNamed); }) == Err{row.wanted});
        BOOST_TEST(as(row.user, [&] { return err(getxattr("d", name, nullptr, 0)); }) == Err{0});
        BOOST_TEST(as(row.user, [&] { return remove_acl("d", name); }) == Err{row.wanted});
        BOOST_TEST(set_acl("d", name, kNamed) == Err{0});
      }
    }
  }
  BOOST_TEST(where_read_only([] { return set_acl("d", kAccess, kNamed); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return remove_acl("d", kAccess); }) == Err{EROFS});
}

BOOST_AUTO_TEST_CASE(who_is_not_of_the_group_loses_the_set_group_id_bit) {
  const User member = {.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam, 70'500}};
  const struct {
    const User& user;
    gid_t group;
    const char* name;
    bool kept;
  } rows[] = {{kAlice, kTeam, kAccess, false},    {kAlice, kAlice.gid, kAccess, true},
              {member, kTeam, kAccess, true},     {member, 70'500, kAccess, true},
              {member, kBob.gid, kAccess, false}, {kRoot, kTeam, kAccess, true},
              {kAlice, kTeam, kDefault, true}};
  for (const auto& row : rows) {
    for (const std::string& text : {kNamed, std::string("u:rwx g:r-x o:---")}) {
      BOOST_TEST_CONTEXT("row " << &row - rows << ", " << text) {
        make_dir("d");
        NEEDS(chown("d", kAlice.uid, row.group));
        NEEDS(chmod("d", 07755));
        BOOST_TEST(as(row.user, [&] { return set_acl("d", row.name, text); }) == Err{0});
        BOOST_TEST((mode_of("d") & 07000U) == (row.kept ? 07000U : 05000U));
        NEEDS(rmdir("d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_the_ctime_alone) {
  make_dir("p");
  make_dir("p/d");
  const auto moved = [&](const std::function<Err()>& work) {
    std::string of_file;
    const std::string of_parent = moved_times(
        "p", [&] { of_file = moved_times("p/d", [&] { BOOST_TEST(work() == Err{0}); }); });
    return of_file.append("/").append(of_parent);
  };
  BOOST_TEST(moved([] { return set_acl("p/d", kAccess, kNamed); }) == "c/");
  BOOST_TEST(moved([] { return set_acl("p/d", kDefault, kNamed); }) == "c/");
  BOOST_TEST(moved([] { return err(chmod("p/d", 0700)); }) == "c/");
  BOOST_TEST(moved([] { return remove_acl("p/d", kAccess); }) == "c/");
  BOOST_TEST(moved([] { return remove_acl("p/d", kAccess); }) == "/");  // none there
  BOOST_TEST(moved([] { return remove_acl("p/d", kDefault); }) == "c/");
  BOOST_TEST(moved([] { return remove_acl("p/d", kDefault); }) == "/");
  BOOST_TEST(moved([] { return set_acl("p/d", kAccess, "u:rwx g:--- o:r--"); }) == "c/");
  BOOST_TEST(moved([] { return set_acl("p/d", kAccess, "u:rwx g:--- o:r--"); }) == "/");
  BOOST_TEST(moved([] { return err(getxattr("p/d", kAccess, nullptr, 0) >= 0 ? -1 : 0); }) == "/");
}

BOOST_AUTO_TEST_CASE(setting_what_is_there_moves_nothing) {
  make_dir("d");
  for (const char* name : {kAccess, kDefault}) {
    BOOST_TEST(set_acl("d", name, kNamed) == Err{0});
    BOOST_TEST(moved_times("d", [&] { (void)set_acl("d", name, kNamed); }) == "");
  }
}

BOOST_AUTO_TEST_CASE(failing_changes_nothing) {
  make_file("f", "", 0640);
  BOOST_TEST(moved_times("f", [] {
               (void)set_acl("f", kAccess, "u:rwx g:rwx");
               (void)set_acl("f", kDefault, kNamed);
               (void)as(kAlice, [] { return set_acl("f", kAccess, kNamed); });
             }) == "");
  BOOST_TEST(mode_of("f") == 0640U);
  BOOST_TEST(xattrs_of("f").empty());
}

BOOST_AUTO_TEST_CASE(renames_links_and_new_owners_keep_it) {
  make_dir("d");
  make_file("d/f");
  BOOST_TEST(set_acl("d/f", kAccess, kNamed) == Err{0});
  BOOST_TEST(set_acl("d", kAccess, kNamed) == Err{0});
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  NEEDS(link("d/f", "also"));
  NEEDS(rename("d/f", "f"));
  NEEDS(rename("d", "moved"));
  NEEDS(chown("f", kAlice.uid, kAlice.gid));
  NEEDS(truncate("f", 100));
  for (const char* path : {"f", "also", "moved"}) BOOST_TEST(acl_of(path) == kNamed);
  BOOST_TEST(acl_of("moved", kDefault) == kNamed);
  NEEDS(chmod("also", 0600));
  BOOST_TEST(acl_of("f") == "u:rw- u70001:rwx g:r-- g70100:-wx m:--- o:---");
  make_file("victim");
  BOOST_TEST(set_acl("victim", kAccess, "u:rwx u70002:rwx g:rwx m:rwx o:rwx") == Err{0});
  NEEDS(rename("also", "victim"));
  BOOST_TEST(acl_of("victim") == acl_of("f"));
  make_dir("d");
  BOOST_TEST(xattrs_of("d").empty());
}

BOOST_AUTO_TEST_SUITE_END()
