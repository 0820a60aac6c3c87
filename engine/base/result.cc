#include "engine/base/result.h"

#include <system_error>

namespace holt {

namespace {

std::string_view describe(Code code) {
  switch (code) {
    case Code::kNotFound: return "not found";
    case Code::kExists: return "already exists";
    case Code::kPrecondition: return "a precondition does not hold";
    case Code::kInvalid: return "invalid argument";
    case Code::kTooLarge: return "too large";
    case Code::kWouldBlock: return "would block";
    case Code::kCorrupt: return "the store is damaged";
    case Code::kIo: return "input/output error";
    case Code::kNoSpace: return "no space left";
    case Code::kReadOnly: return "the store is read-only";
    case Code::kBusy: return "the store is in use";
  }
  return "unknown error";
}

}  // namespace

std::string Error::to_string() const {
  std::string out = text_.empty() ? std::string(describe(code_)) : text_;
  if (sys_errno_ != 0) out += ": " + std::generic_category().message(sys_errno_);
  return out;
}

}  // namespace holt
