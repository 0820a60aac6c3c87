#include "tests/posix/fuzz/perform.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace posix_fuzz {

namespace {

Said said(std::int64_t value, std::string data = {}) {
  if (value < 0) return {.value = -1, .error = errno, .data = {}};
  return {.value = value, .error = 0, .data = std::move(data)};
}

// Calls that know no directory to start from get the path of the tree's root, by way of /proc.
std::string whole(const Side& side, const std::string& path) {
  return fmt::format("/proc/self/fd/{}/{}", side.root, path);
}

std::string pattern(const Op& op, std::size_t size) {
  return std::string(size, static_cast<char>('A' + op.number % 26));
}

std::string shown(const struct stat& st) {
  const std::int64_t size = S_ISDIR(st.st_mode) ? 0 : st.st_size;
  return fmt::format("mode={:o} nlink={} uid={} gid={} size={} rdev={}", st.st_mode, st.st_nlink,
                     st.st_uid, st.st_gid, size, st.st_rdev);
}

constexpr unsigned kOpenFlags[] = {O_RDONLY,
                                   O_WRONLY,
                                   O_RDWR,
                                   O_RDWR | O_CREAT,
                                   O_RDWR | O_CREAT,
                                   O_RDWR | O_CREAT | O_EXCL,
                                   O_WRONLY | O_CREAT | O_TRUNC,
                                   O_RDWR | O_TRUNC,
                                   O_WRONLY | O_APPEND,
                                   O_RDWR | O_CREAT | O_APPEND,
                                   O_RDONLY | O_DIRECTORY,
                                   O_RDONLY | O_NOFOLLOW,
                                   O_RDWR | O_CREAT | O_NOFOLLOW,
                                   O_RDONLY | O_CREAT | O_DIRECTORY,
                                   O_PATH,
                                   O_PATH | O_NOFOLLOW,
                                   O_RDONLY | O_NOATIME,
                                   O_TMPFILE | O_RDWR,
                                   O_TMPFILE | O_RDWR | O_EXCL};

Said do_open(Side& side, const Op& op) {
  int& slot = side.slots[static_cast<std::size_t>(op.slot)];
  // A fifo would wait for its other end.
  const int flags = static_cast<int>(op.flags) | O_NONBLOCK | O_CLOEXEC;
  const int fd = openat(side.root, op.path.c_str(), flags, op.mode);
  if (fd < 0) return said(-1);
  if (slot >= 0) close(slot);
  slot = fd;
  return said(0);
}

int slot_of(const Side& side, int slot) { return side.slots[static_cast<std::size_t>(slot)]; }

Said do_close(Side& side, const Op& op) {
  int& slot = side.slots[static_cast<std::size_t>(op.slot)];
  const int fd = std::exchange(slot, -1);
  return said(close(fd));
}

Said do_read(Side& side, const Op& op) {
  std::string data(static_cast<std::size_t>(op.length), '\0');
  const ssize_t got = pread(slot_of(side, op.slot), data.data(), data.size(), op.offset);
  if (got < 0) return said(-1);
  data.resize(static_cast<std::size_t>(got));
  return said(got, fmt::format("hash={}", std::hash<std::string>()(data)));
}

bool is_regular(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

// Not to a fifo, whose times a FUSE filesystem is never asked to move.
Said do_write(Side& side, const Op& op) {
  if (!is_regular(slot_of(side, op.slot))) return said(0);
  const std::string data = pattern(op, static_cast<std::size_t>(op.length));
  return said(write(slot_of(side, op.slot), data.data(), data.size()));
}

Said do_pwrite(Side& side, const Op& op) {
  const std::string data = pattern(op, static_cast<std::size_t>(op.length));
  return said(pwrite(slot_of(side, op.slot), data.data(), data.size(), op.offset));
}

// A directory's offsets are each filesystem's own.
Said do_lseek(Side& side, const Op& op) {
  struct stat st;
  if (fstat(slot_of(side, op.slot), &st) == 0 && S_ISDIR(st.st_mode)) return said(0);
  return said(lseek(slot_of(side, op.slot), op.offset, static_cast<int>(op.flags)));
}
constexpr unsigned kWhences[] = {SEEK_SET, SEEK_CUR, SEEK_END};

constexpr unsigned kAllocations[] = {
    0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};

Said do_mmap_write(Side& side, const Op& op) {
  const int fd = slot_of(side, op.slot);
  struct stat st;
  if (fstat(fd, &st) != 0) return said(-1);
  if (!S_ISREG(st.st_mode) || st.st_size == 0) return said(0);
  const auto size = static_cast<std::size_t>(st.st_size);
  void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return said(-1);
  std::memset(at, static_cast<int>('a' + op.number % 26), std::min<std::size_t>(size, 100));
  const int synced = msync(at, size, MS_SYNC);
  munmap(at, size);
  return said(synced);
}

constexpr unsigned kRenames[] = {0,
                                 0,
                                 0,
                                 RENAME_NOREPLACE,
                                 RENAME_EXCHANGE,
                                 RENAME_WHITEOUT,
                                 RENAME_EXCHANGE | RENAME_NOREPLACE};
constexpr unsigned kTypes[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR, 0};
constexpr unsigned kLinks[] = {0, 0, AT_SYMLINK_FOLLOW};
constexpr unsigned kAccess[] = {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK | X_OK};
constexpr unsigned kXattrFlags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE};
constexpr unsigned kNoFollow[] = {0, AT_SYMLINK_NOFOLLOW};

Said do_link_slot(Side& side, const Op& op) {
  const std::string from = fmt::format("/proc/self/fd/{}", slot_of(side, op.slot));
  return said(linkat(AT_FDCWD, from.c_str(), side.root, op.path.c_str(), AT_SYMLINK_FOLLOW));
}

timespec time_of(std::uint64_t choice) {
  switch (choice % 5) {
    case 0: return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
    case 1: return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
    case 2: return {.tv_sec = -1000, .tv_nsec = 1};
    case 3: return {.tv_sec = 1'000'000'000, .tv_nsec = 999'999'999};
    default: return {.tv_sec = 0, .tv_nsec = 1'000'000'000};  // too many
  }
}

// The access time as it is set, which later depends on who reads from where.
Said do_utimes(Side& side, const Op& op) {
  const timespec times[] = {time_of(op.number), time_of(op.number / 5)};
  const int flags = static_cast<int>(op.flags);
  // One walk for all of it: a second one through the symlink whose times are set reads it, which
  // moves its atime where the kernel does not cache what it holds.
  const int no_follow = flags == AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0;
  const int fd = openat(side.root, op.path.c_str(), O_PATH | O_CLOEXEC | no_follow);
  if (fd < 0) return said(-1);
  struct stat st = {};
  const bool done = utimensat(fd, "", times, AT_EMPTY_PATH) == 0 && fstat(fd, &st) == 0;
  const Said failure = said(-1);
  close(fd);
  if (!done) return failure;
  const bool set = st.st_atim.tv_sec == times[0].tv_sec && times[0].tv_nsec != UTIME_NOW;
  return said(0, set ? fmt::format("{}.{}", st.st_atim.tv_sec, st.st_atim.tv_nsec) : "");
}

Said do_futimes(Side& side, const Op& op) {
  const timespec times[] = {time_of(op.number), time_of(op.number / 5)};
  return said(futimens(slot_of(side, op.slot), times));
}

constexpr const char* kXattrNames[] = {"user.a",     "user.a", "user.a",  "user.b",     "trusted.t",
                                       "security.s", "user.",  "nothing", "system.none"};
std::string xattr_name(const Op& op) { return kXattrNames[op.number % std::size(kXattrNames)]; }

Said do_setxattr(Side& side, const Op& op) {
  const std::string value = pattern(op, op.number % 300);
  return said(lsetxattr(whole(side, op.path).c_str(), xattr_name(op).c_str(), value.data(),
                        value.size(), static_cast<int>(op.flags)));
}

Said do_getxattr(Side& side, const Op& op) {
  std::string value(op.number % 500, '\0');
  const ssize_t got =
      lgetxattr(whole(side, op.path).c_str(), xattr_name(op).c_str(), value.data(), value.size());
  if (got > 0) value.resize(std::min(value.size(), static_cast<std::size_t>(got)));
  return said(got, got < 0 ? "" : value);
}

// A list of its own of rights for two users and a mask, or one that a mode could say.
Said do_set_acl(Side& side, const Op& op) {
  struct Entry {
    std::uint16_t tag, perm;
    std::uint32_t id;
  };
  const auto perm = [&](unsigned shift) {
    return static_cast<std::uint16_t>(op.number * 2654435761U >> shift & 7);
  };
  std::vector<Entry> entries = {{1, perm(3), ~0U}, {4, perm(6), ~0U}, {32, perm(9), ~0U}};
  if (op.number % 4 != 0) {
    entries = {{1, perm(3), ~0U},    {2, perm(12), 70001}, {2, perm(15), 70002}, {4, perm(6), ~0U},
               {8, perm(18), 70100}, {16, perm(21), ~0U},  {32, perm(9), ~0U}};
  }
  if (op.number % 50 == 1) entries.pop_back();
  std::string value("\2\0\0\0", 4);
  for (const Entry& entry : entries) {
    value.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  const char* const name = op.flags == 0 ? "system.posix_acl_access" : "system.posix_acl_default";
  return said(setxattr(whole(side, op.path).c_str(), name, value.data(), value.size(), 0));
}
constexpr unsigned kAcls[] = {0, 0, 1};

Said do_remove_acl(Side& side, const Op& op) {
  const char* const name = op.flags == 0 ? "system.posix_acl_access" : "system.posix_acl_default";
  return said(removexattr(whole(side, op.path).c_str(), name));
}

Said do_readlink(Side& side, const Op& op) {
  std::string target(5000, '\0');
  const ssize_t got = readlinkat(side.root, op.path.c_str(), target.data(), target.size());
  return said(got, got < 0 ? "" : target.substr(0, static_cast<std::size_t>(got)));
}

Said do_stat(Side& side, const Op& op) {
  struct stat st = {};
  const int got = fstatat(side.root, op.path.c_str(), &st, static_cast<int>(op.flags));
  return said(got, got < 0 ? "" : shown(st));
}

Said do_fstat(Side& side, const Op& op) {
  struct stat st = {};
  const int got = fstat(slot_of(side, op.slot), &st);
  return said(got, got < 0 ? "" : shown(st));
}

// Lists by an own descriptor, so that the slot's position stays.
Said do_list(Side& side, const Op& op) {
  const int fd = openat(slot_of(side, op.slot), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return said(-1);
  DIR* const dir = fdopendir(fd);
  std::vector<std::string> names;
  while (const dirent* const entry = readdir(dir)) {
    names.push_back(fmt::format("{}:{}", entry->d_name, entry->d_type));
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return said(static_cast<std::int64_t>(names.size()), fmt::format("{}", fmt::join(names, " ")));
}

Said do_copy(Side& side, const Op& op) {
  off_t from = op.offset, to = static_cast<off_t>(op.number);
  return said(copy_file_range(slot_of(side, op.slot), &from, slot_of(side, op.slot2), &to,
                              static_cast<std::size_t>(op.length), 0));
}

constexpr unsigned kFlocks[] = {LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN};
constexpr unsigned kLockTypes[] = {F_RDLCK, F_WRLCK, F_UNLCK};

Said do_lock(Side& side, const Op& op) {
  struct flock lock = {};
  lock.l_type = static_cast<short>(op.flags);
  lock.l_start = op.offset;
  lock.l_len = op.length;
  return said(fcntl(slot_of(side, op.slot), F_SETLK, &lock));
}

// By an ordinary user, who may or may not; the kernel does not tell a FUSE filesystem enough.
bool is_empty_chown(const Op& op) { return op.uid == -1 && op.gid == -1 && geteuid() != 0; }

const char* path_of(const Op& op) { return op.path.c_str(); }
uid_t owner(std::int64_t id) { return static_cast<uid_t>(id); }

constexpr Call kCalls[] = {
    {"open", 14, "spfm", kOpenFlags, do_open},
    {"close", 3, "s", {}, do_close},
    {"read", 4, "sol", {}, do_read},
    {"write", 6, "sln", {}, do_write},
    {"pwrite", 4, "soln", {}, do_pwrite},
    {"lseek", 2, "sof", kWhences, do_lseek},
    {"ftruncate",
     3,
     "so",
     {},
     [](Side& side, const Op& op) { return said(ftruncate(slot_of(side, op.slot), op.offset)); }},
    {"truncate",
     3,
     "po",
     {},
     [](Side& side, const Op& op) {
       return said(truncate(whole(side, op.path).c_str(), op.offset));
     }},
    {"fallocate", 2, "sfol", kAllocations,
     [](Side& side, const Op& op) {
       return said(
           fallocate(slot_of(side, op.slot), static_cast<int>(op.flags), op.offset, op.length));
     }},
    {"mmap_write", 1, "sn", {}, do_mmap_write},
    {"copy_file_range", 1, "sSoln", {}, do_copy},
    {"mkdir",
     6,
     "pm",
     {},
     [](Side& side, const Op& op) { return said(mkdirat(side.root, path_of(op), op.mode)); }},
    {"mknod", 4, "pmfn", kTypes,
     [](Side& side, const Op& op) {
       // Of no driver: what would opening a real one do?
       const dev_t device = makedev(3000 + op.number % 300, op.number * 7);
       return said(mknodat(side.root, path_of(op), op.flags | op.mode, device));
     }},
    {"symlink",
     4,
     "pP",
     {},
     [](Side& side, const Op& op) {
       return said(symlinkat(op.path2.c_str(), side.root, path_of(op)));
     }},
    {"link", 5, "pPf", kLinks,
     [](Side& side, const Op& op) {
       return said(
           linkat(side.root, path_of(op), side.root, op.path2.c_str(), static_cast<int>(op.flags)));
     }},
    {"link_slot", 2, "sp", {}, do_link_slot},
    {"unlink",
     6,
     "p",
     {},
     [](Side& side, const Op& op) { return said(unlinkat(side.root, path_of(op), 0)); }},
    {"rmdir",
     4,
     "p",
     {},
     [](Side& side, const Op& op) { return said(unlinkat(side.root, path_of(op), AT_REMOVEDIR)); }},
    {"rename", 10, "pPf", kRenames,
     [](Side& side, const Op& op) {
       return said(renameat2(side.root, path_of(op), side.root, op.path2.c_str(), op.flags));
     }},
    {"chmod",
     4,
     "pm",
     {},
     [](Side& side, const Op& op) { return said(fchmodat(side.root, path_of(op), op.mode, 0)); }},
    {"fchmod",
     2,
     "sm",
     {},
     [](Side& side, const Op& op) { return said(fchmod(slot_of(side, op.slot), op.mode)); }},
    {"chown", 4, "puf", kNoFollow,
     [](Side& side, const Op& op) {
       if (is_empty_chown(op)) return said(0);
       return said(fchownat(side.root, path_of(op), owner(op.uid), owner(op.gid),
                            static_cast<int>(op.flags)));
     }},
    {"fchown",
     2,
     "su",
     {},
     [](Side& side, const Op& op) {
       if (is_empty_chown(op)) return said(0);
       return said(fchown(slot_of(side, op.slot), owner(op.uid), owner(op.gid)));
     }},
    {"utimes", 3, "pnf", kNoFollow, do_utimes},
    {"futimes", 1, "sn", {}, do_futimes},
    {"setxattr", 4, "pnf", kXattrFlags, do_setxattr},
    {"getxattr", 2, "pn", {}, do_getxattr},
    {"removexattr",
     2,
     "pn",
     {},
     [](Side& side, const Op& op) {
       return said(lremovexattr(whole(side, op.path).c_str(), xattr_name(op).c_str()));
     }},
    {"set_acl", 3, "pnf", kAcls, do_set_acl},
    {"remove_acl", 1, "pf", kAcls, do_remove_acl},
    {"access", 3, "pf", kAccess,
     [](Side& side, const Op& op) {
       return said(faccessat(side.root, path_of(op), static_cast<int>(op.flags), AT_EACCESS));
     }},
    {"readlink", 1, "p", {}, do_readlink},
    {"stat", 2, "pf", kNoFollow, do_stat},
    {"fstat", 3, "s", {}, do_fstat},
    {"list", 2, "s", {}, do_list},
    {"flock", 1, "sf", kFlocks,
     [](Side& side, const Op& op) {
       return said(flock(slot_of(side, op.slot), static_cast<int>(op.flags)));
     }},
    {"lock", 2, "sfol", kLockTypes, do_lock},
    {"umask",
     1,
     "m",
     {},
     [](Side&, const Op& op) {
       umask(op.mode & 077);
       return said(0);
     }},
};

}  // namespace

std::span<const Call> calls() { return kCalls; }

}  // namespace posix_fuzz
