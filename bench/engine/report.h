// The results as a table for people and as JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "bench/engine/driver.h"
#include "bench/engine/machine.h"

namespace holt::bench {

void print_heading(const Machine& machine, const RunOptions& options);
void print_size(const SizeResult& result);
void write_json(const std::string& path, const Machine& machine, const RunOptions& options,
                const std::vector<SizeResult>& results);

}  // namespace holt::bench
