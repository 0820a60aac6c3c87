// Files that are open, or mapped, or held otherwise, and have no name any more.
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/posix/acls.h"

using namespace posix_test;

namespace {

struct stat stat_of_fd(int fd) {
  struct stat st = {};
  NEEDS(fstat(fd, &st));
  return st;
}

std::string content_of_fd(int fd) {
  return read_at(fd, 0, static_cast<std::size_t>(stat_of_fd(fd).st_size));
}

std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::string link_target(const std::string& path) {
  std::string target(5000, '\0');
  const ssize_t got = readlink(path.c_str(), target.data(), target.size());
  NEEDS(got);
  target.resize(static_cast<std::size_t>(got));
  return target;
}

// The ways of a file to lose its last name, and to have never had one.
const struct Way {
  const char* name;
  Fd (*hold)(std::string_view content);
} kWays[] = {{"unlinked",
              [](std::string_view content) {
                make_file("f", content);
                Fd fd = open_file("f", O_RDWR);
                NEEDS(unlink("f"));
                return fd;
              }},
             {"replaced",
              [](std::string_view content) {
                make_file("f", content);
                make_file("other", "other");
                Fd fd = open_file("f", O_RDWR);
                NEEDS(rename("other", "f"));
                return fd;
              }},
             {"unlinked twice",
              [](std::string_view content) {
                make_file("f", content);
                NEEDS(link("f", "also"));
                Fd fd = open_file("also", O_RDWR);
                NEEDS(unlink("f"));
                NEEDS(unlink("also"));
                return fd;
              }},
             {"temporary", [](std::string_view content) {
                Fd fd = open_file(".", O_RDWR | O_TMPFILE);
                write_at(fd, 0, content);
                return fd;
              }}};
std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(unlinked_, Case)

namespace data = boost::unit_test::data;

BOOST_DATA_TEST_CASE(contents_are_read_and_written, data::make(kWays), way) {
  std::string wanted = pattern(3 * kPage);
  const Fd fd = way.hold(wanted);
  BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
  BOOST_TEST(same_bytes(content_of_fd(fd), wanted));
  write_at(fd, 5000, "written");
  wanted.replace(5000, 7, "written");
  BOOST_TEST(same_bytes(content_of_fd(fd), wanted));
  WORKS(ftruncate(fd, 6000));
  BOOST_TEST(stat_of_fd(fd).st_size == 6000);
  WORKS(ftruncate(fd, 9000));
  wanted.resize(6000);
  wanted.resize(9000);
  BOOST_TEST(same_bytes(content_of_fd(fd), wanted));
  WORKS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage));
  WORKS(fallocate(fd, 0, 0, 1 << 20));
  BOOST_TEST(stat_of_fd(fd).st_size == 1 << 20);
  BOOST_TEST(stat_of_fd(fd).st_blocks == 2048);
  WORKS(fsync(fd));
  WORKS(fdatasync(fd));
  const Fd out = open_file("copy", O_RDWR | O_CREAT);
  BOOST_TEST(copy_file_range(fd, nullptr, out, nullptr, 100, 0) == 100);
  BOOST_TEST(copy_file_range(out, nullptr, fd, nullptr, 100, 0) == 0);
  BOOST_TEST(as(kRoot, [&] { return err(pwrite(fd, "child", 5, 0)); }) == Err{0});
  BOOST_TEST(read_at(fd, 0, 5) == "child");
}

BOOST_DATA_TEST_CASE(attributes_are_changed, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  WORKS(fchmod(fd, 06751));
  BOOST_TEST((stat_of_fd(fd).st_mode & 07777U) == 06751U);
  WORKS(fchown(fd, kAlice.uid, kAlice.gid));
  BOOST_TEST(stat_of_fd(fd).st_uid == kAlice.uid);
  BOOST_TEST(stat_of_fd(fd).st_gid == kAlice.gid);
  BOOST_TEST((stat_of_fd(fd).st_mode & 07777U) == 0751U);
  const timespec times[2] = {{.tv_sec = 111, .tv_nsec = 1}, {.tv_sec = 222, .tv_nsec = 2}};
  WORKS(futimens(fd, times));
  BOOST_TEST(stat_of_fd(fd).st_atim.tv_sec == 111);
  BOOST_TEST(stat_of_fd(fd).st_mtim.tv_sec == 222);
  BOOST_TEST(stat_of_fd(fd).st_mtim.tv_nsec == 2);
  BOOST_TEST(as(kBob, [&] { return err(fchmod(fd, 0777)); }) == Err{EPERM});
  BOOST_TEST(as(kAlice, [&] { return err(fchmod(fd, 0700)); }) == Err{0});
  BOOST_TEST(as(kBob, [&] { return err(fchown(fd, kBob.uid, kBob.gid)); }) == Err{EPERM});
}

BOOST_DATA_TEST_CASE(xattrs_are_changed, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  char value[16], names[64];
  FAILS(fgetxattr(fd, "user.a", value, 16), ENODATA);
  FAILS(fsetxattr(fd, "user.a", "1", 1, XATTR_REPLACE), ENODATA);
  WORKS(fsetxattr(fd, "user.a", "1", 1, XATTR_CREATE));
  FAILS(fsetxattr(fd, "user.a", "1", 1, XATTR_CREATE), EEXIST);
  WORKS(fsetxattr(fd, "user.a", "two", 3, XATTR_REPLACE));
  WORKS(fsetxattr(fd, "trusted.b", "", 0, 0));
  BOOST_TEST(fgetxattr(fd, "user.a", value, 16) == 3);
  BOOST_TEST(std::string(value, 3) == "two");
  BOOST_TEST(fgetxattr(fd, "user.a", nullptr, 0) == 3);
  FAILS(fgetxattr(fd, "user.a", value, 2), ERANGE);
  BOOST_TEST(flistxattr(fd, names, sizeof names) == 17);
  WORKS(fremovexattr(fd, "user.a"));
  FAILS(fremovexattr(fd, "user.a"), ENODATA);
  BOOST_TEST(flistxattr(fd, names, sizeof names) == 10);
}

BOOST_DATA_TEST_CASE(acls_are_changed, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  const std::string path = proc_path(fd);
  const auto text = [&] {
    char bytes[256];
    const ssize_t got = fgetxattr(fd, kAccess, bytes, sizeof bytes);
    return got < 0 ? std::string() : acl_text({bytes, static_cast<std::size_t>(got)});
  };
  BOOST_TEST(set_acl(path, kAccess, "u:rw- u70001:r-- g:--- m:rw- o:---") == Err{0});
  BOOST_TEST((stat_of_fd(fd).st_mode & 0777U) == 0660U);
  BOOST_TEST(as(kAlice, [&] { return err(open(path.c_str(), O_RDONLY)); }) == Err{0});
  WORKS(fchmod(fd, 0600));
  BOOST_TEST(text() == "u:rw- u70001:r-- g:--- m:--- o:---");
  BOOST_TEST(as(kAlice, [&] { return err(open(path.c_str(), O_RDONLY)); }) == Err{EACCES});
  WORKS(fremovexattr(fd, kAccess));
  WORKS(fremovexattr(fd, kAccess));
  BOOST_TEST(text() == "");
  BOOST_TEST(set_acl(path, kDefault, "u:rwx g:rwx o:rwx") == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(xattrs_of_the_named_file_stay) {
  make_file("f");
  NEEDS(setxattr("f", "user.kept", "value", 5, 0));
  const Fd fd = open_file("f", O_RDWR);
  NEEDS(unlink("f"));
  make_file("f");
  char value[16];
  BOOST_TEST(fgetxattr(fd, "user.kept", value, 16) == 5);
  FAILS(getxattr("f", "user.kept", value, 16), ENODATA);
}

BOOST_DATA_TEST_CASE(times_move_as_with_a_name, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  const auto moved = [&](const std::function<void()>& work) {
    // moved_times() does not follow links.
    std::string out;
    const struct stat before = stat_of_fd(fd);
    (void)moved_times(".", work);
    const struct stat after = stat_of_fd(fd);
    if (before.st_mtim.tv_nsec != after.st_mtim.tv_nsec) out += 'm';
    if (before.st_ctim.tv_nsec != after.st_ctim.tv_nsec) out += 'c';
    return out;
  };
  BOOST_TEST(moved([&] { write_at(fd, 0, "x"); }) == "mc");
  BOOST_TEST(moved([&] { NEEDS(ftruncate(fd, 100)); }) == "mc");
  BOOST_TEST(moved([&] { NEEDS(fchmod(fd, 0600)); }) == "c");
  BOOST_TEST(moved([&] { NEEDS(fsetxattr(fd, "user.a", "1", 1, 0)); }) == "c");
  BOOST_TEST(moved([&] { NEEDS(fsync(fd)); }) == "");
  BOOST_TEST(moved([&] { (void)read_at(fd, 0, 1); }) == "");
}

BOOST_AUTO_TEST_CASE(losing_a_name_moves_the_ctime) {
  make_file("f");
  make_file("other");
  NEEDS(link("f", "also"));
  const Fd fd = open_file("f", O_RDWR);
  std::vector<timespec> ctimes;
  const auto note = [&] { ctimes.push_back(stat_of_fd(fd).st_ctim); };
  note();
  BOOST_TEST(moved_times(".", [] { NEEDS(unlink("f")); }) == "mc");
  BOOST_TEST(stat_of_fd(fd).st_nlink == 1U);
  note();
  BOOST_TEST(moved_times(".", [] { NEEDS(rename("other", "also")); }) == "mc");
  BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
  note();
  for (std::size_t i = 1; i < ctimes.size(); ++i) {
    const timespec &a = ctimes[i - 1], &b = ctimes[i];
    BOOST_TEST((a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec));
  }
}

BOOST_DATA_TEST_CASE(it_is_reached_through_proc, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  const std::string path = proc_path(fd);
  BOOST_TEST(link_target(path).ends_with(" (deleted)"));
  struct stat st = {};
  WORKS(stat(path.c_str(), &st));
  BOOST_TEST(st.st_nlink == 0U);
  BOOST_TEST(st.st_ino == stat_of_fd(fd).st_ino);
  BOOST_TEST(content_of(path) == "content");
  const Fd again = open_file(path, O_WRONLY | O_TRUNC);
  write_at(again, 0, "new");
  BOOST_TEST(content_of_fd(fd) == "new");
  WORKS(chmod(path.c_str(), 0400));
  BOOST_TEST((stat_of_fd(fd).st_mode & 0777U) == 0400U);
  WORKS(setxattr(path.c_str(), "user.a", "1", 1, 0));
  WORKS(truncate(path.c_str(), 1));
  BOOST_TEST(as(kAlice, [&] { return err(open(path.c_str(), O_RDONLY)); }) == Err{EACCES});
}

BOOST_DATA_TEST_CASE(only_what_never_had_a_name_gets_one, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  const int wanted = way.name == std::string_view("temporary") ? 0 : ENOENT;
  FAILS(linkat(AT_FDCWD, proc_path(fd).c_str(), AT_FDCWD, "by_proc", AT_SYMLINK_FOLLOW), wanted);
  FAILS(linkat(fd, "", AT_FDCWD, "by_fd", AT_EMPTY_PATH), wanted);
  BOOST_TEST(exists("by_proc") == (wanted == 0));
  BOOST_TEST(stat_of_fd(fd).st_nlink == (wanted == 0 ? 2U : 0U));
  if (wanted != 0) return;
  BOOST_TEST(content_of("by_proc") == "content");
  WORKS(unlink("by_proc"));
  WORKS(unlink("by_fd"));
  BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
  FAILS(linkat(fd, "", AT_FDCWD, "by_fd", AT_EMPTY_PATH), ENOENT);  // as of now it had one
  const Fd exclusive = open_file(".", O_RDWR | O_TMPFILE | O_EXCL);
  FAILS(linkat(exclusive, "", AT_FDCWD, "by_fd", AT_EMPTY_PATH), ENOENT);
}

BOOST_DATA_TEST_CASE(locks_work, data::make(kWays), way) {
  const Fd fd = way.hold("content");
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  WORKS(fcntl(fd, F_SETLK, &lock));
  BOOST_TEST(as(kRoot, [&] {
               struct flock other = {};
               other.l_type = F_RDLCK;
               return err(fcntl(fd, F_SETLK, &other));
             }) == Err{EAGAIN});
  const Fd again = open_file(proc_path(fd), O_RDWR);
  WORKS(flock(fd, LOCK_EX));
  FAILS(flock(again, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

BOOST_AUTO_TEST_CASE(the_name_is_free_for_another_file) {
  make_file("f", "old");
  const Fd old = open_file("f", O_RDWR);
  NEEDS(unlink("f"));
  FAILS(open("f", O_RDWR), ENOENT);
  FAILS(unlink("f"), ENOENT);
  for (int i = 0; i < 3; ++i) {
    const Fd fresh = open_file("f", O_RDWR | O_CREAT | O_EXCL);
    write_at(fresh, 0, "new");
    BOOST_TEST(content_of_fd(old) == "old");
    BOOST_TEST(stat_of_fd(fresh).st_ino != stat_of_fd(old).st_ino);
    NEEDS(unlink("f"));
  }
}

BOOST_AUTO_TEST_CASE(it_lives_while_any_process_or_mapping_holds_it) {
  make_file("f", pattern(kPage));
  Fd fd = open_file("f", O_RDWR);
  int gone[2];
  NEEDS(pipe(gone));
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(gone[1]);
    const bool closed = read(gone[0], &byte, 1) == 0;
    struct stat st = {};
    const bool held = fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == kPage;
    std::string content(kPage, '?');
    const bool read_all = pread(fd, content.data(), kPage, 0) == kPage;
    _exit(closed && held && read_all && content == pattern(kPage) ? 0 : 1);
  }
  fd.reset();
  NEEDS(unlink("f"));
  for (const int end : gone) close(end);
  int status = 0;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(other_types_are_held_as_well) {
  NEEDS(symlink("target", "link"));
  NEEDS(mkfifo("fifo", 0600));
  make(Type::kSocket, "socket");
  make(Type::kCharDevice, "null");
  const Fd link = open_file("link", O_PATH | O_NOFOLLOW), socket = open_file("socket", O_PATH);
  const Fd reader = open_file("fifo", O_RDONLY | O_NONBLOCK), writer = open_file("fifo", O_WRONLY);
  const Fd device = open_file("null", O_RDWR);
  for (const char* path : {"link", "fifo", "socket", "null"}) NEEDS(unlink(path));
  for (const int fd : {int{link}, int{socket}, int{reader}, int{device}}) {
    BOOST_TEST(stat_of_fd(fd).st_nlink == 0U);
  }
  char bytes[16];
  BOOST_TEST(readlinkat(link, "", bytes, 16) == 6);
  BOOST_TEST(write(writer, "fifo", 4) == 4);
  BOOST_TEST(read(reader, bytes, 16) == 4);
  BOOST_TEST(write(device, "x", 1) == 1);
  WORKS(fchmod(reader, 0640));
  BOOST_TEST((stat_of_fd(writer).st_mode & 0777U) == 0640U);
  WORKS(fchownat(link, "", kAlice.uid, kAlice.gid, AT_EMPTY_PATH));
  BOOST_TEST(stat_of_fd(link).st_uid == kAlice.uid);
}

BOOST_AUTO_TEST_CASE(a_bound_socket_is_unlinked) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string_view("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* const name = reinterpret_cast<const sockaddr*>(&address);
  const Fd server(socket(AF_UNIX, SOCK_STREAM, 0)), first(socket(AF_UNIX, SOCK_STREAM, 0));
  NEEDS(bind(server, name, sizeof address));
  NEEDS(listen(server, 5));
  FAILS(bind(first, name, sizeof address), EADDRINUSE);
  WORKS(connect(first, name, sizeof address));
  NEEDS(unlink("socket"));
  const Fd second(socket(AF_UNIX, SOCK_STREAM, 0));
  FAILS(connect(second, name, sizeof address), ENOENT);
  const Fd accepted(accept(server, nullptr, nullptr));
  BOOST_TEST(write(first, "hello", 5) == 5);
  char bytes[8];
  BOOST_TEST(read(accepted, bytes, 8) == 5);
  WORKS(bind(second, name, sizeof address));
}

BOOST_AUTO_TEST_SUITE_END()
