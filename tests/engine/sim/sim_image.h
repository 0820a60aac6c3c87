// One simulated file: what the device holds for certain, what the running process sees, and what is
// on its way between the two.
//
// Thread safety: none; SimDisk's mutex guards every image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace holt::sim {

inline constexpr std::size_t kSectorBytes = 512;

using Random = std::mt19937_64;

// True with probability p.
inline bool chance(Random& random, double p) {
  return std::uniform_real_distribution<double>(0, 1)(random) < p;
}

class SimImage {
 public:
  // Copies from the volatile image; zeros behind its end. Returns the bytes that exist.
  std::size_t read(std::size_t offset, std::span<std::byte> out) const;
  void write(std::size_t offset, std::span<const std::byte> bytes);
  void resize(std::size_t size);
  // The contents may be lost at once or later, whole or in part.
  void discard();

  void sync();
  // What a failed sync leaves: some sectors are durable, the others never will be, though they stay
  // visible until the machine stops.
  void fail_sync(Random& random);
  // The machine stops: each sector that is not durable is its old or any of its newer contents.
  void crash(Random& random);

  void flip_bit(std::size_t byte, unsigned bit);

  std::size_t size() const { return volatile_.size(); }
  const std::vector<std::byte>& contents() const { return volatile_; }

 private:
  struct Pending {
    std::size_t offset;            // a multiple of kSectorBytes
    std::vector<std::byte> bytes;  // whole sectors, but for the last one of the file
  };
  // Moves each pending sector to the durable image with probability p, in the order of the writes.
  void settle(Random& random, double p);
  void note_pending(std::size_t offset, std::size_t size);

  std::vector<std::byte> durable_;
  std::vector<std::byte> volatile_;
  std::vector<Pending> pending_;
};

}  // namespace holt::sim
