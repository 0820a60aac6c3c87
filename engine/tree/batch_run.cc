// The attempts: finding and latching the blobs of a batch.
#include "engine/tree/batch_run.h"

#include <algorithm>

#include "engine/art/copy.h"
#include "engine/base/check.h"

namespace holt {

Result<Lsn> Tree::apply(const Batch& batch, const LogWriter& log, Wait wait) {
  return BatchRun(*this, batch, log).run(wait);
}

Result<Lsn> BatchRun::run(Wait wait) {
  bool exclusive = false;
  wait_ = wait;
  for (std::size_t loads = 0;;) {
    const Outcome outcome = exclusive ? attempt_exclusive() : attempt_shared();
    Result<void> helped;
    switch (outcome) {
      case Outcome::kApplied: return at_;
      case Outcome::kFailed: return std::unexpected<Error>(std::move(error_));
      case Outcome::kRestart:
        tree_.counters.restarts.fetch_add(1, std::memory_order_relaxed);
        break;
      case Outcome::kMiss:
        if (wait == Wait::kNo) return fail(Code::kWouldBlock);
        if (++loads > kMaxLoadsPerFrame * tree_.pool_.size()) {
          return fail(Code::kTooLarge, "a batch touches more blobs than the cache has room for");
        }
        // Other blobs that are dirty may stand in the way, so that loading one of ours evicts
        // another. A request is not enough: this loop is faster than a checkpoint.
        if (loads % tree_.pool_.size() == 0) helped = tree_.checkpointer_.run();
        if (helped) helped = tree_.load(blob_, true, shape_);
        break;
      case Outcome::kNeedRoom: helped = tree_.make_room(blob_, room_); break;
      case Outcome::kNeedFrames: helped = tree_.wait_for_frames(); break;
      case Outcome::kNeedExclusive:
      case Outcome::kOnlyEdges: exclusive = true; break;
    }
    if (!helped) return pass(helped);
  }
}

BatchRun::Outcome BatchRun::attempt_shared() {
  const SharedGate inside(tree_.gate_);
  shape_ = tree_.begin_shape();
  if (const Outcome found = locate(false); found != Outcome::kApplied) return found;
  return attempt_latched(false);
}

BatchRun::Outcome BatchRun::attempt_exclusive() {
  const ExclusiveGate inside(tree_.gate_);
  shape_ = tree_.begin_shape();
  if (const Outcome found = locate(true); found != Outcome::kApplied) return found;
  looked_.clear();
  for (;;) {
    const Outcome outcome = attempt_latched(true);
    if (outcome != Outcome::kOnlyEdges) return outcome;
    if (const Outcome looked = look_below(); looked != Outcome::kApplied) return looked;
  }
}

BatchRun::Outcome BatchRun::look_below() {
  auto holds = tree_.holds_key(edges_at_, prefix_, wait_);
  if (!holds) {
    error_ = std::move(holds.error());
    return Outcome::kFailed;
  }
  looked_.emplace_back(prefix_, *holds);
  return Outcome::kApplied;
}

BatchRun::Outcome BatchRun::attempt_latched(bool exclusive) {
  bool changed = false;
  Outcome outcome = Outcome::kRestart;
  if (latch_targets()) {
    outcome = check_expectations();
    if (outcome == Outcome::kApplied) outcome = plan_room(exclusive);
    if (outcome == Outcome::kApplied) outcome = make_writable();
    if (outcome == Outcome::kApplied && exclusive) outcome = take_spares();
    if (outcome == Outcome::kApplied) {
      apply_all(exclusive);
      changed = true;
    }
  }
  unlatch_targets(changed);
  give_back_spares();
  return outcome;
}

BatchRun::Outcome BatchRun::locate(bool whole_way) {
  targets_.clear();
  const auto& steps = batch_.steps();
  // While the shape stands, a blob that did not change is still on the way (T1).
  if (places_.empty() || places_shape_ != shape_) places_.assign(steps.size(), {});
  places_shape_ = shape_;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Outcome outcome = locate_step(steps[i], places_[i], whole_way);
    if (outcome != Outcome::kApplied) return outcome;
  }
  sort_targets();
  // A frame may have passed from one of our blobs to another meanwhile.
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (targets_[i].hop.frame == targets_[j].hop.frame) return Outcome::kRestart;
    }
  }
  return Outcome::kApplied;
}

BatchRun::Outcome BatchRun::go(std::string_view key, bool prefix, bool whole_way, Tree::Hop& from,
                               art::Found& found, art::PrefixSpot& spot) {
  way_.clear();
  if (whole_way) from = {};
  std::vector<Tree::Hop>* const path = whole_way ? &way_ : nullptr;
  const Tree::Step step = prefix ? tree_.descend_prefix(key, from, blob_, spot, path)
                                 : tree_.descend(key, from, blob_, found, path);
  if (step == Tree::Step::kMiss) return Outcome::kMiss;
  if (step == Tree::Step::kRestart) return Outcome::kRestart;
  // What was found shall stay while the rest is loaded.
  for (const Tree::Hop& hop : way_) tree_.pool_.reference(hop.frame);
  tree_.pool_.reference(from.frame);
  return Outcome::kApplied;
}

BatchRun::Outcome BatchRun::locate_step(const Step& step, Place& place, bool whole_way) {
  const Outcome first =
      go(batch_.key(step), step.is_structural(), whole_way, place.from, place.found, place.spot);
  if (first != Outcome::kApplied) return first;
  place.blob = add_way(place.from, whole_way);
  place.second = place.blob;
  if (step.is_move()) {
    art::Found found;
    art::PrefixSpot unused;
    const Outcome second =
        go(batch_.data(step), false, whole_way, place.second_from, found, unused);
    if (second != Outcome::kApplied) return second;
    place.second = add_way(place.second_from, whole_way);
  }
  return Outcome::kApplied;
}

std::size_t BatchRun::add_way(const Tree::Hop& end, bool whole_way) {
  if (whole_way) {
    for (const Tree::Hop& hop : way_) add_target(hop);
  }
  return add_target(end);
}

std::size_t BatchRun::add_target(const Tree::Hop& hop) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].hop.id == hop.id) return i;
  }
  targets_.push_back({.hop = hop, .index = targets_.size()});
  return targets_.size() - 1;
}

// By what is going to be latched: a frame may hold another blob by then, so blob ids give no order.
void BatchRun::sort_targets() {
  if (targets_.size() < 2) return;
  std::ranges::sort(targets_, {}, [](const Target& target) { return target.hop.frame; });
  const auto now_at = [&](std::size_t index) {
    return static_cast<std::size_t>(std::ranges::find(targets_, index, &Target::index) -
                                    targets_.begin());
  };
  for (Place& place : places_) {
    place.blob = now_at(place.blob);
    place.second = now_at(place.second);
  }
}

art::Found BatchRun::leaf_of(const Step& step, const Place& place) const {
  if (found_stands_) return place.found;
  const Tree::Hop& hop = targets_[place.blob].hop;
  return art::find(tree_.view(hop.frame), batch_.key(step), hop.depth);
}

bool BatchRun::still_ends_here(const Step& step, const Place& place) const {
  const auto ends = [&](std::size_t index, std::string_view key, bool prefix) {
    const Tree::Hop& hop = targets_[index].hop;
    if (prefix) {
      return art::find_prefix(tree_.view(hop.frame), key, hop.depth).kind !=
             art::PrefixSpot::Kind::kEdge;
    }
    return art::find(tree_.view(hop.frame), key, hop.depth).where != art::Where::kEdge;
  };
  if (!ends(place.blob, batch_.key(step), step.is_structural())) return false;
  return !step.is_move() || ends(place.second, batch_.data(step), false);
}

// All latches are taken even when one target is found changed: unlatch_targets() releases all.
bool BatchRun::latch_targets() {
  bool same = true;
  bool unmoved = true;
  for (Target& target : targets_) {
    Frame& frame = tree_.pool_.frame(target.hop.frame);
    frame.latch.lock();
    same = same && frame.blob.load(std::memory_order_acquire) == index_of(target.hop.id);
    unmoved = unmoved && frame.latch.held_version() == target.hop.version;
  }
  found_stands_ = same && unmoved;
  if (!same || unmoved) return same;
  const auto& steps = batch_.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!still_ends_here(steps[i], places_[i])) return false;  // T1
  }
  return true;
}

void BatchRun::unlatch_targets(bool changed) {
  for (auto target = targets_.rbegin(); target != targets_.rend(); ++target) {
    Latch& latch = tree_.pool_.frame(target->hop.frame).latch;
    if (changed && target->changes) {
      latch.unlock();
    } else {
      latch.unlock_unchanged();
    }
  }
}

BatchRun::Outcome BatchRun::plan_room(bool exclusive) {
  if (exclusive) {
    plan_exclusive();
  } else if (const Outcome planned = plan_shared(); planned != Outcome::kApplied) {
    return planned;
  }
  kept_room_ = 0;
  for (const Target& target : targets_) {
    CHECK(target.room <= kMaxRoom, "T7");
    kept_room_ = std::max(kept_room_, target.room);
    if (target.room <= editor(target).room()) continue;
    blob_ = target.hop.id;
    room_ = target.room;
    return Outcome::kNeedRoom;
  }
  return Outcome::kApplied;
}

BatchRun::Outcome BatchRun::plan_shared() {
  const auto& steps = batch_.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].is_change()) continue;
    if (steps[i].is_structural() && !fits_shared(steps[i], places_[i]))
      return Outcome::kNeedExclusive;
    Target& target = targets_[places_[i].blob];
    target.changes = true;
    if (steps[i].op == Batch::Op::kPut) {
      target.room += art::put_bound(batch_.key(steps[i]).size(), steps[i].data_size);
    } else if (steps[i].is_move()) {
      Target& second = targets_[places_[i].second];
      second.changes = true;
      second.room += move_bound(steps[i], places_[i]);
    }
  }
  // Alone, what does not fit gets a blob of its own.
  const bool fits =
      std::ranges::all_of(targets_, [](const Target& target) { return target.room <= kMaxRoom; });
  return fits ? Outcome::kApplied : Outcome::kNeedExclusive;
}

// A later step may work on what an earlier one moved, or above what it cut off: any blob on the way
// must be able to take all. And what a move leaves behind must be so much less than a blob that the
// moved subtree fits into a new one together with its new prefix.
void BatchRun::plan_exclusive() {
  std::size_t top = 0;
  const auto& steps = batch_.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].is_move()) continue;
    const art::PrefixSpot spot = spot_of(steps[i], places_[i]);
    if (spot.kind != art::PrefixSpot::Kind::kNode) continue;
    const art::Editor from = editor(targets_[places_[i].blob]);
    const art::NodeHead head = from.head(spot.ref);
    if (head.kind() == NodeKind::kPrefix) top = std::max(top, from.size_of(head));
  }
  const std::size_t room = room_of(batch_) + top;
  for (Target& target : targets_) {
    target.changes = true;
    target.room = room;
  }
}

// Where the prefix of a structural step leads in its blob.
art::PrefixSpot BatchRun::spot_of(const Step& step, const Place& place) const {
  if (found_stands_) return place.spot;
  const Target& target = targets_[place.blob];
  return art::find_prefix(editor(target), batch_.key(step), target.hop.depth);
}

// Room that a move can need at most where it arrives.
std::size_t BatchRun::move_bound(const Step& step, const Place& place) const {
  const art::PrefixSpot spot = spot_of(step, place);
  if (spot.kind != art::PrefixSpot::Kind::kNode) return art::attach_bound(step.data_size, 0);
  const art::Editor from = editor(targets_[place.blob]);
  const std::size_t top = from.size_of(from.head(spot.ref));
  const std::size_t bound = art::attach_bound(step.data_size, top);
  if (place.blob == place.second) return bound;
  return bound + art::measure_local(from, spot.ref, kMaxSharedMove).value_or(0);
}

// Whether a structural step stays inside its blobs: no edge moves, and little is copied.
bool BatchRun::fits_shared(const Step& step, const Place& place) const {
  if (batch_.steps().size() > 1 && step.is_move()) {
    // Steps that build on each other's moves need to look their blobs up again.
    const auto moves = std::ranges::count_if(batch_.steps(), &Step::is_structural);
    if (moves > 1) return false;
  }
  if (batch_.key(step).empty()) return false;
  const art::PrefixSpot spot = spot_of(step, place);
  if (spot.kind == art::PrefixSpot::Kind::kNone) return true;
  return art::measure_local(editor(targets_[place.blob]), spot.ref, kMaxSharedMove).has_value();
}

BatchRun::Outcome BatchRun::make_writable() {
  for (const Target& target : targets_) {
    if (!target.changes) continue;
    const FrameIndex frame = target.hop.frame;
    if (tree_.pool_.frame(frame).frozen.load(std::memory_order_relaxed) &&
        !tree_.checkpointer_.set_aside(frame)) {
      return Outcome::kNeedFrames;
    }
  }
  return Outcome::kApplied;
}

// A move may need a new blob each.
BatchRun::Outcome BatchRun::take_spares() {
  const auto moves =
      static_cast<std::size_t>(std::ranges::count_if(batch_.steps(), &Step::is_move));
  if (targets_.size() + moves >= tree_.pool_.size()) {
    error_ = Error(Code::kTooLarge, "a batch moves more subtrees than the cache has room for");
    return Outcome::kFailed;
  }
  for (const Step& step : batch_.steps()) {
    if (!step.is_move()) continue;
    const auto frame = tree_.pool_.try_take();
    if (!frame) return Outcome::kNeedFrames;
    spares_.push_back(*frame);
    auto id = tree_.blobs_.allocate();
    if (!id) {
      error_ = std::move(id.error());
      return Outcome::kFailed;
    }
    spare_ids_.push_back(*id);
  }
  return Outcome::kApplied;
}

void BatchRun::give_back_spares() {
  for (const FrameIndex frame : spares_) tree_.pool_.give_back(frame);
  for (const BlobId id : spare_ids_) tree_.blobs_.cancel(id);
  spares_.clear();
  spare_ids_.clear();
}

}  // namespace holt
