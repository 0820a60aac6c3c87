// POSIX access control lists, as their xattrs hold them.
//
// The kernel asks for an ACL as an xattr, keeps it, and decides access by it. What is left to a
// filesystem: the mode and the access ACL say the same of owner, group (or mask) and others, and a
// directory's default ACL is inherited by what is made in it. After POSIX 1003.1e draft 17; where
// that is silent, as ext4 does it.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/le.h"

namespace holtfs {

class Acl {
 public:
  // Nothing when the bytes are no ACL: a base entry is missing or doubled, named entries have no
  // mask, the order is wrong.
  static std::optional<Acl> parse(std::string_view xattr);
  std::string xattr() const;

  // Whether the permission bits of a mode say all of it.
  bool is_mode() const { return entries_.size() == 3; }
  // `mode` with its permission bits as the ACL has them.
  std::uint32_t apply_to(std::uint32_t mode) const;
  // chmod(2): the ACL says what `mode` says.
  void set_mode(std::uint32_t mode);
  // For a default ACL and a file about to be made with `mode`: takes from each what the other does
  // not grant. What is left is the file's access ACL.
  void restrict(std::uint32_t& mode);

 private:
  // Tags and layout as in the kernel's linux/posix_acl.h and posix_acl_xattr.h.
  enum Tag : std::uint16_t {
    kUserObj = 0x01,
    kUser = 0x02,
    kGroupObj = 0x04,
    kGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20
  };
  struct Entry {
    std::uint16_t tag;
    std::uint16_t perm;
    std::uint32_t id;
  };
  struct DiskEntry {
    holt::Le16 tag;
    holt::Le16 perm;
    holt::Le32 id;
  };
  static_assert(sizeof(DiskEntry) == 8);

  Entry& entry(Tag tag);
  const Entry& entry(Tag tag) const { return const_cast<Acl*>(this)->entry(tag); }
  // The entry that the group bits of a mode stand for.
  Tag group_class() const;

  std::vector<Entry> entries_;  // in the order of their tags; of the base entries there is one each
};

}  // namespace holtfs
