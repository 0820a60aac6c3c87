// What the programs beside the daemon do alike on their command lines.
//
// Thread safety: called by the only thread there is.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "fs/version.h"

namespace holtfs {

class CommandLine {
 public:
  // `usage_status` is the exit status for a wrong command line.
  CommandLine(const std::string& name, const std::string& about, int usage_status)
      : app(about, name), usage_status_(usage_status) {}

  // Call it when `app` has its options. Gives the exit status where nothing is left to do.
  std::optional<int> parse(int argc, char** argv) {
    app.add_flag("-V,--version", version_, "print the version");
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      fmt::print("{}", app.help());
      return 0;
    } catch (const CLI::ParseError& error) {
      return misuse(error.what());
    }
    if (!version_) return std::nullopt;
    fmt::print("{} {}\n", app.get_name(), kVersion);
    return 0;
  }

  int complain(const std::string& sentence, int status) const {
    fmt::print(stderr, "{}: {}\n", app.get_name(), sentence);
    return status;
  }
  int misuse(const std::string& sentence) const {
    return complain(fmt::format("{} (see {} --help)", sentence, app.get_name()), usage_status_);
  }

  CLI::App app;

 private:
  const int usage_status_;
  bool version_ = false;
};

}  // namespace holtfs
