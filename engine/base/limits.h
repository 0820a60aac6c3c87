// How large things may be. What reaches the disk is in engine/format.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holt {

inline constexpr std::size_t kMaxKeyBytes = 32 * 1024;
inline constexpr std::size_t kMaxValueBytes = 64 * 1024;
// What the changes of one batch may occupy in the log, keys and values included; with the record's
// header they must also fit into a quarter of the log. All of them may belong into one blob, so
// they must besides fit into half a blob, 256 KiB, with the keys of puts counted twice and 576
// bytes for each; into 192 KiB when there are moves, which count their new prefix three times and
// 600 bytes.
inline constexpr std::size_t kMaxBatchBytes = 1024 * 1024;
// Steps of one batch: changes and preconditions.
inline constexpr std::size_t kMaxBatchOps = 64;

inline constexpr std::uint64_t kMinCacheBytes = 16u << 20;

inline constexpr std::uint32_t kMaxBlobs = 1u << 24;  // 8 TiB of blobs
// How far behind the last frame an optimistic reader may look: the largest clamped leaf or prefix.
inline constexpr std::size_t kFramePad = 256 * 1024;

}  // namespace holt
