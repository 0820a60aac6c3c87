// rename(2) and renameat(2): what moves where, what is refused, and which times and link counts
// change. Flags, rights, and files that somebody holds are areas of their own.
#include <sys/mount.h>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

const char* const kPlaces[] = {"b", "d/b", "d/e/b"};

ino_t ino_of(const std::string& path) { return stat_of(path).st_ino; }
nlink_t nlink_of(const std::string& path) { return stat_of(path).st_nlink; }
Err move(const std::string& from, const std::string& to) {
  return err(rename(from.c_str(), to.c_str()));
}

// What a file is, less what may differ after it moved.
bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_nlink == b.st_nlink &&
         a.st_uid == b.st_uid && a.st_gid == b.st_gid && a.st_rdev == b.st_rdev &&
         a.st_size == b.st_size && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

struct Refusal {
  const char *from, *to;
  int wanted;
};

void check_refusals(const std::vector<Refusal>& rows) {
  for (const char* dir : {"d", "d/sub", "empty"}) make_dir(dir);
  for (const char* file : {"file", "d/sub/file"}) make_file(file);
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("empty", "dlink"));
  NEEDS(symlink("loop", "loop"));
  for (const Refusal& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.from).substr(0, 40)
                       << " to " << std::string_view(row.to).substr(0, 40)) {
      FAILS(rename(row.from, row.to), row.wanted);
    }
  }
  const std::vector<std::string> all = {"d", "dangling", "dlink", "empty", "file", "loop"};
  BOOST_TEST(names_in(".") == all);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(rename_, Case)

BOOST_AUTO_TEST_CASE(moves_every_type_of_file_and_changes_nothing_of_it) {
  make_dir("d");
  make_dir("d/e");
  for (const Type type : kTypes) {
    for (const std::string to : kPlaces) {
      BOOST_TEST_CONTEXT(type << " to " << to) {
        make(type, "a", 0640);
        give("a", kAlice);
        const struct stat before = stat_of("a");
        BOOST_TEST(move("a", to) == Err{0});
        BOOST_TEST(!exists("a"));
        BOOST_TEST(same_file(before, stat_of(to)));
        BOOST_TEST(move(to, "a") == Err{0});
        BOOST_TEST(!exists(to));
        BOOST_TEST(same_file(before, stat_of("a")));
        NEEDS(remove("a"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(replaces_by_every_pair_of_types) {
  make_dir("d");
  make_dir("d/e");
  for (const Type from : kTypes) {
    for (const Type to : kTypes) {
      for (const std::string place : kPlaces) {
        BOOST_TEST_CONTEXT(from << " onto " << to << " at " << place) {
          const bool from_dir = from == Type::kDirectory, to_dir = to == Type::kDirectory;
          const int wanted = from_dir == to_dir ? 0 : from_dir ? ENOTDIR : EISDIR;
          make(from, "a");
          make(to, place);
          const struct stat a = stat_of("a"), b = stat_of(place);
          BOOST_TEST(move("a", place) == Err{wanted});
          BOOST_TEST(exists("a") == (wanted != 0));
          BOOST_TEST(same_file(stat_of(place), wanted == 0 ? a : b));
          NEEDS(remove(place.c_str()));
          if (wanted != 0) NEEDS(remove("a"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_contents_targets_and_subtrees_along) {
  make_dir("p");
  make_dir("q");
  make_file("p/file", "content");
  NEEDS(symlink("../p/file", "p/link"));
  make_dir("p/dir");
  make_dir("p/dir/sub");
  make_file("p/dir/sub/file", "deep");
  for (const char* name : {"file", "link", "dir"}) {
    WORKS(rename((std::string("p/") + name).c_str(), (std::string("q/") + name).c_str()));
  }
  BOOST_TEST(content_of("q/file") == "content");
  char target[20] = {};
  BOOST_TEST(readlink("q/link", target, sizeof target) == 9);
  BOOST_TEST(target == std::string_view("../p/file"));
  BOOST_TEST(content_of("q/dir/sub/file") == "deep");
  BOOST_TEST((names_in("q/dir") == std::vector<std::string>{"sub"}));
  BOOST_TEST(names_in("p").empty());
  FAILS(access("p/dir/sub/file", F_OK), ENOENT);
  // The old names are free for others.
  make_dir("p/dir");
  FAILS(access("p/dir/sub", F_OK), ENOENT);
  make_file("p/file", "other");
  BOOST_TEST(content_of("q/file") == "content");
}

BOOST_AUTO_TEST_CASE(does_nothing_onto_itself) {
  make_dir("p");
  for (const Type type : kTypes) {
    make(type, "p/a");
    for (const char* other : {"p/a", "p/./a", "p/../p/a", "./p//a"}) {
      BOOST_TEST_CONTEXT(type << " as " << other) {
        BOOST_TEST(moved_times_of({"p/a", "p"}, [&] { WORKS(rename("p/a", other)); }) == "- -");
        BOOST_TEST(exists("p/a"));
      }
    }
    NEEDS(remove("p/a"));
  }
  make_dir("full");
  make_file("full/file");
  WORKS(rename("full", "full"));
  WORKS(rename("full/", "full/"));
  BOOST_TEST(exists("full/file"));
}

BOOST_AUTO_TEST_CASE(does_nothing_onto_a_hard_link_of_itself) {
  make_dir("p");
  make_dir("q");
  for (const Type type : kTypes) {
    if (type == Type::kDirectory) continue;
    for (const std::string other : {"p/b", "q/b"}) {
      BOOST_TEST_CONTEXT(type << " onto " << other) {
        make(type, "p/a");
        NEEDS(link("p/a", other.c_str()));
        BOOST_TEST(moved_times_of({"p/a", "p", "q"},
                                  [&] { BOOST_TEST(move("p/a", other) == Err{0}); }) == "- - -");
        BOOST_TEST(ino_of("p/a") == ino_of(other));
        BOOST_TEST(nlink_of("p/a") == 2U);
        NEEDS(unlink("p/a"));
        NEEDS(unlink(other.c_str()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused_where_paths_lead_nowhere) {
  const std::string name = long_name(256), path = std::string(4096 - 5, '/') + "empty";
  const char *const longest = name.c_str(), *const far = path.c_str();
  check_refusals({{"missing", "x", ENOENT},
                  {"missing", "file", ENOENT},
                  {"missing", "missing", ENOENT},
                  {"", "x", ENOENT},
                  {"file", "", ENOENT},
                  {"missing/a", "x", ENOENT},
                  {"file", "missing/x", ENOENT},
                  {"dangling/a", "x", ENOENT},
                  {"file", "dangling/x", ENOENT},
                  {"empty/a", "x", ENOENT},
                  {"file/a", "x", ENOTDIR},
                  {"file", "file/x", ENOTDIR},
                  {"empty", "file/x", ENOTDIR},
                  {"loop/a", "x", ELOOP},
                  {"file", "loop/x", ELOOP},
                  {longest, "x", ENAMETOOLONG},
                  {"file", longest, ENAMETOOLONG},
                  {"empty", longest, ENAMETOOLONG},
                  {far, "x", ENAMETOOLONG},
                  {"file", far, ENAMETOOLONG}});
}

BOOST_AUTO_TEST_CASE(is_refused_for_what_it_would_do) {
  check_refusals({{"file/", "x", ENOTDIR},
                  {"file", "x/", ENOTDIR},
                  {"file", "empty/", ENOTDIR},
                  {"dlink/", "x", ENOTDIR},
                  {"empty", "dlink", ENOTDIR},
                  {"empty", "dlink/", ENOTDIR},
                  {"dangling", "empty", EISDIR},
                  {"empty", "d", ENOTEMPTY},
                  {"empty", "d/", ENOTEMPTY},
                  {"d/sub", "d", ENOTEMPTY},
                  {"d/sub/file", "d", ENOTEMPTY},
                  {"d/sub/file", "d/sub", ENOTEMPTY},
                  {"d", "d/x", EINVAL},
                  {"d", "d/sub", EINVAL},
                  {"d", "d/sub/x", EINVAL},
                  {"d", "d/sub/file", EINVAL},
                  {"d", "d/sub/../x", EINVAL},
                  {"empty", "dlink/x", EINVAL},
                  {".", "x", EBUSY},
                  {"..", "x", EBUSY},
                  {"empty/.", "x", EBUSY},
                  {"d/sub/..", "x", EBUSY},
                  {"empty", ".", EBUSY},
                  {"file", "..", EBUSY},
                  {"empty", "d/.", EBUSY},
                  {"missing", ".", EBUSY}});
}

BOOST_AUTO_TEST_CASE(takes_directories_with_a_slash_behind) {
  make_dir("a");
  WORKS(rename("a/", "b"));
  WORKS(rename("b", "c///"));
  make_dir("d");
  WORKS(rename("c/", "d/"));
  BOOST_TEST((names_in(".") == std::vector<std::string>{"d"}));
}

BOOST_AUTO_TEST_CASE(takes_descriptors_of_folders) {
  make_dir("p");
  make_dir("q");
  make_file("p/a");
  const Fd p = open_file("p", O_RDONLY | O_DIRECTORY), q = open_file("q", O_PATH);
  const Fd file = open_file("p/a", O_RDONLY);
  WORKS(renameat(p, "a", q, "b"));
  WORKS(renameat(q, "b", AT_FDCWD, "c"));
  WORKS(renameat(AT_FDCWD, "c", p, "../q/d"));
  WORKS(renameat(-1, (folder + "/q/d").c_str(), -1, (folder + "/p/a").c_str()));
  BOOST_TEST(exists("p/a"));
  FAILS(renameat(-1, "a", p, "b"), EBADF);
  FAILS(renameat(p, "a", 1 << 20, "b"), EBADF);
  FAILS(renameat(file, "a", p, "b"), ENOTDIR);
  FAILS(renameat(p, "a", file, "b"), ENOTDIR);
  FAILS(renameat(p, "", p, "b"), ENOENT);
  const char* volatile nowhere = reinterpret_cast<const char*>(1);
  FAILS(renameat(p, nowhere, p, "b"), EFAULT);
  FAILS(renameat(p, "a", p, nowhere), EFAULT);
}

BOOST_AUTO_TEST_CASE(takes_names_and_paths_up_to_the_limits) {
  const std::string a = long_name(255, 'a'), b = long_name(255, 'b');
  const std::string far = std::string(4095 - 255, '/').replace(0, 1, ".") + b;
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make(type, a);
      BOOST_TEST(move(a, b) == Err{0});
      BOOST_TEST(move(far, "d") == Err{0});
      BOOST_TEST(move("d", far) == Err{0});
      BOOST_TEST((names_in(".") == std::vector<std::string>{b}));
      NEEDS(remove(b.c_str()));
    }
  }
}

BOOST_AUTO_TEST_CASE(follows_symlinks_on_the_way_and_not_at_the_end) {
  make_dir("d");
  make_file("d/file", "content");
  NEEDS(symlink("d", "dlink"));
  NEEDS(symlink("d/file", "flink"));
  WORKS(rename("flink", "moved"));
  BOOST_TEST(S_ISLNK(stat_of("moved").st_mode));
  WORKS(rename("dlink/file", "dlink/renamed"));
  BOOST_TEST(exists("d/renamed"));
  make_file("file", "new");
  NEEDS(symlink("d/renamed", "flink"));
  WORKS(rename("file", "flink"));
  BOOST_TEST(S_ISREG(stat_of("flink").st_mode));
  BOOST_TEST(content_of("d/renamed") == "content");
}

BOOST_AUTO_TEST_CASE(link_counts_follow_directories) {
  const struct {
    Type moved;
    bool across, replaces;
    nlink_t p, q;
  } rows[] = {{Type::kDirectory, false, false, 3, 2}, {Type::kDirectory, true, false, 2, 3},
              {Type::kDirectory, false, true, 3, 2},  {Type::kDirectory, true, true, 2, 3},
              {Type::kRegular, false, false, 2, 2},   {Type::kRegular, true, false, 2, 2},
              {Type::kRegular, false, true, 2, 2},    {Type::kRegular, true, true, 2, 2}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.moved << ' ' << row.across << row.replaces) {
      make_dir("p");
      make_dir("q");
      const std::string to = row.across ? "q/b" : "p/b";
      make(row.moved, "p/a");
      if (row.replaces) make(row.moved, to);
      BOOST_TEST(move("p/a", to) == Err{0});
      BOOST_TEST(nlink_of("p") == row.p);
      BOOST_TEST(nlink_of("q") == row.q);
      BOOST_TEST(nlink_of(to) == (row.moved == Type::kDirectory ? 2U : 1U));
      NEEDS(remove(to.c_str()));
      NEEDS(rmdir("p"));
      NEEDS(rmdir("q"));
    }
  }
}

BOOST_AUTO_TEST_CASE(link_counts_of_files_fall_with_each_name_that_is_replaced) {
  make_file("a");
  make_file("b1");
  NEEDS(link("b1", "b2"));
  NEEDS(link("b1", "b3"));
  BOOST_TEST(moved_times("b3", [] { WORKS(rename("a", "b1")); }) == "c");
  BOOST_TEST(nlink_of("b3") == 2U);
  BOOST_TEST(nlink_of("b1") == 1U);
  const Fd held = open_file("b3", O_PATH);
  WORKS(rename("b1", "b2"));
  WORKS(rename("b2", "b3"));
  struct stat st;
  NEEDS(fstat(held, &st));
  BOOST_TEST(st.st_nlink == 0U);
}

BOOST_AUTO_TEST_CASE(moves_ctime_of_the_file_and_mtime_and_ctime_of_the_parents) {
  for (const Type type : kTypes) {
    for (const bool across : {false, true}) {
      for (const bool replaces : {false, true}) {
        BOOST_TEST_CONTEXT(type << ' ' << across << replaces) {
          for (const char* dir : {"top", "top/p", "top/q"}) make_dir(dir);
          const std::string to = across ? "top/q/b" : "top/p/b";
          make(type, "top/p/a");
          if (replaces) make(type, to);
          std::vector<std::string> paths = {"top/p/a", "top/p", "top/q", "top"};
          if (replaces) paths.push_back(to);
          BOOST_TEST(moved_times_of(paths, [&] { WORKS(rename("top/p/a", to.c_str())); }) ==
                     std::string("c mc ") + (across ? "mc" : "-") + " -" + (replaces ? " c" : ""));
          for (const std::string& path : {to, std::string("top/p"), std::string("top/q")}) {
            NEEDS(remove(path.c_str()));
          }
          NEEDS(rmdir("top"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_no_times_of_what_is_inside) {
  for (const char* dir : {"p", "p/d", "p/d/sub", "q"}) make_dir(dir);
  make_file("p/d/file");
  BOOST_TEST(moved_times_of({"p/d", "p/d/sub", "p/d/file"}, [] { WORKS(rename("p/d", "q/d")); }) ==
             "c - -");
}

BOOST_AUTO_TEST_CASE(moves_nothing_when_it_fails) {
  for (const char* dir : {"p", "p/a", "p/a/sub", "q", "q/full"}) make_dir(dir);
  for (const char* file : {"p/file", "q/file", "q/full/file"}) make_file(file);
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"p/file", "q/full", EISDIR},  {"p/a", "q/file", ENOTDIR},
              {"p/a", "q/full", ENOTEMPTY},  {"p/a", "p/a/sub/x", EINVAL},
              {"p/a/sub", "p/a", ENOTEMPTY}, {"p/missing", "q/file", ENOENT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      BOOST_TEST(moved_times_of({"p", "q", "p/a", "p/file", "q/file", "q/full", "p/a/sub"}, [&] {
                   FAILS(rename(row.from, row.to), row.wanted);
                 }) == "- - - - - - -");
    }
  }
}

BOOST_AUTO_TEST_CASE(dot_dot_leads_to_the_new_parent) {
  for (const char* dir : {"p", "q", "p/d", "p/d/sub"}) make_dir(dir);
  WORKS(rename("p/d", "q/e"));
  BOOST_TEST(ino_of("q/e/..") == ino_of("q"));
  BOOST_TEST(ino_of("q/e/sub/..") == ino_of("q/e"));
  BOOST_TEST(ino_of("q/e/sub/../../..") == ino_of("."));
  // What was above may go below.
  WORKS(rename("p", "q/e/sub/p"));
  BOOST_TEST(ino_of("q/e/sub/p/../../..") == ino_of("q"));
  FAILS(rename("q", "q/e/sub/p/q"), EINVAL);
}

BOOST_AUTO_TEST_CASE(crosses_no_mount) {
  for (const char* dir : {"d", "mnt", "bound", "d/sub"}) make_dir(dir);
  make_file("file");
  NEEDS(mount("none", "mnt", "tmpfs", 0, nullptr));
  NEEDS(mount("d", "bound", nullptr, MS_BIND, nullptr));
  make_file("mnt/file");
  FAILS(rename("file", "mnt/x"), EXDEV);
  FAILS(rename("mnt/file", "x"), EXDEV);
  FAILS(rename("d/sub", "mnt/x"), EXDEV);
  FAILS(rename("d/sub", "bound/x"), EXDEV);  // though it is one filesystem
  FAILS(rename("mnt", "x"), EBUSY);
  FAILS(rename("d", "mnt"), EBUSY);
  FAILS(rename("file", "mnt"), EISDIR);
  WORKS(rename("d", "moved"));
  BOOST_TEST(exists("bound/sub"));
  NEEDS(umount("mnt"));
  NEEDS(umount("bound"));
}

BOOST_AUTO_TEST_CASE(is_refused_where_all_is_read_only) {
  make_file("a");
  make_dir("d");
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"a", "b", EROFS}, {"d", "b", EROFS}, {"a", "d", EROFS}, {"missing", "b", EROFS}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      BOOST_TEST(where_read_only([&] { return move(row.from, row.to); }) == Err{row.wanted});
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
