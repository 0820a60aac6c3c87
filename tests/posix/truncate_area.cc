// truncate(2) and ftruncate(2).
#include <fstream>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

Err by_path(const char* path, off_t size) { return err(truncate(path, size)); }
Err by_descriptor(const char* path, off_t size) {
  const Fd fd(open(path, O_WRONLY | O_CLOEXEC));
  return fd < 0 ? err(fd) : err(ftruncate(fd, size));
}
const struct {
  const char* name;
  Err (*resize)(const char* path, off_t size);
} kCalls[] = {{"truncate", by_path}, {"ftruncate", by_descriptor}};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(truncate_, Case)

BOOST_AUTO_TEST_CASE(cuts_off_and_fills_up_with_zeros) {
  const std::size_t sizes[] = {0, 1, 511, 512, 4095, 4096, 4097, 8192, 65537};
  for (const auto& call : kCalls) {
    for (const std::size_t from : sizes) {
      for (const std::size_t to : sizes) {
        BOOST_TEST_CONTEXT(call.name << " from " << from << " to " << to) {
          std::string wanted = pattern(from);
          make_file("f", wanted);
          BOOST_TEST(call.resize("f", static_cast<off_t>(to)) == Err{0});
          wanted.resize(to);
          BOOST_TEST(size_of("f") == static_cast<off_t>(to));
          BOOST_TEST(same_bytes(content_of("f"), wanted));
          NEEDS(unlink("f"));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(shows_zeros_where_it_grew_after_it_shrank) {
  for (const off_t cut : {off_t{1}, off_t{4095}, kPage, kPage + 1, 2 * kPage, 3 * kPage - 1}) {
    BOOST_TEST_CONTEXT(cut) {
      std::string wanted = pattern(3 * kPage);
      make_file("f", wanted);
      WORKS(truncate("f", cut));
      WORKS(truncate("f", 3 * kPage));
      wanted.resize(static_cast<std::size_t>(cut));
      wanted.resize(3 * kPage);
      BOOST_TEST(same_bytes(content_of("f"), wanted));
      drop_cache("f");
      BOOST_TEST(same_bytes(content_of("f"), wanted));
      NEEDS(unlink("f"));
    }
  }
}

BOOST_AUTO_TEST_CASE(reaches_the_largest_file) {
  make_file("f", "start");
  for (const auto& call : kCalls) {
    for (const off_t size : {off_t{1} << 31, off_t{1} << 32, (off_t{1} << 40) + 1, kLargest}) {
      BOOST_TEST_CONTEXT(call.name << " to " << size) {
        BOOST_TEST(call.resize("f", size) == Err{0});
        BOOST_TEST(size_of("f") == size);
        const Fd fd = open_file("f", O_RDONLY);
        BOOST_TEST(read_at(fd, size - 3, 10) == zeros(3));
        BOOST_TEST(read_at(fd, 0, 6) == std::string("start\0", 6));
        BOOST_TEST(read_at(fd, size, 1).empty());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_and_gives_back_no_more_blocks_than_there_is_content) {
  make_file("f");
  NEEDS(truncate("f", 1 << 30));
  BOOST_TEST(blocks_of("f") == 0);
  const Fd fd = open_file("f", O_RDWR);
  write_at(fd, 0, pattern(64 * kPage));
  NEEDS(fsync(fd));
  BOOST_TEST(blocks_of("f") == 512);
  NEEDS(ftruncate(fd, kPage));
  BOOST_TEST(blocks_of("f") == 8);
  NEEDS(ftruncate(fd, 1));
  BOOST_TEST(blocks_of("f") == 8);
  NEEDS(ftruncate(fd, 0));
  BOOST_TEST(blocks_of("f") == 0);
}

BOOST_AUTO_TEST_CASE(goes_through_symlinks_and_shows_under_every_name) {
  make_file("f", pattern(100));
  NEEDS(link("f", "also"));
  NEEDS(symlink("also", "link"));
  const Fd fd = open_file("f", O_RDWR);
  NEEDS(lseek(fd, 50, SEEK_SET));
  WORKS(truncate("link", 10));
  BOOST_TEST(size_of("f") == 10);
  BOOST_TEST(size_of("also") == 10);
  BOOST_TEST(size_of("link") == 4);
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 50);
  char byte;
  BOOST_TEST(read(fd, &byte, 1) == 0);
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("file", "content");
  make_dir("d");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  NEEDS(symlink("d", "to_d"));
  for (const Type type : {Type::kFifo, Type::kSocket, Type::kCharDevice, Type::kBlockDevice}) {
    make(type, "special" + std::to_string(static_cast<int>(type)));
  }
  const std::string component = long_name(256);
  const std::string path = std::string("d/") + std::string(4100, '/') + "x";
  const struct {
    const char* path;
    off_t size;
    int wanted;
  } rows[] = {{"file", -1, EINVAL},
              {"file", std::numeric_limits<off_t>::min(), EINVAL},
              {"file", std::numeric_limits<off_t>::max(), EFBIG},
              {"file", kLargest + 1, EFBIG},
              {"d", 0, EISDIR},
              {"to_d", 0, EISDIR},
              {".", 0, EISDIR},
              {"special3", 0, EINVAL},
              {"special4", 0, EINVAL},
              {"special5", 0, EINVAL},
              {"special6", 0, EINVAL},
              {"missing", 0, ENOENT},
              {"missing", -1, EINVAL},
              {"dangling", 0, ENOENT},
              {"", 0, ENOENT},
              {"missing/x", 0, ENOENT},
              {"file/x", 0, ENOTDIR},
              {"file/", 0, ENOTDIR},
              {"loop", 0, ELOOP},
              {"loop/x", 0, ELOOP},
              {component.c_str(), 0, ENAMETOOLONG},
              {path.c_str(), 0, ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40) << " to " << row.size) {
      FAILS(truncate(row.path, row.size), row.wanted);
    }
  }
  FAILS(truncate(inaccessible(), 0), EFAULT);
  BOOST_TEST(content_of("file") == "content");
}

BOOST_AUTO_TEST_CASE(is_refused_through_a_descriptor) {
  make_file("file", "content");
  make(Type::kFifo, "fifo");
  make(Type::kCharDevice, "null");
  make_dir("d");
  int pipe_ends[2];
  NEEDS(pipe(pipe_ends));
  const Fd pipe_read(pipe_ends[0]), pipe_write(pipe_ends[1]);
  const Fd reading = open_file("file", O_RDONLY), path = open_file("file", O_PATH);
  const Fd writing = open_file("file", O_WRONLY), directory = open_file("d", O_RDONLY);
  const Fd fifo = open_file("fifo", O_RDWR), device = open_file("null", O_RDWR);
  const struct {
    int fd;
    off_t size;
    int wanted;
  } rows[] = {{reading, 0, EINVAL},    {path, 0, EBADF},
              {-1, 0, EBADF},          {directory, 0, EINVAL},
              {fifo, 0, EINVAL},       {device, 0, EINVAL},
              {pipe_write, 0, EINVAL}, {writing, std::numeric_limits<off_t>::max(), EFBIG},
              {writing, -1, EINVAL},   {writing, kLargest + 1, EFBIG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(&row - rows) { FAILS(ftruncate(row.fd, row.size), row.wanted); }
  }
  BOOST_TEST(content_of("file") == "content");
}

BOOST_AUTO_TEST_CASE(needs_permission_to_write) {
  make_dir("open", 0777);
  make_dir("closed", 0666);
  for (const char* in : {"open", "closed"}) {
    const struct {
      const User& owner;
      gid_t group;
      mode_t mode;
      int wanted;
    } rows[] = {{kAlice, kAlice.gid, 0200, 0},      {kAlice, kAlice.gid, 0577, EACCES},
                {kBob, kAlice.gid, 0020, 0},        {kBob, kAlice.gid, 0757, EACCES},
                {kBob, kBob.gid, 0002, 0},          {kBob, kBob.gid, 0775, EACCES},
                {kAlice, kAlice.gid, 0022, EACCES}, {kBob, kTeam, 0020, EACCES}};
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(in << ' ' << row.owner.uid << ' ' << row.group << ' ' << std::oct
                            << row.mode) {
        const std::string path = std::string(in) + "/f";
        make_file(path, "content", row.mode);
        NEEDS(chown(path.c_str(), row.owner.uid, row.group));
        const int wanted = in == std::string_view("closed") ? EACCES : row.wanted;
        for (const auto& call : kCalls) {
          BOOST_TEST(as(kAlice, [&] { return call.resize(path.c_str(), 3); }) == Err{wanted});
        }
        BOOST_TEST(size_of(path) == (wanted == 0 ? 3 : 7));
        WORKS(truncate(path.c_str(), 1));  // root may
        NEEDS(unlink(path.c_str()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused_where_read_only) {
  make_file("f", "content");
  make_dir("d");
  NEEDS(mknod("fifo", S_IFIFO | 0600, 0));
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"f", EROFS}, {"d", EISDIR}, {"fifo", EINVAL}, {"missing", ENOENT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path) {
      BOOST_TEST(where_read_only([&] { return by_path(row.path, 0); }) == Err{row.wanted});
    }
  }
  BOOST_TEST(where_read_only([] { return by_descriptor("f", 0); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return err(open("f", O_RDONLY | O_TRUNC)); }) == Err{EROFS});
  const Fd fd = open_file("f", O_WRONLY);  // through another mount
  BOOST_TEST(where_read_only([&] { return err(ftruncate(fd, 3)); }) == Err{0});
  BOOST_TEST(content_of("f") == "con");
}

BOOST_AUTO_TEST_CASE(a_descriptor_keeps_the_permission) {
  make_file("f", "content", 0666);
  BOOST_TEST(as(kAlice, [] {
               const Fd fd(open("f", O_WRONLY));
               return fd < 0 ? err(fd) : err(ftruncate(fd, 3));
             }) == Err{0});
  const Fd fd = open_file("f", O_WRONLY);
  NEEDS(chmod("f", 0));
  BOOST_TEST(as(kAlice, [&] { return err(ftruncate(fd, 2)); }) == Err{0});
  BOOST_TEST(size_of("f") == 2);
}

BOOST_AUTO_TEST_CASE(moves_mtime_and_ctime_even_when_the_size_stays) {
  const struct {
    off_t from, to;
  } rows[] = {{10, 5}, {10, 20}, {10, 0}, {10, 10}, {0, 0}, {0, 1 << 20}};
  make_dir("d");
  for (const auto& row : rows) {
    for (const auto& call : kCalls) {
      BOOST_TEST_CONTEXT(call.name << " from " << row.from << " to " << row.to) {
        make_file("d/f", pattern(static_cast<std::size_t>(row.from)));
        std::string of_file;
        const std::string of_parent = moved_times(
            "d", [&] { of_file = moved_times("d/f", [&] { (void)call.resize("d/f", row.to); }); });
        BOOST_TEST(of_file == "mc");
        BOOST_TEST(of_parent == "");
        NEEDS(unlink("d/f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(moves_nothing_when_it_fails) {
  make_file("f", "content");
  const Fd reading = open_file("f", O_RDONLY);
  const std::string moved = moved_times("f", [&] {
    FAILS(truncate("f", -1), EINVAL);
    FAILS(truncate("f", kLargest + 1), EFBIG);
    FAILS(ftruncate(reading, 0), EINVAL);
    BOOST_TEST(as(kAlice, [] { return by_path("f", 0); }) == Err{EACCES});
  });
  BOOST_TEST(moved == "");
}

BOOST_AUTO_TEST_CASE(drops_set_ids_and_capabilities) {
  for (const auto& call : kCalls) {
    for (const off_t size : {0, 3, 100}) {
      BOOST_TEST_CONTEXT(call.name << " to " << size) {
        check_privileges_after([&] { return call.resize("f", size); }, "content");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(opening_to_truncate_drops_set_ids_and_capabilities) {
  check_privileges_after([] { return err(open("f", O_WRONLY | O_TRUNC)); }, "content");
}

BOOST_AUTO_TEST_CASE(stays_within_the_limit_of_file_sizes) {
  make_file("small", pattern(100));
  make_file("big", pattern(5000));
  const struct {
    const char* path;
    off_t size;
    int wanted;
  } rows[] = {{"small", 1001, EFBIG}, {"small", 1000, 0},     {"small", 10, 0},
              {"big", 4000, 0},       {"big", 4001, EFBIG},   {"big", 4000, 0},
              {"big", 1001, 0},       {"small", 1001, EFBIG}, {"big", 0, 0}};
  for (const auto& call : kCalls) {
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(call.name << ' ' << row.path << " to " << row.size) {
        BOOST_TEST(as(kRoot, [&] {
                     if (!limit_file_size(1000)) return Err{ENOSYS};
                     return call.resize(row.path, row.size);
                   }) == Err{row.wanted});
      }
    }
    NEEDS(truncate("big", 5000));
  }
  BOOST_TEST(signal_of([] {
               if (limit_file_size(1000)) signal(SIGXFSZ, SIG_DFL);
               (void)!truncate("small", 1001);
             }) == SIGXFSZ);
}

BOOST_AUTO_TEST_CASE(is_refused_for_a_program_that_runs) {
  std::ofstream("program", std::ios::binary) << std::ifstream("/bin/cat").rdbuf();
  NEEDS(chmod("program", 0755));
  int input[2], started[2];
  NEEDS(pipe(input));
  NEEDS(pipe2(started, O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    dup2(input[0], 0);
    close(input[1]);
    execl("program", "program", nullptr);
    _exit(1);
  }
  close(started[1]);
  char byte;
  BOOST_TEST(read(started[0], &byte, 1) == 0);  // exec closed it
  const off_t size = size_of("program");
  FAILS(truncate("program", 0), ETXTBSY);
  FAILS(open("program", O_WRONLY), ETXTBSY);
  FAILS(open("program", O_RDWR | O_TRUNC), ETXTBSY);
  for (const int end : {input[0], input[1], started[0]}) close(end);
  int status = 0;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(size_of("program") == size);
  WORKS(truncate("program", 0));
}

BOOST_AUTO_TEST_SUITE_END()
