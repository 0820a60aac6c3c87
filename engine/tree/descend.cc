// Finding the blob of a key, and reading a value from it.
#include <algorithm>
#include <array>
#include <thread>

#include "engine/art/find.h"
#include "engine/tree/tree.h"

namespace holt {

// Operations on one file or directory search for several keys that begin alike, one after the
// other. The way down to where they part is searched once, as long as the blob does not change:
// then what hangs where in it is what it was (T1, T4).
struct Tree::Finger {
  std::uint64_t tree = 0;  // number of the tree, 0: points nowhere
  std::uint64_t shape = 0;
  Hop hop;
  std::uint32_t key_size = 0;
  alignas(8) std::array<char, 512> key;  // of the last search
  art::Trail trail;

  std::size_t common_with(std::string_view other) const {
    return art::common_prefix(reinterpret_cast<const std::byte*>(key.data()), other.data(),
                              std::min<std::size_t>(key_size, other.size()));
  }
  // `shape_before` is from before the search.
  void point(std::uint64_t number, std::uint64_t shape_before, std::string_view searched,
             const Hop& end) {
    if (searched.size() > key.size()) return;
    tree = number;
    shape = shape_before;
    hop = end;
    key_size = static_cast<std::uint32_t>(searched.size());
    searched.copy(key.data(), searched.size());
  }
};

Tree::Finger& Tree::my_finger() {
  thread_local Finger finger;
  return finger;
}

std::uint64_t Tree::begin_shape() const {
  for (;;) {
    const std::uint64_t shape = shape_.load(std::memory_order_acquire);
    if ((shape & 1) == 0) return shape;
    std::this_thread::yield();
  }
}

bool Tree::same_shape(std::uint64_t shape) const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return shape_.load(std::memory_order_relaxed) == shape;
}

Tree::Step Tree::enter(BlobId id, std::uint32_t depth, Hop& hop) {
  hop.id = id;
  hop.depth = depth;
  hop.frame = pool_.lookup(id);
  if (hop.frame == kNoFrame) return Step::kMiss;
  const Frame& frame = pool_.frame(hop.frame);
  hop.version = frame.latch.version();
  if (frame.blob.load(std::memory_order_acquire) != index_of(id)) return Step::kRestart;  // F3
  return Step::kOk;
}

Tree::Step Tree::begin_descent(Hop& hop, BlobId& miss, std::vector<Hop>* path) {
  if (hop.frame != kNoFrame && still(hop)) return Step::kOk;
  if (path != nullptr) path->clear();
  const Step step = enter(kRootBlob, 0, hop);
  if (step == Step::kOk && path != nullptr) path->push_back(hop);
  if (step == Step::kMiss) miss = kRootBlob;
  if (step != Step::kOk) hop = {};
  return step;
}

Tree::Step Tree::follow_edge(BlobId child, std::uint32_t depth, Hop& hop, BlobId& miss,
                             std::vector<Hop>* path) {
  Hop next;
  Step step = enter(child, depth, next);
  // The child counts only if the parent that named it did not change meanwhile.
  if (!still(hop)) step = Step::kRestart;
  if (step == Step::kMiss) {
    miss = child;
    return step;
  }
  pool_.reference(hop.frame);
  hop = step == Step::kOk ? next : Hop{};
  if (step == Step::kOk && path != nullptr) path->push_back(hop);
  return step;
}

Tree::Step Tree::descend(std::string_view key, Hop& hop, BlobId& miss, art::Found& found,
                         std::vector<Hop>* path) {
  Finger& finger = my_finger();
  const art::Trail::Stop* stop = nullptr;
  const std::uint64_t shape = shape_.load(std::memory_order_acquire);
  // Who wants the whole way, or to go on from a blob, has it searched; so is what an edge may have
  // moved during.
  const bool whole = path == nullptr && hop.frame == kNoFrame && (shape & 1) == 0;
  if (whole && finger.tree == number_ && finger.shape == shape && still(finger.hop)) {
    stop = finger.trail.back_to(finger.common_with(key));
  }
  Step step = Step::kOk;
  if (stop != nullptr) {
    hop = finger.hop;
  } else {
    step = begin_descent(hop, miss, path);
    finger.trail.clear();
  }
  finger.tree = 0;
  while (step == Step::kOk) {
    found = art::find(view(hop.frame), key, hop.depth, stop, finger.trail);
    if (found.where != art::Where::kEdge) {
      if (whole) finger.point(number_, shape, key, hop);
      return step;
    }
    step = follow_edge(found.child, found.depth, hop, miss, path);
    stop = nullptr;
    finger.trail.clear();
  }
  return step;
}

Tree::Step Tree::descend_prefix(std::string_view prefix, Hop& hop, BlobId& miss,
                                art::PrefixSpot& spot, std::vector<Hop>* path) {
  Step step = begin_descent(hop, miss, path);
  while (step == Step::kOk) {
    spot = art::find_prefix(view(hop.frame), prefix, hop.depth);
    if (spot.kind != art::PrefixSpot::Kind::kEdge) return step;
    step = follow_edge(spot.child, spot.depth, hop, miss, path);
  }
  return step;
}

// Calls read(view, leaf) with the key's leaf, perhaps more than once; the last call counts.
template <class Read>
Result<void> Tree::read_leaf(std::string_view key, Wait wait, Read&& read) {
  std::uint64_t shape = begin_shape();
  Hop hop;
  for (int attempt = 0;; ++attempt) {
    art::Found found;
    BlobId miss{};
    const Step step = descend(key, hop, miss, found);
    if (step == Step::kMiss) {
      if (wait == Wait::kNo) return fail(Code::kWouldBlock);
      if (auto loaded = load(miss, true, shape); !loaded) return loaded;
      attempt = 0;
      continue;
    }
    if (step == Step::kOk) {
      Latch& latch = pool_.frame(hop.frame).latch;
      const bool latched = attempt > kPatience;
      if (latched) latch.lock_shared();
      // Asked first: a frame that is being filled is not latched, and holds no blob yet.
      bool good = pool_.frame(hop.frame).blob.load(std::memory_order_acquire) == index_of(hop.id);
      if (latched && good) found = art::find(view(hop.frame), key, hop.depth);
      const bool present = found.where == art::Where::kLeaf;
      good = good && found.where != art::Where::kEdge;
      if (present && good) good = read(view(hop.frame), found.ref);
      if (latched) {
        latch.unlock_shared();
      } else {
        good = good && still(hop);
      }
      if (good && same_shape(shape)) {
        pool_.reference(hop.frame);
        return present ? Result<void>() : fail(Code::kNotFound);
      }
    }
    counters.restarts.fetch_add(1, std::memory_order_relaxed);
    hop = {};
    shape = begin_shape();
  }
}

Result<void> Tree::get(std::string_view key, std::string& out, Wait wait) {
  return read_leaf(key, wait, [&](art::View blob, art::Ref leaf) {
    const art::NodeHead head = blob.head(leaf);
    if (head.kind() != NodeKind::kLeaf || head.value_size() > kMaxValueBytes) return false;
    out.resize(head.value_size());
    art::copy_out(out.data(), blob.leaf_value(leaf, head), out.size());
    return true;
  });
}

Result<std::size_t> Tree::get(std::string_view key, std::span<char> out, Wait wait) {
  std::size_t size = 0;
  auto outcome = read_leaf(key, wait, [&](art::View blob, art::Ref leaf) {
    const art::NodeHead head = blob.head(leaf);
    if (head.kind() != NodeKind::kLeaf || head.value_size() > kMaxValueBytes) return false;
    size = head.value_size();
    art::copy_out(out.data(), blob.leaf_value(leaf, head), std::min(size, out.size()));
    return true;
  });
  if (!outcome) return pass(outcome);
  return size;
}

}  // namespace holt
