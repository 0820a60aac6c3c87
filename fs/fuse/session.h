// One mount, from mount(2) to the checkpoint at the end.
//
// The end comes from outside (umount) or from a signal. On a signal the mount is taken away first,
// so that no new requests come from those who do not hold it open, and answers are given by the
// threads that take the requests, so that none is under way elsewhere when libfuse takes its
// threads down.
//
// Thread safety: one thread runs it.
#pragma once

#include <signal.h>

#include <functional>
#include <string>

#include "fs/filesystem.h"
#include "fs/fuse/options.h"

namespace holtfs {

// They end the mount. REQUIRES of run_session(): every thread has them blocked.
sigset_t ending_signals();

// Mounts, calls `mounted`, serves until the end. An error sentence, or nothing.
std::string run_session(Filesystem& fs, const MountOptions& options,
                        const std::function<void()>& mounted);

}  // namespace holtfs
