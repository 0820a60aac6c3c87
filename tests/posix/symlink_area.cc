// symlink(2), symlinkat(2), readlink(2), readlinkat(2), and how symlinks are followed.
#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

std::string target_of(const std::string& path, std::size_t room = 5000) {
  std::string target(room, '?');
  const ssize_t got = readlink(path.c_str(), target.data(), room);
  NEEDS(got);
  target.resize(static_cast<std::size_t>(got));
  return target;
}

// link1 leads to `end`, link2 to link1 and so on.
void make_chain(int links, const char* end) {
  for (int i = 1; i <= links; ++i) {
    const std::string target = i == 1 ? end : "link" + std::to_string(i - 1);
    NEEDS(symlink(target.c_str(), ("link" + std::to_string(i)).c_str()));
  }
}

void remove_made() {
  if (exists("made")) NEEDS(remove("made"));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(symlink_, Case)

BOOST_AUTO_TEST_CASE(keeps_targets_of_every_length) {
  for (const std::size_t size : {1, 2, 58, 59, 60, 61, 127, 128, 254, 255, 256, 257, 1023, 1024,
                                 2047, 2048, 4000, 4094, 4095}) {
    BOOST_TEST_CONTEXT(size) {
      std::string target;
      while (target.size() < size) target += static_cast<char>('a' + target.size() % 26);
      WORKS(symlink(target.c_str(), "link"));
      const struct stat st = stat_of("link");
      BOOST_TEST(S_ISLNK(st.st_mode));
      BOOST_TEST(st.st_size == static_cast<off_t>(size));
      BOOST_TEST(st.st_nlink == 1U);
      BOOST_TEST((target_of("link") == target));
      NEEDS(link("link", "again"));
      NEEDS(unlink("link"));
      NEEDS(rename("again", "link"));
      BOOST_TEST((target_of("link") == target));
      NEEDS(unlink("link"));
    }
  }
  for (const std::size_t size : {4096U, 4097U, 8192U}) {
    FAILS(symlink(std::string(size, 't').c_str(), "link"), ENAMETOOLONG);
  }
  FAILS(symlink("", "link"), ENOENT);
  BOOST_TEST(names_in(".").empty());
}

BOOST_AUTO_TEST_CASE(keeps_targets_of_any_bytes) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& target :
       {all, std::string("/"), std::string("//"), std::string("."), std::string(".."),
        std::string("a/"), std::string("/a//b/"), std::string("\xff\xfe"), std::string("\n"),
        std::string("../../../../.."), std::string(" "), long_name(300)}) {
    WORKS(symlink(target.c_str(), "link"));
    BOOST_TEST((target_of("link") == target));
    BOOST_TEST(stat_of("link").st_size == std::ssize(target));
    NEEDS(unlink("link"));
  }
}

BOOST_AUTO_TEST_CASE(need_not_lead_anywhere) {
  make_file("f");
  for (const char* const target : {"nowhere", "f/x", "missing/x", "link", "/nowhere/x", "f/"}) {
    WORKS(symlink(target, "link"));
    BOOST_TEST(target_of("link") == target);
    NEEDS(unlink("link"));
  }
}

BOOST_AUTO_TEST_CASE(readlink_fills_no_more_than_its_room) {
  NEEDS(symlink("0123456789", "link"));
  for (const std::size_t room : {1U, 5U, 9U, 10U, 11U, 100U}) {
    std::string bytes(101, '?');
    const ssize_t wanted = room < 10 ? static_cast<ssize_t>(room) : 10;
    BOOST_TEST(readlink("link", bytes.data(), room) == wanted);
    BOOST_TEST(bytes == std::string("0123456789").substr(0, static_cast<std::size_t>(wanted)) +
                            std::string(101 - static_cast<std::size_t>(wanted), '?'));
  }
  char byte;
  FAILS(readlink("link", &byte, 0), EINVAL);
  char* volatile nowhere = reinterpret_cast<char*>(std::uintptr_t{1});
  FAILS(readlink("link", nowhere, 10), EFAULT);
}

BOOST_AUTO_TEST_CASE(readlink_refuses_the_other_types) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    make(type, "x");
    char target[10];
    FAILS(readlink("x", target, sizeof target), EINVAL);
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(readlink_needs_no_permission_on_the_symlink) {
  make_dir("d");
  NEEDS(symlink("target", "d/link"));
  const auto reading = [] {
    char target[10];
    return err(readlink("d/link", target, sizeof target));
  };
  for (const auto& [mode, wanted] : {std::pair{0711, 0}, {0755, 0}, {0766, EACCES}}) {
    NEEDS(chmod("d", mode));
    BOOST_TEST(as(kAlice, reading) == Err{wanted}, std::oct << mode);
  }
}

BOOST_AUTO_TEST_CASE(reading_and_following_move_the_access_time_alone) {
  make_dir("d");
  make_file("d/f");
  for (const char* const target : {"d", "d/f"}) {
    NEEDS(symlink(target, "link"));
    BOOST_TEST(moved_times_of({"link", "."}, [] { target_of("link"); }) == "a -");
    NEEDS(unlink("link"));
    NEEDS(symlink(target, "link"));
    struct stat st;
    BOOST_TEST(moved_times_of({"link", "."}, [&] { NEEDS(stat("link", &st)); }) == "a -");
    NEEDS(unlink("link"));
    NEEDS(symlink(target, "link"));
    BOOST_TEST(moved_times_of({"link", "."}, [&] { NEEDS(lstat("link", &st)); }) == "- -");
    NEEDS(unlink("link"));
  }
  NEEDS(symlink("d", "link"));
  BOOST_TEST(moved_times("link", [] { open_file("link/f", O_RDONLY); }) == "a");
}

BOOST_AUTO_TEST_CASE(forty_are_followed_by_every_call_and_41_are_not) {
  make_chain(41, "x");
  for (const PathCall& call : kPathCalls) {
    if (call.last != Last::kFollowed) continue;
    make(call.on, "x");
    BOOST_TEST_CONTEXT(call) {
      BOOST_TEST(call.call("link41") == Err{ELOOP});
      BOOST_TEST(call.call("link40") == Err{0});
    }
    remove_made();
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(forty_lead_every_call_to_its_directory_and_41_do_not) {
  make_dir("d");
  make_file("source");
  make_chain(41, "d");
  for (const PathCall& call : kPathCalls) {
    if (call.last == Last::kFollowed || call.last == Last::kNamed) make(call.on, "d/x");
    BOOST_TEST_CONTEXT(call) {
      BOOST_TEST(call.call("link41/x") == Err{ELOOP});
      BOOST_TEST(call.call("link40/x") == Err{0});
    }
    remove_made();
    if (exists("d/x")) NEEDS(remove("d/x"));
    if (!exists("source")) make_file("source");
  }
}

BOOST_AUTO_TEST_CASE(count_wherever_they_stand_in_the_path) {
  make_dir("d");
  make_file("d/f");
  NEEDS(symlink(".", "d/self"));
  NEEDS(symlink("f", "d/to_f"));
  const auto path = [](int links) {
    std::string out = "d";
    for (int i = 0; i < links; ++i) out += "/self";
    return out;
  };
  struct stat st;
  WORKS(stat((path(40) + "/f").c_str(), &st));
  FAILS(stat((path(41) + "/f").c_str(), &st), ELOOP);
  WORKS(stat((path(39) + "/to_f").c_str(), &st));
  FAILS(stat((path(40) + "/to_f").c_str(), &st), ELOOP);
  WORKS(lstat((path(40) + "/to_f").c_str(), &st));
  BOOST_TEST(S_ISLNK(st.st_mode));
}

BOOST_AUTO_TEST_CASE(lead_on_from_where_they_are) {
  make_dir("d");
  make_dir("d/sub");
  make_dir("e");
  make_file("d/f", "d");
  make_file("d/sub/f", "d/sub");
  make_file("f", "top");
  const struct {
    std::string target;
    const char* link;
    const char* path;
    const char* wanted;
  } rows[] = {{"f", "d/link", "d/link", "d"},
              {"f", "d/sub/link", "d/sub/link", "d/sub"},
              {"../f", "d/sub/link", "d/sub/link", "d"},
              {"../../f", "d/sub/link", "d/sub/link", "top"},
              {"sub", "d/link", "d/link/f", "d/sub"},
              {"d/sub", "link", "link/f", "d/sub"},
              {"d/sub", "link", "link/../f", "d"},
              {"d/sub/", "link", "link/f", "d/sub"},
              {".", "d/link", "d/link/link/link/f", "d"},
              {"..", "d/sub/link", "d/sub/link/f", "d"},
              {folder + "/d", "e/link", "e/link/f", "d"},
              {folder + "/d/f", "e/link", "e/link", "d"},
              {"../d//./sub/../f", "e/link", "e/link", "d"}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.link << " to " << row.target) {
      NEEDS(symlink(row.target.c_str(), row.link));
      BOOST_TEST(content_of(row.path) == row.wanted);
      NEEDS(unlink(row.link));
    }
  }
  NEEDS(symlink("f", "d/link"));
  NEEDS(rename("d/link", "link"));
  BOOST_TEST(content_of("link") == "top");
  NEEDS(rename("link", "d/sub/link"));
  BOOST_TEST(content_of("d/sub/link") == "d/sub");
}

BOOST_AUTO_TEST_CASE(lead_where_the_name_leads_now) {
  NEEDS(symlink("x", "link"));
  struct stat st;
  FAILS(stat("link", &st), ENOENT);
  make_file("x", "one");
  BOOST_TEST(content_of("link") == "one");
  NEEDS(rename("x", "y"));
  FAILS(stat("link", &st), ENOENT);
  make_dir("x");
  WORKS(mkdir("link/sub", 0755));
  BOOST_TEST(names_in("x") == std::vector<std::string>{"sub"});
  NEEDS(unlink("link"));
  NEEDS(symlink("y", "link"));
  BOOST_TEST(content_of("link") == "one");
  NEEDS(symlink("x/sub", "other"));
  NEEDS(rename("other", "link"));
  BOOST_TEST(names_in("link").empty());
}

BOOST_AUTO_TEST_CASE(of_4095_bytes_are_followed) {
  const std::string target = long_path(4095);
  make_file("x", "12345");
  NEEDS(symlink(target.c_str(), "link"));
  BOOST_TEST(content_of("link") == "12345");
  std::string dots = target;
  dots.back() = '.';
  NEEDS(symlink(dots.c_str(), "here"));
  // The path becomes longer than any that can be given, on the way.
  BOOST_TEST(content_of("here/here/here/link") == "12345");
  NEEDS(symlink((long_name(256)).c_str(), "long"));
  struct stat st;
  FAILS(stat("long", &st), ENAMETOOLONG);
}

BOOST_AUTO_TEST_CASE(have_owners_and_times_of_their_own) {
  make_file("f");
  NEEDS(symlink("f", "link"));
  WORKS(lchown("link", kAlice.uid, kAlice.gid));
  WORKS(utimensat(AT_FDCWD, "link", kSomeTimes, AT_SYMLINK_NOFOLLOW));
  BOOST_TEST(stat_of("link").st_uid == kAlice.uid);
  BOOST_TEST(stat_of("link").st_mtim.tv_sec == 3);
  BOOST_TEST(stat_of("f").st_uid == 0U);
  BOOST_TEST(stat_of("f").st_mtim.tv_sec != 3);
  WORKS(chown("link", kBob.uid, kBob.gid));
  WORKS(chmod("link", 0600));
  WORKS(truncate("link", 100));
  BOOST_TEST(stat_of("f").st_uid == kBob.uid);
  BOOST_TEST(mode_of("f") == 0600U);
  BOOST_TEST(stat_of("f").st_size == 100);
  BOOST_TEST(stat_of("link").st_uid == kAlice.uid);
  BOOST_TEST(mode_of("link") == 0777U);
  FAILS(fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
  BOOST_TEST(mode_of("link") == 0777U);
}

BOOST_AUTO_TEST_CASE(readlinkat_reads_relative_to_a_directory) {
  make_dir("d");
  NEEDS(symlink("target", "d/link"));
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  char target[10];
  BOOST_TEST(readlinkat(dir, "link", target, sizeof target) == 6);
  FAILS(readlinkat(dir, "missing", target, sizeof target), ENOENT);
  FAILS(readlinkat(dir, "", target, sizeof target), ENOENT);
  FAILS(readlinkat(dir, ".", target, sizeof target), EINVAL);
  const Fd link = open_file("d/link", O_PATH | O_NOFOLLOW);
  BOOST_TEST(readlinkat(link, "", target, sizeof target) == 6);
  NEEDS(unlink("d/link"));
  BOOST_TEST(readlinkat(link, "", target, sizeof target) == 6);
  WORKS(symlinkat("another", dir, "made"));
  BOOST_TEST(target_of("d/made") == "another");
}

BOOST_AUTO_TEST_SUITE_END()
