#include "fs/state.h"

#include <fmt/format.h>

#include <cstring>

#include "fs/schema.h"

namespace holtfs {

std::string encode(const State& state) {
  DiskState disk = {};
  disk.version = state.version;
  disk.clean = state.clean ? 1 : 0;
  disk.next_ino = state.next_ino;
  disk.inodes = state.inodes;
  disk.blocks = state.blocks;
  return {reinterpret_cast<const char*>(&disk), sizeof disk};
}

holt::Result<State> decode_state(std::string_view value) {
  DiskState disk;
  holt::Le32 version;
  if (value.size() >= sizeof version) {
    std::memcpy(&version, value.data(), sizeof version);
    if (version != kFsVersion) return State{.version = version};
  }
  if (value.size() != sizeof disk) {
    return holt::fail(holt::Code::kCorrupt, "the filesystem's state record has a wrong size");
  }
  std::memcpy(&disk, value.data(), sizeof disk);
  return State{.version = disk.version,
               .clean = disk.clean != 0,
               .next_ino = disk.next_ino,
               .inodes = disk.inodes,
               .blocks = disk.blocks};
}

holt::Result<std::optional<State>> read_state(const holt::Store& store, const std::string& path) {
  std::string value;
  const auto got = store.get(schema::state_key(), value);
  if (!got && got.error().code() == holt::Code::kNotFound) return std::nullopt;
  if (!got) return std::unexpected(got.error());
  const auto state = decode_state(value);
  if (!state) return std::unexpected(state.error());
  if (state->version != kFsVersion) {
    return holt::fail(holt::Code::kInvalid,
                      fmt::format("{} holds a filesystem of version {}; this program knows {}",
                                  path, state->version, kFsVersion));
  }
  return *state;
}

}  // namespace holtfs
