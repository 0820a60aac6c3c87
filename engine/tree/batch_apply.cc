// Applying the steps of a batch under the latches. Nothing here can fail (T5).
#include <cstring>

#include "engine/art/copy.h"
#include "engine/base/check.h"
#include "engine/base/le.h"
#include "engine/tree/batch_run.h"

namespace holt {

namespace {

using Op = Batch::Op;

bool has_changes(const Batch& batch) { return !batch.payload().empty(); }

}  // namespace

void BatchRun::apply_all(bool exclusive) {
  if (!has_changes(batch_)) return;
  if (exclusive) {
    tree_.shape_.fetch_add(1, std::memory_order_acq_rel);  // T4: odd
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  at_ = log_.reserve(batch_.payload().size());  // T2
  live_before_.clear();
  for (const Target& target : targets_) live_before_.push_back(editor(target).live());
  const auto& steps = batch_.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].is_change()) continue;
    apply_step(steps[i], places_[i], exclusive);
    // A patch leaves every node where it is.
    found_stands_ = found_stands_ && steps[i].is_patch();
  }
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].changes) tree_.mark_changed(targets_[i].hop.frame);
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::size_t blob = places_[i].blob;
    if (!steps[i].is_change()) continue;
    tree_.note_erased(batch_.key(steps[i]), targets_[blob].hop.id, live_before_[blob],
                      editor(targets_[blob]).live());
  }
  if (exclusive) tree_.shape_.fetch_add(1, std::memory_order_release);
}

Tree::Hop BatchRun::find_inside(std::string_view key, bool prefix) const {
  Tree::Hop hop;
  for (;;) {
    hop.frame = tree_.pool_.lookup(hop.id);
    CHECK(hop.frame != kNoFrame, "T5");
    BlobId child;
    std::uint32_t depth;
    if (prefix) {
      const auto spot = art::find_prefix(tree_.view(hop.frame), key, hop.depth);
      if (spot.kind != art::PrefixSpot::Kind::kEdge) return hop;
      child = spot.child, depth = spot.depth;
    } else {
      const auto found = art::find(tree_.view(hop.frame), key, hop.depth);
      if (found.where != art::Where::kEdge) return hop;
      child = found.child, depth = found.depth;
    }
    hop.id = child;
    hop.depth = depth;
  }
}

void BatchRun::apply_step(const Step& step, const Place& place, bool exclusive) {
  const Tree::Hop hop =
      exclusive ? find_inside(batch_.key(step), step.is_structural()) : targets_[place.blob].hop;
  switch (step.op) {
    case Op::kPut:
      put_value(hop, step);
      // All blobs were promised room for all steps to come.
      if (exclusive) kept_room_ -= art::put_bound(step.key_size, step.data_size);
      return;
    case Op::kPatch:
    case Op::kAdd: return patch_value(hop, step, place);
    case Op::kErase: return erase_key(hop, step, place);
    case Op::kErasePrefix: {
      const std::string_view prefix = batch_.key(step);
      return erase_prefix(hop, prefix,
                          found_stands_ && !exclusive
                              ? place.spot
                              : art::find_prefix(editor_at(hop.frame), prefix, hop.depth));
    }
    case Op::kMove: return move(hop, exclusive ? Tree::Hop{} : targets_[place.second].hop, step);
  }
}

void BatchRun::put_value(const Tree::Hop& hop, const Step& step) {
  art::Editor blob = editor_at(hop.frame);
  art::put(blob, batch_.key(step), hop.depth, batch_.data(step));
}

void BatchRun::patch_value(const Tree::Hop& hop, const Step& step, const Place& place) {
  art::Editor blob = editor_at(hop.frame);
  const art::Found found =
      found_stands_ ? place.found : art::find(blob, batch_.key(step), hop.depth);
  if (found.where != art::Where::kLeaf) return;  // recovery of a log this program did not write
  const art::NodeHead head = blob.head(found.ref);
  const std::string_view data = batch_.data(step);
  if (step.offset + data.size() > head.value_size()) return;
  if (step.op == Op::kPatch) return blob.patch_value(found.ref, step.offset, data);
  Le64 sum;
  Le64 delta;
  art::copy_out(reinterpret_cast<char*>(&sum), blob.leaf_value(found.ref, head) + step.offset,
                sizeof sum);
  std::memcpy(&delta, data.data(), sizeof delta);
  sum = sum + delta;
  blob.patch_value(found.ref, step.offset, {reinterpret_cast<const char*>(&sum), sizeof sum});
}

void BatchRun::erase_key(const Tree::Hop& hop, const Step& step, const Place& place) {
  art::Editor blob = editor_at(hop.frame);
  if (found_stands_ && place.found.where == art::Where::kLeaf) {
    return art::erase_leaf(blob, batch_.key(step), hop.depth, place.found.ref);
  }
  art::erase(blob, batch_.key(step), hop.depth);
}

void BatchRun::erase_prefix(const Tree::Hop& hop, std::string_view prefix,
                            const art::PrefixSpot& spot) {
  art::Editor blob = editor_at(hop.frame);
  std::vector<BlobId> children;
  if (prefix.empty()) {
    art::clear(blob, children);
  } else if (const art::Ref subtree = art::detach(blob, prefix, hop.depth, spot)) {
    art::release_subtree(blob, subtree, children);
  }
  if (!children.empty()) tree_.blobs_.push_drops(children);
}

void BatchRun::move(const Tree::Hop& from, const Tree::Hop& to, const Step& step) {
  const std::string_view prefix = batch_.data(step);
  art::Editor source = editor_at(from.frame);
  const art::Ref subtree = art::detach(source, batch_.key(step), from.depth,
                                       art::find_prefix(source, batch_.key(step), from.depth));
  if (subtree == 0) return;
  // Taking the subtree off may have freed the way the new prefix takes.
  const Tree::Hop target_hop = to.frame == kNoFrame ? find_inside(prefix, false) : to;
  // Only edges to emptied blobs can be there: check_move() has made sure.
  if (to.frame == kNoFrame) {
    erase_prefix(target_hop, prefix,
                 art::find_prefix(editor_at(target_hop.frame), prefix, target_hop.depth));
  }
  if (to.frame == kNoFrame) kept_room_ -= art::attach_bound(prefix.size(), 0);
  const std::size_t bound = art::attach_bound(prefix.size(), source.size_of(source.head(subtree)));
  if (target_hop.id == from.id) {
    if (to.frame == kNoFrame && bound + kept_room_ > source.room()) {
      return move_to_new_blob(source, subtree, target_hop, prefix);
    }
    return art::attach(source, prefix, from.depth, subtree);
  }
  art::Editor target = editor_at(target_hop.frame);
  const std::size_t needs = bound + art::measure(source, subtree);
  // A drained blob takes what it can: an edge from it to a blob of its own would only make the way
  // longer, with every move by one more.
  const std::size_t comfort = target.live() <= kDrainedBytes ? 0 : kBlobBytes / 8;
  const std::size_t comfortable = needs + comfort + kept_room_;
  if (to.frame == kNoFrame && target.room() < comfortable &&
      target.room() + target.dead() >= comfortable) {
    art::compact(target);
  }
  const bool copies = to.frame != kNoFrame || target.room() >= comfortable;
  if (!copies) return move_to_new_blob(source, subtree, target_hop, prefix);
  const art::Ref copy = art::copy_subtree(source, subtree, target);
  art::attach(target, prefix, target_hop.depth, copy);
  std::vector<BlobId> edges_moved_along;
  art::release_subtree(source, subtree, edges_moved_along);
}

void BatchRun::move_to_new_blob(art::Editor& from, art::Ref subtree, const Tree::Hop& to,
                                std::string_view prefix) {
  CHECK(!spares_.empty(), "T5");
  const FrameIndex frame = spares_.back();
  const BlobId id = spare_ids_.back();
  spares_.pop_back();
  spare_ids_.pop_back();
  art::Editor child = art::Editor::format(tree_.pool_.bytes(frame), id);
  const art::Ref copy = art::copy_subtree(from, subtree, child);
  art::Editor parent = editor_at(to.frame);
  const std::uint32_t depth = art::attach_edge(parent, prefix, to.depth, id);
  art::attach(child, prefix, depth, copy);
  tree_.pool_.install(frame, id);
  tree_.mark_changed(frame);
  tree_.queue_merge(prefix);
  std::vector<BlobId> edges_moved_along;
  art::release_subtree(from, subtree, edges_moved_along);
}

}  // namespace holt
