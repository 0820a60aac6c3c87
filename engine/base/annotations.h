// Names for clang's thread-safety attributes, and lock types that carry them and their rank.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "engine/base/lock_rank.h"

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

class CAPABILITY("mutex") Mutex : private RankedLock {
 public:
  explicit Mutex(Rank rank) : RankedLock(rank) {}

  void lock() ACQUIRE() {
    acquiring();
    mutex_.lock();
  }
  void unlock() RELEASE() {
    mutex_.unlock();
    released();
  }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// A reader-writer lock for std::shared_lock and std::unique_lock.
class SharedMutex : private RankedLock {
 public:
  explicit SharedMutex(Rank rank) : RankedLock(rank) {}

  void lock() {
    acquiring();
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    released();
  }
  bool try_lock() {
    acquiring();
    const bool locked = mutex_.try_lock();
    if (!locked) released();
    return locked;
  }
  void lock_shared() {
    acquiring();
    mutex_.lock_shared();
  }
  bool try_lock_shared() {
    acquiring();
    const bool locked = mutex_.try_lock_shared();
    if (!locked) released();
    return locked;
  }
  void unlock_shared() {
    mutex_.unlock_shared();
    released();
  }

 private:
  std::shared_mutex mutex_;
};

// Holds a Mutex for a scope; a condition variable may wait through it.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void wait(std::condition_variable& condition) {
    std::unique_lock lock(mutex_.mutex_, std::adopt_lock);
    condition.wait(lock);
    lock.release();
  }
  // False when `timeout` passed first.
  template <class Duration>
  bool wait_for(std::condition_variable& condition, Duration timeout) {
    std::unique_lock lock(mutex_.mutex_, std::adopt_lock);
    const bool in_time = condition.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }

 private:
  Mutex& mutex_;
};

}  // namespace holt
