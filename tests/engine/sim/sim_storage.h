// A storage in memory that loses power, loses its process, fails and rots when a test says so.
//
//   auto disk = SimDisk::create(seed);
//   auto storage = disk->attach();   // give it to Store::open()
//   ...
//   disk->crash();                   // power loss; or disk->kill(): only the process is gone
//   auto again = disk->attach();
//
// Crash model: the device writes whole sectors of 512 bytes. At a power loss every sector that no
// sync covered is its old or any newer contents, each independently of the others: so writes are
// lost, torn and reordered. At the death of the process everything written survives, the log's
// memory included. Making files (the log, too) is durable at once.
//
// After crash() or kill() the Storage that was attached is inert: its operations return kIo, and
// what its threads still store into the log's memory goes nowhere.
//
// Thread safety: every method from any thread; everything random comes from the seed, so one thread
// gives one history.
// Invariants: S1 to S3 of engine/storage/storage.h.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "engine/base/annotations.h"
#include "engine/storage/storage.h"
#include "tests/engine/sim/sim_image.h"
#include "tests/engine/sim/sim_log.h"

namespace holt::sim {

enum class Op : std::uint8_t {
  kReadSlot,
  kWriteSlots,
  kSyncSlots,
  kTruncateSlots,
  kReadArea,
  kWriteArea,
  kSyncArea,
  kMapLog,
  kSyncLog,
};
inline constexpr std::size_t kOps = 9;

// A read that ends early instead of failing with an errno.
inline constexpr int kShortRead = -1;

class SimStorage;

class SimDisk : public std::enable_shared_from_this<SimDisk> {
 public:
  static std::shared_ptr<SimDisk> create(std::uint64_t seed);

  // Opens the store. At most one Storage is attached at a time; destroying it is an orderly exit.
  std::unique_ptr<Storage> attach(bool read_only = false);

  // Whatever was acknowledged before the call counts; what threads still do meanwhile may or may
  // not.
  void crash();
  void kill();

  // The nth operation of this kind from now on (1: the next) fails with this errno, or kShortRead.
  // A failed write may have been done in part; a failed sync loses what it should have made
  // durable.
  void fail_nth(Op op, std::uint64_t n, int err);
  // Every operation of this kind fails with probability p. 0 ends it.
  void fail_randomly(Op op, double p, int err);

  // Called before (done: false) and after (done: true) each sync, without locks: it may crash() or
  // kill(). A sync during which it did so returns kIo.
  using SyncHook = std::function<void(Op op, bool done)>;
  void on_sync(SyncHook hook);

  // The kernel writes back each dirty sector of the log with probability p.
  void write_back_log(double p);

  // Rot, in what the device holds and what the next read sees.
  void flip_bit_in_slot(Slot slot, std::size_t byte, unsigned bit);
  void flip_bit_in_area(Storage::Area area, std::size_t byte, unsigned bit);
  // Only while no process is attached.
  void flip_bit_in_log(std::size_t byte, unsigned bit);

  std::uint64_t count(Op op) const;  // operations begun since creation

 private:
  friend class SimStorage;
  struct Fault {
    std::uint64_t at = 0;  // value of the counter at which it strikes; 0: never
    int err = 0;
    double p = 0;
    int random_err = 0;
  };

  explicit SimDisk(std::uint64_t seed) : random_(seed) {}
  // Counts the operation. What it fails with: 0 for nothing.
  int begin(Op op) REQUIRES(mutex_);
  void detach_locked() REQUIRES(mutex_);
  SyncHook hook() const;

  mutable Mutex mutex_{Rank::kLeaf};
  Random random_ GUARDED_BY(mutex_);
  // Which Storage is alive: 0 for none.
  std::uint64_t attached_ GUARDED_BY(mutex_) = 0;
  std::uint64_t attachments_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint32_t, SimImage> slots_ GUARDED_BY(mutex_);
  std::array<SimImage, 4> areas_ GUARDED_BY(mutex_);
  SimLog log_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, kOps> counts_ GUARDED_BY(mutex_){};
  std::array<Fault, kOps> faults_ GUARDED_BY(mutex_){};
  SyncHook hook_ GUARDED_BY(mutex_);
};

}  // namespace holt::sim
