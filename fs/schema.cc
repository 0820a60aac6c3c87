#include "fs/schema.h"

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

std::string big_endian(Ino ino) {
  std::string bytes(8, kNul);
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number_of(ino) >> (56 - 8 * i));
  return bytes;
}

Ino from_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return Ino{number};
}

// NUL I be64 and what may follow it.
std::optional<ParsedKey> parse_link_key(std::string_view rest) {
  if (rest.size() < 8) return std::nullopt;
  ParsedKey parsed;
  parsed.ino = from_big_endian(rest);
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
  for (const Node* n = &directory; n->parent != nullptr; n = n->parent) size += n->name.size() + 1;
  Key prefix;
  prefix.resize(size);
  std::size_t at = size;
  for (const Node* n = &directory; n->parent != nullptr; n = n->parent) {
    at -= n->name.size() + 1;
    n->name.copy(prefix.data() + at, n->name.size());
    prefix.data()[at + n->name.size()] = '/';
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
Key link_key(Ino ino) { return join({}, 'I', big_endian(ino)); }
Key link_xattr_prefix(Ino ino) {
  Key key = link_key(ino);
  key.push_back('x');
  return key;
}
std::string exchange_prefix() { return join({}, 'T'); }

std::string_view state_key() {
  static const std::string key = "\0A"s;
  return key;
}
std::string_view link_space() {
  static const std::string key = "\0I"s;
  return key;
}

std::optional<ParsedKey> parse_key(std::string_view key) {
  if (key == state_key()) return ParsedKey{.kind = KeyKind::kState};
  if (key.starts_with(link_space())) return parse_link_key(key.substr(link_space().size()));
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
