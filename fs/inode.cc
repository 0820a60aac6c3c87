#include "fs/inode.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

namespace holtfs {

namespace {

template <class T>
std::string_view bytes_of(const T& disk) {
  return {reinterpret_cast<const char*>(&disk), sizeof disk};
}

template <class T>
T read_disk(std::string_view bytes) {
  T disk;
  std::memcpy(&disk, bytes.data(), sizeof disk);
  return disk;
}

std::uint64_t to_disk(Time t) { return std::bit_cast<std::uint64_t>(nanoseconds(t)); }
Time from_disk(std::uint64_t t) { return Time{std::bit_cast<std::int64_t>(t)}; }

bool is_device(std::uint32_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

holt::Result<Inode> corrupt(std::string_view what, std::string_view value) {
  return holt::fail(holt::Code::kCorrupt,
                    fmt::format("an inode record of {} bytes {}", value.size(), what));
}

// False unless the extents are those of a file of this size.
bool decode_extents(std::string_view bytes, Parts parts, Inode& inode) {
  const std::size_t count = bytes.size() / sizeof(DiskExtent);
  if (bytes.size() % sizeof(DiskExtent) != 0 || count == 0 || count > kMaxExtents) return false;
  std::uint64_t size = 0;
  if (parts == Parts::kAll) inode.extents.reserve(count);
  for (; !bytes.empty(); bytes.remove_prefix(sizeof(DiskExtent))) {
    const auto disk = read_disk<DiskExtent>(bytes);
    const Extent extent{disk.segment, disk.offset, disk.length, disk.checksum};
    if (extent.length == 0 || extent.end() > kSegmentBytes) return false;
    size += extent.length;
    if (parts == Parts::kAll) inode.extents.push_back(extent);
  }
  return size == inode.size && inode.blocks == blocks_of(size);
}

bool decode_file(std::string_view tail, Parts parts, Inode& inode) {
  if (tail.size() < sizeof(DiskFileTail)) return false;
  const auto file = read_disk<DiskFileTail>(tail);
  inode.size = file.size;
  inode.blocks = file.blocks;
  tail.remove_prefix(sizeof file);
  return inode.placement == Placement::kPacked ? decode_extents(tail, parts, inode) : tail.empty();
}

// The part behind the fixed one, by type. False when it does not fit the type.
bool decode_tail(std::string_view tail, Parts parts, Inode& inode) {
  switch (inode.mode & S_IFMT) {
    case S_IFDIR:
      if (tail.size() != sizeof(DiskDirectoryTail)) return false;
      inode.entries = read_disk<DiskDirectoryTail>(tail).entries;
      return true;
    case S_IFREG: return decode_file(tail, parts, inode);
    case S_IFCHR:
    case S_IFBLK: {
      if (tail.size() != sizeof(DiskDeviceTail)) return false;
      const auto device = read_disk<DiskDeviceTail>(tail);
      inode.rdev_major = device.major;
      inode.rdev_minor = device.minor;
      return true;
    }
    case S_IFLNK:
      if (parts == Parts::kAll) inode.target = tail;
      inode.size = tail.size();
      return !tail.empty();
    case S_IFIFO:
    case S_IFSOCK: return tail.empty();
    default: return false;
  }
}

}  // namespace

Record encode(const Inode& inode) {
  DiskInode disk = {};
  disk.tag = static_cast<unsigned char>(Tag::kInode);
  disk.flags = inode.flags;
  disk.mode = static_cast<std::uint16_t>(inode.mode);
  disk.uid = inode.uid;
  disk.gid = inode.gid;
  disk.placement = static_cast<unsigned char>(inode.placement);
  disk.ino = number_of(inode.ino);
  disk.nlink = inode.nlink;
  disk.atime = to_disk(inode.atime);
  disk.btime = to_disk(inode.btime);
  disk.mtime = to_disk(inode.mtime);
  disk.ctime = to_disk(inode.ctime);
  Record out(bytes_of(disk));
  if (inode.is_directory()) {
    out.append(bytes_of(DiskDirectoryTail{inode.entries}));
  } else if (inode.is_regular()) {
    out.append(bytes_of(DiskFileTail{inode.size, inode.blocks}));
    for (const Extent& extent : inode.extents) {
      out.append(
          bytes_of(DiskExtent{extent.segment, extent.offset, extent.length, extent.checksum}));
    }
  } else if (is_device(inode.mode)) {
    out.append(bytes_of(DiskDeviceTail{inode.rdev_major, inode.rdev_minor}));
  } else if (S_ISLNK(inode.mode)) {
    out.append(inode.target);
  }
  return out;
}

holt::Result<Inode> decode_inode(std::string_view value, Parts parts) {
  if (value.size() < sizeof(DiskInode)) return corrupt("is too short", value);
  const auto disk = read_disk<DiskInode>(value);
  if (disk.tag != static_cast<unsigned char>(Tag::kInode)) return corrupt("has a bad tag", value);
  if (disk.placement > static_cast<unsigned char>(Placement::kPacked)) {
    return corrupt("has an unknown placement", value);
  }
  Inode inode;
  inode.ino = Ino{disk.ino.get()};
  inode.mode = disk.mode;
  inode.uid = disk.uid;
  inode.gid = disk.gid;
  inode.nlink = disk.nlink;
  inode.atime = from_disk(disk.atime);
  inode.btime = from_disk(disk.btime);
  inode.mtime = from_disk(disk.mtime);
  inode.ctime = from_disk(disk.ctime);
  inode.flags = disk.flags;
  inode.placement = static_cast<Placement>(disk.placement);
  if (!decode_tail(value.substr(sizeof disk), parts, inode)) {
    return corrupt(fmt::format("does not fit mode 0{:o}", inode.mode), value);
  }
  return inode;
}

Record encode(const Marker& marker) {
  DiskMarker disk = {};
  disk.tag = static_cast<unsigned char>(marker.tag);
  disk.type = marker.type;
  disk.ino = number_of(marker.ino);
  return Record(bytes_of(disk));
}

holt::Result<Marker> decode_marker(std::string_view value) {
  const auto tag = value.empty() ? Tag{} : static_cast<Tag>(value.front());
  if (tag == Tag::kInode && value.size() >= sizeof(DiskInode)) {
    const auto disk = read_disk<DiskInode>(value);
    return Marker{Tag::kInode, type_of(disk.mode), Ino{disk.ino.get()}};
  }
  if ((tag == Tag::kDirectory || tag == Tag::kLink) && value.size() == sizeof(DiskMarker)) {
    const auto disk = read_disk<DiskMarker>(value);
    return Marker{tag, disk.type, Ino{disk.ino.get()}};
  }
  return holt::fail(holt::Code::kCorrupt,
                    fmt::format("a dentry of {} bytes has a bad tag", value.size()));
}

void Inode::set_extents(std::vector<Extent> list) {
  extents = std::move(list);
  size = 0;
  for (const Extent& extent : extents) size += extent.length;
  blocks = blocks_of(size);
  placement = extents.empty() ? Placement::kNone : Placement::kPacked;
}

Attr attr_of(const Inode& inode) {
  Attr attr;
  attr.ino = inode.ino;
  attr.mode = inode.mode;
  attr.uid = inode.uid;
  attr.gid = inode.gid;
  attr.nlink = inode.nlink;
  attr.size = inode.is_directory() ? inode.entries : inode.size;
  attr.blocks = inode.blocks;
  attr.rdev_major = inode.rdev_major;
  attr.rdev_minor = inode.rdev_minor;
  attr.atime = inode.atime;
  attr.mtime = inode.mtime;
  attr.ctime = inode.ctime;
  attr.btime = inode.btime;
  return attr;
}

}  // namespace holtfs
