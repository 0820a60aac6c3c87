// What reading and writing do beside moving bytes: times, set-id bits, limits; pipes in the tree;
// fsync(2) and its relatives, posix_fadvise(3).
#include <poll.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

Err write_to(const char* path, int flags, std::string_view bytes, off_t offset = 0) {
  const Fd fd(open(path, flags | O_CLOEXEC, 0644));
  return fd < 0 ? err(fd) : err(pwrite(fd, bytes.data(), bytes.size(), offset));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(write_, Case)

BOOST_AUTO_TEST_CASE(moves_mtime_and_ctime) {
  make_dir("d");
  make_file("d/f", pattern(5000));
  const struct {
    off_t offset;
    std::size_t size;
    int flags;
    const char* wanted;
  } rows[] = {{0, 1, 0, "mc"},      {0, 5000, 0, "mc"},    {6000, 10, 0, "mc"},
              {0, 0, 0, ""},        {100000, 0, 0, ""},    {0, 1, O_APPEND, "mc"},
              {0, 0, O_APPEND, ""}, {0, 10, O_SYNC, "mc"}, {0, 10, O_DSYNC, "mc"}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.size << " at " << row.offset << " with " << row.flags) {
      std::string of_file;
      const std::string of_parent = moved_times("d", [&] {
        of_file = moved_times("d/f", [&] {
          BOOST_TEST(write_to("d/f", O_WRONLY | row.flags, pattern(row.size), row.offset) ==
                     Err{0});
        });
      });
      BOOST_TEST(of_file == row.wanted);
      BOOST_TEST(of_parent == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(each_of_many_writes_moves_them) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(moved_times("f", [&] { write_at(fd, 0, "same"); }) == "mc");
    struct stat by_fd;
    NEEDS(fstat(fd, &by_fd));
    const struct stat by_path = stat_of("f");
    BOOST_TEST(by_fd.st_mtim.tv_nsec == by_path.st_mtim.tv_nsec);
    BOOST_TEST(by_fd.st_ctim.tv_nsec == by_path.st_ctim.tv_nsec);
    BOOST_TEST(by_fd.st_mtim.tv_nsec == by_fd.st_ctim.tv_nsec);
  }
}

BOOST_AUTO_TEST_CASE(failure_moves_nothing) {
  make_file("f", "content");
  const Fd fd = open_file("f", O_RDWR), reading = open_file("f", O_RDONLY);
  const std::string moved = moved_times("f", [&] {
    FAILS(pwrite(fd, "x", 1, -1), EINVAL);
    FAILS(pwrite(fd, "x", 1, kLargest), EFBIG);
    FAILS(write(reading, "x", 1), EBADF);
  });
  BOOST_TEST(moved == "");
}

// relatime, which is the rule of both: when what is there is not newer than the file.
BOOST_AUTO_TEST_CASE(reading_moves_the_atime_of_what_changed_since) {
  make_file("f", "content");
  make_file("noatime", "content");
  for (const char* path : {"f", "noatime"}) {
    drop_cache(path);
    const bool noatime = path != std::string_view("f");
    const Fd fd = open_file(path, O_RDONLY | (noatime ? O_NOATIME : 0));
    BOOST_TEST(moved_times(path, [&] { (void)read_at(fd, 0, 1); }) == (noatime ? "" : "a"));
    BOOST_TEST(moved_times(path, [&] { (void)read_at(fd, 0, 1); }) == "");  // not twice
    drop_cache(path);
    BOOST_TEST(moved_times(path, [&] { (void)read_at(fd, 0, 1); }) == "");
  }
  const Fd fd = open_file("f", O_RDWR);
  write_at(fd, 0, "C");
  drop_cache("f");
  BOOST_TEST(moved_times("f", [&] { (void)read_at(fd, 0, 1); }) == "a");
  NEEDS(chmod("f", 0600));
  drop_cache("f");
  BOOST_TEST(moved_times("f", [&] { (void)read_at(fd, 0, 1); }) == "a");
  const timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  NEEDS(utimensat(AT_FDCWD, "f", old, 0));
  drop_cache("f");
  BOOST_TEST(moved_times("f", [&] { (void)read_at(fd, 0, 0); }) == "");
  BOOST_TEST(moved_times("f", [&] { (void)read_at(fd, 0, 1); }) == "a");
}

BOOST_AUTO_TEST_CASE(drops_set_ids_and_capabilities) {
  const struct {
    const char* name;
    int flags;
    off_t offset;
  } rows[] = {{"writing over", O_WRONLY, 0},
              {"beyond the end", O_WRONLY, 9000},
              {"appending", O_WRONLY | O_APPEND, 0},
              {"synchronously", O_RDWR | O_SYNC, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      check_privileges_after([&] { return write_to("f", row.flags, "bytes", row.offset); },
                             "content");
    }
  }
}

BOOST_AUTO_TEST_CASE(writing_nothing_or_reading_drops_no_bits) {
  make_file("f", "content");
  give_capability("f");
  NEEDS(chmod("f", 06777));
  BOOST_TEST(as(kAlice, [] { return write_to("f", O_WRONLY, ""); }) == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(open("f", O_WRONLY)); }) == Err{0});
  BOOST_TEST(as(kAlice, [] {
               const Fd fd(open("f", O_RDWR));
               char byte;
               return err(read(fd, &byte, 1));
             }) == Err{0});
  BOOST_TEST(mode_of("f") == 06777U);
  BOOST_TEST(has_capability("f"));
}

BOOST_AUTO_TEST_CASE(stays_within_the_limit_of_file_sizes) {
  const struct {
    off_t offset;
    std::size_t size;
    int wanted;
    off_t size_after;
  } rows[] = {{0, 1000, 0, 1000},  {0, 1001, 0, 1000}, {999, 5, 0, 1000},   {1000, 1, EFBIG, 0},
              {5000, 1, EFBIG, 0}, {1000, 0, 0, 0},    {500, 5000, 0, 1000}};
  for (const auto& row : rows) {
    for (const int flags : {0, O_APPEND}) {
      BOOST_TEST_CONTEXT(row.size << " at " << row.offset << " with " << flags) {
        const bool appends = flags != 0;
        make_file("f", pattern(appends ? static_cast<std::size_t>(row.offset) : 0));
        const off_t before = size_of("f");
        BOOST_TEST(as(kRoot, [&] {
                     if (!limit_file_size(1000)) return Err{ENOSYS};
                     return write_to("f", O_WRONLY | flags, pattern(row.size), row.offset);
                   }) == Err{row.wanted});
        const off_t after = row.size_after == 0 ? before : row.size_after;
        BOOST_TEST(size_of("f") == after);
        NEEDS(unlink("f"));
      }
    }
  }
  make_file("f", pattern(2000));
  BOOST_TEST(as(kRoot, [] {  // what is there already, too
               return limit_file_size(1000) ? write_to("f", O_WRONLY, "x", 1500) : Err{ENOSYS};
             }) == Err{EFBIG});
  BOOST_TEST(signal_of([] {
               if (limit_file_size(1000)) signal(SIGXFSZ, SIG_DFL);
               (void)write_to("f", O_WRONLY, "x", 1000);
             }) == SIGXFSZ);
}

BOOST_AUTO_TEST_CASE(is_refused_where_read_only) {
  make_file("f", "content");
  NEEDS(mknod("fifo", S_IFIFO | 0600, 0));
  for (const int flags : {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_CREAT}) {
    BOOST_TEST(where_read_only([&] { return err(open("f", flags, 0644)); }) == Err{EROFS});
  }
  BOOST_TEST(where_read_only([] { return err(open("f", O_RDONLY)); }) == Err{0});
  BOOST_TEST(where_read_only([] { return err(open("new", O_RDWR | O_CREAT, 0644)); }) ==
             Err{EROFS});
  BOOST_TEST(where_read_only([] { return write_to("f", O_WRONLY, ""); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return err(open("fifo", O_RDWR)); }) == Err{0});
}

BOOST_AUTO_TEST_CASE(another_process_sees_every_write_at_once) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  for (int round = 0; round < 20; ++round) {
    const std::string bytes = pattern(7000, static_cast<unsigned>(round));
    write_at(fd, 3000, bytes);
    BOOST_TEST(as(kAlice, [&] {
                 std::string seen(bytes.size(), '?');
                 const Fd other(open("f", O_RDONLY));
                 const ssize_t got = pread(other, seen.data(), seen.size(), 3000);
                 return Err{got == std::ssize(bytes) && seen == bytes ? 0 : EIO};
               }) == Err{0});
    BOOST_TEST(as(kRoot, [&] { return write_to("f", O_WRONLY, "child", round); }) == Err{0});
    BOOST_TEST(read_at(fd, round, 5) == "child");
  }
}

// Stripes of which several share each page.
BOOST_AUTO_TEST_CASE(processes_write_side_by_side) {
  constexpr std::size_t kWriters = 4, kStripes = 200, kSize = 1000;
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  std::vector<pid_t> children;
  for (std::size_t writer = 0; writer < kWriters; ++writer) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const int own = open("f", O_WRONLY);
    std::size_t done = 0;
    for (std::size_t i = 0; i < kStripes; ++i) {
      const std::string stripe = pattern(kSize, static_cast<unsigned>(writer + i));
      const auto at = static_cast<off_t>((i * kWriters + writer) * kSize);
      if (pwrite(own, stripe.data(), kSize, at) == std::ssize(stripe)) ++done;
    }
    _exit(done == kStripes ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    BOOST_TEST(waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
  }
  for (const bool cached : {true, false}) {
    if (!cached) drop_cache("f");
    for (std::size_t i = 0; i < kStripes * kWriters; ++i) {
      const std::string stripe = read_at(fd, static_cast<off_t>(i * kSize), kSize);
      const auto seed = static_cast<unsigned>(i % kWriters + i / kWriters);
      BOOST_REQUIRE_MESSAGE(same_bytes(stripe, pattern(kSize, seed)), "stripe " << i);
    }
  }
  BOOST_TEST(size_of("f") == std::ssize(zeros(kWriters * kStripes * kSize)));
}

BOOST_AUTO_TEST_CASE(contents_are_always_ready) {
  make_file("f");
  for (const char* path : {"f", "."}) {
    const Fd fd = open_file(path, O_RDONLY);
    pollfd asked = {.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
    BOOST_TEST(poll(&asked, 1, 0) == 1);
    BOOST_TEST(asked.revents == (POLLIN | POLLOUT));
  }
  const Fd fd = open_file("f", O_RDWR | O_NONBLOCK);
  char byte;
  BOOST_TEST(read(fd, &byte, 1) == 0);
  BOOST_TEST(write(fd, "x", 1) == 1);
}

// Without a stat() in between, which might be what makes the kernel look.
BOOST_AUTO_TEST_CASE(set_ids_are_gone_for_whoever_runs_the_file_next) {
  const std::string program = content_of("/usr/bin/id");
  for (const bool allocates : {false, true}) {
    make_file("id", program, 0777);
    NEEDS(chmod("id", 04777));
    const auto effective_user = [&]() -> int {
      FILE* const out = popen("./id -u", "r");
      int uid = -1;
      (void)!fscanf(out, "%d", &uid);
      pclose(out);
      return uid;
    };
    BOOST_TEST(as(kAlice, [&] {
                 if (effective_user() != 0) return Err{EINVAL};  // it is not honoured here at all
                 Fd fd(open("id", O_WRONLY));
                 const Err done =
                     err(allocates ? fallocate(fd, 0, 0, 10) : pwrite(fd, program.data(), 4096, 0));
                 fd.reset();
                 if (done != Err{0}) return done;
                 return Err{effective_user() == static_cast<int>(kAlice.uid) ? 0 : EPERM};
               }) == Err{0});
    NEEDS(unlink("id"));
  }
}

BOOST_AUTO_TEST_CASE(a_fifo_carries_bytes) {
  NEEDS(mkfifo("fifo", 0666));
  FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  Fd reader = open_file("fifo", O_RDONLY | O_NONBLOCK);
  char bytes[8];
  BOOST_TEST(read(reader, bytes, 8) == 0);  // no writer
  Fd writer = open_file("fifo", O_WRONLY | O_NONBLOCK);
  FAILS(read(reader, bytes, 8), EAGAIN);
  BOOST_TEST(write(writer, "12345", 5) == 5);
  BOOST_TEST(read(reader, bytes, 2) == 2);
  BOOST_TEST(read(reader, bytes, 8) == 3);
  const std::string page = pattern(kPage);
  ssize_t got = 0;
  for (int i = 0; i < 1000 && got >= 0; ++i) got = write(writer, page.data(), page.size());
  FAILS(got, EAGAIN);
  BOOST_TEST(size_of("fifo") == 0);
  FAILS(lseek(writer, 0, SEEK_SET), ESPIPE);
  FAILS(pwrite(writer, "x", 1, 0), ESPIPE);
  reader.reset();
  BOOST_TEST(signal_of([&] { (void)!write(writer, "x", 1); }) == SIGPIPE);
  BOOST_TEST(as(kRoot, [&] {
               signal(SIGPIPE, SIG_IGN);
               return err(write(writer, "x", 1));
             }) == Err{EPIPE});
}

BOOST_AUTO_TEST_CASE(a_fifo_meets_its_other_end) {
  NEEDS(mkfifo("fifo", 0666));
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open("fifo", O_WRONLY);  // waits for the reader
    _exit(write(fd, "hello", 5) == 5 ? 0 : 1);
  }
  BOOST_TEST(content_of("fifo") == "hello");
  int status = 0;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(devices_work) {
  NEEDS(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  NEEDS(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
  NEEDS(mknod("full", S_IFCHR | 0666, makedev(1, 7)));
  NEEDS(mknod("nothing", S_IFCHR | 0666, makedev(0, 0)));
  const Fd null = open_file("null", O_RDWR), zero = open_file("zero", O_RDWR);
  const Fd full = open_file("full", O_RDWR);
  char bytes[3] = {'x', 'x', 'x'};
  BOOST_TEST(read(null, bytes, 3) == 0);
  BOOST_TEST(write(null, bytes, 3) == 3);
  BOOST_TEST(read(zero, bytes, 3) == 3);
  BOOST_TEST(std::string(bytes, 3) == zeros(3));
  FAILS(write(full, bytes, 3), ENOSPC);
  FAILS(open("nothing", O_RDONLY), ENXIO);
}

BOOST_AUTO_TEST_CASE(everything_that_can_be_open_is_synced_or_refused) {
  make_file("f", "content");
  make_dir("d");
  NEEDS(mkfifo("fifo", 0666));
  make(Type::kCharDevice, "null");
  NEEDS(symlink("f", "link"));
  const struct {
    const char* path;
    int flags, to_fsync, to_range;
  } rows[] = {{"f", O_RDONLY, 0, 0},
              {"f", O_WRONLY, 0, 0},
              {"f", O_RDWR | O_SYNC, 0, 0},
              {"d", O_RDONLY, 0, 0},
              {"fifo", O_RDWR, EINVAL, ESPIPE},
              {"null", O_RDWR, EINVAL, ESPIPE},
              {"f", O_PATH, EBADF, EBADF},
              {"d", O_PATH, EBADF, EBADF},
              {"link", O_PATH | O_NOFOLLOW, EBADF, EBADF},
              {".", O_WRONLY | O_TMPFILE, 0, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path << " with " << row.flags) {
      const Fd fd = open_file(row.path, row.flags);
      FAILS(fsync(fd), row.to_fsync);
      FAILS(fdatasync(fd), row.to_fsync);
      FAILS(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), row.to_range);
      FAILS(syncfs(fd), (row.flags & O_PATH) != 0 ? EBADF : 0);
    }
  }
  FAILS(fsync(-1), EBADF);
  FAILS(fdatasync(-1), EBADF);
  FAILS(syncfs(-1), EBADF);
  const Fd fd = open_file("f", O_RDWR);
  FAILS(sync_file_range(fd, -1, 1, SYNC_FILE_RANGE_WRITE), EINVAL);
  FAILS(sync_file_range(fd, 0, 1, 0x80), EINVAL);
  BOOST_TEST(moved_times("f", [&] { NEEDS(fsync(fd)); }) == "");
  NEEDS(chmod("f", 0));
  BOOST_TEST(as(kAlice, [&] { return err(fsync(fd)); }) == Err{0});
}

BOOST_AUTO_TEST_CASE(advice_changes_nothing) {
  make_file("f", pattern(10000));
  NEEDS(mkfifo("fifo", 0666));
  const Fd fd = open_file("f", O_RDWR), fifo = open_file("fifo", O_RDWR);
  const Fd path = open_file("f", O_PATH);
  for (const int advice : {POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                           POSIX_FADV_NOREUSE, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED}) {
    BOOST_TEST_CONTEXT(advice) {
      BOOST_TEST(posix_fadvise(fd, 0, 0, advice) == 0);
      BOOST_TEST(posix_fadvise(fd, 5000, 1 << 20, advice) == 0);
      BOOST_TEST(posix_fadvise(fd, 0, -1, advice) == EINVAL);
      BOOST_TEST(posix_fadvise(fifo, 0, 0, advice) == ESPIPE);
      BOOST_TEST(posix_fadvise(path, 0, 0, advice) == EBADF);
      BOOST_TEST(posix_fadvise(-1, 0, 0, advice) == EBADF);
    }
  }
  BOOST_TEST(posix_fadvise(fd, 0, 0, 99) == EINVAL);
  WORKS(readahead(fd, 0, 10000));
  FAILS(readahead(-1, 0, 10000), EBADF);
  BOOST_TEST(same_bytes(content_of("f"), pattern(10000)));
}

BOOST_AUTO_TEST_SUITE_END()
