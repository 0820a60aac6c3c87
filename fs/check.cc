#include "fs/check.h"

#include <dirent.h>
#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "fs/data/bulk.h"
#include "fs/schema.h"
#include "fs/state.h"

namespace holtfs {

namespace {

// What the dentries, xattrs and records of one directory add up to, and what it says itself.
struct DirCount {
  bool seen = false;       // its inode record
  bool announced = false;  // by a dentry of its parent, or it is the root
  Ino ino{}, announced_ino{};
  std::uint64_t said_entries = 0, said_nlink = 0;
  std::uint64_t entries = 0, subdirectories = 0;
  bool said_xattrs = false, has_xattrs = false;
};

struct LinkCount {
  bool seen = false;
  std::uint64_t said = 0, found = 0;
  bool said_xattrs = false, has_xattrs = false;
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
  Checker(const holt::Store& store, const std::string& path)
      : store_(store), files_(path + "/data", 64, true) {}

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
  void expect_xattrs(const std::string& owner, bool said);
  void check_directories();
  void check_links();
  void check_host_files();

  const holt::Store& store_;
  BulkFiles files_;
  CheckReport report_;
  std::unordered_map<std::string, DirCount> dirs_;  // by prefix
  std::unordered_map<std::uint64_t, LinkCount> links_;
  // Files of one link that say they have xattrs, or have: prefix of the xattr keys -> both.
  struct Xattrs {
    bool said = false, found = false;
  };
  std::unordered_map<std::string, Xattrs> entry_xattrs_;
  std::unordered_set<std::uint64_t> inos_;
  std::unordered_set<std::uint64_t> claimed_;
  std::uint64_t next_ino_ = 0, said_inodes_ = 0;
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
    if (xattrs.said == xattrs.found) continue;  // R3
    const std::string some_key = prefix + "?";
    const auto key = schema::parse_key(some_key);
    problem(
        "{} {}", shown(key->dir, key->name),
        xattrs.said ? "says that it has xattrs and has none" : "has xattrs and does not say so");
  }
  check_host_files();
  if (report_.clean && said_inodes_ != report_.directories + report_.files) {
    problem("the state record counts {} inodes, there are {}", said_inodes_,
            report_.directories + report_.files);
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
      ++report_.xattrs;
      dirs_[std::string(parsed->dir)].has_xattrs = true;
      break;
    case schema::KeyKind::kEntryXattr:
      ++report_.xattrs;
      entry_xattrs_[schema::entry_xattr_prefix(parsed->dir, parsed->name)].found = true;
      break;
    case schema::KeyKind::kLinkInode: visit_link(*parsed, value); break;
    case schema::KeyKind::kLinkXattr:
      ++report_.xattrs;
      links_[number_of(parsed->ino)].has_xattrs = true;
      break;
  }
}

void Checker::visit_state(std::string_view value) {
  const auto state = decode_state(value);
  has_state_ = state.has_value();
  if (!has_state_) return;
  if (state->version != kFsVersion) problem("the state record is of version {}", state->version);
  report_.clean = state->clean;
  next_ino_ = state->next_ino;
  said_inodes_ = state->inodes;
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
  if (inode.placement == Placement::kNone && inode.size != 0) {
    problem("{} has a size of {} and no contents", where, inode.size);
  }
  if (inode.placement != Placement::kBulk) return;
  claimed_.insert(number);
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
  dir.said_xattrs = (inode->flags & kHasXattrs) != 0;
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
    if ((inode->flags & kHasXattrs) != 0) {
      entry_xattrs_[schema::entry_xattr_prefix(key.dir, key.name)].said = true;
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
  link.said_xattrs = (inode->flags & kHasXattrs) != 0;
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
    // R3
    if (dir.said_xattrs != dir.has_xattrs) problem("directory {} is wrong about xattrs", where);
  }
}

void Checker::check_links() {
  for (const auto& [ino, link] : links_) {
    if (!link.seen) {
      problem("inode {} has {} names and no record", ino, link.found);
    } else if (link.said != link.found) {  // R1
      problem("inode {} counts {} links, there are {}", ino, link.said, link.found);
    }
    // R3
    if (link.said_xattrs != link.has_xattrs) problem("inode {} is wrong about xattrs", ino);
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

holt::Result<CheckReport> check(const holt::Store& store, const std::string& path) {
  return Checker(store, path).run();
}

}  // namespace holtfs
