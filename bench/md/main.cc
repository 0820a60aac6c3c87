// bench_md: metadata operations on a mounted filesystem, in the manner of mdtest.
//
// Processes, not threads, as in mdtest: they share nothing but the filesystem. They start each
// phase together; its time is from the first start to the last end. Prints a line of JSON for each
// phase. What one call leaves behind, the next one finds, so that caches can be dropped between.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/md/phases.h"

namespace holt::bench::md {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

// What the processes share: a barrier, and what each of them measured.
class Board {
 public:
  Board(std::size_t processes, std::size_t count) : processes_(processes), count_(count) {
    size_ = sizeof(Shared) + processes * (sizeof(Span) + count * sizeof(std::uint32_t));
    void* const memory =
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory");
    shared_ = new (memory) Shared;
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared_->barrier, &attributes, static_cast<unsigned>(processes));
  }
  ~Board() { munmap(shared_, size_); }
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  struct Span {
    std::int64_t start, end;
  };

  void meet() { pthread_barrier_wait(&shared_->barrier); }
  std::atomic<bool>& over() { return shared_->over; }
  std::atomic<std::uint64_t>& rounds() { return shared_->rounds; }
  Span& span(std::size_t rank) { return reinterpret_cast<Span*>(shared_ + 1)[rank]; }
  std::uint32_t* latencies(std::size_t rank) {
    return reinterpret_cast<std::uint32_t*>(&span(processes_)) + rank * count_;
  }

 private:
  struct alignas(64) Shared {
    pthread_barrier_t barrier;
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> rounds{0};  // of background work
  };
  std::size_t processes_, count_, size_ = 0;
  Shared* shared_;
};

void run_operations(const Phase& phase, Worker& worker, Board& board) {
  Board::Span& span = board.span(worker.rank);
  std::uint32_t* const latencies = board.latencies(worker.rank);
  constexpr std::int64_t kLongest = UINT32_MAX;
  std::int64_t before = span.start = now_ns();
  for (std::size_t i = 0; i < worker.plan.count; ++i) {
    phase.operation(worker, i);
    const std::int64_t after = now_ns();
    latencies[i] = static_cast<std::uint32_t>(std::min(after - before, kLongest));
    before = after;
  }
  span.end = before;
}

void run_phase(const Phase& phase, Worker& worker, Board& board) {
  if (phase.prepare != nullptr) phase.prepare(worker);
  board.meet();
  if (phase.background == nullptr) {
    run_operations(phase, worker, board);
  } else if (worker.rank == 0) {
    run_operations(phase, worker, board);
    board.over() = true;
  } else {
    for (; !board.over(); board.rounds().fetch_add(1)) phase.background(worker);
  }
  board.meet();
  if (phase.clean_up != nullptr) phase.clean_up(worker);
  board.meet();
}

// One process after the fork: never returns. The others would wait for one that fails, so it takes
// them down.
[[noreturn]] void be_worker(std::span<const Phase* const> phases, const Plan& plan,
                            std::size_t rank, Board& board) {
  try {
    Worker worker{.plan = plan, .rank = rank};
    for (const Phase* const phase : phases) run_phase(*phase, worker, board);
    _exit(0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_md: {}\n", error.what());
    kill(0, SIGTERM);
    _exit(1);
  }
}

nlohmann::ordered_json measured(const Phase& phase, const Plan& plan, Board& board) {
  const std::size_t active = phase.background != nullptr ? 1 : plan.processes;
  std::vector<std::uint32_t> latencies;
  Board::Span whole = board.span(0);
  for (std::size_t rank = 0; rank < active; ++rank) {
    whole.start = std::min(whole.start, board.span(rank).start);
    whole.end = std::max(whole.end, board.span(rank).end);
    const std::uint32_t* const own = board.latencies(rank);
    latencies.insert(latencies.end(), own, own + plan.count);
  }
  std::sort(latencies.begin(), latencies.end());
  const auto quantile_us = [&](double share) {
    const auto at = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
    return latencies[std::min(at, latencies.size() - 1)] / 1e3;
  };
  const double seconds = static_cast<double>(whole.end - whole.start) / 1e9;
  nlohmann::ordered_json line = {{"phase", phase.name},
                                 {"processes", plan.processes},
                                 {"operations", latencies.size()},
                                 {"seconds", seconds},
                                 {"per_second", static_cast<double>(latencies.size()) / seconds},
                                 {"p50_us", quantile_us(0.5)},
                                 {"p99_us", quantile_us(0.99)}};
  if (phase.background != nullptr) line["background_rounds"] = board.rounds().load();
  return line;
}

// The phases one by one, each in processes of its own.
int measure(const std::vector<const Phase*>& phases, const Plan& plan) {
  for (const Phase* const phase : phases) {
    Board board(plan.processes, plan.count);
    std::fflush(stdout);
    for (std::size_t rank = 0; rank < plan.processes; ++rank) {
      if (fork() == 0) be_worker({&phase, 1}, plan, rank, board);
    }
    bool good = true;
    int status = 0;
    while (wait(&status) > 0) good = good && status == 0;
    if (!good) return 1;
    fmt::print("{}\n", measured(*phase, plan, board).dump());
  }
  return 0;
}

const Phase* find_phase(std::string_view name) {
  for (const Phase& phase : all_phases()) {
    if (phase.name == name) return &phase;
  }
  return nullptr;
}

int run(int argc, char** argv) {
  Plan plan;
  std::vector<std::string> names;
  bool list = false;
  CLI::App app("Measures metadata operations on a mounted filesystem.", "bench_md");
  app.add_flag("--list", list, "print the phases and end");
  app.add_option("--dir", plan.directory, "directory to work in; made when it is missing");
  app.add_option("--phases", names, "phases, in this order, separated by commas")->delimiter(',');
  app.add_option("--processes", plan.processes, "processes")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--count", plan.count, "operations of each process")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--bytes", plan.bytes, "size of the files that are written")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (list) {
    for (const Phase& phase : all_phases()) fmt::print("{:14} {}\n", phase.name, phase.what);
    return 0;
  }
  std::vector<const Phase*> phases;
  for (const std::string& name : names) {
    phases.push_back(find_phase(name));
    if (phases.back() != nullptr) continue;
    fmt::print(stderr, "bench_md: there is no phase '{}'; see bench_md --list\n", name);
    return 2;
  }
  if (plan.directory.empty() || phases.empty()) {
    fmt::print(stderr, "bench_md: --dir and --phases are needed; see bench_md --help\n");
    return 2;
  }
  mkdir(plan.directory.c_str(), 0755);
  setpgid(0, 0);  // a failing process takes down its own family only
  return measure(phases, plan);
}

}  // namespace
}  // namespace holt::bench::md

int main(int argc, char** argv) { return holt::bench::md::run(argc, argv); }
