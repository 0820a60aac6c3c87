// What the areas about the contents of files share: contents to write, limits of size, signals, and
// what a change of contents takes from a mode.
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include "tests/posix/support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <array>

namespace posix_test {

inline constexpr off_t kPage = 4096;
// The size of the largest file on an ext4 with blocks of 4 KiB.
inline constexpr off_t kLargest = (off_t{1} << 44) - kPage;

// Bytes that differ from those a block or a page further on, and from those of another seed.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<char>('!' + (i + i / 251 + std::size_t{seed} * 37) % 90);
  }
  return out;
}

inline std::string zeros(std::size_t size) { return std::string(size, '\0'); }

// What is at `offset`: up to `size` bytes, fewer at the end of the file.
inline std::string read_at(int fd, off_t offset, std::size_t size) {
  std::string out(size, '?');
  const ssize_t got = pread(fd, out.data(), size, offset);
  NEEDS(got);
  out.resize(static_cast<std::size_t>(got));
  return out;
}

// Requires that all of it is written.
inline void write_at(int fd, off_t offset, std::string_view bytes) {
  BOOST_REQUIRE_EQUAL(pwrite(fd, bytes.data(), bytes.size(), offset), std::ssize(bytes));
}

// Not BOOST_TEST, which prints both.
inline bool same_bytes(std::string_view a, std::string_view b) { return a == b; }

struct Pipe {
  Pipe() { NEEDS(pipe2(ends, O_CLOEXEC)); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int ends[2];  // the one to read from, the one to write to
};

inline off_t size_of(const std::string& path) { return stat_of(path).st_size; }
inline blkcnt_t blocks_of(const std::string& path) { return stat_of(path).st_blocks; }

// Two pages of which the second cannot be accessed; returns where that begins.
inline char* inaccessible() {
  static char* const pages = [] {
    void* const both =
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BOOST_REQUIRE(both != MAP_FAILED);
    NEEDS(mprotect(static_cast<char*>(both) + kPage, kPage, PROT_NONE));
    return static_cast<char*>(both);
  }();
  return pages + kPage;
}

// Takes a file's pages out of the page cache, so that the next read reaches the filesystem.
inline void drop_cache(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  NEEDS(fdatasync(fd));
  BOOST_REQUIRE_EQUAL(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

// RLIMIT_FSIZE of this process, which is to be one of as()'s. Without the signal, errno tells.
inline bool limit_file_size(rlim_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
  return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

// The signal that `work` ends its process with, or 0.
inline int signal_of(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int number : {SIGBUS, SIGSEGV, SIGXFSZ, SIGPIPE}) signal(number, SIG_DFL);
    work();
    _exit(0);
  }
  int status = 0;
  BOOST_REQUIRE_EQUAL(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

// CAP_NET_RAW for whoever executes the file.
inline void give_capability(const std::string& path) {
  constexpr std::array<unsigned char, 20> kValue = {1, 0, 0, 2, 0, 0x20};
  NEEDS(setxattr(path.c_str(), "security.capability", kValue.data(), kValue.size(), 0));
}
inline bool has_capability(const std::string& path) {
  return getxattr(path.c_str(), "security.capability", nullptr, 0) == 20;
}

// What `change`, which changes the contents of the file "f", does to its mode and its capability.
inline void check_privileges_after(const std::function<Err()>& change,
                                   std::string_view content = {}) {
  const struct {
    mode_t mode;
    gid_t group;
    mode_t left;
  } rows[] = {{04777, kAlice.gid, 0777},  {02777, kAlice.gid, 0777}, {06777, kAlice.gid, 0777},
              {06766, kAlice.gid, 02766}, {02766, kTeam, 0766},      {07777, kTeam, 01777},
              {01777, kAlice.gid, 01777}, {0666, kAlice.gid, 0666}};
  for (const auto& row : rows) {
    for (const User* user : {&kAlice, &kRoot}) {
      BOOST_TEST_CONTEXT(std::oct << row.mode << std::dec << " of group " << row.group << " by "
                                  << user->uid) {
        make_file("f", content);
        give("f", {.uid = kBob.uid, .gid = row.group});
        NEEDS(chmod("f", row.mode));
        BOOST_TEST(as(*user, change) == Err{0});
        BOOST_TEST(mode_of("f") == (user == &kRoot ? row.mode : row.left));
        give_capability("f");
        BOOST_TEST(as(*user, change) == Err{0});
        BOOST_TEST(!has_capability("f"));
        NEEDS(unlink("f"));
      }
    }
  }
}

}  // namespace posix_test
