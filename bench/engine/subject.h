// One engine's store during a round: opened, loaded, measured, checked, thrown away.
//
// It keeps what every key must hold (the stamp of its last change), so that a check after the rows
// finds a lost, a repeated or a misplaced change.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/engine/adapter.h"
#include "bench/engine/keyspace.h"

namespace holt::bench {

// What loading a store took and left.
struct LoadResult {
  double insert_ns = 0;  // all inserts
  double total_ns = 0;   // from opening an empty directory until the store is closed and durable
  std::uint64_t resident_bytes = 0;  // before it was closed
  std::uint64_t disk_bytes = 0;      // after it was closed
  std::uint64_t log_bytes = 0;
};

class Subject {
 public:
  Subject(std::string name, const KeySpace& keys, std::filesystem::path directory);

  const KeySpace& keys() const { return keys_; }
  Session& session(std::size_t thread) { return *sessions_[thread]; }

  LoadResult load(std::uint64_t seed);
  // Opens the loaded store, and checks all of it in one session and in another, which warms what
  // sessions share and what the first two do not.
  void reopen(std::size_t sessions);
  // Scans all keys and compares each one and its value with what must be there.
  void verify(Session& session);
  // Leaves no background work and no dirty pages behind.
  void settle();
  void close();

  // The first of `count` stamps for changes about to be made.
  std::uint32_t take_stamps(std::size_t count);
  // Notes that the first `done` operations of `ops` put values with stamps from `first_stamp` on.
  void note_puts(const Ops& ops, std::size_t done, std::uint32_t first_stamp);

 private:
  std::string name_;
  const KeySpace& keys_;
  std::filesystem::path directory_;
  std::unique_ptr<Adapter> adapter_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::uint32_t> stamps_;
  std::uint32_t next_stamp_ = 1;
};

}  // namespace holt::bench
