// Segments: the contents of many small files, appended to a few large host files.
//
// Segment N is segments/N, written in 8 hexadecimal digits. Bytes are appended, and never
// overwritten: a place in a segment is given out once. What is dead is given back to the host by
// punching holes, and a segment in which nothing lives is removed. Four lanes append, each to a
// segment of its own, so that concurrent writers do not wait for one tail. Behind the tail of such
// a segment its host file may go on with zeros, which are nobody's: large pieces that the host is
// made to keep in memory before small appends fill them. After an unclean end they stay, and what
// is appended goes behind them.
//
// All bytes of a segment below its durable mark survive a power failure. Nothing is known of those
// above. A segment whose sync failed is never synced again and takes no more bytes: those above the
// mark cannot become durable.
//
// Descriptors are opened when needed and bounded in number, since a store may have thousands of
// segments; those with bytes above the mark, and those of the lanes, stay open.
//
// Thread safety: any thread, except where a function says otherwise.
// Invariant:
//   P1  a place in a segment is given out once.
#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/result.h"
#include "engine/holt.h"
#include "engine/storage/posix_file.h"
#include "fs/data/bulk.h"
#include "fs/data/sync_failures.h"
#include "fs/inode.h"
#include "fs/outcome.h"

namespace holtfs {

// The value of NUL S be64(segment).
struct DiskSegment {
  holt::Le64 live;     // bytes that files refer to; right only when unmounted in order
  holt::Le64 durable;  // all bytes below are on the disk
};
static_assert(sizeof(DiskSegment) == 16);
static_assert(std::has_unique_object_representations_v<DiskSegment>);

struct SegmentState {
  std::uint32_t number = 0;
  std::uint64_t live = 0, durable = 0, size = 0;  // bytes; size is without what was prepared
  bool exists = false;                            // its host file does
  bool current = false;                           // a lane appends to it
};

std::string encode(const SegmentState& state);
// The live and durable bytes that a value says; kCorrupt when it is no such value.
holt::Result<SegmentState> decode_segment(std::uint32_t number, std::string_view value);

class Segments {
 public:
  // `folder` is made when it is missing and not `read_only`; the segments in it are found.
  // `sync_file` is fdatasync(2), or what a test has for it.
  Segments(std::string folder, std::size_t max_open, bool read_only,
           SyncFailures::Sync sync_file = ::fdatasync);
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;
  // errno's value if there is no folder to use.
  int failure() const { return failure_; }

  static bool holds(const Extent& extent, std::string_view bytes);
  // The first `left` bytes of an extent that holds `bytes`, and the rest, which nothing will read.
  static std::pair<Extent, Extent> split(const Extent& extent, std::string_view bytes,
                                         std::uint32_t left);
  // Puts bytes, from 1 to kSegmentBytes, behind all others of some segment. They count as live.
  Outcome<Extent> append(std::string_view bytes);
  // A whole extent into `out`, which has its length. Whether it was there: false when the segment
  // has other bytes at its place, or none. kWouldWait where `wait` says no and the host would have
  // to.
  Outcome<bool> has(const Extent& extent, std::span<char> out, holt::Wait wait);
  // The same; EIO when it was not there.
  Outcome<void> read(const Extent& extent, std::span<char> out, holt::Wait wait);
  bool is_durable(const Extent& extent);
  // Callers at the same time share one sync of the host. EIO for ever, once one failed.
  Outcome<void> sync(std::span<const Extent> extents);
  // Every segment with bytes above its mark; `moved` gets those whose mark moved, also on failure.
  Outcome<void> sync_all(std::vector<std::uint32_t>& moved);
  // Gives up what no file, in memory or on disk, refers to any more.
  void release(std::vector<Extent> dead);
  std::vector<SegmentState> states();
  // What is known of one segment; all zero when nothing is.
  SegmentState state_of(std::uint32_t number);
  // Removes a segment that no lane has and in which nothing lives. False when it is not such a one.
  bool remove(std::uint32_t number);

  // While nobody else uses the object: what the store knows of a segment, what its records refer
  // to, and bytes that the log had.
  void know(const SegmentState& state);
  void forget_counts();
  void count(const Extent& extent);
  Outcome<void> restore(std::uint32_t number, std::uint32_t offset, std::string_view bytes);
  Outcome<void> sync_everything();
  // From here on segments that have room are appended to.
  void start_lanes();
  // Gives the host files the length of what was appended: for the end, and when room is scarce.
  void trim_lanes();

 private:
  static constexpr std::size_t kLanes = 4;
  struct Segment {
    explicit Segment(std::uint32_t n) : number(n) {}
    const std::uint32_t number;
    // `size` is where the tail is: the host file may be longer.
    std::atomic<std::uint64_t> live{0}, size{0}, durable{0};
    std::atomic<bool> failed{false}, exists{false}, current{false};
    bool is_dirty() const { return size.load() > durable.load(); }

    holt::Mutex syncing{holt::Rank::kLeaf};
    bool named GUARDED_BY(syncing) = true;  // its name in the folder is durable
    // Guarded by Segments::mutex_.
    HostFileRef file;
    std::list<Segment*>::iterator recent;
  };
  using SegmentRef = std::shared_ptr<Segment>;
  struct alignas(64) Lane {
    holt::Mutex mutex{holt::Rank::kSegment};
    SegmentRef segment GUARDED_BY(mutex);
    HostFileRef file GUARDED_BY(mutex);
    std::uint64_t prepared GUARDED_BY(mutex) = 0;  // below, the host has pages for what comes
  };

  static std::string name_of(std::uint32_t number);
  std::string shown(std::uint32_t number) const;
  void find_files();
  SegmentRef find(std::uint32_t number);
  SegmentRef find_or_add(std::uint32_t number);
  Outcome<HostFileRef> file_of(const SegmentRef& segment);
  HostFileRef remember(const SegmentRef& segment, HostFileRef file);
  Outcome<void> roll(Lane& lane) REQUIRES(lane.mutex);
  void prepare(Lane& lane, std::uint64_t end) REQUIRES(lane.mutex);
  static void trim(Lane& lane) REQUIRES(lane.mutex);
  Outcome<void> sync_to(const SegmentRef& segment, std::uint64_t end);
  void punch(const SegmentRef& segment, std::uint64_t from, std::uint64_t to);

  const std::string folder_;
  const std::size_t max_open_;
  const bool read_only_;
  const SyncFailures::Sync sync_;
  int failure_ = 0;
  holt::UniqueFd directory_;
  std::array<Lane, kLanes> lanes_;
  holt::Mutex mutex_{holt::Rank::kLeaf};
  std::map<std::uint32_t, SegmentRef> segments_ GUARDED_BY(mutex_);
  std::list<Segment*> recent_ GUARDED_BY(mutex_);     // those that are open, the latest used first
  std::vector<SegmentRef> roomy_ GUARDED_BY(mutex_);  // what lanes may go on with
  std::uint32_t next_ GUARDED_BY(mutex_) = 1;
};

}  // namespace holtfs
