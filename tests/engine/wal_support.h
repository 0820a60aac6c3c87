// A log on the simulated device, and how tests append to it and read it back.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/format.h"
#include "engine/wal/replay.h"
#include "engine/wal/ring.h"
#include "tests/engine/sim/sim_storage.h"
#include "tests/engine/support.h"

namespace holt::wal {

inline constexpr std::uint32_t kTestSegments = 4;

struct TestLog {
  explicit TestLog(std::uint64_t bytes, std::uint64_t seed = 1)
      : capacity(bytes), disk(sim::SimDisk::create(seed)) {
    attach();
  }
  ~TestLog() { ring.reset(); }  // before the storage

  void attach() {
    ring.reset();
    storage.reset();
    storage = disk->attach();
    memory = test::value_of(storage->map_log(capacity, kTestSegments));
    // The log counts as made only once a superblock is there.
    test::require_ok(storage->write_area(Storage::Area::kSuper0, test::as_bytes("super")));
    test::require_ok(storage->sync_area(Storage::Area::kSuper0));
  }
  Ring& open(RingOptions options = {}) {
    ring.reset();
    options.bytes = capacity;
    if (options.generation == 0) options.generation = 1;
    ring = Ring::open(*storage, memory, std::move(options));
    return *ring;
  }
  // Returns the end of the record.
  Lsn append(std::string_view payload) const {
    test::require_ok(ring->admit(payload.size()));
    const Lsn end = ring->write(ring->reserve(payload.size()), payload);
    ring->wait_published(end);
    return end;
  }

  std::uint64_t capacity;
  std::shared_ptr<sim::SimDisk> disk;
  std::unique_ptr<Storage> storage;
  std::byte* memory = nullptr;
  std::unique_ptr<Ring> ring;
};

struct Replayed {
  std::vector<std::string> payloads;
  std::vector<Lsn> positions;
  Lsn end{};
};

inline Replayed replay_all(const std::byte* memory, std::uint64_t bytes, Lsn from,
                           std::uint32_t generation) {
  Replayed out;
  auto end = replay(memory, bytes, from, generation, [&](Lsn at, std::string_view payload) {
    out.positions.push_back(at);
    out.payloads.emplace_back(payload);
    return Result<void>();
  });
  out.end = test::value_of(std::move(end));
  return out;
}

// A copy of the ring, to be damaged.
class RingCopy {
 public:
  RingCopy(const std::byte* memory, std::uint64_t bytes)
      : bytes_(bytes), copy_(memory, memory + 2 * bytes) {}
  std::byte get(std::uint64_t at) const { return copy_[at % bytes_]; }
  void set(std::uint64_t at, std::byte value) {
    copy_[at % bytes_] = value;
    copy_[at % bytes_ + bytes_] = value;
  }
  void fill(std::uint64_t from, std::uint64_t to, std::byte value) {
    for (std::uint64_t at = from; at < to; ++at) set(at, value);
  }
  const std::byte* data() const { return copy_.data(); }

 private:
  std::uint64_t bytes_;
  std::vector<std::byte> copy_;
};

}  // namespace holt::wal
