#include "fs/state.h"

#include <cstring>

namespace holtfs {

std::string encode(const State& state) {
  DiskState disk = {};
  disk.version = state.version;
  disk.clean = state.clean ? 1 : 0;
  disk.next_ino = state.next_ino;
  disk.inodes = state.inodes;
  return {reinterpret_cast<const char*>(&disk), sizeof disk};
}

holt::Result<State> decode_state(std::string_view value) {
  DiskState disk;
  if (value.size() != sizeof disk) {
    return holt::fail(holt::Code::kCorrupt, "the filesystem's state record has a wrong size");
  }
  std::memcpy(&disk, value.data(), sizeof disk);
  return State{.version = disk.version,
               .clean = disk.clean != 0,
               .next_ino = disk.next_ino,
               .inodes = disk.inodes};
}

}  // namespace holtfs
