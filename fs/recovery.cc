// Recovery after the daemon or the machine died while mounted.
//
// The store itself comes back consistent, so no record needs repair but for its size. What can be
// left over are host files: of files that had no name any more, of removals that were not carried
// out yet, or created for a record that did not reach the disk. And a host file's size may differ
// from its record's, when one of the two was ahead: the shorter one counts. All are found by one
// pass over the records, which also counts the inodes and their blocks: what the state record says
// is right only after an orderly end. Packed contents: recovery_packed.cc.
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

// The record of a file that was written past it.
std::optional<Inode> caught_up(const HostFile& file, const Inode& inode) {
  const auto state = state_of(file);
  if (!state) return std::nullopt;
  Inode out = inode;
  out.flags &= static_cast<std::uint8_t>(~kHostAhead);
  out.size = state->size;
  out.blocks = state->blocks;
  if (state->mtime == inode.mtime) return out;
  out.mtime = state->mtime;
  out.ctime = std::max(out.ctime, state->mtime);
  return out;
}

// What the record has to say so that it and the host file agree; nothing when they do. Bytes that
// the record does not know are cut off. Bytes that are missing were never synced: the file is as
// long as what is left of it, as on any filesystem whose contents reach the disk later than names.
std::optional<Inode> fit(BulkFiles& files, const Inode& inode) {
  const auto file = files.open(inode.ino);
  if (!file) return std::nullopt;
  Inode fitted = inode;
  if (*file == nullptr) {
    fitted.flags &= static_cast<std::uint8_t>(~kHostAhead);
    fitted.placement = Placement::kNone;
    fitted.size = fitted.blocks = 0;
  } else {
    const auto extent = (*file)->extent();
    if ((inode.flags & kHostAhead) != 0) return caught_up(**file, inode);
    if (!extent || extent->size == inode.size) return std::nullopt;
    if (extent->size > inode.size) {
      (void)ftruncate((*file)->fd(), static_cast<off_t>(inode.size));
      return std::nullopt;
    }
    fitted.size = extent->size;
    fitted.blocks = extent->blocks;
  }
  log_warning("inode {}: the last {} bytes did not reach the disk", number_of(inode.ino),
              inode.size - fitted.size);
  return fitted;
}

// Whether a value under this key is an inode record, or must be one.
bool may_be_inode(const schema::ParsedKey& key) {
  return key.kind == schema::KeyKind::kEntry || key.kind == schema::KeyKind::kLinkInode ||
         key.kind == schema::KeyKind::kDirectoryInode;
}

}  // namespace

holt::Result<void> Filesystem::recover() {
  std::unordered_set<std::uint64_t> unclaimed;
  const auto listed = bulk_->for_each([&](Ino ino) { unclaimed.insert(number_of(ino)); });
  if (!listed) return holt::fail_errno(value_of(listed.error()), "cannot list the host files");

  auto logged = restore_logged();
  if (!logged) return holt::pass(logged);

  std::uint64_t inodes = 0, blocks = 0, damaged = 0;
  std::vector<std::pair<std::string, Inode>> fitted;
  holt::Cursor cursor = store_->scan({});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) break;
    const auto key = schema::parse_key(cursor.key());
    if (key && !may_be_inode(*key)) continue;
    const auto marker = decode_marker(cursor.value());
    if (marker && marker->tag != Tag::kInode) continue;
    const auto inode = decode_inode(cursor.value());
    if (!key || !inode) {
      ++damaged;
      continue;
    }
    ++inodes;
    blocks += inode->blocks;
    if (inode->placement == Placement::kNone) continue;
    const bool bulk = inode->placement == Placement::kBulk;
    if (bulk) unclaimed.erase(number_of(inode->ino));
    holt::Result<std::optional<Inode>> changed = bulk ? fit(*bulk_, *inode) : fit_packed(*inode);
    if (!changed) return holt::pass(changed);
    if (!*changed) continue;
    blocks += (*changed)->blocks - inode->blocks;
    fitted.emplace_back(cursor.key(), std::move(**changed));
  }
  limited_.start(
      {.blocks = static_cast<std::int64_t>(blocks), .inodes = static_cast<std::int64_t>(inodes)});
  for (const auto& [key, inode] : fitted) {
    if (auto put = store_->put(key, encode(inode)); !put) return holt::pass(put);
  }
  keeps_all_segments_ = damaged > 0;
  if (auto finished = finish_packed(*logged); !finished) return finished;
  return remove_unclaimed(unclaimed, damaged);
}

holt::Result<void> Filesystem::remove_unclaimed(const std::unordered_set<std::uint64_t>& unclaimed,
                                                std::uint64_t damaged) {
  // A number whose host file is still there shall not be given out again.
  for (const std::uint64_t ino : unclaimed) {
    if (ino >= next_ino_) next_ino_ = reserved_ino_ = ino + 1;
  }
  if (damaged > 0) {
    log_error("{} records are damaged: no contents are removed, for they may be theirs", damaged);
    return {};
  }
  for (const std::uint64_t ino : unclaimed) bulk_->remove(Ino{ino});
  if (!unclaimed.empty()) log_info("removed the contents of {} files", unclaimed.size());
  return {};
}

}  // namespace holtfs
