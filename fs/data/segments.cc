#include "fs/data/segments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "engine/base/checksum.h"
#include "fs/log.h"

namespace holtfs {

namespace {

constexpr std::uint64_t kBlock = 4096;  // the least that hosts give back

// Hosts keep what is written in memory in pieces as large as the write that brought it: an append
// of 4 KiB takes half the time where a large piece is there already, and so does writing it back.
constexpr std::uint64_t kWindow = 32 * 1024;

std::uint64_t checksum_of(std::string_view bytes) {
  return holt::checksum(std::as_bytes(std::span(bytes)));
}

// Threads spread over the lanes, and stay where they are.
std::size_t my_lane() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t number = threads.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

std::string Segments::name_of(std::uint32_t number) { return fmt::format("{:08x}", number); }

std::string Segments::shown(std::uint32_t number) const { return folder_ + "/" + name_of(number); }

Segments::SegmentRef Segments::find(std::uint32_t number) {
  const holt::MutexLock lock(mutex_);
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : found->second;
}

Segments::SegmentRef Segments::find_or_add(std::uint32_t number) {
  const holt::MutexLock lock(mutex_);
  SegmentRef& segment = segments_[number];
  if (!segment) segment = std::make_shared<Segment>(number);
  next_ = std::max(next_, number + 1);
  return segment;
}

HostFileRef Segments::remember(const SegmentRef& segment, HostFileRef file) {
  std::vector<HostFileRef> closed;  // after the lock is gone
  const holt::MutexLock lock(mutex_);
  if (segment->file) return segment->file;  // another thread was faster
  // Removed meanwhile: nobody would take it out of the list.
  const auto known = segments_.find(segment->number);
  if (known == segments_.end() || known->second != segment) return file;
  segment->file = file;
  segment->recent = recent_.insert(recent_.begin(), segment.get());
  for (auto at = recent_.end(); recent_.size() > max_open_ && at != std::next(recent_.begin());) {
    --at;
    // An error of writing back is told to descriptors that were open then.
    if ((*at)->is_dirty() || (*at)->current) continue;
    closed.push_back(std::move((*at)->file));
    (*at)->file = nullptr;
    at = recent_.erase(at);
  }
  return file;
}

Outcome<HostFileRef> Segments::file_of(const SegmentRef& segment) {
  {
    const holt::MutexLock lock(mutex_);
    if (segment->file) {
      recent_.splice(recent_.begin(), recent_, segment->recent);
      return segment->file;
    }
  }
  const int flags = (read_only_ ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW;
  const int fd = openat(directory_.get(), name_of(segment->number).c_str(), flags);
  if (fd < 0) return host_failure(errno, "cannot open", shown(segment->number));
  return remember(segment, std::make_shared<HostFile>(fd, shown(segment->number)));
}

// Gives the lane a segment with room.
Outcome<void> Segments::roll(Lane& lane) {
  trim(lane);
  if (lane.segment) lane.segment->current = false;
  lane.segment = nullptr;
  lane.file = nullptr;
  SegmentRef segment;
  bool fresh = false;
  {
    const holt::MutexLock lock(mutex_);
    if (!roomy_.empty()) {
      segment = std::move(roomy_.back());
      roomy_.pop_back();
    } else {
      fresh = true;
      segment = std::make_shared<Segment>(next_);
    }
    segment->current = true;
    if (fresh) segments_[next_++] = segment;
  }
  if (fresh) {
    const int fd = openat(directory_.get(), name_of(segment->number).c_str(),
                          O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
      const int err = errno;
      const holt::MutexLock lock(mutex_);
      segments_.erase(segment->number);
      return host_failure(err, "cannot create", shown(segment->number));
    }
    {
      const holt::MutexLock lock(segment->syncing);
      segment->named = false;
    }
    segment->exists = true;
    lane.file = remember(segment, std::make_shared<HostFile>(fd, shown(segment->number)));
  } else {
    const auto file = file_of(segment);
    if (!file) {
      segment->current = false;
      return fail(file.error());
    }
    lane.file = *file;
  }
  lane.segment = std::move(segment);
  lane.prepared = 0;
  return {};
}

// Makes the window that ends at or above `end` before small appends fill it. Without room for it
// they do without.
void Segments::prepare(Lane& lane, std::uint64_t end) {
  const std::uint64_t from = std::max(lane.prepared, lane.segment->size.load());
  if (end <= from || end - from >= kWindow) return;
  const std::uint64_t to =
      std::min<std::uint64_t>((end + kWindow - 1) / kWindow * kWindow, kSegmentBytes);
  lane.prepared = from + lane.file->write_zeros(from, to - from);
}

// Takes off what was prepared and not filled. Should it stay, the lane overwrites it, or the next
// mount appends behind it.
void Segments::trim(Lane& lane) {
  if (!lane.segment || lane.prepared <= lane.segment->size) return;
  (void)ftruncate(lane.file->fd(), static_cast<off_t>(lane.segment->size.load()));
  lane.prepared = 0;
}

Outcome<Extent> Segments::append(std::string_view bytes) {
  const std::uint64_t checksum = checksum_of(bytes);
  Lane& lane = lanes_[my_lane() % kLanes];
  const holt::MutexLock lock(lane.mutex);
  const Segment* const last = lane.segment.get();
  if (last == nullptr || last->failed || last->size + bytes.size() > kSegmentBytes) {
    if (const auto rolled = roll(lane); !rolled) return fail(rolled.error());
  }
  Segment& segment = *lane.segment;
  const std::uint64_t at = segment.size;
  prepare(lane, at + bytes.size());
  // What a failure leaves behind the tail is overwritten by the next.
  if (const auto done = lane.file->write_all(bytes, at); !done) {
    return fail(done.error());
  }
  segment.live += bytes.size();
  segment.size = at + bytes.size();
  return Extent{segment.number, static_cast<std::uint32_t>(at),
                static_cast<std::uint32_t>(bytes.size()), checksum};
}

bool Segments::holds(const Extent& extent, std::string_view bytes) {
  return bytes.size() == extent.length && checksum_of(bytes) == extent.checksum;
}

std::pair<Extent, Extent> Segments::split(const Extent& extent, std::string_view bytes,
                                          std::uint32_t left) {
  return {Extent{extent.segment, extent.offset, left, checksum_of(bytes.substr(0, left))},
          Extent{extent.segment, extent.offset + left, extent.length - left, 0}};
}

Outcome<void> Segments::read(const Extent& extent, std::span<char> out, holt::Wait wait) {
  const Outcome<bool> there = has(extent, out, wait);
  if (!there) return fail(there.error());
  return *there ? Outcome<void>() : fail(EIO);
}

Outcome<bool> Segments::has(const Extent& extent, std::span<char> out, holt::Wait wait) {
  const SegmentRef segment = find(extent.segment);
  if (!segment || !segment->exists) return false;
  const auto file = file_of(segment);
  if (!file) return fail(file.error());
  const int flags = wait == holt::Wait::kNo ? RWF_NOWAIT : 0;
  std::size_t done = 0;
  while (done < out.size()) {
    iovec part = {out.data() + done, out.size() - done};
    const auto at = static_cast<off_t>(extent.offset + std::uint64_t{done});
    const ssize_t got = preadv2((*file)->fd(), &part, 1, at, flags);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && flags != 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) return fail(kWouldWait);
    if (got < 0) return host_failure(errno, "cannot read", shown(extent.segment));
    if (got == 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return holds(extent, {out.data(), out.size()});
}

bool Segments::is_durable(const Extent& extent) {
  const SegmentRef segment = find(extent.segment);
  return segment && extent.end() <= segment->durable;
}

// REQUIRES: the bytes below `end` are written.
Outcome<void> Segments::sync_to(const SegmentRef& segment, std::uint64_t end) {
  if (segment->durable >= end) return {};
  const auto file = file_of(segment);
  if (!file) return fail(file.error());
  const holt::MutexLock one_for_all_who_wait(segment->syncing);
  if (segment->durable >= end) return {};
  if (segment->failed) return fail(EIO);
  const std::uint64_t size = segment->size;
  if (sync_((*file)->fd()) != 0 || (!segment->named && fsync(directory_.get()) != 0)) {
    segment->failed = true;
    log_error("cannot sync {}: {}", shown(segment->number), std::generic_category().message(errno));
    return fail(EIO);
  }
  segment->named = true;
  segment->durable = size;
  return {};
}

Outcome<void> Segments::sync(std::span<const Extent> extents) {
  for (const Extent& extent : extents) {
    const SegmentRef segment = find(extent.segment);
    if (!segment) return fail(EIO);
    if (const auto synced = sync_to(segment, extent.end()); !synced) return synced;
  }
  return {};
}

Outcome<void> Segments::sync_all(std::vector<std::uint32_t>& moved) {
  std::vector<SegmentRef> dirty;
  {
    const holt::MutexLock lock(mutex_);
    for (const auto& [number, segment] : segments_) {
      if (segment->is_dirty()) dirty.push_back(segment);
    }
  }
  Outcome<void> all;
  for (const SegmentRef& segment : dirty) {
    const auto synced = sync_to(segment, segment->size);
    if (synced) {
      moved.push_back(segment->number);
    } else {
      all = synced;
    }
  }
  return all;
}

// Gives the host back the blocks that lie wholly inside.
void Segments::punch(const SegmentRef& segment, std::uint64_t from, std::uint64_t to) {
  from = (from + kBlock - 1) / kBlock * kBlock;
  to = to / kBlock * kBlock;
  if (from >= to || !segment->exists) return;
  const auto file = file_of(segment);
  if (!file) return;
  // Not every host can; the space comes back when the segment goes.
  (void)fallocate((*file)->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(from), static_cast<off_t>(to - from));
}

void Segments::release(std::vector<Extent> dead) {
  std::sort(dead.begin(), dead.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.segment, a.offset) < std::pair(b.segment, b.offset);
  });
  for (std::size_t i = 0; i < dead.size();) {
    const std::uint32_t number = dead[i].segment;
    const SegmentRef segment = find(number);
    std::size_t next = i;
    for (; next < dead.size() && dead[next].segment == number; ++next) {
      if (segment) segment->live -= dead[next].length;
    }
    // A segment without any life is removed in one piece.
    const bool worthwhile = segment && (segment->live != 0 || segment->current);
    while (worthwhile && i < next) {
      const std::uint64_t from = dead[i].offset;
      std::uint64_t to = dead[i].end();
      for (++i; i < next && dead[i].offset == to; ++i) to = dead[i].end();
      punch(segment, from, to);
    }
    i = next;
  }
}

SegmentState Segments::state_of(std::uint32_t number) {
  const SegmentRef segment = find(number);
  if (!segment) return {};
  return {.number = number,
          .live = segment->live,
          .durable = segment->durable,
          .size = segment->size,
          .exists = segment->exists,
          .current = segment->current};
}

std::vector<SegmentState> Segments::states() {
  std::vector<std::uint32_t> numbers;
  {
    const holt::MutexLock lock(mutex_);
    for (const auto& [number, segment] : segments_) numbers.push_back(number);
  }
  std::vector<SegmentState> states;
  states.reserve(numbers.size());
  for (const std::uint32_t number : numbers) states.push_back(state_of(number));
  return states;
}

bool Segments::remove(std::uint32_t number) {
  HostFileRef closed;
  {
    const holt::MutexLock lock(mutex_);
    const auto found = segments_.find(number);
    if (found == segments_.end()) return false;
    const SegmentRef segment = found->second;
    if (segment->live != 0 || segment->current) return false;
    std::erase(roomy_, segment);
    if (segment->file) recent_.erase(segment->recent);
    closed = std::move(segment->file);
    segments_.erase(found);
  }
  if (unlinkat(directory_.get(), name_of(number).c_str(), 0) != 0 && errno != ENOENT) {
    log_error("cannot remove {}: {}", shown(number), std::generic_category().message(errno));
  }
  return true;
}

}  // namespace holtfs
