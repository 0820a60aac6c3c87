// Little-endian integers for on-disk structs: no alignment, no padding, same bytes on every
// machine.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace holt {

template <std::unsigned_integral T>
class LittleEndian {
 public:
  LittleEndian() = default;
  LittleEndian(T value) { *this = value; }  // NOLINT(google-explicit-constructor): a plain integer
  LittleEndian& operator=(T value) {
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    std::memcpy(bytes_, &value, sizeof value);
    return *this;
  }
  operator T() const { return get(); }  // NOLINT(google-explicit-constructor)
  T get() const {
    T value;
    std::memcpy(&value, bytes_, sizeof value);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
  }

 private:
  unsigned char bytes_[sizeof(T)];
};

using Le16 = LittleEndian<std::uint16_t>;
using Le32 = LittleEndian<std::uint32_t>;
using Le64 = LittleEndian<std::uint64_t>;

}  // namespace holt
