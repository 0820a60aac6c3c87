#include "fs/fuse/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "engine/base/limits.h"
#include "fs/parse_size.h"
#include "fs/version.h"

namespace holtfs {

namespace {

constexpr int kUsageError = 2;

// mount(8)'s generic options and libfuse's own. Those with a value end in '='.
constexpr std::array kPassed = {
    "rw",           "suid",         "nosuid",    "dev",         "nodev",
    "exec",         "noexec",       "async",     "allow_other", "allow_root",
    "auto_unmount", "fsname=",      "subtype=",  "context=",    "fscontext=",
    "defcontext=",  "rootcontext=", "symfollow", "nosymfollow", "default_permissions"};
// What /etc/fstab may say and mount(8) may pass on; it means nothing here, or what is done anyway.
constexpr std::array kIgnored = {"defaults", "auto",  "noauto",   "user",       "nouser",
                                 "users",    "owner", "group",    "nofail",     "_netdev",
                                 "silent",   "loud",  "diratime", "norelatime", "nostrictatime"};

template <class Table>
bool contains(const Table& table, std::string_view name) {
  return std::find(table.begin(), table.end(), name) != table.end();
}

template <class Value>
struct Choice {
  std::string_view name;
  Value value;
};

template <class Value, std::size_t N>
bool choose(const std::array<Choice<Value>, N>& choices, std::string_view name, Value& out) {
  for (const auto& choice : choices) {
    if (choice.name != name) continue;
    out = choice.value;
    return true;
  }
  return false;
}

constexpr std::array<Choice<UringWanted>, 3> kUring = {
    {{"auto", UringWanted::kAuto}, {"on", UringWanted::kOn}, {"off", UringWanted::kOff}}};
constexpr std::array<Choice<ReaddirPlus>, 3> kPlus = {
    {{"auto", ReaddirPlus::kAuto}, {"yes", ReaddirPlus::kYes}, {"no", ReaddirPlus::kNo}}};

constexpr std::array<Choice<AtimePolicy>, 3> kAtime = {{{"noatime", AtimePolicy::kNever},
                                                        {"relatime", AtimePolicy::kRelative},
                                                        {"strictatime", AtimePolicy::kAlways}}};
// Passed on, and among the daemon's own too.
constexpr std::array kTold = {"ro", "rw", "sync", "async", "noatime"};

template <class Value, std::size_t N>
std::string_view name_of(const std::array<Choice<Value>, N>& choices, Value value) {
  return std::ranges::find(choices, value, &Choice<Value>::value)->name;
}

// A whole number of 1 or more.
std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, bad] = std::from_chars(text.data(), end, count);
  if (bad != std::errc() || rest != end || count == 0) return std::nullopt;
  return count;
}

std::string apply_size(const std::string& value, Limits& limits) {
  const std::uint64_t blocks = parse_size(value).value_or(0) / 512;
  if (blocks == 0) return fmt::format("size takes a size such as 512M or 2G, not '{}'", value);
  limits.blocks = static_cast<std::int64_t>(blocks);
  return {};
}

std::string apply_inodes(const std::string& value, Limits& limits) {
  const auto count = parse_count(value);
  if (!count) return fmt::format("inodes takes a number of at least 1, not '{}'", value);
  constexpr std::uint64_t kMost = Limits::kNone;
  limits.inodes = static_cast<std::int64_t>(std::min(*count, kMost));
  return {};
}

std::string apply_commit(const std::string& value, MountOptions& options) {
  const auto seconds = parse_count(value);
  if (!seconds || *seconds > 3600) {
    return fmt::format("commit takes a number of seconds from 1 to 3600, not '{}'", value);
  }
  options.commit_ms = static_cast<std::uint32_t>(*seconds) * 1000;
  return {};
}

std::string apply_one(const std::string& option, MountOptions& options) {
  const std::size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  const bool has_value = equals != std::string::npos;
  const std::string value = has_value ? option.substr(equals + 1) : "";
  if (name == "io_uring") {
    if (choose(kUring, has_value ? value : "on", options.io_uring)) return {};
    return fmt::format("io_uring is auto, on or off, not '{}'", value);
  }
  if (name == "readdirplus" && has_value) {
    if (choose(kPlus, value, options.readdirplus)) return {};
    return fmt::format("readdirplus is auto, yes or no, not '{}'", value);
  }
  if (name == "cache" && has_value) {
    options.cache_bytes = parse_size(value).value_or(0);
    if (options.cache_bytes >= holt::kMinCacheBytes) return {};
    return fmt::format("cache takes a size of at least {}M, such as 512M or 2G, not '{}'",
                       holt::kMinCacheBytes >> 20, value);
  }
  if (name == "commit" && has_value) return apply_commit(value, options);
  if (name == "size" && has_value) return apply_size(value, options.limits);
  if (name == "inodes" && has_value) return apply_inodes(value, options.limits);
  if (option == "sync") {
    options.sync = options.sync_contents = true;
    options.passed.push_back(option);  // after a write, the kernel asks to sync it
  } else if (option == "dirsync") {
    options.sync = true;
  } else if (option == "nodiratime") {
    options.diratime = false;
  } else if (option == "lazytime" || option == "nolazytime") {
    options.lazytime = option == "lazytime";
  } else if (option == "acl" || option == "noacl") {
    options.acl = option == "acl";
  } else if (option == "passthrough") {
    options.passthrough = true;
  } else if (option == "ro") {
    options.read_only = true;
    options.passed.push_back(option);
  } else if (option == "noatime") {
    options.atime = AtimePolicy::kNever;
    options.passed.push_back(option);
  } else if (option == "relatime" || option == "atime") {
    options.atime = AtimePolicy::kRelative;
  } else if (option == "strictatime") {
    options.atime = AtimePolicy::kAlways;
  } else if (contains(kPassed, has_value ? name + "=" : option)) {
    options.passed.push_back(option);
  } else if (!contains(kIgnored, option) && !option.starts_with("x-")) {
    return fmt::format("unknown mount option '{}'", option);
  }
  return {};
}

constexpr const char* kAbout =
    "Mounts the holtfs filesystem in the directory STORE on MOUNTPOINT; makes it first when STORE "
    "is missing or empty.";

}  // namespace

std::string apply_mount_options(const std::string& list, MountOptions& options) {
  std::size_t at = 0;
  while (at <= list.size()) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string option = list.substr(at, comma - at);
    at = comma + 1;
    if (option.empty()) continue;
    if (std::string error = apply_one(option, options); !error.empty()) return error;
  }
  return {};
}

std::string describe(const MountOptions& options) {
  const auto size = [](std::uint64_t bytes) {
    return bytes % (1u << 20) == 0 ? fmt::format("{}M", bytes >> 20) : std::to_string(bytes);
  };
  const char* const sync = options.sync_contents ? "sync" : options.sync ? "dirsync" : "async";
  std::string out = fmt::format(
      "{},{},io_uring={},cache={},commit={},{},{},{},{},readdirplus={}",
      options.read_only ? "ro" : "rw", sync, name_of(kUring, options.io_uring),
      size(options.cache_bytes), options.commit_ms / 1000, name_of(kAtime, options.atime),
      options.diratime ? "diratime" : "nodiratime", options.lazytime ? "lazytime" : "nolazytime",
      options.acl ? "acl" : "noacl", name_of(kPlus, options.readdirplus));
  const Limits& limits = options.limits;
  if (limits.blocks != Limits::kNone) {
    out += ",size=" + size(static_cast<std::uint64_t>(limits.blocks) * 512);
  }
  if (limits.inodes != Limits::kNone) out += fmt::format(",inodes={}", limits.inodes);
  for (const std::string& passed : options.passed) {
    if (!contains(kTold, passed)) out += "," + passed;
  }
  return out;
}

std::expected<MountOptions, Stop> parse_options(int argc, const char* const* argv) {
  MountOptions options;
  std::vector<std::string> lists;
  bool version = false;
  CLI::App app(kAbout, "holtfs");
  app.add_option("STORE", options.store, "directory that holds the filesystem");
  app.add_option("MOUNTPOINT", options.mountpoint, "directory to mount it on");
  app.add_flag("-f,--foreground", options.foreground,
               "stay in the foreground, log to standard error");
  app.add_flag("-d,--debug", options.debug, "print every request (implies -f)");
  app.add_option("-o", lists, "mount options, such as size=20G or inodes=1000000; see holtfs(8)")
      ->allow_extra_args(false);
  app.add_flag("-V,--version", version, "print the version");
  const auto usage_error = [](const std::string& sentence) {
    return std::unexpected(
        Stop{fmt::format("holtfs: {} (see holtfs --help)\n", sentence), kUsageError});
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return std::unexpected(Stop{app.help(), 0});
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (version) return std::unexpected(Stop{fmt::format("holtfs {}\n", kVersion), 0});
  if (options.store.empty()) return usage_error("STORE is missing");
  if (options.mountpoint.empty()) return usage_error("MOUNTPOINT is missing");
  for (const std::string& list : lists) {
    if (std::string error = apply_mount_options(list, options); !error.empty()) {
      return usage_error(error);
    }
  }
  if (options.passthrough && options.limits.blocks != Limits::kNone) {
    return usage_error(
        "passthrough and size= exclude each other: nobody could stop the kernel at the limit");
  }
  options.foreground |= options.debug;
  // The daemon leaves the directory it was started in.
  options.store = std::filesystem::absolute(options.store).string();
  options.mountpoint = std::filesystem::absolute(options.mountpoint).string();
  return options;
}

}  // namespace holtfs
