// Which parts of a host file have blocks on the host, also those that were reserved and never
// written.
//
// Asked when there is no room for what an operation may need at most, to tell what it really needs.
//
// Thread safety: the file must not change meanwhile.
#pragma once

#include <cstdint>

#include "fs/data/bulk.h"

namespace holtfs {

struct Range {
  std::uint64_t offset = 0, length = 0;  // bytes; the end is at most that of an off_t

  std::uint64_t end() const { return offset + length; }
};

// The range with the blocks of `block` bytes that it begins and ends in.
Range whole_blocks(Range range, std::uint64_t block);
// How many bytes of the range, from its beginning on, lie in blocks that are there.
std::uint64_t allocated_run(const HostFile& file, Range range, std::uint64_t block);
// How many bytes the blocks have that the range lacks; too many where the host does not say what is
// reserved.
std::uint64_t missing_bytes(const HostFile& file, Range range, std::uint64_t block);

}  // namespace holtfs
