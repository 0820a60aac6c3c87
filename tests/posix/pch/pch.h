// Compiled once: Boost.Test takes longer than what an area says.
#include "tests/posix/support.h"
