// Goal: xattrs of anything are set, read, listed and removed as setxattr(2) says.
#include <sys/xattr.h>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Xattrs : Fixture {
  int set(Ino ino, const std::string& name, const std::string& value, int flags = 0) {
    return code(fs->setxattr(who, ino, name, value, flags));
  }
  std::string get(Ino ino, const std::string& name) {
    const auto value = fs->getxattr(who, ino, name);
    return value ? *value : "error " + std::to_string(code(value));
  }
  std::set<std::string> names(Ino ino) {
    const auto listed = fs->listxattr(who, ino);
    BOOST_REQUIRE(listed);
    std::set<std::string> out;
    for (std::size_t at = 0; at < listed->size(); at = listed->find('\0', at) + 1) {
      out.insert(listed->c_str() + at);
    }
    return out;
  }
};

const std::string kNoData = "error " + std::to_string(ENODATA);

}  // namespace

BOOST_FIXTURE_TEST_CASE(files_and_directories_have_them, Xattrs) {
  const Ino dir = mkdir(kRootIno, "d");
  for (const Ino ino : {kRootIno, dir, create(dir, "f")}) {
    BOOST_TEST(get(ino, "user.a") == kNoData);
    BOOST_TEST(set(ino, "user.a", "1") == 0);
    BOOST_TEST(set(ino, "user.b", std::string("\0binary\xff", 8)) == 0);
    BOOST_TEST(set(ino, "trusted.c", "") == 0);
    BOOST_TEST(get(ino, "user.b").size() == 8);
    BOOST_TEST(get(ino, "trusted.c") == "");
    BOOST_TEST((names(ino) == std::set<std::string>{"user.a", "user.b", "trusted.c"}));
  }
  reopen();
  BOOST_TEST(get(at("d"), "user.a") == "1");
  BOOST_TEST(get(at("d/f"), "user.a") == "1");
}

BOOST_FIXTURE_TEST_CASE(one_name_does_not_see_another_names, Xattrs) {
  const Ino a = create(kRootIno, "a"), ab = create(kRootIno, "ab");
  BOOST_TEST(set(a, "user.k", "of a") == 0);
  BOOST_TEST(set(ab, "user.k", "of ab") == 0);
  BOOST_TEST(get(a, "user.k") == "of a");
  BOOST_TEST(names(a).size() == 1);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "a")) == 0);
  BOOST_TEST(get(ab, "user.k") == "of ab");
}

BOOST_FIXTURE_TEST_CASE(create_and_replace_insist, Xattrs) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(set(file, "user.a", "1", XATTR_REPLACE) == ENODATA);
  BOOST_TEST(set(file, "user.a", "1", XATTR_CREATE) == 0);
  BOOST_TEST(set(file, "user.a", "2", XATTR_CREATE) == EEXIST);
  BOOST_TEST(set(file, "user.a", "3", XATTR_REPLACE) == 0);
  BOOST_TEST(get(file, "user.a") == "3");
}

BOOST_FIXTURE_TEST_CASE(removing_the_last_one_is_noticed, Xattrs) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->removexattr(who, file, "user.a")) == ENODATA);
  BOOST_TEST(set(file, "user.a", "1") == 0);
  BOOST_TEST(set(file, "user.b", "2") == 0);
  BOOST_TEST(code(fs->removexattr(who, file, "user.a")) == 0);
  BOOST_TEST(code(fs->removexattr(who, file, "user.a")) == ENODATA);
  BOOST_TEST((names(file) == std::set<std::string>{"user.b"}));
  BOOST_TEST(code(fs->removexattr(who, file, "user.b")) == 0);
  BOOST_TEST(names(file).empty());
  BOOST_TEST(problems() == "");  // R3
}

BOOST_FIXTURE_TEST_CASE(limits_are_the_kernels, Xattrs) {
  const Ino file = create(kRootIno, "f");
  const std::string longest = "user." + std::string(250, 'n');
  BOOST_TEST(set(file, longest, "v") == 0);
  BOOST_TEST(set(file, longest + "n", "v") == ERANGE);
  BOOST_TEST(set(file, "user.big", std::string(65'536, 'v')) == 0);
  BOOST_TEST(get(file, "user.big").size() == 65'536);
  BOOST_TEST(set(file, "user.big", std::string(65'537, 'v')) == E2BIG);
}

BOOST_FIXTURE_TEST_CASE(namespaces_without_meaning_here_are_refused, Xattrs) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(set(file, "system.nfs4_acl", "x") == EOPNOTSUPP);
  BOOST_TEST(get(file, "system.nfs4_acl") == "error " + std::to_string(EOPNOTSUPP));
  BOOST_TEST(set(file, "anything", "x") == EOPNOTSUPP);
}

BOOST_FIXTURE_TEST_CASE(writing_takes_capabilities_away, Xattrs) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(set(file, "security.capability", "caps") == 0);
  BOOST_TEST(set(file, "user.a", "1") == 0);
  write(file, "x");
  BOOST_TEST(get(file, "security.capability") == kNoData);
  BOOST_TEST(get(file, "user.a") == "1");
  BOOST_TEST(code(fs->removexattr(who, file, "user.a")) == 0);
}

BOOST_FIXTURE_TEST_CASE(losing_the_capability_alone_is_noticed, Xattrs) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(set(file, "security.capability", "caps") == 0);
  write(file, "x");
  BOOST_TEST(names(file).empty());
  BOOST_TEST(problems() == "");  // R3
  BOOST_TEST(code(fs->rename(who, kRootIno, "f", kRootIno, "g", 0)) == 0);
}

BOOST_FIXTURE_TEST_CASE(trusted_names_are_shown_to_root_only, Fixture) {
  const Ino file = create(kRootIno, "f");
  for (const char* name : {"trusted.t", "user.u"}) {
    BOOST_TEST(code(fs->setxattr(who, file, name, "v", 0)) == 0);
  }
  const Caller other{.who = {.uid = 1234, .gid = 1234}};
  BOOST_TEST(*fs->listxattr(who, file) == std::string("trusted.t\0user.u\0", 17));
  BOOST_TEST(*fs->listxattr(other, file) == std::string("user.u\0", 7));
  BOOST_TEST(code(fs->setxattr(who, file, "user.", "v", 0)) == EINVAL);
}

BOOST_FIXTURE_TEST_CASE(a_removed_directory_keeps_its_xattrs_while_referred_to, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(code(fs->setxattr(who, dir, "user.u", "v", 0)) == 0);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == 0);
  BOOST_TEST(*fs->getxattr(who, dir, "user.u") == "v");
}

BOOST_FIXTURE_TEST_CASE(names_are_no_more_than_can_be_listed, Xattrs) {
  const Ino file = create(kRootIno, "f");
  const auto name = [](int i) { return "user." + std::to_string(100 + i) + std::string(246, 'x'); };
  int set_names = 0;
  while (set(file, name(set_names), "") == 0) ++set_names;
  BOOST_TEST(set_names == 65536 / 255);
  BOOST_TEST(set(file, name(set_names), "") == ENOSPC);
  BOOST_TEST(fs->listxattr(who, file)->size() <= 65536u);
  BOOST_TEST(set(file, name(0), "another value") == 0);
  BOOST_TEST(set(file, name(0), "", XATTR_CREATE) == EEXIST);
  BOOST_TEST(set(file, name(set_names), "", XATTR_REPLACE) == ENODATA);
  BOOST_TEST(code(fs->removexattr(who, file, name(0))) == 0);
  BOOST_TEST(set(file, name(set_names), "") == 0);
}

BOOST_FIXTURE_TEST_CASE(values_have_1_mib_together, Xattrs) {
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(set(dir, "user.large", std::string(65537, 'x')) == E2BIG);
  int values = 0;
  while (set(dir, "user." + std::to_string(100 + values), std::string(65536, 'x')) == 0) ++values;
  BOOST_TEST(values == 15);
  const std::size_t left = (1 << 20) - 15 * (65536 + 9);
  BOOST_TEST(set(dir, "user.abc", std::string(left - 8, 'x')) == ENOSPC);
  BOOST_TEST(set(dir, "user.abc", std::string(left - 9, 'x')) == 0);
  BOOST_TEST(set(dir, "user.100", std::string(65536, 'y')) == 0);
  BOOST_TEST(set(dir, "user.d", "") == ENOSPC);
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_has_no_more_than_its_first_name_can_take, Xattrs) {
  for (const std::size_t bytes : {0, 100, 4096, 65536}) {
    const auto file = fs->tmpfile(who, kRootIno, 0644);
    BOOST_REQUIRE(file);
    std::set<std::string> given;
    while (true) {
      const std::string name = "user." + std::to_string(given.size()) + std::string(100, 'x');
      const int got = set(file->attr.ino, name, std::string(bytes, 'x'));
      BOOST_REQUIRE((got == 0 || got == ENOSPC));
      if (got == ENOSPC) break;
      given.insert(name);
    }
    BOOST_TEST(given.size() >= 3u);
    Ino dir = kRootIno;
    for (int i = 0; i < 4; ++i) {
      const std::string name(250, static_cast<char>('a' + i));
      dir = lookup_code(dir, name) == 0 ? fs->lookup(who, dir, name)->attr.ino : mkdir(dir, name);
    }
    const std::string name = std::to_string(bytes) + std::string(200, 'f');
    BOOST_TEST(code(fs->link(who, file->attr.ino, dir, name)) == 0);
    BOOST_TEST((names(file->attr.ino) == given));
  }
}
