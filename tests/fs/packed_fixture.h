// What the tests of packed contents share: a look at records and at segments.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <random>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace holtfs::test {

struct Packed : Fixture {
  // The record of a file in the root.
  Inode record(const std::string& name) {
    std::string value;
    BOOST_REQUIRE(fs->store().get(schema::entry_key("", name), value));
    const auto inode = decode_inode(value);
    BOOST_REQUIRE(inode);
    return *inode;
  }
  std::string segment_file(std::uint32_t number) const {
    return fmt::format("{}/store/segments/{:08x}", folder.path, number);
  }
  std::string host_file(Ino ino) const {
    const std::uint64_t number = number_of(ino);
    return fmt::format("{}/store/data/{:03x}/{:016x}", folder.path, number >> 10 & 0xfff, number);
  }
  std::set<std::string> segment_files() const {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder.path + "/store/segments")) {
      names.insert(file.path().filename().string());
    }
    return names;
  }
  // Overwrites one byte of an extent, as it is on disk.
  void spoil(const Extent& extent, std::uint32_t at = 0) const {
    std::fstream file(segment_file(extent.segment), std::ios::in | std::ios::out);
    file.seekg(extent.offset + at);
    const int byte = file.get();
    file.seekp(extent.offset + at);
    file.put(static_cast<char>(byte ^ 1));
    BOOST_REQUIRE(file.good());
  }
  std::size_t keys_in_log() {
    holt::Cursor cursor = fs->store().scan({.prefix = schema::logged_space(), .values = false});
    std::size_t keys = 0;
    while (*cursor.next()) ++keys;
    return keys;
  }
  std::uint64_t live_bytes() {
    std::uint64_t live = 0;
    for (const auto& [number, state] : closed_states()) live += state.live;
    return live;
  }
  // What is known of segments, after closing the filesystem and opening it again.
  std::map<std::uint32_t, SegmentState> closed_states() {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    std::map<std::uint32_t, SegmentState> states;
    {
      auto store = holt::Store::open(folder.path + "/store", options.store);
      BOOST_REQUIRE(store);
      const auto report = check(**store, folder.path + "/store", true);
      BOOST_REQUIRE(report);
      BOOST_TEST(report->clean);
      for (const std::string& problem : report->problems) BOOST_ERROR(problem);
      holt::Cursor cursor = (*store)->scan({.prefix = schema::segment_space()});
      while (*cursor.next()) {
        const std::uint32_t number = schema::parse_key(cursor.key())->segment;
        states[number] = *decode_segment(number, cursor.value());
      }
      BOOST_REQUIRE((*store)->close());
    }
    open();
    return states;
  }
  static std::string random_bytes(std::mt19937& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
};

}  // namespace holtfs::test
