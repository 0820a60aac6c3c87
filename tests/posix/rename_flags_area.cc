// renameat2(2) with RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT.
#include <stdio.h>
#include <sys/sysmacros.h>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

constexpr unsigned kBoth = RENAME_NOREPLACE | RENAME_WHITEOUT;

Err move(const std::string& from, const std::string& to, unsigned flags) {
  return err(renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

ino_t ino_of(const std::string& path) { return stat_of(path).st_ino; }
nlink_t nlink_of(const std::string& path) { return stat_of(path).st_nlink; }

bool is_whiteout(const std::string& path) {
  const struct stat st = stat_of(path);
  return st.st_mode == S_IFCHR && st.st_rdev == makedev(0, 0) && st.st_nlink == 1 &&
         st.st_size == 0;
}

// Empty directories "p" and "q", and none of what was in them.
void make_parents() {
  for (const char* dir : {"p", "q"}) {
    if (exists(dir)) {
      for (const std::string& name : names_in(dir)) {
        NEEDS(remove((std::string(dir) + '/' + name).c_str()));
      }
      NEEDS(rmdir(dir));
    }
    make_dir(dir);
  }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(rename_flags_, Case)

BOOST_AUTO_TEST_CASE(combinations_that_make_no_sense_are_refused) {
  make_file("a");
  make_file("b");
  const unsigned all[] = {RENAME_EXCHANGE | RENAME_NOREPLACE,
                          RENAME_EXCHANGE | RENAME_WHITEOUT,
                          RENAME_EXCHANGE | kBoth,
                          8,
                          8 | RENAME_NOREPLACE,
                          1U << 31,
                          ~0U};
  for (const unsigned flags : all) {
    BOOST_TEST_CONTEXT(flags) {
      BOOST_TEST(move("a", "b", flags) == Err{EINVAL});
      BOOST_TEST(move("missing", "c", flags) == Err{EINVAL});
    }
  }
  BOOST_TEST(move("a", "b", 0) == Err{0});
}

BOOST_AUTO_TEST_CASE(noreplace_moves_where_nothing_is) {
  for (const Type type : kTypes) {
    for (const std::string to : {"p/b", "q/b"}) {
      BOOST_TEST_CONTEXT(type << " to " << to) {
        make_parents();
        make(type, "p/a");
        const ino_t ino = ino_of("p/a");
        BOOST_TEST(moved_times_of({"p/a", "p", "q"}, [&] {
                     BOOST_TEST(move("p/a", to, RENAME_NOREPLACE) == Err{0});
                   }) == (to == "q/b" ? "c mc mc" : "c mc -"));
        BOOST_TEST(ino_of(to) == ino);
        BOOST_TEST(!exists("p/a"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(noreplace_replaces_nothing) {
  for (const Type from : kTypes) {
    for (const Type to : kTypes) {
      BOOST_TEST_CONTEXT(from << " onto " << to) {
        make_parents();
        make(from, "p/a");
        make(to, "q/b");
        const ino_t ino = ino_of("q/b");
        BOOST_TEST(moved_times_of({"p/a", "q/b", "p", "q"}, [] {
                     BOOST_TEST(move("p/a", "q/b", RENAME_NOREPLACE) == Err{EEXIST});
                     BOOST_TEST(move("p/a", "q/b", kBoth) == Err{EEXIST});
                   }) == "- - - -");
        BOOST_TEST(exists("p/a"));
        BOOST_TEST(ino_of("q/b") == ino);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(noreplace_is_refused) {
  make_file("file");
  make_dir("d");
  make_dir("d/sub");
  make_dir("full");
  make_file("full/file");
  NEEDS(link("file", "other"));
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"file", "file", EEXIST},    {"d", "d", EEXIST},
              {"file", "other", EEXIST},   {"file", "dangling", EEXIST},
              {"file", "loop", EEXIST},    {"d", "full", EEXIST},
              {"d/sub", "d", EEXIST},      {"d", "d/sub", EEXIST},
              {"d", "d/x", EINVAL},        {"file", ".", EEXIST},
              {"file", "..", EEXIST},      {"file", "d/.", EEXIST},
              {".", "x", EBUSY},           {"missing", "x", ENOENT},
              {"missing", "file", ENOENT}, {"file", "missing/x", ENOENT},
              {"file", "file/x", ENOTDIR}, {"file/", "x", ENOTDIR},
              {"file", "x/", ENOTDIR},     {"file", "", ENOENT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      BOOST_TEST(move(row.from, row.to, RENAME_NOREPLACE) == Err{row.wanted});
    }
  }
  BOOST_TEST(as(kAlice, [] { return move("file", "dangling", RENAME_NOREPLACE); }) == Err{EEXIST});
  BOOST_TEST(as(kAlice, [] { return move("file", "x", RENAME_NOREPLACE); }) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(exchange_swaps_every_pair_of_types) {
  for (const Type a : kTypes) {
    for (const Type b : kTypes) {
      for (const std::string to : {"p/b", "q/b"}) {
        BOOST_TEST_CONTEXT(a << " with " << b << " at " << to) {
          make_parents();
          make(a, "p/a");
          make(b, to);
          const ino_t a_ino = ino_of("p/a"), b_ino = ino_of(to);
          BOOST_TEST(move("p/a", to, RENAME_EXCHANGE) == Err{0});
          BOOST_TEST(ino_of("p/a") == b_ino);
          BOOST_TEST(ino_of(to) == a_ino);
          BOOST_TEST((stat_of("p/a").st_mode & S_IFMT) == bits_of(b));
          BOOST_TEST((stat_of(to).st_mode & S_IFMT) == bits_of(a));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(exchange_moves_link_counts_of_the_parents) {
  for (const Type a : {Type::kRegular, Type::kDirectory}) {
    for (const Type b : {Type::kSymlink, Type::kDirectory}) {
      BOOST_TEST_CONTEXT(a << " with " << b) {
        make_parents();
        make(a, "p/a");
        make(b, "q/b");
        BOOST_TEST(move("p/a", "q/b", RENAME_EXCHANGE) == Err{0});
        BOOST_TEST(nlink_of("p") == (b == Type::kDirectory ? 3U : 2U));
        BOOST_TEST(nlink_of("q") == (a == Type::kDirectory ? 3U : 2U));
        if (a == Type::kDirectory) BOOST_TEST(ino_of("q/b/..") == ino_of("q"));
        if (b == Type::kDirectory) BOOST_TEST(ino_of("p/a/..") == ino_of("p"));
        BOOST_TEST(move("p/a", "p/a", RENAME_EXCHANGE) == Err{0});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(exchange_moves_ctime_of_both_and_times_of_the_parents) {
  for (const Type a : kTypes) {
    for (const Type b : {Type::kRegular, Type::kDirectory}) {
      for (const std::string to : {"p/b", "q/b"}) {
        BOOST_TEST_CONTEXT(a << " with " << b << " at " << to) {
          make_parents();
          make(a, "p/a");
          make(b, to);
          BOOST_TEST(moved_times_of({"p/a", to, "p", "q"}, [&] {
                       NEEDS(renameat2(AT_FDCWD, "p/a", AT_FDCWD, to.c_str(), RENAME_EXCHANGE));
                     }) == (to == "q/b" ? "c c mc mc" : "c c mc -"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(exchange_takes_subtrees_and_contents_along) {
  make_parents();
  for (const char* dir : {"p/d", "p/d/sub", "q/d", "q/d/sub"}) make_dir(dir);
  make_file("p/d/sub/file", "of p");
  make_file("q/d/sub/file", "of q");
  make_file("q/file", "single");
  const auto swap = [](const char* a, const char* b) {
    BOOST_TEST(move(a, b, RENAME_EXCHANGE) == Err{0});
  };
  swap("p/d", "q/d");
  BOOST_TEST(content_of("p/d/sub/file") == "of q");
  BOOST_TEST(content_of("q/d/sub/file") == "of p");
  swap("p/d", "q/file");
  BOOST_TEST(content_of("p/d") == "single");
  BOOST_TEST(content_of("q/file/sub/file") == "of q");
  swap("q/file/sub", "q/d");  // at different heights
  BOOST_TEST(content_of("q/d/file") == "of q");
  BOOST_TEST(content_of("q/file/sub/sub/file") == "of p");
  swap("q/d", "q/file/sub/sub");
  BOOST_TEST(content_of("q/d/file") == "of p");
  BOOST_TEST(content_of("q/file/sub/sub/file") == "of q");
  for (const char* path : {"q/d/file", "q/file/sub/sub/file", "p/d"}) NEEDS(unlink(path));
  for (const char* path : {"q/d", "q/file/sub/sub", "q/file/sub", "q/file"}) NEEDS(rmdir(path));
}

BOOST_AUTO_TEST_CASE(exchange_is_refused) {
  make_file("file");
  make_dir("d");
  make_dir("d/sub");
  make_file("d/sub/file");
  NEEDS(symlink("d", "dlink"));
  const std::string name = long_name(256);
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"file", "missing", ENOENT}, {"missing", "file", ENOENT},
              {"missing", "gone", ENOENT}, {"d", "d/sub", EINVAL},
              {"d/sub", "d", EINVAL},      {"d", "d/sub/file", EINVAL},
              {"d/sub/file", "d", EINVAL}, {"d", "d/missing", ENOENT},
              {"file", ".", EBUSY},        {"d/..", "file", EBUSY},
              {"file/", "d", ENOTDIR},     {"d", "file/", ENOTDIR},
              {"dlink/", "d", ENOTDIR},    {"file", "file/x", ENOTDIR},
              {"file", "", ENOENT},        {"file", name.c_str(), ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " with " << std::string_view(row.to).substr(0, 20)) {
      BOOST_TEST(moved_times_of({"file", "d", "d/sub", "d/sub/file", "."}, [&] {
                   BOOST_TEST(move(row.from, row.to, RENAME_EXCHANGE) == Err{row.wanted});
                 }) == "- - - - -");
    }
  }
  BOOST_TEST(move("d/", "dlink", RENAME_EXCHANGE) == Err{0});
  BOOST_TEST(S_ISDIR(stat_of("dlink").st_mode));
}

BOOST_AUTO_TEST_CASE(exchange_of_two_names_of_one_file_does_nothing) {
  make_parents();
  for (const Type type : kTypes) {
    BOOST_TEST_CONTEXT(type) {
      make(type, "p/a");
      std::string other = "p/a";
      if (type != Type::kDirectory) {
        other = "q/b";
        NEEDS(link("p/a", "q/b"));
      }
      BOOST_TEST(moved_times_of({"p/a", "p", "q"}, [&] {
                   BOOST_TEST(move("p/a", other, RENAME_EXCHANGE) == Err{0});
                 }) == "- - -");
      BOOST_TEST(ino_of("p/a") == ino_of(other));
      NEEDS(remove("p/a"));
      if (exists("q/b")) NEEDS(unlink("q/b"));
    }
  }
}

BOOST_AUTO_TEST_CASE(exchange_needs_rights_on_both_sides) {
  for (const mode_t p : {0777, 0555, 01777}) {
    for (const mode_t q : {0777, 0555, 01777}) {
      for (const mode_t dir : {0755, 0555}) {
        for (const User* owner : {&kAlice, &kBob}) {
          BOOST_TEST_CONTEXT(std::oct << p << ' ' << q << ' ' << dir << ' ' << owner->uid) {
            make_parents();
            make_file("p/a");
            give("p/a", kAlice);
            make_dir("q/b", dir);
            give("q/b", *owner);
            NEEDS(chmod("p", p));
            NEEDS(chmod("q", q));
            const bool may_write = p != 0555 && q != 0555;
            const bool sticks = q == 01777 && owner != &kAlice;
            // The directory's ".." changes, which takes a right to write to it.
            const bool may_turn = owner == &kAlice && dir == 0755;
            BOOST_TEST(as(kAlice, [] { return move("p/a", "q/b", RENAME_EXCHANGE); }) ==
                       Err{!may_write ? EACCES
                           : sticks   ? EPERM
                           : may_turn ? 0
                                      : EACCES});
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(whiteout_stays_at_the_old_name) {
  for (const Type type : kTypes) {
    for (const bool replaces : {false, true}) {
      for (const std::string to : {"p/b", "q/b"}) {
        BOOST_TEST_CONTEXT(type << " to " << to << (replaces ? ", replacing" : "")) {
          make_parents();
          make(type, "p/a");
          if (replaces) make(type, to);
          const ino_t ino = ino_of("p/a");
          BOOST_TEST(moved_times_of({"p/a", "p", "q"}, [&] {
                       BOOST_TEST(move("p/a", to, RENAME_WHITEOUT) == Err{0});
                     }) == (to == "q/b" ? "c mc mc" : "c mc -"));
          BOOST_TEST(ino_of(to) == ino);
          BOOST_TEST(is_whiteout("p/a"));
          BOOST_TEST(stat_of("p/a").st_uid == 0U);
          const bool into_p = type == Type::kDirectory && to == "p/b";
          const bool into_q = type == Type::kDirectory && to == "q/b";
          BOOST_TEST(nlink_of("p") == (into_p ? 3U : 2U));
          BOOST_TEST(nlink_of("q") == (into_q ? 3U : 2U));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(whiteout_is_a_file_like_others) {
  make_file("a", "content");
  make_dir("d");
  make_file("d/file");
  WORKS(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", kBoth));
  WORKS(renameat2(AT_FDCWD, "d", AT_FDCWD, "e", RENAME_WHITEOUT));
  BOOST_TEST(exists("e/file"));
  FAILS(mkdir("d", 0755), EEXIST);
  FAILS(open("a", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
  FAILS(open("a", O_RDONLY), ENXIO);
  FAILS(access("d/file", F_OK), ENOTDIR);
  BOOST_TEST(ino_of("a") != ino_of("d"));
  WORKS(link("a", "linked"));
  WORKS(rename("linked", "a"));  // one file
  WORKS(unlink("linked"));
  BOOST_TEST(is_whiteout("a"));
  WORKS(rename("a", "c"));
  BOOST_TEST(is_whiteout("c"));
  WORKS(rename("b", "c"));
  BOOST_TEST(content_of("c") == "content");
  BOOST_TEST(move("d", "b", RENAME_WHITEOUT) == Err{0});  // a whiteout of a whiteout
  BOOST_TEST(is_whiteout("b"));
  BOOST_TEST(is_whiteout("d"));
  WORKS(mknod("made", S_IFCHR, makedev(0, 0)));
  BOOST_TEST(is_whiteout("made"));
}

BOOST_AUTO_TEST_CASE(whiteout_is_left_only_by_what_moves) {
  make_file("a");
  NEEDS(link("a", "b"));
  make_dir("full");
  make_dir("full/sub");
  make_dir("d");
  const struct {
    const char *from, *to;
    int wanted;
  } rows[] = {{"a", "a", 0},       {"a", "b", 0},        {"d", "full", ENOTEMPTY},
              {"a", "d", EISDIR},  {"d", "a", ENOTDIR},  {"full", "full/sub/x", EINVAL},
              {"x", "y", ENOENT},  {"a", "x/y", ENOENT}, {"full", "full", 0},
              {"a/", "x", ENOTDIR}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.from << " to " << row.to) {
      BOOST_TEST(move(row.from, row.to, RENAME_WHITEOUT) == Err{row.wanted});
    }
  }
  BOOST_TEST(nlink_of("a") == 2U);
  BOOST_TEST((names_in(".") == std::vector<std::string>{"a", "b", "d", "full"}));
}

BOOST_AUTO_TEST_CASE(whiteout_belongs_to_who_leaves_it) {
  for (const mode_t mode : {0777, 02777}) {
    make_parents();
    NEEDS(chown("p", 0, kTeam));
    NEEDS(chmod("p", mode));
    make_file("p/a");
    give("p/a", kBob);
    BOOST_TEST(as(kAlice, [] { return move("p/a", "p/b", RENAME_WHITEOUT); }) == Err{0});
    BOOST_TEST(is_whiteout("p/a"));
    BOOST_TEST(stat_of("p/a").st_uid == kAlice.uid);
    BOOST_TEST(stat_of("p/a").st_gid == (mode == 02777 ? kTeam : kAlice.gid));
  }
}

BOOST_AUTO_TEST_SUITE_END()
