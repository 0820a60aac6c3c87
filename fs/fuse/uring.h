// Whether FUSE can go over io_uring here, and if not, how to enable it.
#pragma once

#include <string>

#include "fs/fuse/options.h"

namespace holtfs {

struct UringChoice {
  bool use = false;
  std::string hint;    // one sentence, when io_uring was wanted or would be better and is not used
  bool fatal = false;  // it was insisted on
};

UringChoice choose_uring(UringWanted wanted);

}  // namespace holtfs
