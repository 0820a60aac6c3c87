// bench_engine: holt beside LMDB, RocksDB and SQLite, on the operations a filesystem asks for.
// The method is described in bench/README.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <stdexcept>

#include "bench/engine/adapter.h"
#include "bench/engine/driver.h"
#include "bench/engine/machine.h"
#include "bench/engine/report.h"
#include "bench/engine/rows.h"

namespace holt::bench {
namespace {

std::vector<std::string> row_names(const RunOptions& options) {
  std::vector<std::string> names = {std::string(kLoadRow), std::string(kLoadCloseRow)};
  for (const Row& row : rows_for(options.threads)) names.push_back(row.name);
  return names;
}

// Which rows there are depends on the numbers of threads.
void choose_rows(RunOptions& options) {
  const std::vector<std::string> known = row_names(options);
  if (options.rows.empty()) options.rows = known;
  for (const std::string& row : options.rows) {
    if (std::find(known.begin(), known.end(), row) != known.end()) continue;
    throw std::runtime_error(
        fmt::format("there is no row '{}'; there are {}", row, fmt::join(known, ", ")));
  }
}

int run(int argc, char** argv) {
  RunOptions options;
  options.engines.assign(adapter_names().begin(), adapter_names().end());
  std::string directory;
  std::string json;

  CLI::App app("Measures the engine beside LMDB, RocksDB and SQLite.", "bench_engine");
  app.add_option("--keys", options.keys, "numbers of keys, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(kMinKeys, kMaxKeys))
      ->capture_default_str();
  app.add_option("--engines", options.engines, "engines, in the table's order")
      ->delimiter(',')
      ->check(CLI::IsMember(options.engines))
      ->capture_default_str();
  app.add_option("--rows", options.rows,
                 fmt::format("rows to measure, default all; loading always takes place: {}",
                             fmt::join(row_names(options), ", ")))
      ->delimiter(',');
  app.add_option("--threads", options.threads,
                 "numbers of threads N, separated by commas: there is a row get_Nt and put_Nt for "
                 "each")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "rounds, of which the median is given")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds-per-row", options.seconds_per_row,
                 "longest time for one row, engine and round")
      ->check(CLI::Range(0.01, 600.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "seed of all random choices")->capture_default_str();
  app.add_option("--dir", directory,
                 "where the stores are made, and removed again (default: the current directory)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--json", json, "write all samples to this file");
  CLI11_PARSE(app, argc, argv);
  choose_rows(options);

  const std::filesystem::path parent =
      directory.empty() ? std::filesystem::current_path() : std::filesystem::path(directory);
  const Machine machine = describe_machine(parent);
  if (directory.empty() && machine.filesystem.starts_with("tmpfs")) {
    fmt::print(stderr,
               "bench_engine: the current directory is on tmpfs, where syncing costs nothing; "
               "say --dir to measure there all the same\n");
    return 1;
  }
  const ScratchDirectory scratch(parent);
  options.directory = scratch.path();

  print_heading(machine, options);
  std::vector<SizeResult> results;
  for (const std::uint32_t keys : options.keys) {
    results.push_back(run_size(options, keys));
    print_size(results.back());
    std::fflush(stdout);
  }
  if (!json.empty()) write_json(json, machine, options, results);
  return 0;
}

}  // namespace
}  // namespace holt::bench

int main(int argc, char** argv) {
  try {
    return holt::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "\nbench_engine: {}\n", error.what());
    return 1;
  }
}
