// The timed loops: one row of the table each, the same for all engines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/engine/keyspace.h"
#include "bench/engine/subject.h"

namespace holt::bench {

// Operations done and the time they took together: with several threads, wall-clock time.
struct Sample {
  double ns = 0;
  std::uint64_t ops = 0;
};

struct Row {
  std::string name;
  std::string what;
  Ops::Plan plan;  // of each thread; a slow engine ends earlier, when its time is up
  // `ops` holds one list per thread.
  Sample (*run)(Subject& subject, std::span<const Ops> ops, double seconds);
};

// In the order in which they run: rows that change nothing come first. Loading is not among them.
// There is a get and a put row for each of these numbers of threads.
std::vector<Row> rows_for(std::span<const std::uint32_t> threads);

inline constexpr std::string_view kLoadRow = "load";
inline constexpr std::string_view kLoadCloseRow = "load_close";

}  // namespace holt::bench
