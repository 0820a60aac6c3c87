// The state record: what a filesystem remembers of itself as a whole.
//
// Thread safety: values, and functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/base/le.h"
#include "engine/base/result.h"
#include "engine/holt.h"

namespace holtfs {

inline constexpr std::uint32_t kFsVersion = 2;

// The value of NUL A.
struct DiskState {
  holt::Le32 version;
  unsigned char clean;  // 1: unmounted in order; 0: mounted, or died so
  unsigned char reserved[3];
  holt::Le64 next_ino;  // every number below may be in use
  holt::Le64 inodes;    // how many are, when clean
  holt::Le64 blocks;    // of 512 bytes that they have together, when clean
};
static_assert(sizeof(DiskState) == 32);
static_assert(offsetof(DiskState, next_ino) == 8);
static_assert(offsetof(DiskState, blocks) == 24);
static_assert(std::has_unique_object_representations_v<DiskState>);

struct State {
  std::uint32_t version = kFsVersion;
  bool clean = false;
  std::uint64_t next_ino = 0, inodes = 0, blocks = 0;
};

std::string encode(const State& state);
// kCorrupt when the bytes are no state record. Of a version that is not known only that is given;
// it is the caller's to ask.
holt::Result<State> decode_state(std::string_view value);
// The state of the filesystem in `store`; nothing when there is none. kCorrupt, or kInvalid when it
// is of another version, with `path` in the sentence.
holt::Result<std::optional<State>> read_state(const holt::Store& store, const std::string& path);

}  // namespace holtfs
