// Checkpoints: one consistent state of all blobs, written beside the log.
//
// A round: (1) inside the gate, for microseconds: end the epoch, freeze the dirty frames, note the
// log position P and the blob map. (2) Outside: write the frozen frames' images to free slots; a
// writer that wants to change a frozen frame first sets its image aside (copy on write). (3) Sync
// the slots, write and sync the map, write and sync the superblock. (4) Free what only the old
// superblock referred to, and the log before P. Recovery is the newest valid superblock plus a
// replay from P.
//
// Invariants:
//   K1  The log before P is released only after the superblock that names P is durable.
//   K2  A frame that an epoch froze keeps its bytes until its image is written or set aside; it is
//       neither evicted nor reused.
//   K3  A round that fails gives up nothing: slots of the durable state stay, unwritten frames are
//       dirty again.
//   K4  A failed sync ends all checkpoints: what the device dropped cannot be known.
//   K5  The superblock and the map of the durable state are never written to, but for the same
//       superblock again when a store is opened: only then is it known to be durable.
//
// Thread safety: run() and request() from any thread; rounds run one at a time. set_aside() and
// retire() are for who holds the frame's exclusive latch and is inside the gate.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/gate.h"
#include "engine/base/result.h"
#include "engine/checkpoint/blob_map.h"
#include "engine/checkpoint/superblock.h"
#include "engine/frame/pool.h"

namespace holt {

class Storage;

// How the checkpointer meets the log: the engine's ring, or the reader of the log during recovery.
struct LogSide {
  std::function<Lsn()> position;            // P; called inside the gate
  std::function<void(Lsn)> wait_published;  // everything before P is whole
  std::function<void(Lsn)> release;         // records before P are not needed any more
  std::function<void(const Error&)> poison;
};

class Checkpointer {
 public:
  Checkpointer(Storage& storage, FramePool& pool, BlobMap& blobs, Gate& gate, Superblock last);
  ~Checkpointer();

  // Sets the log side and the generation that superblocks name from now on. Between rounds only.
  void attach(LogSide log, std::uint32_t generation);
  void start();  // the thread that serves request(); again after stop()
  void stop();

  // One whole round. In a read-only store it only writes frames out, to make room.
  Result<void> run() EXCLUDES(round_mutex_);
  void request();

  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  // Keeps the old image of a frozen frame. False when there is no frame for it: let go of the
  // latches and wait for pool.wait_progress().
  bool set_aside(FrameIndex index);
  // The latched frame's blob is gone from the tree: frees the frame, or keeps it for the round.
  void retire(FrameIndex index);

  // The failure of the last round, if it failed.
  std::optional<Error> failure() const;
  Superblock last() const;
  std::uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
  std::uint64_t writes() const { return writes_.load(std::memory_order_relaxed); }
  std::uint64_t copies() const { return copies_.load(std::memory_order_relaxed); }

 private:
  struct Item {
    BlobId id;
    FrameIndex frame;
  };
  struct Round {
    std::uint64_t epoch = 0;
    Lsn position{};
    std::vector<Item> items;
    MapSnapshot map;
  };
  struct Buffers;

  Round begin();
  Result<void> write_images(Round& round);
  Result<void> write_group(Round& round, std::size_t first, std::size_t count);
  void abandon(const Round& round, std::size_t first);
  // Copies the item's frozen image to `to`; gives its description.
  BlobImage take_image(const Round& round, const Item& item, std::byte* to);
  void finish_item(const Item& item, bool written);
  std::optional<FrameIndex> aside_of(BlobId id);
  Result<void> write_map_and_superblock(Round& round);
  Result<void> die(const Error& cause);
  Result<void> run_round() REQUIRES(round_mutex_);
  void serve();

  Storage& storage_;
  FramePool& pool_;
  BlobMap& blobs_;
  Gate& gate_;
  LogSide log_;
  std::uint32_t generation_ = 0;
  std::unique_ptr<Buffers> buffers_;

  Mutex round_mutex_{Rank::kCheckpoint};
  std::atomic<std::uint64_t> epoch_{1};

  Mutex aside_mutex_{Rank::kLeaf};
  std::unordered_map<std::uint32_t, FrameIndex> aside_ GUARDED_BY(aside_mutex_);

  mutable Mutex state_mutex_{Rank::kLeaf};
  std::condition_variable state_changed_;
  bool requested_ GUARDED_BY(state_mutex_) = false;
  bool stopping_ GUARDED_BY(state_mutex_) = false;
  std::optional<Error> failure_ GUARDED_BY(state_mutex_);
  bool dead_ GUARDED_BY(state_mutex_) = false;  // K4
  Superblock last_ GUARDED_BY(state_mutex_);
  std::thread thread_;

  std::atomic<std::uint64_t> rounds_{0}, writes_{0}, copies_{0};
};

}  // namespace holt
