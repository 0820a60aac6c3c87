#include "engine/checkpoint/checkpointer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "engine/art/view.h"
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/base/checksum.h"
#include "engine/format.h"
#include "engine/storage/storage.h"

namespace holt {

namespace {

constexpr std::size_t kGroup = 8;  // images written at once

}  // namespace

struct Checkpointer::Buffers {
  std::array<BlobBuffer, kGroup> images;
};

Checkpointer::Checkpointer(Storage& storage, FramePool& pool, BlobMap& blobs, Gate& gate,
                           Superblock last)
    : storage_(storage),
      pool_(pool),
      blobs_(blobs),
      gate_(gate),
      buffers_(std::make_unique_for_overwrite<Buffers>()),
      last_(last) {}

Checkpointer::~Checkpointer() { stop(); }

void Checkpointer::attach(LogSide log, std::uint32_t generation) {
  log_ = std::move(log);
  generation_ = generation;
}

void Checkpointer::start() {
  {
    const MutexLock lock(state_mutex_);
    stopping_ = false;
  }
  thread_ = std::thread(&Checkpointer::serve, this);
}

void Checkpointer::stop() {
  {
    const MutexLock lock(state_mutex_);
    stopping_ = true;
  }
  state_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::request() {
  {
    const MutexLock lock(state_mutex_);
    if (requested_) return;
    requested_ = true;
  }
  state_changed_.notify_all();
}

void Checkpointer::serve() {
  for (;;) {
    {
      MutexLock lock(state_mutex_);
      while (!requested_ && !stopping_) lock.wait(state_changed_);
      if (stopping_) return;
      // A disk that was full a moment ago is asked again, but not in a loop.
      if (failure_) lock.wait_for(state_changed_, std::chrono::milliseconds(200));
      if (stopping_) return;
      requested_ = false;
    }
    if (!run()) request();
    const MutexLock lock(state_mutex_);
    if (dead_) return;
  }
}

Result<void> Checkpointer::run() {
  const MutexLock lock(round_mutex_);
  {
    const MutexLock state(state_mutex_);
    if (dead_) return std::unexpected<Error>(*failure_);
  }
  Result<void> outcome = run_round();
  {
    const MutexLock state(state_mutex_);
    failure_ = outcome ? std::nullopt : std::optional(outcome.error());
  }
  if (outcome) rounds_.fetch_add(1, std::memory_order_relaxed);
  pool_.announce_progress();
  return outcome;
}

Result<void> Checkpointer::run_round() {
  Round round = begin();
  if (auto written = write_images(round); !written) return written;
  if (storage_.read_only()) return {};
  if (auto synced = storage_.sync_slots(); !synced) return die(synced.error());
  log_.wait_published(round.position);
  if (auto written = write_map_and_superblock(round); !written) return written;
  blobs_.commit(round.epoch);
  log_.release(round.position);  // K1
  std::uint32_t end = 0;
  const std::vector<Slot> slots = blobs_.take_discardable(end);
  storage_.discard_slots(slots);
  // Space that cannot be given back now is still there to be used.
  [[maybe_unused]] const auto cut = storage_.truncate_slots(end);
  return {};
}

// K4
Result<void> Checkpointer::die(const Error& cause) {
  log_.poison(cause);
  const MutexLock state(state_mutex_);
  dead_ = true;
  return std::unexpected<Error>(cause);
}

Checkpointer::Round Checkpointer::begin() {
  Round round;
  const ExclusiveGate inside(gate_);
  round.epoch = epoch_.fetch_add(1, std::memory_order_acq_rel);
  round.position = log_.position();
  round.map = blobs_.snapshot();
  for (FrameIndex index = 0; index < pool_.size(); ++index) {
    Frame& frame = pool_.frame(index);
    if (!frame.dirty.load(std::memory_order_acquire)) continue;
    // Nobody changes frames now: all who do are outside the gate.
    round.items.push_back({BlobId{frame.blob.load(std::memory_order_acquire)}, index});
    frame.frozen.store(true, std::memory_order_release);
    frame.writing.store(true, std::memory_order_release);
    pool_.mark_clean(index);
  }
  return round;
}

Result<void> Checkpointer::write_images(Round& round) {
  for (std::size_t first = 0; first < round.items.size(); first += kGroup) {
    const std::size_t count = std::min(kGroup, round.items.size() - first);
    if (auto written = write_group(round, first, count); !written) {
      abandon(round, first + count);
      return written;
    }
    pool_.announce_progress();
  }
  return {};
}

Result<void> Checkpointer::write_group(Round& round, std::size_t first, std::size_t count) {
  std::array<BlobImage, kGroup> images;
  std::array<Storage::SlotWrite, kGroup> writes;
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* to = buffers_->images[i].bytes.data();
    images[i] = take_image(round, round.items[first + i], to);
    images[i].slot = blobs_.take_slot();
    writes[i] = {images[i].slot, {to, round_to_page(images[i].used)}};
  }
  auto written = storage_.write_slots({writes.data(), count});
  for (std::size_t i = 0; i < count; ++i) {
    const Item& item = round.items[first + i];
    if (written) {
      blobs_.set_image(item.id, images[i], round.epoch);
      round.map.entries[index_of(item.id)].image = images[i];
      writes_.fetch_add(1, std::memory_order_relaxed);
    } else {
      blobs_.cancel_slot(images[i].slot);
    }
    finish_item(item, written.has_value());
  }
  return written;
}

// K3: what was not written is dirty again.
void Checkpointer::abandon(const Round& round, std::size_t first) {
  for (std::size_t i = first; i < round.items.size(); ++i) {
    const Item& item = round.items[i];
    Frame& frame = pool_.frame(item.frame);
    frame.latch.lock_shared();
    const bool held = frame.blob.load(std::memory_order_acquire) == index_of(item.id) &&
                      frame.frozen.load(std::memory_order_acquire);
    if (held) frame.frozen.store(false, std::memory_order_release);
    frame.latch.unlock_shared();
    if (!held) {
      if (const auto aside = aside_of(item.id)) pool_.give_back(*aside);
    }
    finish_item(item, false);
  }
}

BlobImage Checkpointer::take_image(const Round& round, const Item& item, std::byte* to) {
  Frame& frame = pool_.frame(item.frame);
  frame.latch.lock_shared();
  const bool held = frame.blob.load(std::memory_order_acquire) == index_of(item.id) &&
                    frame.frozen.load(std::memory_order_acquire);
  std::optional<FrameIndex> aside;
  if (!held) {
    frame.latch.unlock_shared();
    aside = aside_of(item.id);
    CHECK(aside.has_value(), "K2");
  }
  const std::byte* from = pool_.bytes(aside ? *aside : item.frame);
  BlobImage image;
  image.used = art::View(from).used();
  std::memcpy(to, from, image.used);
  if (held) {
    frame.frozen.store(false, std::memory_order_release);
    frame.latch.unlock_shared();
  } else {
    pool_.give_back(*aside);
  }
  std::memset(to + image.used, 0, round_to_page(image.used) - image.used);
  DiskBlobHeader header;
  std::memcpy(&header, to, sizeof header);
  header.epoch = round.epoch;
  header.checksum = 0;
  std::memcpy(to, &header, sizeof header);
  image.checksum = checksum({to, image.used});
  header.checksum = image.checksum;
  std::memcpy(to, &header, sizeof header);
  return image;
}

void Checkpointer::finish_item(const Item& item, bool written) {
  Frame& frame = pool_.frame(item.frame);
  frame.latch.lock_shared();
  if (frame.blob.load(std::memory_order_acquire) == index_of(item.id)) {
    if (!written) pool_.mark_dirty(item.frame);
    frame.writing.store(false, std::memory_order_release);
  }
  frame.latch.unlock_shared();
}

std::optional<FrameIndex> Checkpointer::aside_of(BlobId id) {
  const MutexLock lock(aside_mutex_);
  const auto at = aside_.find(index_of(id));
  if (at == aside_.end()) return std::nullopt;
  const FrameIndex index = at->second;
  aside_.erase(at);
  return index;
}

bool Checkpointer::set_aside(FrameIndex index) {
  const auto copy = pool_.try_take();
  if (!copy) return false;
  Frame& frame = pool_.frame(index);
  art::copy_words(pool_.bytes(*copy), pool_.bytes(index), art::View(pool_.bytes(index)).used());
  {
    const MutexLock lock(aside_mutex_);
    aside_.emplace(frame.blob.load(std::memory_order_relaxed), *copy);
  }
  frame.frozen.store(false, std::memory_order_release);
  copies_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Checkpointer::retire(FrameIndex index) {
  Frame& frame = pool_.frame(index);
  const std::uint32_t blob = frame.blob.load(std::memory_order_relaxed);
  const bool frozen = frame.frozen.exchange(false, std::memory_order_acq_rel);
  pool_.mark_clean(index);
  frame.writing.store(false, std::memory_order_release);
  pool_.uninstall(index);
  if (frozen) {
    const MutexLock lock(aside_mutex_);  // K2: the frame itself becomes the image
    aside_.emplace(blob, index);
  }
  frame.latch.unlock();
  if (!frozen) pool_.give_back(index);
}

Result<void> Checkpointer::write_map_and_superblock(Round& round) {
  Superblock next = last();
  next.sequence += 1;
  next.area ^= 1u;  // K5
  next.replay_from = round.position;
  next.generation = generation_;
  const std::vector<std::byte> map = BlobMap::encode(round.map, next.sequence);
  next.map_bytes = map.size();
  next.map_checksum = checksum(map);
  const auto area = next.area == 0 ? Storage::Area::kMap0 : Storage::Area::kMap1;
  if (auto written = storage_.write_area(area, map); !written) return written;
  Result<void> outcome = storage_.sync_area(area);
  // A superblock that failed to be written may be on disk all the same: as with a sync, nobody
  // knows.
  if (outcome) outcome = write_superblock(storage_, next);
  if (!outcome) return die(outcome.error());
  const MutexLock state(state_mutex_);
  last_ = next;
  return outcome;
}

std::optional<Error> Checkpointer::failure() const {
  const MutexLock state(state_mutex_);
  return failure_;
}

Superblock Checkpointer::last() const {
  const MutexLock state(state_mutex_);
  return last_;
}

}  // namespace holt
