// Memory for what goes to and from disk.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "engine/format.h"

namespace holt {

// One blob's image, aligned as transfers of slots want it.
struct alignas(kDiskPage) BlobBuffer {
  std::array<std::byte, kBlobBytes> bytes;
};

constexpr std::size_t round_to_page(std::size_t bytes) {
  return (bytes + kDiskPage - 1) & ~(kDiskPage - 1);
}

inline bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace holt
