// Rounds of loading and measuring, with the engines taking turns row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/engine/rows.h"
#include "bench/engine/subject.h"

namespace holt::bench {

struct RunOptions {
  std::vector<std::uint32_t> keys = {20'000, 1'000'000};
  std::vector<std::string> engines;
  std::vector<std::string> rows;
  std::vector<std::uint32_t> threads = {2};  // of the rows with several threads
  std::filesystem::path directory;
  unsigned rounds = 3;
  double seconds_per_row = 1.0;
  std::uint64_t seed = 1;
};

// One engine's figures of one row, a sample per round.
struct Cell {
  std::string engine;
  std::vector<Sample> samples;
  double median_ns_per_op() const;
};

struct RowResult {
  std::string name, what;
  std::vector<Cell> cells;  // in the order of RunOptions::engines
};

// What one key costs at the end of the load; medians over the rounds, in bytes.
struct Space {
  std::string engine;
  double resident_per_key = 0, disk_per_key = 0, log_per_key = 0;
};

struct SizeResult {
  std::uint32_t keys = 0;
  std::uint32_t per_directory = 0, per_subtree = 0;
  std::vector<RowResult> rows;
  std::vector<Space> space;
};

SizeResult run_size(const RunOptions& options, std::uint32_t keys);

double median(std::vector<double> values);

}  // namespace holt::bench
