// Compiled once: Boost.Test and fmt take longer than what a test says.
#include <fmt/format.h>

#include "tests/engine/store_support.h"
