// Files that the kernel reads and writes in the host's files by itself (`-o passthrough`).
//
// Thread safety: any thread.
#pragma once

#include <string>

#include "fs/data/passed_files.h"
#include "fs/fuse/libfuse.h"

namespace holtfs {

// For the init handler: whether it can be had; the log says why not. `store` is the directory whose
// files are to be passed through.
bool request_passthrough(fuse_conn_info* conn, const std::string& store);

// By which the kernel is told of host files. REQUIRES: the request is not answered yet when they
// are called.
Backing backing_of(fuse_req_t request);

// How a file is opened; `backing_id` is 0 unless it is passed through.
void set_opened(int backing_id, fuse_file_info& info);

}  // namespace holtfs
