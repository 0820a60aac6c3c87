#include "fs/schema.h"

#include <limits>

#include "fs/node_table.h"

namespace holtfs::schema {

namespace {

using std::string_literals::operator""s;

constexpr char kNul = '\0';

Key join(std::string_view dir, char record, std::string_view name = {}) {
  Key key;
  key.append(dir);
  key.push_back(kNul);
  key.push_back(record);
  key.append(name);
  return key;
}

std::string big_endian(std::uint64_t number) {
  std::string bytes(8, kNul);
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (56 - 8 * i));
  return bytes;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

// A segment, and an offset in it where there is one.
std::optional<ParsedKey> parse_segment_key(KeyKind kind, std::string_view rest) {
  if (rest.size() != (kind == KeyKind::kLogged ? 16 : 8)) return std::nullopt;
  const std::uint64_t segment = from_big_endian(rest);
  const std::uint64_t offset = kind == KeyKind::kLogged ? from_big_endian(rest.substr(8)) : 0;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (segment > kMax || offset > kMax) return std::nullopt;
  ParsedKey parsed;
  parsed.kind = kind;
  parsed.segment = static_cast<std::uint32_t>(segment);
  parsed.offset = static_cast<std::uint32_t>(offset);
  return parsed;
}

// NUL I be64 and what may follow it.
std::optional<ParsedKey> parse_link_key(std::string_view rest) {
  if (rest.size() < 8) return std::nullopt;
  ParsedKey parsed;
  parsed.ino = Ino{from_big_endian(rest)};
  rest.remove_prefix(8);
  if (rest.empty()) {
    parsed.kind = KeyKind::kLinkInode;
    return parsed;
  }
  if (rest.front() != 'x' || rest.size() < 2) return std::nullopt;
  parsed.kind = KeyKind::kLinkXattr;
  parsed.attr = rest.substr(1);
  return parsed;
}

}  // namespace

Key prefix_of(const Node& directory) {
  std::size_t size = 0;
  for (const Node* n = &directory; n->parent != nullptr; n = n->parent) {
    size += n->name.view().size() + 1;
  }
  Key prefix;
  prefix.resize(size);
  std::size_t at = size;
  for (const Node* n = &directory; n->parent != nullptr; n = n->parent) {
    const std::string_view name = n->name.view();
    at -= name.size() + 1;
    name.copy(prefix.data() + at, name.size());
    prefix.data()[at + name.size()] = '/';
  }
  return prefix;
}

Key child_prefix(std::string_view dir, std::string_view name) {
  Key prefix(dir);
  prefix.append(name).push_back('/');
  return prefix;
}

Key inode_key(std::string_view dir) { return join(dir, 'i'); }
Key entries_prefix(std::string_view dir) { return join(dir, 'e'); }
Key entry_key(std::string_view dir, std::string_view name) { return join(dir, 'e', name); }
Key directory_xattr_prefix(std::string_view dir) { return join(dir, 'x'); }
Key entry_xattr_prefix(std::string_view dir, std::string_view name) {
  Key key = join(dir, 'X', name);
  key.push_back(kNul);
  return key;
}
Key link_key(Ino ino) { return join({}, 'I', big_endian(number_of(ino))); }
Key link_xattr_prefix(Ino ino) {
  Key key = link_key(ino);
  key.push_back('x');
  return key;
}
Key logged_key(std::uint32_t segment, std::uint32_t offset) {
  return join({}, 'D', big_endian(segment) + big_endian(offset));
}
Key segment_key(std::uint32_t segment) { return join({}, 'S', big_endian(segment)); }
std::string exchange_prefix() { return join({}, 'T'); }

std::string_view state_key() {
  static const std::string key = "\0A"s;
  return key;
}
std::string_view link_space() {
  static const std::string key = "\0I"s;
  return key;
}
std::string_view logged_space() {
  static const std::string key = "\0D"s;
  return key;
}
std::string_view segment_space() {
  static const std::string key = "\0S"s;
  return key;
}

std::optional<ParsedKey> parse_key(std::string_view key) {
  if (key == state_key()) return ParsedKey{.kind = KeyKind::kState};
  if (key.starts_with(link_space())) return parse_link_key(key.substr(link_space().size()));
  if (key.starts_with(logged_space())) {
    return parse_segment_key(KeyKind::kLogged, key.substr(logged_space().size()));
  }
  if (key.starts_with(segment_space())) {
    return parse_segment_key(KeyKind::kSegment, key.substr(segment_space().size()));
  }
  const std::size_t nul = key.find(kNul);
  if (nul == std::string_view::npos || nul + 1 == key.size()) return std::nullopt;
  ParsedKey parsed;
  parsed.dir = key.substr(0, nul);
  if (!parsed.dir.empty() && parsed.dir.back() != '/') return std::nullopt;
  const std::string_view rest = key.substr(nul + 2);
  switch (key[nul + 1]) {
    case 'i':
      parsed.kind = KeyKind::kDirectoryInode;
      return rest.empty() ? std::optional(parsed) : std::nullopt;
    case 'e':
      parsed.kind = KeyKind::kEntry;
      parsed.name = rest;
      return rest.empty() ? std::nullopt : std::optional(parsed);
    case 'x':
      parsed.kind = KeyKind::kDirectoryXattr;
      parsed.attr = rest;
      return rest.empty() ? std::nullopt : std::optional(parsed);
    case 'X': {
      const std::size_t end = rest.find(kNul);
      if (end == std::string_view::npos || end == 0 || end + 1 == rest.size()) return std::nullopt;
      parsed.kind = KeyKind::kEntryXattr;
      parsed.name = rest.substr(0, end);
      parsed.attr = rest.substr(end + 1);
      return parsed;
    }
    default: return std::nullopt;
  }
}

}  // namespace holtfs::schema
