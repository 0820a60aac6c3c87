// setxattr, getxattr, listxattr, removexattr.
//
// Each xattr is a key under its inode's xattr prefix; those of a file without names are in memory.
// R3: the record says whether there are any, so that removing a file with none touches one place.
#include <sys/xattr.h>

#include "fs/ops.h"

namespace holtfs {

namespace {

constexpr std::size_t kMaxAttrName = XATTR_NAME_MAX;
constexpr std::size_t kMaxAttrValue = XATTR_SIZE_MAX;
// Of one file: what listxattr(2) can give, and names and values together.
constexpr std::size_t kMaxNamesBytes = XATTR_LIST_MAX;
constexpr std::size_t kMaxXattrBytes = 1 << 20;
// Of a file that may get its first name yet: link() puts all of them in one batch, in which what
// else it takes has its room, for directories of usual depth (engine/base/limits.h).
constexpr std::size_t kMaxNamelessXattrs = holt::kMaxBatchOps - 4;
constexpr std::size_t kMaxNamelessBytes = 224 << 10;
constexpr std::size_t kUsualKeyBytes = 1024 + schema::kMaxNameBytes, kPutBytes = 576;

bool is_acl(std::string_view name) { return name == kAccessAclXattr || name == kDefaultAclXattr; }

// 0, or the errno for a name that cannot be an xattr's.
int check_attr(std::string_view name, bool acls) {
  if (name.empty() || name.size() > kMaxAttrName) return ERANGE;
  if (name.find('\0') != name.npos) return EINVAL;
  if (is_acl(name)) return acls ? 0 : EOPNOTSUPP;
  for (const std::string_view space : {"user.", "trusted.", "security."}) {
    if (name.starts_with(space)) return name.size() > space.size() ? 0 : EINVAL;
  }
  return EOPNOTSUPP;
}

void set_flag(Inode& inode, std::uint8_t flag, bool on) {
  inode.flags = static_cast<std::uint8_t>(on ? inode.flags | flag : inode.flags & ~flag);
}

}  // namespace

void Filesystem::stage_xattr(const Located& at, std::string_view name, std::string_view value,
                             Inode& after, holt::Batch& batch) {
  set_flag(after, flags_of_xattr(name), true);
  if (at.orphan != nullptr) {
    at.orphan->xattrs.insert_or_assign(std::string(name), std::string(value));
  } else {
    batch.put(at.xattr_prefix() + std::string(name), value);
  }
}

namespace {

// What a file has of xattrs, those of one name left out.
struct XattrSum {
  std::size_t count = 0, names = 0, values = 0;
  bool found = false;  // that one

  void add(std::string_view name, std::size_t value_bytes) {
    ++count;
    names += name.size() + 1;
    values += value_bytes;
  }
  bool fits() const { return names <= kMaxNamesBytes && names + values <= kMaxXattrBytes; }
  bool fits_one_batch() const {
    return count <= kMaxNamelessXattrs &&
           count * (2 * kUsualKeyBytes + kPutBytes) + 2 * names + values <= kMaxNamelessBytes;
  }
};

}  // namespace

// Whether the xattr can be set: ENOSPC where there would be too many, and what `flags` ask for.
Outcome<void> Filesystem::check_xattr_room(const Caller& caller, const Located& at,
                                           const Inode& inode, std::string_view name,
                                           std::string_view value, int flags) {
  XattrSum sum;
  const auto add = [&](std::string_view there, std::size_t bytes) {
    there == name ? void(sum.found = true) : sum.add(there, bytes);
  };
  if (at.orphan != nullptr) {
    for (const auto& [there, bytes] : at.orphan->xattrs) add(there, bytes.size());
  } else if ((inode.flags & kHasXattrs) != 0) {
    const auto all = each_xattr(caller, at.xattr_prefix(), Values::kYes,
                                [&](std::string_view there, std::string_view bytes) {
                                  add(there, bytes.size());
                                  return true;
                                });
    if (!all) return all;
  }
  if (sum.found && (flags & XATTR_CREATE) != 0) return fail(EEXIST);
  if (!sum.found && (flags & XATTR_REPLACE) != 0) return fail(ENODATA);
  sum.add(name, value.size());
  const bool fits = sum.fits() && (at.orphan == nullptr || sum.fits_one_batch());
  return fits ? Outcome<void>() : fail(ENOSPC);
}

Outcome<void> Filesystem::setxattr(const Caller& caller, Ino ino, std::string_view name,
                                   std::string_view value, int flags) {
  if (const int bad = check_attr(name, options_.acl)) return fail(bad);
  if (is_acl(name)) return set_acl(caller, ino, name, value);
  if (value.size() > kMaxAttrValue) return fail(E2BIG);
  const auto set = [&](Inode& after, const Located& at, holt::Batch& batch) -> Outcome<void> {
    if ((flags & XATTR_CREATE) == 0) {
      const Outcome<bool> same = has_xattr(caller, at, after, name, value);
      if (!same) return fail(same.error());
      if (*same) return {};
    }
    const auto room = check_xattr_room(caller, at, after, name, value, flags);
    if (!room) return room;
    after.ctime = now();
    stage_xattr(at, name, value, after, batch);
    return {};
  };
  const Outcome<Inode> done = change_inode(caller, ino, set);
  if (!done) return fail(done.error());
  return {};
}

Outcome<std::string> Filesystem::xattr_of(const Caller& caller, const Located& at,
                                          std::string_view name) {
  if (at.orphan != nullptr) {
    const auto found = at.orphan->xattrs.find(name);
    if (found == at.orphan->xattrs.end()) return fail(ENODATA);
    return found->second;
  }
  Outcome<std::string> value = load_value(caller, at.xattr_prefix() + std::string(name));
  if (!value && value.error() == Errno{ENOENT}) return fail(ENODATA);
  return value;
}

// Whether the xattr has this value already: setting it again is no change, as in ext4.
Outcome<bool> Filesystem::has_xattr(const Caller& caller, const Located& at, const Inode& inode,
                                    std::string_view name, std::string_view value) {
  if ((inode.flags & kHasXattrs) == 0) return false;
  const Outcome<std::string> before = xattr_of(caller, at, name);
  if (!before && before.error() == Errno{ENODATA}) return false;
  if (!before) return fail(before.error());
  return *before == value;
}

Outcome<std::string> Filesystem::getxattr(const Caller& caller, Ino ino, std::string_view name) {
  if (const int bad = check_attr(name, options_.acl)) return fail(bad == ERANGE ? ENODATA : bad);
  return read_inode(ino, [&](Node&, const Located& at) { return xattr_of(caller, at, name); });
}

Outcome<std::string> Filesystem::listxattr(const Caller& caller, Ino ino) {
  return read_inode(ino, [&](Node& node, const Located& at) -> Outcome<std::string> {
    std::string names;
    // trusted.* is for the administrator, whose capabilities nobody tells a FUSE daemon.
    const auto add = [&](std::string_view name, std::string_view) {
      if (is_acl(name) && !options_.acl) return true;
      if (caller.who.uid == 0 || !name.starts_with("trusted.")) names.append(name).push_back('\0');
      return true;
    };
    if (at.orphan != nullptr) {
      for (const auto& [name, value] : at.orphan->xattrs) add(name, value);
      return names;
    }
    const Outcome<Inode> inode = load(caller, node, at);
    if (!inode) return fail(inode.error());
    if ((inode->flags & kHasXattrs) == 0) return names;
    const auto all = each_xattr(caller, at.xattr_prefix(), Values::kNo, add);
    if (!all) return fail(all.error());
    return names;
  });
}

// Takes one xattr away, and tells from the others whether the record has to say so (R3).
Outcome<void> Filesystem::stage_xattr_loss(const Caller& caller, const Located& at,
                                           std::string_view name, Inode& after,
                                           holt::Batch& batch) {
  set_flag(after, flags_of_xattr(name) & ~kHasXattrs, false);
  if (at.orphan != nullptr) {
    const auto found = at.orphan->xattrs.find(name);
    if (found == at.orphan->xattrs.end()) return fail(ENODATA);
    at.orphan->xattrs.erase(found);
    set_flag(after, kHasXattrs, !at.orphan->xattrs.empty());
    return {};
  }
  bool others = false, found = false;
  const auto looked = each_xattr(caller, at.xattr_prefix(), Values::kNo,
                                 [&](std::string_view there, std::string_view) {
                                   (there == name ? found : others) = true;
                                   return !(others && found);
                                 });
  if (!looked) return looked;
  if (!found) return fail(ENODATA);
  set_flag(after, kHasXattrs, others);
  batch.erase(at.xattr_prefix() + std::string(name));
  return {};
}

// What a change of contents or owner takes away.
Outcome<void> Filesystem::stage_capability_loss(const Caller& caller, const Located& at,
                                                Inode& after, holt::Batch& batch) {
  if ((after.flags & kHasCapability) == 0) return {};
  return stage_xattr_loss(caller, at, kCapabilityXattr, after, batch);
}

Outcome<void> Filesystem::removexattr(const Caller& caller, Ino ino, std::string_view name) {
  if (const int bad = check_attr(name, options_.acl)) return fail(bad == ERANGE ? ENODATA : bad);
  const auto remove = [&](Inode& after, const Located& at, holt::Batch& batch) -> Outcome<void> {
    // As ext4: an ACL that is not there can be removed.
    if (is_acl(name) && (after.flags & flags_of_xattr(name) & ~kHasXattrs) == 0) return {};
    after.ctime = now();
    return stage_xattr_loss(caller, at, name, after, batch);
  };
  const Outcome<Inode> done = change_inode(caller, ino, remove);
  if (!done) return fail(done.error());
  return {};
}

}  // namespace holtfs
