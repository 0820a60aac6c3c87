// How a session with libfuse is set up and served, whatever filesystem it serves: the daemon and
// the null filesystem it is measured against differ in their handlers alone.
//
// Thread safety: one thread sets up and serves a session.
#pragma once

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

// Serves until the end; libfuse's result, below 0 for an error.
int serve_session(fuse_session* session, bool uring);

}  // namespace holtfs
