// The state record: what a filesystem remembers of itself as a whole.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/base/le.h"
#include "engine/base/result.h"

namespace holtfs {

inline constexpr std::uint32_t kFsVersion = 1;

// The value of NUL A.
struct DiskState {
  holt::Le32 version;
  unsigned char clean;  // 1: unmounted in order; 0: mounted, or died so
  unsigned char reserved[3];
  holt::Le64 next_ino;  // every number below may be in use
  holt::Le64 inodes;    // how many are, when clean
};
static_assert(sizeof(DiskState) == 24);
static_assert(offsetof(DiskState, next_ino) == 8);
static_assert(std::has_unique_object_representations_v<DiskState>);

struct State {
  std::uint32_t version = kFsVersion;
  bool clean = false;
  std::uint64_t next_ino = 0, inodes = 0;
};

std::string encode(const State& state);
// kCorrupt when the bytes are no state record. Whether the version is known is the caller's to ask.
holt::Result<State> decode_state(std::string_view value);

}  // namespace holtfs
