// The system calls that take a path, for what holds of all of them.
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include "tests/posix/support.h"

#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include <cstdio>

namespace posix_test {

// What a call does with the last component of its path.
enum class Last {
  kFollowed,  // must exist; a symlink leads on
  kNamed,     // must exist; a symlink is meant itself
  kMade,      // must not exist
  kReplaced,  // may exist
};

// A call whose other path, if it takes two, is "source", a regular file, or "made", which is free.
struct PathCall {
  const char* name;
  Last last;
  Type on;       // what it works on, or makes
  bool changes;  // the filesystem
  Err (*call)(const char* path);
};
inline std::ostream& operator<<(std::ostream& out, const PathCall& call) {
  return out << call.name;
}

inline Err closed(int fd) {
  const Err result = err(fd);
  if (fd >= 0) close(fd);
  return result;
}

inline Err there_and_back(const char* path) {
  const Fd here(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Err result = err(chdir(path));
  NEEDS(fchdir(here));
  return result;
}

inline Err watched(const char* path, uint32_t flags) {
  const Fd watch(inotify_init1(IN_CLOEXEC));
  return err(inotify_add_watch(watch, path, IN_MODIFY | flags));
}

inline Err stat_with(const char* path, int flags) {
  struct statx st;
  return err(statx(AT_FDCWD, path, flags, STATX_ALL, &st));
}

inline constexpr timespec kSomeTimes[2] = {{.tv_sec = 1, .tv_nsec = 2},
                                           {.tv_sec = 3, .tv_nsec = 4}};

inline const PathCall kPathCalls[] = {
    {"open for reading", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return closed(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)); }},
    {"open for writing", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return closed(open(path, O_WRONLY | O_CLOEXEC)); }},
    {"open with O_TRUNC", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return closed(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)); }},
    {"open with O_PATH", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return closed(open(path, O_PATH | O_CLOEXEC)); }},
    {"open with O_DIRECTORY", Last::kFollowed, Type::kDirectory, false,
     [](const char* path) { return closed(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }},
    {"open with O_TMPFILE", Last::kFollowed, Type::kDirectory, true,
     [](const char* path) { return closed(open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0644)); }},
    {"stat", Last::kFollowed, Type::kRegular, false,
     [](const char* path) {
       struct stat st;
       return err(stat(path, &st));
     }},
    {"statx", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return stat_with(path, 0); }},
    {"statfs", Last::kFollowed, Type::kRegular, false,
     [](const char* path) {
       struct statfs st;
       return err(statfs(path, &st));
     }},
    {"access F_OK", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return err(access(path, F_OK)); }},
    {"access R_OK", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return err(access(path, R_OK)); }},
    {"access W_OK", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(access(path, W_OK)); }},
    {"chmod", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(chmod(path, 0755)); }},
    {"chown", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(chown(path, 1, 1)); }},
    {"utimensat", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(utimensat(AT_FDCWD, path, kSomeTimes, 0)); }},
    {"truncate", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(truncate(path, 3)); }},
    {"chdir", Last::kFollowed, Type::kDirectory, false, there_and_back},
    {"inotify_add_watch", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return watched(path, 0); }},
    {"setxattr", Last::kFollowed, Type::kRegular, true,
     [](const char* path) { return err(setxattr(path, "trusted.x", "1", 1, 0)); }},
    {"listxattr", Last::kFollowed, Type::kRegular, false,
     [](const char* path) { return err(listxattr(path, nullptr, 0)); }},
    {"link followed", Last::kFollowed, Type::kRegular, true,
     [](const char* path) {
       return err(linkat(AT_FDCWD, path, AT_FDCWD, "made", AT_SYMLINK_FOLLOW));
     }},

    {"lstat", Last::kNamed, Type::kRegular, false,
     [](const char* path) {
       struct stat st;
       return err(lstat(path, &st));
     }},
    {"statx of a symlink", Last::kNamed, Type::kRegular, false,
     [](const char* path) { return stat_with(path, AT_SYMLINK_NOFOLLOW); }},
    {"open with O_PATH of a symlink", Last::kNamed, Type::kRegular, false,
     [](const char* path) { return closed(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC)); }},
    {"lchown", Last::kNamed, Type::kRegular, true,
     [](const char* path) { return err(lchown(path, 1, 1)); }},
    {"utimensat of a symlink", Last::kNamed, Type::kRegular, true,
     [](const char* path) {
       return err(utimensat(AT_FDCWD, path, kSomeTimes, AT_SYMLINK_NOFOLLOW));
     }},
    {"readlink", Last::kNamed, Type::kSymlink, false,
     [](const char* path) {
       char target[16];
       return err(readlink(path, target, sizeof target));
     }},
    {"lsetxattr", Last::kNamed, Type::kRegular, true,
     [](const char* path) { return err(lsetxattr(path, "trusted.x", "1", 1, 0)); }},
    {"llistxattr", Last::kNamed, Type::kRegular, false,
     [](const char* path) { return err(llistxattr(path, nullptr, 0)); }},
    {"link from", Last::kNamed, Type::kRegular, true,
     [](const char* path) { return err(link(path, "made")); }},
    {"rename from", Last::kNamed, Type::kRegular, true,
     [](const char* path) { return err(rename(path, "made")); }},
    {"rename of a directory", Last::kNamed, Type::kDirectory, true,
     [](const char* path) { return err(rename(path, "made")); }},
    {"unlink", Last::kNamed, Type::kRegular, true,
     [](const char* path) { return err(unlink(path)); }},
    {"rmdir", Last::kNamed, Type::kDirectory, true,
     [](const char* path) { return err(rmdir(path)); }},

    {"open with O_EXCL", Last::kMade, Type::kRegular, true,
     [](const char* path) {
       return closed(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
     }},
    {"mkdir", Last::kMade, Type::kDirectory, true,
     [](const char* path) { return err(mkdir(path, 0755)); }},
    {"mknod", Last::kMade, Type::kRegular, true,
     [](const char* path) { return err(mknod(path, S_IFREG | 0644, 0)); }},
    {"mkfifo", Last::kMade, Type::kFifo, true,
     [](const char* path) { return err(mkfifo(path, 0644)); }},
    {"symlink", Last::kMade, Type::kSymlink, true,
     [](const char* path) { return err(symlink("target", path)); }},
    {"link to", Last::kMade, Type::kRegular, true,
     [](const char* path) { return err(link("source", path)); }},
    {"rename to a free name", Last::kMade, Type::kRegular, true,
     [](const char* path) {
       return err(renameat2(AT_FDCWD, "source", AT_FDCWD, path, RENAME_NOREPLACE));
     }},

    {"creat", Last::kReplaced, Type::kRegular, true,
     [](const char* path) { return closed(creat(path, 0644)); }},
    {"rename to", Last::kReplaced, Type::kRegular, true,
     [](const char* path) { return err(rename("source", path)); }},
};

// Mounts of this process's own, which is to be one of as()'s.
inline bool mounts_apart() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// "./././x": one that is `size` bytes long and leads to "x".
inline std::string long_path(std::size_t size) {
  std::string path;
  while (path.size() + 2 < size) path += "./";
  if (path.size() + 1 < size) path += '/';
  return path + 'x';
}

}  // namespace posix_test
