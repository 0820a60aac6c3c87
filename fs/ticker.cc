#include "fs/ticker.h"

#include <utility>

namespace holtfs {

Ticker::Ticker(std::chrono::milliseconds interval, std::function<void()> tick)
    : interval_(interval), tick_(std::move(tick)), thread_([this] { run(); }) {}

Ticker::~Ticker() {
  {
    const holt::MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Ticker::soon() {
  const holt::MutexLock lock(mutex_);
  soon_ = true;
  wake_.notify_all();
}

void Ticker::run() {
  using Clock = std::chrono::steady_clock;
  while (true) {
    const Clock::time_point next = Clock::now() + interval_;
    {
      holt::MutexLock lock(mutex_);
      while (!stop_ && !soon_ && Clock::now() < next) lock.wait_for(wake_, next - Clock::now());
      if (stop_) return;
      soon_ = false;
    }
    tick_();
  }
}

}  // namespace holtfs
