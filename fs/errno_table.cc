#include "fs/errno_table.h"

#include "fs/log.h"

namespace holtfs {

Errno errno_of(const holt::Error& error) {
  switch (error.code()) {
    case holt::Code::kNotFound: return Errno{ENOENT};
    case holt::Code::kExists: return Errno{EEXIST};
    case holt::Code::kPrecondition: return Errno{ESTALE};
    case holt::Code::kInvalid: return Errno{EINVAL};
    // Values are checked before: what grew too large is a key, with its path.
    case holt::Code::kTooLarge: return Errno{ENAMETOOLONG};
    case holt::Code::kWouldBlock: return kWouldWait;
    case holt::Code::kNoSpace: return Errno{ENOSPC};
    case holt::Code::kReadOnly: return Errno{EROFS};
    case holt::Code::kBusy: return Errno{EBUSY};
    case holt::Code::kCorrupt:
    case holt::Code::kIo: log_error("{}", error.to_string()); return Errno{EIO};
  }
  return Errno{EIO};
}

}  // namespace holtfs
