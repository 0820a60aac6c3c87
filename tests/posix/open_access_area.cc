// open(2): who may open what, beyond what permission_area.cc says, and what opens of fifos,
// sockets, devices and programs do.
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

Err open_with(const char* path, int flags, mode_t mode = 0644) {
  return closed(open(path, flags | O_NONBLOCK | O_CLOEXEC, mode));
}

Err open_as(const User& user, const char* path, int flags) {
  return as(user, [&] { return open_with(path, flags); });
}

// Which of the three digits of a mode counts for Alice.
const struct Class {
  const char* name;
  User owner, user;
  unsigned shift;
} kClasses[] = {
    {"the owner", kAlice, kAlice, 6},
    {"the group", {.uid = kBob.uid, .gid = kAlice.gid}, kAlice, 3},
    {"a supplementary group",
     {.uid = kBob.uid, .gid = kTeam},
     {.uid = kAlice.uid, .gid = kAlice.gid, .groups = {70200, kTeam}},
     3},
    {"others", kBob, kAlice, 0},
};

// Those bits for this class, and the opposite for the other two.
mode_t mode_for(const Class& who, mode_t bits) {
  const mode_t others = 07 & ~bits;
  mode_t mode = 0;
  for (const unsigned shift : {6U, 3U, 0U}) {
    mode |= (shift == who.shift ? bits : others) << shift;
  }
  return mode;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(open_access_, Case)

BOOST_AUTO_TEST_CASE(a_device_asks_as_a_file_does) {
  const std::pair<int, mode_t> rows[] = {
      {O_RDONLY, 4}, {O_WRONLY, 2}, {O_RDWR, 6}, {O_RDONLY | O_TRUNC, 6}, {O_ACCMODE, 6}};
  make(Type::kCharDevice, "null");
  for (const Class& who : kClasses) {
    give("null", who.owner);
    for (mode_t bits = 0; bits < 8; ++bits) {
      NEEDS(chmod("null", mode_for(who, bits)));
      for (const auto& [flags, needed] : rows) {
        BOOST_TEST_CONTEXT(who.name << " with " << bits << " and " << std::oct << flags) {
          const int wanted = (bits & needed) == needed ? 0 : EACCES;
          BOOST_TEST(open_as(who.user, "null", flags) == Err{wanted});
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(root_opens_everything) {
  make_dir("d", 0);
  for (const Type type : {Type::kRegular, Type::kFifo, Type::kCharDevice}) {
    make(type, "d/x", 0);
    give("d/x", kBob);
    BOOST_TEST(open_with("d/x", O_RDWR) == Err{0});
    BOOST_TEST(open_with("d/x", O_RDONLY | O_TRUNC) == Err{0});
    NEEDS(unlink("d/x"));
  }
  BOOST_TEST(open_with("d", O_RDONLY | O_DIRECTORY) == Err{0});
}

BOOST_AUTO_TEST_CASE(that_is_refused_changes_nothing) {
  make_file("f", "12345", 0604);
  make_dir("d", 0700);
  for (const int flags : {O_WRONLY, O_RDONLY | O_TRUNC, O_WRONLY | O_CREAT | O_TRUNC}) {
    const auto work = [&] { BOOST_TEST(open_as(kAlice, "f", flags) == Err{EACCES}); };
    BOOST_TEST(moved_times_of({"f", "."}, work) == "- -");
  }
  BOOST_TEST(content_of("f") == "12345");
  BOOST_TEST(open_as(kAlice, "new", O_RDWR | O_CREAT) == Err{EACCES});
  BOOST_TEST(!exists("new"));
}

BOOST_AUTO_TEST_CASE(O_NOATIME_is_for_the_owner) {
  make_dir("d", 0777);
  give("d", kAlice);
  for (const Type type : {Type::kRegular, Type::kFifo, Type::kDirectory}) {
    make(type, "d/x", 0777);
    give("d/x", kAlice);
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(open_as(kAlice, "d/x", O_RDONLY | O_NOATIME) == Err{0});
      BOOST_TEST(open_as(kRoot, "d/x", O_RDONLY | O_NOATIME) == Err{0});
      BOOST_TEST(open_as(kBob, "d/x", O_RDONLY | O_NOATIME) == Err{EPERM});
      const auto later = [](const User& user) {
        return as(user, [] {
          const Fd fd(open("d/x", O_RDONLY | O_NONBLOCK));
          return fd < 0 ? err(fd) : err(fcntl(fd, F_SETFL, O_NOATIME));
        });
      };
      BOOST_TEST(later(kAlice) == Err{0});
      BOOST_TEST(later(kBob) == Err{EPERM});
    }
    NEEDS(remove("d/x"));
  }
  BOOST_TEST(open_as(kBob, "d/new", O_RDWR | O_CREAT | O_NOATIME) == Err{0});
}

BOOST_AUTO_TEST_CASE(a_read_only_filesystem_opens_what_needs_no_change) {
  make_file("f", "12345");
  make(Type::kFifo, "fifo");
  make(Type::kCharDevice, "null");
  make_dir("d");
  const struct {
    const char* path;
    int flags, wanted;
  } rows[] = {{"f", O_RDONLY, 0},
              {"f", O_RDONLY | O_CREAT, 0},
              {"f", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
              {"f", O_WRONLY, EROFS},
              {"f", O_RDWR, EROFS},
              {"f", O_RDONLY | O_TRUNC, EROFS},
              {"f", O_WRONLY | O_CREAT | O_TRUNC, EROFS},
              {"new", O_RDONLY, ENOENT},
              {"new", O_RDONLY | O_CREAT, EROFS},
              {"new", O_RDWR | O_CREAT | O_EXCL, EROFS},
              {"missing/new", O_RDWR | O_CREAT, ENOENT},
              {"fifo", O_RDWR, 0},
              {"null", O_RDWR, 0},
              {"d", O_RDONLY, 0},
              {"d", O_RDWR, EISDIR},
              {"d", O_RDWR | O_TMPFILE, EROFS},
              {"f", O_PATH, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path << " with " << std::oct << row.flags) {
      BOOST_TEST(where_read_only([&] { return open_with(row.path, row.flags); }) ==
                 Err{row.wanted});
    }
  }
}

BOOST_AUTO_TEST_CASE(without_a_free_descriptor_makes_nothing) {
  make_file("f", "12345");
  const auto full = [](const char* path, int flags) {
    return as(kRoot, [&] {
      const rlimit none{.rlim_cur = 0, .rlim_max = 0};
      return setrlimit(RLIMIT_NOFILE, &none) != 0 ? err(-1) : open_with(path, flags);
    });
  };
  BOOST_TEST(full("f", O_RDONLY) == Err{EMFILE});
  BOOST_TEST(full("f", O_WRONLY | O_TRUNC) == Err{EMFILE});
  BOOST_TEST(full("new", O_WRONLY | O_CREAT) == Err{EMFILE});
  BOOST_TEST(!exists("new"));
  BOOST_TEST(content_of("f") == "12345");
}

BOOST_AUTO_TEST_CASE(a_fifo_waits_for_its_other_end_unless_told_not_to) {
  NEEDS(mkfifo("fifo", 0600));
  BOOST_TEST(open_with("fifo", O_WRONLY) == Err{ENXIO});
  BOOST_TEST(open_with("fifo", O_RDONLY) == Err{0});
  BOOST_TEST(open_with("fifo", O_RDWR) == Err{0});
  {
    const Fd reader = open_file("fifo", O_RDONLY | O_NONBLOCK);
    BOOST_TEST(open_with("fifo", O_WRONLY) == Err{0});
  }
  // Without a reader by now: the two opens wait for each other.
  const pid_t child = fork();
  if (child == 0) {
    const Fd fd(open("fifo", O_WRONLY));
    _exit(write(fd, "12345", 5) == 5 ? 0 : 1);
  }
  const Fd waiting = open_file("fifo", O_RDONLY);
  char bytes[6] = "";
  BOOST_TEST(read(waiting, bytes, 5) == 5);
  BOOST_TEST(std::string(bytes) == "12345");
  int status = -1;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(stat_of("fifo").st_size == 0);
}

BOOST_AUTO_TEST_CASE(a_socket_and_a_device_without_driver_do_not_open) {
  const struct {
    Type type;
    dev_t device;
  } rows[] = {{Type::kSocket, 0},
              {Type::kCharDevice, makedev(4000, 7)},
              {Type::kCharDevice, makedev(0, 0)},
              {Type::kBlockDevice, makedev(4000, 7)},
              {Type::kBlockDevice, makedev(0, 0)}};
  for (const auto& row : rows) {
    NEEDS(mknod("x", bits_of(row.type) | 0666, row.device));
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_TRUNC}) {
      BOOST_TEST(open_with("x", flags) == Err{ENXIO}, row.type << " with " << std::oct << flags);
    }
    NEEDS(unlink("x"));
  }
}

BOOST_AUTO_TEST_CASE(a_device_is_that_device) {
  NEEDS(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  NEEDS(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
  NEEDS(mknod("full", S_IFCHR | 0666, makedev(1, 7)));
  const Fd null = open_file("null", O_RDWR), zero = open_file("zero", O_RDWR),
           full = open_file("full", O_RDWR);
  char byte = 'x';
  BOOST_TEST(write(null, &byte, 1) == 1);
  BOOST_TEST(read(null, &byte, 1) == 0);
  FAILS(write(full, &byte, 1), ENOSPC);
  BOOST_TEST(read(zero, &byte, 1) == 1);
  BOOST_TEST(byte == '\0');
  BOOST_TEST(stat_of("null").st_size == 0);
}

BOOST_AUTO_TEST_CASE(a_program_that_runs_is_not_written_to) {
  std::ifstream cat("/bin/cat", std::ios::binary);
  make_file("cat", std::string(std::istreambuf_iterator<char>(cat), {}), 0755);
  int input[2], started[2];
  NEEDS(pipe2(input, O_CLOEXEC));
  NEEDS(pipe2(started, O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    dup2(input[0], 0);
    execl("./cat", "cat", nullptr);
    _exit(1);
  }
  close(input[0]);
  close(started[1]);
  char byte;
  BOOST_TEST(read(started[0], &byte, 1) == 0);  // exec closed the other end
  for (const int flags : {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT}) {
    BOOST_TEST(open_with("cat", flags) == Err{ETXTBSY}, std::oct << flags);
  }
  FAILS(truncate("cat", 0), ETXTBSY);
  BOOST_TEST(open_with("cat", O_RDONLY) == Err{0});
  close(input[1]);
  int status = -1;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  close(started[0]);
  const Fd fd = open_file("cat", O_WRONLY);
  BOOST_TEST(as(kRoot, [] { return err(execl("./cat", "cat", nullptr)); }) == Err{ETXTBSY});
}

BOOST_AUTO_TEST_SUITE_END()
