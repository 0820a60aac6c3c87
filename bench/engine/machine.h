// What the figures depend on besides the engines: the machine, its memory and its filesystem.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace holt::bench {

struct Machine {
  std::string cpu;
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string kernel;
  std::string filesystem;  // type and device behind the directory
};
Machine describe_machine(const std::filesystem::path& directory);

// Memory of this process: heap, caches, and the pages of mapped files that it has touched.
std::uint64_t resident_bytes();
// Gives freed heap memory back, so that one engine's leftovers do not hide the next one's needs.
void trim_heap();

// Blocks allocated to the files below `directory`.
std::uint64_t allocated_bytes(const std::filesystem::path& directory);
// Writes the dirty pages of the files below `directory` out, lest they are written during somebody
// else's measurement.
void flush_files(const std::filesystem::path& directory);

// A new directory below `parent`, removed with everything in it when the object goes.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::filesystem::path& parent);
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace holt::bench
