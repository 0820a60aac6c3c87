#include "fs/acl.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace holtfs {

namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kAll = 07;

}  // namespace

std::optional<Acl> Acl::parse(std::string_view xattr) {
  holt::Le32 version;
  if (xattr.size() < sizeof version) return std::nullopt;
  std::memcpy(&version, xattr.data(), sizeof version);
  xattr.remove_prefix(sizeof version);
  if (version != kVersion || xattr.size() % sizeof(DiskEntry) != 0) return std::nullopt;
  Acl acl;
  for (; !xattr.empty(); xattr.remove_prefix(sizeof(DiskEntry))) {
    DiskEntry disk;
    std::memcpy(&disk, xattr.data(), sizeof disk);
    acl.entries_.push_back({.tag = disk.tag, .perm = disk.perm, .id = disk.id});
  }
  const auto& entries = acl.entries_;
  const auto count = [&](Tag tag) { return std::ranges::count(entries, tag, &Entry::tag); };
  const bool named = count(kUser) + count(kGroup) > 0;
  if (count(kUserObj) != 1 || count(kGroupObj) != 1 || count(kOther) != 1 || count(kMask) > 1 ||
      (named && count(kMask) == 0) || !std::ranges::is_sorted(entries, {}, &Entry::tag)) {
    return std::nullopt;
  }
  const bool sound = std::ranges::all_of(entries, [](const Entry& entry) {
    return (entry.perm & ~kAll) == 0 &&
           std::ranges::count(std::initializer_list<std::uint16_t>{kUserObj, kUser, kGroupObj,
                                                                   kGroup, kMask, kOther},
                              entry.tag) == 1;
  });
  if (!sound) return std::nullopt;
  return acl;
}

std::string Acl::xattr() const {
  const holt::Le32 version(kVersion);
  std::string out(reinterpret_cast<const char*>(&version), sizeof version);
  for (const Entry& entry : entries_) {
    DiskEntry disk;
    disk.tag = entry.tag;
    disk.perm = entry.perm;
    disk.id = entry.id;
    out.append(reinterpret_cast<const char*>(&disk), sizeof disk);
  }
  return out;
}

Acl::Entry& Acl::entry(Tag tag) { return *std::ranges::find(entries_, tag, &Entry::tag); }

Acl::Tag Acl::group_class() const {
  return std::ranges::find(entries_, kMask, &Entry::tag) != entries_.end() ? kMask : kGroupObj;
}

std::uint32_t Acl::apply_to(std::uint32_t mode) const {
  mode &= ~0777U;
  mode |= std::uint32_t{entry(kUserObj).perm} << 6;
  mode |= std::uint32_t{entry(group_class()).perm} << 3;
  return mode | entry(kOther).perm;
}

void Acl::set_mode(std::uint32_t mode) {
  entry(kUserObj).perm = (mode >> 6) & kAll;
  entry(group_class()).perm = (mode >> 3) & kAll;
  entry(kOther).perm = mode & kAll;
}

void Acl::restrict(std::uint32_t& mode) {
  for (const auto& [tag, shift] :
       {std::pair{kUserObj, 6}, std::pair{group_class(), 3}, std::pair{kOther, 0}}) {
    Entry& restricted = entry(tag);
    restricted.perm = static_cast<std::uint16_t>(restricted.perm & (mode >> shift));
  }
  mode = apply_to(mode);
}

}  // namespace holtfs
