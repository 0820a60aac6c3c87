// One attempt after another to apply a batch, until it succeeds or fails for good.
//
// Each attempt runs inside the gate, shared or exclusive; whatever has to be waited for (a blob
// from disk, room in a blob, a free frame) ends the attempt, is brought about outside, and the
// attempt starts again. Only look_below() reads from disk inside the gate (T3).
//
// Thread safety: one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <string_view>
#include <vector>

#include "engine/art/edit.h"
#include "engine/tree/tree.h"

namespace holt {

class BatchRun {
 public:
  BatchRun(Tree& tree, const Batch& batch, const LogWriter& log)
      : tree_(tree), batch_(batch), log_(log) {
    targets_.reserve(kUsualSteps);
    places_.reserve(kUsualSteps);
    live_before_.reserve(kUsualSteps);
  }

  Result<Lsn> run(Wait wait);  // as Tree::apply()

  // Sizes, and steps that would depend on an earlier one in a way this engine does not support.
  static Result<void> validate(const Batch& batch);

 private:
  using Step = Batch::Step;

  // What may be moved or erased without the gate to itself, so that latches are held for
  // microseconds.
  static constexpr std::size_t kMaxSharedMove = 64 * 1024;

  // What a blob can always be made to have free: half of it. The largest piece that cannot be cut,
  // an inner node with its prefix and its terminal, takes a quarter.
  static constexpr std::size_t kMaxRoom = kBlobBytes / 2;
  // The largest Prefix node. One on top of a subtree that is moved is written anew.
  static constexpr std::size_t kMaxTop = 64 * 1024 + kNodeUnit;
  // Loads one batch may need for each frame; more only if its blobs cannot all be in the cache at
  // once.
  static constexpr std::size_t kMaxLoadsPerFrame = 16;

  // A batch of as many steps is applied without memory from the heap.
  static constexpr std::size_t kUsualSteps = 8;

  // A blob the batch touches.
  struct Target {
    Tree::Hop hop;
    std::size_t room = 0;  // bytes its steps need at most
    bool changes = false;
    std::size_t index = 0;  // before they were sorted
  };
  // Which targets a step works on, as indexes.
  struct Place {
    std::size_t blob = 0;
    std::size_t second = 0;  // kMove: where the new prefix belongs
    // Where the last attempt's searches got to: the next one goes on from there, so that a batch
    // makes headway with frames for its targets alone.
    Tree::Hop from, second_from;
    art::Found found;      // what the search for the key found
    art::PrefixSpot spot;  // the same for a structural step's
  };
  enum class Outcome : std::uint8_t {
    kApplied,
    kFailed,  // error_
    kRestart,
    kMiss,      // blob_ has to be loaded
    kNeedRoom,  // blob_ needs room_ bytes
    kNeedFrames,
    kNeedExclusive,
    kOnlyEdges  // below prefix_ the blob edges_at_ has edges only: keys may begin with it or not
  };

  Outcome attempt_shared();
  Outcome attempt_exclusive();
  Outcome attempt_latched(bool exclusive);
  // Looks behind the edges below prefix_. The gate is ours and no latch is held.
  Outcome look_below();

  // Finds the blobs of all steps; with `whole_way`, those above them too.
  Outcome locate(bool whole_way);
  Outcome locate_step(const Step& step, Place& place, bool whole_way);
  // Brings `from` to the blob where the search for the key ends; with `whole_way`, way_ gets all
  // blobs on the way to it.
  Outcome go(std::string_view key, bool prefix, bool whole_way, Tree::Hop& from, art::Found& found,
             art::PrefixSpot& spot);
  std::size_t add_target(const Tree::Hop& hop);
  // Returns the index of the blob where the search ended.
  std::size_t add_way(const Tree::Hop& end, bool whole_way);
  void sort_targets();
  bool latch_targets();  // false: one of them is not what it was
  void unlatch_targets(bool changed);
  bool still_ends_here(const Step& step, const Place& place) const;
  // The leaf of a step's key, under the latches and before any step was applied.
  art::Found leaf_of(const Step& step, const Place& place) const;

  art::Editor editor(const Target& target) const { return editor_at(target.hop.frame); }
  art::Editor editor_at(FrameIndex frame) const {
    art::Editor blob(tree_.pool_.bytes(frame));
    blob.keep_room(kept_room_);
    return blob;
  }

  // Checks against the state before the batch; kApplied when all holds.
  Outcome check_expectations();
  Outcome check_step(const Step& step, const Place& place);
  Outcome check_value(const Step& step, const art::View& blob, const art::Found& found);
  Outcome check_move(std::size_t index, const Place& place);
  Outcome reject(Code code);
  // Whether keys begin with `prefix`, which leads to `spot` in its blob, after the steps before
  // `index`.
  enum class Presence : std::uint8_t { kNo, kYes, kEdgesOnly };
  Presence presence(std::size_t index, std::string_view prefix, std::size_t blob,
                    const art::PrefixSpot& spot) const;

  static std::size_t room_of(const Batch& batch);
  Outcome plan_room(bool exclusive);
  Outcome plan_shared();
  void plan_exclusive();
  art::PrefixSpot spot_of(const Step& step, const Place& place) const;
  std::size_t move_bound(const Step& step, const Place& place) const;
  bool fits_shared(const Step& step, const Place& place) const;
  Outcome make_writable();
  Outcome take_spares();
  void give_back_spares();

  void apply_all(bool exclusive);
  void apply_step(const Step& step, const Place& place, bool exclusive);
  void put_value(const Tree::Hop& hop, const Step& step);
  void patch_value(const Tree::Hop& hop, const Step& step, const Place& place);
  void erase_key(const Tree::Hop& hop, const Step& step, const Place& place);
  void erase_prefix(const Tree::Hop& hop, std::string_view prefix, const art::PrefixSpot& spot);
  void move(const Tree::Hop& from, const Tree::Hop& to, const Step& step);
  void move_to_new_blob(art::Editor& from, art::Ref subtree, const Tree::Hop& to,
                        std::string_view prefix);
  // Everything on the way is latched or cannot change: the exclusive gate is ours.
  Tree::Hop find_inside(std::string_view key, bool prefix) const;

  Tree& tree_;
  const Batch& batch_;
  const LogWriter& log_;
  std::array<std::byte, kUsualSteps * (sizeof(Target) + sizeof(Place) + sizeof(std::size_t))>
      memory_;
  std::pmr::monotonic_buffer_resource resource_{memory_.data(), memory_.size()};
  std::pmr::vector<Target> targets_{&resource_};
  std::pmr::vector<Place> places_{&resource_};
  std::pmr::vector<std::size_t> live_before_{&resource_};
  std::vector<Tree::Hop> way_;
  std::vector<FrameIndex> spares_;
  std::vector<BlobId> spare_ids_;
  std::uint64_t shape_ = 0;
  BlobId blob_{};
  std::size_t room_ = 0;
  std::size_t kept_room_ = 0;  // the most that any target was promised, for the steps to come
  std::uint64_t places_shape_ = 0;
  bool found_stands_ = false;  // no target changed since it was searched
  Wait wait_ = Wait::kYes;
  std::string prefix_;
  Tree::Hop edges_at_;
  // Prefixes with edges only, and whether there are keys below them.
  std::vector<std::pair<std::string, bool>> looked_;
  Error error_{Code::kInvalid};
  Lsn at_{};  // what was reserved
};

}  // namespace holt
