#include "tests/posix/fuzz/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace posix_fuzz {

namespace {

void walk(int root, const std::string& path, Tree& tree) {
  const int fd = openat(root, path.empty() ? "." : path.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
  if (fd < 0) return;
  DIR* const dir = fdopendir(fd);
  while (const dirent* const entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string below = path.empty() ? name : path + "/" + name;
    File file = {};
    if (fstatat(root, below.c_str(), &file.st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISLNK(file.st.st_mode)) {
      std::string target(5000, '\0');
      const ssize_t got = readlinkat(root, below.c_str(), target.data(), target.size());
      file.target = target.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    const bool is_directory = S_ISDIR(file.st.st_mode);
    tree.emplace(below, std::move(file));
    if (is_directory) walk(root, below, tree);
  }
  closedir(dir);
}

std::string contents(int root, const std::string& path) {
  const int fd = openat(root, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
  if (fd < 0) return "unreadable";
  std::string out, part(1 << 16, '\0');
  for (ssize_t got; (got = read(fd, part.data(), part.size())) > 0;) {
    out.append(part, 0, static_cast<std::size_t>(got));
  }
  close(fd);
  return out;
}

std::string xattrs(int root, const std::string& path) {
  const std::string whole = fmt::format("/proc/self/fd/{}/{}", root, path);
  std::string names(1 << 16, '\0'), value(1 << 16, '\0');
  const ssize_t size = llistxattr(whole.c_str(), names.data(), names.size());
  std::vector<std::string> lines;
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.c_str() + at;
    at += std::ssize(name) + 1;
    const ssize_t got = lgetxattr(whole.c_str(), name.c_str(), value.data(), value.size());
    std::string hex;
    for (ssize_t i = 0; i < got; ++i) {
      hex += fmt::format("{:02x}", static_cast<unsigned char>(value[static_cast<std::size_t>(i)]));
    }
    lines.push_back(name + "=" + hex);
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, " "));
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Set by somebody, not by the clock.
bool explicit_time(const timespec& time) { return time.tv_sec < 1'700'000'000; }

std::string shown(const File& file) {
  const struct stat& st = file.st;
  const bool sized = !S_ISDIR(st.st_mode);
  return fmt::format("mode={:o} nlink={} uid={} gid={} size={} rdev={} target={}", st.st_mode,
                     st.st_nlink, st.st_uid, st.st_gid, sized ? st.st_size : 0,
                     S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode) ? st.st_rdev : 0, file.target);
}

std::string differing(const std::string& path, std::string_view what, const std::string& a,
                      const std::string& b) {
  if (a == b) return {};
  return fmt::format("{}: {} {:.300} on the reference, {:.300} here", path, what, a, b);
}

// Which times have moved, as letters; an explicit one, itself.
std::string times(const struct stat& st, const struct stat* before) {
  std::string out;
  const auto add = [&](const char* name, const timespec& now, const timespec* then) {
    if (explicit_time(now)) {
      out += fmt::format("{}={}.{} ", name, now.tv_sec, now.tv_nsec);
    } else if (then != nullptr && !same(now, *then)) {
      out += fmt::format("{} moved ", name);
    }
  };
  // Not atime: a read that the kernel's cache answers does not move it, see holtfs(8).
  add("mtime", st.st_mtim, before != nullptr ? &before->st_mtim : nullptr);
  add("ctime", st.st_ctim, before != nullptr ? &before->st_ctim : nullptr);
  return out;
}

const struct stat* find(const std::map<ino_t, struct stat>& map, ino_t ino) {
  const auto found = map.find(ino);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

std::string Watcher::compare_identity(const File& a, const File& b) {
  const auto [at, fresh] = same_.emplace(a.st.st_ino, b.st.st_ino);
  if (!fresh && at->second != b.st.st_ino) return "is another file than before, or has other names";
  return {};
}

std::string Watcher::compare_files(const std::string& path, const File& a, const File& b,
                                   bool thorough) {
  std::string found = differing(path, "is", shown(a), shown(b));
  if (!found.empty()) return found;
  const struct stat* const a_before = find(before_[0], a.st.st_ino);
  const struct stat* const b_before = find(before_[1], b.st.st_ino);
  const bool both = a_before != nullptr && b_before != nullptr;
  const std::string a_times = times(a.st, both ? a_before : nullptr);
  found = differing(path, "has", a_times, times(b.st, both ? b_before : nullptr));
  if (!found.empty()) return found;
  if (both && a_times.empty() && !thorough) return {};
  found = differing(path, "has the xattrs", xattrs(roots_[0], path), xattrs(roots_[1], path));
  if (!found.empty() || !S_ISREG(a.st.st_mode)) return found;
  if (contents(roots_[0], path) != contents(roots_[1], path)) return path + ": contents differ";
  return {};
}

void Watcher::reset_times() {
  for (const int root : roots_) {
    Tree tree;
    walk(root, "", tree);
    for (const auto& [path, file] : tree) {
      if (S_ISDIR(file.st.st_mode)) utimensat(root, path.c_str(), nullptr, 0);
    }
  }
  before_ = {};
}

std::string Watcher::compare(bool thorough) {
  std::array<Tree, 2> trees;
  for (std::size_t i = 0; i < 2; ++i) {
    walk(roots_[i], "", trees[i]);
    now_[i].clear();
    for (const auto& [path, file] : trees[i]) now_[i].emplace(file.st.st_ino, file.st);
  }
  same_.clear();
  std::string found;
  for (const auto& [path, file] : trees[0]) {
    const auto other = trees[1].find(path);
    if (other == trees[1].end()) return path + " is missing here";
    found = compare_identity(file, other->second);
    if (found.empty()) found = compare_files(path, file, other->second, thorough);
    if (!found.empty()) return found;
  }
  for (const auto& [path, file] : trees[1]) {
    if (!trees[0].contains(path)) return path + " is here and not on the reference";
  }
  before_ = std::move(now_);
  now_ = {};
  return {};
}

}  // namespace posix_fuzz
