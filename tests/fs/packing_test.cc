// Goal: upkeep makes contents durable, gives space back, and empties segments that are mostly dead,
// while files stay what they are.
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "tests/fs/packed_fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

constexpr std::size_t kMiB = 1 << 20;

struct Packing : Packed {
  // Rounds are only where a test has them, however slow the host is.
  Packing() {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    options.upkeep_interval = std::chrono::hours(1);
    open();
  }
  std::uint64_t host_bytes() const {
    std::uint64_t bytes = 0;
    for (const std::string& name : segment_files()) {
      struct stat st;
      BOOST_REQUIRE(stat((folder.path + "/store/segments/" + name).c_str(), &st) == 0);
      bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
    }
    return bytes;
  }
  // Files "0", "1", ... of random bytes, each of `size`.
  void fill(std::size_t count, std::size_t size) {
    for (std::size_t i = contents.size(); contents.size() < count; ++i) {
      contents[std::to_string(i)] = random_bytes(random, size);
      const Ino file = create(kRootIno, std::to_string(i));
      write(file, contents[std::to_string(i)]);
      fs->forget(file, 1);
    }
  }
  void remove_all_but_every(std::size_t n) {
    std::size_t i = 0;
    std::erase_if(contents, [&](const auto& file) {
      if (i++ % n == 0) return false;
      BOOST_REQUIRE(fs->unlink(who, kRootIno, file.first));
      return true;
    });
  }
  void check_contents() {
    for (const auto& [name, bytes] : contents) {
      const Ino ino = at(name);
      BOOST_REQUIRE(read(ino, bytes.size() + 1) == bytes);
      fs->forget(ino, 1);
    }
  }

  std::map<std::string, std::string> contents;
  std::mt19937 random{7};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(what_was_logged_goes_when_its_segment_is_synced, Packing) {
  const Ino file = create(kRootIno, "f");
  write(file, "contents");
  BOOST_REQUIRE(fs->sync_contents(file));
  BOOST_TEST(keys_in_log() == 1);
  fs->upkeep();
  BOOST_TEST(keys_in_log() == 0);
  BOOST_REQUIRE(fs->sync_contents(file));
  BOOST_TEST(keys_in_log() == 0);
}

BOOST_FIXTURE_TEST_CASE(dead_contents_give_their_space_back, Packing) {
  fill(200, 64 << 10);
  const std::uint64_t full = host_bytes();
  remove_all_but_every(10);
  fs->upkeep();
  BOOST_TEST(host_bytes() < full / 5);
  check_contents();
}

BOOST_FIXTURE_TEST_CASE(a_segment_without_life_is_removed, Packing) {
  fill(600, 256 << 10);
  BOOST_TEST(segment_files().size() == 3);
  remove_all_but_every(601);
  fs->upkeep();
  BOOST_TEST(segment_files().size() == 1);
  check_contents();
  closed_states();
}

BOOST_FIXTURE_TEST_CASE(a_sparse_segment_is_emptied_and_removed, Packing) {
  fill(600, 256 << 10);
  BOOST_TEST(segment_files().count("00000001") == 1);
  remove_all_but_every(8);
  for (int i = 0; i < 20; ++i) fs->upkeep();
  BOOST_TEST(segment_files().count("00000001") == 0);
  BOOST_TEST(segment_files().count("00000002") == 0);
  check_contents();
  closed_states();
  check_contents();
}

BOOST_FIXTURE_TEST_CASE(a_round_moves_a_bounded_amount, Packing) {
  fill(300, 256 << 10);
  remove_all_but_every(5);
  const std::uint64_t before = record(contents.rbegin()->first).size;
  BOOST_TEST(before == 256u << 10);
  const auto size_of_all = [&] {
    std::uint64_t bytes = 0;
    for (const std::string& name : segment_files()) {
      bytes += std::filesystem::file_size(folder.path + "/store/segments/" + name);
    }
    return bytes;
  };
  const std::uint64_t start = size_of_all();
  fs->upkeep();
  BOOST_TEST(size_of_all() - start <= 8 * kMiB + (256u << 10));
  BOOST_TEST(size_of_all() > start);
}

BOOST_FIXTURE_TEST_CASE(contents_of_nameless_files_are_not_taken_for_dead, Packing) {
  fill(300, 256 << 10);
  const Ino open_file = at("0");
  const std::string bytes = contents["0"];
  remove_all_but_every(301);
  BOOST_REQUIRE(fs->unlink(who, kRootIno, "0"));
  for (int i = 0; i < 3; ++i) fs->upkeep();
  BOOST_TEST(read(open_file, bytes.size()) == bytes);
  fs->forget(open_file, 1);
  fs->upkeep();
  BOOST_TEST(segment_files().count("00000001") == 0);
}

BOOST_FIXTURE_TEST_CASE(files_change_and_are_read_while_segments_are_emptied, Packing) {
  fill(600, 256 << 10);
  remove_all_but_every(8);
  for (const auto& [name, bytes] : contents) BOOST_REQUIRE(fs->sync_contents(at(name)));
  std::atomic<bool> over{false};
  std::thread worker([&] {
    while (!over) fs->upkeep();
  });
  std::mt19937 choice(3);
  for (int i = 0; i < 100'000 && segment_files().count("00000001") == 1; ++i) {
    auto& [name, bytes] = *std::next(contents.begin(), choice() % contents.size());
    const Ino ino = at(name);
    if (choice() % 4 == 0) {
      const std::size_t size = choice() % (bytes.size() + 1);
      BOOST_REQUIRE(fs->setattr(who, ino, {.size = size}));
      bytes.resize(size);
      write(ino, "appended", size);
      bytes += "appended";
    }
    BOOST_REQUIRE(read(ino, bytes.size() + 1) == bytes);
    fs->forget(ino, 1);
  }
  over = true;
  worker.join();
  check_contents();
  closed_states();
  check_contents();
}

BOOST_FIXTURE_TEST_CASE(small_appends_go_into_large_host_writes, Folder) {
  constexpr std::uint64_t kWindow = 32 * 1024;
  Segments segments(path + "/segments", 8, false);
  const std::string bytes(3901, 'b');
  const auto host_bytes = [&] { return std::filesystem::file_size(path + "/segments/00000001"); };
  std::uint64_t tail = 0;
  for (int i = 0; i < 100; ++i) {
    const Extent extent = *segments.append(bytes);
    BOOST_REQUIRE(extent.offset == tail);
    tail = extent.end();
    BOOST_REQUIRE(host_bytes() == (tail + kWindow - 1) / kWindow * kWindow);
    BOOST_REQUIRE(segments.state_of(1).size == tail);
    std::string out(bytes.size(), '\0');
    BOOST_REQUIRE(segments.read(extent, out, holt::Wait::kYes).has_value());
  }
  segments.trim_lanes();
  BOOST_TEST(host_bytes() == tail);
  // What is as large by itself needs nothing.
  const Extent large = *segments.append(std::string(kWindow, 'l'));
  BOOST_TEST(host_bytes() == large.end());
}

BOOST_FIXTURE_TEST_CASE(few_descriptors_serve_many_segments, Folder) {
  constexpr std::uint32_t kCount = 100;
  Segments segments(path + "/segments", 8, false);
  for (std::uint32_t i = 1; i <= kCount; ++i) BOOST_REQUIRE(segments.restore(i, 0, "bytes"));
  BOOST_REQUIRE(segments.sync_everything());
  const Extent bytes = *segments.append("bytes");
  for (std::uint32_t i = 1; i <= kCount; ++i) {
    std::string out(5, '\0');
    BOOST_TEST(segments.read({i, 0, 5, bytes.checksum}, out, holt::Wait::kYes).has_value());
  }
  std::size_t open_segments = 0;
  for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(fd.path(), gone);
    if (target.parent_path().filename() == "segments") ++open_segments;
  }
  BOOST_TEST(open_segments <= 9);
}
