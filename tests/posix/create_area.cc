// What holds of every call that makes a file: open(2), creat(2), mknod(2), mkfifo(3), mkdir(2),
// symlink(2) and bind(2).
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

Err bind_to(const char* path, mode_t) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = ""};
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return err(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

// bind(2) and symlink(2) are not told a mode.
const struct Maker {
  const char* name;
  Type type;
  bool takes_mode, needs_root;
  int taken;  // the errno when the name is taken
  Err (*make)(const char* path, mode_t mode);
} kMakers[] = {
    {"open", Type::kRegular, true, false, EEXIST,
     [](const char* path, mode_t mode) {
       return closed(open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
     }},
    {"creat", Type::kRegular, true, false, 0,
     [](const char* path, mode_t mode) { return closed(creat(path, mode)); }},
    {"mknod of a regular file", Type::kRegular, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, S_IFREG | mode, 0)); }},
    {"mknod of no type", Type::kRegular, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, mode, 0)); }},
    {"mkfifo", Type::kFifo, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mkfifo(path, mode)); }},
    {"mknod of a fifo", Type::kFifo, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, S_IFIFO | mode, 0)); }},
    {"mknod of a socket", Type::kSocket, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, S_IFSOCK | mode, 0)); }},
    {"mknod of a character device", Type::kCharDevice, true, true, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, S_IFCHR | mode, makedev(1, 3))); }},
    {"mknod of a block device", Type::kBlockDevice, true, true, EEXIST,
     [](const char* path, mode_t mode) { return err(mknod(path, S_IFBLK | mode, makedev(7, 9))); }},
    {"bind", Type::kSocket, false, false, EADDRINUSE, bind_to},
    {"symlink", Type::kSymlink, false, false, EEXIST,
     [](const char* path, mode_t) { return err(symlink("target", path)); }},
    {"mkdir", Type::kDirectory, true, false, EEXIST,
     [](const char* path, mode_t mode) { return err(mkdir(path, mode)); }},
};

std::ostream& operator<<(std::ostream& out, const Maker& maker) { return out << maker.name; }

bool in_order(const timespec& a, const timespec& b) {
  return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(create_, Case)

BOOST_AUTO_TEST_CASE(makes_the_type_empty_with_one_link) {
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) {
      BOOST_TEST(maker.make("x", 0644) == Err{0});
      const struct stat st = stat_of("x");
      const bool is_dir = maker.type == Type::kDirectory;
      BOOST_TEST((st.st_mode & S_IFMT) == bits_of(maker.type));
      BOOST_TEST(st.st_nlink == (is_dir ? 2U : 1U));
      BOOST_TEST(st.st_uid == 0U);
      BOOST_TEST(st.st_gid == 0U);
      BOOST_TEST((is_dir || st.st_size == (maker.type == Type::kSymlink ? 6 : 0)));
      BOOST_TEST((is_dir || st.st_blocks == 0));
      BOOST_TEST(names_in(".") == std::vector<std::string>{"x"});
      NEEDS(remove("x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(gives_the_mode_less_the_umask) {
  const struct {
    mode_t asked, mask, given;
  } rows[] = {{0777, 0, 0777},     {0777, 022, 0755},  {0666, 022, 0644},   {0777, 077, 0700},
              {0666, 0117, 0660},  {0777, 0777, 0},    {0, 0, 0},           {0, 077, 0},
              {0111, 0, 0111},     {0444, 0222, 0444}, {01777, 0, 01777},   {01644, 022, 01644},
              {02777, 0, 02777},   {04755, 0, 04755},  {06711, 022, 06711}, {07777, 022, 07755},
              {07777, 0777, 07000}};
  for (const Maker& maker : kMakers) {
    if (!maker.takes_mode) continue;
    for (const auto& row : rows) {
      // mkdir(2) leaves both to the parent.
      const mode_t ignored = maker.type == Type::kDirectory ? S_ISUID | S_ISGID : 0;
      BOOST_TEST_CONTEXT(maker << " with " << std::oct << row.asked << ", umask " << row.mask) {
        umask(row.mask);
        BOOST_TEST(maker.make("x", row.asked) == Err{0});
        BOOST_TEST(mode_of("x") == (row.given & ~ignored));
        NEEDS(remove("x"));
      }
    }
  }
  for (const mode_t mask : {0, 022, 077, 0777}) {
    umask(mask);
    WORKS(symlink("target", "link"));
    BOOST_TEST(mode_of("link") == 0777U);
    BOOST_TEST(bind_to("socket", 0) == Err{0});
    BOOST_TEST(mode_of("socket") == (0777U & ~mask));
    NEEDS(unlink("link"));
    NEEDS(unlink("socket"));
  }
}

BOOST_AUTO_TEST_CASE(belongs_to_its_maker) {
  make_dir("d", 0777);
  const User member{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
  for (const gid_t group : {kRoot.gid, kTeam}) {
    give("d", {.uid = kBob.uid, .gid = group});
    for (const Maker& maker : kMakers) {
      BOOST_TEST_CONTEXT(maker) {
        const User& user = maker.needs_root ? kRoot : member;
        BOOST_TEST(as(user, [&] { return maker.make("d/x", 0644); }) == Err{0});
        BOOST_TEST(stat_of("d/x").st_uid == user.uid);
        BOOST_TEST(stat_of("d/x").st_gid == user.gid);
        NEEDS(remove("d/x"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_the_group_of_a_set_group_id_directory) {
  make_dir("d", 0777);
  give("d", {.uid = kBob.uid, .gid = kTeam});
  NEEDS(chmod("d", 02777));
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) {
      const User& user = maker.needs_root ? kRoot : kAlice;
      BOOST_TEST(as(user, [&] { return maker.make("d/x", 0644); }) == Err{0});
      BOOST_TEST(stat_of("d/x").st_uid == user.uid);
      BOOST_TEST(stat_of("d/x").st_gid == kTeam);
      const mode_t inherited = maker.type == Type::kDirectory ? S_ISGID : 0;
      BOOST_TEST((mode_of("d/x") & 07000) == inherited);
      NEEDS(remove("d/x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(keeps_set_group_id_from_those_outside_the_group) {
  make_dir("d", 0777);
  give("d", {.uid = kBob.uid, .gid = kTeam});
  NEEDS(chmod("d", 02777));
  const User member{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
  const struct {
    mode_t asked, outsider, insider;
  } rows[] = {{02755, 0755, 02755},  {02710, 0710, 02710},  {02745, 02745, 02745},
              {02640, 02640, 02640}, {06755, 04755, 06755}, {03775, 01755, 03755},
              {04755, 04755, 04755}};
  for (const Maker& maker : kMakers) {
    if (!maker.takes_mode || maker.needs_root || maker.type == Type::kDirectory) continue;
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(maker << " with " << std::oct << row.asked) {
        const std::pair<const User*, mode_t> users[] = {
            {&kAlice, row.outsider}, {&member, row.insider}, {&kRoot, row.insider}};
        for (const auto& [user, wanted] : users) {
          BOOST_TEST(as(*user, [&] { return maker.make("d/x", row.asked); }) == Err{0});
          BOOST_TEST(mode_of("d/x") == wanted);
          NEEDS(remove("d/x"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(is_born_now) {
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) {
      timespec before, after;
      clock_gettime(CLOCK_REALTIME_COARSE, &before);
      BOOST_TEST(maker.make("x", 0644) == Err{0});
      clock_gettime(CLOCK_REALTIME, &after);
      const struct stat st = stat_of("x");
      for (const timespec& time : {st.st_atim, st.st_mtim, st.st_ctim}) {
        BOOST_TEST(in_order(before, time));
        BOOST_TEST(in_order(time, after));
      }
      NEEDS(remove("x"));
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_mtime_and_ctime_of_the_parent_alone) {
  make_dir("grand");
  make_dir("grand/p");
  make_file("grand/p/sibling");
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) {
      const nlink_t links = stat_of("grand/p").st_nlink;
      const auto work = [&] { BOOST_TEST(maker.make("grand/p/x", 0644) == Err{0}); };
      BOOST_TEST(moved_times_of({"grand/p", "grand", "grand/p/sibling"}, work) == "mc - -");
      BOOST_TEST(stat_of("grand/p").st_nlink == links + (maker.type == Type::kDirectory));
      NEEDS(remove("grand/p/x"));
      BOOST_TEST(stat_of("grand/p").st_nlink == links);
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_nothing_where_the_name_is_taken) {
  make_dir("p");
  for (const Maker& maker : kMakers) {
    if (maker.taken == 0) continue;
    make(maker.type, "p/x");
    BOOST_TEST_CONTEXT(maker) {
      const auto work = [&] { BOOST_TEST(maker.make("p/x", 0755) == Err{maker.taken}); };
      BOOST_TEST(moved_times_of({"p", "p/x"}, work) == "- -");
      BOOST_TEST((stat_of("p/x").st_mode & S_IFMT) == bits_of(maker.type));
    }
    NEEDS(remove("p/x"));
  }
}

BOOST_AUTO_TEST_CASE(needs_write_and_search_permission_in_the_parent) {
  const struct {
    mode_t mode;
    User owner;
    int wanted;
  } rows[] = {{0755, kRoot, EACCES},
              {0776, kRoot, EACCES},
              {0775, kRoot, EACCES},
              {0773, kRoot, 0},
              {01777, kRoot, 0},
              {0577, kAlice, EACCES},
              {0677, kAlice, EACCES},
              {0300, kAlice, 0},
              {0757, {.uid = 0, .gid = kAlice.gid}, EACCES},
              {0767, {.uid = 0, .gid = kAlice.gid}, EACCES},
              {0730, {.uid = 0, .gid = kAlice.gid}, 0}};
  for (const auto& row : rows) {
    make_dir("p");
    give("p", row.owner);
    NEEDS(chmod("p", row.mode));
    for (const Maker& maker : kMakers) {
      if (maker.needs_root) continue;
      BOOST_TEST_CONTEXT(maker << " in " << std::oct << row.mode) {
        const auto as_alice = [&] { return as(kAlice, [&] { return maker.make("p/x", 0644); }); };
        if (row.wanted == 0) {
          BOOST_TEST(as_alice() == Err{0});
          NEEDS(remove("p/x"));
        } else {
          BOOST_TEST(as_alice() == Err{row.wanted});
          BOOST_TEST(!exists("p/x"));
        }
      }
    }
    NEEDS(rmdir("p"));
  }
}

BOOST_AUTO_TEST_CASE(that_is_not_permitted_moves_nothing) {
  make_dir("p");
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) {
      const auto work = [&] {
        BOOST_TEST(as(kAlice, [&] { return maker.make("p/x", 0644); }) == Err{EACCES});
      };
      BOOST_TEST(moved_times("p", work) == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(makes_nothing_in_a_directory_that_is_gone) {
  make_dir("gone");
  NEEDS(chdir("gone"));
  NEEDS(rmdir("../gone"));
  for (const Maker& maker : kMakers) {
    BOOST_TEST_CONTEXT(maker) { BOOST_TEST(maker.make("x", 0644) == Err{ENOENT}); }
  }
  NEEDS(chdir(folder.c_str()));
}

BOOST_AUTO_TEST_CASE(reuses_a_name_for_every_other_type) {
  for (const Maker& first : kMakers) {
    for (const Maker& second : kMakers) {
      BOOST_TEST_CONTEXT(first << " and then " << second) {
        BOOST_TEST(first.make("x", 0600) == Err{0});
        BOOST_TEST(exists("x"));
        WORKS(remove("x"));
        BOOST_TEST(!exists("x"));
        BOOST_TEST(second.make("x", 0644) == Err{0});
        BOOST_TEST((stat_of("x").st_mode & S_IFMT) == bits_of(second.type));
        NEEDS(remove("x"));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
