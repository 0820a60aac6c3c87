// fsck.holtfs: reads all of a filesystem and says what is wrong with it. It changes nothing.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "fs/check.h"
#include "fs/version.h"

namespace {

// As fsck(8) defines them.
constexpr int kErrorsLeft = 4, kOperationalError = 8, kUsageError = 16;

int complain(const std::string& sentence, int status) {
  fmt::print(stderr, "fsck.holtfs: {}\n", sentence);
  return status;
}

void print_summary(const holt::VerifyReport& store, const holtfs::CheckReport& files) {
  fmt::print("{} directories, {} files, {} xattrs, {} host files\n", files.directories, files.files,
             files.xattrs, files.host_files);
  fmt::print("{} keys in {} blobs, {} bytes in use, {} dead\n", store.keys, store.blobs,
             store.live_bytes, store.dead_bytes);
}

int check_store(const std::string& path, bool verbose) {
  const holt::Options options = {.create_if_missing = false, .read_only = true};
  auto store = holt::Store::open(path, options);
  if (!store && store.error().code() == holt::Code::kCorrupt) {
    return complain(store.error().to_string(), kErrorsLeft);
  }
  if (!store) return complain(store.error().to_string(), kOperationalError);
  const auto structure = (*store)->verify();
  if (!structure) return complain(structure.error().to_string(), kOperationalError);
  for (const std::string& problem : structure->problems) fmt::print("{}\n", problem);

  const auto files = holtfs::check(**store, path);
  if (!files && files.error().code() == holt::Code::kCorrupt) {
    return complain(files.error().to_string(), kErrorsLeft);
  }
  if (!files) return complain(files.error().to_string(), kOperationalError);
  for (const std::string& problem : files->problems) fmt::print("{}\n", problem);
  if (!files->clean) {
    fmt::print("{} was not unmounted in order; the next mount recovers it\n", path);
  }
  if (verbose) print_summary(*structure, *files);
  const std::size_t problems = structure->problems.size() + files->problems.size();
  if (problems == 0) {
    fmt::print("{} is consistent\n", path);
    return 0;
  }
  fmt::print("{} has {} problems; holtfs has no repair, restore what they name\n", path, problems);
  return kErrorsLeft;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  bool ignored = false, verbose = false, version = false;
  CLI::App app("Reads all of the holtfs filesystem in the directory STORE and says what is wrong.",
               "fsck.holtfs");
  app.add_option("STORE", path, "directory that holds the filesystem");
  app.add_flag("-a,-p,-y,-n,-f", ignored, "accepted for fsck(8); nothing is ever changed");
  app.add_flag("-v,--verbose", verbose, "print what was counted");
  app.add_flag("-V,--version", version, "print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return complain(fmt::format("{} (see fsck.holtfs --help)", error.what()), kUsageError);
  }
  if (version) {
    fmt::print("fsck.holtfs {}\n", holtfs::kVersion);
    return 0;
  }
  if (path.empty()) return complain("STORE is missing (see fsck.holtfs --help)", kUsageError);
  return check_store(path, verbose);
}
