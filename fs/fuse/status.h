// What a mount says of itself: the answer to kStatusIoctl on its root directory.
//
// Who may open the directory may ask. Numbers are the machine's own: question and answer do not
// leave it. The size is part of the ioctl's number, so that programs of different versions do not
// understand each other (ENOTTY) instead of misunderstanding; a new layout of the same size takes
// another number.
//
// Thread safety: values.
#pragma once

#include <linux/ioctl.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "fs/fuse/opcodes.h"

namespace holtfs {

enum class Transport : std::uint32_t { kDevice = 0, kUring = 1 };

struct MountStatus {
  Transport transport;      // by which this request came
  std::uint32_t read_only;  // 1: mounted so, or turned so by a failed sync
  std::uint64_t pid;        // of the daemon
  std::uint64_t nodes;      // files and directories in the daemon's memory
  std::uint64_t lookups;    // references to them that the kernel holds
  std::uint64_t cache_bytes, cache_bytes_limit;
  std::uint64_t blob_reads, blob_writes, evictions;
  std::uint64_t checkpoints, syncs;
  std::uint64_t log_bytes, log_bytes_limit;
  std::uint64_t log_applied, log_durable, log_checkpointed;  // positions
  std::uint64_t log_waits;                                   // for room in it
  std::uint64_t passed_through;                              // files, right now
  std::uint64_t requests[kMaxOpcodes];                       // by opcode, since the mount
  char options[1024];                                        // in force, as for -o; ends with NUL
};
static_assert(offsetof(MountStatus, pid) == 8);
static_assert(offsetof(MountStatus, requests) == 18 * 8);
static_assert(sizeof(MountStatus) == (18 + kMaxOpcodes) * 8 + 1024);
static_assert(std::has_unique_object_representations_v<MountStatus>);

inline constexpr unsigned kStatusIoctl = _IOR('h', 1, MountStatus);

}  // namespace holtfs
