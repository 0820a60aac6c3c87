// The table of functions that libfuse calls, one for each kind of request.
#pragma once

#include "fs/fuse/libfuse.h"

namespace holtfs {

// Userdata of the session: the Connection.
const fuse_lowlevel_ops& handlers();

// By family; each fills its part of the table.
void add_namespace_handlers(fuse_lowlevel_ops& ops);
void add_attribute_handlers(fuse_lowlevel_ops& ops);
void add_directory_handlers(fuse_lowlevel_ops& ops);
void add_file_handlers(fuse_lowlevel_ops& ops);
void add_status_handlers(fuse_lowlevel_ops& ops);

}  // namespace holtfs
