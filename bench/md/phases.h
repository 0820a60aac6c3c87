// The phases of bench_md: what one process does in each, operation by operation.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace holt::bench::md {

// What all processes of a run work on.
struct Plan {
  std::string directory;  // holds everything; made beforehand
  std::size_t processes = 1;
  std::size_t count = 1000;  // operations of each process
  std::size_t bytes = 3901;  // of a file that is written
};

// One process of a run. Names are mdtest's.
struct Worker {
  const Plan& plan;
  std::size_t rank = 0;
  std::string buffer = std::string(plan.bytes, 'x');
  int directory_fd = -1;  // of the process's own directory

  std::string own_directory() const;
  std::string shared_directory() const;
  std::string directory_name(std::size_t i) const;
  std::string renamed_directory_name(std::size_t i) const;
  std::string file_name(std::size_t i) const;
  std::string renamed_file_name(std::size_t i) const;
  std::string shared_file_name(std::size_t i) const;
};

struct Phase {
  std::string_view name, what;
  void (*operation)(Worker& worker, std::size_t i);
  // Off the clock, before and after, in every process.
  void (*prepare)(Worker& worker) = nullptr;
  void (*clean_up)(Worker& worker) = nullptr;
  // Given, only the first process does the operations; the others do this again and again until it
  // is through.
  void (*background)(Worker& worker) = nullptr;
};

std::span<const Phase> all_phases();

}  // namespace holt::bench::md
