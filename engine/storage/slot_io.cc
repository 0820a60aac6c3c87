#include "engine/storage/slot_io.h"

#include <liburing.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "engine/base/annotations.h"
#include "engine/base/check.h"
#include "engine/format.h"
#include "engine/storage/posix_file.h"

namespace holt {

namespace {

constexpr unsigned kDepth = 16;

std::uint64_t offset_of(Slot slot) { return std::uint64_t{index_of(slot)} * kBlobBytes; }

}  // namespace

struct SlotIo::Ring {
  Mutex mutex{Rank::kGroup};
  bool broken GUARDED_BY(mutex) = false;
  struct io_uring uring GUARDED_BY(mutex);
};

// One call of write(): keeps up to kDepth writes in flight. After the first error nothing new
// starts, and the batch ends when all that is in flight has come back, because the kernel still
// reads the buffers.
class SlotIo::UringBatch {
 public:
  UringBatch(struct io_uring& uring, int fd, const std::string& shown,
             std::span<const Storage::SlotWrite> writes)
      : uring_(uring), fd_(fd), shown_(shown), writes_(writes) {
    for (unsigned i = 0; i < kDepth; ++i) free_[free_count_++] = i;
  }

  Result<void> run() {
    for (;;) {
      while (!error_ && next_ < writes_.size() && free_count_ > 0) {
        const unsigned lane = free_[--free_count_];
        flights_[lane] = {.write = next_++, .done = 0};
        prepare(lane);
      }
      if (free_count_ == kDepth) break;
      if (!submit_and_wait()) break;
      reap();
    }
    while (broken_ && submitted_ > 0) {
      struct io_uring_cqe* cqe = nullptr;
      if (io_uring_wait_cqe(&uring_, &cqe) == 0) reap();
    }
    if (error_) return std::unexpected(*error_);
    return {};
  }

  // The ring refused a submission; what it still holds must never be submitted by a later batch.
  bool broken() const { return broken_; }

 private:
  struct Flight {
    std::size_t write = 0;  // index into writes_
    std::size_t done = 0;   // bytes of it already on their way
  };

  void prepare(unsigned lane) {
    const Flight& flight = flights_[lane];
    const Storage::SlotWrite& write = writes_[flight.write];
    struct io_uring_sqe* sqe = io_uring_get_sqe(&uring_);
    CHECK(sqe != nullptr, "S4");
    const auto rest = write.bytes.subspan(flight.done);
    io_uring_prep_write(sqe, fd_, rest.data(), static_cast<unsigned>(rest.size()),
                        offset_of(write.slot) + flight.done);
    sqe->user_data = lane;
  }

  bool submit_and_wait() {
    const int submitted = io_uring_submit_and_wait(&uring_, 1);
    if (submitted >= 0) submitted_ += submitted;
    if (submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY) {
      return true;
    }
    note_error(-submitted, 0);
    broken_ = true;
    return false;
  }

  void reap() {
    struct io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&uring_, &cqe) == 0) {
      const auto lane = static_cast<unsigned>(cqe->user_data);
      const int result = cqe->res;
      io_uring_cqe_seen(&uring_, cqe);
      --submitted_;
      finish(lane, result);
    }
  }

  void finish(unsigned lane, int result) {
    Flight& flight = flights_[lane];
    const std::size_t size = writes_[flight.write].bytes.size();
    if (result > 0) flight.done += static_cast<std::size_t>(result);
    const bool again = result == -EINTR || result == -EAGAIN || (result > 0 && flight.done < size);
    if (again && !error_ && !broken_) {
      prepare(lane);
      return;
    }
    if (flight.done < size) note_error(result < 0 ? -result : EIO, flight.write);
    free_[free_count_++] = lane;
  }

  void note_error(int err, std::size_t write) {
    if (error_) return;
    error_ =
        Error::from_errno(err, "cannot write slot " +
                                   std::to_string(index_of(writes_[write].slot)) + " of " + shown_);
  }

  struct io_uring& uring_;
  const int fd_;
  const std::string& shown_;
  const std::span<const Storage::SlotWrite> writes_;
  std::size_t next_ = 0;
  std::array<Flight, kDepth> flights_{};
  std::array<unsigned, kDepth> free_{};
  unsigned free_count_ = 0;
  int submitted_ = 0;  // and not yet come back
  bool broken_ = false;
  std::optional<Error> error_;
};

SlotIo::SlotIo(int fd, std::string shown, bool io_uring) : fd_(fd), shown_(std::move(shown)) {
  if (!io_uring) return;
  auto ring = std::make_unique<Ring>();
  MutexLock lock(ring->mutex);
  if (io_uring_queue_init(kDepth, &ring->uring, 0) == 0) ring_ = std::move(ring);
}

SlotIo::~SlotIo() {
  if (!ring_) return;
  MutexLock lock(ring_->mutex);
  io_uring_queue_exit(&ring_->uring);
}

Result<void> SlotIo::read(Slot slot, std::span<std::byte> out) const {
  CHECK(out.size() <= kBlobBytes && out.size() % kDiskPage == 0, "a slot is read in whole pages");
  auto got = read_up_to(fd_, out, offset_of(slot), shown_);
  if (!got) return pass(got);
  if (*got == out.size()) return {};
  return fail(Code::kIo, shown_ + " ends inside slot " + std::to_string(index_of(slot)));
}

Result<void> SlotIo::write(std::span<const Storage::SlotWrite> writes) {
  for (const Storage::SlotWrite& write : writes) {
    CHECK(!write.bytes.empty() && write.bytes.size() <= kBlobBytes &&
              write.bytes.size() % kDiskPage == 0,
          "S1");
  }
  if (!ring_ || writes.size() < 2) return write_in_turn(writes);
  MutexLock lock(ring_->mutex);
  if (ring_->broken) return write_in_turn(writes);
  UringBatch batch(ring_->uring, fd_, shown_, writes);
  auto written = batch.run();
  ring_->broken = batch.broken();
  return written;
}

Result<void> SlotIo::write_in_turn(std::span<const Storage::SlotWrite> writes) {
  for (const Storage::SlotWrite& write : writes) {
    auto written = write_all(fd_, write.bytes, offset_of(write.slot), shown_);
    if (!written) return written;
  }
  return {};
}

}  // namespace holt
