// The seed of random tests.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>

namespace holtfs::test {

// HOLTFS_TEST_SEED, or a new one. Printed, so that a failure can be run again.
inline unsigned test_seed() {
  static const unsigned seed = [] {
    const char* const given = std::getenv("HOLTFS_TEST_SEED");
    const unsigned chosen = given != nullptr
                                ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                : std::random_device()();
    std::fprintf(stderr, "HOLTFS_TEST_SEED=%u\n", chosen);
    return chosen;
  }();
  return seed;
}

}  // namespace holtfs::test
