// What the null filesystem answers.
#pragma once

#include "fs/fuse/libfuse.h"
#include "fs/fuse/options.h"

namespace holtfs::null {

// Userdata of the session.
struct Mount {
  bool acl = true;
  ReaddirPlus readdirplus = ReaddirPlus::kAuto;
  bool no_open = false, no_opendir = false;
};

const fuse_lowlevel_ops& handlers();

}  // namespace holtfs::null
