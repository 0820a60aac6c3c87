// What the areas about extended attributes and ACLs share.
//
// Thread safety: one case runs at a time, in one thread.
#pragma once

#include "tests/posix/contents.h"

#include <algorithm>
#include <optional>

namespace posix_test {

// These do not follow links.
inline std::optional<std::string> xattr_of(const std::string& path, const char* name) {
  std::string value(65'536, '\0');
  const ssize_t got = lgetxattr(path.c_str(), name, value.data(), value.size());
  if (got < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(got));
  return value;
}

inline std::vector<std::string> xattrs_of(const std::string& path) {  // sorted
  std::string list(65'536, '\0');
  const ssize_t got = llistxattr(path.c_str(), list.data(), list.size());
  NEEDS(got);
  list.resize(static_cast<std::size_t>(got));
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size(); at += names.back().size() + 1) {
    names.emplace_back(list.c_str() + at);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace posix_test
