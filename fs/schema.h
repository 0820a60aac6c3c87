// The keys of the store: which byte string names which record. What other files do with keys is to
// append a name to a prefix that is made here, or to take it off again.
//
// Names contain neither '/' nor NUL. A directory's prefix DIR is its path with '/' after each
// component; the root's is empty. NUL after a directory prefix begins a record that belongs to that
// directory:
//
//   DIR NUL i                the directory's inode record
//   DIR NUL e NAME           dentry: inode record of a non-directory, or a marker
//   DIR NUL x ATTR           xattr of the directory
//   DIR NUL X NAME NUL ATTR  xattr of a non-directory child whose record is in the dentry
//   DIR NAME / ...           everything of and below a child directory
//   NUL I be64(ino)          inode record of a file that has, or had, several links; of a whiteout
//   NUL I be64(ino) x ATTR   xattr of such a file
//   NUL A                    state of the filesystem: DiskState (state.h)
//   NUL D be64(seg) be64(at) bytes of a segment that may not have reached it yet
//   NUL S be64(seg)          what is known of a segment: DiskSegment (data/segments.h)
//   NUL T ...                nothing between batches; an exchange passes through it
//
// So one directory's dentries are contiguous, its inode is their neighbour, and a subtree is one
// prefix.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/bytes.h"
#include "fs/inode.h"

namespace holtfs {

struct Node;

namespace schema {

// Long enough for the keys of ordinary depths.
using Key = Bytes<256>;

inline constexpr std::size_t kMaxNameBytes = 255;
// Leaves room for a record's suffix behind the longest directory prefix within the engine's key
// limit.
inline constexpr std::size_t kMaxPrefixBytes = 31 * 1024;

// DIR of a directory node. REQUIRES: what N1 says of reading its place.
Key prefix_of(const Node& directory);
Key child_prefix(std::string_view dir, std::string_view name);

Key inode_key(std::string_view dir);
Key entries_prefix(std::string_view dir);
Key entry_key(std::string_view dir, std::string_view name);
Key directory_xattr_prefix(std::string_view dir);
Key entry_xattr_prefix(std::string_view dir, std::string_view name);
Key link_key(Ino ino);
Key link_xattr_prefix(Ino ino);
Key logged_key(std::uint32_t segment, std::uint32_t offset);
Key segment_key(std::uint32_t segment);
std::string exchange_prefix();
std::string_view state_key();
std::string_view link_space();     // the prefix of all keys NUL I
std::string_view logged_space();   // of all keys NUL D
std::string_view segment_space();  // of all keys NUL S

enum class KeyKind : std::uint8_t {
  kDirectoryInode,
  kEntry,
  kDirectoryXattr,
  kEntryXattr,
  kLinkInode,
  kLinkXattr,
  kState,
  kLogged,
  kSegment
};

// A key taken apart; the views point into it.
struct ParsedKey {
  KeyKind kind{};
  std::string_view dir;                   // prefix of the directory it belongs to
  std::string_view name;                  // kEntry, kEntryXattr
  std::string_view attr;                  // the xattr kinds
  Ino ino{};                              // the link kinds
  std::uint32_t segment = 0, offset = 0;  // kLogged; kSegment without the offset
};
// Nothing when no rule above makes this key.
std::optional<ParsedKey> parse_key(std::string_view key);

}  // namespace schema

}  // namespace holtfs
