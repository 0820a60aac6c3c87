// Making room: compaction inside a blob, and splits.
#include "engine/art/copy.h"
#include "engine/art/split.h"
#include "engine/base/check.h"
#include "engine/tree/tree.h"

namespace holt {

void Tree::mark_changed(FrameIndex frame) {
  pool_.mark_dirty(frame);
  if (pool_.dirty_count() > pool_.size() / 2) checkpointer_.request();
}

Result<void> Tree::make_room(BlobId id, std::size_t room) {
  for (;;) {
    auto spare = take_frame();
    if (!spare) return pass(spare);
    bool spare_used = false;
    RoomStep step;
    {
      const SharedGate inside(gate_);
      step = make_room_latched(id, room, *spare, spare_used);
    }
    if (!spare_used) pool_.give_back(*spare);
    if (step == RoomStep::kFull)
      return fail(Code::kNoSpace, "the store has reached its largest size");
    if (step != RoomStep::kNeedFrames) return {};
    if (auto waited = wait_for_frames(); !waited) return waited;
  }
}

Tree::RoomStep Tree::make_room_latched(BlobId id, std::size_t room, FrameIndex spare,
                                       bool& spare_used) {
  const FrameIndex index = pool_.lookup(id);
  if (index == kNoFrame) return RoomStep::kGone;
  Frame& frame = pool_.frame(index);
  frame.latch.lock();
  const auto leave = [&](RoomStep step) {
    frame.latch.unlock();
    return step;
  };
  if (frame.blob.load(std::memory_order_acquire) != index_of(id)) return leave(RoomStep::kGone);
  art::Editor blob(pool_.bytes(index));
  if (blob.room() >= room) return leave(RoomStep::kDone);
  if (frame.frozen.load(std::memory_order_relaxed) && !checkpointer_.set_aside(index)) {
    return leave(RoomStep::kNeedFrames);
  }
  // Compaction must buy some time, or the next change is back here.
  constexpr std::size_t kBreath = kBlobBytes / 16;
  if (blob.room() + blob.dead() >= room + kBreath) {
    art::compact(blob);
    counters.compactions.fetch_add(1, std::memory_order_relaxed);
    mark_changed(index);
    return leave(RoomStep::kDone);
  }
  const art::Cut cut = art::choose_cut(blob);
  CHECK(cut.place != 0, "T6");
  auto child = blobs_.allocate();
  if (!child) return leave(RoomStep::kFull);
  art::split(blob, cut, pool_.bytes(spare), *child);
  pool_.install(spare, *child);
  pool_.reference(spare);
  spare_used = true;
  counters.splits.fetch_add(1, std::memory_order_relaxed);
  mark_changed(spare);
  mark_changed(index);
  return leave(RoomStep::kDone);
}

}  // namespace holt
