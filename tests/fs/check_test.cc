// Goal: whatever one record says wrongly about others is found, and named.
// Method: build a small filesystem, damage one thing through the engine, look for the sentence.
#include <fmt/format.h>

#include <fstream>

#include "fs/schema.h"
#include "fs/state.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Damage : Fixture {
  explicit Damage(bool pack = true) : Fixture(pack) {
    const Ino dir = mkdir(kRootIno, "dir");
    write(create(dir, "file"), "contents");
    const Ino linked = create(kRootIno, "one");
    BOOST_REQUIRE(fs->link(who, linked, kRootIno, "two"));
    BOOST_REQUIRE(fs->setxattr(who, dir, "user.k", "v", 0));
    link_ino = linked;
    file_ino = at("dir/file");
    close();
    auto opened = holt::Store::open(path(), options.store);
    BOOST_REQUIRE(opened);
    store = std::move(*opened);
    BOOST_TEST(found() == "");
  }

  std::string found() const { return problems_of(*store, path()); }
  void expect(const std::string& sentence) const {
    BOOST_TEST(found().find(sentence) != std::string::npos, "found only: " << found());
  }
  Inode inode(const std::string& key) const {
    std::string value;
    BOOST_REQUIRE(store->get(key, value));
    return *decode_inode(value);
  }
  void put(const std::string& key, const std::string& value) {
    BOOST_REQUIRE(store->put(key, value));
  }

  std::unique_ptr<holt::Store> store;
  Ino link_ino{}, file_ino{};
  const std::string dir_key = schema::inode_key("dir/");
  const std::string file_key = schema::entry_key("dir/", "file");
};
struct HostFileDamage : Damage {
  HostFileDamage() : Damage(false) {}
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(wrong_counts_of_a_directory, Damage) {
  Inode dir = inode(dir_key);
  dir.entries = 7;
  put(dir_key, encode(dir));
  expect("directory /dir counts 7 entries, there are 1");
  dir.nlink = 9;
  put(dir_key, encode(dir));
  expect("directory /dir counts 9 links, there are 2");
}

BOOST_FIXTURE_TEST_CASE(a_filesystem_of_another_version_is_refused, Damage) {
  const std::string state = encode(State{.version = kFsVersion + 1});
  for (const std::string& bytes : {state, state + "more"}) {
    put(std::string(schema::state_key()), bytes);
    const auto report = check(*store, path());
    BOOST_TEST((!report && report.error().code() == holt::Code::kInvalid));
  }
  BOOST_REQUIRE(store->close());
  store.reset();
  const auto opened = Filesystem::open(path(), options);
  BOOST_TEST((!opened && opened.error().code() == holt::Code::kInvalid));
}

BOOST_FIXTURE_TEST_CASE(wrong_link_counts, Damage) {
  Inode file = inode(file_key);
  file.nlink = 2;
  put(file_key, encode(file));
  expect("/dir/file has one name and counts 2");
  BOOST_REQUIRE(store->erase(schema::entry_key("", "two")));
  expect("counts 2 links, there are 1");
  expect("directory / counts 3 entries, there are 2");
}

BOOST_FIXTURE_TEST_CASE(missing_records, Damage) {
  BOOST_REQUIRE(store->erase(schema::link_key(link_ino)));
  expect("has 2 names and no record");
  BOOST_REQUIRE(store->erase(dir_key));
  expect("directory /dir has no inode record");
}

BOOST_FIXTURE_TEST_CASE(a_directory_that_is_nowhere, Damage) {
  BOOST_REQUIRE(store->erase(schema::entry_key("", "dir")));
  expect("directory /dir is in no directory");
}

BOOST_FIXTURE_TEST_CASE(damaged_values, Damage) {
  put(file_key, "nonsense");
  expect("the dentry of /dir/file is damaged");
  put(dir_key, "nonsense");
  expect("the record of directory /dir is damaged");
  put("what is this", "value");
  expect("is of no known kind");
}

BOOST_FIXTURE_TEST_CASE(inode_numbers_used_twice_or_too_early, Damage) {
  Inode file = inode(file_key);
  file.ino = link_ino;
  put(file_key, encode(file));
  expect("like another");
  file.ino = Ino{1'000'000};
  put(file_key, encode(file));
  expect("which was not given out yet");
}

BOOST_FIXTURE_TEST_CASE(wrong_counts_of_the_filesystem, Damage) {
  std::string value;
  BOOST_REQUIRE(store->get(schema::state_key(), value));
  State state = *decode_state(value);
  const std::uint64_t blocks = state.blocks, inodes = state.inodes;
  BOOST_TEST(blocks > 0u);
  state.blocks += 8;
  ++state.inodes;
  put(std::string(schema::state_key()), encode(state));
  expect(fmt::format("the state record counts {} blocks, there are {}", blocks + 8, blocks));
  expect(fmt::format("the state record counts {} inodes, there are {}", inodes + 1, inodes));
}

BOOST_FIXTURE_TEST_CASE(acls, Damage) {
  put(schema::entry_xattr_prefix("dir/", "file") + std::string(kAccessAclXattr), "x");
  expect("system.posix_acl_access of /dir/file is damaged");
  expect("/dir/file has an access ACL and does not say so");
}

BOOST_FIXTURE_TEST_CASE(xattrs_and_what_records_say_of_them, Damage) {
  BOOST_REQUIRE(store->erase(schema::directory_xattr_prefix("dir/") + "user.k"));
  expect("directory /dir says that it has xattrs and has none");
  put(schema::entry_xattr_prefix("dir/", "file") + "user.k", "v");
  expect("/dir/file has xattrs and does not say so");
  put(schema::link_xattr_prefix(link_ino) + "user.k", "v");
  expect("has xattrs and does not say so");
}

BOOST_FIXTURE_TEST_CASE(host_files, HostFileDamage) {
  std::string host;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path() + "/data")) {
    if (file.is_regular_file()) host = file.path().string();
  }
  std::ofstream(host, std::ios::app) << "more";
  expect("has a size of 8, its host file of 12");
  const auto stray = std::filesystem::path(host).parent_path() / "00000000000003ff";
  std::ofstream(stray.string()) << "stray";
  expect("host file of inode 1023 belongs to no file");
  std::filesystem::remove(host);
  expect("/dir/file (inode " + std::to_string(number_of(file_ino)) + ") has lost its host file");
}

BOOST_FIXTURE_TEST_CASE(packed_contents, Damage) {
  const Inode file = inode(file_key);
  BOOST_REQUIRE(file.extents.size() == 1u);
  const auto put_changed = [&](auto change) {
    Inode changed = file;
    std::vector<Extent> extents = changed.extents;
    change(extents);
    changed.set_extents(extents);
    put(file_key, encode(changed));
  };
  put_changed([](std::vector<Extent>& extents) { extents.push_back(extents[0]); });
  expect("share contents in segment 1");
  expect("segment 1 is said to hold 8 bytes, files have 16 there");
  put_changed([](std::vector<Extent>& extents) { extents[0].offset = 1; });
  expect("/dir/file has contents behind the end of segment 1");
  put_changed([](std::vector<Extent>& extents) { extents[0].segment = 9; });
  expect("/dir/file has contents in segment 9, which does not exist");
  expect("nothing is known of segment 9");
  put(file_key, encode(file));
  put(schema::logged_key(1, 0), "contents");
  expect("1 pieces of contents are left in the log");
  put(schema::segment_key(1), "?");
  expect("what is known of segment 1 is damaged");
}

BOOST_FIXTURE_TEST_CASE(packed_contents_are_read_where_that_is_asked_for, Damage) {
  Inode file = inode(file_key);
  file.extents[0].checksum ^= 1;
  put(file_key, encode(file));
  BOOST_TEST(found() == "");
  const auto report = check(*store, path(), true);
  BOOST_REQUIRE(report);
  BOOST_REQUIRE(report->problems.size() == 1u);
  BOOST_TEST(report->problems[0] == "/dir/file has 8 bytes in segment 1 that are damaged");
}
