// Reading and writing superblocks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt {

class Storage;
class BlobMap;

struct Superblock {
  std::uint64_t sequence = 0;  // 0: none was ever written
  unsigned area = 0;           // which of the two superblocks and maps it is
  Lsn replay_from{};
  std::uint64_t map_bytes = 0;
  std::uint64_t map_checksum = 0;
  std::uint64_t wal_bytes = 0;
  std::uint32_t wal_segments = 0;
  std::uint32_t generation = 0;
  std::array<unsigned char, 16> uuid{};
};

// Writes and syncs the superblock's area. After an error nobody knows what is on disk there.
Result<void> write_superblock(Storage& storage, const Superblock& superblock);

// The newest superblock; its map is decoded into `blobs`. Damage that does no harm (one of the two
// copies in an area) is appended to `problems`. kCorrupt when no superblock is valid, neither copy
// in an area that was written, or not the newest one's map; an older superblock is no way out then,
// for what it refers to may be overwritten. kInvalid when it is of another format version.
Result<Superblock> read_superblock(Storage& storage, BlobMap& blobs,
                                   std::vector<std::string>& problems);

}  // namespace holt
