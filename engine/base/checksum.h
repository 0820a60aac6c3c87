// XXH3-64, the checksum of everything on disk.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holt {

std::uint64_t checksum(std::span<const std::byte> bytes);

// The checksum of `head` followed by `tail`, as if they lay in one piece: for a header whose own
// checksum field must be taken as zero, and what follows it.
std::uint64_t checksum(std::span<const std::byte> head, std::span<const std::byte> tail);

}  // namespace holt
