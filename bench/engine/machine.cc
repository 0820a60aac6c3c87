#include "bench/engine/machine.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace holt::bench {
namespace {

namespace stdfs = std::filesystem;

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

// From the mount whose mount point is the longest prefix of the path.
std::string filesystem_of(const stdfs::path& directory) {
  const std::string path = stdfs::canonical(directory).string() + "/";
  std::ifstream file("/proc/self/mountinfo");
  std::string found = "unknown filesystem";
  std::size_t longest = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skipped, mount_point, type, device;
    fields >> skipped >> skipped >> skipped >> skipped >> mount_point;
    while (fields >> skipped && skipped != "-") {
    }
    fields >> type >> device;
    const std::string prefix = mount_point == "/" ? mount_point : mount_point + "/";
    if (path.starts_with(prefix) && prefix.size() >= longest) {
      longest = prefix.size();
      found = type + " on " + device;
    }
  }
  return found;
}

template <class Visit>
void for_each_file(const stdfs::path& directory, Visit visit) {
  std::error_code ignored;  // an engine may remove a file meanwhile
  for (stdfs::recursive_directory_iterator it(directory, ignored), end; it != end;
       it.increment(ignored)) {
    if (it->is_regular_file(ignored)) visit(it->path());
  }
}

}  // namespace

Machine describe_machine(const stdfs::path& directory) {
  utsname name = {};
  uname(&name);
  return {
      .cpu = cpu_model(),
      .cores = std::thread::hardware_concurrency(),
      .memory_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
      .kernel = std::string(name.sysname) + " " + name.release,
      .filesystem = filesystem_of(directory),
  };
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void trim_heap() { malloc_trim(0); }

std::uint64_t allocated_bytes(const stdfs::path& directory) {
  std::uint64_t bytes = 0;
  for_each_file(directory, [&](const stdfs::path& path) {
    struct stat st = {};
    if (stat(path.c_str(), &st) == 0) bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
  });
  return bytes;
}

void flush_files(const stdfs::path& directory) {
  for_each_file(directory, [](const stdfs::path& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    fdatasync(fd);
    close(fd);
  });
}

ScratchDirectory::ScratchDirectory(const stdfs::path& parent) {
  std::string name = (parent / "bench_engine.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("cannot make a directory in " + parent.string());
  }
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  stdfs::remove_all(path_, ignored);
}

}  // namespace holt::bench
