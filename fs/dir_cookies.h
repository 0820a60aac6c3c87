// DirCookies: the 64-bit positions that readdir(3) hands out, for one directory.
//
// A cookie must stay valid while entries come and go, for as long as anybody has the directory
// open, and without an open handle to keep state in (no OPENDIR is needed). An index skips or
// repeats entries once others are removed. So a cookie stands for a place in the order of names:
// "after every name that begins with these bytes", or, where the next name is a longer one, "after
// exactly these bytes". That is exact for ever, whatever is added or removed. When an entry is
// emitted its successor is known, so the bytes need only reach one past what the two names share:
//   - seven bytes fit into the cookie itself, which is enough for most directories;
//   - otherwise the cookie is the number of an interned leading part, shared by all names around,
//     and the four bytes behind it. A million names that end in a counter of seven digits need
//     about 1,100 interned parts; the worst case is one for each group of names that differ late.
// The interned parts live as long as the directory's node: while it is open it cannot be forgotten.
//
// Rejected: hashes of names (need an index in hash order), a number stored in each dentry (needs an
// index too), names remembered by handle (needs OPENDIR and RELEASEDIR: two round trips per
// directory).
//
// Thread safety: any thread.
// Invariants:
//   D1  position(cookie_after(name, next)) lies behind name and not behind next.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/annotations.h"

namespace holtfs {

// Cookies of the entries that have no dentry.
inline constexpr std::uint64_t kStartCookie = 0;
inline constexpr std::uint64_t kAfterDot = 1;
inline constexpr std::uint64_t kAfterDotDot = 2;

// Where a listing goes on: behind the name `stem`, and behind all that begin with it unless
// `exact`. An empty stem is the first dentry.
struct DirPosition {
  std::string stem;
  bool exact = false;
};

class DirCookies {
 public:
  // The cookie of entry `name`, whose successor is `next` (empty: it is the last).
  std::uint64_t cookie_after(std::string_view name, std::string_view next);
  // Nothing when this directory never gave out such a cookie.
  std::optional<DirPosition> position(std::uint64_t cookie) const;
  std::size_t interned() const;

 private:
  std::uint64_t intern(std::string_view stem);

  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::map<std::string, std::uint32_t, std::less<>> numbers_ GUARDED_BY(mutex_);
  std::vector<const std::string*> stems_ GUARDED_BY(mutex_);  // by number, into numbers_
  std::uint32_t last_ GUARDED_BY(mutex_) = 0;  // interned, which the next entry mostly shares
};

}  // namespace holtfs
