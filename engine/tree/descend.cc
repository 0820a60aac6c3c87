// Finding the blob of a key, and reading a value from it.
#include <thread>

#include "engine/art/find.h"
#include "engine/tree/tree.h"

namespace holt {

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

Tree::Step Tree::descend(std::string_view key, Hop& hop, art::Found& found,
                         std::vector<Hop>* path) {
  Step step = enter(kRootBlob, 0, hop);
  for (;;) {
    if (step != Step::kOk) return step;
    if (path != nullptr) path->push_back(hop);
    found = art::find(view(hop.frame), key, hop.depth);
    if (found.where != art::Where::kEdge) return Step::kOk;
    Hop next;
    step = enter(found.child, found.depth, next);
    // The child counts only if the parent that named it did not change meanwhile.
    if (!still(hop)) return Step::kRestart;
    hop = next;
  }
}

Tree::Step Tree::descend_prefix(std::string_view prefix, Hop& hop, art::PrefixSpot& spot,
                                std::vector<Hop>* path) {
  Step step = enter(kRootBlob, 0, hop);
  for (;;) {
    if (step != Step::kOk) return step;
    if (path != nullptr) path->push_back(hop);
    spot = art::find_prefix(view(hop.frame), prefix, hop.depth);
    if (spot.kind != art::PrefixSpot::Kind::kEdge) return Step::kOk;
    Hop next;
    step = enter(spot.child, spot.depth, next);
    if (!still(hop)) return Step::kRestart;
    hop = next;
  }
}

// Calls read(view, leaf) with the key's leaf, perhaps more than once; the last call counts.
template <class Read>
Result<void> Tree::read_leaf(std::string_view key, Wait wait, Read&& read) {
  for (int attempt = 0;; ++attempt) {
    const std::uint64_t shape = begin_shape();
    Hop hop;
    art::Found found;
    Step step = descend(key, hop, found);
    if (step == Step::kMiss) {
      if (wait == Wait::kNo) return fail(Code::kWouldBlock);
      if (auto loaded = load(hop.id, true, shape); !loaded) return loaded;
      attempt = 0;
      continue;
    }
    if (step == Step::kOk) {
      Latch& latch = pool_.frame(hop.frame).latch;
      const bool latched = attempt > kPatience;
      if (latched) {
        latch.lock_shared();
        found = art::find(view(hop.frame), key, hop.depth);
      }
      const bool present = found.where == art::Where::kLeaf;
      bool good = pool_.frame(hop.frame).blob.load(std::memory_order_acquire) == index_of(hop.id) &&
                  found.where != art::Where::kEdge;
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
