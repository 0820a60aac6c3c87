#include "engine/checkpoint/superblock.h"

#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "engine/base/buffer.h"
#include "engine/base/checksum.h"
#include "engine/checkpoint/blob_map.h"
#include "engine/format.h"
#include "engine/storage/storage.h"

namespace holt {

namespace {

constexpr std::size_t kChecked = offsetof(DiskSuperblock, version);

std::uint64_t superblock_checksum(const DiskSuperblock& disk) {
  return checksum(std::as_bytes(std::span(&disk, 1)).subspan(kChecked));
}

Result<Superblock> decode(const DiskSuperblock& disk, unsigned area) {
  if (disk.magic != kSuperblockMagic) return fail(Code::kCorrupt, "it has no magic");
  if (disk.checksum != superblock_checksum(disk))
    return fail(Code::kCorrupt, "its checksum is wrong");
  if (disk.version != kFormatVersion) {
    return fail(Code::kInvalid,
                fmt::format("the store has format version {}, this program reads {}",
                            disk.version.get(), kFormatVersion));
  }
  if (disk.map_area != area) return fail(Code::kCorrupt, "it names the other map");
  Superblock out;
  out.sequence = disk.sequence;
  out.area = area;
  out.replay_from = Lsn{disk.replay_from.get()};
  out.map_bytes = disk.map_bytes;
  out.map_checksum = disk.map_checksum;
  out.wal_bytes = disk.wal_bytes;
  out.wal_segments = disk.wal_segments;
  out.generation = disk.generation;
  out.uuid = disk.uuid;
  return out;
}

// The newest valid copy in an area; nothing when none was ever written. kCorrupt when there is none
// any more: the one that is lost may have been the newest of all.
Result<std::optional<Superblock>> read_area(Storage& storage, unsigned area,
                                            std::vector<std::string>& problems) {
  auto bytes = storage.read_area(area == 0 ? Storage::Area::kSuper0 : Storage::Area::kSuper1);
  if (!bytes) return pass(bytes);
  if (bytes->empty()) return std::nullopt;
  bytes->resize(kSuperblockStride);
  std::optional<Superblock> best;
  std::vector<std::string> faults;
  bool cut_short = false;
  for (std::size_t copy = 0; copy < kSuperblockCopies; ++copy) {
    DiskSuperblock disk;
    std::memcpy(&disk, bytes->data() + copy * kSuperblockCopyStride, sizeof disk);
    if (all_zero(std::as_bytes(std::span(&disk, 1)))) {
      cut_short = true;
      continue;
    }
    auto superblock = decode(disk, area);
    if (superblock) {
      if (!best || superblock->sequence > best->sequence) best = *superblock;
    } else if (superblock.error().code() == Code::kCorrupt) {
      faults.push_back(
          fmt::format("superblock {}, copy {}: {}", area, copy, superblock.error().text()));
    } else {
      return pass(superblock);
    }
  }
  // The area's first write failed or was cut short by a crash: nobody relies on it.
  if (cut_short) return best;
  if (best) {
    problems.insert(problems.end(), faults.begin(), faults.end());
    return best;
  }
  std::string all;
  for (const std::string& fault : faults) all += (all.empty() ? "" : "; ") + fault;
  return fail(Code::kCorrupt, fmt::format("no copy of a superblock can be used ({})", all));
}

Result<void> read_map(Storage& storage, const Superblock& superblock, BlobMap& blobs) {
  auto bytes =
      storage.read_area(superblock.area == 0 ? Storage::Area::kMap0 : Storage::Area::kMap1);
  if (!bytes) return pass(bytes);
  if (bytes->size() < superblock.map_bytes)
    return fail(Code::kCorrupt, "its blob map is cut short");
  bytes->resize(superblock.map_bytes);
  if (checksum(*bytes) != superblock.map_checksum) {
    return fail(Code::kCorrupt, "its blob map's checksum is wrong");
  }
  return blobs.decode(*bytes, superblock.sequence);
}

}  // namespace

Result<void> write_superblock(Storage& storage, const Superblock& superblock) {
  DiskSuperblock disk{};
  disk.magic = kSuperblockMagic;
  disk.version = kFormatVersion;
  disk.map_area = superblock.area;
  disk.sequence = superblock.sequence;
  disk.replay_from = position_of(superblock.replay_from);
  disk.map_bytes = superblock.map_bytes;
  disk.map_checksum = superblock.map_checksum;
  disk.wal_bytes = superblock.wal_bytes;
  disk.wal_segments = superblock.wal_segments;
  disk.generation = superblock.generation;
  disk.uuid = superblock.uuid;
  disk.checksum = superblock_checksum(disk);
  std::array<std::byte, kSuperblockStride> page{};
  for (std::size_t copy = 0; copy < kSuperblockCopies; ++copy) {
    std::memcpy(page.data() + copy * kSuperblockCopyStride, &disk, sizeof disk);
  }
  const auto area = superblock.area == 0 ? Storage::Area::kSuper0 : Storage::Area::kSuper1;
  auto written = storage.write_area(area, page);
  if (written) written = storage.sync_area(area);
  return written;
}

Result<Superblock> read_superblock(Storage& storage, BlobMap& blobs,
                                   std::vector<std::string>& problems) {
  std::optional<Superblock> newest;
  unsigned valid = 0;
  for (unsigned area = 0; area < 2; ++area) {
    auto found = read_area(storage, area, problems);
    if (!found) return pass(found);
    if (*found) ++valid;
    if (*found && (!newest || (*found)->sequence > newest->sequence)) newest = **found;
  }
  if (!newest) {
    return fail(Code::kCorrupt, "no superblock can be used (none was ever written)");
  }
  // The second one was durable before the third was written.
  if (valid < 2 && newest->sequence > 1) {
    return fail(Code::kCorrupt, fmt::format("superblock {} is gone, and may have been the newest",
                                            newest->area ^ 1u));
  }
  if (auto map = read_map(storage, *newest, blobs); !map) {
    return fail(map.error().code(),
                fmt::format("superblock {}: {}", newest->area, map.error().to_string()));
  }
  return *newest;
}

}  // namespace holt
