#include "engine/checkpoint/blob_map.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/format.h"

namespace holt {

static_assert(index_of(kNoSlot) == kDiskNoSlot);

Result<BlobId> BlobMap::allocate() {
  const MutexLock lock(mutex_);
  std::uint32_t id;
  if (!free_ids_.empty()) {
    id = free_ids_.back();
    free_ids_.pop_back();
  } else {
    if (entries_.size() == kMaxBlobs) {
      return fail(Code::kNoSpace, "the store has reached its largest size");
    }
    id = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  entries_[id] = {.image = {}, .exists = true};
  ++count_;
  return BlobId{id};
}

void BlobMap::cancel(BlobId id) {
  const MutexLock lock(mutex_);
  MapSnapshot::Entry& entry = entries_[index_of(id)];
  CHECK(entry.exists && entry.image.slot == kNoSlot, "C2");
  entry = {};
  free_ids_.push_back(index_of(id));
  --count_;
}

void BlobMap::free(BlobId id, std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  MapSnapshot::Entry& entry = entries_[index_of(id)];
  CHECK(entry.exists, "C2");
  if (entry.image.slot != kNoSlot) pending_.push_back({epoch, entry.image.slot, 0});
  pending_.push_back({epoch, kNoSlot, index_of(id)});
  entry = {};
  --count_;
}

bool BlobMap::exists(BlobId id) const {
  const MutexLock lock(mutex_);
  return index_of(id) < entries_.size() && entries_[index_of(id)].exists;
}

std::uint64_t BlobMap::count() const {
  const MutexLock lock(mutex_);
  return count_;
}

BlobImage BlobMap::image(BlobId id) const {
  const MutexLock lock(mutex_);
  return index_of(id) < entries_.size() ? entries_[index_of(id)].image : BlobImage{};
}

Slot BlobMap::take_slot() {
  const MutexLock lock(mutex_);
  return space_.take();
}

void BlobMap::cancel_slot(Slot slot) {
  const MutexLock lock(mutex_);
  space_.release(slot);
}

void BlobMap::set_image(BlobId id, const BlobImage& image, std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  MapSnapshot::Entry& entry = entries_[index_of(id)];
  if (!entry.exists) {
    // Freed since the checkpoint began: only that checkpoint needs the image.
    pending_.push_back({epoch + 1, image.slot, 0});
    return;
  }
  if (entry.image.slot != kNoSlot) pending_.push_back({epoch, entry.image.slot, 0});
  entry.image = image;
}

void BlobMap::push_drops(std::span<const BlobId> ids) {
  const MutexLock lock(mutex_);
  for (const BlobId id : ids) {
    if (droppable(id)) drops_.push_back(id);
  }
}

bool BlobMap::next_drop(BlobId& id) const {
  const MutexLock lock(mutex_);
  if (drops_.empty()) return false;
  id = drops_.back();
  return true;
}

void BlobMap::defer_drop(BlobId id) {
  const MutexLock lock(mutex_);
  const auto at = std::find(drops_.begin(), drops_.end(), id);
  CHECK(at != drops_.end(), "C3");
  std::rotate(drops_.begin(), at, at + 1);
}

void BlobMap::finish_drop(BlobId id, std::span<const BlobId> children) {
  const MutexLock lock(mutex_);
  const auto at = std::find(drops_.rbegin(), drops_.rend(), id);
  CHECK(at != drops_.rend(), "C3");
  drops_.erase(std::next(at).base());
  for (const BlobId child : children) {
    // A damaged edge may name anything, and the map shall stay one that can be read.
    if (droppable(child)) drops_.push_back(child);
  }
}

bool BlobMap::droppable(BlobId id) const {
  return id != kRootBlob && index_of(id) < entries_.size() && entries_[index_of(id)].exists &&
         std::find(drops_.begin(), drops_.end(), id) == drops_.end();
}

MapSnapshot BlobMap::snapshot() const {
  const MutexLock lock(mutex_);
  return {entries_, drops_};
}

void BlobMap::commit(std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  std::erase_if(pending_, [&](const Pending& pending) NO_THREAD_SAFETY_ANALYSIS {
    if (pending.epoch > epoch) return false;
    if (pending.slot != kNoSlot) {
      space_.release(pending.slot);
    } else {
      free_ids_.push_back(pending.id);
    }
    return true;
  });
}

std::vector<Slot> BlobMap::take_discardable(std::uint32_t& end) {
  const MutexLock lock(mutex_);
  auto slots = space_.take_discardable();
  end = space_.end();
  return slots;
}

void BlobMap::usage(std::uint64_t& slots_in_use, std::uint64_t& slots_in_file) const {
  const MutexLock lock(mutex_);
  slots_in_use = space_.in_use();
  slots_in_file = space_.end();
}

std::vector<std::byte> BlobMap::encode(const MapSnapshot& snapshot, std::uint64_t sequence) {
  const std::size_t entries = snapshot.entries.size();
  std::vector<std::byte> out(sizeof(DiskMapHeader) + entries * sizeof(DiskMapEntry) +
                             snapshot.drops.size() * sizeof(Le32));
  DiskMapHeader header{};
  header.magic = kMapMagic;
  header.sequence = sequence;
  header.entries = static_cast<std::uint32_t>(entries);
  header.drops = static_cast<std::uint32_t>(snapshot.drops.size());
  std::byte* at = out.data();
  const auto append = [&at](const auto& item) {
    std::memcpy(at, &item, sizeof item);
    at += sizeof item;
  };
  append(header);
  for (const MapSnapshot::Entry& entry : snapshot.entries) {
    CHECK(entry.exists == (entry.image.slot != kNoSlot), "C3");
    DiskMapEntry disk{};
    disk.slot = index_of(entry.image.slot);
    disk.used = entry.image.used;
    disk.checksum = entry.image.checksum;
    append(disk);
  }
  for (const BlobId id : snapshot.drops) append(Le32(index_of(id)));
  return out;
}

Result<void> BlobMap::decode(std::span<const std::byte> bytes, std::uint64_t sequence) {
  DiskMapHeader header;
  if (bytes.size() < sizeof header) return fail(Code::kCorrupt, "the blob map is cut short");
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t entries = header.entries;
  const std::size_t drops = header.drops;
  if (header.magic != kMapMagic || header.sequence != sequence || entries > kMaxBlobs ||
      bytes.size() != sizeof header + entries * sizeof(DiskMapEntry) + drops * sizeof(Le32)) {
    return fail(Code::kCorrupt, "the blob map's header is damaged");
  }
  const MutexLock lock(mutex_);
  CHECK(entries_.empty(), "C3");
  entries_.assign(entries, {});
  std::vector<bool> used;
  const std::byte* at = bytes.data() + sizeof header;
  for (std::uint32_t id = 0; id < entries; ++id, at += sizeof(DiskMapEntry)) {
    DiskMapEntry disk;
    std::memcpy(&disk, at, sizeof disk);
    const std::uint32_t slot = disk.slot;
    if (slot == kDiskNoSlot) {
      free_ids_.push_back(id);
      continue;
    }
    if (slot >= 2 * kMaxBlobs || disk.used < sizeof(DiskBlobHeader) || disk.used > kBlobBytes) {
      return fail(Code::kCorrupt,
                  fmt::format("the blob map has an impossible entry for blob {}", id));
    }
    if (slot >= used.size()) used.resize(slot + 1);
    if (used[slot]) {
      return fail(Code::kCorrupt, fmt::format("the blob map names slot {} twice", slot));
    }
    used[slot] = true;
    entries_[id] = {.image = {Slot{slot}, disk.used, disk.checksum}, .exists = true};
    ++count_;
  }
  for (std::size_t i = 0; i < drops; ++i, at += sizeof(Le32)) {
    Le32 id;
    std::memcpy(&id, at, sizeof id);
    if (!droppable(BlobId{id.get()})) {
      return fail(Code::kCorrupt,
                  fmt::format("the blob map drops blob {}, which is none", id.get()));
    }
    drops_.push_back(BlobId{id.get()});
  }
  if (entries == 0 || !entries_[0].exists) {
    return fail(Code::kCorrupt, "the blob map has no root blob");
  }
  space_.reset(used);
  return {};
}

}  // namespace holt
