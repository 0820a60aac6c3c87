#include "bench/engine/keyspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace holt::bench {
namespace {

constexpr std::uint32_t kLargeKeys = 200'000;  // from here on directories hold 32 entries

void write_digits(char* out, std::size_t width, std::uint64_t number) {
  for (std::size_t i = width; i-- > 0; number /= 10) {
    out[i] = static_cast<char>('0' + number % 10);
  }
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finalizer
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The sum of the last decimal digits of 0 .. end-1.
std::uint64_t last_digits_below(std::uint64_t end) {
  const std::uint64_t rest = end % 10;
  return end / 10 * 45 + rest * (rest - 1) / 2;
}

// How many of the keys are eligible, counted from key 0.
std::uint32_t eligible(const KeySpace& keys, Draw draw) {
  const std::uint32_t unit = draw == Draw::kWholeDirectory ? keys.per_directory()
                             : draw == Draw::kWholeGroup   ? keys.per_group()
                             : draw == Draw::kWholeSubtree ? keys.per_subtree()
                                                           : 1;
  return keys.size() / unit * unit;
}

}  // namespace

KeySpace::KeySpace(std::uint32_t keys)
    : size_(keys),
      fan_out_(keys < kLargeKeys ? 16 : 32),
      groups_(keys < kLargeKeys ? 4 : 1),
      digits_(keys <= 1'000'000 ? 6 : 7) {
  if (keys < kMinKeys || keys > kMaxKeys) {
    throw std::runtime_error(
        fmt::format("the number of keys must lie between {} and {}", kMinKeys, kMaxKeys));
  }
}

void KeySpace::write_key(std::uint32_t index, char* out) const {
  static constexpr char kTemplate[] = "usr/lib/p0000/g00/s00/\0efile-";
  static_assert(sizeof kTemplate - 1 == kDirectoryBytes + 5);
  std::memcpy(out, kTemplate, sizeof kTemplate - 1);
  write_digits(out + 9, 4, index / per_subtree());
  write_digits(out + 15, 2, index % per_subtree() / per_group());
  write_digits(out + 19, 2, index % per_group() / per_directory());
  write_digits(out + kDirectoryBytes + 5, digits_, index);
}

void KeySpace::write_missing_key(std::uint32_t index, char* out) const {
  write_key(index, out);
  char& digit = out[kDirectoryBytes + 5 + index % digits_];
  digit = static_cast<char>(digit - '0' + 'a');
}

Value::Value(std::uint32_t index, std::uint32_t stamp) {
  const std::uint64_t both = std::uint64_t{index} << 32 | stamp;
  const std::uint64_t words[] = {index, stamp, mix(both), mix(~both)};
  static_assert(sizeof words == kValueBytes);
  std::memcpy(bytes, words, sizeof words);
}

void Tally::expect(const KeySpace& keys, std::uint64_t first, std::uint64_t count) const {
  const std::uint64_t end = first + count;
  const std::uint64_t index_sum = count == 0 ? 0 : count * (first + end - 1) / 2;
  if (count_ != count || index_sum_ != index_sum || key_bytes_ != count * keys.key_bytes() ||
      digit_sum_ != last_digits_below(end) - last_digits_below(first)) {
    throw std::runtime_error(
        fmt::format("a scan that should give {} entries from number {} gave {} entries, or others",
                    count, first, count_));
  }
}

std::vector<std::uint32_t> permutation(std::uint32_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> numbers(size);
  std::iota(numbers.begin(), numbers.end(), 0u);
  for (std::uint32_t i = size; i > 1; --i) std::swap(numbers[i - 1], numbers[random() % i]);
  return numbers;
}

Ops::Ops(const KeySpace& keys, const Plan& plan, std::uint64_t seed) : stride_(keys.key_bytes()) {
  std::mt19937_64 random(mix(seed + plan.thread));
  index_.reserve(plan.count);
  if (plan.draw == Draw::kDistinct) {
    while (index_.size() < plan.count) {
      const auto numbers = permutation(keys.size(), random());
      const std::size_t take = std::min<std::size_t>(numbers.size(), plan.count - index_.size());
      index_.insert(index_.end(), numbers.begin(), numbers.begin() + static_cast<long>(take));
    }
  } else if (plan.draw == Draw::kThreadsOwn) {
    const std::uint32_t each = keys.size() / plan.threads;
    while (index_.size() < plan.count) {
      index_.push_back(static_cast<std::uint32_t>(random() % each) * plan.threads + plan.thread);
    }
  } else {
    const std::uint32_t end = eligible(keys, plan.draw);
    while (index_.size() < plan.count) {
      index_.push_back(static_cast<std::uint32_t>(random() % end));
    }
  }
  bytes_.resize(index_.size() * stride_);
  for (std::size_t i = 0; i < index_.size(); ++i) {
    char* out = &bytes_[i * stride_];
    plan.missing ? keys.write_missing_key(index_[i], out) : keys.write_key(index_[i], out);
  }
}

}  // namespace holt::bench
