// PackLedger: what is to be done about segments once something else is durable.
//
// Two lists: extents that died, whose space may be used again when the log is durable up to the
// change that let go of them; and bytes that were put into the store itself (NUL D), which are
// erased there when their segment is synced.
//
// Thread safety: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/types.h"
#include "fs/inode.h"

namespace holtfs {

class PackLedger {
 public:
  void add_dead(std::span<const Extent> extents, holt::Lsn released);
  // Everything that died so far, and the LSN that has to be durable for it.
  std::pair<std::vector<Extent>, holt::Lsn> take_dead();

  // A place in a segment whose bytes are in the store.
  struct Logged {
    std::uint32_t segment, offset, length;
    std::uint64_t end() const { return std::uint64_t{offset} + length; }
  };
  void add_logged(const Extent& extent);
  void add_logged(std::span<const Logged> places);
  // Whether all bytes of the extent are in the store.
  bool is_logged(const Extent& extent) const;
  bool has_logged(std::uint32_t segment) const;
  std::uint64_t logged_bytes() const { return logged_bytes_.load(std::memory_order_relaxed); }
  // Takes those out for which `done`, which takes no lock, says true.
  std::vector<Logged> take_logged(const std::function<bool(const Logged&)>& done);

 private:
  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::vector<Extent> dead_ GUARDED_BY(mutex_);
  holt::Lsn released_ GUARDED_BY(mutex_){};
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> logged_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> logged_bytes_{0};
};

}  // namespace holtfs
