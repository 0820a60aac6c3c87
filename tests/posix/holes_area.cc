// SEEK_DATA and SEEK_HOLE of lseek(2), and fallocate(2).
#include <linux/falloc.h>
#include <sys/socket.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int kZero = FALLOC_FL_ZERO_RANGE;
constexpr int kKeep = FALLOC_FL_KEEP_SIZE;
constexpr off_t kMega = 1 << 20;
constexpr off_t kMaxOffset = std::numeric_limits<off_t>::max();

// "f" with `content`, open for reading and writing.
Fd filled(std::string_view content) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT | O_TRUNC);
  write_at(fd, 0, content);
  return open_file("f", O_RDWR);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(holes_, Case)

BOOST_AUTO_TEST_CASE(data_and_holes_are_found) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  write_at(fd, kMega, pattern(2 * kPage));
  write_at(fd, 3 * kMega, "x");
  NEEDS(ftruncate(fd, 4 * kMega));
  const struct {
    off_t from, data, hole;  // -1: ENXIO
  } rows[] = {{0, kMega, 0},
              {kPage, kMega, kPage},
              {kMega - 1, kMega, kMega - 1},
              {kMega, kMega, kMega + 2 * kPage},
              {kMega + 1, kMega + 1, kMega + 2 * kPage},
              {kMega + 2 * kPage - 1, kMega + 2 * kPage - 1, kMega + 2 * kPage},
              {kMega + 2 * kPage, 3 * kMega, kMega + 2 * kPage},
              {3 * kMega, 3 * kMega, 3 * kMega + kPage},
              {3 * kMega + 1, 3 * kMega + 1, 3 * kMega + kPage},
              {3 * kMega + kPage, -1, 3 * kMega + kPage},
              {4 * kMega - 1, -1, 4 * kMega - 1},
              {4 * kMega, -1, -1},
              {4 * kMega + 1, -1, -1},
              {kLargest, -1, -1},
              {-1, -1, -1}};
  for (const bool synced : {false, true}) {
    if (synced) NEEDS(fsync(fd));
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT((synced ? "synced, from " : "from ") << row.from) {
        errno = ENXIO;
        BOOST_TEST(lseek(fd, row.from, SEEK_DATA) == row.data);
        BOOST_TEST(lseek(fd, row.from, SEEK_HOLE) == row.hole);
        BOOST_TEST(err(-1) == Err{ENXIO});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_without_holes_ends_with_one) {
  make_file("f", pattern(10000));
  const Fd fd = open_file("f", O_RDONLY);
  BOOST_TEST(lseek(fd, 0, SEEK_HOLE) == 10000);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 10000);  // it moves the offset
  BOOST_TEST(lseek(fd, 5000, SEEK_DATA) == 5000);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 5000);
  FAILS(lseek(fd, 10000, SEEK_DATA), ENXIO);
  FAILS(lseek(fd, 10000, SEEK_HOLE), ENXIO);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 5000);
}

BOOST_AUTO_TEST_CASE(what_has_no_data_has_no_data) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
  FAILS(lseek(fd, 0, SEEK_HOLE), ENXIO);
  FAILS(lseek(fd, 1, SEEK_HOLE), ENXIO);
  NEEDS(ftruncate(fd, kMega));
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
  BOOST_TEST(lseek(fd, 0, SEEK_HOLE) == 0);
  BOOST_TEST(lseek(fd, kMega - 1, SEEK_HOLE) == kMega - 1);
  BOOST_TEST(blocks_of("f") == 0);
  write_at(fd, 0, pattern(kMega));
  NEEDS(fallocate(fd, kPunch, 0, kMega));
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
  BOOST_TEST(lseek(fd, 0, SEEK_HOLE) == 0);
  NEEDS(mkfifo("fifo", 0600));
  const Fd fifo = open_file("fifo", O_RDWR), path = open_file("f", O_PATH);
  FAILS(lseek(fifo, 0, SEEK_DATA), ESPIPE);
  FAILS(lseek(path, 0, SEEK_HOLE), EBADF);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_open_for_reading_only_or_unreadable_can_be_searched) {
  make_file("f", pattern(100));
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("f", O_WRONLY);
  NEEDS(chmod("f", 0));
  for (const int fd : {int{reading}, int{writing}}) {
    BOOST_TEST(as(kAlice, [&] { return err(lseek(fd, 0, SEEK_DATA)); }) == Err{0});
    BOOST_TEST(as(kAlice, [&] { return err(lseek(fd, 100, SEEK_HOLE)); }) == Err{ENXIO});
  }
}

// Somebody who copies only what is found must not miss it.
BOOST_AUTO_TEST_CASE(what_was_just_stored_through_a_mapping_is_data) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  NEEDS(ftruncate(fd, kMega));
  void* const map = mmap(nullptr, kMega, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(map != MAP_FAILED);
  static_cast<volatile char*>(map)[16 * kPage] = 'x';
  BOOST_TEST(lseek(fd, 0, SEEK_DATA) == 16 * kPage);
  BOOST_TEST(lseek(fd, 16 * kPage, SEEK_HOLE) == 17 * kPage);
  BOOST_TEST(blocks_of("f") == 8);
  munmap(map, kMega);
}

BOOST_AUTO_TEST_CASE(the_size_grows_unless_it_is_to_be_kept) {
  const struct {
    int mode;
    off_t offset, length, size;  // from 10,000
  } rows[] = {{0, 0, 1, 10000},
              {0, 9000, 1000, 10000},
              {0, 9000, 1001, 10001},
              {0, 20000, 5, 20005},
              {0, 0, kMega, kMega},
              {kKeep, 0, kMega, 10000},
              {kKeep, kMega, 5, 10000},
              {kPunch, 0, 10000, 10000},
              {kPunch, 0, kMega, 10000},
              {kPunch, kMega, 10, 10000},
              {kZero, 0, 10000, 10000},
              {kZero, 5, 10000, 10005},
              {kZero | kKeep, 5, 10000, 10000},
              {kZero, kMega, 10, kMega + 10},
              {kZero | kKeep, kMega, 10, 10000}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("mode " << row.mode << ", " << row.length << " at " << row.offset) {
      const Fd fd = filled(pattern(10000));
      WORKS(fallocate(fd, row.mode, row.offset, row.length));
      BOOST_TEST(size_of("f") == row.size);
    }
  }
}

BOOST_AUTO_TEST_CASE(allocating_leaves_contents_and_the_others_leave_zeros) {
  const std::string old = pattern(4 * kPage);
  for (const int mode : {0, kKeep, kPunch, kZero, kZero | kKeep}) {
    for (const off_t offset : {off_t{0}, off_t{1}, kPage - 1, kPage, 2 * kPage + 17}) {
      for (const off_t length : {off_t{1}, off_t{100}, kPage, kPage + 1, 2 * kPage - 17}) {
        BOOST_TEST_CONTEXT("mode " << mode << ", " << length << " at " << offset) {
          const Fd fd = filled(old);
          WORKS(fallocate(fd, mode, offset, length));
          std::string wanted = old;
          if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
            const auto at = static_cast<std::size_t>(offset);
            wanted.replace(at, static_cast<std::size_t>(length),
                           zeros(static_cast<std::size_t>(length)));
          }
          BOOST_TEST(same_bytes(content_of("f"), wanted));
          drop_cache("f");
          BOOST_TEST(same_bytes(content_of("f"), wanted));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(blocks_come_and_go) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  NEEDS(fallocate(fd, kKeep, 0, kMega));
  BOOST_TEST(blocks_of("f") == 2048);
  BOOST_TEST(size_of("f") == 0);
  NEEDS(ftruncate(fd, kMega));
  write_at(fd, 0, pattern(kMega));
  NEEDS(fsync(fd));
  BOOST_TEST(blocks_of("f") == 2048);
  NEEDS(fallocate(fd, kPunch, kPage, kMega / 2));
  BOOST_TEST(blocks_of("f") == 1024);
  NEEDS(fallocate(fd, kPunch, 1, kPage - 2));  // no whole block
  BOOST_TEST(blocks_of("f") == 1024);
  NEEDS(fallocate(fd, 0, 0, kMega));
  BOOST_TEST(blocks_of("f") == 2048);
  NEEDS(fallocate(fd, kZero, 0, kMega));
  BOOST_TEST(blocks_of("f") == 2048);
  NEEDS(fallocate(fd, kPunch, 0, 2 * kMega));
  BOOST_TEST(blocks_of("f") == 0);
  BOOST_TEST(size_of("f") == kMega);
  write_at(fd, kMega / 2, "x");
  NEEDS(fsync(fd));
  BOOST_TEST(blocks_of("f") == 8);
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("f", "content");
  make_dir("d");
  NEEDS(mkfifo("fifo", 0600));
  make(Type::kCharDevice, "null");
  const Fd both = open_file("f", O_RDWR), reading = open_file("f", O_RDONLY);
  const Fd path = open_file("f", O_PATH), directory = open_file("d", O_RDONLY);
  const Fd fifo = open_file("fifo", O_RDWR), device = open_file("null", O_RDWR);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const struct {
    int fd, mode;
    off_t offset, length;
    int wanted;
  } rows[] = {{both, 0, -1, 10, EINVAL},
              {both, 0, 0, 0, EINVAL},
              {both, 0, 0, -1, EINVAL},
              {both, kPunch, 0, 0, EINVAL},
              {both, kPunch, -1, 1, EINVAL},
              {both, 0, kMaxOffset, 1, EFBIG},
              {both, 0, 1, kMaxOffset, EFBIG},
              {both, 0, kLargest, 1, EFBIG},
              {both, FALLOC_FL_PUNCH_HOLE, 0, 1, EOPNOTSUPP},
              {both, FALLOC_FL_PUNCH_HOLE | kZero, 0, 1, EOPNOTSUPP},
              {both, kPunch | kZero, 0, 1, EOPNOTSUPP},
              {both, 0x4000, 0, 1, EOPNOTSUPP},
              {both, FALLOC_FL_NO_HIDE_STALE, 0, 1, EOPNOTSUPP},
              {both, FALLOC_FL_UNSHARE_RANGE, 0, kPage, EOPNOTSUPP},
              {reading, 0, 0, 1, EBADF},
              {reading, kPunch, 0, 1, EBADF},
              {path, 0, 0, 1, EBADF},
              {-1, 0, 0, 1, EBADF},
              {directory, 0, 0, 1, EBADF},
              {fifo, 0, 0, 1, ESPIPE},
              {device, 0, 0, 1, ENODEV},
              {socket, 0, 0, 1, ENODEV}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      FAILS(fallocate(row.fd, row.mode, row.offset, row.length), row.wanted);
    }
  }
  BOOST_TEST(posix_fallocate(both, 0, 0) == EINVAL);
  BOOST_TEST(posix_fallocate(reading, 0, 1) == EBADF);
  BOOST_TEST(content_of("f") == "content");
}

// A listed difference: holtfs has neither.
BOOST_AUTO_TEST_CASE(ranges_are_collapsed_and_inserted_on_the_reference_only) {
  const std::string old = pattern(4 * kPage);
  const Fd fd = filled(old);
  FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kPage, kPage), on_holtfs() ? EOPNOTSUPP : 0);
  FAILS(fallocate(fd, FALLOC_FL_INSERT_RANGE, kPage, kPage), on_holtfs() ? EOPNOTSUPP : 0);
  std::string wanted = old;
  if (!on_holtfs()) wanted.replace(kPage, kPage, zeros(kPage));
  BOOST_TEST(same_bytes(content_of("f"), wanted));
  FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | kKeep, 0, kPage), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_INSERT_RANGE | kPunch, 0, kPage), EOPNOTSUPP);
}

BOOST_AUTO_TEST_CASE(moves_mtime_and_ctime) {
  const struct {
    int mode;
    off_t offset, length;
    const char* wanted;
  } rows[] = {{0, 0, kMega, "mc"},      {0, 0, 100, "mc"},     {kKeep, kMega, 100, "mc"},
              {kPunch, 0, kPage, "mc"}, {kZero, 0, 100, "mc"}, {kZero, kMega, 100, "mc"},
              {0, -1, 10, ""},          {0, 0, 0, ""}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("mode " << row.mode << ", " << row.length << " at " << row.offset) {
      const Fd fd = filled(pattern(10000));
      BOOST_TEST(moved_times("f", [&] { fallocate(fd, row.mode, row.offset, row.length); }) ==
                 row.wanted);
    }
  }
}

BOOST_AUTO_TEST_CASE(drops_set_ids_and_capabilities) {
  for (const int mode : {0, kKeep, kPunch, kZero, kZero | kKeep}) {
    BOOST_TEST_CONTEXT("mode " << mode) {
      check_privileges_after(
          [&] {
            const Fd fd(open("f", O_WRONLY));
            return fd < 0 ? err(fd) : err(fallocate(fd, mode, 0, 2 * kPage));
          },
          pattern(10000));
    }
  }
}

BOOST_AUTO_TEST_CASE(stays_within_the_limit_of_file_sizes) {
  const struct {
    int mode;
    off_t offset, length;
    int wanted;
  } rows[] = {{0, 0, 1000, 0},         {0, 0, 1001, EFBIG},        {0, 1000, 1, EFBIG},
              {kKeep, 0, 5000, 0},     {kPunch, 0, 5000, 0},       {kZero, 0, 1000, 0},
              {kZero, 10, 991, EFBIG}, {kZero | kKeep, 0, 5000, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("mode " << row.mode << ", " << row.length << " at " << row.offset) {
      const Fd fd = filled(pattern(100));
      BOOST_TEST(as(kRoot, [&] {
                   if (!limit_file_size(1000)) return Err{ENOSYS};
                   return err(fallocate(fd, row.mode, row.offset, row.length));
                 }) == Err{row.wanted});
    }
  }
  const Fd fd = filled("content");
  BOOST_TEST(signal_of([&] {
               if (limit_file_size(1000)) signal(SIGXFSZ, SIG_DFL);
               fallocate(fd, 0, 0, 1001);
             }) == SIGXFSZ);
}

BOOST_AUTO_TEST_CASE(needs_a_descriptor_for_writing_and_nothing_else) {
  const Fd fd = filled(pattern(10000));
  NEEDS(chmod("f", 0));
  for (const int mode : {0, kKeep, kPunch, kZero}) {
    BOOST_TEST_CONTEXT("mode " << mode) {
      BOOST_TEST(as(kAlice, [&] { return err(fallocate(fd, mode, 0, kMega)); }) == Err{0});
    }
  }
  const Fd appending = open_file("f", O_WRONLY | O_APPEND);
  WORKS(fallocate(appending, kPunch, 0, kPage));
  WORKS(fallocate(appending, 0, 0, kPage));
}

BOOST_AUTO_TEST_CASE(works_far_out) {
  const Fd fd = filled("start");
  WORKS(fallocate(fd, 0, kLargest - kPage, kPage));
  BOOST_TEST(size_of("f") == kLargest);
  BOOST_TEST(blocks_of("f") == 16);
  WORKS(fallocate(fd, kPunch, 0, kLargest));
  BOOST_TEST(blocks_of("f") == 0);
  BOOST_TEST(lseek(fd, 1, SEEK_HOLE) == 1);
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
}

BOOST_AUTO_TEST_SUITE_END()
