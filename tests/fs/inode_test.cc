// Goal: an inode record survives the way to disk and back, and damaged ones are refused, not
// trusted.
#include "fs/inode.h"

#include <boost/test/unit_test.hpp>

#include <string>

#include "fs/perm.h"
#include "fs/times.h"

using namespace holtfs;

namespace {

Inode sample(std::uint32_t mode) {
  Inode inode;
  inode.ino = Ino{77};
  inode.mode = mode;
  inode.uid = 1000;
  inode.gid = 0xfffffffe;
  inode.nlink = 3;
  inode.atime = Time{-5};
  inode.btime = Time{1};
  inode.mtime = Time{1'700'000'000'123'456'789};
  inode.ctime = Time{4};
  inode.flags = kHasXattrs;
  return inode;
}

Inode round_trip(const Inode& inode) {
  const auto back = decode_inode(encode(inode));
  BOOST_REQUIRE(back);
  BOOST_TEST(encode(*back) == encode(inode));
  return *back;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_type_round_trips) {
  Inode file = sample(S_IFREG | 04755);
  file.size = 1ull << 40;
  file.blocks = 17;
  file.placement = Placement::kBulk;
  BOOST_TEST(round_trip(file).size == 1ull << 40);
  BOOST_TEST(nanoseconds(round_trip(file).atime) == -5);
  Inode dir = sample(S_IFDIR | 0755);
  dir.entries = 12;
  BOOST_TEST(round_trip(dir).entries == 12);
  Inode link = sample(S_IFLNK | 0777);
  link.target = "../somewhere";
  BOOST_TEST(round_trip(link).target == "../somewhere");
  BOOST_TEST(round_trip(link).size == 12);
  Inode device = sample(S_IFBLK | 0600);
  device.rdev_major = 259;
  device.rdev_minor = 0xfffff;
  BOOST_TEST(round_trip(device).rdev_minor == 0xfffffu);
  round_trip(sample(S_IFIFO | 0600));
  round_trip(sample(S_IFSOCK | 0600));
}

BOOST_AUTO_TEST_CASE(damage_is_told_as_corruption) {
  Inode file = sample(S_IFREG | 0644);
  const std::string good = encode(file);
  for (std::size_t size = 0; size < good.size(); ++size) {
    BOOST_TEST(!decode_inode(good.substr(0, size)).has_value());
  }
  BOOST_TEST(!decode_inode(good + "x").has_value());
  for (const std::size_t at : {0, 12}) {  // tag, placement
    std::string bad = good;
    bad[at] = 9;
    BOOST_TEST(!decode_inode(bad).has_value());
  }
  std::string bad = good;
  bad[3] = static_cast<char>(0xf0);  // no such type
  BOOST_TEST(!decode_inode(bad).has_value());
}

BOOST_AUTO_TEST_CASE(extents_round_trip_and_have_to_fit) {
  Inode file = sample(S_IFREG | 0644);
  const std::vector<Extent> extents = {{1, 2, 600, 0x1234567890abcdef},
                                       {4, kSegmentBytes - 5, 5, 6}};
  file.set_extents(extents);
  BOOST_TEST(file.size == 605);
  BOOST_TEST(file.blocks == 2);
  BOOST_TEST((file.placement == Placement::kPacked));
  BOOST_TEST((round_trip(file).extents == extents));
  const auto refused = [&](auto change) {
    Inode changed = file;
    change(changed);
    return !decode_inode(encode(changed));
  };
  BOOST_TEST(refused([](Inode& inode) { inode.size = 606; }));
  BOOST_TEST(refused([](Inode& inode) { inode.blocks = 8; }));
  BOOST_TEST(refused([](Inode& inode) { inode.placement = Placement::kBulk; }));
  BOOST_TEST(refused([](Inode& inode) { inode.extents[1].offset += 1; }));
  BOOST_TEST(refused([](Inode& inode) { inode.set_extents({{1, 0, 5, 0}, {1, 5, 0, 0}}); }));
  BOOST_TEST(refused([](Inode& inode) {
    inode.set_extents(std::vector<Extent>(kMaxExtents + 1, Extent{1, 0, 1, 0}));
  }));
  BOOST_TEST(refused([](Inode& inode) {
    inode.set_extents({});
    inode.placement = Placement::kPacked;
  }));
}

BOOST_AUTO_TEST_CASE(markers_round_trip) {
  const auto back = decode_marker(encode(Marker{Tag::kLink, 8, Ino{1}}));
  BOOST_REQUIRE(back);
  BOOST_TEST((back->tag == Tag::kLink));
  BOOST_TEST(back->type == 8);
  BOOST_TEST(!decode_marker("").has_value());
  BOOST_TEST(!decode_marker("\x02").has_value());
  BOOST_TEST(!decode_marker(std::string(10, '\x07')).has_value());
}

BOOST_AUTO_TEST_CASE(times_keep_nanoseconds_and_are_clamped) {
  for (const timespec ts : {timespec{0, 0}, timespec{-1, 999'999'999}, timespec{4'102'444'800, 1},
                            timespec{-2'000'000'000, 5}}) {
    const timespec back = to_timespec(time_from(ts));
    BOOST_TEST(back.tv_sec == ts.tv_sec);
    BOOST_TEST(back.tv_nsec == ts.tv_nsec);
  }
  BOOST_TEST(to_timespec(time_from({1ll << 40, 0})).tv_sec > 9'000'000'000);
  BOOST_TEST(to_timespec(time_from({-(1ll << 40), 0})).tv_sec < -9'000'000'000);
}

BOOST_AUTO_TEST_CASE(a_later_time_is_always_later) {
  const Time at = now();
  BOOST_TEST(nanoseconds(after(at)) != nanoseconds(at));
}

BOOST_AUTO_TEST_CASE(relatime_is_due_after_a_change_or_a_day) {
  const auto due = [](std::int64_t atime, std::int64_t mtime, std::int64_t present) {
    return atime_due(AtimePolicy::kRelative, Time{atime}, Time{mtime}, Time{mtime}, Time{present});
  };
  constexpr std::int64_t day = 24ll * 3600 * 1'000'000'000;
  BOOST_TEST(due(10, 10, 20));
  BOOST_TEST(due(10, 15, 20));
  BOOST_TEST(!due(11, 10, 20));
  BOOST_TEST(due(11, 10, 11 + day));
  BOOST_TEST(!atime_due(AtimePolicy::kNever, Time{0}, Time{1}, Time{1}, Time{2}));
  BOOST_TEST(atime_due(AtimePolicy::kAlways, Time{5}, Time{1}, Time{1}, Time{6}));
}

BOOST_AUTO_TEST_CASE(set_id_bits_go_as_posix_says) {
  Inode inode = sample(S_IFREG | 06755);
  inode.gid = 7;
  const auto left = [&](mode_t mode, Credentials who) {
    inode.mode = mode;
    return without_setid(inode, who);
  };
  BOOST_TEST(left(06755, {}) == 0755u);
  BOOST_TEST(left(06755, {.uid = 1, .gid = 7}) == 0755u);
  // The group may not execute.
  BOOST_TEST(left(06745, {}) == 02745u);
  BOOST_TEST(left(06745, {.uid = 1, .gid = 7}) == 02745u);
  BOOST_TEST(left(06745, {.uid = 1, .gid = 1}) == 0745u);
}

BOOST_AUTO_TEST_CASE(children_inherit_from_set_group_id_directories) {
  Inode parent = sample(S_IFDIR | 02755);
  parent.gid = 42;
  Inode file = sample(S_IFREG | 0644), dir = sample(S_IFDIR | 0755);
  inherit(parent, {.uid = 7, .gid = 8}, file);
  inherit(parent, {.uid = 7, .gid = 8}, dir);
  BOOST_TEST(file.uid == 7u);
  BOOST_TEST(file.gid == 42u);
  BOOST_TEST((file.mode & S_ISGID) == 0u);
  BOOST_TEST((dir.mode & S_ISGID) != 0u);
}
