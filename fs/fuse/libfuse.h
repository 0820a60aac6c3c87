// The one place that includes libfuse, with the version of its interface that this program is
// written for.
#pragma once

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fuse_lowlevel.h>
