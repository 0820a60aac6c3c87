// mkfs.holtfs: makes an empty filesystem in a directory that is missing or empty.
#include <fmt/format.h>
#include <unistd.h>

#include "fs/filesystem.h"
#include "fs/parse_size.h"
#include "tools/command_line.h"

namespace {

constexpr int kFailure = 1, kUsageError = 2;

}  // namespace

int main(int argc, char** argv) {
  std::string path, log_size = "64M";
  bool quiet = false;
  holtfs::CommandLine line(
      "mkfs.holtfs", "Makes an empty holtfs filesystem in the missing or empty directory STORE.",
      kUsageError);
  line.app.add_option("STORE", path, "directory to make the filesystem in");
  line.app.add_option("-l,--log-size", log_size, "size of the log ring, fixed for good (64M)");
  line.app.add_flag("-q,--quiet", quiet, "print nothing but errors");
  if (const auto status = line.parse(argc, argv)) return *status;
  if (path.empty()) return line.misuse("STORE is missing");
  const auto log_bytes = holtfs::parse_size(log_size);
  if (!log_bytes) {
    return line.complain(fmt::format("--log-size takes a size such as 64M, not '{}'", log_size),
                         kUsageError);
  }

  holtfs::FilesystemOptions options;
  options.store.error_if_exists = true;
  options.store.wal_bytes = *log_bytes;
  options.root = {.uid = geteuid(), .gid = getegid()};
  auto fs = holtfs::Filesystem::open(path, options);
  if (!fs) return line.complain(fs.error().to_string(), kFailure);
  if (const auto closed = (*fs)->close(); !closed) {
    return line.complain(closed.error().to_string(), kFailure);
  }
  if (!quiet) fmt::print("{} holds an empty filesystem\n", path);
  return 0;
}
