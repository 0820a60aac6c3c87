#include "fs/times.h"

#include <limits>

namespace holtfs {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 24 * 3600 * kSecond;
constexpr std::int64_t kLastSecond = std::numeric_limits<std::int64_t>::max() / kSecond - 1;

}  // namespace

Time time_from(const timespec& ts) {
  if (ts.tv_sec > kLastSecond) return Time{kLastSecond * kSecond};
  if (ts.tv_sec < -kLastSecond) return Time{-kLastSecond * kSecond};
  return Time{ts.tv_sec * kSecond + ts.tv_nsec};
}

timespec to_timespec(Time t) {
  std::int64_t seconds = nanoseconds(t) / kSecond;
  std::int64_t rest = nanoseconds(t) % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

Time now() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return time_from(ts);
}

Time after(Time previous) {
  const Time at = now();
  return at == previous ? Time{nanoseconds(at) + 1} : at;
}

bool atime_due(AtimePolicy policy, Time atime, Time mtime, Time ctime, Time at) {
  switch (policy) {
    case AtimePolicy::kNever: return false;
    case AtimePolicy::kAlways: return true;
    case AtimePolicy::kRelative:
      return atime <= mtime || atime <= ctime || nanoseconds(at) - nanoseconds(atime) >= kDay;
  }
  return false;
}

}  // namespace holtfs
