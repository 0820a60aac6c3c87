// Requests: how many of each kind the kernel has sent, for who wants to know what a call costs.
//
// Counted for every handler of the table at once, in handlers.cc. What has no handler is answered
// by libfuse and not counted.
//
// Thread safety: any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/base/lanes.h"
#include "fs/fuse/libfuse.h"
#include "fs/fuse/opcodes.h"

namespace holtfs {

class Requests {
 public:
  using Counts = std::array<std::uint64_t, kMaxOpcodes>;

  void count(std::uint32_t opcode) {
    lanes_[holt::my_lane()].counts[opcode].fetch_add(1, std::memory_order_relaxed);
  }
  // By number of opcode; not one moment's, while requests come in.
  Counts counts() const;

 private:
  struct alignas(64) Lane {
    std::array<std::atomic<std::uint64_t>, kMaxOpcodes> counts{};
  };

  std::array<Lane, holt::kLanes> lanes_;
};

// Puts a function that counts in front of each handler. Once in the life of the process.
void count_requests(fuse_lowlevel_ops& ops);

}  // namespace holtfs
