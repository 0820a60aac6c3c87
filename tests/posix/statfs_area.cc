// statfs(2), statvfs(3) and their f* relatives.
#include <sched.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

struct statvfs room_at(const char* path = ".") {
  struct statvfs out = {};
  NEEDS(statvfs(path, &out));
  return out;
}

std::int64_t free_bytes() {
  const struct statvfs room = room_at();
  return static_cast<std::int64_t>(room.f_bfree * room.f_frsize);
}

void check_sense(const struct statvfs& room) {
  BOOST_TEST(room.f_namemax == 255U);
  BOOST_TEST(room.f_frsize >= 512U);
  BOOST_TEST((room.f_frsize & (room.f_frsize - 1)) == 0U);
  BOOST_TEST(room.f_bsize >= room.f_frsize);
  BOOST_TEST(room.f_bsize % room.f_frsize == 0U);
  BOOST_TEST(room.f_blocks > 0U);
  BOOST_TEST(room.f_bfree <= room.f_blocks);
  BOOST_TEST(room.f_bavail <= room.f_bfree);
  BOOST_TEST(room.f_files > 0U);
  BOOST_TEST(room.f_ffree <= room.f_files);
  BOOST_TEST(room.f_favail <= room.f_ffree);
}

constexpr std::int64_t kBig = 512 << 20;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(statfs_, Case)

BOOST_AUTO_TEST_CASE(counts_and_sizes_make_sense) {
  check_sense(room_at());
  struct statfs room = {};
  WORKS(statfs(".", &room));
  BOOST_TEST(room.f_namelen == 255);
  BOOST_TEST(room.f_bsize > 0);
  BOOST_TEST(room.f_frsize > 0);
  BOOST_TEST(room.f_blocks > 0U);
  BOOST_TEST(room.f_bfree <= room.f_blocks);
  BOOST_TEST(room.f_bavail <= room.f_bfree);
  BOOST_TEST(room.f_ffree <= room.f_files);
}

BOOST_AUTO_TEST_CASE(everything_in_a_filesystem_tells_the_same) {
  make_dir("d");
  make_file("f");
  make_file("closed", "", 0);
  NEEDS(mkfifo("fifo", 0600));
  make(Type::kSocket, "socket");
  NEEDS(symlink("d", "link"));
  struct statfs whole = {};
  NEEDS(statfs(".", &whole));
  for (const char* path : {"d", "d/..", "f", "closed", "fifo", "socket", "link", folder.c_str()}) {
    BOOST_TEST_CONTEXT(path) {
      struct statfs one = {};
      WORKS(statfs(path, &one));
      BOOST_TEST(one.f_type == whole.f_type);
      BOOST_TEST(one.f_blocks == whole.f_blocks);
      BOOST_TEST(one.f_bsize == whole.f_bsize);
      BOOST_TEST(one.f_fsid.__val[0] == whole.f_fsid.__val[0]);
      BOOST_TEST(one.f_fsid.__val[1] == whole.f_fsid.__val[1]);
      BOOST_TEST(one.f_flags == whole.f_flags);
    }
  }
  BOOST_TEST(as(kAlice, [] {
               struct statfs one;
               return err(statfs("closed", &one));  // needs no permission
             }) == Err{0});
}

BOOST_AUTO_TEST_CASE(descriptors_of_any_kind_serve_as_well) {
  make_file("f");
  NEEDS(symlink("nowhere", "link"));
  NEEDS(mkfifo("fifo", 0600));
  struct statfs whole = {};
  NEEDS(statfs(".", &whole));
  const Fd reading = open_file("f", O_RDONLY), path = open_file("f", O_PATH);
  const Fd directory = open_file(".", O_RDONLY), link = open_file("link", O_PATH | O_NOFOLLOW);
  const Fd fifo = open_file("fifo", O_RDWR), temporary = open_file(".", O_RDWR | O_TMPFILE);
  make_file("gone");
  const Fd gone = open_file("gone", O_RDONLY);
  NEEDS(unlink("gone"));
  for (const int fd :
       {int{reading}, int{path}, int{directory}, int{link}, int{fifo}, int{temporary}, int{gone}}) {
    struct statfs one = {};
    struct statvfs other = {};
    WORKS(fstatfs(fd, &one));
    WORKS(fstatvfs(fd, &other));
    BOOST_TEST(one.f_type == whole.f_type);
    BOOST_TEST(one.f_blocks == whole.f_blocks);
    check_sense(other);
  }
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("f");
  make_dir("closed", 0);
  make_file("closed/f");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string component = long_name(256);
  const std::string path = std::string("./") + std::string(4100, '/') + "f";
  const struct {
    const char* path;
    int wanted;
  } rows[] = {{"missing", ENOENT},
              {"", ENOENT},
              {"dangling", ENOENT},
              {"f/x", ENOTDIR},
              {"f/", ENOTDIR},
              {"loop", ELOOP},
              {component.c_str(), ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG},
              {inaccessible(), EFAULT}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      struct statfs one = {};
      struct statvfs other = {};
      FAILS(statfs(row.path, &one), row.wanted);
      FAILS(statvfs(row.path, &other), row.wanted);
    }
  }
  struct statfs one = {};
  FAILS(fstatfs(-1, &one), EBADF);
  FAILS(statfs("f", reinterpret_cast<struct statfs*>(inaccessible())), EFAULT);
  BOOST_TEST(as(kAlice, [] {
               struct statfs there;
               return err(statfs("closed/f", &there));
             }) == Err{EACCES});
}

// Others may use the disk under a holtfs, so only far more than they are likely to do shows.
BOOST_AUTO_TEST_CASE(a_big_file_takes_its_room_and_gives_it_back) {
  const std::int64_t before = free_bytes();
  {
    const Fd fd = open_file("f", O_RDWR | O_CREAT);
    NEEDS(fallocate(fd, 0, 0, kBig));
    BOOST_TEST(before - free_bytes() > kBig / 2);
    NEEDS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBig));
    BOOST_TEST(before - free_bytes() < kBig / 2);
    NEEDS(fallocate(fd, 0, 0, kBig));
    BOOST_TEST(before - free_bytes() > kBig / 2);
    NEEDS(ftruncate(fd, 0));
    BOOST_TEST(before - free_bytes() < kBig / 2);
    NEEDS(fallocate(fd, 0, 0, kBig));
    NEEDS(unlink("f"));
    BOOST_TEST(before - free_bytes() > kBig / 2);  // it is still open
  }
  const Fd here = open_file(".", O_RDONLY);
  NEEDS(fsync(here));  // what removes contents may wait until the removal is durable
}

BOOST_AUTO_TEST_CASE(a_hole_takes_no_room) {
  const std::int64_t before = free_bytes();
  make_file("f");
  NEEDS(truncate("f", off_t{1} << 40));
  BOOST_TEST(before - free_bytes() < kBig / 2);
}

BOOST_AUTO_TEST_CASE(files_are_counted) {
  const auto used = [] {
    const struct statvfs room = room_at();
    return static_cast<std::int64_t>(room.f_files - room.f_ffree);
  };
  constexpr std::int64_t kMany = 300;
  const std::int64_t before = used();
  for (std::int64_t i = 0; i < kMany; i += 3) {
    const std::string name = std::to_string(i);
    make_file(name);
    make_dir(name + "d");
    NEEDS(symlink("target", (name + "s").c_str()));
    NEEDS(link(name.c_str(), (name + "l").c_str()));  // is no file
  }
  BOOST_TEST(used() == before + kMany);
  for (std::int64_t i = 0; i < kMany; i += 3) {
    const std::string name = std::to_string(i);
    for (const char* end : {"", "d", "s", "l"}) NEEDS(remove((name + end).c_str()));
  }
  // The last of them may be let go of a moment after the call.
  for (int i = 0; i < 10'000 && used() != before; ++i) sched_yield();
  BOOST_TEST(used() == before);
}

BOOST_AUTO_TEST_CASE(flags_tell_how_it_is_mounted) {
  BOOST_TEST((room_at().f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)) == 0U);
  BOOST_TEST(where_read_only([] {
               struct statvfs room = {};
               if (statvfs(".", &room) != 0) return err(-1);
               return Err{(room.f_flag & ST_RDONLY) != 0 ? 0 : EINVAL};
             }) == Err{0});
}

BOOST_AUTO_TEST_SUITE_END()
