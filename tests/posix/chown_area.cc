// chown(2), lchown(2), fchown(2) and fchownat(2).
#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr uid_t kSame = static_cast<uid_t>(-1);
const User kAliceOfTeam{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};

Err by_path(const char* path, uid_t uid, gid_t gid) { return err(chown(path, uid, gid)); }
Err without_following(const char* path, uid_t uid, gid_t gid) {
  return err(lchown(path, uid, gid));
}
Err by_descriptor(const char* path, uid_t uid, gid_t gid) {
  const Fd fd(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(fchown(fd, uid, gid));
}
Err in_folder(const char* path, uid_t uid, gid_t gid) {
  return err(fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW));
}
// Takes no right to open the file.
Err by_path_descriptor(const char* path, uid_t uid, gid_t gid) {
  const Fd fd(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

const struct {
  const char* name;
  Err (*change)(const char* path, uid_t uid, gid_t gid);
  bool opens = false, follows = false;
} kCalls[] = {{"chown", by_path, false, true},
              {"lchown", without_following},
              {"fchown", by_descriptor, true, true},
              {"fchownat", in_folder},
              {"fchownat of a descriptor", by_path_descriptor}};

bool can_be_opened(Type type) {
  return type == Type::kRegular || type == Type::kDirectory || type == Type::kFifo;
}

std::string owners_of(const std::string& path) {
  const struct stat st = stat_of(path);
  return std::to_string(st.st_uid) + ':' + std::to_string(st.st_gid);
}
std::string owners(uid_t uid, gid_t gid) { return std::to_string(uid) + ':' + std::to_string(gid); }

// Changes of owners that a file of Alice and her group can go through.
const struct {
  uid_t uid;
  gid_t gid;
} kChanges[] = {{kSame, kSame},         {kSame, kAlice.gid},
                {kAlice.uid, kSame},    {kAlice.uid, kAlice.gid},
                {kSame, kTeam},         {kAlice.uid, kTeam},
                {kBob.uid, kSame},      {kBob.uid, kBob.gid},
                {kSame, kBob.gid},      {0, 0},
                {kBob.uid, kAlice.gid}, {0, kTeam}};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(chown_, Case)

BOOST_AUTO_TEST_CASE(sets_ids_of_every_type_by_every_call) {
  for (const Type type : kTypes) {
    for (const auto& call : kCalls) {
      if (call.opens && !can_be_opened(type)) continue;
      if (call.follows && type == Type::kSymlink) continue;
      BOOST_TEST_CONTEXT(type << ' ' << call.name) {
        make(type, "f");
        const struct stat before = stat_of("f");
        const struct {
          uid_t uid;
          gid_t gid;
          std::string wanted;
        } rows[] = {{1, 2, "1:2"},
                    {3, kSame, "3:2"},
                    {kSame, 4, "3:4"},
                    {kSame, kSame, "3:4"},
                    {0, 0, "0:0"},
                    {65534, 65535, "65534:65535"},
                    {65536, 0x7fffffff, "65536:2147483647"},
                    {0xfffffffe, 0x80000000, "4294967294:2147483648"}};
        for (const auto& row : rows) {
          BOOST_TEST(call.change("f", row.uid, row.gid) == Err{0});
          BOOST_TEST(owners_of("f") == row.wanted);
        }
        const struct stat after = stat_of("f");
        BOOST_TEST(after.st_mode == before.st_mode);
        BOOST_TEST(after.st_ino == before.st_ino);
        BOOST_TEST(after.st_rdev == before.st_rdev);
        BOOST_TEST(after.st_size == before.st_size);
        NEEDS(remove("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_ctime_whatever_is_asked) {
  for (const Type type : kTypes) {
    for (const auto& change : kChanges) {
      BOOST_TEST_CONTEXT(type << " to " << owners(change.uid, change.gid)) {
        make_dir("d");
        make(type, "d/f");
        give("d/f", kAlice);
        BOOST_TEST(moved_times_of({"d/f", "d"}, [&] {
                     BOOST_TEST(without_following("d/f", change.uid, change.gid) == Err{0});
                   }) == "c -");
        NEEDS(remove("d/f"));
        NEEDS(rmdir("d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(owners_give_to_their_groups_and_root_gives_to_all) {
  const struct {
    const User* user;
    bool (*may)(uid_t uid, gid_t gid);
  } users[] = {{&kRoot, [](uid_t, gid_t) { return true; }},
               {&kAlice,
                [](uid_t uid, gid_t gid) {
                  return (uid == kSame || uid == kAlice.uid) && (gid == kSame || gid == kAlice.gid);
                }},
               {&kAliceOfTeam,
                [](uid_t uid, gid_t gid) {
                  return (uid == kSame || uid == kAlice.uid) &&
                         (gid == kSame || gid == kAlice.gid || gid == kTeam);
                }},
               {&kBob, [](uid_t uid, gid_t gid) { return uid == kSame && gid == kSame; }}};
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kSymlink, Type::kFifo}) {
    for (const auto& row : users) {
      for (const auto& change : kChanges) {
        BOOST_TEST_CONTEXT(type << " by " << row.user->uid << " to "
                                << owners(change.uid, change.gid)) {
          make(type, "f");
          give("f", kAlice);
          const bool may = row.may(change.uid, change.gid);
          BOOST_TEST(as(*row.user, [&] {
                       return without_following("f", change.uid, change.gid);
                     }) == Err{may ? 0 : EPERM});
          const uid_t uid = may && change.uid != kSame ? change.uid : kAlice.uid;
          const gid_t gid = may && change.gid != kSame ? change.gid : kAlice.gid;
          BOOST_TEST(owners_of("f") == owners(uid, gid));
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_owner_outside_the_group_may_name_it_again) {
  for (const Type type : {Type::kRegular, Type::kDirectory}) {
    make(type, "f");
    NEEDS(chown("f", kAlice.uid, kTeam));
    BOOST_TEST(as(kAlice, [] { return by_path("f", kSame, kTeam); }) == Err{0});
    BOOST_TEST(as(kAlice, [] { return by_path("f", kAlice.uid, kTeam); }) == Err{0});
    BOOST_TEST(as(kAlice, [] { return by_path("f", kSame, kAlice.gid); }) == Err{0});
    BOOST_TEST(as(kAlice, [] { return by_path("f", kSame, kTeam); }) == Err{EPERM});
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_CASE(takes_no_right_to_the_file_and_one_to_reach_it) {
  make_dir("d");
  make_file("d/f", {}, 0);
  NEEDS(chown("d/f", kAlice.uid, kTeam));
  for (const auto& call : kCalls) {
    if (call.opens) continue;
    BOOST_TEST_CONTEXT(call.name) {
      const auto change = [&] { return call.change("d/f", kSame, kTeam); };
      BOOST_TEST(as(kAliceOfTeam, change) == Err{0});
      NEEDS(chmod("d", 0766));
      BOOST_TEST(as(kAliceOfTeam, change) == Err{EACCES});
      NEEDS(chmod("d", 0755));
    }
  }
}

// Only the set-id bits that lend rights to who executes go, whoever changes the owner.
BOOST_AUTO_TEST_CASE(drops_set_ids_of_all_but_directories) {
  const struct {
    mode_t mode, left;
  } rows[] = {{04755, 0755}, {02755, 0755}, {06755, 0755}, {07777, 01777}, {01777, 01777},
              {0644, 0644},  {04644, 0644}, {06711, 0711}, {04000, 0},     {02010, 010}};
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const auto& row : rows) {
      for (const User* user : {&kRoot, &kAliceOfTeam}) {
        for (const auto& change : kChanges) {
          const bool alices = change.uid == kSame || change.uid == kAlice.uid;
          if (user != &kRoot && (!alices || change.gid == kBob.gid)) continue;
          BOOST_TEST_CONTEXT(type << ' ' << std::oct << row.mode << std::dec << " by " << user->uid
                                  << " to " << owners(change.uid, change.gid)) {
            make(type, "f");
            give("f", kAlice);
            NEEDS(chmod("f", row.mode));
            BOOST_TEST(as(*user, [&] { return by_path("f", change.uid, change.gid); }) == Err{0});
            BOOST_TEST(mode_of("f") == (type == Type::kDirectory ? row.mode : row.left));
            NEEDS(remove("f"));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(setgid_without_execution_stays_for_root_and_who_is_of_the_group) {
  const struct {
    const User& user;
    gid_t group;
    mode_t left;
  } rows[] = {{kRoot, kAlice.gid, 02644},
              {kRoot, kTeam, 02644},
              {kAlice, kAlice.gid, 02644},
              {kAlice, kTeam, 0644},
              {kAliceOfTeam, kTeam, 02644}};
  for (const auto& row : rows) {
    for (const auto& call : kCalls) {
      BOOST_TEST_CONTEXT(call.name << " by " << row.user.uid << " of group " << row.group << " and "
                                   << row.user.groups.size()) {
        make_file("f");
        NEEDS(chown("f", kAlice.uid, row.group));
        NEEDS(chmod("f", 06644));
        BOOST_TEST(as(row.user, [&] { return call.change("f", kSame, row.group); }) == Err{0});
        BOOST_TEST(mode_of("f") == row.left);
        NEEDS(unlink("f"));
      }
    }
  }
}

// A FUSE filesystem is not told enough to refuse; that the bits stay is what matters.
BOOST_AUTO_TEST_CASE(nobody_else_may_even_change_nothing_where_bits_would_go) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo}) {
    for (const mode_t mode : {04755, 02755, 06755, 01755, 0755}) {
      BOOST_TEST_CONTEXT(type << ' ' << std::oct << mode) {
        make(type, "f");
        give("f", kAlice);
        NEEDS(chmod("f", mode));
        const bool drops = type != Type::kDirectory && (mode & 06000) != 0;
        BOOST_TEST(moved_times("f", [&] {
                     BOOST_TEST(as(kBob, [] { return by_path("f", kSame, kSame); }) ==
                                Err{drops && !on_holtfs() ? EPERM : 0});
                   }) == (drops ? "" : "c"));
        BOOST_TEST(mode_of("f") == mode);
        NEEDS(remove("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(drops_capabilities) {
  for (const auto& call : kCalls) {
    for (const User* user : {&kRoot, &kAliceOfTeam}) {
      for (const auto& change : kChanges) {
        const bool alices = change.uid == kSame || change.uid == kAlice.uid;
        if (user != &kRoot && (!alices || change.gid == kBob.gid)) continue;
        BOOST_TEST_CONTEXT(call.name << " by " << user->uid << " to "
                                     << owners(change.uid, change.gid)) {
          make_file("f", {}, 0755);
          give("f", kAlice);
          give_capability("f");
          BOOST_TEST(as(*user, [&] { return call.change("f", change.uid, change.gid); }) == Err{0});
          BOOST_TEST(!has_capability("f"));
          NEEDS(unlink("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(does_nothing_when_it_fails) {
  make_file("f");
  give("f", kAlice);
  NEEDS(chmod("f", 06755));
  give_capability("f");
  BOOST_TEST(moved_times("f", [] {
               for (const auto& call : kCalls) {
                 const auto change = [&](uid_t uid, gid_t gid) {
                   return [&call, uid, gid] { return call.change("f", uid, gid); };
                 };
                 BOOST_TEST(as(kAlice, change(kBob.uid, kSame)) == Err{EPERM});
                 BOOST_TEST(as(kAlice, change(kSame, kTeam)) == Err{EPERM});
                 BOOST_TEST(as(kAliceOfTeam, change(kBob.uid, kTeam)) == Err{EPERM});
                 BOOST_TEST(as(kBob, change(kBob.uid, kBob.gid)) == Err{EPERM});
                 BOOST_TEST(as(kBob, change(kAlice.uid, kSame)) == Err{EPERM});
               }
             }) == "");
  BOOST_TEST(mode_of("f") == 06755U);
  BOOST_TEST(has_capability("f"));
}

BOOST_AUTO_TEST_CASE(of_a_symlink_reaches_the_target_or_the_link) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  NEEDS(symlink("nowhere", "dangling"));
  BOOST_TEST(moved_times_of({"f", "link"}, [] { WORKS(chown("link", 1, 2)); }) == "c a");
  BOOST_TEST(owners_of("f") + ' ' + owners_of("link") == "1:2 0:0");
  BOOST_TEST(moved_times_of({"f", "link"}, [] { WORKS(lchown("link", 3, 4)); }) == "- c");
  BOOST_TEST(owners_of("f") + ' ' + owners_of("link") == "1:2 3:4");
  WORKS(fchownat(AT_FDCWD, "link", 5, 6, 0));
  BOOST_TEST(owners_of("f") + ' ' + owners_of("link") == "5:6 3:4");
  BOOST_TEST(mode_of("link") == 0777U);
  FAILS(chown("dangling", 1, 2), ENOENT);
  WORKS(lchown("dangling", 1, 2));
  BOOST_TEST(owners_of("dangling") == "1:2");
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file");
  make_dir("d");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string name = long_name(256), path = std::string(4095, '/') + "d";
  const struct {
    const char* path;
    int wanted, of_link;
  } rows[] = {{"missing", ENOENT, ENOENT},
              {"", ENOENT, ENOENT},
              {"missing/x", ENOENT, ENOENT},
              {"dangling", ENOENT, 0},
              {"dangling/x", ENOENT, ENOENT},
              {"dangling/", ENOENT, ENOENT},
              {"file/x", ENOTDIR, ENOTDIR},
              {"file/", ENOTDIR, ENOTDIR},
              {"loop", ELOOP, 0},
              {"loop/x", ELOOP, ELOOP},
              {name.c_str(), ENAMETOOLONG, ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG, ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      FAILS(chown(row.path, 1, 2), row.wanted);
      FAILS(lchown(row.path, 1, 2), row.of_link);
      FAILS(fchownat(AT_FDCWD, row.path, 1, 2, 0), row.wanted);
    }
  }
  const Fd file = open_file("file", O_RDONLY), d = open_file("d", O_PATH);
  const char* volatile nowhere = reinterpret_cast<const char*>(1);
  FAILS(chown(nowhere, 1, 2), EFAULT);
  FAILS(fchown(-1, 1, 2), EBADF);
  FAILS(fchown(d, 1, 2), EBADF);
  FAILS(fchownat(-1, "file", 1, 2, 0), EBADF);
  FAILS(fchownat(file, "x", 1, 2, 0), ENOTDIR);
  FAILS(fchownat(AT_FDCWD, "file", 1, 2, AT_REMOVEDIR), EINVAL);
  WORKS(fchownat(d, "../file", 1, 2, 0));
  WORKS(fchownat(d, "", 1, 2, AT_EMPTY_PATH));
  BOOST_TEST(owners_of("d") == "1:2");
}

BOOST_AUTO_TEST_CASE(shows_under_every_name_and_after_the_last) {
  make_file("a");
  NEEDS(link("a", "b"));
  WORKS(chown("a", 1, 2));
  BOOST_TEST(owners_of("b") == "1:2");
  const Fd fd = open_file("b", O_WRONLY);
  WORKS(fchown(fd, 3, kSame));
  BOOST_TEST(owners_of("a") == "3:2");
  NEEDS(unlink("a"));
  NEEDS(unlink("b"));
  WORKS(fchown(fd, kSame, 4));
  struct stat st;
  NEEDS(fstat(fd, &st));
  BOOST_TEST(owners(st.st_uid, st.st_gid) == owners(3, 4));
}

BOOST_AUTO_TEST_CASE(is_refused_where_all_is_read_only) {
  for (const Type type : kTypes) {
    make(type, "f");
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(where_read_only([] { return without_following("f", 1, 2); }) == Err{EROFS});
      BOOST_TEST(owners_of("f") == "0:0");
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
