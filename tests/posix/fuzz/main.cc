// A differential fuzzer: the same random system calls, by several users, on a reference filesystem
// and on the one under test; what calls say and what is there afterwards must agree.
//
// Method: rounds of some thousand calls in fresh folders, each from its own seed. The first
// difference is shrunk to the calls that it takes, which are printed as a script for --replay.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/posix/fuzz/actor.h"
#include "tests/posix/fuzz/call.h"
#include "tests/posix/fuzz/tree.h"

namespace posix_fuzz {

namespace {

constexpr std::size_t kRound = 1000;   // calls on one pair of folders
constexpr std::size_t kThorough = 64;  // calls between looks at everything
constexpr std::size_t kNothing = ~0UL;

struct Difference {
  std::size_t at = kNothing;  // the call it showed after
  std::string what;
};

// A pair of fresh folders for one round.
class Folders {
 public:
  explicit Folders(const std::array<std::string, 2>& bases) {
    for (std::size_t i = 0; i < 2; ++i) {
      paths_[i] = bases[i] + "/round.XXXXXX";
      if (mkdtemp(paths_[i].data()) == nullptr || chmod(paths_[i].c_str(), 0777) != 0) {
        throw std::runtime_error("no folder can be made in " + bases[i]);
      }
      roots[i] = open(paths_[i].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
  }
  ~Folders() {
    for (std::size_t i = 0; i < 2; ++i) {
      close(roots[i]);
      std::filesystem::remove_all(paths_[i]);
    }
  }
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;

  std::array<int, 2> roots;

 private:
  std::array<std::string, 2> paths_;
};

// How often each call was made, and how often it did something.
struct Tally {
  std::size_t made = 0, succeeded = 0;
};
std::map<std::size_t, Tally> tallies;

void print_tallies() {
  for (const auto& [call, tally] : tallies) {
    fmt::print("{:16}{:8} made{:8} succeeded\n", name_of(call), tally.made, tally.succeeded);
  }
}

Difference run(const std::array<std::string, 2>& bases, const std::vector<Op>& ops,
               std::size_t thorough) {
  const Folders folders(bases);
  std::vector<std::unique_ptr<Actor>> actors;
  for (int i = 0; i < kActors; ++i) actors.push_back(std::make_unique<Actor>(i, folders.roots));
  Watcher watcher(folders.roots);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto [reference, subject] =
        actors[static_cast<std::size_t>(ops[i].actor)]->perform(ops[i]);
    Tally& tally = tallies[ops[i].call];
    ++tally.made;
    if (reference.error == 0) ++tally.succeeded;
    if (reference != subject) {
      return {i, fmt::format("the reference says {}, this says {}", to_text(reference),
                             to_text(subject))};
    }
    // ext4 has made the whiteout by then, and moves the directory's times in taking it back.
    if (reference.error != 0 && name_of(ops[i].call) == "rename" &&
        ops[i].flags == RENAME_WHITEOUT) {
      watcher.reset_times();
    }
    const bool last = i + 1 == ops.size();
    if (auto found = watcher.compare(last || i % thorough == 0); !found.empty()) return {i, found};
  }
  return {};
}

// Takes calls away, by ever smaller parts, as long as a difference remains.
std::vector<Op> shrink(const std::array<std::string, 2>& bases, std::vector<Op> ops,
                       Difference& difference) {
  const auto cut = [&](const Difference& found) { ops.resize(found.at + 1); };
  cut(difference);
  for (std::size_t part = ops.size() / 2; part > 0;) {
    bool shorter = false;
    for (std::size_t from = 0; from + part < ops.size();) {
      std::vector<Op> fewer = ops;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(from);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(part));
      if (const Difference found = run(bases, fewer, 1); found.at != kNothing) {
        ops = std::move(fewer);
        difference = found;
        cut(found);
        shorter = true;
      } else {
        from += part;
      }
    }
    part = shorter ? std::min(part, ops.size() / 2) : part / 2;
  }
  return ops;
}

void report(const std::vector<Op>& ops, const Difference& difference) {
  fmt::print("difference: {}\nafter these calls (a script for --replay):\n", difference.what);
  for (const Op& op : ops) fmt::print("{}\n", to_line(op));
  std::fflush(stdout);
}

int replay(const std::array<std::string, 2>& bases, const std::string& file) {
  std::vector<Op> ops;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto op = from_line(line);
    if (!op) throw std::runtime_error("no call: " + line);
    ops.push_back(*op);
  }
  const Difference found = run(bases, ops, 1);
  if (found.at == kNothing) return 0;
  ops.resize(found.at + 1);
  report(ops, found);
  return 1;
}

int fuzz(const std::array<std::string, 2>& bases, std::uint64_t seed, std::uint64_t steps,
         bool keep_going, bool verbose) {
  int differences = 0;
  for (std::uint64_t done = 0; done < steps; done += kRound, ++seed) {
    Dice dice(seed);
    std::vector<Op> ops;
    for (std::size_t i = 0; i < kRound; ++i) ops.push_back(random_op(dice));
    Difference difference = run(bases, ops, kThorough);
    if (difference.at == kNothing) continue;
    fmt::print("seed {}, call {}\n", seed, difference.at);
    ops = shrink(bases, std::move(ops), difference);
    report(ops, difference);
    ++differences;
    if (!keep_going) break;
  }
  if (verbose) print_tallies();
  if (differences == 0) fmt::print("{} calls, no difference; seeds to {}\n", steps, seed - 1);
  return differences == 0 ? 0 : 1;
}

}  // namespace

}  // namespace posix_fuzz

int main(int argc, char** argv) {
  std::array<std::string, 2> bases;
  std::uint64_t seed = std::random_device()(), steps = 100'000;
  std::string script;
  bool keep_going = false, verbose = false;
  CLI::App app("Compares two filesystems by random system calls; runs as root.");
  app.add_option("--reference", bases[0], "a folder on the filesystem that is right")
      ->required()
      ->envname("POSIX_TEST_REFERENCE");
  app.add_option("--subject", bases[1], "a folder on the one under test")
      ->required()
      ->envname("POSIX_TEST_FOLDER");
  app.add_option("--seed", seed, "of the first round; the next has the next (default: random)");
  app.add_option("--steps", steps, "calls");
  app.add_option("--replay", script, "a file of calls, instead of random ones");
  app.add_flag("--keep-going", keep_going, "do not stop at the first difference");
  app.add_flag("--verbose", verbose, "say how often each call was made and succeeded");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!script.empty()) return posix_fuzz::replay(bases, script);
    fmt::print("seed {}\n", seed);
    return posix_fuzz::fuzz(bases, seed, steps, keep_going, verbose);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
