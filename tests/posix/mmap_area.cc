// mmap(2), msync(2), and what mappings and calls see of each other.
#include <cstring>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr int kBoth = PROT_READ | PROT_WRITE;
constexpr std::size_t kPageBytes = kPage;

// A mapping that ends with its scope.
class Map {
 public:
  Map(int fd, std::size_t size, int prot = kBoth, int flags = MAP_SHARED, off_t offset = 0)
      : size_(size), at_(mmap(nullptr, size, prot, flags, fd, offset)) {
    BOOST_REQUIRE(at_ != MAP_FAILED);
  }
  ~Map() { munmap(at_, size_); }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  char* data() const { return static_cast<char*>(at_); }
  std::string_view bytes() const { return {data(), size_}; }
  std::string_view bytes(std::size_t at, std::size_t size) const {
    return bytes().substr(at, size);
  }
  void put(std::size_t at, std::string_view what) const { what.copy(data() + at, what.size()); }
  Err sync(int flags = MS_SYNC) const { return err(msync(at_, size_, flags)); }
  // Not a store that the compiler may leave out.
  void touch(std::size_t at) const { *static_cast<volatile char*>(data() + at) = 'x'; }
  char look(std::size_t at) const { return *static_cast<volatile char*>(data() + at); }

 private:
  std::size_t size_;
  void* at_;
};

Fd filled(std::size_t size) {
  make_file("f", pattern(size));
  return open_file("f", O_RDWR);
}

Err map_error(int fd, std::size_t size, int prot, int flags, off_t offset = 0) {
  void* const at = mmap(nullptr, size, prot, flags, fd, offset);
  if (at == MAP_FAILED) return err(-1);
  munmap(at, size);
  return {0};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(mmap_, Case)

BOOST_AUTO_TEST_CASE(shows_what_is_in_the_file) {
  for (const std::size_t size : {std::size_t{1}, kPageBytes - 1, kPageBytes, 5 * kPageBytes + 7}) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE}) {
      for (const bool cached : {true, false}) {
        BOOST_TEST_CONTEXT(size << " with " << flags << (cached ? " cached" : "")) {
          const Fd fd = filled(size);
          if (!cached) drop_cache("f");
          const Map map(fd, size, PROT_READ, flags);
          BOOST_TEST(same_bytes(map.bytes(), pattern(size)));
          NEEDS(unlink("f"));
        }
      }
    }
  }
  const Fd fd = filled(5 * kPageBytes);
  const Map tail(fd, 2 * kPageBytes, PROT_READ, MAP_SHARED, 3 * kPage);
  BOOST_TEST(same_bytes(tail.bytes(), pattern(5 * kPageBytes).substr(3 * kPageBytes)));
}

BOOST_AUTO_TEST_CASE(calls_and_shared_mappings_see_each_other_at_once) {
  const Fd fd = filled(3 * kPageBytes);
  const Map map(fd, 3 * kPageBytes), twin(open_file("f", O_RDWR), 3 * kPageBytes);
  map.put(kPageBytes - 2, "map");
  BOOST_TEST(read_at(fd, kPage - 2, 3) == "map");
  BOOST_TEST(twin.bytes(kPageBytes - 2, 3) == "map");
  write_at(fd, 2 * kPage - 2, "call");
  BOOST_TEST(map.bytes(2 * kPageBytes - 2, 4) == "call");
  BOOST_TEST(as(kRoot, [&] {
               twin.put(10, "child");
               const Fd other(open("f", O_WRONLY));
               return err(pwrite(other, "other", 5, 20));
             }) == Err{0});
  BOOST_TEST(map.bytes(10, 5) == "child");
  BOOST_TEST(map.bytes(20, 5) == "other");
  BOOST_TEST(read_at(fd, 10, 5) == "child");
}

BOOST_AUTO_TEST_CASE(a_private_mapping_keeps_its_changes) {
  const Fd fd = filled(2 * kPageBytes), reading = open_file("f", O_RDONLY);
  const Map map(reading, 2 * kPageBytes, kBoth, MAP_PRIVATE);
  map.put(5, "private");
  write_at(fd, 0, "0123456789abcdef");
  BOOST_TEST(map.bytes(5, 7) == "private");
  BOOST_TEST(read_at(fd, 5, 7) == "56789ab");
  BOOST_TEST(map.sync() == Err{0});
  BOOST_TEST(read_at(fd, 5, 7) == "56789ab");
  drop_cache("f");
  BOOST_TEST(read_at(fd, 5, 7) == "56789ab");
}

BOOST_AUTO_TEST_CASE(what_is_mapped_reaches_the_filesystem) {
  for (const char* how : {"msync", "fsync", "munmap"}) {
    BOOST_TEST_CONTEXT(how) {
      const Fd fd = filled(3 * kPageBytes);
      {
        const Map map(fd, 3 * kPageBytes);
        map.put(kPageBytes - 1, "xyz");
        if (how == std::string_view("msync")) BOOST_TEST(map.sync() == Err{0});
        if (how == std::string_view("fsync")) WORKS(fsync(fd));
      }
      drop_cache("f");
      std::string wanted = pattern(3 * kPageBytes);
      wanted.replace(kPageBytes - 1, 3, "xyz");
      BOOST_TEST(same_bytes(content_of("f"), wanted));
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(outlives_descriptor_and_name) {
  Fd fd = filled(2 * kPageBytes);
  const Map map(fd, 2 * kPageBytes);
  fd.reset();
  NEEDS(unlink("f"));
  make_file("f", "another");
  map.put(0, "still");
  BOOST_TEST(map.bytes(0, 5) == "still");
  BOOST_TEST(same_bytes(map.bytes(5, kPageBytes), pattern(2 * kPageBytes).substr(5, kPageBytes)));
  BOOST_TEST(map.sync() == Err{0});
  BOOST_TEST(content_of("f") == "another");
}

BOOST_AUTO_TEST_CASE(what_is_beyond_the_end_is_zero_and_never_written) {
  const Fd fd = filled(100);
  const Map map(fd, kPageBytes);
  BOOST_TEST(same_bytes(map.bytes(100, kPageBytes - 100), zeros(kPageBytes - 100)));
  map.put(98, "xxxx");
  BOOST_TEST(map.sync() == Err{0});
  BOOST_TEST(size_of("f") == 100);
  NEEDS(ftruncate(fd, 200));
  BOOST_TEST(read_at(fd, 98, 4) == std::string("xx\0\0", 4));
  drop_cache("f");
  BOOST_TEST(read_at(fd, 98, 4) == std::string("xx\0\0", 4));
}

BOOST_AUTO_TEST_CASE(a_page_beyond_the_end_is_a_bus_error) {
  const Fd fd = filled(kPageBytes + 1);
  const Map map(fd, 4 * kPageBytes);
  const struct {
    std::size_t at;
    int signal;
  } rows[] = {
      {0, 0}, {2 * kPageBytes - 1, 0}, {2 * kPageBytes, SIGBUS}, {4 * kPageBytes - 1, SIGBUS}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.at) {
      BOOST_TEST(signal_of([&] { (void)map.look(row.at); }) == row.signal);
      BOOST_TEST(signal_of([&] { map.touch(row.at); }) == row.signal);
    }
  }
  BOOST_TEST(size_of("f") == kPage + 1);
  FAILS(write(fd, map.data() + 3 * kPageBytes, 1), EFAULT);
}

BOOST_AUTO_TEST_CASE(truncation_takes_pages_away_and_growth_brings_zeros) {
  const Fd fd = filled(3 * kPageBytes);
  const Map map(fd, 3 * kPageBytes);
  const Map copy(fd, 3 * kPageBytes, kBoth, MAP_PRIVATE);
  map.touch(2 * kPageBytes);
  copy.touch(2 * kPageBytes);
  NEEDS(ftruncate(fd, kPage + 10));
  BOOST_TEST(signal_of([&] { (void)map.look(2 * kPageBytes); }) == SIGBUS);
  BOOST_TEST(signal_of([&] { (void)copy.look(2 * kPageBytes); }) == SIGBUS);  // though private
  BOOST_TEST(map.bytes(kPageBytes + 9, 1) == pattern(3 * kPageBytes).substr(kPageBytes + 9, 1));
  BOOST_TEST(map.look(kPageBytes + 10) == 0);
  NEEDS(ftruncate(fd, 3 * kPage));
  BOOST_TEST(same_bytes(map.bytes().substr(kPageBytes + 10), zeros(2 * kPageBytes - 10)));
  map.put(2 * kPageBytes, "again");
  BOOST_TEST(read_at(fd, 2 * kPage, 5) == "again");
  NEEDS(truncate("f", 0));
  BOOST_TEST(signal_of([&] { (void)map.look(0); }) == SIGBUS);
  write_at(fd, 0, "new");
  BOOST_TEST(map.bytes(0, 4) == std::string("new\0", 4));
}

BOOST_AUTO_TEST_CASE(punching_shows_zeros) {
  const Fd fd = filled(4 * kPageBytes);
  const Map map(fd, 4 * kPageBytes);
  map.put(kPageBytes, "dirty");
  NEEDS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kPage - 5, kPage + 10));
  BOOST_TEST(same_bytes(map.bytes(kPageBytes - 5, kPageBytes + 10), zeros(kPageBytes + 10)));
  BOOST_TEST(map.bytes(kPageBytes - 6, 1) == pattern(kPageBytes).substr(kPageBytes - 6, 1));
  WORKS(madvise(map.data() + 2 * kPageBytes, kPageBytes, MADV_REMOVE));
  BOOST_TEST(same_bytes(read_at(fd, 2 * kPage, kPageBytes), zeros(kPageBytes)));
  BOOST_TEST(size_of("f") == 4 * kPage);
  map.put(kPageBytes, "full");
  BOOST_TEST(read_at(fd, kPage, 4) == "full");
}

BOOST_AUTO_TEST_CASE(a_hole_is_filled_through_a_mapping) {
  const Fd fd = open_file("f", O_RDWR | O_CREAT);
  constexpr off_t kFar = off_t{1} << 33;
  NEEDS(ftruncate(fd, kFar + 2 * kPage));
  BOOST_TEST(blocks_of("f") == 0);
  {
    const Map map(fd, 2 * kPageBytes, kBoth, MAP_SHARED, kFar);
    BOOST_TEST(map.look(0) == 0);
    map.put(kPageBytes - 1, "ab");
    BOOST_TEST(map.sync() == Err{0});
  }
  BOOST_TEST(blocks_of("f") == 16);
  drop_cache("f");
  BOOST_TEST(read_at(fd, kFar + kPage - 2, 4) == std::string("\0ab\0", 4));
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_dir("d");
  NEEDS(mkfifo("fifo", 0600));
  const Fd both = filled(2 * kPageBytes);
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("f", O_WRONLY);
  const Fd path = open_file("f", O_PATH), directory = open_file("d", O_RDONLY);
  const Fd fifo = open_file("fifo", O_RDWR);
  const struct {
    int fd;
    std::size_t size;
    int prot, flags;
    off_t offset;
    int wanted;
  } rows[] = {{both, 0, PROT_READ, MAP_SHARED, 0, EINVAL},
              {both, kPageBytes, PROT_READ, MAP_SHARED, 1, EINVAL},
              {both, kPageBytes, PROT_READ, 0, 0, EINVAL},
              {both, SIZE_MAX, PROT_READ, MAP_SHARED, 0, ENOMEM},
              {both, kPageBytes, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, 0, EOPNOTSUPP},
              {reading, kPageBytes, kBoth, MAP_SHARED, 0, EACCES},
              {reading, kPageBytes, PROT_WRITE, MAP_SHARED, 0, EACCES},
              {reading, kPageBytes, kBoth, MAP_PRIVATE, 0, 0},
              {reading, kPageBytes, PROT_NONE, MAP_SHARED, 0, 0},
              {writing, kPageBytes, PROT_READ, MAP_SHARED, 0, EACCES},
              {writing, kPageBytes, PROT_WRITE, MAP_SHARED, 0, EACCES},
              {writing, kPageBytes, PROT_READ, MAP_PRIVATE, 0, EACCES},
              {path, kPageBytes, PROT_READ, MAP_SHARED, 0, EBADF},
              {-1, kPageBytes, PROT_READ, MAP_SHARED, 0, EBADF},
              {directory, kPageBytes, PROT_READ, MAP_SHARED, 0, ENODEV},
              {fifo, kPageBytes, PROT_READ, MAP_SHARED, 0, ENODEV},
              {both, kPageBytes, PROT_READ, MAP_SHARED, 1 << 30, 0}};  // beyond the end
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      BOOST_TEST(map_error(row.fd, row.size, row.prot, row.flags, row.offset) == Err{row.wanted});
    }
  }
  const Map map(both, kPageBytes), shown(reading, kPageBytes, PROT_READ);
  FAILS(mprotect(shown.data(), kPageBytes, kBoth), EACCES);
  WORKS(mprotect(map.data(), kPageBytes, PROT_READ));
  BOOST_TEST(map.sync(MS_SYNC | MS_ASYNC) == Err{EINVAL});
  BOOST_TEST(map.sync(0x100) == Err{EINVAL});
  BOOST_TEST(map.sync(MS_ASYNC) == Err{0});
  BOOST_TEST(map.sync(MS_SYNC | MS_INVALIDATE) == Err{0});
  FAILS(msync(map.data() + 1, 10, MS_SYNC), EINVAL);
}

BOOST_AUTO_TEST_CASE(a_range_that_is_not_mapped_cannot_be_synced) {
  const Fd fd = filled(2 * kPageBytes);
  void* const at = mmap(nullptr, 2 * kPageBytes, kBoth, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(at != MAP_FAILED);
  NEEDS(munmap(static_cast<char*>(at) + kPageBytes, kPageBytes));
  FAILS(msync(at, 2 * kPageBytes, MS_SYNC), ENOMEM);
  WORKS(msync(at, kPageBytes, MS_SYNC));
  NEEDS(munmap(at, kPageBytes));
  FAILS(msync(at, kPageBytes, MS_SYNC), ENOMEM);
}

BOOST_AUTO_TEST_CASE(writing_through_a_mapping_moves_mtime_and_ctime) {
  const Fd fd = filled(2 * kPageBytes);
  NEEDS(fsync(fd));
  const Map map(fd, 2 * kPageBytes);
  const auto write_and_sync = [&] {
    map.touch(0);
    (void)map.sync();
  };
  BOOST_TEST(moved_times("f", write_and_sync) == "mc");
  BOOST_TEST(moved_times("f", write_and_sync) == "mc");
  BOOST_TEST(moved_times("f", [&] { (void)map.sync(); }) == "");
  const auto read_and_sync = [&] {
    (void)map.look(kPageBytes);
    NEEDS(fsync(fd));
  };
  BOOST_TEST(moved_times("f", read_and_sync) == "");
}

// POSIX: at some time between the store and the next msync(), MS_ASYNC or not.
// On a FUSE filesystem times move when the pages are written back, which MS_ASYNC does not ask for.
BOOST_AUTO_TEST_CASE(an_asynchronous_sync_is_late_enough_to_move_them) {
  const Fd fd = filled(2 * kPageBytes);
  NEEDS(fsync(fd));
  const Map map(fd, 2 * kPageBytes);
  const auto write_and_tell = [&] {
    map.touch(0);
    (void)map.sync(MS_ASYNC);
  };
  BOOST_TEST(moved_times("f", write_and_tell) == (on_holtfs() ? "" : "mc"));
}

BOOST_AUTO_TEST_CASE(a_mapping_can_grow_with_its_file) {
  const Fd fd = filled(kPageBytes);
  void* at = mmap(nullptr, kPageBytes, kBoth, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(at != MAP_FAILED);
  NEEDS(ftruncate(fd, 4 * kPage));
  at = mremap(at, kPageBytes, 4 * kPageBytes, MREMAP_MAYMOVE);
  BOOST_REQUIRE(at != MAP_FAILED);
  std::string_view("tail").copy(static_cast<char*>(at) + 3 * kPageBytes, 4);
  BOOST_TEST(read_at(fd, 3 * kPage, 4) == "tail");
  munmap(at, 4 * kPageBytes);
}

BOOST_AUTO_TEST_CASE(code_in_a_file_runs) {
  using std::string_view_literals::operator""sv;
#if defined(__x86_64__)
  constexpr auto kCode = "\xb8\x2a\x00\x00\x00\xc3"sv;  // mov eax, 42; ret
#else
  constexpr auto kCode = ""sv;
#endif
  make_file("f", kCode);
  for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
    const Map map(open_file("f", O_RDONLY), kPageBytes, PROT_READ | PROT_EXEC, flags);
    if (kCode.empty()) continue;
    int (*function)();
    void* const at = map.data();
    std::memcpy(&function, &at, sizeof at);
    BOOST_TEST(function() == 42);
  }
}

BOOST_AUTO_TEST_SUITE_END()
