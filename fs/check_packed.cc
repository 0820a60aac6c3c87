#include "fs/check_packed.h"

#include <fmt/format.h>

#include <algorithm>

namespace holtfs {

void PackedCheck::visit_segment(const schema::ParsedKey& key, std::string_view value) {
  const auto state = decode_segment(key.segment, value);
  if (!state) {
    problems_.push_back(fmt::format("what is known of segment {} is damaged", key.segment));
    return;
  }
  said_[key.segment] = *state;
}

void PackedCheck::visit_logged(const schema::ParsedKey& key, std::string_view value) {
  logged_[{key.segment, key.offset}] = value;
}

// Whether the bytes are there, in the segment or on their way to it.
bool PackedCheck::has(const Extent& extent) {
  std::string bytes(extent.length, '\0');
  if (segments_.read(extent, bytes, holt::Wait::kYes)) return true;
  const auto found = logged_.find({extent.segment, extent.offset});
  return found != logged_.end() &&
         Segments::holds(extent, std::string_view(found->second).substr(0, extent.length));
}

void PackedCheck::visit_file(const Inode& inode, const std::string& where, bool clean,
                             bool contents) {
  for (const Extent& extent : inode.extents) {
    parts_.push_back({extent.segment, extent.offset, extent.length, inode.ino});
    const SegmentState state = segments_.state_of(extent.segment);
    const auto said = said_.find(extent.segment);
    // What was never durable may be missing after a crash, and recovery sees to that.
    const bool promised = clean || (said != said_.end() && extent.end() <= said->second.durable);
    if (!promised) continue;
    if (!state.exists) {
      problems_.push_back(fmt::format("{} has contents in segment {}, which does not exist", where,
                                      extent.segment));
    } else if (extent.end() > state.size) {
      problems_.push_back(
          fmt::format("{} has contents behind the end of segment {}", where, extent.segment));
    } else if (contents && !has(extent)) {
      problems_.push_back(fmt::format("{} has {} bytes in segment {} that are damaged", where,
                                      extent.length, extent.segment));
    }
  }
}

void PackedCheck::finish(bool clean) {
  std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) {
    return std::pair(a.segment, a.offset) < std::pair(b.segment, b.offset);
  });
  std::map<std::uint32_t, std::uint64_t> live;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    live[part.segment] += part.length;
    if (i == 0 || parts_[i - 1].segment != part.segment || parts_[i - 1].end() <= part.offset) {
      continue;
    }
    problems_.push_back(fmt::format("inodes {} and {} share contents in segment {}",
                                    number_of(parts_[i - 1].ino), number_of(part.ino),
                                    part.segment));
  }
  if (!clean) return;
  if (!logged_.empty()) {
    problems_.push_back(fmt::format("{} pieces of contents are left in the log", logged_.size()));
  }
  for (const auto& [number, state] : said_) {
    if (live[number] == state.live) continue;
    problems_.push_back(fmt::format("segment {} is said to hold {} bytes, files have {} there",
                                    number, state.live, live[number]));
  }
  for (const auto& [number, bytes] : live) {
    if (!said_.contains(number)) {
      problems_.push_back(fmt::format("nothing is known of segment {}", number));
    }
  }
}

}  // namespace holtfs
