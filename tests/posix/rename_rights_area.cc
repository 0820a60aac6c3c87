// Who may rename(2) what: rights on both parents, on a directory whose ".." changes, and the sticky
// bit. Alice is the one who tries.
#include "tests/posix/support.h"

using namespace posix_test;

namespace {

const User* const kOwners[] = {&kRoot, &kAlice, &kBob};
const User kAliceOfTeam{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};

Err move(const std::string& from, const std::string& to) {
  return err(rename(from.c_str(), to.c_str()));
}

void set(const std::string& path, const User& owner, mode_t mode) {
  give(path, owner);
  NEEDS(chmod(path.c_str(), mode));
}

// "p" and "q" anew, without what was in them.
void make_parents() {
  for (const char* dir : {"p", "q"}) {
    if (exists(dir)) {
      for (const std::string& name : names_in(dir)) {
        NEEDS(remove((std::string(dir) + '/' + name).c_str()));
      }
      NEEDS(rmdir(dir));
    }
    make_dir(dir, 0777);
  }
}

// Of "p/a" to where the moves go, which has to end like this.
void check_move(const std::string& to, int wanted, const User& user = kAlice) {
  const ino_t ino = stat_of("p/a").st_ino;
  const Err got = as(user, [&] { return move("p/a", to); });
  BOOST_TEST(got == Err{wanted});
  BOOST_TEST(stat_of(got.number == 0 ? to : "p/a").st_ino == ino);
}

bool writes_and_searches(mode_t others) { return (others & 3) == 3; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(rename_rights_, Case)

BOOST_AUTO_TEST_CASE(both_parents_are_to_be_written_and_searched) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kSymlink}) {
    for (mode_t p = 0; p < 8; ++p) {
      for (mode_t q = 0; q < 8; ++q) {
        BOOST_TEST_CONTEXT(type << " from " << p << " to " << q) {
          make_parents();
          make(type, "p/a");
          give("p/a", kAlice);
          NEEDS(chmod("p", p));
          NEEDS(chmod("q", q));
          check_move("q/b", writes_and_searches(p) && writes_and_searches(q) ? 0 : EACCES);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(within_one_parent_that_one_is_to_be_written_and_searched) {
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    for (mode_t mode = 0; mode < 8; ++mode) {
      for (const bool replaces : {false, true}) {
        BOOST_TEST_CONTEXT(type << " in " << mode << (replaces ? ", replacing" : "")) {
          make_parents();
          make(type, "p/a");
          if (replaces) make(type, "p/b");
          NEEDS(chmod("p", mode));
          check_move("p/b", writes_and_searches(mode) ? 0 : EACCES);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_class_of_the_caller_counts_and_no_other) {
  const struct {
    uid_t owner;
    gid_t group;
    mode_t mode;
    int wanted;
  } rows[] = {{kAlice.uid, 0, 0700, 0},           {kAlice.uid, 0, 0500, EACCES},
              {kAlice.uid, 0, 0077, EACCES},      {kAlice.uid, kAlice.gid, 0077, EACCES},
              {kBob.uid, kAlice.gid, 0070, 0},    {kBob.uid, kAlice.gid, 0707, EACCES},
              {kBob.uid, kTeam, 0070, 0},         {kBob.uid, kTeam, 0707, EACCES},
              {kBob.uid, kBob.gid, 0007, 0},      {kBob.uid, kBob.gid, 0770, EACCES},
              {kBob.uid, kBob.gid, 0705, EACCES}, {kBob.uid, kAlice.gid, 0030, 0}};
  for (const auto& row : rows) {
    for (const char* restricted : {"p", "q"}) {
      BOOST_TEST_CONTEXT(restricted << ' ' << row.owner << ':' << row.group << ' ' << std::oct
                                    << row.mode) {
        make_parents();
        make_file("p/a");
        set(restricted, {.uid = row.owner, .gid = row.group}, row.mode);
        check_move("q/b", row.wanted, kAliceOfTeam);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_way_to_both_parents_is_to_be_searched) {
  for (const char* dir : {"closed", "closed/p", "open", "open/q"}) make_dir(dir, 0777);
  make_file("closed/p/a");
  make_file("open/q/a");
  NEEDS(chmod("closed", 0766));
  BOOST_TEST(as(kAlice, [] { return move("closed/p/a", "open/q/b"); }) == Err{EACCES});
  BOOST_TEST(as(kAlice, [] { return move("open/q/a", "closed/p/b"); }) == Err{EACCES});
  NEEDS(chmod("closed", 0711));
  BOOST_TEST(as(kAlice, [] { return move("closed/p/a", "open/q/b"); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return move("open/q/a", "closed/p/b"); }) == Err{0});
}

BOOST_AUTO_TEST_CASE(out_of_a_sticky_directory_goes_only_what_one_owns) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kSymlink}) {
    for (const User* dir : kOwners) {
      for (const User* file : kOwners) {
        for (const std::string to : {"p/b", "q/b"}) {
          for (const mode_t mode : {01777, 0777}) {
            BOOST_TEST_CONTEXT(type << " of " << file->uid << " in " << std::oct << mode << std::dec
                                    << " of " << dir->uid << " to " << to) {
              make_parents();
              make(type, "p/a", 0777);
              give("p/a", *file);
              set("p", *dir, mode);
              const bool may = mode == 0777 || file == &kAlice || dir == &kAlice;
              check_move(to, may ? 0 : EPERM);
            }
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(in_a_sticky_directory_one_replaces_only_what_one_owns) {
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    for (const User* dir : kOwners) {
      for (const User* file : kOwners) {
        for (const mode_t mode : {01777, 0777}) {
          BOOST_TEST_CONTEXT(type << " of " << file->uid << " in " << std::oct << mode << std::dec
                                  << " of " << dir->uid) {
            make_parents();
            make(type, "p/a", 0777);
            give("p/a", kAlice);
            make(type, "q/b");
            give("q/b", *file);
            set("q", *dir, mode);
            const bool may = mode == 0777 || file == &kAlice || dir == &kAlice;
            check_move("q/b", may ? 0 : EPERM);
            BOOST_TEST(exists("q/b"));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(into_a_sticky_directory_goes_anything) {
  for (const User* owner : kOwners) {
    make_parents();
    make_file("p/a");
    give("p/a", *owner);
    NEEDS(chmod("q", 01777));
    check_move("q/b", 0);
  }
}

BOOST_AUTO_TEST_CASE(a_directory_is_to_be_written_when_its_parent_changes) {
  const struct {
    uid_t owner;
    gid_t group;
    mode_t mode;
    int wanted;
  } rows[] = {{kAlice.uid, 0, 0700, 0},         {kAlice.uid, 0, 0200, 0},
              {kAlice.uid, 0, 0500, EACCES},    {kAlice.uid, 0, 0077, EACCES},
              {kBob.uid, kTeam, 0020, 0},       {kBob.uid, kTeam, 0757, EACCES},
              {kBob.uid, kAlice.gid, 0770, 0},  {kBob.uid, kAlice.gid, 0707, EACCES},
              {kBob.uid, kBob.gid, 0002, 0},    {kBob.uid, kBob.gid, 0775, EACCES},
              {kRoot.uid, kRoot.gid, 01777, 0}, {kRoot.uid, kRoot.gid, 0755, EACCES}};
  for (const auto& row : rows) {
    for (const std::string to : {"p/b", "q/b"}) {
      for (const bool replaces : {false, true}) {
        BOOST_TEST_CONTEXT(row.owner << ':' << row.group << ' ' << std::oct << row.mode << " to "
                                     << to << (replaces ? ", replacing" : "")) {
          make_parents();
          make_dir("p/a");
          if (replaces) make_dir(to, 0);  // what is replaced may be closed
          set("p/a", {.uid = row.owner, .gid = row.group}, row.mode);
          check_move(to, to == "p/b" ? 0 : row.wanted, kAliceOfTeam);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(other_files_need_no_rights_of_their_own) {
  for (const Type type : kTypes) {
    if (type == Type::kDirectory) continue;
    BOOST_TEST_CONTEXT(type) {
      make_parents();
      make(type, "p/a", 0);
      make(type, "q/b", 0);
      check_move("q/b", 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(root_may_all) {
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make_parents();
      make(type, "p/a", 0);
      give("p/a", kBob);
      make(type, "q/b", 0);
      give("q/b", kAlice);
      set("p", kAlice, 01000);
      set("q", kBob, 01000);
      check_move("q/b", 0, kRoot);
    }
  }
}

BOOST_AUTO_TEST_CASE(refusals_come_in_this_order) {
  make_dir("shut", 0755);
  make_dir("sticky", 01777);
  make_dir("open", 0777);
  for (const char* dir : {"shut/full", "sticky/full", "sticky/full/sub", "open/d"}) make_dir(dir);
  for (const char* file : {"shut/file", "shut/full/x", "sticky/file", "open/file"}) make_file(file);
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"shut/missing", "open/x", ENOENT},    {"shut/file", "shut/file", 0},
              {"shut/file", "open/file", EACCES},    {"shut/file/x", "open/x", ENOTDIR},
              {"shut/full", "shut/full/x", EINVAL},  {"shut/full/x", "shut/full", ENOTEMPTY},
              {"shut/file", "open/d", EACCES},       {"sticky/file", "open/d", EPERM},
              {"sticky/file", "shut/x", EPERM},      {"open/file", "shut/x", EACCES},
              {"open/file", "shut/full", EACCES},    {"open/file", "sticky/full", EPERM},
              {"open/d", "sticky/file", EPERM},      {"open/d", "sticky/full", EPERM},
              {"sticky/full", "open/x", EPERM},      {"shut/file/", "open/x", ENOTDIR},
              {"open/d", "shut/file", EACCES},       {"open/missing", "shut/x", ENOENT},
              {"sticky/full", "sticky/file", EPERM}, {"open/d", "open/file", ENOTDIR},
              {"open/d", "shut/missing/x", ENOENT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      BOOST_TEST(as(kAlice, [&] { return move(row.from, row.to); }) == Err{row.wanted});
    }
  }
}

BOOST_AUTO_TEST_CASE(owner_group_and_mode_stay_in_a_directory_with_setgid) {
  make_parents();
  NEEDS(chown("q", 0, kTeam));
  NEEDS(chmod("q", 02777));
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    make(type, "p/a");
    set("p/a", kAlice, 06755);
    check_move("q/b", 0);
    BOOST_TEST(stat_of("q/b").st_gid == kAlice.gid);
    BOOST_TEST(mode_of("q/b") == 06755U);
    NEEDS(remove("q/b"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
