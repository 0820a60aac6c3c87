#include "bench/engine/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace holt::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kScanEntries = 100;
constexpr std::size_t kWindow = 1000;     // inserts before they are erased again
constexpr double kMoveShare = 0.1;        // of a row's time, for moves
constexpr std::size_t kWarmUpShare = 20;  // of a reading row's operations: one in so many

[[noreturn]] void wrong(std::string_view what) { throw std::runtime_error(std::string(what)); }

// Calls op(begin) ... op(end - 1) until the time is up. The clock is read once in `stride` calls.
template <class Op>
Sample timed(std::size_t begin, std::size_t end, std::size_t stride, double seconds, Op op) {
  const auto start = Clock::now();
  const auto deadline =
      start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::size_t done = begin;
  auto now = start;
  while (done < end && now < deadline) {
    for (const std::size_t stop = std::min(done + stride, end); done < stop; ++done) op(done);
    now = Clock::now();
  }
  return {std::chrono::duration<double, std::nano>(now - start).count(), done - begin};
}

// For rows that change nothing: caches are cold after another engine's turn, so some operations
// come before the clock.
template <class Op>
Sample warmed(std::size_t count, std::size_t stride, double seconds, Op op) {
  const std::size_t warm_up = count / kWarmUpShare;
  timed(0, warm_up, stride, seconds / kWarmUpShare, op);
  return timed(warm_up, count, stride, seconds, op);
}

void check_get(Session& session, const Ops& ops, std::size_t i) {
  char value[kValueBytes];
  const auto size = session.get(ops.key(i), value);
  if (!size || index_in({value, *size}) != ops.index(i)) wrong("a get gave the wrong value");
}

Sample run_get(Subject& subject, std::span<const Ops> ops, double seconds) {
  return warmed(ops[0].size(), 64, seconds,
                [&](std::size_t i) { check_get(subject.session(0), ops[0], i); });
}

Sample run_get_missing(Subject& subject, std::span<const Ops> ops, double seconds) {
  return warmed(ops[0].size(), 64, seconds, [&](std::size_t i) {
    char value[kValueBytes];
    if (subject.session(0).get(ops[0].key(i), value)) wrong("a missing key was found");
  });
}

Sample run_list(Subject& subject, std::span<const Ops> ops, double seconds) {
  const KeySpace& keys = subject.keys();
  Tally tally;
  return warmed(ops[0].size(), 8, seconds, [&](std::size_t i) {
    tally.clear();
    subject.session(0).scan(kRoot, ops[0].key(i), kScanEntries, tally);
    const std::uint32_t first = ops[0].index(i) + 1;
    tally.expect(keys, first, std::min<std::size_t>(kScanEntries, keys.size() - first));
  });
}

Sample run_list_dir(Subject& subject, std::span<const Ops> ops, double seconds) {
  const KeySpace& keys = subject.keys();
  const std::uint32_t entries = keys.per_directory();
  Tally tally;
  return warmed(ops[0].size(), 16, seconds, [&](std::size_t i) {
    tally.clear();
    subject.session(0).scan(ops[0].key(i).substr(0, kDirectoryBytes), "", kNoLimit, tally);
    tally.expect(keys, ops[0].index(i) / entries * entries, entries);
  });
}

Sample run_list_subdirectories(Subject& subject, std::span<const Ops> ops, double seconds) {
  const std::size_t entries = subject.keys().directories_per_group();
  return warmed(ops[0].size(), 16, seconds, [&](std::size_t i) {
    const auto prefix = ops[0].key(i).substr(0, kGroupBytes);
    if (subject.session(0).count_subdirectories(prefix) != entries) {
      wrong("a directory has the wrong number of subdirectories");
    }
  });
}

Sample run_put(Subject& subject, std::span<const Ops> ops, double seconds) {
  const std::uint32_t stamp = subject.take_stamps(ops[0].size());
  const Sample sample = timed(0, ops[0].size(), 64, seconds, [&](std::size_t i) {
    const Value value(ops[0].index(i), stamp + static_cast<std::uint32_t>(i));
    subject.session(0).put(ops[0].key(i), value.view());
  });
  subject.note_puts(ops[0], sample.ops, stamp);
  return sample;
}

// A window of keys is inserted and then erased in another order, one operation each.
Sample run_insert_erase(Subject& subject, std::span<const Ops> ops, double seconds) {
  constexpr std::size_t kStep = 617;  // coprime to the window: visits each of its keys once
  Session& session = subject.session(0);
  Sample sample = timed(0, ops[0].size() / kWindow, 1, seconds, [&](std::size_t window) {
    const std::size_t first = window * kWindow;
    for (std::size_t i = first; i < first + kWindow; ++i) {
      session.insert(ops[0].key(i), Value(ops[0].index(i), 0).view());
    }
    for (std::size_t i = 0; i < kWindow; ++i) {
      session.erase(ops[0].key(first + i * kStep % kWindow));
    }
  });
  sample.ops *= 2 * kWindow;
  return sample;
}

// There and back again, so that every pair leaves the tree as it was. No tree is treated so for
// long: RocksDB's tombstones pile up and triple its time, so the row is kept short.
Sample run_move(Subject& subject, std::span<const Ops> ops, double seconds) {
  Session& session = subject.session(0);
  const auto target = [](std::string_view from) {
    std::string to(from);
    to[kRoot.size()] = 'm';
    return to;
  };
  Sample sample = timed(0, ops[0].size(), 1, seconds * kMoveShare, [&](std::size_t i) {
    const auto from = ops[0].key(i).substr(0, kSubtreeBytes);
    const std::string to = target(from);
    session.move_subtree(from, to);
    session.move_subtree(to, from);
  });
  sample.ops *= 2;

  const KeySpace& keys = subject.keys();
  const auto from = ops[0].key(0).substr(0, kSubtreeBytes);
  const std::string to = target(from);
  session.move_subtree(from, to);
  Tally source;
  Tally moved;
  session.scan(from, "", kNoLimit, source);
  session.scan(to, "", kNoLimit, moved);
  source.expect(keys, 0, 0);
  moved.expect(keys, ops[0].index(0) / keys.per_subtree() * keys.per_subtree(), keys.per_subtree());
  session.move_subtree(to, from);
  return sample;
}

// Runs body(thread) in threads that start together: all their operations, in the wall-clock time
// from the first start to the last end.
template <class Body>
Sample run_threads(std::size_t count, Body body) {
  std::vector<Sample> samples(count);
  std::vector<Clock::time_point> starts(count);
  std::vector<std::exception_ptr> errors(count);
  std::barrier<> ready(static_cast<std::ptrdiff_t>(count));
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < count; ++t) {
      threads.emplace_back([&, t] {
        ready.arrive_and_wait();
        starts[t] = Clock::now();
        try {
          samples[t] = body(t);
        } catch (...) {
          errors[t] = std::current_exception();
        }
      });
    }
  }
  const auto start = *std::min_element(starts.begin(), starts.end());
  Sample all;
  for (std::size_t t = 0; t < count; ++t) {
    if (errors[t]) std::rethrow_exception(errors[t]);
    all.ops += samples[t].ops;
    const double lag = std::chrono::duration<double, std::nano>(starts[t] - start).count();
    all.ns = std::max(all.ns, lag + samples[t].ns);
  }
  return all;
}

Sample run_get_threads(Subject& subject, std::span<const Ops> ops, double seconds) {
  return run_threads(ops.size(), [&](std::size_t t) {
    return timed(0, ops[t].size(), 64, seconds,
                 [&](std::size_t i) { check_get(subject.session(t), ops[t], i); });
  });
}

Sample run_put_threads(Subject& subject, std::span<const Ops> ops, double seconds) {
  std::vector<std::uint32_t> stamps;
  std::vector<Sample> samples(ops.size());
  for (const Ops& own : ops) stamps.push_back(subject.take_stamps(own.size()));
  const Sample all = run_threads(ops.size(), [&](std::size_t t) {
    samples[t] = timed(0, ops[t].size(), 64, seconds, [&](std::size_t i) {
      const Value value(ops[t].index(i), stamps[t] + static_cast<std::uint32_t>(i));
      subject.session(t).put(ops[t].key(i), value.view());
    });
    return samples[t];
  });
  for (std::size_t t = 0; t < ops.size(); ++t) subject.note_puts(ops[t], samples[t].ops, stamps[t]);
  return all;
}

constexpr std::size_t kPointOps = 1'000'000;
constexpr std::size_t kListOps = 200'000;
constexpr std::size_t kMovePairs = 20'000;

// Of each thread: a row with many threads is to take no longer than one with two.
std::size_t point_ops(std::uint32_t threads) {
  return std::max(2 * kPointOps / threads, kPointOps / 4);
}

std::string with_threads(std::string_view what, std::uint32_t threads) {
  return fmt::format("{}, {} thread{}", what, threads, threads == 1 ? "" : "s");
}

}  // namespace

std::vector<Row> rows_for(std::span<const std::uint32_t> threads) {
  std::vector<Row> rows = {
      {"get", "get", {.count = kPointOps}, run_get},
      {"get_missing", "get, missing key", {.missing = true, .count = kPointOps}, run_get_missing},
      {"list_100", "list 100", {.count = kListOps}, run_list},
      {"list_dir",
       "list a directory's entries",
       {.draw = Draw::kWholeDirectory, .count = kListOps},
       run_list_dir},
      {"list_subdirs",
       "list its subdirectories",
       {.draw = Draw::kWholeGroup, .count = kListOps},
       run_list_subdirectories},
  };
  for (const std::uint32_t n : threads) {
    rows.push_back({fmt::format("get_{}t", n),
                    with_threads("get", n),
                    {.count = point_ops(n), .threads = n},
                    run_get_threads});
  }
  rows.push_back({"put", "put", {.count = kPointOps}, run_put});
  rows.push_back({"insert_erase",
                  "insert + erase, each",
                  {.draw = Draw::kDistinct, .missing = true, .count = kPointOps},
                  run_insert_erase});
  for (const std::uint32_t n : threads) {
    rows.push_back({fmt::format("put_{}t", n),
                    with_threads("put", n),
                    {.draw = Draw::kThreadsOwn, .count = point_ops(n), .threads = n},
                    run_put_threads});
  }
  rows.push_back(
      {"move", "move a subtree", {.draw = Draw::kWholeSubtree, .count = kMovePairs}, run_move});
  return rows;
}

}  // namespace holt::bench
