#include "tests/engine/sim/sim_image.h"

#include <algorithm>
#include <array>
#include <utility>

namespace holt::sim {

std::size_t SimImage::read(std::size_t offset, std::span<std::byte> out) const {
  const std::size_t there = offset < volatile_.size() ? volatile_.size() - offset : 0;
  const std::size_t size = std::min(there, out.size());
  std::copy_n(volatile_.begin() + static_cast<std::ptrdiff_t>(size == 0 ? 0 : offset), size,
              out.begin());
  std::ranges::fill(out.subspan(size), std::byte{0});
  return size;
}

void SimImage::note_pending(std::size_t offset, std::size_t size) {
  const std::size_t begin = offset / kSectorBytes * kSectorBytes;
  const std::size_t end =
      std::min(volatile_.size(), (offset + size + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  const auto at = volatile_.begin();
  pending_.push_back({begin, std::vector<std::byte>(at + static_cast<std::ptrdiff_t>(begin),
                                                    at + static_cast<std::ptrdiff_t>(end))});
}

void SimImage::write(std::size_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  volatile_.resize(std::max(volatile_.size(), offset + bytes.size()));
  std::ranges::copy(bytes, volatile_.begin() + static_cast<std::ptrdiff_t>(offset));
  note_pending(offset, bytes.size());
}

void SimImage::resize(std::size_t size) { volatile_.resize(size); }

void SimImage::discard() {
  if (volatile_.empty()) return;
  std::ranges::fill(volatile_, std::byte{0});
  note_pending(0, volatile_.size());
}

void SimImage::sync() {
  // Not a copy of the volatile image: what a failed sync dropped stays dropped.
  for (const Pending& pending : pending_) {
    durable_.resize(std::max(durable_.size(), pending.offset + pending.bytes.size()));
    std::ranges::copy(pending.bytes,
                      durable_.begin() + static_cast<std::ptrdiff_t>(pending.offset));
  }
  pending_.clear();
  durable_.resize(volatile_.size());
}

void SimImage::settle(Random& random, double p) {
  for (const Pending& pending : pending_) {
    for (std::size_t i = 0; i < pending.bytes.size(); i += kSectorBytes) {
      if (!chance(random, p)) continue;
      const std::size_t size = std::min(kSectorBytes, pending.bytes.size() - i);
      durable_.resize(std::max(durable_.size(), pending.offset + i + size));
      std::copy_n(pending.bytes.begin() + static_cast<std::ptrdiff_t>(i), size,
                  durable_.begin() + static_cast<std::ptrdiff_t>(pending.offset + i));
    }
  }
  pending_.clear();
}

void SimImage::fail_sync(Random& random) { settle(random, 0.5); }

void SimImage::crash(Random& random) {
  static constexpr std::array<double, 5> kKept{0, 0.1, 0.5, 0.9, 1};
  const std::size_t old_size = durable_.size();
  settle(random, kKept[random() % kKept.size()]);
  // The size is old or new, unless sectors that were kept need more room.
  const std::size_t new_size = volatile_.size();
  if (new_size > old_size ? chance(random, 0.5) : new_size < old_size && chance(random, 0.5)) {
    durable_.resize(new_size);
  }
  volatile_ = durable_;
}

void SimImage::flip_bit(std::size_t byte, unsigned bit) {
  const std::byte mask{static_cast<unsigned char>(1u << bit)};
  if (byte < durable_.size()) durable_[byte] ^= mask;
  if (byte < volatile_.size()) volatile_[byte] ^= mask;
}

}  // namespace holt::sim
