// Where sentences for the administrator go: standard error, or syslog once the daemon is in the
// background.
//
// Thread safety: any thread may log; log_to_syslog() is called before there are several.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace holtfs {

enum class LogLevel { kError, kWarning, kInfo };

void log_to_syslog(const char* program);
void log_line(LogLevel level, const std::string& line);

template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace holtfs
