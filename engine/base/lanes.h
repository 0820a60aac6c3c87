// Lanes: every thread counts on a line of its own, so that counting costs no cache line that
// travels between cores.
//
// Thread safety: any thread.
#pragma once

#include <atomic>
#include <cstddef>

namespace holt {

inline constexpr std::size_t kLanes = 64;

// The calling thread's; a few threads share one where there are more of them.
inline std::size_t my_lane() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t lane = next.fetch_add(1, std::memory_order_relaxed) % kLanes;
  return lane;
}

}  // namespace holt
