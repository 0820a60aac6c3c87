// Goal: a cookie leads behind its entry and not behind the next, for any names, at any time later
// (D1). Method: name lists of the shapes that are hard for it, and random ones; the seed is
// printed.
#include "fs/dir_cookies.h"

#include <boost/test/unit_test.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/fs/seed.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

// Whether a listing that goes on at `at` gives `name`.
bool gives(const DirPosition& at, const std::string& name) {
  if (at.stem.empty()) return true;
  if (at.exact) return name > at.stem;
  return name > at.stem && !name.starts_with(at.stem);
}

void check_names(std::vector<std::string> names, std::size_t max_interned) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  DirCookies cookies;
  std::vector<std::uint64_t> given;
  for (std::size_t i = 0; i < names.size(); ++i) {
    given.push_back(cookies.cookie_after(names[i], i + 1 < names.size() ? names[i + 1] : ""));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    BOOST_REQUIRE(given[i] > kAfterDotDot && given[i] >> 63 == 0);
    const auto at = cookies.position(given[i]);
    BOOST_REQUIRE(at);
    BOOST_REQUIRE_MESSAGE(!gives(*at, names[i]), names[i] << " is repeated");
    if (i + 1 < names.size()) {
      BOOST_REQUIRE_MESSAGE(gives(*at, names[i + 1]), names[i + 1] << " is skipped");
    }
  }
  BOOST_TEST(cookies.interned() <= max_interned);
}

}  // namespace

BOOST_AUTO_TEST_CASE(short_names_need_no_memory) {
  check_names({"a", "ab", "abc", "b", "bin", "dev", "etc", "usr"}, 0);
}

BOOST_AUTO_TEST_CASE(names_that_begin_with_each_other) {
  std::vector<std::string> names;
  for (int i = 1; i <= 255; ++i) names.emplace_back(i, 'x');
  check_names(names, 255);
}

BOOST_AUTO_TEST_CASE(a_million_counted_names_share_few_parts) {
  std::vector<std::string> names;
  for (int i = 0; i < 1'000'000; ++i) names.push_back(fmt::format("file.mdtest.0.{:07}", i));
  check_names(names, 2000);
}

BOOST_AUTO_TEST_CASE(names_that_differ_late_in_pairs) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    names.push_back(fmt::format("{:032x}.data", i * 2654435761u));
    names.push_back(fmt::format("{:032x}.meta", i * 2654435761u));
  }
  check_names(names, 3000);
}

BOOST_AUTO_TEST_CASE(random_names_of_few_letters) {
  std::mt19937 random(test_seed());
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> names;
    for (int i = 0; i < 500; ++i) {
      std::string name(1 + random() % (round % 2 == 0 ? 12 : 255), '\0');
      for (char& c : name) c = "ab\xff\x01"[random() % 4];
      names.push_back(name);
    }
    check_names(names, 500);
  }
}

BOOST_AUTO_TEST_CASE(foreign_cookies_are_refused) {
  const DirCookies cookies;
  BOOST_TEST(!cookies.position(3).has_value());
  BOOST_TEST(!cookies.position(std::uint64_t{7} << 61).has_value());
  BOOST_TEST(!cookies.position(~std::uint64_t{0}).has_value());
  BOOST_TEST(cookies.position(0).has_value());
}
