// Sizes as people write them on a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holtfs {

// A number of bytes, with K, M, G or T (powers of 1024) behind it if wanted.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace holtfs
