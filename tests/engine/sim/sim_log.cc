#include "tests/engine/sim/sim_log.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "engine/base/check.h"

namespace holt::sim {

std::shared_ptr<SimLogMemory> SimLogMemory::create(const std::vector<std::byte>& contents) {
  const std::size_t bytes = contents.size();
  const int fd = ::memfd_create("sim-log", MFD_CLOEXEC);
  CHECK(fd >= 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0, "memory for the log");
  CHECK(::pwrite(fd, contents.data(), bytes, 0) == static_cast<ssize_t>(bytes),
        "memory for the log");
  std::shared_ptr<SimLogMemory> memory(new SimLogMemory);
  const auto map = [&](void* place, std::size_t size, int flags, int file) {
    void* const mapped = ::mmap(place, size, PROT_READ | PROT_WRITE, flags, file, 0);
    CHECK(mapped != MAP_FAILED, "memory for the log");
    return static_cast<std::byte*>(mapped);
  };
  memory->bytes_ = bytes;
  memory->mirrored_ = map(nullptr, 2 * bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  map(memory->mirrored_, bytes, MAP_SHARED | MAP_FIXED, fd);
  map(memory->mirrored_ + bytes, bytes, MAP_SHARED | MAP_FIXED, fd);
  memory->device_ = map(nullptr, bytes, MAP_SHARED, fd);
  ::close(fd);
  return memory;
}

SimLogMemory::~SimLogMemory() {
  ::munmap(mirrored_, 2 * bytes_);
  ::munmap(device_, bytes_);
}

void SimLogMemory::snapshot(std::size_t from, std::size_t to, std::byte* out) const {
  for (std::size_t i = from; i < to; i += 8) {
    const std::uint64_t word =
        std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(device_ + i)).load();
    std::memcpy(out + (i - from), &word, 8);
  }
}

void SimLog::create(std::size_t bytes) {
  durable_.assign(bytes, std::byte{0});
  volatile_ = durable_;
  lost_.assign(bytes, std::byte{0});
  dropped_.assign(bytes / kSectorBytes, false);
}

std::shared_ptr<SimLogMemory> SimLog::attach(bool shared) {
  auto memory = SimLogMemory::create(volatile_);
  if (shared) memory_ = memory;
  return memory;
}

void SimLog::detach() {
  if (!memory_) return;
  memory_->snapshot(0, volatile_.size(), volatile_.data());
  memory_.reset();
}

void SimLog::settle(std::size_t from, std::size_t to, Random& random, double p) {
  from = from / kSectorBytes * kSectorBytes;
  for (std::size_t at = from; at < to; at += kSectorBytes) {
    std::array<std::byte, kSectorBytes> now;
    if (memory_) {
      memory_->snapshot(at, at + kSectorBytes, now.data());
    } else {
      std::memcpy(now.data(), volatile_.data() + at, kSectorBytes);
    }
    if (std::memcmp(now.data(), durable_.data() + at, kSectorBytes) == 0) continue;
    const std::size_t sector = at / kSectorBytes;
    const bool unchanged_since_loss =
        dropped_[sector] && std::memcmp(now.data(), lost_.data() + at, kSectorBytes) == 0;
    if (unchanged_since_loss || !chance(random, p)) continue;
    std::memcpy(durable_.data() + at, now.data(), kSectorBytes);
    dropped_[sector] = false;
  }
}

void SimLog::sync(std::size_t from, std::size_t to) {
  Random unused;
  settle(from, to, unused, 1.1);
}

void SimLog::fail_sync(std::size_t from, std::size_t to, Random& random) {
  settle(from, to, random, 0.5);
  if (!memory_) return;
  for (std::size_t at = from / kSectorBytes * kSectorBytes; at < to; at += kSectorBytes) {
    memory_->snapshot(at, at + kSectorBytes, lost_.data() + at);
    dropped_[at / kSectorBytes] = true;
  }
}

void SimLog::write_back(Random& random, double p) { settle(0, durable_.size(), random, p); }

void SimLog::crash(Random& random) {
  static constexpr std::array<double, 5> kKept{0, 0.1, 0.5, 0.9, 1};
  settle(0, durable_.size(), random, kKept[random() % kKept.size()]);
  memory_.reset();
  volatile_ = durable_;
  std::fill(dropped_.begin(), dropped_.end(), false);
}

void SimLog::flip_bit(std::size_t byte, unsigned bit) {
  const std::byte mask{static_cast<unsigned char>(1u << bit)};
  if (byte >= durable_.size()) return;
  durable_[byte] ^= mask;
  volatile_[byte] ^= mask;
}

}  // namespace holt::sim
