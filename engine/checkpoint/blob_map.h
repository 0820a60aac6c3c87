// Blob ids: which exist, and where the newest image of each lies on disk.
//
// Two states are kept apart: the current one, in memory, and the durable one, which a superblock
// names. A slot or id that the current state gave up in epoch e may be used again only when the
// checkpoint that ends epoch e is durable, for until then recovery would go back to a state that
// needs it.
//
// Invariants:
//   C1  An image is never overwritten: every write goes to a slot that neither the durable nor the
//       current state refers to.
//   C2  An id is reused only after the checkpoint of the epoch it was freed in.
//   C3  Each slot is either free, or named by exactly one current entry, or pending.
//
// Thread safety: every method from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/result.h"
#include "engine/base/types.h"
#include "engine/checkpoint/slot_space.h"

namespace holt {

// Where an image lies.
struct BlobImage {
  Slot slot = kNoSlot;
  std::uint32_t used = 0;
  std::uint64_t checksum = 0;
};

// The state a checkpoint writes: taken at the gate, completed as images are written.
struct MapSnapshot {
  struct Entry {
    BlobImage image;
    bool exists = false;
  };
  std::vector<Entry> entries;  // by blob id
  std::vector<BlobId> drops;
};

class BlobMap {
 public:
  // kNoSpace when there are kMaxBlobs blobs.
  Result<BlobId> allocate();
  // The id was allocated inside the same stay in the gate, and no state has seen it.
  void cancel(BlobId id);
  // The blob no longer exists from `epoch` on.
  void free(BlobId id, std::uint64_t epoch);
  bool exists(BlobId id) const;
  std::uint64_t count() const;

  // The newest image; slot is kNoSlot when it was never written.
  BlobImage image(BlobId id) const;

  Slot take_slot();
  // A write to the slot failed: nothing refers to it.
  void cancel_slot(Slot slot);
  // The blob's newest image, taken at the start of `epoch`'s checkpoint. The old one's slot is
  // pending.
  void set_image(BlobId id, const BlobImage& image, std::uint64_t epoch);

  // Roots of subtrees cut off the tree, whose descendants are still to be freed.
  void push_drops(std::span<const BlobId> ids);
  bool next_drop(BlobId& id) const;
  // `id` was freed and its children take its place, as one change.
  void finish_drop(BlobId id, std::span<const BlobId> children);
  // It cannot be finished now: all others come first.
  void defer_drop(BlobId id);

  MapSnapshot snapshot() const;
  // The checkpoint that ended `epoch` is durable: what was given up until then is free.
  void commit(std::uint64_t epoch);
  // Slots whose space the host may take, and where the file ends.
  std::vector<Slot> take_discardable(std::uint32_t& end);
  void usage(std::uint64_t& slots_in_use, std::uint64_t& slots_in_file) const;

  // Disk form: DiskMapHeader and what follows it.
  static std::vector<std::byte> encode(const MapSnapshot& snapshot, std::uint64_t sequence);
  // Takes over a map read from disk. kCorrupt, with what is wrong.
  Result<void> decode(std::span<const std::byte> bytes, std::uint64_t sequence);

 private:
  struct Pending {
    std::uint64_t epoch;
    Slot slot;  // kNoSlot: an id
    std::uint32_t id;
  };

  mutable Mutex mutex_{Rank::kLeaf};
  std::vector<MapSnapshot::Entry> entries_ GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_ids_ GUARDED_BY(mutex_);
  bool droppable(BlobId id) const REQUIRES(mutex_);

  std::vector<BlobId> drops_ GUARDED_BY(mutex_);
  std::vector<Pending> pending_ GUARDED_BY(mutex_);
  SlotSpace space_ GUARDED_BY(mutex_);
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holt
