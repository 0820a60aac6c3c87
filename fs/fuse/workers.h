// Workers: threads that may wait, for requests that have to.
//
// The threads that take requests from the kernel serve a whole core each, so what would block one
// of them (a record or contents that must come from disk, a sync of contents) is handed over to
// these.
//
// Thread safety: any thread may post.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "engine/base/annotations.h"

namespace holtfs {

class Workers {
 public:
  using Task = std::move_only_function<void()>;

  explicit Workers(std::size_t threads);
  ~Workers();  // after all tasks were run
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(Task task);

 private:
  void run();

  holt::Mutex mutex_{holt::Rank::kLeaf};
  std::condition_variable wake_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace holtfs
