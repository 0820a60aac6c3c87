// fsck.holtfs: reads all of a filesystem and says what is wrong with it. It changes nothing.
#include <fmt/format.h>

#include "fs/check.h"
#include "fs/state.h"
#include "tools/command_line.h"

namespace {

// As fsck(8) defines them.
constexpr int kErrorsLeft = 4, kOperationalError = 8, kUsageError = 16;

void print_summary(const holt::VerifyReport& store, const holtfs::CheckReport& files) {
  fmt::print("{} directories, {} files, {} xattrs, {} host files\n", files.directories, files.files,
             files.xattrs, files.host_files);
  fmt::print("{} packed files in {} segments\n", files.packed_files, files.segments);
  fmt::print("{} keys in {} blobs, {} bytes in use, {} dead\n", store.keys, store.blobs,
             store.live_bytes, store.dead_bytes);
}

int check_store(const holtfs::CommandLine& line, const std::string& path, bool verbose,
                bool contents) {
  const holt::Options options = {.create_if_missing = false, .read_only = true};
  auto store = holt::Store::open(path, options);
  if (!store && store.error().code() == holt::Code::kCorrupt) {
    return line.complain(store.error().to_string(), kErrorsLeft);
  }
  if (!store) return line.complain(store.error().to_string(), kOperationalError);
  const auto state = holtfs::read_state(**store, path);
  if (!state && state.error().code() == holt::Code::kInvalid) {
    return line.complain(state.error().to_string(), kOperationalError);
  }
  const auto structure = (*store)->verify();
  if (!structure) return line.complain(structure.error().to_string(), kOperationalError);
  for (const std::string& problem : structure->problems) fmt::print("{}\n", problem);

  const auto files = holtfs::check(**store, path, contents);
  if (!files && files.error().code() == holt::Code::kCorrupt) {
    return line.complain(files.error().to_string(), kErrorsLeft);
  }
  if (!files) return line.complain(files.error().to_string(), kOperationalError);
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
  bool ignored = false, verbose = false, contents = false;
  holtfs::CommandLine line(
      "fsck.holtfs",
      "Reads all of the holtfs filesystem in the directory STORE and says what is wrong.",
      kUsageError);
  line.app.add_option("STORE", path, "directory that holds the filesystem");
  line.app.add_flag("-a,-p,-y,-n,-f", ignored, "accepted for fsck(8); nothing is ever changed");
  line.app.add_flag("-c,--contents", contents, "read the contents of packed files, too");
  line.app.add_flag("-v,--verbose", verbose, "print what was counted");
  if (const auto status = line.parse(argc, argv)) return *status;
  if (path.empty()) return line.misuse("STORE is missing");
  return check_store(line, path, verbose, contents);
}
