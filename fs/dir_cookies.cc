#include "fs/dir_cookies.h"

#include <algorithm>

#include "engine/base/check.h"

namespace holtfs {

namespace {

// Bit 63 stays clear, because offsets are signed; bit 62 is set in every cookie of a dentry.
constexpr std::uint64_t kDentry = std::uint64_t{1} << 62;
constexpr std::uint64_t kInterned = std::uint64_t{1} << 61;
constexpr std::uint64_t kExact = std::uint64_t{1} << 60;
constexpr std::size_t kShortBytes = 7;  // in bits 0 to 55
constexpr std::size_t kTailBytes = 4;   // in bits 0 to 31; the stem's number in bits 32 to 59
constexpr std::uint32_t kMaxStems = 1u << 28;

std::uint64_t pack(std::string_view bytes, std::size_t width) {
  std::uint64_t packed = 0;
  for (std::size_t i = 0; i < width; ++i) {
    packed = packed << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
  }
  return packed;
}

// Names hold no NUL, so what fills the width up is told from their bytes.
void unpack(std::uint64_t packed, std::size_t width, std::string& out) {
  for (std::size_t i = 0; i < width; ++i) {
    const char byte = static_cast<char>(packed >> (8 * (width - 1 - i)));
    if (byte == '\0') return;
    out.push_back(byte);
  }
}

}  // namespace

std::uint64_t DirCookies::cookie_after(std::string_view name, std::string_view next) {
  const std::size_t shared =
      std::mismatch(name.begin(), name.end(), next.begin(), next.end()).first - name.begin();
  const bool exact = shared == name.size();
  const std::size_t needed = exact ? name.size() : shared + 1;
  const std::uint64_t form = kDentry | (exact ? kExact : 0);
  if (needed <= kShortBytes) return form | pack(name.substr(0, kShortBytes), kShortBytes);
  // As short as it can be, so that as many neighbours as possible share it.
  const std::size_t stem = needed - kTailBytes;
  const std::uint64_t number = intern(name.substr(0, stem));
  return form | kInterned | number << 32 | pack(name.substr(stem, kTailBytes), kTailBytes);
}

std::optional<DirPosition> DirCookies::position(std::uint64_t cookie) const {
  if (cookie <= kAfterDotDot) return DirPosition{};
  if ((cookie & kDentry) == 0 || cookie >> 63 != 0) return std::nullopt;
  DirPosition at{.stem = {}, .exact = (cookie & kExact) != 0};
  if ((cookie & kInterned) == 0) {
    unpack(cookie, kShortBytes, at.stem);
  } else {
    const std::size_t number = (cookie >> 32) & (kMaxStems - 1);
    const holt::MutexLock lock(mutex_);
    if (number >= stems_.size()) return std::nullopt;
    at.stem = *stems_[number];
    unpack(cookie, kTailBytes, at.stem);
  }
  return at;
}

std::uint64_t DirCookies::intern(std::string_view stem) {
  const holt::MutexLock lock(mutex_);
  if (last_ < stems_.size() && *stems_[last_] == stem) return last_;
  const auto [at, added] = numbers_.try_emplace(std::string(stem));
  if (added) {
    CHECK(stems_.size() < kMaxStems, "D1");
    at->second = static_cast<std::uint32_t>(stems_.size());
    stems_.push_back(&at->first);
  }
  last_ = at->second;
  return last_;
}

std::size_t DirCookies::interned() const {
  const holt::MutexLock lock(mutex_);
  return stems_.size();
}

}  // namespace holtfs
