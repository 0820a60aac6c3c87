// CHECK: an invariant of the code, on in release builds. Never for bytes read from disk.
//
// The name is the invariant's name in the header that states it ("F2", "W1"), so that a crash leads
// to the sentence that was broken.
#pragma once

namespace holt {

[[noreturn]] void check_failed(const char* condition, const char* invariant, const char* file,
                               int line);

}  // namespace holt

#define CHECK(condition, invariant)                                    \
  do {                                                                 \
    if (!(condition)) [[unlikely]]                                     \
      ::holt::check_failed(#condition, invariant, __FILE__, __LINE__); \
  } while (false)
