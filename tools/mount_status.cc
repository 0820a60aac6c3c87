#include "tools/mount_status.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "fs/fuse/status.h"

namespace holtfs {

namespace {

std::expected<MountStatus, std::string> ask(const std::string& mountpoint) {
  const auto failed = [&](int err) {
    return std::unexpected(fmt::format(
        "{}: {}", mountpoint,
        err == ENOTTY ? "no holtfs of this version is mounted there" : std::strerror(err)));
  };
  const int fd = open(mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed(errno);
  MountStatus status = {};
  const int err = ioctl(fd, kStatusIoctl, &status) == 0 ? 0 : errno;
  close(fd);
  if (err != 0) return failed(err);
  status.options[sizeof status.options - 1] = '\0';
  return status;
}

const char* name_of(Transport transport) {
  return transport == Transport::kUring ? "io_uring" : "/dev/fuse";
}

// The kinds that came, most frequent first.
std::vector<Opcode> kinds(const MountStatus& status) {
  std::vector<Opcode> out;
  for (const Opcode& opcode : kOpcodes) {
    if (status.requests[opcode.number] != 0) out.push_back(opcode);
  }
  std::ranges::sort(out, {}, [&](const Opcode& opcode) {
    return std::pair(~status.requests[opcode.number], opcode.number);
  });
  return out;
}

std::string as_json(const MountStatus& status) {
  nlohmann::ordered_json out;
  out["transport"] = name_of(status.transport);
  out["options"] = status.options;
  out["read_only"] = status.read_only != 0;
  out["pid"] = status.pid;
  out["nodes"] = status.nodes;
  out["lookups"] = status.lookups;
  out["passed_through"] = status.passed_through;
  out["cache"] = {{"bytes", status.cache_bytes},     {"limit", status.cache_bytes_limit},
                  {"blob_reads", status.blob_reads}, {"blob_writes", status.blob_writes},
                  {"evictions", status.evictions},   {"checkpoints", status.checkpoints}};
  out["log"] = {{"bytes", status.log_bytes},
                {"limit", status.log_bytes_limit},
                {"applied", status.log_applied},
                {"durable", status.log_durable},
                {"checkpointed", status.log_checkpointed},
                {"syncs", status.syncs},
                {"waits", status.log_waits}};
  out["requests"] = nlohmann::ordered_json::object();
  for (const Opcode& opcode : kinds(status)) {
    out["requests"][std::string(opcode.name)] = status.requests[opcode.number];
  }
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string as_text(const MountStatus& status) {
  constexpr double kMiB = 1 << 20;
  std::string out;
  const auto line = [&](std::string_view name, const std::string& text) {
    out += fmt::format("{:<12}{}\n", name, text);
  };
  line("transport", name_of(status.transport));
  line("options", status.options);
  if (status.read_only != 0) line("state", "read-only");
  line("daemon", fmt::format("pid {}", status.pid));
  line("nodes", fmt::format("{} in memory, {} lookups", status.nodes, status.lookups));
  if (status.passed_through != 0) {
    line("passed", fmt::format("{} files to the kernel", status.passed_through));
  }
  line("cache", fmt::format("{:.1f} of {:.1f} MiB, {} blobs read, {} written, {} evicted",
                            status.cache_bytes / kMiB, status.cache_bytes_limit / kMiB,
                            status.blob_reads, status.blob_writes, status.evictions));
  line("log", fmt::format("{:.1f} of {:.1f} MiB, {} syncs, {} checkpoints, {} waits for room",
                          status.log_bytes / kMiB, status.log_bytes_limit / kMiB, status.syncs,
                          status.checkpoints, status.log_waits));
  line("", fmt::format("applied {}, durable {}, checkpointed {}", status.log_applied,
                       status.log_durable, status.log_checkpointed));
  line("requests", std::to_string(std::accumulate(std::begin(status.requests),
                                                  std::end(status.requests), std::uint64_t{0})));
  for (const Opcode& opcode : kinds(status)) {
    out += fmt::format("  {:<16}{}\n", opcode.name, status.requests[opcode.number]);
  }
  return out;
}

}  // namespace

std::expected<std::string, std::string> mount_status(const std::string& mountpoint, bool json) {
  const auto status = ask(mountpoint);
  if (!status) return std::unexpected(status.error());
  return json ? as_json(*status) : as_text(*status);
}

}  // namespace holtfs
