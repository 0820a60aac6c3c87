#include "fs/log.h"

#include <syslog.h>

#include <atomic>
#include <cstdio>

namespace holtfs {

namespace {

std::atomic<bool> use_syslog{false};

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::kError: return LOG_ERR;
    case LogLevel::kWarning: return LOG_WARNING;
    case LogLevel::kInfo: return LOG_INFO;
  }
  return LOG_ERR;
}

}  // namespace

void log_to_syslog(const char* program) {
  openlog(program, LOG_PID, LOG_DAEMON);
  use_syslog = true;
}

void log_line(LogLevel level, const std::string& line) {
  if (use_syslog) {
    syslog(priority_of(level), "%s", line.c_str());
  } else {
    std::fprintf(stderr, "holtfs: %s\n", line.c_str());
  }
}

}  // namespace holtfs
