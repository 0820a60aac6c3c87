#include "bench/engine/driver.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace holt::bench {
namespace {

class Run {
 public:
  Run(const RunOptions& options, std::uint32_t keys)
      : options_(options), all_rows_(rows_for(options.threads)), keys_(keys) {
    result_.keys = keys;
    result_.per_directory = keys_.per_directory();
    result_.per_subtree = keys_.per_subtree();
    add_row(kLoadRow, "load");
    add_row(kLoadCloseRow, "load, until closed");
    for (const Row& row : all_rows_) add_row(row.name, row.what);
    loads_.resize(options.engines.size());
  }

  SizeResult run() {
    for (unsigned round = 0; round < options_.rounds; ++round) run_round(round);
    for (std::size_t e = 0; e < options_.engines.size(); ++e) add_space(e);
    return std::move(result_);
  }

 private:
  bool wanted(std::string_view row) const {
    return std::find(options_.rows.begin(), options_.rows.end(), row) != options_.rows.end();
  }

  // As many as the row with most threads needs.
  std::size_t sessions() const {
    std::size_t most = 1;
    for (const Row& row : all_rows_) {
      if (wanted(row.name)) most = std::max<std::size_t>(most, row.plan.threads);
    }
    return most;
  }

  void add_row(std::string_view name, std::string_view what) {
    if (!wanted(name)) return;
    RowResult row{std::string(name), std::string(what), {}};
    for (const auto& engine : options_.engines) row.cells.push_back({engine, {}});
    result_.rows.push_back(std::move(row));
  }

  void note(std::string_view row, std::size_t engine, const Sample& sample) {
    for (RowResult& result : result_.rows) {
      if (result.name == row) result.cells[engine].samples.push_back(sample);
    }
  }

  // Another engine goes first in every round, so that none always follows the same neighbour.
  template <class Visit>
  void for_each_engine(unsigned round, Visit visit) {
    const std::size_t count = options_.engines.size();
    for (std::size_t i = 0; i < count; ++i) visit((i + round) % count);
  }

  void run_round(unsigned round) {
    const std::uint64_t seed = options_.seed + std::uint64_t{round} * 1'000'003;
    std::vector<std::unique_ptr<Subject>> subjects;
    for (const auto& engine : options_.engines) {
      subjects.push_back(std::make_unique<Subject>(engine, keys_, options_.directory / engine));
    }
    for_each_engine(round, [&](std::size_t e) {
      progress(round, kLoadRow, e);
      const LoadResult load = subjects[e]->load(seed);
      note(kLoadRow, e, {load.insert_ns, keys_.size()});
      note(kLoadCloseRow, e, {load.total_ns, keys_.size()});
      loads_[e].push_back(load);
    });
    // Opened after all loads: an open store's background work would fall into its neighbour's load.
    for (auto& subject : subjects) {
      subject->reopen(sessions());
      subject->settle();
    }
    for (const Row& row : all_rows_) {
      if (wanted(row.name)) run_row(round, row, seed, subjects);
    }
    for (auto& subject : subjects) {
      subject->verify(subject->session(0));
      subject->close();
    }
  }

  void run_row(unsigned round, const Row& row, std::uint64_t seed,
               std::vector<std::unique_ptr<Subject>>& subjects) {
    std::vector<Ops> ops;
    for (std::uint32_t t = 0; t < row.plan.threads; ++t) {
      Ops::Plan plan = row.plan;
      plan.thread = t;
      // Its own seed keeps a row from asking for the keys of the row before in the same order.
      const auto place = static_cast<std::uint64_t>(&row - all_rows_.data());
      ops.emplace_back(keys_, plan, seed + 1009 * (place + 1));
    }
    for_each_engine(round, [&](std::size_t e) {
      progress(round, row.name, e);
      try {
        note(row.name, e, row.run(*subjects[e], ops, options_.seconds_per_row));
      } catch (const std::exception& error) {
        throw std::runtime_error(
            fmt::format("{}, {}: {}", options_.engines[e], row.name, error.what()));
      }
      subjects[e]->settle();
    });
  }

  void progress(unsigned round, std::string_view row, std::size_t engine) const {
    if (isatty(STDERR_FILENO) == 0) return;
    fmt::print(stderr, "\r{} keys, round {} of {}: {}, {}                    ", keys_.size(),
               round + 1, options_.rounds, row, options_.engines[engine]);
    std::fflush(stderr);
  }

  void add_space(std::size_t e) {
    const auto per_key = [&](std::uint64_t LoadResult::* member) {
      std::vector<double> values;
      for (const LoadResult& load : loads_[e]) {
        values.push_back(static_cast<double>(load.*member) / keys_.size());
      }
      return median(std::move(values));
    };
    result_.space.push_back({options_.engines[e], per_key(&LoadResult::resident_bytes),
                             per_key(&LoadResult::disk_bytes), per_key(&LoadResult::log_bytes)});
  }

  const RunOptions& options_;
  const std::vector<Row> all_rows_;
  KeySpace keys_;
  SizeResult result_;
  std::vector<std::vector<LoadResult>> loads_;  // of each engine, one per round
};

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Cell::median_ns_per_op() const {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    values.push_back(sample.ns / static_cast<double>(std::max<std::uint64_t>(sample.ops, 1)));
  }
  return median(std::move(values));
}

SizeResult run_size(const RunOptions& options, std::uint32_t keys) {
  SizeResult result = Run(options, keys).run();
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{:78}\r", "");
  return result;
}

}  // namespace holt::bench
