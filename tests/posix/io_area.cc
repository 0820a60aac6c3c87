// read(2), write(2), their relatives with positions and vectors, and lseek(2): which bytes go
// where, and what is refused.
#include <limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr off_t kMaxOffset = std::numeric_limits<off_t>::max();

}  // namespace

BOOST_FIXTURE_TEST_SUITE(io_, Case)

BOOST_AUTO_TEST_CASE(what_is_written_anywhere_is_read_back) {
  const off_t offsets[] = {0, 1, 511, 4095, 4096, 4097, 12287, 131071, 1 << 20};
  const std::size_t sizes[] = {1, 2, 511, 4096, 4097, 8193, 131072, 300001};
  for (const off_t offset : offsets) {
    for (const std::size_t size : sizes) {
      BOOST_TEST_CONTEXT(size << " at " << offset) {
        const Fd fd = open_file("f", O_RDWR | O_CREAT | O_TRUNC);
        const std::string bytes = pattern(size);
        BOOST_TEST(pwrite(fd, bytes.data(), size, offset) == std::ssize(bytes));
        const std::string wanted = zeros(static_cast<std::size_t>(offset)) + bytes;
        BOOST_TEST(size_of("f") == std::ssize(wanted));
        BOOST_TEST(same_bytes(content_of("f"), wanted));
        drop_cache("f");
        BOOST_TEST(same_bytes(content_of("f"), wanted));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(overwriting_leaves_what_is_around) {
  const std::string old = pattern(5 * kPage, 1);
  for (const bool cached : {true, false}) {
    for (const std::size_t at : {0, 1, 4095, 4096, 8191, 16384, 20479}) {
      for (const std::size_t size : {1, 4095, 4096, 4097, 9000}) {
        BOOST_TEST_CONTEXT(size << " at " << at << (cached ? " in the cache" : "")) {
          make_file("f", old);
          if (!cached) drop_cache("f");
          const Fd fd = open_file("f", O_RDWR);
          const std::string bytes = pattern(size, 2);
          write_at(fd, static_cast<off_t>(at), bytes);
          std::string wanted = old;
          wanted.resize(std::max(wanted.size(), at + size));
          wanted.replace(at, size, bytes);
          BOOST_TEST(same_bytes(content_of("f"), wanted));
          drop_cache("f");
          BOOST_TEST(same_bytes(content_of("f"), wanted));
          NEEDS(unlink("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_ends_with_the_file) {
  const std::string content = pattern(10000);
  make_file("f", content);
  make_file("empty");
  const Fd fd = open_file("f", O_RDONLY), empty = open_file("empty", O_RDONLY);
  for (const off_t at : {0, 1, 4096, 9999, 10000, 10001, 12288, 1 << 30}) {
    for (const std::size_t size : {0, 1, 4096, 10000, 65536}) {
      BOOST_TEST_CONTEXT(size << " at " << at) {
        const bool within = at < std::ssize(content);
        const std::string wanted =
            within ? content.substr(static_cast<std::size_t>(at), size) : std::string();
        BOOST_TEST(same_bytes(read_at(fd, at, size), wanted));
        BOOST_TEST(read_at(empty, at, size).empty());
      }
    }
  }
  BOOST_TEST(read_at(fd, kMaxOffset - 10, 10).empty());
}

BOOST_AUTO_TEST_CASE(offsets_move_by_what_was_done) {
  make_file("f", pattern(100));
  const Fd fd = open_file("f", O_RDWR), other = open_file("f", O_RDONLY);
  std::array<char, 64> bytes;
  const auto offset = [&] { return lseek(fd, 0, SEEK_CUR); };
  BOOST_TEST(read(fd, bytes.data(), 64) == 64);
  BOOST_TEST(offset() == 64);
  BOOST_TEST(read(fd, bytes.data(), 64) == 36);
  BOOST_TEST(read(fd, bytes.data(), 64) == 0);
  BOOST_TEST(offset() == 100);
  BOOST_TEST(write(fd, "xyz", 3) == 3);
  BOOST_TEST(offset() == 103);
  BOOST_TEST(pread(fd, bytes.data(), 10, 5) == 10);
  BOOST_TEST(pwrite(fd, "abc", 3, 50) == 3);
  BOOST_TEST(offset() == 103);
  BOOST_TEST(lseek(other, 0, SEEK_CUR) == 0);
  const Fd twin(dup(fd));
  BOOST_TEST(lseek(twin, 10, SEEK_SET) == 10);
  BOOST_TEST(offset() == 10);
  BOOST_TEST(as(kRoot, [&] { return err(lseek(fd, 20, SEEK_SET)); }) == Err{0});
  BOOST_TEST(offset() == 20);  // a child shares it
}

BOOST_AUTO_TEST_CASE(seeks) {
  make_file("f", pattern(100));
  const Fd fd = open_file("f", O_RDWR);
  const struct {
    off_t offset;
    int whence;
    off_t reached;
    int wanted;
  } rows[] = {{10, SEEK_SET, 10, 0},
              {5, SEEK_CUR, 15, 0},
              {-15, SEEK_CUR, 0, 0},
              {0, SEEK_END, 100, 0},
              {-100, SEEK_END, 0, 0},
              {1000, SEEK_END, 1100, 0},
              {kLargest, SEEK_SET, kLargest, 0},
              {-1, SEEK_SET, 0, EINVAL},
              {-101, SEEK_END, 0, EINVAL},
              {50, SEEK_SET, 50, 0},
              {-51, SEEK_CUR, 0, EINVAL},
              {kMaxOffset, SEEK_CUR, 0, EINVAL},
              {kMaxOffset, SEEK_END, 0, EINVAL},
              {0, 99, 0, EINVAL},
              {0, -1, 0, EINVAL},
              {0, SEEK_CUR, 50, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.offset << " from " << row.whence) {
      const off_t got = lseek(fd, row.offset, row.whence);
      BOOST_TEST(err(got) == Err{row.wanted});
      if (row.wanted == 0) BOOST_TEST(got == row.reached);
    }
  }
  BOOST_TEST(size_of("f") == 100);  // seeking beyond the end changes nothing
}

BOOST_AUTO_TEST_CASE(vectors_are_read_and_written_in_order) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  std::string one = pattern(3, 1), none, two = pattern(5000, 2), three = pattern(4096, 3);
  const iovec out[] = {{one.data(), one.size()},
                       {none.data(), 0},
                       {two.data(), two.size()},
                       {three.data(), three.size()}};
  const std::string all = one + two + three;
  BOOST_TEST(writev(fd, out, 4) == std::ssize(all));
  BOOST_TEST(pwritev(fd, out, 4, 10000) == std::ssize(all));
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == std::ssize(all));
  BOOST_TEST(same_bytes(content_of("f"), all + zeros(10000 - all.size()) + all));

  std::string first(4096, '?'), second(7, '?'), rest(100000, '?');
  const iovec in[] = {{first.data(), first.size()}, {second.data(), 7}, {rest.data(), rest.size()}};
  BOOST_TEST(preadv(fd, in, 3, 10000) == std::ssize(all));
  BOOST_TEST(same_bytes(first + second, all.substr(0, 4103)));
  BOOST_TEST(same_bytes(rest.substr(0, all.size() - 4103), all.substr(4103)));
  NEEDS(lseek(fd, 1, SEEK_SET));
  BOOST_TEST(readv(fd, in, 2) == 4103);
  BOOST_TEST(same_bytes(first + second, all.substr(1, 4103)));

  std::vector<iovec> many(IOV_MAX, iovec{one.data(), 1});
  BOOST_TEST(pwritev(fd, many.data(), IOV_MAX, 0) == IOV_MAX);
  BOOST_TEST(same_bytes(read_at(fd, 0, IOV_MAX), std::string(IOV_MAX, one[0])));
  BOOST_TEST(readv(fd, in, 0) == 0);
  BOOST_TEST(writev(fd, out, 0) == 0);
}

BOOST_AUTO_TEST_CASE(vectors_are_refused) {
  make_file("f", pattern(100));
  const Fd fd = open_file("f", O_RDWR);
  char byte = 'x';
  const std::vector<iovec> many(IOV_MAX + 1, iovec{&byte, 1});
  const iovec huge[] = {{&byte, SSIZE_MAX}, {&byte, SSIZE_MAX}};
  const iovec one = {&byte, 1}, bad = {inaccessible(), 1};
  FAILS(readv(fd, many.data(), IOV_MAX + 1), EINVAL);
  FAILS(writev(fd, many.data(), IOV_MAX + 1), EINVAL);
  FAILS(syscall(SYS_readv, int{fd}, &one, -1), EINVAL);
  FAILS(syscall(SYS_writev, int{fd}, &one, -1), EINVAL);
  const iovec negative = {&byte, SIZE_MAX};
  FAILS(readv(fd, &negative, 1), EINVAL);
  FAILS(writev(fd, &negative, 1), EINVAL);
  FAILS(writev(fd, huge, 2), EFAULT);
  FAILS(readv(fd, &bad, 1), EFAULT);
  FAILS(writev(fd, &bad, 1), EFAULT);
  FAILS(readv(fd, reinterpret_cast<const iovec*>(inaccessible()), 1), EFAULT);
  FAILS(preadv(fd, &one, 1, -1), EINVAL);
  FAILS(pwritev(fd, &one, 1, -1), EINVAL);
  FAILS(preadv2(fd, &one, 1, 0, 0x40000000), EOPNOTSUPP);
  FAILS(pwritev2(fd, &one, 1, 0, 0x40000000), EOPNOTSUPP);
  BOOST_TEST(size_of("f") == 100);
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("f", pattern(100));
  make_dir("d");
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("f", O_WRONLY);
  const Fd path = open_file("f", O_PATH), directory = open_file("d", O_RDONLY);
  const Fd both = open_file("f", O_RDWR);
  const Pipe a_pipe;
  const struct {
    int fd;
    off_t offset;
    int to_read, to_write, to_seek;
  } rows[] = {{-1, 0, EBADF, EBADF, EBADF},       {path, 0, EBADF, EBADF, EBADF},
              {writing, 0, EBADF, 0, 0},          {reading, 0, 0, EBADF, 0},
              {directory, 0, EISDIR, EBADF, 0},   {a_pipe.ends[0], 0, ESPIPE, ESPIPE, ESPIPE},
              {both, -1, EINVAL, EINVAL, EINVAL}, {both, kMaxOffset, EINVAL, EINVAL, EINVAL},
              {both, kLargest, 0, EFBIG, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      char byte = 'x';
      FAILS(pread(row.fd, &byte, 1, row.offset), row.to_read);
      FAILS(pwrite(row.fd, &byte, 1, row.offset), row.to_write);
      if (row.offset != kMaxOffset) FAILS(lseek(row.fd, row.offset, SEEK_SET), row.to_seek);
    }
  }
  char byte = 'x';
  FAILS(read(directory, &byte, 1), EISDIR);
  FAILS(read(writing, &byte, 1), EBADF);
  FAILS(write(reading, &byte, 1), EBADF);
  FAILS(open("d", O_WRONLY), EISDIR);
  FAILS(open("d", O_RDWR), EISDIR);
}

BOOST_AUTO_TEST_CASE(bad_memory_is_refused_and_what_is_before_it_counts) {
  make_file("f", pattern(2 * kPage));
  const Fd fd = open_file("f", O_RDWR);
  char* const bad = inaccessible();
  FAILS(pread(fd, bad, 10, 0), EFAULT);
  FAILS(pwrite(fd, bad, 10, 0), EFAULT);
  BOOST_TEST(pread(fd, bad, 10, 2 * kPage) == 0);  // nothing to put there
  BOOST_TEST(pread(fd, bad, 0, 0) == 0);
  BOOST_TEST(pwrite(fd, bad, 0, 0) == 0);
  BOOST_TEST(same_bytes(content_of("f"), pattern(2 * kPage)));
  BOOST_TEST(pread(fd, bad - 5, 10, 100) == 5);
  BOOST_TEST(same_bytes({bad - 5, 5}, pattern(2 * kPage).substr(100, 5)));
  std::fill(bad - 5, bad, 'w');
  BOOST_TEST(pwrite(fd, bad - 5, 10, 100) == 5);
  BOOST_TEST(read_at(fd, 99, 7).substr(1, 5) == "wwwww");
  BOOST_TEST(read_at(fd, 105, 1) == pattern(106).substr(105));
}

BOOST_AUTO_TEST_CASE(reaches_the_last_byte_of_the_largest_file) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  for (const off_t at : {(off_t{1} << 31) - 1, off_t{1} << 32, off_t{1} << 40, kLargest - 10}) {
    BOOST_TEST_CONTEXT(at) {
      write_at(fd, at, "0123456789");
      BOOST_TEST(size_of("f") == at + 10);
      BOOST_TEST(read_at(fd, at - 1, 20) == std::string("\0000123456789", 11));
      drop_cache("f");
      BOOST_TEST(read_at(fd, at - 1, 20) == std::string("\0000123456789", 11));
    }
  }
  BOOST_TEST(blocks_of("f") <= 8 * 8);
  BOOST_TEST(pwrite(fd, "0123456789", 10, kLargest - 4) == 4);  // what fits
  FAILS(pwrite(fd, "x", 1, kLargest), EFBIG);
  FAILS(pwrite(fd, "x", 1, off_t{1} << 62), EFBIG);
  BOOST_TEST(pwrite(fd, "x", 0, off_t{1} << 62) == 0);
  BOOST_TEST(size_of("f") == kLargest);
}

BOOST_AUTO_TEST_CASE(appends_wherever_the_offset_is) {
  make_file("f", "start");
  const Fd fd = open_file("f", O_RDWR | O_APPEND), other = open_file("f", O_WRONLY);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 0);
  BOOST_TEST(write(fd, "+a", 2) == 2);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 7);
  NEEDS(lseek(fd, 1, SEEK_SET));
  BOOST_TEST(write(fd, "+b", 2) == 2);
  BOOST_TEST(pwrite(fd, "+c", 2, 0) == 2);  // Linux appends here, too
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 9);
  write_at(other, 11, "+other");
  BOOST_TEST(write(fd, "+d", 2) == 2);
  NEEDS(ftruncate(other, 3));
  BOOST_TEST(write(fd, "+e", 2) == 2);
  BOOST_TEST(content_of("f") == "sta+e");
  NEEDS(fcntl(fd, F_SETFL, 0));
  BOOST_TEST(pwrite(fd, "S", 1, 0) == 1);
  const iovec part{const_cast<char*>("+f"), 2};
  BOOST_TEST(pwritev2(fd, &part, 1, 0, RWF_APPEND) == 2);
  BOOST_TEST(content_of("f") == "Sta+e+f");
}

BOOST_AUTO_TEST_CASE(processes_append_whole_records) {
  constexpr std::size_t kWriters = 4, kRecords = 100, kSize = 5000;
  make_file("f");
  std::vector<pid_t> children;
  for (std::size_t writer = 0; writer < kWriters; ++writer) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const int fd = open("f", O_WRONLY | O_APPEND);
    const std::string record(kSize, static_cast<char>('a' + writer));
    std::size_t done = 0;
    while (done < kRecords && write(fd, record.data(), kSize) == std::ssize(record)) ++done;
    _exit(done == kRecords ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    BOOST_TEST(waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
  }
  const std::string content = content_of("f");
  BOOST_REQUIRE(content.size() == kWriters * kRecords * kSize);
  std::array<std::size_t, kWriters> seen = {};
  for (std::size_t at = 0; at < content.size(); at += kSize) {
    BOOST_REQUIRE(content.find_first_not_of(content[at], at) >= at + kSize);
    ++seen[static_cast<std::size_t>(content[at] - 'a')];
  }
  for (const std::size_t count : seen) BOOST_TEST(count == kRecords);
}

BOOST_AUTO_TEST_CASE(direct_reads_and_writes_agree_with_the_cache) {
  const std::string old = pattern(8 * kPage, 1), fresh = pattern(2 * kPage, 2);
  make_file("f", old);
  const Fd direct = open_file("f", O_RDWR | O_DIRECT), cached = open_file("f", O_RDWR);
  void* memory = nullptr;
  BOOST_REQUIRE_EQUAL(posix_memalign(&memory, kPage, 8 * kPage), 0);
  char* const bytes = static_cast<char*>(memory);
  BOOST_TEST(pread(direct, bytes, 8 * kPage, 0) == 8 * kPage);  // what is still to be written back
  BOOST_TEST(same_bytes({bytes, old.size()}, old));
  fresh.copy(bytes, fresh.size());
  BOOST_TEST(pwrite(direct, bytes, 2 * kPage, kPage) == 2 * kPage);
  std::string wanted = old;
  wanted.replace(kPage, fresh.size(), fresh);
  BOOST_TEST(same_bytes(content_of("f"), wanted));
  write_at(cached, 100, "cached");
  BOOST_TEST(pread(direct, bytes, kPage, 0) == kPage);
  BOOST_TEST(std::string(bytes + 100, 6) == "cached");
  BOOST_TEST(pwrite(direct, bytes, kPage, 16 * kPage) == kPage);  // beyond the end
  BOOST_TEST(size_of("f") == 17 * kPage);
  BOOST_TEST(same_bytes(read_at(cached, 8 * kPage, 8 * kPage), zeros(8 * kPage)));
  BOOST_TEST(pread(direct, bytes, 8 * kPage, 15 * kPage) == 2 * kPage);  // ends with the file
  BOOST_TEST(pread(direct, bytes, kPage, 17 * kPage) == 0);
  NEEDS(truncate("f", 17 * kPage - 100));
  BOOST_TEST(pread(direct, bytes, kPage, 16 * kPage) == kPage - 100);
  free(memory);
}

BOOST_AUTO_TEST_SUITE_END()
