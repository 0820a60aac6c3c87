// Compiled once: Boost.Test takes longer than what a test says.
#include "tests/fs/fixture.h"
