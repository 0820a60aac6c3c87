// copy_file_range(2), sendfile(2), splice(2).
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

// All of `size`, in as many calls as it takes; less only at the end of the source.
ssize_t copy_all(int in, off_t from, int out, off_t to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = copy_file_range(in, &from, out, &to, size - done, 0);
    if (got < 0) return got;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

const std::string& source() {
  static const std::string bytes = pattern(300'001, 5);
  return bytes;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(copy_, Case)

BOOST_AUTO_TEST_CASE(a_range_arrives_where_it_is_told) {
  make_file("source", source());
  const std::string old = pattern(20'000, 6);
  const struct {
    off_t from, to;
    std::size_t size;
  } rows[] = {{0, 0, 300'001},  {0, 0, 1},           {0, 0, 4096},          {1, 0, 4096},
              {0, 1, 4096},     {4095, 4097, 8192},  {100'000, 5, 200'001}, {300'000, 0, 1},
              {0, 20'000, 100}, {0, 50'000, 10'000}, {299'000, 0, 5000},    {300'001, 0, 10},
              {400'000, 0, 10}, {0, 0, 0},           {0, 1 << 30, 100}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.size << " from " << row.from << " to " << row.to) {
      make_file("f", old);
      const Fd in = open_file("source", O_RDONLY), out = open_file("f", O_WRONLY);
      const std::string part = row.from < std::ssize(source())
                                   ? source().substr(static_cast<std::size_t>(row.from), row.size)
                                   : std::string();
      BOOST_TEST(copy_all(in, row.from, out, row.to, row.size) == std::ssize(part));
      const off_t end = row.to + std::ssize(part);
      BOOST_TEST(size_of("f") == (part.empty() ? 20'000 : std::max<off_t>(20'000, end)));
      const Fd check = open_file("f", O_RDONLY);
      BOOST_TEST(same_bytes(read_at(check, row.to, part.size()), part));
      const auto before = static_cast<std::size_t>(std::min<off_t>(row.to, 20'000));
      BOOST_TEST(same_bytes(read_at(check, 0, before), old.substr(0, before)));
      if (end < 20'000) {
        const std::string rest = old.substr(static_cast<std::size_t>(end));
        BOOST_TEST(same_bytes(read_at(check, end, 20'000), rest));
      }
      NEEDS(unlink("f"));
    }
  }
  BOOST_TEST(same_bytes(content_of("source"), source()));
}

BOOST_AUTO_TEST_CASE(offsets_are_those_of_the_descriptors_unless_given) {
  make_file("source", source());
  const Fd in = open_file("source", O_RDONLY), out = open_file("f", O_RDWR | O_CREAT);
  NEEDS(lseek(in, 10, SEEK_SET));
  NEEDS(lseek(out, 20, SEEK_SET));
  BOOST_TEST(copy_file_range(in, nullptr, out, nullptr, 100, 0) == 100);
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 110);
  BOOST_TEST(lseek(out, 0, SEEK_CUR) == 120);
  off_t from = 1000, to = 2000;
  BOOST_TEST(copy_file_range(in, &from, out, &to, 50, 0) == 50);
  BOOST_TEST(from == 1050);
  BOOST_TEST(to == 2050);
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 110);
  BOOST_TEST(lseek(out, 0, SEEK_CUR) == 120);
  from = std::ssize(source());
  BOOST_TEST(copy_file_range(in, &from, out, nullptr, 50, 0) == 0);
  BOOST_TEST(from == std::ssize(source()));
  BOOST_TEST(same_bytes(content_of("f"), zeros(20) + source().substr(10, 100) + zeros(1880) +
                                             source().substr(1000, 50)));
}

BOOST_AUTO_TEST_CASE(a_file_is_copied_within_itself_where_nothing_overlaps) {
  const struct {
    off_t from, to;
    std::size_t size;
    int wanted;
  } rows[] = {{0, 10'000, 10'000, 0},     {10'000, 0, 10'000, 0},
              {0, 20'000, 20'000, 0},     {0, 9'999, 10'000, EINVAL},
              {9'999, 0, 10'000, EINVAL}, {0, 0, 1, EINVAL},
              {5, 6, 10, EINVAL},         {0, 0, 0, 0},
              {15'000, 20'000, 5'000, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.size << " from " << row.from << " to " << row.to) {
      std::string wanted = pattern(20'000);
      make_file("f", wanted);
      NEEDS(link("f", "also"));
      const Fd in = open_file("f", O_RDONLY), out = open_file("also", O_RDWR);
      BOOST_TEST(err(copy_all(in, row.from, out, row.to, row.size)) == Err{row.wanted});
      if (row.wanted == 0) {
        const std::string part = wanted.substr(static_cast<std::size_t>(row.from), row.size);
        wanted.resize(std::max(wanted.size(), static_cast<std::size_t>(row.to) + part.size()));
        wanted.replace(static_cast<std::size_t>(row.to), part.size(), part);
      }
      BOOST_TEST(same_bytes(content_of("f"), wanted));
      NEEDS(unlink("f"));
      NEEDS(unlink("also"));
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("f", source());
  make_file("out", "content");
  make_dir("d");
  NEEDS(mkfifo("fifo", 0600));
  make(Type::kCharDevice, "null");
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("out", O_WRONLY);
  const Fd appending = open_file("out", O_WRONLY | O_APPEND), path = open_file("f", O_PATH);
  const Fd directory = open_file("d", O_RDONLY), fifo = open_file("fifo", O_RDWR);
  const Fd device = open_file("null", O_RDWR);
  const Pipe a_pipe;
  const struct {
    int in, out;
    off_t from, to;
    unsigned flags;
    int wanted;
  } rows[] = {{writing, writing, 0, 0, 0, EBADF},
              {reading, reading, 0, 0, 0, EBADF},
              {reading, appending, 0, 0, 0, EBADF},
              {-1, writing, 0, 0, 0, EBADF},
              {reading, -1, 0, 0, 0, EBADF},
              {path, writing, 0, 0, 0, EBADF},
              {directory, writing, 0, 0, 0, EISDIR},
              {reading, directory, 0, 0, 0, EISDIR},
              {fifo, writing, 0, 0, 0, EINVAL},
              {reading, fifo, 0, 0, 0, EINVAL},
              {a_pipe.ends[0], writing, 0, 0, 0, EINVAL},
              {device, writing, 0, 0, 0, EINVAL},
              {reading, device, 0, 0, 0, EINVAL},
              {reading, writing, 0, 0, 1, EINVAL},
              {reading, writing, -1, 0, 0, EOVERFLOW},
              {reading, writing, 0, -1, 0, EOVERFLOW},
              {reading, writing, 0, kLargest, 0, EFBIG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      off_t from = row.from, to = row.to;
      FAILS(copy_file_range(row.in, &from, row.out, &to, 100, row.flags), row.wanted);
      BOOST_TEST(from == row.from);
      BOOST_TEST(to == row.to);
    }
  }
  BOOST_TEST(content_of("out") == "content");
}

BOOST_AUTO_TEST_CASE(pipes_clones_and_other_filesystems_are_refused) {
  make_file("f", "content");
  NEEDS(mkfifo("fifo", 0600));
  const Fd file = open_file("f", O_RDWR), fifo = open_file("fifo", O_RDWR);
  FAILS(copy_file_range(fifo, nullptr, file, nullptr, 5, 0), EINVAL);
  FAILS(copy_file_range(file, nullptr, fifo, nullptr, 5, 0), EINVAL);
  const Fd elsewhere(memfd_create("elsewhere", MFD_CLOEXEC));
  FAILS(copy_file_range(file, nullptr, elsewhere, nullptr, 5, 0), EXDEV);
  FAILS(copy_file_range(elsewhere, nullptr, file, nullptr, 5, 0), EXDEV);
  BOOST_TEST(sendfile(elsewhere, file, nullptr, 5) == 5);
  FAILS(ioctl(file, FICLONE, int{file}), EOPNOTSUPP);
}

BOOST_AUTO_TEST_CASE(moves_the_times_of_a_write_and_of_a_read) {
  make_file("source", source());
  make_file("f", "content");
  const Fd in = open_file("source", O_RDONLY), out = open_file("f", O_WRONLY);
  drop_cache("source");
  std::string of_source;
  const std::string of_target = moved_times("f", [&] {
    of_source = moved_times("source", [&] { BOOST_TEST(copy_all(in, 0, out, 0, 100) == 100); });
  });
  BOOST_TEST(of_target == "mc");
  BOOST_TEST(of_source == "a");
  BOOST_TEST(moved_times("f", [&] { (void)copy_all(in, 300'001, out, 0, 100); }) == "");
  BOOST_TEST(moved_times("f", [&] { (void)copy_all(in, 0, out, 0, 0); }) == "");
}

BOOST_AUTO_TEST_CASE(drops_set_ids_and_capabilities) {
  make_file("source", source());
  const struct {
    const char* name;
    long (*copy)(int in, int out);
  } rows[] = {
      {"copy_file_range",
       [](int in, int out) -> long { return copy_file_range(in, nullptr, out, nullptr, 100, 0); }},
      {"sendfile", [](int in, int out) -> long { return sendfile(out, in, nullptr, 100); }},
      {"splice", [](int in, int out) -> long {
         int ends[2];
         if (pipe(ends) != 0 || splice(in, nullptr, ends[1], nullptr, 100, 0) != 100) {
           return -1;
         }
         return splice(ends[0], nullptr, out, nullptr, 100, 0);
       }}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      check_privileges_after(
          [&] {
            const Fd in(open("source", O_RDONLY)), out(open("f", O_WRONLY));
            return err(row.copy(in, out));
          },
          "content");
    }
  }
}

BOOST_AUTO_TEST_CASE(stays_within_the_limit_of_file_sizes) {
  make_file("source", source());
  const struct {
    off_t to;
    std::size_t size;
    long copied;  // -1: EFBIG
  } rows[] = {{0, 1000, 1000}, {0, 5000, 1000}, {500, 5000, 500}, {1000, 1, -1}, {5000, 1, -1}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.size << " to " << row.to) {
      make_file("f");
      BOOST_TEST(as(kRoot, [&] {
                   const Fd in(open("source", O_RDONLY)), out(open("f", O_WRONLY));
                   off_t to = row.to;
                   if (!limit_file_size(1000)) return Err{ENOSYS};
                   const ssize_t got = copy_file_range(in, nullptr, out, &to, row.size, 0);
                   return got >= 0 && got != row.copied ? Err{ERANGE} : err(got);
                 }) == Err{row.copied < 0 ? EFBIG : 0});
      BOOST_TEST(size_of("f") == (row.copied < 0 ? 0 : row.to + row.copied));
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_was_just_written_or_mapped_is_copied) {
  make_file("f", pattern(2 * kPage));
  const Fd fd = open_file("f", O_RDWR), out = open_file("out", O_RDWR | O_CREAT);
  void* const map = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(map != MAP_FAILED);
  void* const seen = mmap(nullptr, 2 * kPage, PROT_READ, MAP_SHARED, out, 0);
  BOOST_REQUIRE(seen != MAP_FAILED);
  write_at(fd, 10, "written");
  std::string_view("mapped").copy(static_cast<char*>(map) + kPage, 6);
  BOOST_TEST(copy_all(fd, 0, out, 0, 2 * kPage) == 2 * kPage);
  BOOST_TEST(read_at(out, 10, 7) == "written");
  BOOST_TEST(read_at(out, kPage, 6) == "mapped");
  const std::string_view shown(static_cast<const char*>(seen), 2 * kPage);
  BOOST_TEST(shown.substr(10, 7) == "written");
  BOOST_TEST(shown.substr(kPage, 6) == "mapped");
  munmap(map, 2 * kPage);
  munmap(seen, 2 * kPage);
}

BOOST_AUTO_TEST_CASE(sendfile_reads_and_writes_files) {
  make_file("source", source());
  const Fd in = open_file("source", O_RDONLY), out = open_file("f", O_RDWR | O_CREAT);
  const Fd appending = open_file("f", O_WRONLY | O_APPEND), directory = open_file(".", O_RDONLY);
  off_t from = 100;
  BOOST_TEST(sendfile(out, in, &from, 10'000) == 10'000);
  BOOST_TEST(from == 10'100);
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 0);
  BOOST_TEST(lseek(out, 0, SEEK_CUR) == 10'000);
  BOOST_TEST(sendfile(out, in, nullptr, 50) == 50);
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 50);
  BOOST_TEST(same_bytes(content_of("f"), source().substr(100, 10'000) + source().substr(0, 50)));
  from = 300'000;
  BOOST_TEST(sendfile(out, in, &from, 1000) == 1);
  BOOST_TEST(sendfile(out, in, &from, 1000) == 0);
  const Pipe a_pipe;
  from = 5;
  BOOST_TEST(sendfile(a_pipe.ends[1], in, &from, 7000) == 7000);
  std::string got(7000, '?');
  BOOST_TEST(read(a_pipe.ends[0], got.data(), 7000) == 7000);
  BOOST_TEST(same_bytes(got, source().substr(5, 7000)));
  from = -1;
  FAILS(sendfile(out, in, &from, 10), EINVAL);
  FAILS(sendfile(appending, in, nullptr, 10), EINVAL);
  FAILS(sendfile(in, in, nullptr, 10), EBADF);
  FAILS(sendfile(out, appending, nullptr, 10), EBADF);
  FAILS(sendfile(out, -1, nullptr, 10), EBADF);
  FAILS(sendfile(-1, in, nullptr, 10), EBADF);
  FAILS(sendfile(out, directory, nullptr, 10), EINVAL);
}

BOOST_AUTO_TEST_CASE(sendfile_fills_a_socket) {
  make_file("source", source());
  int ends[2];
  NEEDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    const int in = open("source", O_RDONLY);
    ssize_t got = 1;
    while (got > 0) got = sendfile(ends[1], in, nullptr, 1 << 20);
    _exit(got == 0 ? 0 : 1);
  }
  close(ends[1]);
  std::string all;
  std::array<char, 65536> part;
  for (ssize_t got = 1; got > 0;) {
    got = read(ends[0], part.data(), part.size());
    NEEDS(got);
    all.append(part.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(same_bytes(all, source()));
}

BOOST_AUTO_TEST_CASE(splice_goes_through_a_pipe) {
  make_file("source", source());
  const Fd in = open_file("source", O_RDONLY), out = open_file("f", O_RDWR | O_CREAT);
  const Fd appending = open_file("f", O_WRONLY | O_APPEND);
  const Pipe a_pipe;
  const int to_pipe = a_pipe.ends[1], from_pipe = a_pipe.ends[0];
  off_t from = 100, to = 7;
  while (from < std::ssize(source())) {
    const off_t start = from;
    const ssize_t filled = splice(in, &from, to_pipe, nullptr, 65'536, 0);
    NEEDS(filled);
    BOOST_TEST(from == start + filled);
    for (ssize_t done = 0; done < filled;) {
      const ssize_t got = splice(from_pipe, nullptr, out, &to, static_cast<std::size_t>(filled), 0);
      BOOST_REQUIRE(got > 0);
      done += got;
    }
  }
  BOOST_TEST(splice(in, &from, to_pipe, nullptr, 100, 0) == 0);
  BOOST_TEST(same_bytes(content_of("f"), zeros(7) + source().substr(100)));
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 0);
  BOOST_TEST(splice(in, nullptr, to_pipe, nullptr, 10, 0) == 10);
  BOOST_TEST(lseek(in, 0, SEEK_CUR) == 10);
  FAILS(splice(from_pipe, nullptr, appending, nullptr, 10, 0), EINVAL);
  BOOST_TEST(splice(from_pipe, nullptr, out, nullptr, 10, 0) == 10);
  BOOST_TEST(lseek(out, 0, SEEK_CUR) == 10);

  FAILS(splice(in, nullptr, out, nullptr, 10, 0), EINVAL);
  FAILS(splice(from_pipe, &from, out, nullptr, 10, 0), ESPIPE);
  FAILS(splice(in, nullptr, to_pipe, &to, 10, 0), ESPIPE);
  FAILS(splice(out, nullptr, from_pipe, nullptr, 10, 0), EBADF);
  FAILS(splice(in, nullptr, to_pipe, nullptr, 10, 0x100), EINVAL);
  FAILS(splice(-1, nullptr, to_pipe, nullptr, 10, 0), EBADF);
}

BOOST_AUTO_TEST_CASE(spliced_bytes_stay_when_the_file_changes_its_length) {
  make_file("f", pattern(kPage));
  const Fd fd = open_file("f", O_RDWR);
  const Pipe a_pipe;
  BOOST_TEST(splice(fd, nullptr, a_pipe.ends[1], nullptr, kPage, 0) == kPage);
  NEEDS(ftruncate(fd, 0));
  NEEDS(unlink("f"));
  std::string got(kPage, '?');
  BOOST_TEST(read(a_pipe.ends[0], got.data(), got.size()) == kPage);
}

BOOST_AUTO_TEST_SUITE_END()
