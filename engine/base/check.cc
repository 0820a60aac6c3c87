#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace holt {

void check_failed(const char* condition, const char* invariant, const char* file, int line) {
  std::fprintf(stderr, "holt: broken invariant %s: %s (%s:%d)\n", invariant, condition, file, line);
  std::abort();
}

}  // namespace holt
