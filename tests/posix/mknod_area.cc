// mknod(2), mknodat(2), mkfifo(3): types, device numbers, privileges, what fifos and sockets do.
// What mknod(2) shares with the other calls that make a file: create_area.cc.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

sockaddr_un address_of(const char* path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = ""};
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

Err bind_to(int fd, const char* path) {
  const sockaddr_un address = address_of(path);
  return err(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

Err connect_to(const char* path) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  return err(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(mknod_, Case)

BOOST_AUTO_TEST_CASE(keeps_device_numbers) {
  const std::pair<unsigned, unsigned> numbers[] = {
      {0, 0},     {0, 1},       {1, 0},       {1, 3},         {255, 255},
      {255, 256}, {256, 0},     {256, 1},     {511, 511},     {1023, 7},
      {4095, 0},  {0, 0xffff},  {0, 0xfffff}, {1, 0x10000},   {4095, 1},
      {8, 0x100}, {8, 0xabcde}, {4094, 255},  {255, 0xfffff}, {4095, 0xfffff}};
  for (const Type type : {Type::kCharDevice, Type::kBlockDevice}) {
    for (const auto& [major_number, minor_number] : numbers) {
      BOOST_TEST_CONTEXT(type << ' ' << major_number << ':' << minor_number) {
        WORKS(mknod("x", bits_of(type) | 0640, makedev(major_number, minor_number)));
        const struct stat st = stat_of("x");
        BOOST_TEST((st.st_mode & S_IFMT) == bits_of(type));
        BOOST_TEST(major(st.st_rdev) == major_number);
        BOOST_TEST(minor(st.st_rdev) == minor_number);
        struct statx stx;
        NEEDS(statx(AT_FDCWD, "x", 0, STATX_BASIC_STATS, &stx));
        BOOST_TEST(stx.stx_rdev_major == major_number);
        BOOST_TEST(stx.stx_rdev_minor == minor_number);
        NEEDS(link("x", "y"));
        NEEDS(unlink("x"));
        NEEDS(rename("y", "z"));
        BOOST_TEST(stat_of("z").st_rdev == st.st_rdev);
        NEEDS(unlink("z"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_device_numbers_of_more_than_32_bits) {
  for (const dev_t number :
       {makedev(4096, 0), makedev(0, 0x100000), makedev(0xffffffff, 1), makedev(1, 0xffffffff)}) {
    for (const Type type : {Type::kCharDevice, Type::kBlockDevice}) {
      FAILS(mknod("x", bits_of(type) | 0600, number), EINVAL);
    }
  }
  BOOST_TEST(names_in(".").empty());
}

BOOST_AUTO_TEST_CASE(forgets_a_device_number_of_other_types) {
  for (const mode_t type : {mode_t{0}, mode_t{S_IFREG}, mode_t{S_IFIFO}, mode_t{S_IFSOCK}}) {
    WORKS(mknod("x", type | 0600, makedev(8, 7)));
    BOOST_TEST(stat_of("x").st_rdev == 0U);
    NEEDS(unlink("x"));
  }
}

BOOST_AUTO_TEST_CASE(refuses_the_other_types) {
  const std::pair<mode_t, int> rows[] = {{S_IFDIR, EPERM},  {S_IFLNK, EINVAL}, {0130000, EINVAL},
                                         {0030000, EINVAL}, {0050000, EINVAL}, {S_IFMT, EINVAL},
                                         {0160000, EINVAL}};
  for (const auto& [type, wanted] : rows) {
    BOOST_TEST_CONTEXT(std::oct << type) {
      const auto work = [type = type, wanted = wanted] {
        FAILS(mknod("x", type | 0600, 0), wanted);
      };
      BOOST_TEST(moved_times(".", work) == "");
      BOOST_TEST(!exists("x"));
      FAILS(mknodat(AT_FDCWD, "x", type | 0600, makedev(1, 3)), wanted);
    }
  }
}

BOOST_AUTO_TEST_CASE(of_devices_is_for_the_privileged) {
  make_dir("d", 0777);
  give("d", kAlice);
  make_file("d/taken");
  const struct {
    mode_t type;
    dev_t number;
    int wanted;
  } rows[] = {{0, 0, 0},
              {S_IFREG, 0, 0},
              {S_IFIFO, 0, 0},
              {S_IFSOCK, 0, 0},
              {S_IFREG, makedev(1, 3), 0},
              {S_IFCHR, makedev(1, 3), EPERM},
              {S_IFCHR, makedev(0, 1), EPERM},
              {S_IFCHR, makedev(0, 0), 0},  // a whiteout
              {S_IFBLK, makedev(0, 0), EPERM},
              {S_IFBLK, makedev(7, 0), EPERM},
              {S_IFDIR, 0, EPERM},
              {S_IFLNK, 0, EINVAL}};
  for (const auto& row : rows) {
    const auto made = [&](const char* path) {
      return as(kAlice, [&] { return err(mknod(path, row.type | 0644, row.number)); });
    };
    BOOST_TEST_CONTEXT(std::oct << row.type << " of " << std::hex << row.number) {
      BOOST_TEST(made("d/x") == Err{row.wanted});
      BOOST_TEST(exists("d/x") == (row.wanted == 0));
      const bool is_type = row.type != S_IFDIR && row.type != S_IFLNK;
      BOOST_TEST(made("d/taken") == Err{is_type ? EEXIST : row.wanted});
    }
    if (row.wanted == 0) NEEDS(unlink("d/x"));
  }
}

BOOST_AUTO_TEST_CASE(of_a_device_belongs_to_others_when_given) {
  make(Type::kBlockDevice, "x", 0600);
  WORKS(chown("x", kAlice.uid, kAlice.gid));
  WORKS(chmod("x", 06777));
  WORKS(utimensat(AT_FDCWD, "x", kSomeTimes, 0));
  const struct stat st = stat_of("x");
  BOOST_TEST(st.st_uid == kAlice.uid);
  BOOST_TEST(st.st_mode == (S_IFBLK | 06777));
  BOOST_TEST(st.st_mtim.tv_sec == 3);
  BOOST_TEST(st.st_rdev == makedev(1, 3));
  FAILS(truncate("x", 0), EINVAL);
}

BOOST_AUTO_TEST_CASE(truncate_refuses_what_has_no_contents) {
  for (const Type type : {Type::kFifo, Type::kSocket, Type::kCharDevice, Type::kBlockDevice}) {
    make(type, "x", 0666);
    const auto work = [] { FAILS(truncate("x", 0), EINVAL); };
    BOOST_TEST(moved_times("x", work) == "", type);
    NEEDS(unlink("x"));
  }
}

BOOST_AUTO_TEST_CASE(of_a_fifo_passes_bytes_on) {
  NEEDS(mkfifo("fifo", 0600));
  NEEDS(link("fifo", "again"));
  const Fd reader = open_file("fifo", O_RDONLY | O_NONBLOCK);
  const Fd writer = open_file("again", O_WRONLY | O_NONBLOCK);
  char bytes[100];
  FAILS(read(reader, bytes, sizeof bytes), EAGAIN);
  BOOST_TEST(write(writer, "12345", 5) == 5);
  NEEDS(unlink("fifo"));
  NEEDS(rename("again", "moved"));
  BOOST_TEST(read(reader, bytes, sizeof bytes) == 5);
  BOOST_TEST(std::string(bytes, 5) == "12345");
  FAILS(lseek(reader, 0, SEEK_SET), ESPIPE);
  FAILS(pread(reader, bytes, 1, 0), ESPIPE);
  pollfd polled{.fd = reader, .events = POLLIN, .revents = 0};
  BOOST_TEST(poll(&polled, 1, 0) == 0);
  BOOST_TEST(write(writer, "1", 1) == 1);
  BOOST_TEST(poll(&polled, 1, 0) == 1);
  BOOST_TEST(fcntl(reader, F_GETPIPE_SZ) == 65536);
  BOOST_TEST(stat_of("moved").st_size == 0);
  const Fd other = open_file("moved", O_RDONLY | O_NONBLOCK);
  BOOST_TEST(read(other, bytes, 1) == 1);
}

BOOST_AUTO_TEST_CASE(of_a_fifo_ends_with_its_writers_and_readers) {
  NEEDS(mkfifo("fifo", 0600));
  Fd reader = open_file("fifo", O_RDONLY | O_NONBLOCK);
  Fd writer = open_file("fifo", O_WRONLY);
  BOOST_TEST(write(writer, "1", 1) == 1);
  writer.reset();
  char byte;
  BOOST_TEST(read(reader, &byte, 1) == 1);
  BOOST_TEST(read(reader, &byte, 1) == 0);
  const Fd again = open_file("fifo", O_WRONLY);
  reader.reset();
  const auto ignore = signal(SIGPIPE, SIG_IGN);
  FAILS(write(again, "1", 1), EPIPE);
  signal(SIGPIPE, ignore);
}

BOOST_AUTO_TEST_CASE(of_a_fifo_shows_what_passes_in_its_times) {
  NEEDS(mkfifo("fifo", 0600));
  const Fd fd = open_file("fifo", O_RDWR);
  char byte = '1';
  const auto put = [&] { NEEDS(write(fd, &byte, 1)); };
  const auto get = [&] { NEEDS(read(fd, &byte, 1)); };
  // The kernel serves fifos by itself and leaves the times of a FUSE filesystem's alone.
  BOOST_TEST(moved_times("fifo", put) == (on_holtfs() ? "" : "mc"));
  BOOST_TEST(moved_times("fifo", get) == (on_holtfs() ? "" : "a"));
}

BOOST_AUTO_TEST_CASE(of_a_socket_makes_one_nobody_listens_on) {
  NEEDS(mknod("socket", S_IFSOCK | 0666, 0));
  BOOST_TEST(connect_to("socket") == Err{ECONNREFUSED});
  make_file("file");
  BOOST_TEST(connect_to("file") == Err{ECONNREFUSED});
  BOOST_TEST(connect_to("missing") == Err{ENOENT});
}

BOOST_AUTO_TEST_CASE(bind_makes_a_socket_that_is_found_by_its_names) {
  make_dir("d");
  NEEDS(symlink("socket", "to_socket"));
  Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  NEEDS(server);
  umask(027);
  BOOST_TEST(bind_to(server, "socket") == Err{0});
  BOOST_TEST(mode_of("socket") == 0750U);
  NEEDS(listen(server, 10));
  for (const char* const path : {"socket", "to_socket", "./d/../socket"}) {
    BOOST_TEST(connect_to(path) == Err{0}, path);
  }
  BOOST_TEST(as(kAlice, [] { return connect_to("socket"); }) == Err{EACCES});
  NEEDS(chmod("socket", 0722));
  BOOST_TEST(as(kAlice, [] { return connect_to("socket"); }) == Err{0});
  NEEDS(rename("socket", "d/moved"));
  NEEDS(link("d/moved", "linked"));
  BOOST_TEST(connect_to("d/moved") == Err{0});
  BOOST_TEST(connect_to("linked") == Err{0});
  BOOST_TEST(connect_to("to_socket") == Err{ENOENT});
  server.reset();
  BOOST_TEST(connect_to("linked") == Err{ECONNREFUSED});
  BOOST_TEST(exists("linked"));
}

BOOST_AUTO_TEST_CASE(bind_takes_no_name_that_is_there) {
  NEEDS(symlink("nowhere", "dangling"));
  make_dir("dir");
  for (const char* const path : {"dangling", "dir", "."}) {
    const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_TEST(bind_to(fd, path) == Err{EADDRINUSE}, path);
  }
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  BOOST_TEST(bind_to(fd, "missing/x") == Err{ENOENT});
  BOOST_TEST(bind_to(fd, "dangling/x") == Err{ENOENT});
  BOOST_TEST(where_read_only([&] { return bind_to(fd, "x"); }) == Err{EROFS});
  BOOST_TEST(as(kAlice, [&] { return bind_to(fd, "x"); }) == Err{EACCES});
}

BOOST_AUTO_TEST_SUITE_END()
