// open(2): the flags that change how bytes are read and written, and what access times see of it.
#include <dirent.h>

#include <memory>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr std::size_t kBlock = 4096;

struct Free {
  void operator()(void* memory) const { free(memory); }
};
using Aligned = std::unique_ptr<char, Free>;

Aligned aligned(std::size_t size, char fill = 0) {
  Aligned memory(static_cast<char*>(aligned_alloc(kBlock, size)));
  BOOST_REQUIRE(memory != nullptr);
  memset(memory.get(), fill, size);
  return memory;
}

std::string drained(int fd) {
  std::string bytes(100000, '\0');
  const ssize_t got = read(fd, bytes.data(), bytes.size());
  NEEDS(got);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

void list(int fd) {
  char entries[4096];
  NEEDS(getdents64(fd, entries, sizeof entries));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(open_data_, Case)

BOOST_AUTO_TEST_CASE(synchronous_flags_write_what_is_read) {
  for (const int flags :
       {0, O_DSYNC, O_SYNC, O_SYNC | O_APPEND, O_DSYNC | O_DIRECT, O_SYNC | O_DIRECT}) {
    BOOST_TEST_CONTEXT(std::oct << flags) {
      const Fd fd = open_file("f", O_RDWR | O_CREAT | O_EXCL | flags);
      const Aligned bytes = aligned(2 * kBlock, 'x');
      BOOST_TEST(write(fd, bytes.get(), 2 * kBlock) == 8192);
      BOOST_TEST(stat_of("f").st_size == 8192);
      BOOST_TEST(same_bytes(content_of("f"), std::string(2 * kBlock, 'x')));
      WORKS(fsync(fd));
      WORKS(fdatasync(fd));
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(O_DIRECT_and_the_cache_agree) {
  make_file("f", pattern(4 * kBlock));
  const Fd direct = open_file("f", O_RDWR | O_DIRECT), cached = open_file("f", O_RDWR);
  std::string wanted = pattern(4 * kBlock);
  const Aligned bytes = aligned(kBlock);
  BOOST_TEST(pread(direct, bytes.get(), kBlock, kBlock) == 4096);
  BOOST_TEST(same_bytes({bytes.get(), kBlock}, std::string_view(wanted).substr(kBlock, kBlock)));
  BOOST_TEST(same_bytes(drained(cached), wanted));

  memset(bytes.get(), 'd', kBlock);
  BOOST_TEST(pwrite(direct, bytes.get(), kBlock, 2 * kBlock) == 4096);
  wanted.replace(2 * kBlock, kBlock, std::string(kBlock, 'd'));
  BOOST_TEST(same_bytes(content_of("f"), wanted));

  memset(bytes.get(), 'c', kBlock);
  BOOST_TEST(pwrite(cached, bytes.get(), 100, 10) == 100);
  wanted.replace(10, 100, std::string(100, 'c'));
  BOOST_TEST(pread(direct, bytes.get(), kBlock, 0) == 4096);
  BOOST_TEST(same_bytes({bytes.get(), kBlock}, std::string_view(wanted).substr(0, kBlock)));
}

BOOST_AUTO_TEST_CASE(O_DIRECT_shows_through_mappings) {
  make_file("f", std::string(kBlock, 'a'));
  const Fd fd = open_file("f", O_RDWR | O_DIRECT);
  auto* const page =
      static_cast<char*>(mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  BOOST_REQUIRE(page != MAP_FAILED);
  BOOST_TEST(page[7] == 'a');
  const Aligned bytes = aligned(kBlock, 'b');
  BOOST_TEST(pwrite(fd, bytes.get(), kBlock, 0) == 4096);
  BOOST_TEST(page[7] == 'b');
  page[7] = 'c';
  BOOST_TEST(pread(fd, bytes.get(), kBlock, 0) == 4096);
  BOOST_TEST(bytes.get()[7] == 'c');
  munmap(page, kBlock);
}

BOOST_AUTO_TEST_CASE(O_DIRECT_reads_to_the_end_of_the_file) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, kBlock,
                                 kBlock + 1, std::size_t{3 * kBlock + 511}}) {
    BOOST_TEST_CONTEXT(size) {
      make_file("f", pattern(size));
      const Fd fd = open_file("f", O_RDONLY | O_DIRECT);
      const Aligned bytes = aligned(4 * kBlock, '?');
      BOOST_TEST(read(fd, bytes.get(), 4 * kBlock) == static_cast<ssize_t>(size));
      BOOST_TEST(same_bytes({bytes.get(), size}, pattern(size)));
      BOOST_TEST(pread(fd, bytes.get(), kBlock, 4 * kBlock) == 0);
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(O_DIRECT_fills_holes_and_grows) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT | O_DIRECT);
  const Aligned bytes = aligned(kBlock, 'x');
  BOOST_TEST(pwrite(fd, bytes.get(), kBlock, 3 * kBlock) == 4096);
  std::string wanted = zeros(3 * kBlock) + std::string(kBlock, 'x');
  BOOST_TEST(same_bytes(content_of("f"), wanted));
  BOOST_TEST(pwrite(fd, bytes.get(), kBlock, kBlock) == 4096);
  wanted.replace(kBlock, kBlock, std::string(kBlock, 'x'));
  BOOST_TEST(same_bytes(content_of("f"), wanted));
  NEEDS(ftruncate(fd, 100));
  BOOST_TEST(pread(fd, bytes.get(), kBlock, 0) == 100);
}

BOOST_AUTO_TEST_CASE(O_DIRECT_appends) {
  make_file("f", pattern(kBlock));
  const Fd fd = open_file("f", O_WRONLY | O_DIRECT | O_APPEND);
  const Aligned bytes = aligned(kBlock, 'x');
  BOOST_TEST(write(fd, bytes.get(), kBlock) == 4096);
  BOOST_TEST(pwrite(fd, bytes.get(), kBlock, 0) == 4096);
  BOOST_TEST(same_bytes(content_of("f"), pattern(kBlock) + std::string(2 * kBlock, 'x')));
}

BOOST_AUTO_TEST_CASE(O_DIRECT_refuses_what_is_not_aligned) {
  make_file("f", pattern(4 * kBlock));
  const Fd fd = open_file("f", O_RDWR | O_DIRECT);
  const Aligned bytes = aligned(2 * kBlock, 'x');
  const struct {
    std::size_t at, size;
    off_t offset;
    int wanted;
  } rows[] = {{0, kBlock, 0, 0},
              {0, 512, 512, 0},
              {0, 100, 0, EINVAL},
              {0, kBlock, 1, EINVAL},
              {0, 513, 512, EINVAL},
              // No FUSE filesystem is told the address.
              {1, kBlock, 0, on_holtfs() ? 0 : EINVAL}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.size << " bytes at " << row.offset << " from " << row.at) {
      FAILS(pread(fd, bytes.get() + row.at, row.size, row.offset), row.wanted);
      FAILS(pwrite(fd, bytes.get() + row.at, row.size, row.offset), row.wanted);
    }
  }
}

BOOST_AUTO_TEST_CASE(O_DIRECT_can_be_switched) {
  make_file("f", pattern(kBlock));
  const Fd fd = open_file("f", O_RDWR);
  WORKS(fcntl(fd, F_SETFL, O_DIRECT));
  BOOST_TEST((fcntl(fd, F_GETFL) & O_DIRECT) != 0);
  const Aligned bytes = aligned(kBlock);
  BOOST_TEST(pread(fd, bytes.get(), kBlock, 0) == 4096);
  BOOST_TEST(same_bytes({bytes.get(), kBlock}, pattern(kBlock)));
  WORKS(fcntl(fd, F_SETFL, 0));
  BOOST_TEST(pread(fd, bytes.get() + 1, 10, 3) == 10);
}

BOOST_AUTO_TEST_CASE(O_DIRECT_is_for_regular_files_and_devices) {
  const std::pair<Type, int> rows[] = {{Type::kRegular, 0},
                                       {Type::kDirectory, EINVAL},
                                       {Type::kFifo, EINVAL},
                                       {Type::kCharDevice, EINVAL}};
  for (const auto& [type, wanted] : rows) {
    make(type, "x", 0755);
    const Fd fd(open("x", O_RDONLY | O_NONBLOCK | O_DIRECT | O_CLOEXEC));
    BOOST_TEST(err(fd) == Err{wanted}, type);
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(reading_moves_the_access_time_unless_O_NOATIME) {
  for (const auto& [flags, wanted] : {std::pair{O_RDONLY | O_NOATIME, ""},
                                      {O_RDONLY, "a"},
                                      {O_RDWR, "a"},
                                      {O_RDONLY | O_DIRECT | O_NOATIME, ""},
                                      {O_RDONLY | O_DIRECT, "a"}}) {
    make_file("f", pattern(2 * kBlock));
    drop_cache("f");
    const auto work = [flags = flags] {
      const Fd fd = open_file("f", flags);
      const Aligned bytes = aligned(kBlock);
      BOOST_TEST(read(fd, bytes.get(), kBlock) == 4096);
    };
    BOOST_TEST(moved_times("f", work) == wanted, std::oct << flags);
    NEEDS(unlink("f"));
  }
  make_file("f", "12345");
  drop_cache("f");
  const Fd fd = open_file("f", O_RDONLY);
  NEEDS(fcntl(fd, F_SETFL, O_NOATIME));
  BOOST_TEST(moved_times("f", [&] { drained(fd); }) == "");
}

BOOST_AUTO_TEST_CASE(listing_moves_the_access_time_unless_O_NOATIME) {
  for (const auto& [flags, wanted] : {std::pair{O_RDONLY | O_NOATIME, ""}, {O_RDONLY, "a"}}) {
    make_dir("d");
    make_file("d/f");
    const auto work = [flags = flags] { list(open_file("d", flags)); };
    BOOST_TEST(moved_times("d", work) == wanted, std::oct << flags);
    NEEDS(unlink("d/f"));
    NEEDS(rmdir("d"));
  }
}

BOOST_AUTO_TEST_CASE(opening_and_closing_moves_no_time) {
  for (const Type type : {Type::kRegular, Type::kDirectory, Type::kFifo, Type::kCharDevice}) {
    make(type, "x", 0755);
    for (const int flags : {O_RDONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDONLY | O_CREAT, O_PATH}) {
      if (type == Type::kDirectory && flags != O_RDONLY && flags != O_PATH) continue;
      if (type == Type::kFifo && flags == (O_WRONLY | O_APPEND)) continue;
      const auto work = [&] { open_file("x", flags | O_NONBLOCK); };
      BOOST_TEST(moved_times_of({"x", "."}, work) == "- -", type << " with " << std::oct << flags);
    }
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
