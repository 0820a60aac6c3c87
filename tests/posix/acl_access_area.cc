// Access as ACLs decide it, acl(5).
#include "tests/posix/acls.h"

using namespace posix_test;

namespace {

const User kAlone = kAlice;
const User kMember{.uid = 70001, .gid = 70001, .groups = {kTeam}};
const User kOfTwo{.uid = 70001, .gid = 70001, .groups = {kTeam, 70'500}};

struct Row {
  const char* acl;
  const User& user;
  const char* granted;  // of a file of Bob's whose group is 70500
};
const Row kRows[] = {
    // The owner's entry counts for the owner, and no mask.
    {"u:rwx u70002:--- g:--- m:--- o:---", kBob, "rwx"},
    {"u:--- u70002:rwx g:rwx m:rwx o:rwx", kBob, "---"},
    // A user's own entry comes next, within the mask.
    {"u:rwx u70001:rwx g:--- m:rwx o:---", kAlone, "rwx"},
    {"u:rwx u70001:rwx g:--- m:r-- o:---", kAlone, "r--"},
    {"u:rwx u70001:--- g:rwx m:rwx o:rwx", kAlone, "---"},
    {"u:rwx u70001:r-- g:rwx g70100:rwx m:rwx o:rwx", kOfTwo, "r--"},
    {"u:rwx u70009:rwx g:--- m:rwx o:r--", kAlone, "r--"},
    // Where the mask is empty, Linux looks no further than the mode.
    {"u:rwx u70001:rwx g:rwx m:--- o:r-x", kAlone, "r-x"},
    // Then any group's that grants all that is asked for; others' only to who is in none.
    {"u:rwx g:rwx m:rwx o:---", kAlone, "---"},
    {"u:rwx g:rw- m:rwx o:---", kOfTwo, "rw-"},
    {"u:rwx g:rw- m:r-x o:---", kOfTwo, "r--"},
    {"u:rwx g:--- m:rwx o:rwx", kOfTwo, "---"},
    {"u:rwx g:--- m:rwx o:rwx", kMember, "rwx"},
    {"u:rwx g:--- g70100:r-x m:rwx o:---", kMember, "r-x"},
    {"u:rwx g:--- g70100:r-x m:rwx o:rwx", kMember, "r-x"},
    {"u:rwx g:--- g70100:rwx m:-w- o:---", kMember, "-w-"},
    {"u:rwx g:--- g70001:rw- m:rwx o:---", kAlone, "rw-"},
    {"u:rwx g:r-- g70100:-w- g70001:--x m:rwx o:---", kOfTwo, "r|w|x"},
    {"u:rwx g:r-- g70100:rw- m:rwx o:---", kOfTwo, "rw-"},
    {"u:rwx g:r-- g70100:--- m:rwx o:rwx", kOfTwo, "r--"},
    {"u:rwx g:--- g70300:rwx m:rwx o:--x", kOfTwo, "---"},
    // Others', without a mask.
    {"u:--- g:--- m:--- o:rw-", kAlone, "rw-"},
    {"u:--- u70009:--- g:--- g70300:--- m:--- o:rwx", kMember, "rwx"}};

// Whether what is asked for, as bits, is in what is granted, "r|w|x" meaning any one.
bool grants(std::string_view granted, int asked) {
  int bits = 0;
  for (const char letter : granted) {
    bits |= letter == 'r' ? 4 : letter == 'w' ? 2 : letter == 'x' ? 1 : 0;
  }
  const bool one_at_a_time = granted.find('|') != granted.npos;
  return (asked & ~bits) == 0 && (!one_at_a_time || (asked & (asked - 1)) == 0);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(acl_access_, Case)

BOOST_AUTO_TEST_CASE(access_tells) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo}) {
    for (const Row& row : kRows) {
      make(type, "x");
      NEEDS(chown("x", kBob.uid, 70'500));
      BOOST_TEST(set_acl("x", kAccess, row.acl) == Err{0});
      for (int asked = 1; asked <= 7; ++asked) {
        BOOST_TEST_CONTEXT(type << ' ' << row.acl << " asks " << row.user.uid << " for " << asked) {
          const int wanted = grants(row.granted, asked) ? 0 : EACCES;
          BOOST_TEST(as(row.user, [&] { return err(access("x", asked)); }) == Err{wanted});
        }
      }
      WORKS(access("x", R_OK | W_OK));
      NEEDS(remove("x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(opening_tells) {
  for (const Row& row : kRows) {
    make_file("f", "content");
    NEEDS(chown("f", kBob.uid, 70'500));
    BOOST_TEST(set_acl("f", kAccess, row.acl) == Err{0});
    const struct {
      int flags, asked;
    } ways[] = {{O_RDONLY, 4},
                {O_WRONLY, 2},
                {O_RDWR, 6},
                {O_WRONLY | O_APPEND, 2},
                {O_RDONLY | O_TRUNC, 6}};
    for (const auto& way : ways) {
      BOOST_TEST_CONTEXT(row.acl << " and " << row.user.uid << " with " << way.flags) {
        const int wanted = grants(row.granted, way.asked) ? 0 : EACCES;
        BOOST_TEST(as(row.user, [&] { return err(open("f", way.flags)); }) == Err{wanted});
      }
    }
    NEEDS(unlink("f"));
  }
}

BOOST_AUTO_TEST_CASE(directories_are_read_searched_and_changed_by_it) {
  for (const Row& row : kRows) {
    BOOST_TEST_CONTEXT(row.acl << " and " << row.user.uid) {
      make_dir("d");
      make_file("d/f", "content", 0666);
      make_file("d/h");
      NEEDS(chown("d", kBob.uid, 70'500));
      BOOST_TEST(set_acl("d", kAccess, row.acl) == Err{0});
      const auto wanted = [&](int asked) { return Err{grants(row.granted, asked) ? 0 : EACCES}; };
      BOOST_TEST(as(row.user, [] { return err(open("d", O_RDONLY)); }) == wanted(4));
      BOOST_TEST(as(row.user, [] { return err(chdir("d")); }) == wanted(1));
      BOOST_TEST(as(row.user, [] { return err(open("d/f", O_RDWR)); }) == wanted(1));
      BOOST_TEST(as(row.user, [] { return err(mkdir("d/sub", 0755)); }) == wanted(3));
      BOOST_TEST(as(row.user, [] { return err(rename("d/f", "d/g")); }) == wanted(3));
      BOOST_TEST(as(row.user, [] { return err(unlink("d/h")); }) == wanted(3));
      for (const char* path : {"d/sub", "d/f", "d/g", "d/h", "d"}) (void)remove(path);
    }
  }
}

BOOST_AUTO_TEST_CASE(programs_run_by_it) {
  make_file("program", "#!/bin/sh\nexit 0\n", 0700);
  const auto run = [] {
    execl("program", "program", nullptr);
    return err(-1);
  };
  BOOST_TEST(as(kAlice, run) == Err{EACCES});
  BOOST_TEST(set_acl("program", kAccess, "u:rwx u70001:r-x g:--- m:r-x o:---") == Err{0});
  BOOST_TEST(as(kAlice, run) == Err{0});
  BOOST_TEST(as(kBob, run) == Err{EACCES});
  NEEDS(chmod("program", 0700));  // the mask
  BOOST_TEST(as(kAlice, run) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(a_change_counts_at_once) {
  make_file("f", "content", 0600);
  const auto reads = [] { return as(kAlice, [] { return err(open("f", O_RDONLY)); }); };
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(reads() == Err{EACCES});
    BOOST_TEST(set_acl("f", kAccess, "u:rw- u70001:r-- g:--- m:r-- o:---") == Err{0});
    BOOST_TEST(reads() == Err{0});
    NEEDS(chmod("f", 0600));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chmod("f", 0640));
    BOOST_TEST(reads() == Err{0});
    NEEDS(removexattr("f", kAccess));  // leaves the mask as the group's permissions
    BOOST_TEST(mode_of("f") == 0640U);
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chmod("f", 0600));
  }
}

BOOST_AUTO_TEST_CASE(what_was_inherited_decides_as_well) {
  make_dir("d", 0777);
  BOOST_TEST(set_acl("d", kDefault, "u:rwx u70001:rwx g:--- m:rwx o:---") == Err{0});
  BOOST_TEST(as(kBob, [] { return err(open("d/f", O_WRONLY | O_CREAT, 0666)); }) == Err{0});
  BOOST_TEST(as(kBob, [] { return err(mkdir("d/sub", 0777)); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(open("d/f", O_RDWR)); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(mkdir("d/sub/x", 0777)); }) == Err{0});
  BOOST_TEST(as(kMember, [] { return err(access("d/f", X_OK)); }) == Err{EACCES});  // the mask
  const User other{.uid = 70009, .gid = 70009};
  BOOST_TEST(as(other, [] { return err(open("d/f", O_RDONLY)); }) == Err{EACCES});
  BOOST_TEST(as(other, [] { return err(chdir("d/sub")); }) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(it_does_not_make_an_owner) {
  make_dir("d", 01777);
  make_file("d/f", "content");
  give("d/f", kBob);
  BOOST_TEST(set_acl("d/f", kAccess, "u:rwx u70001:rwx g:rwx m:rwx o:rwx") == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(chmod("d/f", 0777)); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return set_acl("d/f", kAccess, "u:rwx g:rwx o:rwx"); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(unlink("d/f")); }) == Err{EPERM});  // sticky
  BOOST_TEST(as(kAlice, [] { return err(utimensat(AT_FDCWD, "d/f", nullptr, 0)); }) == Err{0});
  const timespec times[2] = {};
  BOOST_TEST(as(kAlice, [&] { return err(utimensat(AT_FDCWD, "d/f", times, 0)); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(setxattr("d/f", "user.a", "v", 1, 0)); }) == Err{0});
}

BOOST_AUTO_TEST_SUITE_END()
