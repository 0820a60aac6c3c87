// What must hold before a batch may be applied.
#include <algorithm>

#include <fmt/format.h>

#include "engine/art/copy.h"
#include "engine/base/check.h"
#include "engine/tree/batch_run.h"

namespace holt {

namespace {

using Kind = Batch::Kind;
using Op = Batch::Op;
using Expect = Batch::Expect;

Result<void> check_sizes(const Batch& batch, const Batch::Step& step) {
  const std::size_t key = batch.key(step).size();
  const std::size_t data = batch.data(step).size();
  if (key > kMaxKeyBytes) {
    return fail(Code::kTooLarge,
                fmt::format("a key has {} bytes, the limit is {}", key, kMaxKeyBytes));
  }
  const std::size_t limit = step.is_move() ? kMaxKeyBytes : kMaxValueBytes;
  if (data > limit) {
    return fail(Code::kTooLarge, fmt::format("a value has {} bytes, the limit is {}", data, limit));
  }
  if (!step.is_move()) return {};
  const std::string_view from = batch.key(step);
  const std::string_view to = batch.data(step);
  if (from.starts_with(to) || to.starts_with(from)) {
    return fail(Code::kInvalid, "a subtree cannot be moved into itself or onto what contains it");
  }
  return {};
}

// Whether `later` would have to see what `earlier` did, in a way the checks beforehand cannot.
bool depends(const Batch& batch, const Batch::Step& earlier, const Batch::Step& later) {
  if (!earlier.is_change() || !later.is_change()) return false;
  const std::string_view before = batch.key(earlier);
  const std::string_view key = batch.key(later);
  if (earlier.is_structural()) {
    const std::string_view to = earlier.is_move() ? batch.data(earlier) : before;
    const auto within = [&](std::string_view other) {
      return other.starts_with(before) || other.starts_with(to);
    };
    if (!later.is_structural()) {
      return (later.is_patch() || earlier.is_move()) && within(key);
    }
    // Moves may follow each other when they name the same prefixes exactly.
    const auto clashes = [&](std::string_view other) {
      return (within(other) && other != before && other != to) ||
             (before.starts_with(other) && other != before) ||
             (to.starts_with(other) && other != to);
    };
    return clashes(key) || (later.is_move() && clashes(batch.data(later)));
  }
  if (later.is_move()) {
    // Room was found for the subtree as it is; a patch leaves its size alone.
    return !earlier.is_patch() &&
           (before.starts_with(key) || before.starts_with(batch.data(later)));
  }
  return later.is_patch() && key == before && !earlier.is_patch();
}

}  // namespace

// Room that the batch needs at most, if all of it belongs into one blob and whatever is moved there
// and does not fit gets a blob of its own.
std::size_t BatchRun::room_of(const Batch& batch) {
  std::size_t room = 0;
  for (const Step& step : batch.steps()) {
    if (step.is_change() && step.op == Op::kPut) {
      room += art::put_bound(step.key_size, step.data_size);
    } else if (step.is_move()) {
      room += art::attach_bound(step.data_size, 0);
    }
  }
  return room;
}

Result<void> BatchRun::validate(const Batch& batch) {
  const auto& steps = batch.steps();
  if (steps.size() > kMaxBatchOps) {
    return fail(Code::kTooLarge,
                fmt::format("a batch has {} steps, the limit is {}", steps.size(), kMaxBatchOps));
  }
  if (batch.payload().size() > kMaxBatchBytes) {
    return fail(Code::kTooLarge, fmt::format("a batch has {} bytes, the limit is {}",
                                             batch.payload().size(), kMaxBatchBytes));
  }
  // All of it may belong into one blob; which keys share one is not for the caller to know, and may
  // be another matter when the log is replayed.
  const std::size_t room = room_of(batch);
  const bool moves = std::ranges::any_of(steps, &Step::is_move);
  const std::size_t limit = moves ? kMaxRoom - kMaxTop : kMaxRoom;
  if (room > limit) {
    return fail(
        Code::kTooLarge,
        fmt::format("a batch needs up to {} bytes in a blob, the limit is {}", room, limit));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (auto sizes = check_sizes(batch, steps[i]); !sizes) return sizes;
    for (std::size_t j = 0; j < i; ++j) {
      if (depends(batch, steps[j], steps[i])) {
        return fail(Code::kInvalid,
                    "a step of the batch builds on a key that an earlier step of the "
                    "same batch changes");
      }
    }
  }
  return {};
}

BatchRun::Outcome BatchRun::reject(Code code) {
  error_ = Error(code);
  return Outcome::kFailed;
}

BatchRun::Outcome BatchRun::check_expectations() {
  const auto& steps = batch_.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Outcome outcome = Outcome::kApplied;
    if (steps[i].is_move()) {
      outcome = check_move(i, places_[i]);
    } else if (!steps[i].is_structural()) {
      outcome = check_step(steps[i], places_[i]);
    }
    if (outcome != Outcome::kApplied) return outcome;
  }
  return Outcome::kApplied;
}

BatchRun::Outcome BatchRun::check_step(const Step& step, const Place& place) {
  const bool change = step.is_change();
  if (change && step.expect == Expect::kNothing) return Outcome::kApplied;
  const Tree::Hop& hop = targets_[place.blob].hop;
  const art::View blob = tree_.view(hop.frame);
  const art::Found found = leaf_of(step, place);
  const bool present = found.where == art::Where::kLeaf;
  if (step.expect == Expect::kPresent && !present) {
    return reject(change ? Code::kNotFound : Code::kPrecondition);
  }
  if (step.expect == Expect::kAbsent && present) {
    return reject(change ? Code::kExists : Code::kPrecondition);
  }
  return check_value(step, blob, found);
}

BatchRun::Outcome BatchRun::check_value(const Step& step, const art::View& blob,
                                        const art::Found& found) {
  if (found.where != art::Where::kLeaf) return Outcome::kApplied;
  const art::NodeHead head = blob.head(found.ref);
  const std::byte* value = blob.leaf_value(found.ref, head);
  const std::string_view data = batch_.data(step);
  const bool inside = step.offset + data.size() <= head.value_size();
  const auto same = [&](std::uint32_t offset) {
    return art::equal(value + offset, data.data(), data.size());
  };
  bool holds = true;
  if (step.kind == Kind::kBytes) {
    holds = inside && same(step.offset);
  } else if (step.kind == Kind::kValue) {
    holds = head.value_size() == data.size() && same(0);
  } else if (step.is_patch()) {
    return inside ? Outcome::kApplied : reject(Code::kInvalid);
  }
  return holds ? Outcome::kApplied : reject(Code::kPrecondition);
}

BatchRun::Presence BatchRun::presence(std::size_t index, std::string_view prefix, std::size_t blob,
                                      const art::PrefixSpot& spot) const {
  const auto& steps = batch_.steps();
  for (std::size_t j = index; j > 0; --j) {
    const Step& earlier = steps[j - 1];
    if (earlier.is_move() && batch_.data(earlier) == prefix) return Presence::kYes;
    if (earlier.is_structural() && batch_.key(earlier) == prefix) return Presence::kNo;
  }
  if (spot.kind == art::PrefixSpot::Kind::kNone) return Presence::kNo;
  if (art::has_leaf(tree_.view(targets_[blob].hop.frame), spot.ref)) return Presence::kYes;
  for (const auto& [looked, holds] : looked_) {
    if (looked == prefix) return holds ? Presence::kYes : Presence::kNo;
  }
  return Presence::kEdgesOnly;
}

BatchRun::Outcome BatchRun::check_move(std::size_t index, const Place& place) {
  const Step& step = batch_.steps()[index];
  for (const bool target : {false, true}) {
    const std::string_view prefix = target ? batch_.data(step) : batch_.key(step);
    const std::size_t blob = target ? place.second : place.blob;
    const Tree::Hop& hop = targets_[blob].hop;
    const art::PrefixSpot spot =
        target ? art::find_prefix(tree_.view(hop.frame), prefix, hop.depth) : spot_of(step, place);
    const Presence found = presence(index, prefix, blob, spot);
    if (found == Presence::kEdgesOnly) {
      prefix_ = prefix;
      edges_at_ = hop;
      return Outcome::kOnlyEdges;
    }
    if (!target && found == Presence::kNo) return reject(Code::kNotFound);
    if (target && found == Presence::kYes) return reject(Code::kExists);
  }
  return Outcome::kApplied;
}

}  // namespace holt
