// mkfs.holtfs: makes an empty filesystem in a directory that is missing or empty.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "fs/filesystem.h"
#include "fs/parse_size.h"
#include "fs/version.h"

namespace {

constexpr int kFailure = 1, kUsageError = 2;

int complain(const std::string& sentence, int status) {
  fmt::print(stderr, "mkfs.holtfs: {}\n", sentence);
  return status;
}

// A directory that holds something is never written to.
bool is_free(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return true;
  return std::filesystem::is_directory(path, error) && std::filesystem::is_empty(path, error);
}

}  // namespace

int main(int argc, char** argv) {
  std::string path, log_size = "64M";
  bool quiet = false, version = false;
  CLI::App app("Makes an empty holtfs filesystem in the missing or empty directory STORE.",
               "mkfs.holtfs");
  app.add_option("STORE", path, "directory to make the filesystem in");
  app.add_option("-l,--log-size", log_size, "size of the log ring, fixed for good (64M)");
  app.add_flag("-q,--quiet", quiet, "print nothing but errors");
  app.add_flag("-V,--version", version, "print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return complain(fmt::format("{} (see mkfs.holtfs --help)", error.what()), kUsageError);
  }
  if (version) {
    fmt::print("mkfs.holtfs {}\n", holtfs::kVersion);
    return 0;
  }
  if (path.empty()) return complain("STORE is missing (see mkfs.holtfs --help)", kUsageError);
  const auto log_bytes = holtfs::parse_size(log_size);
  if (!log_bytes) {
    return complain(fmt::format("--log-size takes a size such as 64M, not '{}'", log_size),
                    kUsageError);
  }
  if (!is_free(path)) return complain(path + " is not an empty folder", kFailure);

  holtfs::FilesystemOptions options;
  options.store.wal_bytes = *log_bytes;
  options.root = {.uid = geteuid(), .gid = getegid()};
  auto fs = holtfs::Filesystem::open(path, options);
  if (!fs) return complain(fs.error().to_string(), kFailure);
  if (const auto closed = (*fs)->close(); !closed) {
    return complain(closed.error().to_string(), kFailure);
  }
  if (!quiet) fmt::print("{} holds an empty filesystem\n", path);
  return 0;
}
