#include "bench/null/counts.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

namespace holtfs::null {

namespace {

constexpr auto kRequests = static_cast<std::size_t>(Request::kEnd);

// As in the kernel's protocol, in the order of Request.
constexpr std::array kNames = {
    "LOOKUP",    "FORGET",  "BATCH_FORGET", "GETATTR", "SETATTR",     "READLINK",   "SYMLINK",
    "MKNOD",     "MKDIR",   "UNLINK",       "RMDIR",   "RENAME",      "LINK",       "OPEN",
    "READ",      "WRITE",   "STATFS",       "RELEASE", "FSYNC",       "SETXATTR",   "GETXATTR",
    "LISTXATTR", "FLUSH",   "OPENDIR",      "READDIR", "READDIRPLUS", "RELEASEDIR", "FSYNCDIR",
    "CREATE",    "TMPFILE", "FALLOCATE"};
static_assert(kNames.size() == kRequests);

// Each thread counts for itself, so that no two of them write to one cache line.
using Counts = std::array<std::atomic<std::uint64_t>, kRequests>;

std::mutex all_mutex;
std::vector<Counts*> all;  // also of threads that ended

Counts& own_counts() {
  thread_local Counts* const own = [] {
    auto* const made = new Counts{};
    const std::lock_guard lock(all_mutex);
    all.push_back(made);
    return made;
  }();
  return *own;
}

}  // namespace

void count(Request request) {
  std::atomic<std::uint64_t>& counter = own_counts()[static_cast<std::size_t>(request)];
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::string counts_text() {
  std::string text;
  const std::lock_guard lock(all_mutex);
  for (std::size_t i = 0; i < kRequests; ++i) {
    std::uint64_t sum = 0;
    for (const Counts* counts : all) sum += (*counts)[i].load(std::memory_order_relaxed);
    if (sum != 0) text += fmt::format("{} {}\n", kNames[i], sum);
  }
  return text;
}

}  // namespace holtfs::null
