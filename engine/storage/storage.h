// The seam under the engine: slots for blobs, two maps, two superblocks, one log ring.
//
// Nothing above this interface may assume a local file: a later backend can put the same things
// into an object store. Written bytes may be lost, torn at 512 bytes or reordered by a crash until
// the matching sync returned.
//
// Thread safety: every method may be called from any thread; calls on different slots or areas run
// at once. The caller never writes one slot or area from two threads.
//
// Invariants:
//   S1  A slot is read and written from its start, in whole pages, kBlobBytes at most.
//   S2  A superblock fits its area.
//   S3  A range of the log that is synced is not empty and lies inside the ring.
//   S4  No more writes of slots are in flight than the queue to the kernel has places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt {

class Storage {
 public:
  virtual ~Storage() = default;

  // A buffer at a multiple of kDiskPage in memory, of a multiple of kDiskPage bytes, at most
  // kBlobBytes.
  struct SlotWrite {
    Slot slot;
    std::span<const std::byte> bytes;
  };

  // ---- blob slots
  // Reads the first out.size() bytes of a slot (alignment as SlotWrite). kIo when it is cut short.
  virtual Result<void> read_slot(Slot slot, std::span<std::byte> out) = 0;
  // Writes all; they are durable after sync_slots(). After an error any of them may be half
  // written.
  virtual Result<void> write_slots(std::span<const SlotWrite> writes) = 0;
  virtual Result<void> sync_slots() = 0;
  // The contents are no longer needed; the space may go back to the host. Best effort.
  virtual void discard_slots(std::span<const Slot> slots) = 0;
  // What is in slots from `count` on is no longer needed; they may be written again.
  virtual Result<void> truncate_slots(std::uint32_t count) = 0;

  // ---- maps and superblocks
  enum class Area : std::uint8_t { kSuper0, kSuper1, kMap0, kMap1 };
  // The whole area; empty when it was never written.
  virtual Result<std::vector<std::byte>> read_area(Area area) = 0;
  // Replaces the whole area; durable after sync_area().
  virtual Result<void> write_area(Area area, std::span<const std::byte> bytes) = 0;
  virtual Result<void> sync_area(Area area) = 0;

  // ---- log ring
  // Maps the ring: `bytes` of memory, mirrored once behind itself, so that a record may be written
  // across the end. A fresh store's is created zero-filled on disk. The pages belong to the
  // storage until it is destroyed. Read-only storage gives private pages.
  virtual Result<std::byte*> map_log(std::uint64_t bytes, std::uint32_t segments) = 0;
  // Makes ring bytes [from, to) durable; offsets from the ring's start, from < to <= ring size.
  virtual Result<void> sync_log(std::uint64_t from, std::uint64_t to) = 0;

  // The store is about to be closed: whoever wants to open it should wait.
  virtual void announce_close() {}

  // True when the store was made by this open: nothing is in it yet.
  virtual bool fresh() const = 0;
  virtual bool read_only() const = 0;
};

struct PosixStorageOptions {
  bool create = true;
  bool read_only = false;  // shared lock; slot writes go to a temporary file and are seen by reads
  bool io_uring = true;    // false, or when the kernel refuses: pread/pwrite
};

// The store's directory on a host filesystem. Takes the exclusive (read_only: shared) lock.
// Errors: kBusy with a sentence that says what to do; kInvalid when the directory holds something
// else.
Result<std::unique_ptr<Storage>> open_posix_storage(const std::string& path,
                                                    const PosixStorageOptions& options);

}  // namespace holt
