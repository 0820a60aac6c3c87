// Inode: the attributes of one file or directory, and the record that holds them on disk.
//
// A record ends where the fields of its kind end: behind the fixed part a symlink's has its target,
// a fifo's nothing. The fields that one operation changes lie side by side: a write patches mtime
// to blocks, a create patches the directory's mtime to entries, each as one short patch.
//
// Thread safety: values and pure functions.
// Invariants:
//   R1  nlink of a directory = 2 + its subdirectories; of any other file = its dentries.
//   R2  entries of a directory = its dentries.
//   R3  kHasXattrs is set exactly when at least one xattr key of the inode exists; each other flag
//       when the xattr it stands for does.
//   R4  An access ACL says the same as the mode, and more.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/le.h"
#include "engine/base/result.h"
#include "fs/bytes.h"
#include "fs/times.h"

namespace holtfs {

enum class Ino : std::uint64_t {};
constexpr std::uint64_t number_of(Ino ino) { return static_cast<std::uint64_t>(ino); }
inline constexpr Ino kRootIno{1};

// First byte of every value under a dentry key, and of inode records.
enum class Tag : std::uint8_t {
  kInode = 1,      // DiskInode and what follows it
  kDirectory = 2,  // DiskMarker: a child directory, whose record lies under its own prefix
  kLink = 3,       // DiskMarker: a file whose record lies in the link space
};

enum InodeFlag : std::uint8_t {
  kHasXattrs = 1,
  // What is among them:
  kHasCapability = 2,  // security.capability, which goes when the file changes
  kHasAccessAcl = 4,
  kHasDefaultAcl = 8,  // a directory's, which what is made in it inherits
  // Not about xattrs: the host file knows size and times better (data/passed_files.h).
  kHostAhead = 16,
};

inline constexpr std::string_view kCapabilityXattr = "security.capability";
inline constexpr std::string_view kAccessAclXattr = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclXattr = "system.posix_acl_default";
// What the record of a file with this xattr says.
constexpr std::uint8_t flags_of_xattr(std::string_view name) {
  if (name == kCapabilityXattr) return kHasXattrs | kHasCapability;
  if (name == kAccessAclXattr) return kHasXattrs | kHasAccessAcl;
  return name == kDefaultAclXattr ? kHasXattrs | kHasDefaultAcl : kHasXattrs;
}

enum class Placement : std::uint8_t {
  kNone = 0,    // no contents: size is 0, there is no host file
  kBulk = 1,    // one host file (data/bulk.h)
  kPacked = 2,  // extents of segments (data/segments.h), which add up to the size
};

// Bytes of one file in a segment.
struct Extent {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0, length = 0;  // bytes; length is not 0
  std::uint64_t checksum = 0;            // of all of them

  std::uint64_t end() const { return std::uint64_t{offset} + length; }
  bool operator==(const Extent&) const = default;
};
inline constexpr std::size_t kMaxExtents = 16;  // of one file
inline constexpr std::uint32_t kSegmentBytes = 64u << 20;

struct DiskInode {
  unsigned char tag;
  unsigned char flags;
  holt::Le16 mode;  // type and permissions
  holt::Le32 uid;
  holt::Le32 gid;
  unsigned char placement;
  unsigned char reserved[3];
  holt::Le64 ino;
  holt::Le64 atime;  // nanoseconds since 1970, two's complement
  holt::Le64 btime;
  holt::Le64 nlink;
  holt::Le64 mtime;
  holt::Le64 ctime;
};
static_assert(sizeof(DiskInode) == 64);
static_assert(offsetof(DiskInode, ino) == 16);
static_assert(offsetof(DiskInode, nlink) == 40);
static_assert(offsetof(DiskInode, mtime) == 48);
static_assert(std::has_unique_object_representations_v<DiskInode>);

struct DiskDirectoryTail {
  holt::Le64 entries;
};
static_assert(sizeof(DiskDirectoryTail) == 8);

struct DiskFileTail {
  holt::Le64 size;
  holt::Le64 blocks;  // of 512 bytes: the host's, or blocks_of() the size of a packed file
};
static_assert(sizeof(DiskFileTail) == 16);

// Behind the DiskFileTail of a packed file, up to kMaxExtents of them, in the order of the file.
struct DiskExtent {
  holt::Le32 segment;
  holt::Le32 offset;
  holt::Le32 length;
  holt::Le64 checksum;
};
static_assert(sizeof(DiskExtent) == 20);
static_assert(std::has_unique_object_representations_v<DiskExtent>);

struct DiskDeviceTail {
  holt::Le32 major;
  holt::Le32 minor;
};
static_assert(sizeof(DiskDeviceTail) == 8);

// What a dentry holds when the inode record is elsewhere.
struct DiskMarker {
  unsigned char tag;
  unsigned char type;  // as d_type of readdir(3)
  holt::Le64 ino;
};
static_assert(sizeof(DiskMarker) == 10);
static_assert(std::has_unique_object_representations_v<DiskMarker>);

struct Inode {
  Ino ino{};
  std::uint32_t mode = 0;
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t nlink = 0;
  Time atime{}, btime{}, mtime{}, ctime{};
  std::uint64_t entries = 0;                     // directories
  std::uint64_t size = 0, blocks = 0;            // regular files
  std::uint32_t rdev_major = 0, rdev_minor = 0;  // devices
  std::uint8_t flags = 0;
  Placement placement = Placement::kNone;
  std::string target;           // symlinks
  std::vector<Extent> extents;  // kPacked

  // Makes the file one whose contents are these; without any it is empty.
  void set_extents(std::vector<Extent> list);
  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
};

constexpr std::uint64_t blocks_of(std::uint64_t bytes) { return (bytes + 511) / 512; }

struct Marker {
  Tag tag{};
  std::uint8_t type = 0;
  Ino ino{};
};

// Long enough for any record but a long symlink's.
using Record = Bytes<256>;

Record encode(const Inode& inode);
// What of a record is wanted. Without its lists (target and extents) it needs no memory from the
// heap, and must not be encoded again.
enum class Parts : std::uint8_t { kAll, kAttributes };
// kCorrupt when the bytes are no inode record.
holt::Result<Inode> decode_inode(std::string_view value, Parts parts = Parts::kAll);

Record encode(const Marker& marker);
// The marker that a value under a dentry key is, or stands for: a full record yields tag kInode.
holt::Result<Marker> decode_marker(std::string_view value);

constexpr std::uint8_t type_of(std::uint32_t mode) { return (mode & S_IFMT) >> 12; }

// What stat(2) and statx(2) show.
struct Attr {
  Ino ino{};
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::uint64_t nlink = 0, size = 0, blocks = 0;
  std::uint32_t rdev_major = 0, rdev_minor = 0;
  Time atime{}, mtime{}, ctime{}, btime{};
};
Attr attr_of(const Inode& inode);

}  // namespace holtfs
