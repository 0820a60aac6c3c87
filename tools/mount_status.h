// `holtctl status`: what a mount says of itself.
//
// Thread safety: called by the only thread there is.
#pragma once

#include <expected>
#include <string>

namespace holtfs {

// The text to print, or an error sentence.
std::expected<std::string, std::string> mount_status(const std::string& mountpoint, bool json);

}  // namespace holtfs
