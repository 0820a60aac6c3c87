#include "fs/data/allocation.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace holtfs {

namespace {

std::uint64_t round_up(std::uint64_t n, std::uint64_t block) {
  return (n + block - 1) / block * block;
}

// The first part of the range that has blocks, empty when there is none; nothing when the host
// cannot say.
std::optional<Range> first_extent(const HostFile& file, Range range) {
  alignas(struct fiemap) unsigned char room[sizeof(struct fiemap) + sizeof(fiemap_extent)] = {};
  auto* const map = reinterpret_cast<struct fiemap*>(room);
  map->fm_start = range.offset;
  map->fm_length = range.length;
  map->fm_extent_count = 1;
  if (ioctl(file.fd(), FS_IOC_FIEMAP, map) != 0) return std::nullopt;
  if (map->fm_mapped_extents == 0) return Range{range.end(), 0};
  const fiemap_extent& extent = map->fm_extents[0];
  return Range{extent.fe_logical, extent.fe_length};
}

// The same by what was written, on hosts such as tmpfs.
Range first_data(const HostFile& file, Range range) {
  const off_t data = lseek(file.fd(), static_cast<off_t>(range.offset), SEEK_DATA);
  if (data < 0 || static_cast<std::uint64_t>(data) >= range.end()) return {range.end(), 0};
  const off_t hole = lseek(file.fd(), data, SEEK_HOLE);
  if (hole <= data) return {range.end(), 0};
  return {static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)};
}

// Whether a block that holds no data is reserved: then reserving it again takes no more.
bool is_reserved(const HostFile& file, Range block) {
  const auto offset = static_cast<off_t>(block.offset);
  const auto length = static_cast<off_t>(block.length);
  const auto before = file.extent();
  if (!before || fallocate(file.fd(), FALLOC_FL_KEEP_SIZE, offset, length) != 0) return false;
  const auto after = file.extent();
  if (after && after->blocks <= before->blocks) return true;
  (void)fallocate(file.fd(), FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
  return false;
}

}  // namespace

Range whole_blocks(Range range, std::uint64_t block) {
  const std::uint64_t begin = range.offset / block * block;
  return {begin, round_up(range.end(), block) - begin};
}

std::uint64_t allocated_run(const HostFile& file, Range range, std::uint64_t block) {
  const Range whole = whole_blocks(range, block);
  const std::optional<Range> extent = first_extent(file, whole);
  const Range found = extent ? *extent : first_data(file, whole);
  std::uint64_t end = found.length > 0 && found.offset <= whole.offset
                          ? round_up(found.end(), block)
                          : whole.offset;
  if (end == whole.offset && !extent && is_reserved(file, {whole.offset, block})) end += block;
  return end <= range.offset ? 0 : std::min(end, range.end()) - range.offset;
}

std::uint64_t missing_bytes(const HostFile& file, Range range, std::uint64_t block) {
  const Range whole = whole_blocks(range, block);
  std::uint64_t missing = 0, at = whole.offset;
  while (at < whole.end()) {
    const Range rest = {at, whole.end() - at};
    const std::optional<Range> extent = first_extent(file, rest);
    const Range found = extent ? *extent : first_data(file, rest);
    const std::uint64_t begin = std::clamp(found.offset / block * block, at, whole.end());
    missing += begin - at;
    if (found.length == 0) break;
    at = std::max(round_up(found.end(), block), begin + block);
  }
  return missing;
}

}  // namespace holtfs
