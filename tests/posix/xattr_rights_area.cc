// Who may see and change which xattrs of what, and what else happens to them and by them.
#include <fstream>

#include "tests/posix/xattrs.h"

using namespace posix_test;

namespace {

Err set(const std::string& path, const char* name, std::string_view value = "value") {
  return err(lsetxattr(path.c_str(), name, value.data(), value.size(), 0));
}
Err get(const std::string& path, const char* name) {
  return err(lgetxattr(path.c_str(), name, nullptr, 0));
}
Err remove(const std::string& path, const char* name) {
  return err(lremovexattr(path.c_str(), name));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(xattr_rights_, Case)

BOOST_DATA_TEST_CASE(each_type_has_some, boost::unit_test::data::make(kTypes), type) {
  make(type, "x");
  const bool user = type == Type::kRegular || type == Type::kDirectory;
  const struct {
    const char* name;
    bool there;
  } rows[] = {{"user.a", user}, {"trusted.a", true}, {"security.a", true}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      BOOST_TEST(get("x", row.name) == Err{ENODATA});
      BOOST_TEST(remove("x", row.name) == Err{row.there ? ENODATA : EPERM});
      BOOST_TEST(set("x", row.name) == Err{row.there ? 0 : EPERM});
      BOOST_TEST(get("x", row.name) == Err{row.there ? 0 : ENODATA});
      BOOST_TEST(xattrs_of("x").size() == (row.there ? 1U : 0U));
      BOOST_TEST(remove("x", row.name) == Err{row.there ? 0 : EPERM});
    }
  }
}

BOOST_AUTO_TEST_CASE(user_xattrs_need_the_permissions_of_contents) {
  const struct {
    const User& owner;
    gid_t group;
    mode_t mode;
    int to_get, to_set;
  } rows[] = {{kAlice, kAlice.gid, 0600, 0, 0},
              {kAlice, kAlice.gid, 0400, 0, EACCES},
              {kAlice, kAlice.gid, 0200, EACCES, 0},
              {kAlice, kAlice.gid, 0, EACCES, EACCES},
              {kBob, kAlice.gid, 0640, 0, EACCES},
              {kBob, kAlice.gid, 0626, EACCES, 0},
              {kBob, kBob.gid, 0604, 0, EACCES},
              {kBob, kBob.gid, 0602, EACCES, 0},
              {kBob, kTeam, 0666, 0, 0},
              {kBob, kTeam, 0660, EACCES, EACCES}};
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(type << ' ' << row.owner.uid << ' ' << row.group << ' ' << std::oct
                              << row.mode) {
        make(type, "x", row.mode);
        NEEDS(chown("x", row.owner.uid, row.group));
        BOOST_TEST(set("x", "user.old") == Err{0});
        BOOST_TEST(as(kAlice, [] { return get("x", "user.old"); }) == Err{row.to_get});
        BOOST_TEST(as(kAlice, [] { return set("x", "user.new"); }) == Err{row.to_set});
        BOOST_TEST(as(kAlice, [] { return remove("x", "user.old"); }) == Err{row.to_set});
        BOOST_TEST(as(kAlice, [] { return err(listxattr("x", nullptr, 0)); }) == Err{0});
        NEEDS(::remove("x"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(those_of_a_sticky_directory_are_its_owners) {
  make_dir("d", 01777);
  make_file("d/f", "", 0666);
  give("d", kBob);
  BOOST_TEST(as(kBob, [] { return set("d", "user.a"); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return set("d", "user.b"); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return remove("d", "user.a"); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return get("d", "user.a"); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return set("d/f", "user.b"); }) == Err{0});
  BOOST_TEST(set("d", "user.b") == Err{0});
}

BOOST_AUTO_TEST_CASE(trusted_xattrs_are_for_root_alone) {
  make_file("f", "", 0666);
  give("f", kAlice);
  BOOST_TEST(set("f", "trusted.a") == Err{0});
  BOOST_TEST(set("f", "user.a") == Err{0});
  BOOST_TEST(as(kAlice, [] { return get("f", "trusted.a"); }) == Err{ENODATA});
  BOOST_TEST(as(kAlice, [] { return set("f", "trusted.a"); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return remove("f", "trusted.a"); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] {
               return Err{xattrs_of("f") == std::vector<std::string>{"user.a"} ? 0 : EIO};
             }) == Err{0});
  BOOST_TEST((xattrs_of("f") == std::vector<std::string>{"trusted.a", "user.a"}));
}

BOOST_AUTO_TEST_CASE(security_xattrs_are_for_root_to_set_and_for_all_to_see) {
  make_file("f", "", 0);
  give("f", kAlice);
  BOOST_TEST(set("f", "security.a") == Err{0});
  give_capability("f");
  for (const User* user : {&kAlice, &kBob}) {
    BOOST_TEST(as(*user, [] { return get("f", "security.a"); }) == Err{0});
    BOOST_TEST(as(*user, [] { return get("f", "security.capability"); }) == Err{0});
    BOOST_TEST(as(*user, [] { return set("f", "security.a"); }) == Err{EPERM});
    BOOST_TEST(as(*user, [] { return remove("f", "security.a"); }) == Err{EPERM});
    BOOST_TEST(as(*user, [] { return remove("f", "security.capability"); }) == Err{EPERM});
    BOOST_TEST(as(*user, [] {
                 const auto wanted = std::vector<std::string>{"security.a", "security.capability"};
                 return Err{xattrs_of("f") == wanted ? 0 : EIO};
               }) == Err{0});
  }
  for (const char* bad : {"x", "\1\0\0\7aaaaaaaaaaaaaaaa"}) {
    BOOST_TEST(set("f", "security.capability", bad) == Err{EINVAL});
  }
  BOOST_TEST(remove("f", "security.capability") == Err{0});
}

BOOST_AUTO_TEST_CASE(moves_the_ctime_alone_and_not_when_it_fails) {
  make_dir("p");
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    make(type, "p/x");
    for (const char* name : {"user.a", "trusted.a", "security.a"}) {
      BOOST_TEST_CONTEXT(type << ' ' << name) {
        const auto moved = [&](const std::function<void()>& work) {
          std::string of_file;
          const std::string of_parent =
              moved_times("p", [&] { of_file = moved_times("p/x", work); });
          return of_file.append("/").append(of_parent);
        };
        BOOST_TEST(moved([&] { (void)set("p/x", name); }) == "c/");
        BOOST_TEST(moved([&] { (void)set("p/x", name, "other"); }) == "c/");
        BOOST_TEST(moved([&] { lsetxattr("p/x", name, "x", 1, XATTR_REPLACE); }) == "c/");
        BOOST_TEST(moved([&] { lsetxattr("p/x", name, "x", 1, XATTR_CREATE); }) == "/");
        BOOST_TEST(moved([&] { (void)get("p/x", name); }) == "/");
        BOOST_TEST(moved([&] { (void)xattrs_of("p/x"); }) == "/");
        BOOST_TEST(moved([&] { (void)remove("p/x", name); }) == "c/");
        BOOST_TEST(moved([&] { (void)remove("p/x", name); }) == "/");
        BOOST_TEST(moved([&] { lsetxattr("p/x", name, "x", 1, XATTR_REPLACE); }) == "/");
      }
    }
    NEEDS(::remove("p/x"));
  }
}

BOOST_AUTO_TEST_CASE(setting_what_is_there_moves_nothing) {
  make_file("f");
  for (const std::string& value : {std::string("value"), std::string(), pattern(2000)}) {
    for (const char* name : {"user.a", "trusted.a"}) {
      BOOST_TEST(set("f", name, value) == Err{0});
      BOOST_TEST(moved_times("f", [&] { (void)set("f", name, value); }) == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_takes_them_along_and_shares_them_among_its_names) {
  make_dir("other");
  make_file("f");
  make_file("victim");
  BOOST_TEST(set("f", "user.a", "of f") == Err{0});
  BOOST_TEST(set("victim", "user.b", "of victim") == Err{0});
  NEEDS(link("f", "also"));
  BOOST_TEST(set("also", "user.c", "of both") == Err{0});
  BOOST_TEST(xattr_of("f", "user.c").value_or("") == "of both");
  NEEDS(rename("f", "other/moved"));
  NEEDS(rename("also", "victim"));
  BOOST_TEST((xattrs_of("victim") == std::vector<std::string>{"user.a", "user.c"}));
  NEEDS(unlink("other/moved"));
  BOOST_TEST(xattr_of("victim", "user.a").value_or("") == "of f");
  make_file("also");
  make_file("other/moved");
  BOOST_TEST(xattrs_of("also").empty());
  BOOST_TEST(xattrs_of("other/moved").empty());
}

BOOST_AUTO_TEST_CASE(a_directory_takes_them_along_and_hands_none_down) {
  make_dir("d");
  make_dir("d/sub");
  make_file("d/f");
  BOOST_TEST(set("d", "user.a", "of d") == Err{0});
  BOOST_TEST(set("d/sub", "user.b", "of sub") == Err{0});
  BOOST_TEST(set("d/f", "user.c", "of f") == Err{0});
  make_file("d/new");
  make_dir("d/new_dir");
  BOOST_TEST(xattrs_of("d/new").empty());
  BOOST_TEST(xattrs_of("d/new_dir").empty());
  NEEDS(rename("d", "moved"));
  BOOST_TEST(xattr_of("moved", "user.a").value_or("") == "of d");
  BOOST_TEST(xattr_of("moved/sub", "user.b").value_or("") == "of sub");
  BOOST_TEST(xattr_of("moved/f", "user.c").value_or("") == "of f");
  make_dir("d");
  make_dir("d/sub");
  BOOST_TEST(xattrs_of("d").empty());
  BOOST_TEST(xattrs_of("d/sub").empty());
  NEEDS(rmdir("d/sub"));
  NEEDS(rename("moved/sub", "d/sub"));
  BOOST_TEST(xattr_of("d/sub", "user.b").value_or("") == "of sub");
  NEEDS(rmdir("d/sub"));
  make_dir("d/sub");
  BOOST_TEST(xattrs_of("d/sub").empty());
}

BOOST_AUTO_TEST_CASE(an_exchange_exchanges_them) {
  make_file("f");
  make_dir("d");
  BOOST_TEST(set("f", "user.a", "of f") == Err{0});
  BOOST_TEST(set("d", "user.a", "of d") == Err{0});
  NEEDS(renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
  BOOST_TEST(xattr_of("f", "user.a").value_or("") == "of d");
  BOOST_TEST(xattr_of("d", "user.a").value_or("") == "of f");
}

BOOST_AUTO_TEST_CASE(other_changes_leave_them) {
  make_file("f", "content");
  const std::vector<std::string> names = {"security.a", "trusted.a", "user.a"};
  for (const std::string& name : names) BOOST_TEST(set("f", name.c_str()) == Err{0});
  NEEDS(chmod("f", 0600));
  NEEDS(chown("f", kAlice.uid, kAlice.gid));
  NEEDS(truncate("f", 0));
  {
    write_at(open_file("f", O_WRONLY | O_TRUNC), 0, "new");
  }
  NEEDS(utimensat(AT_FDCWD, "f", nullptr, 0));
  BOOST_TEST(xattrs_of("f") == names);
}

BOOST_AUTO_TEST_CASE(a_new_owner_takes_the_capability) {
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    const bool kept = type == Type::kDirectory;
    make(type, "x");
    give_capability("x");
    NEEDS(chmod("x", 0700));
    BOOST_TEST(has_capability("x"));
    NEEDS(chown("x", static_cast<uid_t>(-1), kTeam));
    BOOST_TEST(has_capability("x") == kept);
    give_capability("x");
    NEEDS(chown("x", kAlice.uid, static_cast<gid_t>(-1)));
    BOOST_TEST(has_capability("x") == kept);
    give_capability("x");
    NEEDS(chown("x", static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
    BOOST_TEST(has_capability("x") == kept);
    NEEDS(::remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(a_program_runs_with_its_capability) {
  NEEDS(chmod(".", 0777));
  std::ofstream("program", std::ios::binary) << std::ifstream("/bin/cat").rdbuf();
  NEEDS(chmod("program", 0755));
  const auto raw_sockets = [] {  // bit 13
    unlink("out");
    (void)as(kAlice, [] {
      dup2(open("out", O_WRONLY | O_CREAT, 0644), 1);
      execl("program", "program", "/proc/self/status", nullptr);
      return err(-1);
    });
    const std::string status = content_of("out");
    const std::size_t at = status.find("CapEff:");
    return at != status.npos && (std::stoull(status.substr(at + 8), nullptr, 16) >> 13 & 1) != 0;
  };
  BOOST_TEST(!raw_sockets());
  give_capability("program");
  BOOST_TEST(raw_sockets());
  NEEDS(removexattr("program", "security.capability"));
  BOOST_TEST(!raw_sockets());
}

BOOST_AUTO_TEST_CASE(they_are_reached_through_links_or_are_the_links_own) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  WORKS(setxattr("link", "trusted.a", "file", 4, 0));
  WORKS(lsetxattr("link", "trusted.a", "link itself", 11, 0));
  BOOST_TEST(xattr_of("f", "trusted.a").value_or("") == "file");
  BOOST_TEST(xattr_of("link", "trusted.a").value_or("") == "link itself");
  BOOST_TEST(getxattr("link", "trusted.a", nullptr, 0) == 4);
  WORKS(removexattr("link", "trusted.a"));
  BOOST_TEST(xattrs_of("f").empty());
  BOOST_TEST(xattrs_of("link").size() == 1U);
  NEEDS(rename("link", "moved"));
  BOOST_TEST(xattr_of("moved", "trusted.a").value_or("") == "link itself");
  WORKS(lremovexattr("moved", "trusted.a"));
}

BOOST_AUTO_TEST_CASE(other_types_keep_them_when_they_move) {
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make(type, "x");
      BOOST_TEST(set("x", "trusted.a") == Err{0});
      if (type != Type::kDirectory) NEEDS(link("x", "also"));
      NEEDS(rename("x", "moved"));
      BOOST_TEST(get("moved", "trusted.a") == Err{0});
      if (type != Type::kDirectory) BOOST_TEST(get("also", "trusted.a") == Err{0});
      for (const char* path : {"moved", "also"}) (void)::remove(path);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
