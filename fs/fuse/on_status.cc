// The request for the mount's status.
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>

#include "engine/format.h"
#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"
#include "fs/fuse/status.h"

namespace holtfs {

namespace {

MountStatus status_of(const Connection& connection, Transport transport) {
  const holt::Store& store = connection.fs.store();
  const holt::Stats stats = store.stats();
  MountStatus out = {};
  out.transport = transport;
  out.read_only = store.read_only() ? 1 : 0;
  out.pid = static_cast<std::uint64_t>(getpid());
  out.nodes = connection.fs.known_nodes();
  out.lookups = connection.fs.known_lookups();
  out.cache_bytes = (stats.frames - stats.free_frames) * holt::kBlobBytes;
  out.cache_bytes_limit = stats.frames * holt::kBlobBytes;
  out.blob_reads = stats.blob_reads;
  out.blob_writes = stats.blob_writes;
  out.evictions = stats.evictions;
  out.checkpoints = stats.checkpoints;
  out.syncs = stats.syncs;
  out.log_bytes = stats.log_used;
  out.log_bytes_limit = stats.log_capacity;
  out.log_applied = holt::position_of(stats.applied);
  out.log_durable = holt::position_of(stats.durable);
  out.log_checkpointed = holt::position_of(stats.checkpointed);
  out.log_waits = stats.backpressure_waits;
  out.passed_through = connection.fs.passed_files();
  std::ranges::copy(connection.requests.counts(), out.requests);
  connection.in_force.copy(out.options, sizeof out.options - 1);
  return out;
}

// Laid out by hand: fuse_reply_ioctl() goes on using a request that came over io_uring after it was
// given back to the kernel.
struct Answer {
  fuse_ioctl_out head;
  MountStatus status;
};
static_assert(sizeof(Answer) == sizeof(fuse_ioctl_out) + sizeof(MountStatus));

void on_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void*, fuse_file_info*,
              unsigned, const void*, std::size_t, std::size_t room) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  if (command != kStatusIoctl || Ino{ino} != kRootIno || room < sizeof(MountStatus)) {
    return reply.error(ENOTTY);
  }
  const auto transport = fuse_req_is_uring(request) ? Transport::kUring : Transport::kDevice;
  const Answer answer = {.head = {}, .status = status_of(connection, transport)};
  reply.buffer({reinterpret_cast<const char*>(&answer), sizeof answer});
}

}  // namespace

void add_status_handlers(fuse_lowlevel_ops& ops) { ops.ioctl = on_ioctl; }

}  // namespace holtfs
