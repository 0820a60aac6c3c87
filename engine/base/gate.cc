#include "engine/base/gate.h"

namespace holt {

void Gate::enter_shared() {
  acquiring();
  std::atomic<std::uint32_t>& inside = lanes_[my_lane()].inside;
  for (;;) {
    // Sequentially consistent against enter_exclusive(): either it sees us inside or we see it
    // closed.
    inside.fetch_add(1, std::memory_order_seq_cst);
    if (closed_.load(std::memory_order_seq_cst) == 0) return;
    leave(inside);
    closed_.wait(1, std::memory_order_acquire);
  }
}

void Gate::exit_shared() {
  leave(lanes_[my_lane()].inside);
  released();
}

void Gate::leave(std::atomic<std::uint32_t>& inside) {
  if (inside.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
      closed_.load(std::memory_order_seq_cst) != 0) {
    inside.notify_all();
  }
}

void Gate::enter_exclusive() {
  acquiring();
  std::uint32_t open = 0;
  while (!closed_.compare_exchange_weak(open, 1, std::memory_order_seq_cst)) {
    if (open == 1) closed_.wait(1, std::memory_order_acquire);
    open = 0;
  }
  for (Lane& lane : lanes_) {
    std::uint32_t inside;
    while ((inside = lane.inside.load(std::memory_order_seq_cst)) != 0) {
      lane.inside.wait(inside, std::memory_order_acquire);
    }
  }
}

void Gate::exit_exclusive() {
  closed_.store(0, std::memory_order_seq_cst);
  closed_.notify_all();
  released();
}

}  // namespace holt
