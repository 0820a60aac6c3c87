// bench_engine: holt beside LMDB, RocksDB and SQLite, on the operations a filesystem asks for.
// The method is described in bench/README.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "bench/engine/adapter.h"
#include "bench/engine/driver.h"
#include "bench/engine/machine.h"
#include "bench/engine/report.h"
#include "bench/engine/rows.h"

namespace holt::bench {
namespace {

std::vector<std::string> row_names() {
  std::vector<std::string> names = {std::string(kLoadRow), std::string(kLoadCloseRow)};
  for (const Row& row : all_rows()) names.emplace_back(row.name);
  return names;
}

int run(int argc, char** argv) {
  RunOptions options;
  options.engines.assign(adapter_names().begin(), adapter_names().end());
  options.rows = row_names();
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
  app.add_option("--rows", options.rows, "rows to measure; loading always takes place")
      ->delimiter(',')
      ->check(CLI::IsMember(options.rows))
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
