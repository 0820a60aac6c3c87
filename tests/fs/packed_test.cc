// Goal: packed files read back as a byte vector would, whatever is done to them, and are packed
// exactly as long as they should be.
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/fs/packed_fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

constexpr std::size_t kKiB = 1024;

struct PackedModel : Packed {
  std::map<std::string, std::string> expected;
  std::mt19937 random{20'240'607};

  std::size_t below(std::size_t limit) { return random() % limit; }
  std::size_t size_of(const std::string& name) {
    const auto found = expected.find(name);
    return found == expected.end() ? 0 : found->second.size();
  }
  std::string some_name() { return "f" + std::to_string(below(12)); }
  // Sizes around every limit there is.
  std::size_t some_size() {
    constexpr std::size_t kSizes[] = {1, 100, 4096, 5000, 32 * kKiB, 64 * kKiB, 256 * kKiB};
    return std::max<std::size_t>(1, kSizes[below(std::size(kSizes))] + below(3) - 1);
  }

  void make(const std::string& name) {
    if (!expected.contains(name)) {
      fs->forget(create(kRootIno, name), 1);
      expected[name];
    }
  }
  void put(const std::string& name, std::size_t offset, std::size_t size) {
    make(name);
    std::string& model = expected[name];
    const std::string bytes = random_bytes(random, size);
    const Ino ino = at(name);
    write(ino, bytes, offset);
    fs->forget(ino, 1);
    if (model.size() < offset + size) model.resize(offset + size);
    model.replace(offset, size, bytes);
  }
  void step();
  void look(const std::string& name) {
    const Ino ino = at(name);
    const std::string& model = expected[name];
    BOOST_REQUIRE_EQUAL(attr(ino).size, model.size());
    const std::size_t offset = below(model.size() + 1), size = 1 + below(40 * kKiB);
    BOOST_REQUIRE(read(ino, size, offset) == model.substr(offset, size));
    BOOST_REQUIRE(read(ino, model.size() + 1) == model);
    fs->forget(ino, 1);
  }
};

void PackedModel::step() {
  const std::string name = some_name(), other = some_name();
  switch (below(12)) {
    case 0:
    case 1: put(name, size_of(name), some_size()); break;
    case 2: put(name, size_of(name), 1 + below(300)); break;
    case 3: put(name, below(size_of(name) + 1), 1 + below(5000)); break;
    case 4: put(name, size_of(name) + below(6000), 1 + below(100)); break;
    case 5:
    case 6: {
      make(name);
      const std::size_t now = expected[name].size();
      const std::size_t size = below(3) == 0 ? now + below(5000) : below(now + 1);
      const Ino ino = at(name);
      BOOST_REQUIRE(fs->setattr(who, ino, {.size = size}));
      fs->forget(ino, 1);
      expected[name].resize(size);
      break;
    }
    case 7:
      make(name);
      BOOST_REQUIRE(fs->unlink(who, kRootIno, name));
      expected.erase(name);
      break;
    case 8:
      make(name);
      if (name == other) break;
      BOOST_REQUIRE(fs->rename(who, kRootIno, name, kRootIno, other, 0));
      expected[other] = expected[name];
      expected.erase(name);
      break;
    case 9: {
      make(name);
      const Ino ino = at(name);
      BOOST_REQUIRE(fs->sync_contents(ino));
      fs->forget(ino, 1);
      break;
    }
    case 10: fs->upkeep(); break;
    default:
      if (below(8) == 0) reopen();
  }
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(packed_files_are_as_byte_vectors, PackedModel) {
  for (int i = 0; i < 3000; ++i) {
    step();
    if (!expected.empty()) look(std::next(expected.begin(), below(expected.size()))->first);
    if (i % 100 == 0) BOOST_REQUIRE_EQUAL(problems(), "");
  }
  closed_states();
  for (const auto& [name, bytes] : expected) look(name);
}

BOOST_FIXTURE_TEST_CASE(small_files_need_no_host_file, Packed) {
  for (int i = 0; i < 100; ++i) write(create(kRootIno, std::to_string(i)), "contents");
  const auto report = check(fs->store(), folder.path + "/store");
  BOOST_TEST(report->host_files == 0);
  BOOST_TEST(report->packed_files == 100);
  BOOST_TEST(segment_files().size() == 1);
}

BOOST_FIXTURE_TEST_CASE(st_blocks_are_those_of_the_length, Packed) {
  const Ino file = create(kRootIno, "f");
  for (const std::size_t size : {1, 511, 512, 513, 3901}) {
    BOOST_REQUIRE(fs->setattr(who, file, {.size = 0}));
    BOOST_TEST(attr(file).blocks == 0);
    write(file, std::string(size, 'x'));
    BOOST_TEST(attr(file).blocks == (size + 511) / 512);
  }
}

BOOST_FIXTURE_TEST_CASE(a_file_is_packed_up_to_256_KiB, Packed) {
  const Ino file = create(kRootIno, "f");
  const std::string part(64 * kKiB, 'p');
  for (int i = 0; i < 4; ++i) {
    write(file, part, i * part.size());
    BOOST_TEST((record("f").placement == Placement::kPacked));
  }
  write(file, "x", 4 * part.size());
  BOOST_TEST((record("f").placement == Placement::kBulk));
  BOOST_TEST(record("f").extents.empty());
  BOOST_TEST(read(file, 1 << 20) == part + part + part + part + "x");
  closed_states();
}

BOOST_FIXTURE_TEST_CASE(a_file_that_grows_by_small_pieces_has_few_extents, Packed) {
  const Ino file = create(kRootIno, "f");
  std::string expected;
  std::uint64_t written = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece = fmt::format("piece {} ", i);
    write(file, piece, expected.size());
    expected += piece;
    const Inode inode = record("f");
    BOOST_REQUIRE(inode.extents.size() <= kMaxExtents);
    written = std::max(written, inode.extents.back().end());
  }
  BOOST_TEST(read(file) == expected);
  // However many pieces, a byte is copied a few times.
  BOOST_TEST(written < 8 * expected.size());
}

BOOST_FIXTURE_TEST_CASE(holes_and_allocations_are_the_host_s, Packed) {
  const auto placement_after = [&](const std::function<void(Ino)>& change) {
    write(create(kRootIno, "f"), "contents");
    change(at("f"));
    const Placement placement = record("f").placement;
    BOOST_REQUIRE(fs->unlink(who, kRootIno, "f"));
    return placement;
  };
  BOOST_TEST((placement_after([&](Ino f) { write(f, "x", 8191); }) == Placement::kPacked));
  BOOST_TEST((placement_after([&](Ino f) { write(f, "x", 8192); }) == Placement::kBulk));
  BOOST_TEST((placement_after([&](Ino f) { (void)fs->setattr(who, f, {.size = 4096}); }) ==
              Placement::kPacked));
  BOOST_TEST((placement_after([&](Ino f) { (void)fs->setattr(who, f, {.size = 4097}); }) ==
              Placement::kBulk));
  BOOST_TEST((placement_after([&](Ino f) { (void)fs->fallocate(who, f, 0, 0, 100); }) ==
              Placement::kBulk));
}

BOOST_FIXTURE_TEST_CASE(where_data_and_holes_are, Packed) {
  const Ino file = create(kRootIno, "f");
  write(file, "contents");
  BOOST_TEST(*fs->lseek(who, file, 3, SEEK_DATA) == 3u);
  BOOST_TEST(*fs->lseek(who, file, 3, SEEK_HOLE) == 8u);
  BOOST_TEST(code(fs->lseek(who, file, 8, SEEK_DATA)) == ENXIO);
}

BOOST_FIXTURE_TEST_CASE(contents_that_rot_are_an_error_and_never_other_bytes, Packed) {
  const Ino file = create(kRootIno, "f");
  write(file, std::string(10'000, 'a'));
  write(file, std::string(10'000, 'b'), 10'000);
  spoil(record("f").extents[1], 9'999);
  std::string out(100, '\0');
  BOOST_TEST(code(fs->read(who, file, 10'000, out)) == EIO);
  BOOST_TEST(read(file, 10'000) == std::string(10'000, 'a'));
  spoil(record("f").extents[1], 9'999);
  BOOST_TEST(read(file, 10'000, 10'000) == std::string(10'000, 'b'));
}

BOOST_FIXTURE_TEST_CASE(nameless_files_are_packed_too, Packed) {
  const Ino file = create(kRootIno, "f");
  write(file, "some ");
  BOOST_REQUIRE(fs->unlink(who, kRootIno, "f"));
  write(file, "contents", 5);
  fs->upkeep();
  BOOST_TEST(read(file) == "some contents");
  const Ino temporary = fs->tmpfile(who, kRootIno, 0600)->attr.ino;
  write(temporary, "linked later");
  BOOST_REQUIRE(fs->sync_contents(temporary));
  BOOST_REQUIRE(fs->link(who, temporary, kRootIno, "t"));
  BOOST_TEST(live_bytes() == 12);
  BOOST_TEST(read(at("t")) == "linked later");
}

BOOST_FIXTURE_TEST_CASE(links_share_their_contents, Packed) {
  const Ino file = create(kRootIno, "a");
  write(file, "one");
  BOOST_REQUIRE(fs->link(who, file, kRootIno, "b"));
  write(file, " two", 3);
  BOOST_REQUIRE(fs->unlink(who, kRootIno, "a"));
  reopen();
  BOOST_TEST(read(at("b")) == "one two");
}

BOOST_FIXTURE_TEST_CASE(a_store_without_packing_reads_and_moves_what_is_packed, Packed) {
  write(create(kRootIno, "f"), "packed");
  options.pack = false;
  reopen();
  BOOST_TEST(read(at("f")) == "packed");
  write(at("f"), " once", 6);
  BOOST_TEST((record("f").placement == Placement::kBulk));
  BOOST_TEST(read(at("f")) == "packed once");
  BOOST_TEST(live_bytes() == 0);
}

BOOST_FIXTURE_TEST_CASE(a_store_that_is_renamed_while_open_keeps_its_segments, Packed) {
  write(create(kRootIno, "f"), "before");
  std::filesystem::rename(folder.path + "/store", folder.path + "/elsewhere");
  write(at("f"), " and after", 6);
  BOOST_TEST(read(at("f")) == "before and after");
  std::filesystem::rename(folder.path + "/elsewhere", folder.path + "/store");
}

// The host ends the write in the middle, by a limit of its own.
BOOST_FIXTURE_TEST_CASE(an_empty_file_is_read_while_it_gets_its_first_contents, Packed) {
  std::atomic<std::uint64_t> newest{0};
  std::atomic<bool> over{false};
  int failed = 0;
  std::thread reader([&] {
    std::string out(100, '\0');
    while (!over) {
      if (const Ino ino{newest.load()}; ino != Ino{} && !fs->read(who, ino, 0, out)) ++failed;
    }
  });
  for (int i = 0; i < 5000; ++i) {
    const Ino ino = create(kRootIno, std::to_string(i));
    newest = number_of(ino);
    write(ino, std::string(100, 'x'));
  }
  over = true;
  reader.join();
  BOOST_TEST(failed == 0);
}

BOOST_FIXTURE_TEST_CASE(a_host_file_that_a_failure_left_does_not_hide_contents, Packed) {
  const Ino ino = create(kRootIno, "f");
  const std::string left = host_file(ino);
  std::filesystem::create_directories(std::filesystem::path(left).parent_path());
  std::ofstream(left) << "left over";
  BOOST_TEST(*fs->lseek(who, ino, 0, SEEK_DATA) == 0u);  // it is open now
  write(ino, "contents");
  BOOST_TEST(read(ino) == "contents");
  std::filesystem::remove(left);
}

BOOST_FIXTURE_TEST_CASE(a_write_for_which_the_host_has_no_room_changes_nothing, Packed) {
  const Ino file = create(kRootIno, "f");
  write(file, std::string(1000, 'a'));
  const Extent first = record("f").extents[0];
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight = before;
  tight.rlim_cur = first.end() + 100;
  setrlimit(RLIMIT_FSIZE, &tight);
  const auto refused = fs->write(who, file, 1000, std::string(5000, 'b'), false);
  setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST(code(refused) == EFBIG);
  BOOST_TEST(read(file) == std::string(1000, 'a'));
  write(file, std::string(5000, 'c'), 1000);
  BOOST_TEST(read(file) == std::string(1000, 'a') + std::string(5000, 'c'));
  BOOST_TEST(record("f").extents[1].offset == first.end());
}

BOOST_FIXTURE_TEST_CASE(requests_that_may_not_wait_are_served_from_memory, Packed) {
  const Caller hasty{.who = {}, .wait = holt::Wait::kNo};
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(*fs->write(hasty, file, 0, "contents", false) == 8u);
  BOOST_TEST(*fs->write(hasty, file, 2, "NT", false) == 2u);
  std::string out(8, '\0');
  BOOST_TEST(*fs->read(hasty, file, 0, out) == 8u);
  BOOST_TEST(out == "coNTents");
  BOOST_TEST(fs->sync_at_once(file));
  BOOST_TEST(keys_in_log() == 1);
  // What has to be durable before the record changes is for those who may wait.
  BOOST_TEST(code(fs->write(hasty, file, 100'000, "x", false)) == value_of(kWouldWait));
  BOOST_TEST((record("f").placement == Placement::kPacked));
  BOOST_TEST(*fs->write(who, file, 100'000, "x", false) == 1u);
  BOOST_TEST(read(file, 8) == "coNTents");
}

BOOST_FIXTURE_TEST_CASE(what_an_old_host_file_holds_is_nobodys, Packed) {
  const std::string old(400'000, 'o'), fresh(1000, 'n');
  for (const bool grows : {false, true}) {
    const std::string name = grows ? "grew" : "large";
    const Ino ino = create(kRootIno, name);
    if (grows) write(ino, fresh);
    std::filesystem::create_directories(std::filesystem::path(host_file(ino)).parent_path());
    std::ofstream(host_file(ino)) << old;
    write(ino, fresh, 300'000);
    std::string expected(301'000, '\0');
    expected.replace(300'000, fresh.size(), fresh);
    if (grows) expected.replace(0, fresh.size(), fresh);
    BOOST_TEST((read(ino, 500'000) == expected), name);
  }
}
