// What the areas of tests/posix share: errnos with names, a folder for every case, other users,
// and which times a call moves.
//
// An area is a suite of cases, NAME_ in NAME_area.cc; all are one program. It runs as root in the
// folder that POSIX_TEST_FOLDER names: on ext4, the reference, which shows that what is expected is
// right, and on holtfs over each transport (run.py).
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posix_test {

// What a system call says: an errno, or 0.
struct Err {
  int number = 0;
  bool operator==(const Err&) const = default;
};
std::ostream& operator<<(std::ostream& out, Err err);

// Of a call that returned just now.
inline Err err(long result) { return {result < 0 ? errno : 0}; }

#define FAILS(call, wanted) BOOST_TEST(err(call) == Err{wanted})
#define WORKS(call) BOOST_TEST(err(call) == Err{0})
// The case makes no sense without.
#define NEEDS(call) BOOST_REQUIRE_EQUAL(err(call), Err{0})

// A file descriptor that is closed at the end of its scope.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  operator int() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct User {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups = {};  // supplementary
};
extern const User kRoot, kAlice, kBob;
inline constexpr gid_t kTeam = 70100;  // nobody's unless given

// What `work` returns in a process of that user, with umask 022. A signal that ends the process
// fails the test.
Err as(const User& user, const std::function<Err()>& work);

// What `work` returns as root where the working directory is mounted read-only.
Err where_read_only(const std::function<Err()>& work);

// A fresh folder for the case, of mode 0755 and owned by root, which is the working directory. The
// umask is 022.
struct Case {
  Case();
  ~Case();
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  std::string folder;  // absolute
};

// What a case may have to know of where it runs; only for what holtfs(8) lists as a difference.
bool on_holtfs();

// The types of files that have a name.
enum class Type { kRegular, kDirectory, kSymlink, kFifo, kSocket, kCharDevice, kBlockDevice };
inline constexpr Type kTypes[] = {Type::kRegular, Type::kDirectory,  Type::kSymlink,    Type::kFifo,
                                  Type::kSocket,  Type::kCharDevice, Type::kBlockDevice};
std::ostream& operator<<(std::ostream& out, Type type);
mode_t bits_of(Type type);  // S_IFREG and so on

// These require success. `mode` is exact, whatever the umask.
void make(Type type, const std::string& path, mode_t mode = 0644);
void make_file(const std::string& path, std::string_view content = {}, mode_t mode = 0644);
void make_dir(const std::string& path, mode_t mode = 0755);
void give(const std::string& path, const User& user);  // lchown
Fd open_file(const std::string& path, int flags, mode_t mode = 0644);
struct stat stat_of(const std::string& path);  // lstat
inline mode_t mode_of(const std::string& path) { return stat_of(path).st_mode & 07777; }
std::string content_of(const std::string& path);
std::vector<std::string> names_in(const std::string& path);  // sorted, without "." and ".."
inline bool exists(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0;
}

// The times of `path` that `work` moves, of "amc" in this order ("" if none). Long enough passes
// before and after it for every clock to show.
std::string moved_times(const std::string& path, const std::function<void()>& work);
// The same of several files, whatever becomes of their names: "c - mc", with "-" for none.
std::string moved_times_of(const std::vector<std::string>& paths,
                           const std::function<void()>& work);

// A name of `size` bytes.
std::string long_name(std::size_t size, char fill = 'n');

}  // namespace posix_test
