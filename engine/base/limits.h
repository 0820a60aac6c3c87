// How large things may be. What reaches the disk is in engine/format.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holt {

inline constexpr std::size_t kMaxKeyBytes = 32 * 1024;
inline constexpr std::size_t kMaxValueBytes = 64 * 1024;
// What one batch may occupy in the log, keys and values included. Its puts, which may all belong
// into one blob, must besides fit into half a blob, 256 KiB, with keys counted twice and 576 bytes
// for each.
inline constexpr std::size_t kMaxBatchBytes = 1024 * 1024;
// Blobs one batch may touch; keys that lie close together share one.
inline constexpr std::size_t kMaxBatchOps = 64;

inline constexpr std::uint64_t kMinCacheBytes = 16u << 20;

inline constexpr std::uint32_t kMaxBlobs = 1u << 24;  // 8 TiB of blobs
// How far behind the last frame an optimistic reader may look: the largest clamped leaf or prefix.
inline constexpr std::size_t kFramePad = 256 * 1024;

}  // namespace holt
