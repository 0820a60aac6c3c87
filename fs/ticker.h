// Ticker: calls a function again and again, on a thread of its own, until it is destroyed.
//
// Thread safety: any thread may call soon().
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>

#include "engine/base/annotations.h"

namespace holtfs {

class Ticker {
 public:
  // The first call comes after one interval.
  Ticker(std::chrono::milliseconds interval, std::function<void()> tick);
  ~Ticker();  // after a call that is under way
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  // The next call comes at once. Returns without waiting for it.
  void soon();

 private:
  void run();

  const std::chrono::milliseconds interval_;
  const std::function<void()> tick_;
  holt::Mutex mutex_{holt::Rank::kLeaf};
  std::condition_variable wake_;
  bool soon_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace holtfs
