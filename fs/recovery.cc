// Recovery after the daemon or the machine died while mounted.
//
// The store itself comes back consistent, so no record needs repair. What can be left over are host
// files: of files that had no name any more, of removals that were not carried out yet, or created
// for a record that did not reach the disk. And a host file's size may differ from its record's,
// when one of the two was ahead. All are found by one pass over the records, which also counts the
// inodes: the number in the state record is right only after an orderly end.
#include <unistd.h>

#include <unordered_set>

#include "fs/log.h"
#include "fs/ops.h"

namespace holtfs {

namespace {

// Makes the host file as long as the record says. Bytes that are missing become zeros.
void fit_host_file(BulkFiles& files, const Inode& inode) {
  const auto file = files.open_or_create(inode.ino);
  if (!file) return;
  const auto extent = (*file)->extent();
  if (!extent || extent->size == inode.size) return;
  if (extent->size < inode.size) {
    log_warning("inode {}: the last {} bytes did not reach the disk", number_of(inode.ino),
                inode.size - extent->size);
  }
  (void)ftruncate((*file)->fd(), static_cast<off_t>(inode.size));
}

}  // namespace

holt::Result<void> Filesystem::recover() {
  std::unordered_set<std::uint64_t> unclaimed;
  const auto listed = bulk_->for_each([&](Ino ino) { unclaimed.insert(number_of(ino)); });
  if (!listed) return holt::fail_errno(value_of(listed.error()), "cannot list the host files");

  std::int64_t inodes = 0;
  holt::Cursor cursor = store_->scan({});
  while (true) {
    auto more = cursor.next();
    if (!more) return holt::pass(more);
    if (!*more) break;
    const auto key = schema::parse_key(cursor.key());
    if (!key) continue;
    const bool may_be_inode = key->kind == schema::KeyKind::kEntry ||
                              key->kind == schema::KeyKind::kLinkInode ||
                              key->kind == schema::KeyKind::kDirectoryInode;
    if (!may_be_inode) continue;
    const auto marker = decode_marker(cursor.value());
    if (!marker || marker->tag != Tag::kInode) continue;
    ++inodes;
    const auto inode = decode_inode(cursor.value());
    if (!inode || inode->placement != Placement::kBulk) continue;
    unclaimed.erase(number_of(inode->ino));
    fit_host_file(*bulk_, *inode);
  }
  inodes_ = inodes;
  for (const std::uint64_t ino : unclaimed) bulk_->remove(Ino{ino});
  if (!unclaimed.empty()) log_info("removed the contents of {} files", unclaimed.size());
  return {};
}

}  // namespace holtfs
