#include "tests/posix/support.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <utility>

namespace posix_test {

const User kRoot{.uid = 0, .gid = 0};
const User kAlice{.uid = 70001, .gid = 70001};
const User kBob{.uid = 70002, .gid = 70002};

std::ostream& operator<<(std::ostream& out, Err err) {
  if (err.number == 0) return out << "success";
  const char* const name = strerrorname_np(err.number);
  return name != nullptr ? out << name : out << "errno " << err.number;
}

Err as(const User& user, const std::function<Err()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    umask(022);
    const bool became = setgroups(user.groups.size(), user.groups.data()) == 0 &&
                        setresgid(user.gid, user.gid, user.gid) == 0 &&
                        setresuid(user.uid, user.uid, user.uid) == 0;
    _exit(became ? work().number : 255);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_REQUIRE_MESSAGE(WIFEXITED(status), "ended by signal " << WTERMSIG(status));
  BOOST_REQUIRE(WEXITSTATUS(status) != 255);
  return {WEXITSTATUS(status)};
}

Err where_read_only(const std::function<Err()>& work) {
  return as(kRoot, [&] {
    const std::string here = std::filesystem::current_path();
    const bool mounted =
        unshare(CLONE_NEWNS) == 0 &&
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        mount(here.c_str(), here.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
        mount("none", here.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0 &&
        chdir(here.c_str()) == 0;
    return mounted ? work() : err(-1);
  });
}

namespace {

const char* base_folder() {
  const char* const base = getenv("POSIX_TEST_FOLDER");
  BOOST_REQUIRE_MESSAGE(base != nullptr, "POSIX_TEST_FOLDER names no folder");
  return base;
}

}  // namespace

Case::Case() : folder(std::string(base_folder()) + "/case.XXXXXX") {
  BOOST_REQUIRE(mkdtemp(folder.data()) != nullptr);
  BOOST_REQUIRE(chmod(folder.c_str(), 0755) == 0);
  BOOST_REQUIRE(chdir(folder.c_str()) == 0);
  umask(022);
}

Case::~Case() {
  std::error_code ignored;
  (void)!chdir("/");
  std::filesystem::remove_all(folder, ignored);
}

bool on_holtfs() { return getenv("POSIX_TEST_ON_HOLTFS") != nullptr; }

namespace {

struct TypeInfo {
  const char* name;
  mode_t bits;
};

const TypeInfo& info_of(Type type) {
  static constexpr std::array<TypeInfo, 7> kInfo = {{{"regular file", S_IFREG},
                                                     {"directory", S_IFDIR},
                                                     {"symlink", S_IFLNK},
                                                     {"fifo", S_IFIFO},
                                                     {"socket", S_IFSOCK},
                                                     {"character device", S_IFCHR},
                                                     {"block device", S_IFBLK}}};
  return kInfo[static_cast<std::size_t>(type)];
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Type type) { return out << info_of(type).name; }
mode_t bits_of(Type type) { return info_of(type).bits; }

void make(Type type, const std::string& path, mode_t mode) {
  if (type == Type::kDirectory) return make_dir(path, mode);
  if (type == Type::kSymlink) {
    NEEDS(symlink("target", path.c_str()));
    return;
  }
  NEEDS(mknod(path.c_str(), bits_of(type) | 0600, makedev(1, 3)));
  NEEDS(chmod(path.c_str(), mode));
}

void make_file(const std::string& path, std::string_view content, mode_t mode) {
  make(Type::kRegular, path, 0600);
  if (!content.empty()) {
    const Fd fd = open_file(path, O_WRONLY);
    BOOST_REQUIRE(write(fd, content.data(), content.size()) == std::ssize(content));
  }
  NEEDS(chmod(path.c_str(), mode));
}

void make_dir(const std::string& path, mode_t mode) {
  NEEDS(mkdir(path.c_str(), 0700));
  NEEDS(chmod(path.c_str(), mode));
}

void give(const std::string& path, const User& user) {
  NEEDS(lchown(path.c_str(), user.uid, user.gid));
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  Fd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  NEEDS(fd);
  return fd;
}

struct stat stat_of(const std::string& path) {
  struct stat st = {};
  NEEDS(lstat(path.c_str(), &st));
  return st;
}

std::string content_of(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  std::string content;
  std::array<char, 65536> part;
  for (ssize_t got = 1; got > 0;) {
    got = read(fd, part.data(), part.size());
    NEEDS(got);
    content.append(part.data(), static_cast<std::size_t>(got));
  }
  return content;
}

std::vector<std::string> names_in(const std::string& path) {
  DIR* const dir = opendir(path.c_str());
  BOOST_REQUIRE(dir != nullptr);
  std::vector<std::string> names;
  while (const dirent* const entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

namespace {

void let_clocks_move() {
  // The kernel's coarse clock ticks every 10 ms at the slowest.
  const timespec pause{.tv_sec = 0, .tv_nsec = 20'000'000};
  nanosleep(&pause, nullptr);
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::string moved_between(const struct stat& before, const struct stat& after) {
  std::string moved;
  if (!same(before.st_atim, after.st_atim)) moved += 'a';
  if (!same(before.st_mtim, after.st_mtim)) moved += 'm';
  if (!same(before.st_ctim, after.st_ctim)) moved += 'c';
  return moved;
}

}  // namespace

std::string moved_times(const std::string& path, const std::function<void()>& work) {
  const struct stat before = stat_of(path);
  let_clocks_move();
  work();
  return moved_between(before, stat_of(path));
}

std::string moved_times_of(const std::vector<std::string>& paths,
                           const std::function<void()>& work) {
  std::vector<Fd> files;
  std::vector<struct stat> before(paths.size());
  for (const std::string& path : paths) {
    files.push_back(open_file(path, O_PATH | O_NOFOLLOW));
    NEEDS(fstat(files.back(), &before[files.size() - 1]));
  }
  let_clocks_move();
  work();
  std::string out;
  for (std::size_t i = 0; i < files.size(); ++i) {
    struct stat after = {};
    NEEDS(fstat(files[i], &after));
    const std::string moved = moved_between(before[i], after);
    if (i > 0) out += ' ';
    out += moved.empty() ? "-" : moved;
  }
  return out;
}

std::string long_name(std::size_t size, char fill) { return std::string(size, fill); }

}  // namespace posix_test
