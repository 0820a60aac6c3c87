#include "bench/engine/report.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <locale>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/engine/adapter.h"

namespace holt::bench {
namespace {

constexpr std::string_view kReference = "holt";
constexpr int kNameWidth = 28;

// Groups of three digits, whatever locale the machine has.
std::string grouped(double number) {
  struct Groups : std::numpunct<char> {
    char do_thousands_sep() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  static const std::locale locale(std::locale::classic(), new Groups);
  return fmt::format(locale, "{:L}", static_cast<long long>(number + 0.5));
}

template <class Entry, class Value>
double reference_value(const std::vector<Entry>& entries, Value value) {
  for (const Entry& entry : entries) {
    if (entry.engine == kReference) return value(entry);
  }
  return 0;
}

// One line: each engine's value and, but for holt, how many times holt's it is.
template <class Entry, class Value>
void print_line(std::string_view name, const std::vector<Entry>& entries, Value value) {
  const double reference = reference_value(entries, value);
  fmt::print("{:<{}}", name, kNameWidth);
  for (const Entry& entry : entries) {
    const double number = value(entry);
    const bool compare = entry.engine != kReference && reference > 0;
    fmt::print("{:>12}", grouped(number));
    fmt::print("{:>9}", compare ? fmt::format("{:.2f}x", number / reference) : "");
  }
  fmt::print("\n");
}

nlohmann::json to_json(const SizeResult& result) {
  nlohmann::json rows = nlohmann::json::array();
  for (const RowResult& row : result.rows) {
    for (const Cell& cell : row.cells) {
      nlohmann::json samples = nlohmann::json::array();
      for (const Sample& sample : cell.samples) {
        samples.push_back({{"ns", sample.ns}, {"ops", sample.ops}});
      }
      rows.push_back({{"row", row.name},
                      {"engine", cell.engine},
                      {"ns_per_op", cell.median_ns_per_op()},
                      {"rounds", std::move(samples)}});
    }
  }
  nlohmann::json space = nlohmann::json::array();
  for (const Space& entry : result.space) {
    space.push_back({{"engine", entry.engine},
                     {"memory_bytes_per_key", entry.resident_per_key},
                     {"disk_bytes_per_key", entry.disk_per_key},
                     {"log_bytes_per_key", entry.log_per_key}});
  }
  return {{"keys", result.keys}, {"rows", std::move(rows)}, {"space", std::move(space)}};
}

}  // namespace

void print_heading(const Machine& machine, const RunOptions& options) {
  fmt::print("{}, {} cores, {} MiB memory, {}, {}\n", machine.cpu, machine.cores,
             machine.memory_bytes >> 20, machine.kernel, machine.filesystem);
  for (const auto& engine : options.engines) {
    const auto adapter = make_adapter(engine);
    fmt::print("{} ({}): {}\n", engine, adapter->version(), adapter->settings());
  }
  fmt::print(
      "Nanoseconds per operation, medians of {} rounds; \"x\" is a peer's figure over holt's: "
      "above "
      "1, holt is better.\n",
      options.rounds);
  std::fflush(stdout);
}

void print_size(const SizeResult& result) {
  fmt::print("\n{:<{}}", grouped(result.keys) + " keys", kNameWidth);
  for (const Space& entry : result.space) fmt::print("{:>12}{:9}", entry.engine, "");
  fmt::print("\n");
  for (const RowResult& row : result.rows) {
    print_line(row.what, row.cells, [](const Cell& cell) { return cell.median_ns_per_op(); });
  }
  print_line("memory, bytes/key", result.space, [](const Space& s) { return s.resident_per_key; });
  print_line("disk, bytes/key", result.space, [](const Space& s) { return s.disk_per_key; });
  print_line("  of which log", result.space, [](const Space& s) { return s.log_per_key; });
  fmt::print("({} entries in a directory, {} keys in a moved subtree)\n", result.per_directory,
             grouped(result.per_subtree));
}

void write_json(const std::string& path, const Machine& machine, const RunOptions& options,
                const std::vector<SizeResult>& results) {
  nlohmann::json engines;
  for (const auto& engine : options.engines) {
    const auto adapter = make_adapter(engine);
    engines[engine] = {{"version", adapter->version()}, {"settings", adapter->settings()}};
  }
  nlohmann::json sizes = nlohmann::json::array();
  for (const SizeResult& result : results) sizes.push_back(to_json(result));
  const nlohmann::json document = {
      {"machine",
       {{"cpu", machine.cpu},
        {"cores", machine.cores},
        {"memory_bytes", machine.memory_bytes},
        {"kernel", machine.kernel},
        {"filesystem", machine.filesystem}}},
      {"rounds", options.rounds},
      {"seconds_per_row", options.seconds_per_row},
      {"seed", options.seed},
      {"engines", std::move(engines)},
      {"sizes", std::move(sizes)},
  };
  std::ofstream file(path);
  file << document.dump(2) << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace holt::bench
