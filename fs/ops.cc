#include "fs/ops.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "fs/log.h"

namespace holtfs {

holt::Batch& scratch_batch() {
  thread_local holt::Batch batch;
  batch.clear();
  return batch;
}

holt::Result<void> apply_from(std::size_t at_least, holt::Store& store, holt::Batch& batch) {
  if (batch.size() < at_least) return {};
  auto applied = store.apply(batch);
  batch.clear();
  return applied ? holt::Result<void>() : holt::pass(applied);
}

int check_name(std::string_view name) {
  if (name.size() > schema::kMaxNameBytes) return ENAMETOOLONG;
  if (name.empty() || name == "." || name == "..") return EINVAL;
  return name.find('/') != name.npos || name.find('\0') != name.npos ? EINVAL : 0;
}

Inode new_inode(Ino ino, std::uint32_t mode) {
  Inode inode;
  inode.ino = ino;
  inode.mode = mode;
  inode.nlink = S_ISDIR(mode) ? 2 : 1;
  inode.atime = inode.mtime = inode.ctime = inode.btime = now();
  return inode;
}

void stage_change(holt::Batch& batch, std::string_view key, const Inode& before,
                  const Inode& after) {
  const Record was_record = encode(before), is_record = encode(after);
  const std::string_view was = was_record, is = is_record;
  if (was.size() != is.size()) {
    batch.replace(key, is);
    return;
  }
  // Words that are the same first: few bytes of a record change.
  std::size_t first = 0;
  while (first + 8 <= is.size() && std::memcmp(&was[first], &is[first], 8) == 0) first += 8;
  while (first < is.size() && was[first] == is[first]) ++first;
  if (first == is.size()) return;
  const auto same_end = std::mismatch(was.rbegin(), was.rend(), is.rbegin()).first - was.rbegin();
  batch.patch(key, static_cast<std::uint32_t>(first),
              is.substr(first, is.size() - same_end - first));
}

void Filesystem::Dir::stage(holt::Batch& batch) const {
  stage_change(batch, schema::inode_key(prefix), before, after);
}

Outcome<Node*> Filesystem::directory_node(Ino ino) {
  Node* const node = nodes_.find(ino);
  if (node == nullptr) return fail(ESTALE);
  if (!node->directory) return fail(ENOTDIR);
  return node;
}

Outcome<Filesystem::Dir> Filesystem::load_directory(const Caller& caller, Ino ino) {
  const Outcome<Node*> node = directory_node(ino);
  if (!node) return fail(node.error());
  if ((*node)->place == Place::kOrphan) return fail(ENOENT);
  Dir dir;
  dir.node = *node;
  dir.prefix = schema::prefix_of(**node);
  Outcome<Inode> inode = load_inode(caller, schema::inode_key(dir.prefix), ino);
  if (!inode) return fail(inode.error());
  dir.before = *inode;
  dir.after = std::move(*inode);
  if (lazy_ != nullptr) lazy_->show(dir.after);
  return dir;
}

bool is_within(const Node* node, Ino ino) {
  while (node != nullptr && node->ino != ino) node = node->parent;
  return node != nullptr;
}

Outcome<std::optional<Marker>> Filesystem::find_marker(const Caller& caller,
                                                       std::string_view prefix,
                                                       std::string_view name) {
  std::array<char, Record::kRoom> value;  // of a longer one the beginning is enough
  const auto got = store_->get(schema::entry_key(prefix, name), value, caller.wait);
  if (!got && got.error().code() == holt::Code::kNotFound) return std::nullopt;
  if (!got) return fail(got.error());
  const std::string_view shown(value.data(), std::min(*got, value.size()));
  const holt::Result<Marker> marker = decode_marker(shown);
  if (!marker) return fail(marker.error());
  return *marker;
}

Outcome<std::string> Filesystem::load_value(const Caller& caller, std::string_view key) {
  std::string value;
  if (const auto got = store_->get(key, value, caller.wait); !got) return fail(got.error());
  return value;
}

Outcome<void> Filesystem::load_record(const Caller& caller, std::string_view key, Record& out) {
  out.resize(Record::kRoom);
  while (true) {
    const auto got = store_->get(key, std::span(out.data(), out.size()), caller.wait);
    if (!got) return fail(got.error());
    const bool whole = *got <= out.size();
    out.resize(*got);
    if (whole) return {};
  }
}

Outcome<Inode> Filesystem::load_inode(const Caller& caller, std::string_view key, Ino ino,
                                      Parts parts) {
  Record record;
  if (const auto got = load_record(caller, key, record); !got) return fail(got.error());
  holt::Result<Inode> inode = decode_inode(record, parts);
  if (!inode) return fail(inode.error());
  // Somebody else's record under this name: the caller's number is of a file that is gone.
  if (inode->ino != ino) return fail(ESTALE);
  return std::move(*inode);
}

Filesystem::Located Filesystem::locate(const Node& node) {
  Located at{.node = node, .key = {}};
  switch (node.place) {
    case Place::kOrphan: at.orphan = node.orphan(); break;
    case Place::kLink: at.key = schema::link_key(node.ino); break;
    case Place::kEntry:
      at.key = schema::entry_key(schema::prefix_of(*node.parent), node.name.view());
      break;
    case Place::kDirectory: at.key = schema::inode_key(schema::prefix_of(node)); break;
  }
  return at;
}

schema::Key Filesystem::Located::xattr_prefix() const {
  switch (node.place) {
    case Place::kOrphan: break;
    case Place::kLink: return schema::link_xattr_prefix(node.ino);
    case Place::kEntry:
      return schema::entry_xattr_prefix(schema::prefix_of(*node.parent), node.name.view());
    case Place::kDirectory: return schema::directory_xattr_prefix(schema::prefix_of(node));
  }
  return {};
}

Outcome<Inode> Filesystem::load(const Caller& caller, const Node& node, const Located& at,
                                Parts parts) {
  if (at.orphan != nullptr) return at.orphan->inode;
  return load_inode(caller, at.key, node.ino, parts);
}

Outcome<Inode> Filesystem::inode_of(const Caller& caller, Ino ino) {
  Outcome<Inode> inode =
      read_inode(ino, [&](Node& node, const Located& at) { return load(caller, node, at); });
  if (inode) passed_.show(*inode);
  return inode;
}

Outcome<holt::Lsn> Filesystem::apply(const Caller& caller, const holt::Batch& batch) {
  holt::Result<holt::Lsn> lsn = store_->apply(batch, caller.wait);
  if (!lsn) return fail(lsn.error());
  return *lsn;
}

Outcome<void> Filesystem::save(const Caller& caller, const Located& at, const Inode& before,
                               const Inode& after, holt::Batch& batch) {
  if (at.orphan != nullptr) {
    at.orphan->inode = after;
    return {};
  }
  stage_change(batch, at.key, before, after);
  if (batch.empty()) return {};
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());
  return {};
}

// What is seen of an inode whose record was read from `make_key()` without its lock. Once files are
// passed through, their records may lag behind: one that was closed meanwhile is in its record
// only.
template <class MakeKey>
Outcome<Attr> Filesystem::current(const Caller& caller, MakeKey make_key, const Inode& inode) {
  if (!passed_.ever() || inode.placement != Placement::kBulk) return shown(inode);
  const auto lock = file_locks_.shared(inode.ino);
  const Outcome<Inode> again = load_inode(caller, make_key(), inode.ino);
  if (!again) return fail(again.error());
  return shown(*again);
}

Outcome<Entry> Filesystem::entry_of(const Caller& caller, Node& dir, std::string_view prefix,
                                    std::string_view name, std::string_view value) {
  const holt::Result<Marker> marker = decode_marker(value);
  if (!marker) return fail(marker.error());
  if (marker->tag == Tag::kInode) {
    const holt::Result<Inode> inode = decode_inode(value, Parts::kAttributes);
    if (!inode) return fail(inode.error());
    const Outcome<Attr> attr =
        current(caller, [&] { return schema::entry_key(prefix, name); }, *inode);
    if (!attr) return fail(attr.error());
    nodes_.acquire(inode->ino, Place::kEntry, &dir, name);
    return Entry{*attr};
  }
  const bool is_link = marker->tag == Tag::kLink;
  const schema::Key key = is_link ? schema::link_key(marker->ino)
                                  : schema::inode_key(schema::child_prefix(prefix, name));
  const Outcome<Inode> inode = load_inode(caller, key, marker->ino, Parts::kAttributes);
  if (!inode) {
    if (inode.error() == kWouldWait) return fail(kWouldWait);
    log_error("dentry {} of inode {} leads nowhere", name, number_of(marker->ino));
    return fail(EIO);
  }
  const Outcome<Attr> attr = current(caller, [&] { return std::string_view(key); }, *inode);
  if (!attr) return fail(attr.error());
  if (is_link) {
    nodes_.acquire(inode->ino, Place::kLink, nullptr, {});
  } else {
    nodes_.acquire(inode->ino, Place::kDirectory, &dir, name);
  }
  return Entry{*attr};
}

}  // namespace holtfs
