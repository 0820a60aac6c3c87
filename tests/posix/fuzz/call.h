// The system calls of the differential fuzzer: what each is given, how it is made, and how one is
// written down, so that a failure is a script.
//
// Thread safety: values; perform() belongs to the process that owns the Side.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace posix_fuzz {

using Dice = std::mt19937_64;

inline constexpr int kActors = 3;
inline constexpr int kSlots = 4;  // open files of each actor

struct Op {
  std::size_t call = 0;  // index of the table in perform.cc
  int actor = 0;
  int slot = 0, slot2 = 0;
  std::string path = "-", path2 = "-";
  unsigned flags = 0;
  unsigned mode = 0;
  std::int64_t offset = 0, length = 0;
  std::int64_t uid = -1, gid = -1;
  std::uint64_t number = 0;  // chooses a name, a value, times: whatever the call has to choose
};

// One of the two trees, as one process sees it.
struct Side {
  int root = -1;
  std::array<int, kSlots> slots;
};

// What a call said: its value, its errno, and what it wrote into the caller's memory.
struct Said {
  std::int64_t value = 0;
  int error = 0;
  std::string data;
  bool operator==(const Said&) const = default;
};
std::string to_text(const Said& said);

std::string_view name_of(std::size_t call);

Op random_op(Dice& dice);
Said perform(Side& side, const Op& op);

// One line without its end; the same op again, or nothing.
std::string to_line(const Op& op);
std::optional<Op> from_line(std::string_view line);

}  // namespace posix_fuzz
