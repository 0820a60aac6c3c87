// The tree across blobs: finding the blob of a key, changing it under its latch, keeping blobs
// neither too full nor too empty.
//
// Reads descend optimistically and take no latch. A change enters the gate (shared), finds its
// blobs optimistically, latches them exclusively in the order of their frames, makes sure they are
// still the right ones, reserves its place in the log, applies and lets go. What moves edges
// between blobs (moving or erasing a subtree that reaches over several blobs, merging blobs) has
// the gate to itself.
//
// Invariants:
//   T1  Under the shared gate the blob that holds a key changes only by a split, which takes the
//       latch of the blob it cuts; so a latched blob in which the search does not meet an edge is
//       the right one.
//   T2  Log order is apply order for batches that touch a common blob: the log range is reserved
//       under the latches.
//   T3  Nobody waits for a frame, for the disk or for room in the log while holding a latch or the
//       gate. Two read from disk all the same with the gate to themselves: holds_key(), which is
//       rare, and visit_blobs().
//   T4  shape_ is odd exactly while edges move; a reader that saw it move starts again.
//   T5  Nothing can fail between the reservation of the log range and the release of the latches.
//   T6  A blob whose room compaction cannot restore has entries that can be cut off.
//   T7  Whether a batch is accepted does not depend on how its keys are spread over blobs: when
//       it is replayed, they may be spread in another way.
//
// Lock ranks: engine/README.md.
// Thread safety: every method from any thread, but for what a comment restricts.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "engine/art/check.h"
#include "engine/art/find.h"
#include "engine/art/scan.h"
#include "engine/base/gate.h"
#include "engine/checkpoint/blob_map.h"
#include "engine/checkpoint/checkpointer.h"
#include "engine/frame/pool.h"
#include "engine/holt.h"

namespace holt {

class Storage;

// What a change needs from the log; during recovery, from its replay.
struct LogWriter {
  // Takes the next range for a payload of this size. Called under latches (T2); cannot fail.
  std::function<Lsn(std::size_t payload_size)> reserve;
};

// A blob with no more live bytes holds next to nothing: header, root and an edge or two.
inline constexpr std::size_t kDrainedBytes = 1024;

struct TreeCounters {
  std::atomic<std::uint64_t> restarts{0}, splits{0}, merges{0}, compactions{0}, blob_reads{0};
};

class Tree {
 public:
  Tree(Storage& storage, FramePool& pool, BlobMap& blobs, Checkpointer& checkpointer, Gate& gate);

  // Makes the root blob of a new store.
  Result<void> create_root();

  // The value goes to `out`, resized to fit.
  Result<void> get(std::string_view key, std::string& out, Wait wait);
  // At most out.size() bytes; gives the whole size.
  Result<std::size_t> get(std::string_view key, std::span<char> out, Wait wait);

  // Appends up to `limit` entries from `bound` on and moves the bound behind them. True at the end.
  Result<bool> scan(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                    art::ScanBuffer& out, Wait wait);

  // Applies a batch. Gives the reserved range's LSN, or 0 when the batch holds conditions only, of
  // which the log need not know.
  Result<Lsn> apply(const Batch& batch, const LogWriter& log, Wait wait);

  // ---- background work; each returns false when there was nothing to do, or nothing can be done
  bool merge_one();
  // By one thread at a time.
  Result<bool> drop_one();

  // Calls `visit` with a copy of every blob reachable from the root or from a dropped subtree. The
  // caller holds the gate exclusively, for as long as reading all of them takes (T3). A blob that
  // cannot be read is reported with the error, and what hangs from it is not visited.
  struct Visited {
    BlobId id;
    bool in_tree;            // false: cut off, and about to be freed
    const std::byte* bytes;  // valid during the call; null: `error` says why
    const art::BlobCensus* census;
    const Error* error;
  };
  void visit_blobs(const std::function<void(const Visited&)>& visit);

  TreeCounters counters;

 private:
  friend class BatchRun;

  // A blob on the way down, as an optimistic reader knows it.
  struct Hop {
    BlobId id = kRootBlob;
    FrameIndex frame = kNoFrame;
    std::uint64_t version = 0;
    std::uint32_t depth = 0;  // bytes of the key above its root
  };
  // kTooLong: a scan met a key beyond what it can hold, which nested moves can make.
  enum class Step : std::uint8_t { kOk, kRestart, kMiss, kTooLong };
  static constexpr int kPatience = 32;  // lost races before a reader latches the blob

  // Where a thread's last search ended.
  struct Finger;
  static Finger& my_finger();

  // Starts an optimistic read: T4.
  std::uint64_t begin_shape() const;
  bool same_shape(std::uint64_t shape) const;

  Step enter(BlobId id, std::uint32_t depth, Hop& hop);
  bool still(const Hop& hop) const { return pool_.frame(hop.frame).latch.still(hop.version); }
  art::View view(FrameIndex frame) const { return art::View(pool_.bytes(frame)); }
  // Descends to the blob where the search for the key ends: from the thread's finger, when that
  // blob did not change and the key goes the same way for a while; from `hop` if it was set by an
  // earlier call that missed and still stands, else from the root. So a search makes headway
  // however few frames there are. kMiss: `miss` has to be loaded, `hop` is the blob above it.
  // kRestart: `hop` is reset. `path`, if given, gets all hops from the root on.
  Step descend(std::string_view key, Hop& hop, BlobId& miss, art::Found& found,
               std::vector<Hop>* path = nullptr);
  Step descend_prefix(std::string_view prefix, Hop& hop, BlobId& miss, art::PrefixSpot& spot,
                      std::vector<Hop>* path = nullptr);
  Step begin_descent(Hop& hop, BlobId& miss, std::vector<Hop>* path);
  Step follow_edge(BlobId child, std::uint32_t depth, Hop& hop, BlobId& miss,
                   std::vector<Hop>* path);

  template <class Read>
  Result<void> read_leaf(std::string_view key, Wait wait, Read&& read);
  struct ScanSpot;
  Step scan_step(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                 art::ScanBuffer& out, ScanSpot& spot, bool& done);

  // Brings a blob into a frame. `keep`: it will be used again soon. `shape` is from before the
  // search that led to the blob.
  Result<void> load(BlobId id, bool keep, std::uint64_t shape);
  Result<void> load_claimed(BlobId id, bool keep, std::uint64_t shape);
  Result<void> read_image(BlobId id, const BlobImage& image, std::byte* to);
  // A taken frame; waits for the checkpointer when all are dirty.
  Result<FrameIndex> take_frame();
  Result<void> wait_for_frames();

  // Makes at least `room` bytes free in the blob, by compaction or splits. Call it outside the
  // gate.
  Result<void> make_room(BlobId id, std::size_t room);
  enum class RoomStep : std::uint8_t { kDone, kGone, kNeedFrames, kFull };
  RoomStep make_room_latched(BlobId id, std::size_t room, FrameIndex spare, bool& spare_used);

  void mark_changed(FrameIndex frame);
  void note_erased(std::string_view key, BlobId id, std::size_t live_before,
                   std::size_t live_after);
  // The way to a blob that may be underfull; with `id`, only if it is not queued for that one yet.
  void queue_merge(std::string_view key, BlobId id = BlobId{kNoBlob});
  // False when it could not be tried: frames are scarce.
  bool merge_at(std::string_view key);
  enum class MergeStep : std::uint8_t { kDone, kAgain, kMiss, kNeedFrames };
  MergeStep merge_inside(std::string_view key, BlobId& miss);
  MergeStep choose_taker(std::string_view key, const Hop& parent, const Hop& child, Hop& taker);
  MergeStep merge_into_parent(std::string_view key, const Hop& parent, const Hop& child);
  MergeStep merge_siblings(std::string_view key, const Hop& parent, const Hop& child,
                           const Hop& sibling);
  MergeStep latch_for_merge(std::span<const Hop> hops);
  void finish_merge(std::string_view key, const Hop& gone);
  // Whether a key begins with `prefix`, the search for which ends in the blob `at`. The caller has
  // the gate to itself and no latch. Blobs that are not resident are read past the cache (T3).
  Result<bool> holds_key(const Hop& at, std::string_view prefix, Wait wait);
  Result<void> copy_blob(BlobId id, std::byte* to);
  static void collect_edges(art::View blob, art::Ref node, std::vector<BlobId>& out);

  Storage& storage_;
  FramePool& pool_;
  BlobMap& blobs_;
  Checkpointer& checkpointer_;
  Gate& gate_;
  const std::uint64_t number_;  // of this tree in this process, for fingers
  std::atomic<std::uint64_t> shape_{0};

  Mutex merge_mutex_{Rank::kLeaf};
  struct Underfull {
    std::string key;
    BlobId id;
  };
  std::deque<Underfull> underfull_ GUARDED_BY(merge_mutex_);
  std::unordered_set<std::uint32_t> queued_ids_ GUARDED_BY(merge_mutex_);
};

}  // namespace holt
