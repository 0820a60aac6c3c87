// Background work on the shape: merging underfull blobs, freeing what was cut off, visiting all
// blobs.
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "engine/art/check.h"
#include "engine/art/copy.h"
#include "engine/art/merge.h"
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/tree/tree.h"

namespace holt {

namespace {

constexpr std::size_t kUnderfull = kBlobBytes / 4;
// So that the next insert does not split it again.
constexpr std::size_t kMergedAtMost = kBlobBytes / 4 * 3;
// What is not queued any more is merged when its blob shrinks again.
constexpr std::size_t kMaxQueued = 16'384;

}  // namespace

namespace {

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Tree::Tree(Storage& storage, FramePool& pool, BlobMap& blobs, Checkpointer& checkpointer,
           Gate& gate)
    : storage_(storage),
      pool_(pool),
      blobs_(blobs),
      checkpointer_(checkpointer),
      gate_(gate),
      number_(next_number()) {}

Result<void> Tree::create_root() {
  auto id = blobs_.allocate();
  if (!id) return pass(id);
  CHECK(*id == kRootBlob, "F4");
  const auto frame = pool_.try_take();
  CHECK(frame.has_value(), "F4");
  art::Editor::format(pool_.bytes(*frame), kRootBlob);
  pool_.install(*frame, kRootBlob);
  return {};
}

// Remembers the way to a blob each time it shrinks past a multiple of a sixteenth below kUnderfull.
void Tree::note_erased(std::string_view key, BlobId id, std::size_t live_before,
                       std::size_t live_after) {
  constexpr std::size_t kStep = kBlobBytes / 16;
  if (id == kRootBlob || live_after >= live_before || live_after >= kUnderfull) return;
  if (live_before / kStep == live_after / kStep && live_after > sizeof(DiskBlobHeader) + 64) return;
  queue_merge(key, id);
}

void Tree::queue_merge(std::string_view key, BlobId id) {
  const MutexLock lock(merge_mutex_);
  if (underfull_.size() >= kMaxQueued) return;
  if (id != BlobId{kNoBlob} && !queued_ids_.insert(index_of(id)).second) return;
  underfull_.emplace_back(std::string(key), id);
}

bool Tree::merge_one() {
  Underfull next;
  {
    const MutexLock lock(merge_mutex_);
    if (underfull_.empty()) return false;
    next = std::move(underfull_.front());
    underfull_.pop_front();
    queued_ids_.erase(index_of(next.id));
  }
  if (merge_at(next.key)) return true;
  // So few frames can be had that loading one blob of the merge evicts the other. They become clean
  // with a checkpoint; the key waits for it.
  checkpointer_.request();
  queue_merge(next.key, next.id);
  return false;
}

bool Tree::merge_at(std::string_view key) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    BlobId miss{};
    std::uint64_t shape = 0;
    MergeStep step;
    {
      const ExclusiveGate inside(gate_);
      shape = begin_shape();
      step = merge_inside(key, miss);
    }
    if (step == MergeStep::kDone) return true;
    if (step == MergeStep::kMiss && !load(miss, false, shape)) return true;
    if (step == MergeStep::kNeedFrames && !wait_for_frames()) return true;
  }
  return false;
}

// With the gate to itself: nobody else changes blobs, but readers may still load and evict.
Tree::MergeStep Tree::merge_inside(std::string_view key, BlobId& miss) {
  std::vector<Hop> path;
  Hop last;
  art::Found found;
  const Step step = descend(key, last, miss, found, &path);
  if (step == Step::kMiss) return MergeStep::kMiss;
  if (step == Step::kRestart) return MergeStep::kAgain;
  // The deepest one that can be merged; moves leave drained blobs in the middle of the way, too.
  for (std::size_t below = path.size() - 1; below > 0; --below) {
    const Hop& parent = path[below - 1];
    Hop taker;
    const MergeStep chosen = choose_taker(key, parent, path[below], taker);
    if (chosen != MergeStep::kDone) return chosen;
    if (taker.frame == kNoFrame) continue;
    if (taker.id == parent.id) return merge_into_parent(key, parent, path[below]);
    return merge_siblings(key, parent, path[below], taker);
  }
  return MergeStep::kDone;
}

// Who takes the child over: the parent if it is roomy, else a sibling; left unset when nobody
// can. No blob's bytes change, the gate is ours, but only the latches keep readers from evicting
// what is looked at.
Tree::MergeStep Tree::choose_taker(std::string_view key, const Hop& parent, const Hop& child,
                                   Hop& taker) {
  Frame& above = pool_.frame(parent.frame);
  Frame& below = pool_.frame(child.frame);
  pool_.frame(std::min(parent.frame, child.frame)).latch.lock_shared();
  pool_.frame(std::max(parent.frame, child.frame)).latch.lock_shared();
  const bool same = above.blob.load(std::memory_order_acquire) == index_of(parent.id) &&
                    below.blob.load(std::memory_order_acquire) == index_of(child.id);
  const std::size_t live = view(child.frame).live();
  if (same && live < kUnderfull) {
    // A drained blob is always better gone.
    const std::size_t limit = live <= kDrainedBytes ? kBlobBytes : kMergedAtMost;
    if (view(parent.frame).live() + live + art::kMergeSlack <= limit) {
      taker = parent;
    } else {
      for (const BlobId id :
           art::siblings(view(parent.frame), parent.depth, child.depth, key, child.id)) {
        Hop sibling;
        if (enter(id, child.depth, sibling) != Step::kOk) continue;  // not worth a read
        const std::size_t size = view(sibling.frame).live();
        if (!still(sibling) || size + live + art::kMergeSlack > limit) continue;
        taker = sibling;
        break;
      }
    }
  }
  below.latch.unlock_shared();
  above.latch.unlock_shared();
  return same ? MergeStep::kDone : MergeStep::kAgain;
}

// Latches in the order of the frames, as batches do, and makes the frames writable.
Tree::MergeStep Tree::latch_for_merge(std::span<const Hop> hops) {
  std::vector<Hop> order(hops.begin(), hops.end());
  std::sort(order.begin(), order.end(),
            [](const Hop& a, const Hop& b) { return a.frame < b.frame; });
  MergeStep outcome = MergeStep::kDone;
  std::size_t latched = 0;
  for (const Hop& hop : order) {
    Frame& frame = pool_.frame(hop.frame);
    frame.latch.lock();
    ++latched;
    if (frame.blob.load(std::memory_order_acquire) != index_of(hop.id)) {
      outcome = MergeStep::kAgain;  // evicted meanwhile
      break;
    }
    if (frame.frozen.load(std::memory_order_relaxed) && !checkpointer_.set_aside(hop.frame)) {
      outcome = MergeStep::kNeedFrames;
      break;
    }
  }
  if (outcome != MergeStep::kDone) {
    for (std::size_t i = 0; i < latched; ++i) pool_.frame(order[i].frame).latch.unlock_unchanged();
    return outcome;
  }
  shape_.fetch_add(1, std::memory_order_acq_rel);  // T4
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return outcome;
}

// The blob in `gone`, latched, has been taken over. What took it over may be underfull itself.
void Tree::finish_merge(std::string_view key, const Hop& gone) {
  queue_merge(key);
  blobs_.free(gone.id, checkpointer_.epoch());
  checkpointer_.retire(gone.frame);
  counters.merges.fetch_add(1, std::memory_order_relaxed);
  shape_.fetch_add(1, std::memory_order_release);
}

Tree::MergeStep Tree::merge_into_parent(std::string_view key, const Hop& parent, const Hop& child) {
  const MergeStep latched = latch_for_merge(std::array{parent, child});
  if (latched != MergeStep::kDone) return latched;
  art::Editor above(pool_.bytes(parent.frame));
  const art::View below = view(child.frame);
  if (above.room() < below.live() + art::kMergeSlack) art::compact(above);
  art::absorb_child(above, parent.depth, below, child.depth, key);
  mark_changed(parent.frame);
  finish_merge(key, child);
  pool_.frame(parent.frame).latch.unlock();
  return MergeStep::kDone;
}

Tree::MergeStep Tree::merge_siblings(std::string_view key, const Hop& parent, const Hop& child,
                                     const Hop& sibling) {
  const MergeStep latched = latch_for_merge(std::array{parent, child, sibling});
  if (latched != MergeStep::kDone) return latched;
  art::Editor above(pool_.bytes(parent.frame));
  art::Editor taker(pool_.bytes(sibling.frame));
  const art::View below = view(child.frame);
  if (taker.room() < below.live() + art::kMergeSlack) art::compact(taker);
  art::absorb_sibling(above, parent.depth, taker, child.depth, below, key);
  mark_changed(parent.frame);
  mark_changed(sibling.frame);
  finish_merge(key, child);
  pool_.frame(sibling.frame).latch.unlock();
  pool_.frame(parent.frame).latch.unlock();
  return MergeStep::kDone;
}

Result<bool> Tree::drop_one() {
  BlobId id{};
  if (!blobs_.next_drop(id)) return false;
  for (;;) {
    const std::uint64_t shape = begin_shape();
    {
      const SharedGate inside(gate_);
      const FrameIndex index = pool_.lookup(id);
      if (index != kNoFrame) {
        Frame& frame = pool_.frame(index);
        frame.latch.lock();
        if (frame.blob.load(std::memory_order_acquire) == index_of(id)) {
          art::Editor blob(pool_.bytes(index));
          std::vector<BlobId> children;
          collect_edges(blob, blob.root(), children);
          blobs_.free(id, checkpointer_.epoch());
          blobs_.finish_drop(id, children);
          checkpointer_.retire(index);
          return true;
        }
        frame.latch.unlock_unchanged();
      }
    }
    if (auto loaded = load(id, false, shape); !loaded) {
      blobs_.defer_drop(id);  // the others need not wait for it
      return pass(loaded);
    }
  }
}

void Tree::collect_edges(art::View blob, art::Ref node, std::vector<BlobId>& out) {
  blob.each_node(node, [&](art::Ref, art::NodeHead head) {
    if (head.kind() == NodeKind::kBlobEdge) out.push_back(head.blob());
    return true;
  });
}

// The newest bytes of a blob, from its frame or from disk.
Result<void> Tree::copy_blob(BlobId id, std::byte* to) {
  const FrameIndex index = pool_.lookup(id);
  if (index != kNoFrame) {
    Frame& frame = pool_.frame(index);
    frame.latch.lock_shared();
    const bool held = frame.blob.load(std::memory_order_acquire) == index_of(id);
    if (held) art::copy_words(to, pool_.bytes(index), view(index).used());
    frame.latch.unlock_shared();
    if (held) return {};
  }
  const BlobImage image = blobs_.image(id);
  if (image.slot == kNoSlot) {
    return fail(Code::kCorrupt, fmt::format("blob {} does not exist", index_of(id)));
  }
  return read_image(id, image, to);
}

Result<bool> Tree::holds_key(const Hop& at, std::string_view prefix, Wait wait) {
  const auto copy = std::make_unique_for_overwrite<BlobBuffer>();
  const art::View blob(copy->bytes.data());
  if (auto read = copy_blob(at.id, copy->bytes.data()); !read) return pass(read);
  const auto spot = art::find_prefix(blob, prefix, at.depth);
  if (spot.kind != art::PrefixSpot::Kind::kNode) return false;
  if (art::has_leaf(blob, spot.ref)) return true;
  std::vector<BlobId> todo;
  collect_edges(blob, spot.ref, todo);
  while (!todo.empty()) {
    const BlobId id = todo.back();
    todo.pop_back();
    if (wait == Wait::kNo && pool_.lookup(id) == kNoFrame) return fail(Code::kWouldBlock);
    if (auto read = copy_blob(id, copy->bytes.data()); !read) return pass(read);
    if (art::has_leaf(blob, blob.root())) return true;
    collect_edges(blob, blob.root(), todo);
  }
  return false;
}

void Tree::visit_blobs(const std::function<void(const Visited&)>& visit) {
  const auto copy = std::make_unique_for_overwrite<BlobBuffer>();
  std::byte* bytes = copy->bytes.data();
  std::vector<BlobId> todo = blobs_.snapshot().drops;
  const std::set<BlobId> dropped(todo.begin(), todo.end());
  todo.push_back(kRootBlob);
  std::set<BlobId> seen;
  bool in_tree = true;  // the root comes first, with all below it
  while (!todo.empty()) {
    const BlobId id = todo.back();
    todo.pop_back();
    in_tree = in_tree && !dropped.contains(id);
    Result<void> read = copy_blob(id, bytes);
    if (!seen.insert(id).second) {
      read = fail(Code::kCorrupt, fmt::format("blob {} is reached by two edges", index_of(id)));
    }
    Result<art::BlobCensus> census;
    if (read) {
      census = art::check_blob(art::View(bytes), id);
      if (!census) read = pass(census);
    }
    if (!read) {
      visit({id, in_tree, nullptr, nullptr, &read.error()});
      continue;
    }
    visit({id, in_tree, bytes, &*census, nullptr});
    todo.insert(todo.end(), census->children.begin(), census->children.end());
  }
}

}  // namespace holt
