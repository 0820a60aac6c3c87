#include "engine/art/view.h"

#include <algorithm>
#include <experimental/simd>

namespace holt::art {

namespace {

// The 8 bytes from any address on, composed from aligned words.
std::uint64_t load_unaligned(const std::byte* at) {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  const unsigned shift = (address & 7) * 8;
  const auto* word = at - (address & 7);
  const auto low = __atomic_load_n(reinterpret_cast<const std::uint64_t*>(word), __ATOMIC_RELAXED);
  if (shift == 0) return low;
  const auto high =
      __atomic_load_n(reinterpret_cast<const std::uint64_t*>(word) + 1, __ATOMIC_RELAXED);
  if constexpr (std::endian::native == std::endian::big) {
    return low << shift | high >> (64 - shift);
  }
  return low >> shift | high << (64 - shift);
}

std::uint64_t load_own(const char* at, std::size_t size) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, size);
  return value;
}

// Position of `byte` among the `count` first of 16 sorted bytes; 16 when absent.
unsigned find16(const std::byte* bytes, unsigned count, unsigned char byte) {
  namespace stdx = std::experimental;
  using Bytes = stdx::fixed_size_simd<unsigned char, 16>;
  alignas(16) unsigned char copy[16];
  const std::uint64_t words[2] = {
      __atomic_load_n(reinterpret_cast<const std::uint64_t*>(bytes), __ATOMIC_RELAXED),
      __atomic_load_n(reinterpret_cast<const std::uint64_t*>(bytes) + 1, __ATOMIC_RELAXED)};
  std::memcpy(copy, words, sizeof copy);
  const auto match = Bytes(copy, stdx::vector_aligned) == Bytes(byte);
  if (stdx::none_of(match)) return 16;
  const auto at = static_cast<unsigned>(stdx::find_first_set(match));
  return at < count ? at : 16;
}

}  // namespace

void copy_out(char* to, const std::byte* from, std::size_t size) {
  for (; size >= 8; size -= 8, to += 8, from += 8) {
    const std::uint64_t word = load_unaligned(from);
    std::memcpy(to, &word, 8);
  }
  for (; size > 0; --size, ++to, ++from) *to = static_cast<char>(load<unsigned char>(from));
}

void copy_in(std::byte* to, const char* from, std::size_t size) {
  while (size > 0 && reinterpret_cast<std::uintptr_t>(to) % 8 != 0) {
    store<unsigned char>(to++, static_cast<unsigned char>(*from++));
    --size;
  }
  for (; size >= 8; size -= 8, to += 8, from += 8) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(to), load_own(from, 8), __ATOMIC_RELAXED);
  }
  for (; size > 0; --size) store<unsigned char>(to++, static_cast<unsigned char>(*from++));
}

void shift_down(std::byte* to, const std::byte* from, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    store<unsigned char>(to + i, load<unsigned char>(from + i));
  }
}

void copy_words(std::byte* to, const std::byte* from, std::size_t size) {
  for (std::size_t i = 0; i < size; i += 8) {
    const auto word =
        __atomic_load_n(reinterpret_cast<const std::uint64_t*>(from + i), __ATOMIC_RELAXED);
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(to + i), word, __ATOMIC_RELAXED);
  }
}

std::size_t common_prefix(const std::byte* shared, const char* own, std::size_t size) {
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    const std::uint64_t differ = load_unaligned(shared + at) ^ load_own(own + at, 8);
    if (differ == 0) continue;
    const int bits = std::endian::native == std::endian::big ? std::countl_zero(differ)
                                                             : std::countr_zero(differ);
    return at + static_cast<std::size_t>(bits) / 8;
  }
  while (at < size && load<unsigned char>(shared + at) == static_cast<unsigned char>(own[at])) ++at;
  return at;
}

std::uint32_t View::child_place(Ref ref, NodeHead head, unsigned char byte) const {
  const std::uint32_t offset = std::uint32_t{ref} * kNodeUnit;
  const std::byte* node = base_ + offset;
  switch (head.kind()) {
    case NodeKind::kNode4: {
      const auto count = std::min<std::size_t>(head.count(), 4);
      for (std::uint32_t i = 0; i < count; ++i) {
        if (load<unsigned char>(node + offsetof(DiskNode4, bytes) + i) == byte) {
          return offset + static_cast<std::uint32_t>(offsetof(DiskNode4, children)) + 2 * i;
        }
      }
      return 0;
    }
    case NodeKind::kNode16: {
      const unsigned i =
          find16(node + offsetof(DiskNode16, bytes), static_cast<unsigned>(head.count()), byte);
      if (i == 16) return 0;
      return offset + static_cast<std::uint32_t>(offsetof(DiskNode16, children)) + 2 * i;
    }
    case NodeKind::kNode48: {
      const auto index = load<unsigned char>(node + offsetof(DiskNode48, index) + byte);
      if (index == 0 || index > 48) return 0;
      return offset + static_cast<std::uint32_t>(offsetof(DiskNode48, children)) + 2 * (index - 1u);
    }
    case NodeKind::kNode256: {
      const std::uint32_t place =
          offset + static_cast<std::uint32_t>(offsetof(DiskNode256, children)) + 2u * byte;
      return ref_at(place) != 0 ? place : 0;
    }
    default: return 0;
  }
}

}  // namespace holt::art
