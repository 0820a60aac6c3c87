// Seeded keys and values for tests: short ones over a small alphabet, so that prefixes collide, and
// now and then long ones.
#pragma once

#include <cstdint>
#include <random>
#include <string>

class RandomKeys {
 public:
  explicit RandomKeys(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }

  std::string key() {
    if (chance(50)) return wide_key();
    static constexpr char kLetters[] = {'a', 'b', 'c', '/', '\0', '\xff'};
    std::string out;
    const std::uint64_t size = below(12);
    for (std::uint64_t i = 0; i < size; ++i) out += kLetters[below(sizeof kLetters)];
    if (chance(20)) out += std::string(below(300), 'p') + kLetters[below(3)];
    return out;
  }

  // Never empty.
  std::string prefix() {
    std::string out = key().substr(0, 1 + below(5));
    return out.empty() ? "a" : out;
  }

  std::string value() {
    const std::uint64_t size = chance(30) ? below(3000) : below(40);
    return std::string(size, static_cast<char>('A' + below(26)));
  }

 private:
  // Any byte follows a common start, which makes the largest nodes.
  std::string wide_key() {
    std::string out = chance(2) ? "w" : "ww/";
    out += static_cast<char>(below(256));
    if (chance(2)) out += static_cast<char>(below(256));
    return out;
  }

  std::mt19937_64 engine_;
};
