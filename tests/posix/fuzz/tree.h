// Two trees compared as a user sees them.
//
// Thread safety: one thread.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace posix_fuzz {

struct File {
  struct stat st;
  std::string target;  // of a symlink
};
using Tree = std::map<std::string, File>;  // by path

// Watches the reference's tree and the subject's, and says how they differ.
class Watcher {
 public:
  explicit Watcher(std::array<int, 2> roots) : roots_(roots) {}

  // Empty when both agree: names, attributes, which names are one file, and which files' times have
  // moved since the last call; contents and xattrs of those, or with `thorough` of all.
  std::string compare(bool thorough);
  // Gives all directories the present time, on both sides, and takes all times for unmoved.
  void reset_times();

 private:
  std::string compare_files(const std::string& path, const File& a, const File& b, bool thorough);
  std::string compare_identity(const File& a, const File& b);

  std::array<int, 2> roots_;
  std::array<std::map<ino_t, struct stat>, 2> before_, now_;
  std::map<ino_t, ino_t> same_;
};

}  // namespace posix_fuzz
