#include "engine/frame/pool.h"

#include <sys/mman.h>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/format.h"

namespace holt {

namespace {

constexpr std::uint32_t kLoading = 0xffffffff;
constexpr std::size_t kTableBytes = std::size_t{kMaxBlobs} * sizeof(std::uint32_t);

std::size_t arena_bytes(std::uint32_t frames) {
  return std::size_t{frames} * kBlobBytes + kFramePad;
}

void* map_memory(std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

Result<std::unique_ptr<FramePool>> FramePool::create(std::uint64_t cache_bytes) {
  if (cache_bytes < kMinCacheBytes) {
    return fail(Code::kInvalid, fmt::format("the cache must have at least {} MiB, not {} bytes",
                                            kMinCacheBytes >> 20, cache_bytes));
  }
  const auto frames = static_cast<std::uint32_t>(cache_bytes / kBlobBytes);
  void* arena = map_memory(arena_bytes(frames));
  if (arena == nullptr) return fail_errno(errno, "cannot reserve memory for the cache");
  // Huge pages spare most of the TLB misses of a descent; without them all still works.
  madvise(arena, arena_bytes(frames), MADV_HUGEPAGE);
  void* table = map_memory(kTableBytes);
  if (table == nullptr) {
    const int err = errno;
    munmap(arena, arena_bytes(frames));
    return fail_errno(err, "cannot reserve memory for the page table");
  }
  return std::unique_ptr<FramePool>(new FramePool(static_cast<std::byte*>(arena), frames,
                                                  static_cast<std::atomic<std::uint32_t>*>(table)));
}

FramePool::FramePool(std::byte* arena, std::uint32_t frames, std::atomic<std::uint32_t>* table)
    : arena_(arena), frames_(frames), table_(table) {
  const MutexLock lock(mutex_);
  for (FrameIndex index = frames; index > 0; --index) free_.push_back(index - 1);
}

FramePool::~FramePool() {
  munmap(arena_, arena_bytes(size()));
  munmap(table_, kTableBytes);
}

std::byte* FramePool::bytes(FrameIndex index) const {
  return arena_ + std::size_t{index} * kBlobBytes;
}

FrameIndex FramePool::lookup(BlobId id) const {
  if (index_of(id) >= kMaxBlobs) return kNoFrame;  // garbage an optimistic reader met
  const std::uint32_t entry = table_[index_of(id)].load(std::memory_order_acquire);
  return entry == 0 || entry == kLoading ? kNoFrame : entry - 1;
}

bool FramePool::claim_load(BlobId id) {
  std::uint32_t none = 0;
  return table_[index_of(id)].compare_exchange_strong(none, kLoading, std::memory_order_acq_rel);
}

void FramePool::abandon_load(BlobId id) {
  std::uint32_t loading = kLoading;
  table_[index_of(id)].compare_exchange_strong(loading, 0, std::memory_order_acq_rel);
  table_[index_of(id)].notify_all();
}

void FramePool::wait_loaded(BlobId id) const {
  table_[index_of(id)].wait(kLoading, std::memory_order_acquire);
}

std::optional<FrameIndex> FramePool::try_take() {
  {
    const MutexLock lock(mutex_);
    if (!free_.empty()) {
      const FrameIndex index = free_.back();
      free_.pop_back();
      // A late reader of the frame that sees what is stored from here on must see, too, that the
      // version moved when it became free.
      std::atomic_thread_fence(std::memory_order_release);
      return index;
    }
  }
  // Two rounds of the clock: the first may only clear reference bits.
  for (std::uint32_t step = 0; step < 2 * size(); ++step) {
    const FrameIndex at = hand_.fetch_add(1, std::memory_order_relaxed) % size();
    if (try_evict(at)) return at;
  }
  return std::nullopt;
}

bool FramePool::try_evict(FrameIndex index) {
  Frame& frame = frames_[index];
  const auto evictable = [&] {
    const std::uint32_t blob = frame.blob.load(std::memory_order_acquire);
    return blob != kNoBlob && blob != index_of(kRootBlob) &&  // F4
           !frame.dirty.load(std::memory_order_acquire) &&    // F2
           !frame.frozen.load(std::memory_order_acquire) &&
           !frame.writing.load(std::memory_order_acquire);
  };
  if (!evictable()) return false;
  if (frame.referenced.exchange(false, std::memory_order_relaxed)) return false;
  if (!frame.latch.try_lock()) return false;
  if (!evictable()) {
    frame.latch.unlock_unchanged();
    return false;
  }
  uninstall(index);
  frame.latch.unlock();
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void FramePool::install(FrameIndex index, BlobId id) {
  CHECK(frames_[index].blob.load(std::memory_order_relaxed) == kNoBlob, "F1");
  mark_dirty(index);  // F2: before anybody can find it
  frames_[index].blob.store(index_of(id), std::memory_order_release);
  table_[index_of(id)].store(index + 1, std::memory_order_release);
  table_[index_of(id)].notify_all();
}

bool FramePool::install_loaded(FrameIndex index, BlobId id) {
  Frame& frame = frames_[index];
  CHECK(frame.blob.load(std::memory_order_relaxed) == kNoBlob, "F1");
  // Latched, so that the clock does not evict what the table does not know yet, and give the frame
  // to a second owner.
  frame.latch.lock();
  frame.blob.store(index_of(id), std::memory_order_release);
  std::uint32_t loading = kLoading;
  const bool installed =
      table_[index_of(id)].compare_exchange_strong(loading, index + 1, std::memory_order_acq_rel);
  if (!installed) frame.blob.store(kNoBlob, std::memory_order_release);
  frame.latch.unlock();
  table_[index_of(id)].notify_all();
  return installed;
}

void FramePool::uninstall(FrameIndex index) {
  Frame& frame = frames_[index];
  const std::uint32_t blob = frame.blob.load(std::memory_order_relaxed);
  CHECK(blob != kNoBlob, "F1");
  table_[blob].store(0, std::memory_order_release);
  frame.blob.store(kNoBlob, std::memory_order_release);
  frame.referenced.store(false, std::memory_order_relaxed);
}

void FramePool::give_back(FrameIndex index) {
  CHECK(frames_[index].blob.load(std::memory_order_relaxed) == kNoBlob, "F1");
  {
    const MutexLock lock(mutex_);
    free_.push_back(index);
  }
  announce_progress();
}

void FramePool::announce_progress() {
  {
    const MutexLock lock(mutex_);
    ++progress_;
  }
  changed_.notify_all();
}

std::uint64_t FramePool::progress() const {
  const MutexLock lock(mutex_);
  return progress_;
}

void FramePool::wait_progress(std::uint64_t seen) {
  MutexLock lock(mutex_);
  while (progress_ == seen) lock.wait(changed_);
}

void FramePool::mark_dirty(FrameIndex index) {
  if (!frames_[index].dirty.load(std::memory_order_relaxed) &&
      !frames_[index].dirty.exchange(true, std::memory_order_acq_rel)) {
    dirty_count_.fetch_add(1, std::memory_order_relaxed);
  }
}

void FramePool::mark_clean(FrameIndex index) {
  if (frames_[index].dirty.exchange(false, std::memory_order_acq_rel)) {
    dirty_count_.fetch_sub(1, std::memory_order_relaxed);
  }
}

std::uint32_t FramePool::free_count() const {
  const MutexLock lock(mutex_);
  return static_cast<std::uint32_t>(free_.size());
}

}  // namespace holt
