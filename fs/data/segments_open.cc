// How segments are found, and what is done to them before anybody appends.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "fs/data/segments.h"

namespace holtfs {

std::string encode(const SegmentState& state) {
  const DiskSegment disk{state.live, state.durable};
  return {reinterpret_cast<const char*>(&disk), sizeof disk};
}

holt::Result<SegmentState> decode_segment(std::uint32_t number, std::string_view value) {
  DiskSegment disk;
  if (value.size() != sizeof disk) {
    return holt::fail(holt::Code::kCorrupt,
                      fmt::format("what is known of segment {} has a wrong size", number));
  }
  std::memcpy(&disk, value.data(), sizeof disk);
  return SegmentState{.number = number, .live = disk.live, .durable = disk.durable};
}

Segments::Segments(std::string folder, std::size_t max_open, bool read_only,
                   SyncFailures::Sync sync_file)
    : folder_(std::move(folder)),
      max_open_(std::max<std::size_t>(8, max_open)),
      read_only_(read_only),
      sync_(sync_file) {
  if (!read_only) mkdir(folder_.c_str(), 0700);
  directory_ = holt::UniqueFd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory_) {
    find_files();
  } else if (!read_only || errno != ENOENT) {
    failure_ = errno;
  }
}

void Segments::find_files() {
  DIR* const listing = opendir(folder_.c_str());
  if (listing == nullptr) {
    failure_ = errno;
    return;
  }
  while (const dirent* entry = readdir(listing)) {
    const std::string_view name = entry->d_name;
    std::uint32_t number = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
    if (bad != std::errc() || stop != name.data() + name.size()) continue;
    struct stat st;
    if (name != name_of(number) || fstatat(directory_.get(), entry->d_name, &st, 0) != 0) continue;
    const SegmentRef segment = find_or_add(number);
    segment->exists = true;
    segment->size = static_cast<std::uint64_t>(st.st_size);
  }
  closedir(listing);
}

void Segments::know(const SegmentState& state) {
  const SegmentRef segment = find_or_add(state.number);
  segment->live = state.live;
  segment->durable = state.durable;
  // Where the host lost what was durable, that place is still not given out again.
  segment->size = std::max(segment->size.load(), state.durable);
}

void Segments::forget_counts() {
  const holt::MutexLock lock(mutex_);
  for (const auto& [number, segment] : segments_) segment->live = 0;
}

void Segments::count(const Extent& extent) {
  const SegmentRef segment = find_or_add(extent.segment);
  segment->live += extent.length;
}

Outcome<void> Segments::restore(std::uint32_t number, std::uint32_t offset,
                                std::string_view bytes) {
  const SegmentRef segment = find_or_add(number);
  if (!segment->exists) {
    const int fd = openat(directory_.get(), name_of(number).c_str(),
                          O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return host_failure(errno, "cannot create", shown(number));
    segment->exists = true;
    remember(segment, std::make_shared<HostFile>(fd, shown(number)));
  }
  const auto file = file_of(segment);
  if (!file) return fail(file.error());
  if (const auto done = (*file)->write_all(bytes, offset); !done) return done;
  segment->size = std::max<std::uint64_t>(segment->size, std::uint64_t{offset} + bytes.size());
  return {};
}

Outcome<void> Segments::sync_everything() {
  if (syncfs(directory_.get()) != 0) return host_failure(errno, "cannot sync", folder_);
  const holt::MutexLock lock(mutex_);
  for (const auto& [number, segment] : segments_) {
    if (segment->exists) segment->durable = segment->size.load();
  }
  return {};
}

void Segments::start_lanes() {
  const holt::MutexLock lock(mutex_);
  for (const auto& [number, segment] : segments_) {
    const bool roomy = segment->size < kSegmentBytes / 4 * 3;
    if (segment->exists && roomy && roomy_.size() < kLanes) roomy_.push_back(segment);
  }
}

void Segments::trim_lanes() {
  for (Lane& lane : lanes_) {
    const holt::MutexLock lock(lane.mutex);
    trim(lane);
  }
}

}  // namespace holtfs
