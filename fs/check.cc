#include "fs/check.h"

#include <dirent.h>
#include <fmt/format.h>

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "fs/acl.h"
#include "fs/check_packed.h"
#include "fs/data/bulk.h"
#include "fs/schema.h"
#include "fs/state.h"

namespace holtfs {

namespace {

// What an inode's record says of its xattrs, and what there is.
struct Xattrs {
  std::uint8_t said = 0, found = 0;  // flags
  std::uint32_t mode = 0;
  std::optional<std::uint32_t> acl_mode;  // of a sound access ACL

  void say(const Inode& inode) {
    said = inode.flags;
    mode = inode.mode;
  }
};

// What the dentries, xattrs and records of one directory add up to, and what it says itself.
struct DirCount {
  bool seen = false;       // its inode record
  bool announced = false;  // by a dentry of its parent, or it is the root
  Ino ino{}, announced_ino{};
  std::uint64_t said_entries = 0, said_nlink = 0;
  std::uint64_t entries = 0, subdirectories = 0;
  Xattrs xattrs;
};

struct LinkCount {
  bool seen = false;
  std::uint64_t said = 0, found = 0;
  Xattrs xattrs;
};

// A path for people: without the trailing slash, with unprintable bytes shown as numbers.
std::string shown(std::string_view dir, std::string_view name = {}) {
  const std::string path = std::string(dir) + std::string(name);
  std::string out = "/";
  for (const char c : path) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f
               ? fmt::format("\\{:03o}", static_cast<unsigned char>(c))
               : std::string(1, c);
  }
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

class Checker {
 public:
  Checker(const holt::Store& store, const std::string& path, bool contents)
      : store_(store),
        files_(path + "/data", 64, true),
        contents_(contents),
        packed_(path + "/segments", report_.problems) {}

  holt::Result<CheckReport> run();

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    report_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void visit(std::string_view key, std::string_view value);
  void visit_state(std::string_view value);
  void visit_directory(const schema::ParsedKey& key, std::string_view value);
  void visit_entry(const schema::ParsedKey& key, std::string_view value);
  void visit_link(const schema::ParsedKey& key, std::string_view value);
  void visit_inode(const Inode& inode, const std::string& where);
  void visit_xattr(Xattrs& xattrs, const std::string& where, std::string_view name,
                   std::string_view value);
  void check_xattrs(const Xattrs& xattrs, const std::string& where);
  void check_directories();
  void check_links();
  void check_host_files();

  const holt::Store& store_;
  BulkFiles files_;
  const bool contents_;
  CheckReport report_;
  PackedCheck packed_;                              // adds to report_
  std::unordered_map<std::string, DirCount> dirs_;  // by prefix
  std::unordered_map<std::uint64_t, LinkCount> links_;
  // Of files of one link, which have or say they have any, by the prefix of the xattr keys.
  std::unordered_map<std::string, Xattrs> entry_xattrs_;
  std::unordered_set<std::uint64_t> inos_;
  std::unordered_set<std::uint64_t> claimed_;
  std::uint64_t next_ino_ = 0, said_inodes_ = 0, said_blocks_ = 0, blocks_ = 0;
  bool has_state_ = false;
};

holt::Result<CheckReport> Checker::run() {
  dirs_[""].announced = true;
  dirs_[""].announced_ino = kRootIno;
  holt::Cursor cursor = store_.scan({});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) break;
    visit(cursor.key(), cursor.value());
  }
  if (!has_state_) problem("the state record is missing");
  check_directories();
  check_links();
  for (const auto& [prefix, xattrs] : entry_xattrs_) {
    const std::string some_key = prefix + "?";
    const auto key = schema::parse_key(some_key);
    check_xattrs(xattrs, shown(key->dir, key->name));
  }
  check_host_files();
  packed_.finish(report_.clean);
  report_.segments = packed_.segments();
  if (report_.clean && said_inodes_ != report_.directories + report_.files) {
    problem("the state record counts {} inodes, there are {}", said_inodes_,
            report_.directories + report_.files);
  }
  if (report_.clean && said_blocks_ != blocks_) {
    problem("the state record counts {} blocks, there are {}", said_blocks_, blocks_);
  }
  return std::move(report_);
}

void Checker::visit(std::string_view key, std::string_view value) {
  const auto parsed = schema::parse_key(key);
  if (!parsed) {
    problem("a key of {} bytes beginning {} is of no known kind", key.size(),
            shown(key.substr(0, 64)));
    return;
  }
  switch (parsed->kind) {
    case schema::KeyKind::kState: visit_state(value); break;
    case schema::KeyKind::kDirectoryInode: visit_directory(*parsed, value); break;
    case schema::KeyKind::kEntry: visit_entry(*parsed, value); break;
    case schema::KeyKind::kDirectoryXattr:
      visit_xattr(dirs_[std::string(parsed->dir)].xattrs, shown(parsed->dir), parsed->attr, value);
      break;
    case schema::KeyKind::kEntryXattr:
      visit_xattr(entry_xattrs_[schema::entry_xattr_prefix(parsed->dir, parsed->name)],
                  shown(parsed->dir, parsed->name), parsed->attr, value);
      break;
    case schema::KeyKind::kLogged: packed_.visit_logged(*parsed, value); break;
    case schema::KeyKind::kSegment: packed_.visit_segment(*parsed, value); break;
    case schema::KeyKind::kLinkInode: visit_link(*parsed, value); break;
    case schema::KeyKind::kLinkXattr:
      visit_xattr(links_[number_of(parsed->ino)].xattrs,
                  fmt::format("inode {}", number_of(parsed->ino)), parsed->attr, value);
      break;
  }
}

void Checker::visit_state(std::string_view value) {
  const auto state = decode_state(value);
  has_state_ = state.has_value();
  if (!has_state_) return;
  report_.clean = state->clean;
  next_ino_ = state->next_ino;
  said_inodes_ = state->inodes;
  said_blocks_ = state->blocks;
}

// What holds for every inode record, wherever it is.
void Checker::visit_inode(const Inode& inode, const std::string& where) {
  const std::uint64_t number = number_of(inode.ino);
  if (number == 0) problem("{} has inode number 0", where);
  if (has_state_ && number >= next_ino_) {
    problem("{} has inode number {}, which was not given out yet", where, number);
  }
  if (!inos_.insert(number).second) problem("{} has inode number {} like another", where, number);
  if (inode.is_directory()) return;
  ++report_.files;
  if (!inode.is_regular()) return;
  blocks_ += inode.blocks;
  if (inode.placement == Placement::kNone && inode.size != 0) {
    problem("{} has a size of {} and no contents", where, inode.size);
  }
  if (inode.placement == Placement::kPacked) {
    ++report_.packed_files;
    packed_.visit_file(inode, where, report_.clean, contents_);
  }
  if (inode.placement != Placement::kBulk) return;
  claimed_.insert(number);
  if (report_.clean && (inode.flags & kHostAhead) != 0) {
    problem("{} (inode {}) is said to be open", where, number);
  }
  const auto file = files_.open(inode.ino);
  const auto extent = file && *file != nullptr ? (*file)->extent() : fail(ENOENT);
  if (!extent) {
    problem("{} (inode {}) has lost its host file", where, number);
  } else if (report_.clean && extent->size != inode.size) {
    problem("{} (inode {}) has a size of {}, its host file of {}", where, number, inode.size,
            extent->size);
  }
}

void Checker::visit_directory(const schema::ParsedKey& key, std::string_view value) {
  const auto inode = decode_inode(value);
  if (!inode || !inode->is_directory()) {
    problem("the record of directory {} is damaged", shown(key.dir));
    return;
  }
  ++report_.directories;
  visit_inode(*inode, shown(key.dir));
  DirCount& dir = dirs_[std::string(key.dir)];
  dir.seen = true;
  dir.ino = inode->ino;
  dir.said_entries = inode->entries;
  dir.said_nlink = inode->nlink;
  dir.xattrs.say(*inode);
}

void Checker::visit_entry(const schema::ParsedKey& key, std::string_view value) {
  const std::string where = shown(key.dir, key.name);
  DirCount& dir = dirs_[std::string(key.dir)];
  ++dir.entries;
  if (key.name.size() > schema::kMaxNameBytes || key.name.find('/') != key.name.npos) {
    problem("{} has an impossible name", where);
  }
  const auto marker = decode_marker(value);
  if (!marker) {
    problem("the dentry of {} is damaged", where);
    return;
  }
  if (marker->tag == Tag::kDirectory) {
    ++dir.subdirectories;
    DirCount& child = dirs_[schema::child_prefix(key.dir, key.name)];
    child.announced = true;
    child.announced_ino = marker->ino;
    if (marker->type != DT_DIR) problem("{} is a directory and says it is not", where);
  } else if (marker->tag == Tag::kLink) {
    ++links_[number_of(marker->ino)].found;
  } else {
    const auto inode = decode_inode(value);
    if (!inode || inode->is_directory()) {
      problem("the inode record of {} is damaged", where);
      return;
    }
    visit_inode(*inode, where);
    // R1
    if (inode->nlink != 1) problem("{} has one name and counts {}", where, inode->nlink);
    if (inode->flags != 0) {
      entry_xattrs_[schema::entry_xattr_prefix(key.dir, key.name)].say(*inode);
    }
  }
}

void Checker::visit_link(const schema::ParsedKey& key, std::string_view value) {
  const auto inode = decode_inode(value);
  if (!inode || inode->is_directory() || inode->ino != key.ino) {
    problem("the inode record of the links to {} is damaged", number_of(key.ino));
    return;
  }
  visit_inode(*inode, fmt::format("inode {}", number_of(key.ino)));
  LinkCount& link = links_[number_of(key.ino)];
  link.seen = true;
  link.said = inode->nlink;
  link.xattrs.say(*inode);
}

void Checker::visit_xattr(Xattrs& xattrs, const std::string& where, std::string_view name,
                          std::string_view value) {
  ++report_.xattrs;
  const std::uint8_t flags = flags_of_xattr(name);
  xattrs.found |= flags;
  if ((flags & (kHasAccessAcl | kHasDefaultAcl)) == 0) return;
  const auto acl = Acl::parse(value);
  if (!acl) {
    problem("{} of {} is damaged", name, where);
  } else if ((flags & kHasAccessAcl) != 0) {
    xattrs.acl_mode = acl->apply_to(0);
  }
}

void Checker::check_xattrs(const Xattrs& xattrs, const std::string& where) {
  const std::uint8_t wrong = xattrs.said ^ xattrs.found;  // R3
  const auto differs = [&](std::uint8_t flag, std::string_view what) {
    if ((wrong & flag) == 0) return;
    problem("{} {} {} and {}", where, (xattrs.said & flag) != 0 ? "says that it has" : "has", what,
            (xattrs.said & flag) != 0 ? "has none" : "does not say so");
  };
  differs(kHasXattrs, "xattrs");
  differs(kHasCapability, "a capability");
  differs(kHasAccessAcl, "an access ACL");
  differs(kHasDefaultAcl, "a default ACL");
  const bool says_acl = (xattrs.said & kHasAccessAcl) != 0;
  if (says_acl && xattrs.acl_mode && *xattrs.acl_mode != (xattrs.mode & 0777)) {  // R4
    problem("{} has mode {:o} and an ACL that says {:o}", where, xattrs.mode & 07777,
            *xattrs.acl_mode);
  }
}

void Checker::check_directories() {
  for (const auto& [prefix, dir] : dirs_) {
    const std::string where = shown(prefix);
    if (!dir.announced) problem("directory {} is in no directory", where);
    if (!dir.seen) {
      problem("directory {} has no inode record", where);
      continue;
    }
    if (dir.announced && dir.ino != dir.announced_ino) {
      problem("directory {} has inode number {}, its dentry says {}", where, number_of(dir.ino),
              number_of(dir.announced_ino));
    }
    if (dir.said_entries != dir.entries) {  // R2
      problem("directory {} counts {} entries, there are {}", where, dir.said_entries, dir.entries);
    }
    if (dir.said_nlink != 2 + dir.subdirectories) {  // R1
      problem("directory {} counts {} links, there are {}", where, dir.said_nlink,
              2 + dir.subdirectories);
    }
    check_xattrs(dir.xattrs, "directory " + where);
  }
}

void Checker::check_links() {
  for (const auto& [ino, link] : links_) {
    if (!link.seen) {
      problem("inode {} has {} names and no record", ino, link.found);
    } else if (link.said != link.found) {  // R1
      problem("inode {} counts {} links, there are {}", ino, link.said, link.found);
    }
    check_xattrs(link.xattrs, fmt::format("inode {}", ino));
  }
}

void Checker::check_host_files() {
  const auto listed = files_.for_each([&](Ino ino) {
    ++report_.host_files;
    if (!claimed_.contains(number_of(ino))) {
      ++report_.unclaimed_host_files;
      if (report_.clean) problem("host file of inode {} belongs to no file", number_of(ino));
    }
  });
  if (!listed) problem("the host files cannot be listed");
}

}  // namespace

holt::Result<CheckReport> check(const holt::Store& store, const std::string& path, bool contents) {
  // Whose records look differently. A damaged state record is a finding like any other.
  const auto state = read_state(store, path);
  if (!state && state.error().code() == holt::Code::kInvalid) {
    return std::unexpected(state.error());
  }
  return Checker(store, path, contents).run();
}

}  // namespace holtfs
