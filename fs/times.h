// Points in time as the store keeps them: signed nanoseconds since 1970, from 1677 to 2262.
//
// One 64-bit number instead of seconds and nanoseconds saves 16 bytes in every inode record; XFS's
// "bigtime" makes the same trade. Times outside the range are clamped to it, as the kernel does for
// filesystems that declare one.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <ctime>

namespace holtfs {

enum class Time : std::int64_t {};
constexpr std::int64_t nanoseconds(Time t) { return static_cast<std::int64_t>(t); }

Time time_from(const timespec& ts);
timespec to_timespec(Time t);
Time now();
// The present, or just after `previous` where the clock has not moved on: a change of a directory
// is always visible in its mtime, by which the kernel validates its directory cache.
Time after(Time previous);

enum class AtimePolicy : std::uint8_t { kNever, kRelative, kAlways };

// Whether a read at `at` has to change atime: under kRelative when the file changed since it was
// last read, or when that is a day ago (mount(2), MS_RELATIME).
bool atime_due(AtimePolicy policy, Time atime, Time mtime, Time ctime, Time at);

}  // namespace holtfs
