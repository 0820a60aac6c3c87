// What tests of the engine share: temporary folders, aligned buffers, seeds, errors in reports.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/format.h"
#include "engine/storage/storage.h"

namespace holt {

inline std::ostream& operator<<(std::ostream& out, Code code) {
  return out << "code " << static_cast<int>(code);
}

}  // namespace holt

namespace holt::test {

// Fails the test with the error's text when there is one.
template <class T>
void require_ok(const Result<T>& result) {
  if (!result) BOOST_FAIL(result.error().to_string());
  BOOST_REQUIRE(result.has_value());
}
template <class T>
T value_of(Result<T> result) {
  require_ok(result);
  return std::move(*result);
}
template <class T>
void check_error(const Result<T>& result, Code code) {
  BOOST_REQUIRE_MESSAGE(!result.has_value(), "it succeeded");
  BOOST_CHECK_EQUAL(result.error().code(), code);
}

// The seed of this run: HOLT_TEST_SEED, or a new one. Printed, so that a failure can be run again.
inline std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* const given = std::getenv("HOLT_TEST_SEED");
    const std::uint64_t chosen =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::fprintf(stderr, "HOLT_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return seed;
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "holt-test-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Whole pages at a multiple of the page size, as slots want them.
class Pages {
 public:
  explicit Pages(std::size_t count, int fill = 0) : pages_(count) {
    std::memset(pages_.data(), fill, count * kDiskPage);
  }
  std::span<std::byte> bytes() { return {pages_.data()->bytes, pages_.size() * kDiskPage}; }
  std::span<const std::byte> bytes() const {
    return {pages_.data()->bytes, pages_.size() * kDiskPage};
  }

 private:
  struct alignas(kDiskPage) Page {
    std::byte bytes[kDiskPage];
  };
  std::vector<Page> pages_;
};

// The slots of a small store that can be read, up to and including the last that can.
inline std::uint32_t slot_count(Storage& storage) {
  std::uint32_t count = 0;
  Pages page(1);
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    if (storage.read_slot(Slot{slot}, page.bytes())) count = slot + 1;
  }
  return count;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace holt::test
