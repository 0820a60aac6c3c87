#include "fs/parse_size.h"

#include <charconv>
#include <cstddef>

namespace holtfs {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t bytes = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, bad] = std::from_chars(text.data(), end, bytes);
  if (bad != std::errc()) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.empty()) return bytes;
  constexpr std::string_view kUnits = "KMGT";
  const std::size_t power = kUnits.find(static_cast<char>(unit.front() & ~0x20));
  if (unit.size() > 1 || power == kUnits.npos) return std::nullopt;
  const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
  if (bytes > (UINT64_MAX >> shift)) return std::nullopt;
  return bytes << shift;
}

}  // namespace holtfs
