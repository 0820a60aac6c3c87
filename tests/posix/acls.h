// POSIX ACLs as text, and as the xattrs that hold them.
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include "tests/posix/xattrs.h"

#include <cstdint>
#include <cstring>
#include <sstream>

namespace posix_test {

inline constexpr const char *kAccess = "system.posix_acl_access",
                            *kDefault = "system.posix_acl_default";

// As in the kernel's linux/posix_acl_xattr.h.
inline constexpr std::uint32_t kAclVersion = 2;
struct AclEntry {
  std::uint16_t tag;
  std::uint16_t perm;
  std::uint32_t id;
};

// Entries are u, g, m and o, or u and g with a number, as in "u:rw- u70001:r-- g:r-- m:rw- o:---".
inline std::string acl(const std::string& text) {
  std::string out(reinterpret_cast<const char*>(&kAclVersion), sizeof kAclVersion);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t colon = word.find(':');
    const bool named = colon > 1;
    AclEntry entry = {};
    switch (word[0]) {
      case 'u': entry.tag = named ? 0x02 : 0x01; break;
      case 'g': entry.tag = named ? 0x08 : 0x04; break;
      case 'm': entry.tag = 0x10; break;
      default: entry.tag = 0x20; break;
    }
    entry.id = named ? static_cast<std::uint32_t>(std::stoul(word.substr(1))) : UINT32_MAX;
    for (const char letter : word.substr(colon)) {
      entry.perm |= letter == 'r' ? 4 : letter == 'w' ? 2 : letter == 'x' ? 1 : 0;
    }
    out.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return out;
}

inline std::string acl_text(std::string_view bytes) {
  std::string out;
  for (bytes.remove_prefix(sizeof kAclVersion); !bytes.empty();
       bytes.remove_prefix(sizeof(AclEntry))) {
    AclEntry entry;
    std::memcpy(&entry, bytes.data(), sizeof entry);
    if (!out.empty()) out += ' ';
    out += entry.tag <= 0x02 ? 'u' : entry.tag <= 0x08 ? 'g' : entry.tag == 0x10 ? 'm' : 'o';
    if (entry.tag == 0x02 || entry.tag == 0x08) out += std::to_string(entry.id);
    out += {':', (entry.perm & 4) != 0 ? 'r' : '-', (entry.perm & 2) != 0 ? 'w' : '-',
            (entry.perm & 1) != 0 ? 'x' : '-'};
  }
  return out;
}

inline Err set_acl(const std::string& path, const char* name, const std::string& text) {
  const std::string bytes = acl(text);
  return err(setxattr(path.c_str(), name, bytes.data(), bytes.size(), 0));
}

inline std::string acl_of(const std::string& path, const char* name = kAccess) {  // "": none
  const std::optional<std::string> bytes = xattr_of(path, name);
  return bytes ? acl_text(*bytes) : std::string();
}

}  // namespace posix_test
