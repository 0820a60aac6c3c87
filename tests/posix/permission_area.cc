// access(2), faccessat(2) and open(2): the classes of owner, group and others, root, and ids that
// are real or effective.
#include <sys/syscall.h>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

const User kAliceOfTeam{.uid = kAlice.uid, .gid = kAlice.gid, .groups = {70101, kTeam}};

// How Alice relates to a file of `owner` and `group`, and where the bits of that class are.
const struct {
  const char* name;
  uid_t owner;
  gid_t group;
  int shift;
} kClasses[] = {{"owner", kAlice.uid, kBob.gid, 6},
                {"owner in the group", kAlice.uid, kAlice.gid, 6},
                {"group", kBob.uid, kAlice.gid, 3},
                {"supplementary group", kBob.uid, kTeam, 3},
                {"others", kBob.uid, kBob.gid, 0}};

// `bits` for the class, and exactly the opposite for the other classes.
mode_t only_for(int shift, mode_t bits) {
  const mode_t mask = 7U << shift;
  return (bits << shift) | ((~bits & 7U) * 0111U & ~mask);
}

// The first of the eight ways to ask that is answered wrongly, plus 1; or 0.
int first_wrong(const std::string& path, mode_t bits, int flags) {
  for (int asked = 0; asked < 8; ++asked) {
    const bool may = (static_cast<mode_t>(asked) & ~bits) == 0;
    const long got = faccessat(AT_FDCWD, path.c_str(), asked, flags);
    if (may ? got != 0 : got == 0 || errno != EACCES) return asked + 1;
  }
  return 0;
}

Err ask(const std::string& path, int asked) { return err(access(path.c_str(), asked)); }

// In a process whose ids are real, effective and saved like this.
Err with_ids(const User& real, const User& effective, const std::function<Err()>& work) {
  return as(kRoot, [&] {
    if (setresgid(real.gid, effective.gid, 0) != 0 || setresuid(real.uid, effective.uid, 0) != 0) {
      return Err{EIDRM};
    }
    return work();
  });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(permission_, Case)

BOOST_AUTO_TEST_CASE(access_answers_from_the_bits_of_one_class) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const auto& row : kClasses) {
      for (mode_t bits = 0; bits < 8; ++bits) {
        BOOST_TEST_CONTEXT(type << ' ' << row.name << ' ' << bits) {
          make(type, "f", only_for(row.shift, bits));
          NEEDS(chown("f", row.owner, row.group));
          for (const int flags : {0, AT_EACCESS}) {
            BOOST_TEST(as(kAliceOfTeam, [&] { return Err{first_wrong("f", bits, flags)}; }) ==
                       Err{0});
          }
          NEEDS(remove("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(open_answers_from_the_bits_of_one_class) {
  const struct {
    int flags;
    mode_t needs;
  } ways[] = {{O_RDONLY, 4},           {O_WRONLY, 2},           {O_RDWR, 6},
              {O_RDONLY | O_TRUNC, 6}, {O_WRONLY | O_TRUNC, 2}, {O_WRONLY | O_APPEND, 2},
              {O_RDONLY | O_CREAT, 4}, {O_RDWR | O_CREAT, 6},   {O_PATH, 0}};
  for (const auto& row : kClasses) {
    for (mode_t bits = 0; bits < 8; ++bits) {
      BOOST_TEST_CONTEXT(row.name << ' ' << bits) {
        make_file("f", {}, only_for(row.shift, bits));
        NEEDS(chown("f", row.owner, row.group));
        for (const auto& way : ways) {
          BOOST_TEST_CONTEXT("open with " << std::hex << way.flags) {
            const int wanted = (way.needs & ~bits) == 0 ? 0 : EACCES;
            BOOST_TEST(as(kAliceOfTeam, [&] { return err(open("f", way.flags, 0644)); }) ==
                       Err{wanted});
          }
        }
        NEEDS(unlink("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(open_of_fifos_answers_from_the_bits_of_one_class) {
  for (const auto& row : kClasses) {
    for (mode_t bits = 0; bits < 8; ++bits) {
      BOOST_TEST_CONTEXT(row.name << ' ' << bits) {
        make(Type::kFifo, "f", only_for(row.shift, bits));
        NEEDS(chown("f", row.owner, row.group));
        const auto try_open = [&](int flags) {
          return as(kAliceOfTeam, [&] { return err(open("f", flags | O_NONBLOCK)); });
        };
        BOOST_TEST(try_open(O_RDONLY) == Err{(bits & 4) != 0 ? 0 : EACCES});
        BOOST_TEST(try_open(O_RDWR) == Err{(bits & 6) == 6 ? 0 : EACCES});
        BOOST_TEST(try_open(O_WRONLY) == Err{(bits & 2) != 0 ? ENXIO : EACCES});  // nobody reads
        NEEDS(unlink("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(root_reads_and_writes_all_and_executes_with_any_bit) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    for (const mode_t mode : {0000, 0666, 0100, 0010, 0001, 0777, 07666, 04000}) {
      BOOST_TEST_CONTEXT(type << ' ' << std::oct << mode) {
        make(type, "f", mode);
        give("f", kAlice);
        NEEDS(chmod("f", mode));
        const mode_t may = type == Type::kDirectory || (mode & 0111) != 0 ? 7 : 6;
        BOOST_TEST(first_wrong("f", may, 0) == 0);
        BOOST_TEST(first_wrong("f", may, AT_EACCESS) == 0);
        NEEDS(remove("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(groups_count_wherever_they_stand) {
  make_file("f", {}, 0060);
  NEEDS(chown("f", 0, kTeam));
  std::vector<gid_t> many;
  for (gid_t group = 80000; group < 80100; ++group) many.push_back(group);
  BOOST_TEST(as({kAlice.uid, kAlice.gid, many}, [] { return ask("f", R_OK); }) == Err{EACCES});
  for (const std::size_t at : {0, 50, 100}) {
    std::vector<gid_t> groups = many;
    groups.insert(groups.begin() + static_cast<std::ptrdiff_t>(at), kTeam);
    BOOST_TEST(as({kAlice.uid, kAlice.gid, groups}, [] { return ask("f", R_OK | W_OK); }) ==
               Err{0});
    BOOST_TEST(as({kAlice.uid, kAlice.gid, groups}, [] { return err(open("f", O_RDWR)); }) ==
               Err{0});
  }
}

BOOST_AUTO_TEST_CASE(access_is_refused) {
  make_file("file");
  make_dir("d");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string name = long_name(256), path = std::string(4095, '/') + "d";
  const struct {
    const char* path;
    int asked, wanted;
  } rows[] = {{"missing", F_OK, ENOENT},
              {"missing", R_OK, ENOENT},
              {"", F_OK, ENOENT},
              {"missing/x", F_OK, ENOENT},
              {"dangling", F_OK, ENOENT},
              {"dangling/x", F_OK, ENOENT},
              {"file/x", F_OK, ENOTDIR},
              {"file/", F_OK, ENOTDIR},
              {"file/.", F_OK, ENOTDIR},
              {"file/..", F_OK, ENOTDIR},
              {"loop", F_OK, ELOOP},
              {"loop/x", F_OK, ELOOP},
              {name.c_str(), F_OK, ENAMETOOLONG},
              {path.c_str(), F_OK, ENAMETOOLONG},
              {"file", 8, EINVAL},
              {"file", -1, EINVAL},
              {"missing", 8, EINVAL},
              {"file", X_OK, EACCES},
              {"file", R_OK | X_OK, EACCES},
              {"file", R_OK | W_OK, 0},
              {"d/", R_OK | W_OK | X_OK, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40) << ' ' << row.asked) {
      FAILS(access(row.path, row.asked), row.wanted);
      FAILS(faccessat(AT_FDCWD, row.path, row.asked, AT_EACCESS), row.wanted);
    }
  }
  const Fd file = open_file("file", O_RDONLY), d = open_file("d", O_PATH);
  const char* volatile nowhere = reinterpret_cast<const char*>(1);
  FAILS(access(nowhere, F_OK), EFAULT);
  FAILS(faccessat(-1, "file", F_OK, 0), EBADF);
  FAILS(faccessat(file, "x", F_OK, 0), ENOTDIR);
  FAILS(faccessat(d, "x", F_OK, 0), ENOENT);
  FAILS(syscall(SYS_faccessat2, AT_FDCWD, "file", F_OK, AT_REMOVEDIR | 1), EINVAL);
  WORKS(faccessat(d, "../file", R_OK, 0));
  WORKS(faccessat(-1, (folder + "/file").c_str(), R_OK, 0));
}

BOOST_AUTO_TEST_CASE(access_follows_symlinks_unless_told_otherwise) {
  make_file("secret", {}, 0600);
  NEEDS(symlink("secret", "link"));
  NEEDS(symlink("link", "link2"));
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  for (const char* path : {"link", "link2"}) {
    WORKS(access(path, R_OK));
    FAILS(access(path, X_OK), EACCES);
    BOOST_TEST(as(kAlice, [&] { return ask(path, R_OK); }) == Err{EACCES});
    BOOST_TEST(as(kAlice, [&] { return ask(path, F_OK); }) == Err{0});
  }
  for (const char* path : {"link", "link2", "dangling", "loop"}) {
    BOOST_TEST_CONTEXT(path) {
      BOOST_TEST(as(kAlice, [&] {
                   return Err{first_wrong(path, 7, AT_SYMLINK_NOFOLLOW | AT_EACCESS)};
                 }) == Err{0});
    }
  }
}

BOOST_AUTO_TEST_CASE(access_goes_by_real_ids_and_eaccess_by_effective_ones) {
  make_file("of alice", {}, 0600);
  make_file("of her group", {}, 0060);
  make_file("of root", {}, 0600);
  give("of alice", kAlice);
  give("of her group", {.uid = kBob.uid, .gid = kAlice.gid});
  const struct {
    const User &real, &effective;
    const char* path;
    int by_real, by_effective;
  } rows[] = {{kAlice, kBob, "of alice", 0, EACCES},     {kBob, kAlice, "of alice", EACCES, 0},
              {kAlice, kRoot, "of alice", 0, 0},         {kAlice, kRoot, "of root", EACCES, 0},
              {kBob, kRoot, "of alice", EACCES, 0},      {kRoot, kAlice, "of root", 0, EACCES},
              {kRoot, kBob, "of alice", 0, EACCES},      {kRoot, kAlice, "of alice", 0, 0},
              {kAlice, kRoot, "of her group", 0, 0},     {kRoot, kAlice, "of her group", 0, 0},
              {kRoot, kBob, "of her group", 0, EACCES},  {kBob, kRoot, "of her group", EACCES, 0},
              {kAlice, kBob, "of root", EACCES, EACCES}, {kRoot, kRoot, "of alice", 0, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.real.uid << " as " << row.effective.uid << ' ' << row.path) {
      const auto faccess = [&](int flags) {
        return with_ids(row.real, row.effective,
                        [&] { return err(faccessat(AT_FDCWD, row.path, R_OK | W_OK, flags)); });
      };
      BOOST_TEST(faccess(0) == Err{row.by_real});
      BOOST_TEST(faccess(AT_EACCESS) == Err{row.by_effective});
      BOOST_TEST(with_ids(row.real, row.effective, [&] { return err(open(row.path, O_RDWR)); }) ==
                 Err{row.by_effective});
    }
  }
}

BOOST_AUTO_TEST_CASE(access_to_write_where_all_is_read_only) {
  for (const Type type : kTypes) {
    if (type == Type::kSymlink) continue;
    make(type, "f", 0666);
    const bool keeps_data_here = type == Type::kRegular || type == Type::kDirectory;
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(where_read_only([] { return ask("f", W_OK); }) ==
                 Err{keeps_data_here ? EROFS : 0});
      BOOST_TEST(where_read_only([] { return ask("f", R_OK | W_OK); }) ==
                 Err{keeps_data_here ? EROFS : 0});
      BOOST_TEST(where_read_only([] { return ask("f", R_OK); }) == Err{0});
    }
    NEEDS(remove("f"));
  }
}

BOOST_AUTO_TEST_CASE(a_descriptor_keeps_the_rights_it_was_opened_with) {
  make_file("f", "content", 0666);
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("f", O_WRONLY);
  NEEDS(chmod("f", 0));
  char byte;
  BOOST_TEST(as(kAlice, [&] { return err(read(reading, &byte, 1)); }) == Err{0});
  BOOST_TEST(as(kAlice, [&] { return err(write(writing, "C", 1)); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(open("f", O_RDONLY)); }) == Err{EACCES});
  FAILS(read(writing, &byte, 1), EBADF);
  FAILS(write(reading, "C", 1), EBADF);
  BOOST_TEST(content_of("f") == "Content");
}

BOOST_AUTO_TEST_CASE(changes_of_rights_count_at_once) {
  make_dir("d");
  make_file("d/f", {}, 0644);
  const auto reads = [] { return as(kAlice, [] { return err(open("d/f", O_RDONLY)); }); };
  const auto writes = [] { return as(kAlice, [] { return err(open("d/f", O_WRONLY)); }); };
  for (int i = 0; i < 5; ++i) {
    NEEDS(chmod("d/f", 0600));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chown("d/f", kAlice.uid, 0));
    BOOST_TEST(reads() == Err{0});
    BOOST_TEST(writes() == Err{0});
    NEEDS(chmod("d", 0700));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chown("d", 0, kAlice.gid));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chmod("d", 0710));
    BOOST_TEST(reads() == Err{0});
    NEEDS(chown("d/f", 0, 0));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chmod("d/f", 0644));
    BOOST_TEST(reads() == Err{0});
    BOOST_TEST(writes() == Err{EACCES});
    NEEDS(chown("d", 0, 0));
    BOOST_TEST(reads() == Err{EACCES});
    NEEDS(chmod("d", 0755));
  }
}

BOOST_AUTO_TEST_CASE(reading_without_a_trace_is_for_the_owner) {
  make_file("f", "content", 0666);
  give("f", kBob);
  const auto opens = [](const User& user) {
    return as(user, [] { return err(open("f", O_RDONLY | O_NOATIME)); });
  };
  BOOST_TEST(opens(kAlice) == Err{EPERM});
  BOOST_TEST(opens(kBob) == Err{0});
  BOOST_TEST(opens(kRoot) == Err{0});
}

BOOST_AUTO_TEST_SUITE_END()
