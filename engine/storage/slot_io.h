// Reads slots, and writes many at once: through io_uring, or one after the other where the kernel
// refuses it.
//
// Only batches gain from io_uring: a checkpoint hands over 8 images at a time. A single write, and
// every read, is a plain system call.
//
// Thread safety: any thread; batches through io_uring take turns.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/base/result.h"
#include "engine/storage/storage.h"

namespace holt {

class SlotIo {
 public:
  // `fd` is the blob file and outlives this; `shown` names it in errors.
  SlotIo(int fd, std::string shown, bool io_uring);
  ~SlotIo();

  // Fails when the slot is cut short.
  Result<void> read(Slot slot, std::span<std::byte> out) const;
  Result<void> write(std::span<const Storage::SlotWrite> writes);

 private:
  class UringBatch;
  struct Ring;

  Result<void> write_in_turn(std::span<const Storage::SlotWrite> writes);

  const int fd_;
  const std::string shown_;
  std::unique_ptr<Ring> ring_;  // null: pwrite
};

}  // namespace holt
