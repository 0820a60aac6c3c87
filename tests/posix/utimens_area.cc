// utimensat(2), futimens(3) and the older calls that set times.
#include <sys/time.h>
#include <utime.h>

#include <limits>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

constexpr timespec kNow{.tv_sec = 0, .tv_nsec = UTIME_NOW};
constexpr timespec kOmit{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
constexpr timespec at(time_t seconds, long nanoseconds = 0) { return {seconds, nanoseconds}; }

struct Times {
  timespec atime, mtime;
};

std::string text(const timespec& time) {
  return std::to_string(time.tv_sec) + '.' + std::to_string(time.tv_nsec);
}
bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
bool before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}
std::string times_of(const std::string& path) {
  const struct stat st = stat_of(path);
  return text(st.st_atim) + ' ' + text(st.st_mtim);
}
std::string times_text(const Times& times) { return text(times.atime) + ' ' + text(times.mtime); }

using Pair = const timespec*;
Err by_path(const char* path, Pair times) { return err(utimensat(AT_FDCWD, path, times, 0)); }
Err without_following(const char* path, Pair times) {
  return err(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}
Err by_descriptor(const char* path, Pair times) {
  const Fd fd(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(futimens(fd, times));
}
// Takes no right to open the file.
Err by_path_descriptor(const char* path, Pair times) {
  const Fd fd(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(utimensat(fd, "", times, AT_EMPTY_PATH));
}

const struct {
  const char* name;
  Err (*set)(const char* path, Pair times);
  bool opens = false, follows = false;
} kCalls[] = {{"utimensat", by_path, false, true},
              {"utimensat without following", without_following},
              {"futimens", by_descriptor, true, true},
              {"utimensat of a descriptor", by_path_descriptor}};

Err set(const char* path, const Times& times) {
  const timespec both[] = {times.atime, times.mtime};
  return by_path(path, both);
}

bool can_be_opened(Type type) {
  return type == Type::kRegular || type == Type::kDirectory || type == Type::kFifo;
}

// What a time becomes that the filesystem cannot keep; holtfs(8) says from when to when it can.
timespec kept(const timespec& time) {
  const time_t low = on_holtfs() ? -9223372035 : -(time_t{1} << 31);
  const time_t high = on_holtfs() ? 9223372035 : (time_t{7} << 31) - 1;
  return time.tv_sec < low ? at(low) : time.tv_sec > high ? at(high) : time;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(utimens_, Case)

BOOST_AUTO_TEST_CASE(sets_both_times_of_every_type_by_every_call) {
  for (const Type type : kTypes) {
    for (const auto& call : kCalls) {
      if (call.opens && !can_be_opened(type)) continue;
      if (call.follows && type == Type::kSymlink) continue;
      BOOST_TEST_CONTEXT(type << ' ' << call.name) {
        make_dir("d");
        make(type, "d/f");
        const timespec times[] = {at(1000000001, 123456789), at(1500000002, 987654321)};
        BOOST_TEST(moved_times_of({"d/f", "d"}, [&] {
                     BOOST_TEST(call.set("d/f", times) == Err{0});
                   }) == "amc -");
        BOOST_TEST(times_of("d/f") == "1000000001.123456789 1500000002.987654321");
        NEEDS(remove("d/f"));
        NEEDS(rmdir("d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(sets_leaves_or_takes_now_for_each_time) {
  const timespec given = at(1000, 1);
  const struct {
    Times times;
    std::string moved;
  } rows[] = {{{given, given}, "amc"}, {{given, kOmit}, "ac"}, {{kOmit, given}, "mc"},
              {{kNow, kNow}, "amc"},   {{kNow, kOmit}, "ac"},  {{kOmit, kNow}, "mc"},
              {{given, kNow}, "amc"},  {{kNow, given}, "amc"}, {{kOmit, kOmit}, ""}};
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo}) {
    for (const auto& call : kCalls) {
      for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(type << ' ' << call.name << ' ' << times_text(row.times)) {
          make(type, "f");
          const timespec times[] = {row.times.atime, row.times.mtime};
          timespec start, end;
          const std::string moved = moved_times("f", [&] {
            clock_gettime(CLOCK_REALTIME_COARSE, &start);
            BOOST_TEST(call.set("f", times) == Err{0});
            clock_gettime(CLOCK_REALTIME, &end);
          });
          BOOST_TEST(moved == row.moved);
          const struct stat st = stat_of("f");
          for (const auto& [asked, got] : {std::pair{times[0], st.st_atim},
                                           {times[1], st.st_mtim},
                                           {row.moved.empty() ? kOmit : kNow, st.st_ctim}}) {
            if (asked.tv_nsec == UTIME_NOW) BOOST_TEST((!before(got, start) && !before(end, got)));
            if (asked.tv_nsec == 1) BOOST_TEST(same(got, given));
          }
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(now_is_one_instant_for_all_three_times) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo}) {
    for (const auto& call : kCalls) {
      for (const bool null : {false, true}) {
        BOOST_TEST_CONTEXT(type << ' ' << call.name << (null ? " without times" : "")) {
          make(type, "f");
          const timespec now[] = {kNow, kNow};
          BOOST_TEST(moved_times("f", [&] {
                       BOOST_TEST(call.set("f", null ? nullptr : now) == Err{0});
                     }) == "amc");
          const struct stat st = stat_of("f");
          BOOST_TEST(text(st.st_atim) == text(st.st_mtim));
          BOOST_TEST(text(st.st_mtim) == text(st.st_ctim));
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(keeps_nanoseconds_from_before_1970_to_far_in_the_future) {
  const time_t seconds[] = {0,           1,           -1,         -2,         -86400,
                            -1000000000, -2147483647, 2147483646, 2147483647, 2147483648,
                            4294967295,  4294967296,  4294967297, 6442450943, 6442450944,
                            8589934591,  8589934592,  9223372035};
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kSymlink}) {
    make(type, "f");
    for (const time_t second : seconds) {
      for (const long nanosecond : {0, 1, 999, 500000000, 999999999}) {
        const Times times = {at(second, nanosecond), at(-second / 8, 999999999 - nanosecond)};
        BOOST_TEST_CONTEXT(type << ' ' << times_text(times)) {
          const timespec both[] = {times.atime, times.mtime};
          BOOST_TEST(without_following("f", both) == Err{0});
          BOOST_TEST(times_of("f") == times_text(times));
        }
      }
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_CASE(takes_the_nearest_of_a_time_that_cannot_be_kept) {
  constexpr time_t kLongest = std::numeric_limits<time_t>::max();
  const timespec times[] = {
      at(-2147483648),    at(-2147483649, 5),     at(-9223372035), at(-9223372036, 999999999),
      at(-kLongest - 1),  at(9223372035),         at(9223372036),  at(15032385535),
      at(15032385536, 1), at(kLongest, 999999999)};
  make_file("f");
  for (const timespec& time : times) {
    BOOST_TEST_CONTEXT(text(time)) {
      BOOST_TEST(set("f", {time, at(5)}) == Err{0});
      BOOST_TEST(times_of("f") == text(kept(time)) + " 5.0");
      BOOST_TEST(set("f", {at(6), time}) == Err{0});
      BOOST_TEST(times_of("f") == "6.0 " + text(kept(time)));
    }
  }
}

BOOST_AUTO_TEST_CASE(seconds_mean_nothing_beside_now_and_omit) {
  make_file("f");
  BOOST_TEST(moved_times("f", [] {
               BOOST_TEST(set("f", {at(77, UTIME_OMIT), at(-1, UTIME_NOW)}) == Err{0});
             }) == "mc");
  BOOST_TEST(stat_of("f").st_mtim.tv_sec > 1000000000);
}

BOOST_AUTO_TEST_CASE(now_is_for_who_may_write_and_other_times_are_for_the_owner) {
  const Times kinds[] = {{kNow, kNow},   {kNow, kOmit},  {kOmit, kNow},
                         {at(1), at(2)}, {at(1), kOmit}, {kOmit, at(2)},
                         {at(1), kNow},  {kNow, at(2)},  {kOmit, kOmit}};
  const struct {
    const User& user;
    mode_t mode;
    bool owns, writes;
  } rows[] = {{kAlice, 0600, true, true}, {kAlice, 0444, true, false}, {kAlice, 0, true, false},
              {kBob, 0666, false, true},  {kBob, 0644, false, false},  {kBob, 0664, false, false},
              {kBob, 0662, false, true},  {kRoot, 0, true, true}};
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const auto& row : rows) {
      make(type, "f", row.mode);
      give("f", kAlice);
      NEEDS(chmod("f", row.mode));
      for (const Times& kind : kinds) {
        BOOST_TEST_CONTEXT(type << " by " << row.user.uid << " with " << std::oct << row.mode
                                << std::dec << ": " << times_text(kind)) {
          const bool both_now = same(kind.atime, kNow) && same(kind.mtime, kNow);
          const bool none = same(kind.atime, kOmit) && same(kind.mtime, kOmit);
          const int wanted = none || row.owns ? 0 : !both_now ? EPERM : row.writes ? 0 : EACCES;
          BOOST_TEST(as(row.user, [&] { return set("f", kind); }) == Err{wanted});
          if (!both_now) continue;
          BOOST_TEST(as(row.user, [] { return by_path("f", nullptr); }) == Err{wanted});
          BOOST_TEST(as(row.user, [] { return err(utime("f", nullptr)); }) == Err{wanted});
        }
      }
      NEEDS(remove("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(of_a_symlink_reaches_the_target_or_the_link) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  NEEDS(symlink("nowhere", "dangling"));
  const timespec times[] = {at(1), at(2)}, others[] = {at(3), at(4)};
  BOOST_TEST(by_path("link", times) == Err{0});
  BOOST_TEST(times_of("f") == "1.0 2.0");
  BOOST_TEST(without_following("link", others) == Err{0});
  BOOST_TEST(times_of("link") == "3.0 4.0");
  BOOST_TEST(times_of("f") == "1.0 2.0");
  BOOST_TEST(by_path("dangling", times) == Err{ENOENT});
  BOOST_TEST(without_following("dangling", others) == Err{0});
  BOOST_TEST(times_of("dangling") == "3.0 4.0");
  BOOST_TEST(as(kAlice, [&] { return without_following("link", others); }) == Err{EPERM});
}

BOOST_AUTO_TEST_CASE(older_calls_set_microseconds_or_seconds) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  const timeval times[] = {{.tv_sec = 1, .tv_usec = 999999}, {.tv_sec = -2, .tv_usec = 3}};
  const utimbuf seconds = {.actime = 10, .modtime = 20};
  WORKS(utimes("link", times));
  BOOST_TEST(times_of("f") == "1.999999000 -2.3000");
  WORKS(utime("f", &seconds));
  BOOST_TEST(times_of("f") == "10.0 20.0");
  WORKS(lutimes("link", times));
  BOOST_TEST(times_of("link") == "1.999999000 -2.3000");
  BOOST_TEST(times_of("f") == "10.0 20.0");
  const Fd fd = open_file("f", O_RDONLY);
  WORKS(futimes(fd, times));
  BOOST_TEST(times_of("f") == "1.999999000 -2.3000");
  for (const suseconds_t bad : {-1, 1000000}) {
    const timeval first[] = {{.tv_sec = 1, .tv_usec = bad}, {.tv_sec = 1, .tv_usec = 0}};
    const timeval second[] = {{.tv_sec = 1, .tv_usec = 0}, {.tv_sec = 1, .tv_usec = bad}};
    FAILS(utimes("f", first), EINVAL);
    FAILS(utimes("f", second), EINVAL);
  }
  BOOST_TEST(moved_times("f", [] { WORKS(utimes("f", nullptr)); }) == "amc");
  BOOST_TEST(moved_times("f", [] { WORKS(utime("f", nullptr)); }) == "amc");
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file");
  make_dir("d");
  make_dir("closed", 0700);
  make_file("closed/f", {}, 0666);
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string name = long_name(256), path = std::string(4095, '/') + "d";
  const timespec times[] = {at(1), at(2)};
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"missing", ENOENT},
              {"", ENOENT},
              {"missing/x", ENOENT},
              {"dangling", ENOENT},
              {"file/x", ENOTDIR},
              {"file/", ENOTDIR},
              {"loop", ELOOP},
              {"loop/x", ELOOP},
              {name.c_str(), ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      BOOST_TEST(by_path(row.path, times) == Err{row.wanted});
      BOOST_TEST(by_path(row.path, nullptr) == Err{row.wanted});
    }
  }
  BOOST_TEST(as(kAlice, [] { return by_path("closed/f", nullptr); }) == Err{EACCES});
  const Fd file = open_file("file", O_RDONLY), d = open_file("d", O_PATH);
  const auto* const volatile nowhere = reinterpret_cast<const timespec*>(8);
  FAILS(utimensat(AT_FDCWD, "file", nowhere, 0), EFAULT);
  FAILS(utimensat(AT_FDCWD, reinterpret_cast<const char*>(nowhere), times, 0), EFAULT);
  FAILS(utimensat(AT_FDCWD, "file", times, AT_REMOVEDIR), EINVAL);
  FAILS(utimensat(-1, "file", times, 0), EBADF);
  FAILS(utimensat(file, "x", times, 0), ENOTDIR);
  FAILS(utimensat(d, "", times, 0), ENOENT);
  FAILS(futimens(-1, times), EBADF);
  FAILS(futimens(d, times), EBADF);
  WORKS(utimensat(d, "../file", times, 0));
  WORKS(utimensat(-1, (folder + "/file").c_str(), times, 0));
}

BOOST_AUTO_TEST_CASE(nanoseconds_beyond_a_second_are_refused_and_move_nothing) {
  make_file("f");
  for (const long bad : {-1L, 1000000000L, UTIME_NOW + 2L, UTIME_OMIT - 2L, 1L << 40}) {
    BOOST_TEST_CONTEXT(bad) {
      BOOST_TEST(moved_times("f", [&] {
                   BOOST_TEST(set("f", {at(1, bad), at(1)}) == Err{EINVAL});
                   BOOST_TEST(set("f", {at(1), at(1, bad)}) == Err{EINVAL});
                   BOOST_TEST(set("f", {at(1, bad), kOmit}) == Err{EINVAL});
                   BOOST_TEST(set("f", {kNow, at(1, bad)}) == Err{EINVAL});
                 }) == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(asked_for_nothing_it_looks_at_nothing) {
  make_dir("closed", 0700);
  BOOST_TEST(set("missing", {kOmit, kOmit}) == Err{0});
  BOOST_TEST(as(kAlice, [] { return set("closed/x", {kOmit, kOmit}); }) == Err{0});
}

BOOST_AUTO_TEST_CASE(moves_nothing_when_it_fails) {
  make_file("f");
  BOOST_TEST(moved_times("f", [] {
               BOOST_TEST(as(kAlice, [] { return set("f", {at(1), at(2)}); }) == Err{EPERM});
               BOOST_TEST(as(kAlice, [] { return set("f", {kNow, kNow}); }) == Err{EACCES});
             }) == "");
}

BOOST_AUTO_TEST_CASE(is_refused_where_all_is_read_only) {
  for (const Type type : kTypes) {
    make(type, "f");
    BOOST_TEST_CONTEXT(type) {
      const timespec times[] = {at(1), at(2)};
      BOOST_TEST(where_read_only([&] { return without_following("f", times); }) == Err{EROFS});
      BOOST_TEST(where_read_only([] { return without_following("f", nullptr); }) == Err{EROFS});
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_CASE(shows_under_every_name_and_after_the_last) {
  make_file("a");
  NEEDS(link("a", "b"));
  BOOST_TEST(set("a", {at(1, 2), at(3, 4)}) == Err{0});
  BOOST_TEST(times_of("b") == "1.2 3.4");
  const Fd fd = open_file("b", O_WRONLY);
  NEEDS(unlink("a"));
  NEEDS(unlink("b"));
  const timespec times[] = {at(-5, 6), kOmit};
  WORKS(futimens(fd, times));
  struct stat st;
  NEEDS(fstat(fd, &st));
  BOOST_TEST(text(st.st_atim) + ' ' + text(st.st_mtim) == "-5.6 3.4");
}

BOOST_AUTO_TEST_CASE(times_that_were_set_stay_through_what_leaves_them) {
  make_dir("d");
  make_file("d/f", "content");
  make_dir("d/sub");
  for (const char* path : {"d/f", "d/sub"}) {
    BOOST_TEST(set(path, {at(1, 2), at(3, 4)}) == Err{0});
    NEEDS(chmod(path, 0700));
    NEEDS(chown(path, 1, 2));
    NEEDS(rename(path, "moved"));
    BOOST_TEST(times_of("moved") == "1.2 3.4");
    NEEDS(rename("moved", path));
  }
  NEEDS(link("d/f", "other"));
  NEEDS(rename("d", "e"));
  const Fd fd = open_file("e/f", O_RDWR);
  NEEDS(fsync(fd));
  BOOST_TEST(times_of("other") == "1.2 3.4");
  BOOST_TEST(times_of("e/sub") == "1.2 3.4");
}

// What is kept of a listing is told by the directory's mtime where the kernel caches it.
BOOST_AUTO_TEST_CASE(an_old_mtime_hides_no_change_of_a_directory) {
  make_dir("d");
  BOOST_TEST(names_in("d").empty());
  const timespec mtime = stat_of("d").st_mtim;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "d/" + std::to_string(i);
    make(Type::kFifo, name);
    BOOST_TEST(set("d", {kOmit, mtime}) == Err{0});
    BOOST_TEST(names_in("d").size() == 1U);
    NEEDS(unlink(name.c_str()));
    BOOST_TEST(set("d", {kOmit, mtime}) == Err{0});
    BOOST_TEST(names_in("d").empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
