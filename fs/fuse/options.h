// What `holtfs STORE MOUNTPOINT [-f] [-o ...]` was asked for.
//
// Options that only the kernel has to know are checked against a list and passed through, so that a
// misspelt one is an error here and not a mystery in libfuse's words.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "fs/limited.h"
#include "fs/times.h"

namespace holtfs {

enum class UringWanted : std::uint8_t { kAuto, kOn, kOff };
enum class ReaddirPlus : std::uint8_t { kAuto, kYes, kNo };

struct MountOptions {
  std::string store, mountpoint;  // absolute
  bool foreground = false, debug = false;
  UringWanted io_uring = UringWanted::kAuto;
  std::uint64_t cache_bytes = 256u << 20;
  std::uint32_t commit_ms = 5000;
  bool sync = false;           // names and attributes are durable before the answer,
  bool sync_contents = false;  // and so are contents
  bool read_only = false;
  AtimePolicy atime = AtimePolicy::kRelative;
  bool diratime = true;
  bool lazytime = false;
  bool acl = true;
  bool passthrough = false;
  Limits limits;
  ReaddirPlus readdirplus = ReaddirPlus::kAuto;
  std::vector<std::string> passed;  // for libfuse and the kernel
};

// What to do instead of mounting.
struct Stop {
  std::string text;  // for standard output when status is 0, else for standard error
  int status = 0;
};

std::expected<MountOptions, Stop> parse_options(int argc, const char* const* argv);
// One `-o` list; an error sentence, or nothing.
std::string apply_mount_options(const std::string& list, MountOptions& options);
// The list that says the same: every option with what it is, defaults too.
std::string describe(const MountOptions& options);

}  // namespace holtfs
