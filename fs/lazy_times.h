// LazyTimes: times that changed in memory only, as ext4 keeps them with lazytime.
//
// It holds a reference on each file it knows times of, so that the file is not forgotten with them;
// and it is bounded: when it is full, the oldest have to be written first.
//
// Thread safety: any thread. An inode's times are noted and shown under its lock (O3: the access
// time under the shared one), and taken out under the exclusive one.
#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <optional>
#include <unordered_map>

#include "engine/base/annotations.h"
#include "fs/inode.h"
#include "fs/node_table.h"

namespace holtfs {

struct LazyTime {
  std::optional<Time> atime = {}, mtime = {}, ctime = {};

  // To an Inode, an Attr, or older times.
  void apply_to(auto& seen) const {
    const auto set = [](auto& shown, const Time& time) { shown = time; };
    if (atime) set(seen.atime, *atime);
    if (mtime) set(seen.mtime, *mtime);
    if (ctime) set(seen.ctime, *ctime);
  }
};

class LazyTimes {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kCapacity = 16'384;

  LazyTimes(NodeTable& nodes, std::size_t capacity) : nodes_(nodes), capacity_(capacity) {}
  LazyTimes(const LazyTimes&) = delete;
  LazyTimes& operator=(const LazyTimes&) = delete;

  // False when it is full and the inode is not in it. REQUIRES: the caller holds a reference.
  bool note(Ino ino, const LazyTime& times);
  // Puts an inode's times into its Inode or Attr.
  void show(auto& seen) const {
    if (const auto times = find(seen.ino)) times->apply_to(seen);
  }
  std::optional<LazyTime> find(Ino ino) const;
  // They are written, or gone with the inode.
  void erase(Ino ino);

  bool full() const { return size_ >= capacity_; }
  // The inode that is in here for the longest time, if it was before `limit`.
  std::optional<Ino> oldest(Clock::time_point limit) const;

 private:
  struct Entry {
    Ino ino;
    NodePin node;
    LazyTime times;
    Clock::time_point since;
  };
  Entry* find_locked(Ino ino) const REQUIRES(mutex_);

  NodeTable& nodes_;
  const std::size_t capacity_;
  std::atomic<std::size_t> size_{0};
  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::list<Entry> by_age_ GUARDED_BY(mutex_);  // oldest first
  std::unordered_map<std::uint64_t, std::list<Entry>::iterator> by_ino_ GUARDED_BY(mutex_);
};

}  // namespace holtfs
