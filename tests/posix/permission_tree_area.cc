// Rights on directories and programs: to search, to list, to make and remove names, sticky
// directories, and to execute. Alice is the one who tries.
#include <dirent.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

const User kAliceOfTeam{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {kTeam}};
const User* const kOwners[] = {&kRoot, &kAlice, &kBob};

// How Alice relates to a directory of `owner` and `group`, and where the bits of that class are.
const struct {
  const char* name;
  uid_t owner;
  gid_t group;
  int shift;
} kClasses[] = {{"owner", kAlice.uid, kAlice.gid, 6},
                {"group", kBob.uid, kAlice.gid, 3},
                {"supplementary group", kBob.uid, kTeam, 3},
                {"others", kBob.uid, kBob.gid, 0}};

// `bits` for the class, and exactly the opposite for the other classes.
mode_t only_for(int shift, mode_t bits) {
  const mode_t mask = 7U << shift;
  return (bits << shift) | ((~bits & 7U) * 0111U & ~mask);
}

Err list(const char* path) {
  DIR* const dir = opendir(path);
  if (dir == nullptr) return err(-1);
  int count = 0;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return {count < 2 ? EIDRM : 0};
}

// Calls that change the directory "d", and how to prepare and undo them.
const struct {
  const char* name;
  void (*prepare)();
  Err (*call)();
  const char* made;  // or nullptr when the call removes
} kChanges[] = {
    {"creat", [] {}, [] { return err(open("d/x", O_WRONLY | O_CREAT | O_EXCL, 0644)); }, "d/x"},
    {"mkdir", [] {}, [] { return err(mkdir("d/x", 0755)); }, "d/x"},
    {"mkfifo", [] {}, [] { return err(mkfifo("d/x", 0644)); }, "d/x"},
    {"mknod", [] {}, [] { return err(mknod("d/x", S_IFREG | 0644, 0)); }, "d/x"},
    {"socket", [] {}, [] { return err(mknod("d/x", S_IFSOCK | 0644, 0)); }, "d/x"},
    {"symlink", [] {}, [] { return err(symlink("target", "d/x")); }, "d/x"},
    {"link", [] {}, [] { return err(link("hers", "d/x")); }, "d/x"},
    {"rename in", [] { make_file("open/y"); }, [] { return err(rename("open/y", "d/x")); }, "d/x"},
    {"rename out", [] { make_file("d/x"); }, [] { return err(rename("d/x", "open/y")); }, "open/y"},
    {"unlink", [] { make_file("d/x"); }, [] { return err(unlink("d/x")); }, nullptr},
    {"rmdir", [] { make_dir("d/x"); }, [] { return err(rmdir("d/x")); }, nullptr},
};

// Copies a program and gives it to `owner`.
void install(const char* program, const std::string& path, const User& owner, mode_t mode) {
  std::ofstream(path, std::ios::binary) << std::ifstream(program, std::ios::binary).rdbuf();
  give(path, owner);
  NEEDS(chmod(path.c_str(), mode));
}

// Executes `program ARGUMENT` and gives its exit status, or why it could not be executed.
Err execute(const char* program, const char* argument = nullptr) {
  const int nowhere = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) dup2(nowhere, fd);
  execl(program, program, argument, nullptr);
  return err(-1);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(permission_tree_, Case)

BOOST_AUTO_TEST_CASE(names_come_and_go_with_the_rights_to_write_and_to_search) {
  make_dir("open", 0777);
  make_file("hers");
  give("hers", kAlice);
  for (const auto& row : kClasses) {
    for (mode_t bits = 0; bits < 8; ++bits) {
      for (const auto& change : kChanges) {
        BOOST_TEST_CONTEXT(change.name << " as " << row.name << " with " << bits) {
          make_dir("d");
          change.prepare();
          NEEDS(chown("d", row.owner, row.group));
          NEEDS(chmod("d", only_for(row.shift, bits)));
          const bool may = (bits & 3) == 3;
          BOOST_TEST(as(kAliceOfTeam, change.call) == Err{may ? 0 : EACCES});
          const char* const left = may ? change.made : nullptr;
          if (left != nullptr) BOOST_TEST(exists(left));
          for (const char* path : {"d/x", "open/y"}) (void)remove(path);
          NEEDS(rmdir("d"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(to_list_takes_reading_and_to_reach_takes_searching) {
  for (const auto& row : kClasses) {
    for (mode_t bits = 0; bits < 8; ++bits) {
      BOOST_TEST_CONTEXT(row.name << ' ' << bits) {
        make_dir("d");
        make_file("d/f", {}, 0666);
        make_dir("d/sub");
        NEEDS(symlink("f", "d/link"));
        NEEDS(chown("d", row.owner, row.group));
        NEEDS(chmod("d", only_for(row.shift, bits)));
        const Err listing = {(bits & 4) != 0 ? 0 : EACCES};
        const Err reaching = {(bits & 1) != 0 ? 0 : EACCES};
        const auto alice = [](const std::function<Err()>& work) { return as(kAliceOfTeam, work); };
        BOOST_TEST(alice([] { return list("d"); }) == listing);
        for (const char* path : {"d/f", "d/sub", "d/link", "d/.", "d/..", "d/sub/.."}) {
          BOOST_TEST_CONTEXT(path) {
            BOOST_TEST(alice([&] { return err(access(path, F_OK)); }) == reaching);
          }
        }
        BOOST_TEST(alice([] { return err(open("d/f", O_RDWR)); }) == reaching);
        BOOST_TEST(alice([] { return err(chdir("d")); }) == reaching);
        BOOST_TEST(alice([] { return list("d/sub"); }) == reaching);
        BOOST_TEST(alice([] { return err(truncate("d/link", 1)); }) == reaching);
        const Err missing = {(bits & 1) != 0 ? ENOENT : EACCES};
        BOOST_TEST(alice([] { return err(access("d/missing", F_OK)); }) == missing);
        BOOST_TEST(alice([] { return err(unlink("d/missing")); }) == missing);
        for (const char* path : {"d/f", "d/link", "d/sub", "d"}) NEEDS(remove(path));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_directory_on_the_way_is_to_be_searched) {
  const char* const dirs[] = {"1", "1/2", "1/2/3"};
  for (const char* dir : dirs) make_dir(dir);
  make_file("1/2/3/f", "x", 0666);
  NEEDS(symlink("1/2/3/f", "link"));
  NEEDS(symlink("1/2", "dlink"));
  const auto reads = [](const char* path) {
    return as(kAlice, [&] { return err(open(path, O_RDONLY)); });
  };
  for (const char* dir : dirs) {
    NEEDS(chmod(dir, 0766));
    for (const char* path : {"1/2/3/f", "link", "dlink/3/f", "1/../1/2/3/f"}) {
      BOOST_TEST_CONTEXT(path << " without " << dir) { BOOST_TEST(reads(path) == Err{EACCES}); }
    }
    WORKS(access("1/2/3/f", F_OK));  // root
    NEEDS(chmod(dir, 0711));
    BOOST_TEST(reads("1/2/3/f") == Err{0});
    BOOST_TEST(reads("dlink/3/f") == Err{0});
  }
}

BOOST_AUTO_TEST_CASE(a_descriptor_or_working_directory_is_searched_too) {
  make_dir("d", 0777);
  make_file("d/f", {}, 0666);
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  const auto reach = [&](bool by_cwd, const char* name) {
    return as(kAlice, [&] {
      if (!by_cwd) return err(faccessat(dir, name, F_OK, 0));
      return err(access(name, F_OK));
    });
  };
  NEEDS(chdir("d"));
  for (const mode_t mode : {0711, 0766, 0701, 0700}) {
    NEEDS(fchmod(dir, mode));
    const Err wanted = {(mode & 1) != 0 ? 0 : EACCES};
    for (const bool by_cwd : {false, true}) {
      for (const char* name : {"f", ".", "..", "../d/f", "./f"}) {
        BOOST_TEST_CONTEXT(name << " with " << std::oct << mode) {
          BOOST_TEST(reach(by_cwd, name) == wanted);
        }
      }
    }
  }
  BOOST_TEST(as(kAlice, [&] {
               struct stat st;
               return err(fstat(dir, &st));
             }) == Err{0});
  BOOST_TEST(as(kAlice, [&] { return err(fchdir(dir)); }) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(root_needs_no_bits_of_directories) {
  make_dir("d", 0);
  give("d", kAlice);
  make_file("hers");
  make_dir("open");
  for (const auto& change : kChanges) {
    BOOST_TEST_CONTEXT(change.name) {
      change.prepare();
      BOOST_TEST(change.call() == Err{0});
      for (const char* path : {"d/x", "open/y"}) (void)remove(path);
    }
  }
  BOOST_TEST(list("d") == Err{0});
}

BOOST_AUTO_TEST_CASE(from_a_sticky_directory_one_removes_only_what_one_owns) {
  for (const Type type : kTypes) {
    for (const User* dir : kOwners) {
      for (const User* file : kOwners) {
        for (const mode_t mode : {01777, 0777, 01775}) {
          BOOST_TEST_CONTEXT(type << " of " << file->uid << " in " << std::oct << mode << std::dec
                                  << " of " << dir->uid) {
            make_dir("d");
            make(type, "d/x", 0777);
            give("d/x", *file);
            give("d", *dir);
            NEEDS(chmod("d", mode));
            const bool writes = mode != 01775 || dir == &kAlice;
            const bool may = mode == 0777 || file == &kAlice || dir == &kAlice;
            BOOST_TEST(as(kAlice, [] { return err(remove("d/x")); }) == Err{!writes ? EACCES
                                                                            : may   ? 0
                                                                                    : EPERM});
            BOOST_TEST(exists("d/x") == !(writes && may));
            (void)remove("d/x");
            NEEDS(rmdir("d"));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(groups_own_nothing_in_a_sticky_directory) {
  make_dir("d");
  NEEDS(chown("d", kBob.uid, kAlice.gid));
  NEEDS(chmod("d", 01777));
  make_file("d/x", {}, 0666);
  NEEDS(chown("d/x", kBob.uid, kAlice.gid));
  make_dir("d/full", 0777);
  make_file("d/full/file");
  BOOST_TEST(as(kAlice, [] { return err(unlink("d/x")); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(rmdir("d/full")); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(unlink("d/full")); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(rmdir("d/x")); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [] { return err(unlink("d/full/file")); }) == Err{0});
  BOOST_TEST(as(kBob, [] { return err(unlink("d/x")); }) == Err{0});
  WORKS(rmdir("d/full"));
}

BOOST_AUTO_TEST_CASE(removals_move_nothing_when_rights_are_missing) {
  make_dir("d");
  make_file("d/x");
  make_dir("d/sub");
  for (const mode_t mode : {0755, 01777}) {
    NEEDS(chmod("d", mode));
    BOOST_TEST(moved_times_of({"d", "d/x", "d/sub"}, [] {
                 (void)as(kAlice, [] { return err(unlink("d/x")); });
                 (void)as(kAlice, [] { return err(rmdir("d/sub")); });
               }) == "- - -");
    BOOST_TEST(exists("d/x"));
  }
}

BOOST_AUTO_TEST_CASE(to_execute_takes_the_bit_of_ones_class) {
  install("/bin/true", "program", kRoot, 0755);
  for (const auto& row : kClasses) {
    NEEDS(chown("program", row.owner, row.group));
    for (mode_t bits = 0; bits < 8; ++bits) {
      BOOST_TEST_CONTEXT(row.name << ' ' << bits) {
        NEEDS(chmod("program", only_for(row.shift, bits)));
        BOOST_TEST(as(kAliceOfTeam, [] { return execute("./program"); }) ==
                   Err{(bits & 1) != 0 ? 0 : EACCES});
      }
    }
  }
  for (const mode_t mode : {0, 0666, 0100, 0010, 0001}) {
    NEEDS(chmod("program", mode));
    BOOST_TEST(as(kRoot, [] { return execute("./program"); }) ==
               Err{(mode & 0111) != 0 ? 0 : EACCES});
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_executed) {
  make_dir("d");
  make_file("empty", {}, 0755);
  make_file("text", "no program", 0755);
  make_file("lost", "#!/missing/interpreter\n", 0755);
  make_file("script", "#!/bin/sh\nexit 7\n", 0755);
  make_file("unreadable", "#!/bin/sh\nexit 7\n", 0711);
  make(Type::kFifo, "fifo", 0755);
  make(Type::kCharDevice, "device", 0755);
  NEEDS(symlink("loop", "loop"));
  NEEDS(symlink("script", "link"));
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"d", EACCES},    {"empty", ENOEXEC}, {"text", ENOEXEC},   {"lost", ENOENT},
              {"fifo", EACCES}, {"device", EACCES}, {"missing", ENOENT}, {"script/x", ENOTDIR},
              {"loop", ELOOP},  {"script", 7},      {"link", 7},         {"script/", ENOTDIR},
              {"unreadable", 2}};  // the shell reads it, as Alice
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path) {
      BOOST_TEST(as(kAlice, [&] { return execute(row.path); }) == Err{row.wanted});
    }
  }
  NEEDS(chmod("d", 0766));
  NEEDS(rename("script", "d/script"));
  BOOST_TEST(as(kAlice, [] { return execute("d/script"); }) == Err{EACCES});
  BOOST_TEST(as(kRoot, [] { return execute("d/script"); }) == Err{7});
}

BOOST_AUTO_TEST_CASE(set_ids_lend_rights_to_who_executes) {
  make_file("of bob", "x", 0400);
  make_file("of team", "x", 0040);
  give("of bob", kBob);
  NEEDS(chown("of team", 0, kTeam));
  const struct {
    mode_t mode;
    int bob, team;  // what cat says
  } rows[] = {{0755, 1, 1}, {04755, 0, 1}, {02755, 1, 0}, {06755, 0, 0}, {01755, 1, 1}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::oct << row.mode) {
      install("/bin/cat", "cat", {.uid = kBob.uid, .gid = kTeam}, row.mode);
      BOOST_TEST(as(kAlice, [] { return execute("./cat", "of bob"); }) == Err{row.bob});
      BOOST_TEST(as(kAlice, [] { return execute("./cat", "of team"); }) == Err{row.team});
      NEEDS(unlink("cat"));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
