// The table of calls: how often each is drawn, which fields of an Op it uses, and what makes it.
#pragma once

#include <span>
#include <string_view>

#include "tests/posix/fuzz/call.h"

namespace posix_fuzz {

struct Call {
  std::string_view name;
  std::size_t weight;
  // s slot, S slot2, p path, P path2, f flags, m mode, o offset, l length, u owners, n number
  const char* fields;
  std::span<const unsigned> flags;  // to choose from
  Said (*perform)(Side& side, const Op& op);
};

std::span<const Call> calls();

}  // namespace posix_fuzz
