// Goal: every key is taken apart into what it was made from, and nothing else is taken for a key.
#include "fs/schema.h"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "fs/node_table.h"

using namespace holtfs;
using namespace std::string_literals;
namespace schema = holtfs::schema;

BOOST_AUTO_TEST_CASE(keys_are_as_documented) {
  BOOST_TEST((schema::inode_key("") == "\0i"s));
  BOOST_TEST((schema::inode_key("a/b/") == "a/b/\0i"s));
  BOOST_TEST((schema::entry_key("a/", "f") == "a/\0ef"s));
  BOOST_TEST((schema::directory_xattr_prefix("a/") == "a/\0x"s));
  BOOST_TEST((schema::entry_xattr_prefix("a/", "f") == "a/\0Xf\0"s));
  BOOST_TEST((schema::child_prefix("a/", "b") == "a/b/"s));
  BOOST_TEST((schema::link_key(Ino{0x0102}) == "\0I\0\0\0\0\0\0\1\2"s));
  BOOST_TEST((schema::state_key() == "\0A"s));
  BOOST_TEST((schema::logged_key(0x0102, 3) == "\0D\0\0\0\0\0\0\1\2\0\0\0\0\0\0\0\3"s));
  BOOST_TEST((schema::segment_key(0x0102) == "\0S\0\0\0\0\0\0\1\2"s));
}

BOOST_AUTO_TEST_CASE(parsing_returns_what_made_the_key) {
  const std::string entry_key = schema::entry_key("a/b/", "name");
  const auto entry = schema::parse_key(entry_key);
  BOOST_REQUIRE(entry);
  BOOST_TEST((entry->kind == schema::KeyKind::kEntry));
  BOOST_TEST(entry->dir == "a/b/");
  BOOST_TEST(entry->name == "name");

  const std::string xattr_key = schema::entry_xattr_prefix("a/", "f") + "user.k";
  const auto xattr = schema::parse_key(xattr_key);
  BOOST_REQUIRE(xattr);
  BOOST_TEST((xattr->kind == schema::KeyKind::kEntryXattr));
  BOOST_TEST(xattr->name == "f");
  BOOST_TEST(xattr->attr == "user.k");

  const Ino ino{0x2f00000000000001};  // '/' and NUL among its bytes
  const auto link = schema::parse_key(schema::link_key(ino));
  BOOST_REQUIRE(link);
  BOOST_TEST((link->kind == schema::KeyKind::kLinkInode));
  BOOST_TEST(number_of(link->ino) == number_of(ino));
  const std::string link_xattr_key = schema::link_xattr_prefix(ino) + "user.k";
  const auto link_xattr = schema::parse_key(link_xattr_key);
  BOOST_REQUIRE(link_xattr);
  BOOST_TEST(link_xattr->attr == "user.k");
  const auto logged = schema::parse_key(schema::logged_key(0x2f000001, 0x2f));
  BOOST_REQUIRE(logged);
  BOOST_TEST((logged->kind == schema::KeyKind::kLogged));
  BOOST_TEST(logged->segment == 0x2f000001u);
  BOOST_TEST(logged->offset == 0x2fu);
  const auto segment = schema::parse_key(schema::segment_key(7));
  BOOST_REQUIRE(segment);
  BOOST_TEST((segment->kind == schema::KeyKind::kSegment));
  BOOST_TEST(segment->segment == 7u);
}

BOOST_AUTO_TEST_CASE(anything_else_is_no_key) {
  for (const std::string& key : {""s,
                                 "a"s,
                                 "a/b"s,
                                 "a/\0"s,
                                 "a\0i"s,
                                 "a/\0ix"s,
                                 "a/\0e"s,
                                 "a/\0X"s,
                                 "a/\0Xf"s,
                                 "a/\0Xf\0"s,
                                 "a/\0q"s,
                                 "\0I"s,
                                 "\0I1234567"s,
                                 "\0I12345678y"s,
                                 "\0I12345678x"s,
                                 "\0B"s,
                                 "\0S"s,
                                 "\0S12345678"s,
                                 "\0S\0\0\0\0\0\0\0"s,
                                 "\0D\0\0\0\0\0\0\0\1"s}) {
    BOOST_CHECK_MESSAGE(!schema::parse_key(key), "taken for a key: " << key.size() << " bytes");
  }
}

BOOST_AUTO_TEST_CASE(prefix_is_the_path_of_the_node) {
  NodeTable nodes([](void*, std::unique_ptr<Orphan>) {}, nullptr);
  BOOST_TEST(schema::prefix_of(nodes.root()) == "");
  Node& a = nodes.acquire(Ino{2}, Place::kDirectory, &nodes.root(), "a");
  Node& b = nodes.acquire(Ino{3}, Place::kDirectory, &a, "long name");
  BOOST_TEST(schema::prefix_of(b) == "a/long name/");
}
