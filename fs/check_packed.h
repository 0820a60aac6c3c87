// PackedCheck: whether the contents of packed files are where their records say, once, and all that
// segments are said to hold. Part of check().
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fs/data/segments.h"
#include "fs/inode.h"
#include "fs/schema.h"

namespace holtfs {

class PackedCheck {
 public:
  PackedCheck(const std::string& folder, std::vector<std::string>& problems)
      : segments_(folder, 64, true), problems_(problems) {}

  void visit_segment(const schema::ParsedKey& key, std::string_view value);
  void visit_logged(const schema::ParsedKey& key, std::string_view value);
  // `where` names the file; `contents`: read them, and compare them with their checksums.
  void visit_file(const Inode& inode, const std::string& where, bool clean, bool contents);
  // After all.
  void finish(bool clean);
  std::size_t segments() { return segments_.states().size(); }

 private:
  struct Part {
    std::uint32_t segment, offset, length;
    Ino ino;
    std::uint64_t end() const { return std::uint64_t{offset} + length; }
  };
  bool has(const Extent& extent);

  Segments segments_;
  std::vector<std::string>& problems_;
  std::map<std::uint32_t, SegmentState> said_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> logged_;
  std::vector<Part> parts_;
};

}  // namespace holtfs
