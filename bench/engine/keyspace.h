// The keys and values of the benchmark: a file tree's directory entries, numbered in key order.
//
// Key number i is one entry of one directory, three directories deep below a common root:
//
//     usr/lib/pNNNN/gNN/sNN/ NUL e file-NNNNNN
//     |----- subtree ------|                     14 bytes, ends after pNNNN/
//     |----- group ------------|                 18 bytes, ends after gNN/
//     |----- directory ---------------|          24 bytes, ends after NUL e
//
// All numbers have fixed width, so bytewise order is numeric order and what a scan has to give is
// known without a second store: that is how the driver checks results inside the timed loops.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace holt::bench {

inline constexpr std::size_t kValueBytes = 32;
inline constexpr std::string_view kRoot = "usr/lib/";
inline constexpr std::size_t kSubtreeBytes = 14;
inline constexpr std::size_t kGroupBytes = 18;
inline constexpr std::size_t kDirectoryBytes = 24;
inline constexpr std::uint32_t kMinKeys = 2048;
inline constexpr std::uint32_t kMaxKeys = 10'000'000;

class KeySpace {
 public:
  // REQUIRES: kMinKeys <= keys <= kMaxKeys.
  explicit KeySpace(std::uint32_t keys);

  std::uint32_t size() const { return size_; }
  std::size_t key_bytes() const { return kDirectoryBytes + 5 + digits_; }

  // Keys per directory, per group of directories, per subtree (about a thousand).
  std::uint32_t per_directory() const { return fan_out_; }
  std::uint32_t per_group() const { return fan_out_ * fan_out_; }
  std::uint32_t per_subtree() const { return per_group() * groups_; }
  std::uint32_t directories_per_group() const { return fan_out_; }

  void write_key(std::uint32_t index, char* out) const;
  // A key that is not in the store, among those that are: one digit of the file's name is a letter.
  // Different indices give different keys.
  void write_missing_key(std::uint32_t index, char* out) const;

 private:
  std::uint32_t size_;
  std::uint32_t fan_out_;
  std::uint32_t groups_;
  std::size_t digits_;
};

// What key `index` holds after the change numbered `stamp`.
struct Value {
  Value(std::uint32_t index, std::uint32_t stamp);
  std::string_view view() const { return {bytes, sizeof bytes}; }
  char bytes[kValueBytes];
};

inline std::uint64_t index_in(std::string_view value) {
  if (value.size() != kValueBytes) throw std::runtime_error("a value has the wrong size");
  std::uint64_t index;
  std::memcpy(&index, value.data(), sizeof index);
  return index;
}

// Sums up what a scan gave, cheaply enough for a timed loop, completely enough to notice a missing,
// a repeated or a misplaced entry.
class Tally {
 public:
  void add(std::string_view key, std::string_view value) {
    ++count_;
    index_sum_ += index_in(value);
    digit_sum_ += static_cast<std::uint64_t>(key.back() - '0');
    key_bytes_ += key.size();
    if (each_) each_(key, value);
  }
  void clear() { count_ = index_sum_ = digit_sum_ = key_bytes_ = 0; }
  // Called with every entry, for the checks outside timed loops.
  void on_each(std::function<void(std::string_view, std::string_view)> each) {
    each_ = std::move(each);
  }

  std::uint64_t count() const { return count_; }
  // Throws unless the entries were those numbered first, first + 1, ... first + count - 1.
  void expect(const KeySpace& keys, std::uint64_t first, std::uint64_t count) const;

 private:
  std::uint64_t count_ = 0;
  std::uint64_t index_sum_ = 0;
  std::uint64_t digit_sum_ = 0;
  std::uint64_t key_bytes_ = 0;
  std::function<void(std::string_view, std::string_view)> each_;
};

// How the key numbers of a row are drawn.
enum class Draw {
  kUniform,         // any key
  kThreadsOwn,      // any key whose number modulo the number of threads is the thread's
  kWholeDirectory,  // any key of a full directory, group or subtree: the last one may be partly
                    // filled
  kWholeGroup,
  kWholeSubtree,
  kDistinct,  // permutations of all keys, one after the other
};

// The operations of one row and thread, drawn before the clock starts. The keys' bytes lie in the
// order of use, so that reading them costs the timed loop no cache misses.
class Ops {
 public:
  struct Plan {
    Draw draw = Draw::kUniform;
    bool missing = false;  // keys that are not in the store
    std::size_t count = 0;
    std::uint32_t thread = 0;
    std::uint32_t threads = 1;
  };
  Ops(const KeySpace& keys, const Plan& plan, std::uint64_t seed);

  std::size_t size() const { return index_.size(); }
  std::uint32_t index(std::size_t at) const { return index_[at]; }
  std::string_view key(std::size_t at) const { return {&bytes_[at * stride_], stride_}; }

 private:
  std::size_t stride_;
  std::vector<std::uint32_t> index_;
  std::vector<char> bytes_;
};

// 0 .. size-1 in random order.
std::vector<std::uint32_t> permutation(std::uint32_t size, std::uint64_t seed);

}  // namespace holt::bench
