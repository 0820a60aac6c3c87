// The simulated log ring: a durable image, and while a process is attached its memory, mapped
// twice.
//
// Nobody tells the device of a store into a mapping. So a sync copies a range of the memory, a
// power loss compares memory and durable image sector by sector, and write_back() stands for the
// kernel, which may write any page at any time.
//
// Thread safety: none; SimDisk's mutex guards it. The memory itself is written to by the process's
// threads meanwhile; it is read here through a third mapping, a word at a time, as a device would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/result.h"
#include "tests/engine/sim/sim_image.h"

namespace holt::sim {

// Shared memory that three mappings see; the process's two lie back to back.
class SimLogMemory {
 public:
  static std::shared_ptr<SimLogMemory> create(const std::vector<std::byte>& contents);
  ~SimLogMemory();
  SimLogMemory(const SimLogMemory&) = delete;
  SimLogMemory& operator=(const SimLogMemory&) = delete;

  std::byte* mirrored() const { return mirrored_; }
  // Copies [from, to) as it is now; multiples of 8.
  void snapshot(std::size_t from, std::size_t to, std::byte* out) const;

 private:
  SimLogMemory() = default;

  std::size_t bytes_ = 0;
  std::byte* mirrored_ = nullptr;
  std::byte* device_ = nullptr;
};

class SimLog {
 public:
  bool exists() const { return !durable_.empty(); }
  std::size_t size() const { return durable_.size(); }
  // All zeros, and durable.
  void create(std::size_t bytes);
  // The memory of a process that opens the log. A private one never reaches the log.
  std::shared_ptr<SimLogMemory> attach(bool shared);
  // The process is gone; the page cache has what it stored.
  void detach();

  void sync(std::size_t from, std::size_t to);
  void fail_sync(std::size_t from, std::size_t to, Random& random);
  void write_back(Random& random, double p);
  void crash(Random& random);
  void flip_bit(std::size_t byte, unsigned bit);

 private:
  // Makes dirty sectors of [from, to) durable, each with probability p.
  void settle(std::size_t from, std::size_t to, Random& random, double p);

  std::vector<std::byte> durable_;
  std::vector<std::byte> volatile_;  // while nobody is attached
  std::vector<bool> dropped_;        // by sector: a failed sync lost what memory holds
  std::vector<std::byte> lost_;      // what it held then, so that a newer store is told apart
  std::shared_ptr<SimLogMemory> memory_;
};

}  // namespace holt::sim
