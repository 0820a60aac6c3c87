#include "tests/posix/fuzz/call.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "tests/posix/fuzz/perform.h"

namespace posix_fuzz {

namespace {

template <class T>
const T& pick(Dice& dice, std::span<const T> choices) {
  return choices[dice() % choices.size()];
}

constexpr const char* kNames[] = {"a", "b", "c"};

// Few names, so that calls meet each other's files; now and then one of another kind.
std::string random_path(Dice& dice) {
  const std::uint64_t rare = dice() % 200;
  if (rare == 0) return std::string(256, 'n');
  if (rare == 1) return ".";
  if (rare == 2) return "a/..";
  std::string path = pick<const char*>(dice, kNames);
  while (dice() % 3 == 0 && path.size() < 6)
    path += std::string("/") + pick<const char*>(dice, kNames);
  if (rare == 3) path += "/";
  if (rare == 4) path += "/.";
  if (rare == 5) path += "/" + std::string(255, 'l');
  return path;
}

constexpr unsigned kModes[] = {0644,  0600,  0755,  0777,  0700,  0,    0444, 0111,
                               04755, 02755, 02775, 01777, 06711, 0640, 0666, 07777};
constexpr std::int64_t kSizes[] = {0, 1, 7, 511, 4095, 4096, 4097, 8192, 10000, 65536, 100000};
constexpr std::int64_t kOwners[] = {-1, 0, 70001, 70002, 70100};

}  // namespace

Op random_op(Dice& dice) {
  static const std::vector<std::size_t> weighted = [] {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < calls().size(); ++i) out.insert(out.end(), calls()[i].weight, i);
    return out;
  }();
  Op op;
  op.call = pick<std::size_t>(dice, weighted);
  const Call& call = calls()[op.call];
  op.actor = static_cast<int>(dice() % kActors);
  for (const char field : std::string_view(call.fields)) {
    switch (field) {
      case 's': op.slot = static_cast<int>(dice() % kSlots); break;
      case 'S': op.slot2 = static_cast<int>(dice() % kSlots); break;
      case 'p': op.path = random_path(dice); break;
      case 'P': op.path2 = random_path(dice); break;
      case 'f': op.flags = pick(dice, call.flags); break;
      case 'm': op.mode = pick<unsigned>(dice, kModes); break;
      case 'o': op.offset = pick<std::int64_t>(dice, kSizes); break;
      case 'l': op.length = pick<std::int64_t>(dice, kSizes); break;
      case 'u':
        op.uid = pick<std::int64_t>(dice, kOwners);
        op.gid = pick<std::int64_t>(dice, kOwners);
        break;
      default: op.number = dice() % 1000; break;
    }
  }
  return op;
}

std::string_view name_of(std::size_t call) { return calls()[call].name; }

Said perform(Side& side, const Op& op) { return calls()[op.call].perform(side, op); }

std::string to_text(const Said& said) {
  if (said.error != 0) {
    const char* const name = strerrorname_np(said.error);
    return name != nullptr ? name : fmt::format("errno {}", said.error);
  }
  return said.data.empty() ? fmt::format("{}", said.value)
                           : fmt::format("{} {}", said.value, said.data.substr(0, 300));
}

std::string to_line(const Op& op) {
  const Call& call = calls()[op.call];
  std::string line = fmt::format("{} actor={}", call.name, op.actor);
  for (const char field : std::string_view(call.fields)) {
    switch (field) {
      case 's': line += fmt::format(" slot={}", op.slot); break;
      case 'S': line += fmt::format(" slot2={}", op.slot2); break;
      case 'p': line += " path=" + op.path; break;
      case 'P': line += " path2=" + op.path2; break;
      case 'f': line += fmt::format(" flags={}", op.flags); break;
      case 'm': line += fmt::format(" mode={}", op.mode); break;
      case 'o': line += fmt::format(" offset={}", op.offset); break;
      case 'l': line += fmt::format(" length={}", op.length); break;
      case 'u': line += fmt::format(" uid={} gid={}", op.uid, op.gid); break;
      default: line += fmt::format(" number={}", op.number); break;
    }
  }
  return line;
}

namespace {

template <class T>
bool to_number(std::string_view text, T& out) {
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  return bad == std::errc() && end == text.data() + text.size();
}

bool set_field(Op& op, std::string_view name, std::string_view value) {
  if (name == "path") return op.path = value, true;
  if (name == "path2") return op.path2 = value, true;
  if (name == "actor") return to_number(value, op.actor);
  if (name == "slot") return to_number(value, op.slot);
  if (name == "slot2") return to_number(value, op.slot2);
  if (name == "flags") return to_number(value, op.flags);
  if (name == "mode") return to_number(value, op.mode);
  if (name == "offset") return to_number(value, op.offset);
  if (name == "length") return to_number(value, op.length);
  if (name == "uid") return to_number(value, op.uid);
  if (name == "gid") return to_number(value, op.gid);
  return name == "number" && to_number(value, op.number);
}

}  // namespace

std::optional<Op> from_line(std::string_view line) {
  Op op;
  bool first = true;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (first) {
      const auto found = std::ranges::find(calls(), word, &Call::name);
      if (found == calls().end()) return std::nullopt;
      op.call = static_cast<std::size_t>(found - calls().begin());
      first = false;
      continue;
    }
    const std::size_t equals = word.find('=');
    if (equals == word.npos || !set_field(op, word.substr(0, equals), word.substr(equals + 1))) {
      return std::nullopt;
    }
  }
  if (first || op.actor < 0 || op.actor >= kActors || op.slot < 0 || op.slot >= kSlots ||
      op.slot2 < 0 || op.slot2 >= kSlots) {
    return std::nullopt;
  }
  return op;
}

}  // namespace posix_fuzz
