// Strong types for the numbers that must not be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace holt {

// Names one blob for as long as it lives; small and dense, reused after the blob is gone.
enum class BlobId : std::uint32_t {};
inline constexpr BlobId kRootBlob{0};
constexpr std::uint32_t index_of(BlobId id) { return static_cast<std::uint32_t>(id); }

// A byte position in the endless log. The log keeps a window of it.
enum class Lsn : std::uint64_t {};
constexpr std::uint64_t position_of(Lsn lsn) { return static_cast<std::uint64_t>(lsn); }
constexpr auto operator<=>(Lsn a, Lsn b) { return position_of(a) <=> position_of(b); }
constexpr Lsn operator+(Lsn lsn, std::uint64_t bytes) { return Lsn{position_of(lsn) + bytes}; }
constexpr std::uint64_t operator-(Lsn a, Lsn b) { return position_of(a) - position_of(b); }

// Places of 512 KiB in the blob file.
enum class Slot : std::uint32_t {};
inline constexpr Slot kNoSlot{0xffffffff};
constexpr std::uint32_t index_of(Slot slot) { return static_cast<std::uint32_t>(slot); }

}  // namespace holt
