// Goal: an access ACL and the mode say the same, what is made in a directory with a default ACL
// inherits it, and what is no ACL is refused.
#include "fs/acl.h"

#include <sys/stat.h>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Row {
  std::uint16_t tag, perm;
  std::uint32_t id = ~0U;
};
constexpr std::uint16_t kUserObj = 1, kUser = 2, kGroupObj = 4, kMask = 16, kOther = 32;

std::string acl_of(std::initializer_list<Row> rows) {
  std::string out("\2\0\0\0", 4);
  const auto add = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  for (const Row& row : rows) add(row.tag, 2), add(row.perm, 2), add(row.id, 4);
  return out;
}

const std::string kNamed =
    acl_of({{kUserObj, 7}, {kUser, 6, 1000}, {kGroupObj, 5}, {kMask, 7}, {kOther, 1}});

struct Acls : Fixture {
  int set(Ino ino, std::string_view name, const std::string& value) {
    return code(fs->setxattr(who, ino, name, value, 0));
  }
  std::string get(Ino ino, std::string_view name) {
    const auto value = fs->getxattr(who, ino, name);
    return value ? *value : "error " + std::to_string(code(value));
  }
  std::uint32_t mode(Ino ino) { return attr(ino).mode & 07777; }
  const std::string none = "error " + std::to_string(ENODATA);
};

}  // namespace

BOOST_AUTO_TEST_CASE(only_acls_are_taken_for_acls) {
  BOOST_TEST(Acl::parse(kNamed).has_value());
  BOOST_TEST(Acl::parse(kNamed)->xattr() == kNamed);
  const std::string base = acl_of({{kUserObj, 7}, {kGroupObj, 5}, {kOther, 1}});
  BOOST_TEST(Acl::parse(base)->is_mode());
  for (const std::string& bad :
       {std::string(), std::string("\2\0\0"), std::string("\2\0\0\0", 4),
        std::string("\1\0\0\0", 4) + base.substr(4), base.substr(0, base.size() - 1),
        acl_of({{kUserObj, 7}, {kGroupObj, 5}}),
        acl_of({{kUserObj, 7}, {kUser, 6, 1000}, {kGroupObj, 5}, {kOther, 1}}),
        acl_of({{kGroupObj, 7}, {kUserObj, 5}, {kOther, 1}}),
        acl_of({{kUserObj, 8}, {kGroupObj, 5}, {kOther, 1}}),
        acl_of({{kUserObj, 7}, {kUserObj, 7}, {kGroupObj, 5}, {kOther, 1}}),
        acl_of({{kUserObj, 7}, {kGroupObj, 5}, {kOther, 1}, {64, 1}})}) {
    BOOST_TEST(!Acl::parse(bad).has_value());
  }
}

BOOST_FIXTURE_TEST_CASE(mode_and_access_acl_say_the_same, Acls) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(set(file, kAccessAclXattr, kNamed) == 0);
  BOOST_TEST(mode(file) == 0771U);
  BOOST_TEST(get(file, kAccessAclXattr) == kNamed);
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 0640})) == 0);
  BOOST_TEST(get(file, kAccessAclXattr) ==
             acl_of({{kUserObj, 6}, {kUser, 6, 1000}, {kGroupObj, 5}, {kMask, 4}, {kOther, 0}}));
  BOOST_TEST(set(file, kAccessAclXattr, acl_of({{kUserObj, 6}, {kGroupObj, 2}, {kOther, 1}})) == 0);
  BOOST_TEST(mode(file) == 0621U);
  BOOST_TEST(get(file, kAccessAclXattr) == none);
  BOOST_TEST(set(file, kDefaultAclXattr, kNamed) == EACCES);
  BOOST_TEST(set(file, kAccessAclXattr, "x") == EINVAL);
  BOOST_TEST(code(fs->removexattr(who, file, kAccessAclXattr)) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_default_acl_is_inherited_and_the_umask_then_ignored, Acls) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(set(dir, kDefaultAclXattr, kNamed) == 0);
  BOOST_TEST(mode(dir) == 0755U);
  who.umask = 077;
  BOOST_TEST(mode(create(kRootIno, "outside")) == 0600U);
  const Ino file = create(dir, "f"), sub = mkdir(dir, "sub");
  const auto temporary = fs->tmpfile(who, dir, 0666);
  const auto link = fs->symlink(who, dir, "s", "target");
  reopen();
  BOOST_TEST(mode(at("d/f")) == 0640U);
  BOOST_TEST(get(at("d/f"), kAccessAclXattr) ==
             acl_of({{kUserObj, 6}, {kUser, 6, 1000}, {kGroupObj, 5}, {kMask, 4}, {kOther, 0}}));
  BOOST_TEST(get(at("d/f"), kDefaultAclXattr) == none);
  BOOST_TEST(mode(at("d/sub")) == 0751U);
  BOOST_TEST(get(at("d/sub"), kDefaultAclXattr) == kNamed);
  BOOST_TEST(mode(at("d/s")) == 0777U);
  BOOST_TEST(number_of(file) != number_of(sub));
  BOOST_TEST((temporary && link));
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_has_its_acl_in_memory, Acls) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(set(dir, kDefaultAclXattr, kNamed) == 0);
  const auto made = fs->tmpfile(who, dir, 0660);
  BOOST_REQUIRE(made);
  const Ino file = made->attr.ino;
  BOOST_TEST(mode(file) == 0660U);
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 0600})) == 0);
  const std::string wanted =
      acl_of({{kUserObj, 6}, {kUser, 6, 1000}, {kGroupObj, 5}, {kMask, 0}, {kOther, 0}});
  BOOST_TEST(get(file, kAccessAclXattr) == wanted);
  BOOST_TEST(code(fs->link(who, file, dir, "named")) == 0);
  reopen();
  BOOST_TEST(get(at("d/named"), kAccessAclXattr) == wanted);
}

BOOST_FIXTURE_TEST_CASE(a_set_group_id_bit_goes_when_a_stranger_to_the_group_sets_an_acl, Acls) {
  const Ino file = create(kRootIno, "f");
  const gid_t other = 4242;
  for (const bool member : {true, false}) {
    BOOST_TEST(code(fs->setattr(who, file, {.uid = 1, .gid = other})) == 0);
    BOOST_TEST(code(fs->setattr(who, file, {.mode = 02770})) == 0);
    const Caller owner{.who = {.uid = 1, .gid = 1, .has_group = [member](gid_t group) {
                                 return member && group == 4242;
                               }}};
    BOOST_TEST(code(fs->setxattr(owner, file, kAccessAclXattr, kNamed, 0)) == 0);
    BOOST_TEST(mode(file) == (member ? 02771U : 0771U));
  }
}
