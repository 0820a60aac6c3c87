// How a session with libfuse is set up and served, whatever filesystem it serves: the daemon and
// the null filesystem it is measured against differ in their handlers alone.
//
// Thread safety: one thread sets up and serves a session.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "fs/fuse/libfuse.h"
#include "fs/fuse/options.h"

namespace holtfs {

// Nobody else changes the filesystem, so the kernel may believe what it was told for as long as it
// likes.
inline constexpr double kTimeoutSeconds = 24 * 3600;

struct SessionEnd {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using SessionPtr = std::unique_ptr<fuse_session, SessionEnd>;

struct SessionSetup {
  std::string type;                 // the filesystem's name, also its subtype
  std::string source;               // what the mount table gives as the device
  std::vector<std::string> passed;  // mount options for libfuse and the kernel
  bool debug = false;
  bool uring = false;
};

// Nothing when libfuse refuses the options; it has logged why.
SessionPtr new_session(const SessionSetup& setup, const fuse_lowlevel_ops& handlers,
                       void* userdata);

// For the init handler: what the kernel is asked for.
void request_features(fuse_conn_info* conn, bool acl, ReaddirPlus readdirplus);

// The pace of FORGET. Over io_uring hardly anything else comes by the device, and each would wake
// the thread that reads there. Where that thread takes a rest after one, the kernel gathers what
// comes meanwhile and wakes nobody.
//
// Thread safety: any thread.
class ForgetPace {
 public:
  // For the handler of LOOKUP: whether the ring is really used is known by a request that came
  // over it.
  void note(fuse_req_t request) {
    if (!uring_.load(std::memory_order_relaxed) && fuse_req_is_uring(request)) {
      uring_.store(true, std::memory_order_relaxed);
    }
  }
  // For the handlers of FORGET, when they are done; `over_uring` says how theirs came.
  void rest(bool over_uring) const;

 private:
  std::atomic<bool> uring_{false};
};

// Serves until the end; libfuse's result, below 0 for an error.
int serve_session(fuse_session* session, bool uring);

}  // namespace holtfs
