// Names for clang's thread-safety attributes, and lock types that carry them.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HOLT_TSA(x) __attribute__((x))
#else
#define HOLT_TSA(x)
#endif

#define CAPABILITY(x) HOLT_TSA(capability(x))
#define SCOPED_CAPABILITY HOLT_TSA(scoped_lockable)
#define GUARDED_BY(x) HOLT_TSA(guarded_by(x))
#define REQUIRES(...) HOLT_TSA(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) HOLT_TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) HOLT_TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) HOLT_TSA(release_generic_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) HOLT_TSA(release_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) HOLT_TSA(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS HOLT_TSA(no_thread_safety_analysis)

namespace holt {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a Mutex for a scope; a condition variable may wait through it.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() RELEASE() = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void wait(std::condition_variable& condition) { condition.wait(lock_); }
  // False when `timeout` passed first.
  template <class Duration>
  bool wait_for(std::condition_variable& condition, Duration timeout) {
    return condition.wait_for(lock_, timeout) == std::cv_status::no_timeout;
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace holt
