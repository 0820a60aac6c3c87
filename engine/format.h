// Every struct, constant and offset that reaches the disk. man/holtfs-format.5 says the same in
// prose; both change in one commit.
//
// All integers are little-endian. Checksums are XXH3-64. A store is a directory:
//   superblock   two superblocks, 4096 bytes apart, written in turn, each in two copies
//   map.0 map.1  blob maps, written in turn: blob id -> slot, size, checksum
//   blobs        slots of 512 KiB, each holding one blob's image or free
//   wal.N        the segments of the log ring
//   LOCK         held while the store is open
// State = the blobs that the newest valid superblock's map names + the log records from its
// replay position on. Nothing that a durable superblock refers to is ever overwritten.
//
// Downside: a checkpoint rewrites whole blobs, so a store far larger than its cache, changed at
// random, writes up to 512 KiB for each changed key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/base/le.h"

namespace holt {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kDiskPage = 4096;  // unit of slot transfers

// ---- superblock -------------------------------------------------------------------------------

inline constexpr std::uint64_t kSuperblockMagic = 0x6b6c62'74'6c6f'68ULL;  // "holtblk"
inline constexpr std::size_t kSuperblockStride = 4096;
// Each of the two superblocks is written twice into its page: a rotten sector costs nothing.
inline constexpr std::size_t kSuperblockCopies = 2;
inline constexpr std::size_t kSuperblockCopyStride = 2048;

struct DiskSuperblock {
  Le64 magic;
  Le64 checksum;  // of the bytes after this field
  Le32 version;
  Le32 map_area;      // 0 or 1: which map file belongs to this superblock
  Le64 sequence;      // number of this superblock; the larger valid one counts
  Le64 replay_from;   // LSN of the first record that the blobs do not hold
  Le64 map_bytes;     // size of the map
  Le64 map_checksum;  // of the whole map
  Le64 wal_bytes;     // size of the log ring
  Le32 wal_segments;  // number of segment files, all of one size
  Le32 generation;    // of the records from replay_from on
  std::array<unsigned char, 16> uuid;
  std::array<unsigned char, 424> reserved;  // zero
};
static_assert(sizeof(DiskSuperblock) == 512);
static_assert(offsetof(DiskSuperblock, version) == 16);
static_assert(offsetof(DiskSuperblock, sequence) == 24);
static_assert(offsetof(DiskSuperblock, uuid) == 72);
static_assert(std::has_unique_object_representations_v<DiskSuperblock>);

// ---- blob map ---------------------------------------------------------------------------------

inline constexpr std::uint64_t kMapMagic = 0x70616d'74'6c6f'68ULL;  // "holtmap"

// Followed by `entries` DiskMapEntry, indexed by blob id, then `drops` Le32 blob ids: blobs that
// were cut off the tree and whose descendants are still to be freed.
struct DiskMapHeader {
  Le64 magic;
  Le64 sequence;  // that of the superblock it belongs to
  Le32 entries;
  Le32 drops;
};
static_assert(sizeof(DiskMapHeader) == 24);
static_assert(std::has_unique_object_representations_v<DiskMapHeader>);

inline constexpr std::uint32_t kDiskNoSlot = 0xffffffff;

struct DiskMapEntry {
  Le32 slot;      // kDiskNoSlot: no blob has this id
  Le32 used;      // bytes of the image
  Le64 checksum;  // the image's; also in its header
};
static_assert(sizeof(DiskMapEntry) == 16);
static_assert(std::has_unique_object_representations_v<DiskMapEntry>);

// ---- blob -------------------------------------------------------------------------------------

inline constexpr std::size_t kBlobBytes = 512 * 1024;
inline constexpr std::uint64_t kBlobMagic = 0x626f6c'62'6c6f'68ULL;  // "holblob"

// The first bytes of a blob. The nodes follow; a node reference is an offset in units of 8 bytes
// from the blob's start, 0 meaning none.
struct DiskBlobHeader {
  Le64 magic;
  Le64 checksum;  // of header and nodes up to `used`, this field taken as zero
  Le32 id;
  Le32 used;  // bytes in use from the blob's start: all nodes lie below
  Le32 dead;  // of them, bytes of nodes no longer referenced
  Le16 root;  // reference of the root node, an inner node
  Le16 reserved;
  Le64 epoch;  // checkpoint epoch in which it was last changed
  std::array<unsigned char, 24> reserved2;
};
static_assert(sizeof(DiskBlobHeader) == 64);
static_assert(offsetof(DiskBlobHeader, used) == 20);
static_assert(offsetof(DiskBlobHeader, dead) == 24);
static_assert(offsetof(DiskBlobHeader, root) == 28);
static_assert(offsetof(DiskBlobHeader, epoch) == 32);
static_assert(std::has_unique_object_representations_v<DiskBlobHeader>);

inline constexpr std::size_t kNodeUnit = 8;
static_assert(kBlobBytes / kNodeUnit == 65536, "a reference is 16 bits");

enum class NodeKind : std::uint8_t {
  kFree = 0,
  kLeaf,
  kPrefix,
  kNode4,
  kNode16,
  kNode48,
  kNode256,
  kBlobEdge,
};

// The rest of one key, from the depth of the leaf on, and its value.
struct DiskLeaf {
  unsigned char kind;
  unsigned char reserved;
  Le16 suffix_size;
  Le32 value_size;
  // suffix, then value, then padding to a multiple of 8
};
static_assert(sizeof(DiskLeaf) == 8);

// Bytes that all keys below share; at least one.
struct DiskPrefix {
  unsigned char kind;
  unsigned char reserved;
  Le16 size;
  Le16 child;  // an inner node
  Le16 reserved2;
  // the bytes, then padding to a multiple of 8
};
static_assert(sizeof(DiskPrefix) == 8);

// What all inner nodes begin with. `terminal` is the leaf, with empty suffix, of the key that ends
// here.
struct DiskInner {
  unsigned char kind;
  unsigned char reserved;
  Le16 count;  // children
  Le16 terminal;
  Le16 reserved2;
};
static_assert(sizeof(DiskInner) == 8);

struct DiskNode4 {
  DiskInner inner;
  std::array<unsigned char, 4> bytes;  // ascending, `count` of them valid
  std::array<unsigned char, 4> reserved;
  std::array<Le16, 4> children;
};
static_assert(sizeof(DiskNode4) == 24);
static_assert(offsetof(DiskNode4, children) == 16);

struct DiskNode16 {
  DiskInner inner;
  std::array<unsigned char, 16> bytes;  // ascending, `count` of them valid
  std::array<Le16, 16> children;
};
static_assert(sizeof(DiskNode16) == 56);
static_assert(offsetof(DiskNode16, children) == 24);

struct DiskNode48 {
  DiskInner inner;
  std::array<unsigned char, 256> index;  // byte -> position in children + 1, 0 meaning none
  std::array<Le16, 48> children;
};
static_assert(sizeof(DiskNode48) == 360);
static_assert(offsetof(DiskNode48, children) == 264);

struct DiskNode256 {
  DiskInner inner;
  std::array<Le16, 256> children;  // by byte
};
static_assert(sizeof(DiskNode256) == 520);

// Stands for one child blob in any number of entries of one inner node. The child's root is an
// inner node of the same depth and repeats the branching bytes of those entries.
struct DiskBlobEdge {
  unsigned char kind;
  std::array<unsigned char, 3> reserved;
  Le32 blob;
};
static_assert(sizeof(DiskBlobEdge) == 8);

// ---- log --------------------------------------------------------------------------------------

// Records begin at multiples of this, header included.
inline constexpr std::size_t kRecordAlign = 32;

// One batch. The ring position of a record is its LSN modulo the ring's size; a record may run
// across the end of the ring.
struct DiskRecordHeader {
  Le64 seal;      // record_seal(lsn, generation): written last, makes the record count
  Le64 checksum;  // of the bytes after this field, up to payload_size bytes of payload
  Le64 lsn;
  Le32 payload_size;
  Le32 generation;
  // payload, then anything to a multiple of kRecordAlign
};
static_assert(sizeof(DiskRecordHeader) == 32);
static_assert(std::has_unique_object_representations_v<DiskRecordHeader>);

inline constexpr std::uint64_t kRecordMagic = 0x676f6c'74'6c6f'68ULL;  // "holtlog"

// A value that no record of another lap or another generation has at the same place.
constexpr std::uint64_t record_seal(std::uint64_t lsn, std::uint32_t generation) {
  std::uint64_t x = (lsn ^ kRecordMagic) + generation * 0x9e3779b97f4a7c15ULL;
  x ^= x >> 30, x *= 0xbf58476d1ce4e5b9ULL;  // splitmix64's finaliser: a bijection of 64 bits
  x ^= x >> 27, x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t record_bytes(std::uint64_t payload_size) {
  return (sizeof(DiskRecordHeader) + payload_size + kRecordAlign - 1) / kRecordAlign * kRecordAlign;
}

}  // namespace holt
