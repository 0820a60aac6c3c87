// holtctl: shows what is in a store, record by record or in figures, and what a mount says of
// itself. It changes nothing.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/holt.h"
#include "fs/data/segments.h"
#include "fs/schema.h"
#include "fs/state.h"
#include "tools/command_line.h"
#include "tools/mount_status.h"

namespace {

using Json = nlohmann::ordered_json;
using holtfs::schema::KeyKind;

constexpr int kFailure = 1, kUsageError = 2;

// Names are bytes; JSON is UTF-8. What is not becomes a replacement character.
std::string shown(std::string_view bytes) {
  const Json text = std::string(bytes);
  const std::string quoted = text.dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
}

std::string time_text(holtfs::Time t) {
  const timespec ts = holtfs::to_timespec(t);
  return fmt::format("{}.{:09}", ts.tv_sec, ts.tv_nsec);
}

const char* name_of(holtfs::Placement placement) {
  switch (placement) {
    case holtfs::Placement::kNone: return "none";
    case holtfs::Placement::kBulk: return "bulk";
    case holtfs::Placement::kPacked: return "packed";
  }
  return "unknown";
}

void add_inode(const holtfs::Inode& inode, Json& out) {
  out["ino"] = holtfs::number_of(inode.ino);
  out["mode"] = fmt::format("{:07o}", inode.mode);
  out["uid"] = inode.uid;
  out["gid"] = inode.gid;
  out["nlink"] = inode.nlink;
  for (const auto& [name, time] :
       {std::pair{"atime", inode.atime}, std::pair{"mtime", inode.mtime},
        std::pair{"ctime", inode.ctime}, std::pair{"btime", inode.btime}}) {
    out[name] = time_text(time);
  }
  if (inode.flags != 0) out["flags"] = inode.flags;
  if (inode.is_directory()) out["entries"] = inode.entries;
  if (inode.is_regular()) {
    out["size"] = inode.size;
    out["blocks"] = inode.blocks;
    out["placement"] = name_of(inode.placement);
    for (const holtfs::Extent& extent : inode.extents) {
      out["extents"].push_back({{"segment", extent.segment},
                                {"offset", extent.offset},
                                {"length", extent.length},
                                {"checksum", fmt::format("{:016x}", extent.checksum)}});
    }
  }
  if (S_ISLNK(inode.mode)) out["target"] = shown(inode.target);
  if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) {
    out["rdev"] = fmt::format("{}:{}", inode.rdev_major, inode.rdev_minor);
  }
}

// What a dentry or an inode record says.
void add_value(std::string_view value, Json& out) {
  const auto marker = holtfs::decode_marker(value);
  if (!marker) {
    out["error"] = marker.error().to_string();
  } else if (marker->tag == holtfs::Tag::kInode) {
    if (const auto inode = holtfs::decode_inode(value)) {
      add_inode(*inode, out);
    } else {
      out["error"] = inode.error().to_string();
    }
  } else {
    out["is"] = marker->tag == holtfs::Tag::kDirectory ? "directory" : "link";
    out["ino"] = holtfs::number_of(marker->ino);
  }
}

void add_state(std::string_view value, Json& out) {
  const auto state = holtfs::decode_state(value);
  if (!state) {
    out["error"] = state.error().to_string();
    return;
  }
  out["version"] = state->version;
  if (state->version != holtfs::kFsVersion) return;  // the rest is not known
  out["clean"] = state->clean;
  out["next_ino"] = state->next_ino;
  out["inodes"] = state->inodes;
  out["blocks"] = state->blocks;
}

void add_segment(std::uint32_t number, std::string_view value, Json& out) {
  out["segment"] = number;
  const auto state = holtfs::decode_segment(number, value);
  if (!state) {
    out["error"] = state.error().to_string();
    return;
  }
  out["live"] = state->live;
  out["durable"] = state->durable;
}

Json describe(std::string_view key, std::string_view value) {
  Json out;
  const auto parsed = holtfs::schema::parse_key(key);
  if (!parsed) {
    out["kind"] = "unknown";
    out["key"] = shown(key);
    out["bytes"] = value.size();
    return out;
  }
  const std::string path = "/" + std::string(parsed->dir) + std::string(parsed->name);
  switch (parsed->kind) {
    case KeyKind::kState:
      out["kind"] = "state";
      add_state(value, out);
      break;
    case KeyKind::kDirectoryInode:
      out["kind"] = "directory";
      out["path"] = shown(path);
      add_value(value, out);
      break;
    case KeyKind::kEntry:
      out["kind"] = "dentry";
      out["path"] = shown(path);
      add_value(value, out);
      break;
    case KeyKind::kLinkInode:
      out["kind"] = "links";
      add_value(value, out);
      break;
    case KeyKind::kLinkXattr:
      out["kind"] = "xattr";
      out["ino"] = holtfs::number_of(parsed->ino);
      break;
    case KeyKind::kDirectoryXattr:
    case KeyKind::kEntryXattr:
      out["kind"] = "xattr";
      out["path"] = shown(path);
      break;
    case KeyKind::kLogged:
      out["kind"] = "logged";
      out["segment"] = parsed->segment;
      out["offset"] = parsed->offset;
      out["bytes"] = value.size();
      break;
    case KeyKind::kSegment:
      out["kind"] = "segment";
      add_segment(parsed->segment, value, out);
      break;
  }
  if (!parsed->attr.empty()) {
    out["name"] = shown(parsed->attr);
    out["bytes"] = value.size();
  }
  return out;
}

holt::Result<void> dump(const holt::Store& store) {
  holt::Cursor cursor = store.scan({});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) return {};
    fmt::print("{}\n", describe(cursor.key(), cursor.value()).dump());
  }
}

holt::Result<void> stat(const holt::Store& store) {
  Json out;
  std::string value;
  if (auto got = store.get(holtfs::schema::state_key(), value); !got) return got;
  add_state(value, out["filesystem"]);
  const holt::Stats stats = store.stats();
  Json& engine = out["store"];
  engine["blobs"] = stats.blobs;
  engine["slots_in_use"] = stats.slots_in_use;
  engine["slots_in_file"] = stats.slots_in_file;
  engine["log_capacity"] = stats.log_capacity;
  engine["log_used"] = stats.log_used;
  engine["generation"] = stats.generation;
  engine["applied"] = holt::position_of(stats.applied);
  engine["checkpointed"] = holt::position_of(stats.checkpointed);
  fmt::print("{}\n", out.dump(2));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  holtfs::CommandLine line(
      "holtctl", "Shows what is in a holtfs filesystem, or what a mounted one does.", kUsageError);
  CLI::App* const dump_command =
      line.app.add_subcommand("dump", "print every record, each as one line of JSON, in key order");
  CLI::App* const stat_command = line.app.add_subcommand("stat", "print figures, as JSON");
  for (CLI::App* command : {dump_command, stat_command}) {
    command->add_option("STORE", path, "directory that holds the filesystem")->required();
  }
  CLI::App* const status_command =
      line.app.add_subcommand("status", "print what a mounted filesystem says of itself");
  bool json = false;
  status_command->add_option("MOUNTPOINT", path, "where it is mounted")->required();
  status_command->add_flag("--json", json, "as JSON");
  if (const auto status = line.parse(argc, argv)) return *status;
  if (*status_command) {
    const auto text = holtfs::mount_status(path, json);
    if (!text) return line.complain(text.error(), kFailure);
    fmt::print("{}", *text);
    return 0;
  }
  if (!*dump_command && !*stat_command) {
    return line.misuse("a command is missing: dump, stat or status");
  }
  const holt::Options options = {.create_if_missing = false, .read_only = true};
  auto store = holt::Store::open(path, options);
  if (!store) return line.complain(store.error().to_string(), kFailure);
  const auto done = *dump_command ? dump(**store) : stat(**store);
  return done ? 0 : line.complain(done.error().to_string(), kFailure);
}
