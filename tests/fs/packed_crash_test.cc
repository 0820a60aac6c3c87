// Goal: after a crash packed files hold what was promised, and otherwise end before the first bytes
// that are missing; never other bytes.
// Crash model: the process dies, and of the segments any part is lost that no sync covered: the
// tests cut off, spoil or remove it.
#include <atomic>
#include <fstream>
#include <thread>

#include "tests/fs/packed_fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct PackedCrash : Packed {
  void cut(std::uint32_t segment, std::uint64_t size) const {
    std::filesystem::resize_file(segment_file(segment), size);
  }
  // All that was not synced is gone.
  void lose_all_segments() const {
    for (const std::string& name : segment_files()) {
      std::filesystem::remove(folder.path + "/store/segments/" + name);
    }
  }
};

int sync_in_vain(int) {
  errno = EIO;
  return -1;
}

const std::string kOld(5000, 'o'), kNew(5000, 'n');

}  // namespace

BOOST_FIXTURE_TEST_CASE(what_the_dead_process_wrote_is_there, PackedCrash) {
  in_dying_process([&] {
    for (int i = 0; i < 100; ++i) write(create(kRootIno, std::to_string(i)), std::to_string(i));
    (void)fs->unlink(who, kRootIno, "7");
  });
  for (int i = 0; i < 100; ++i) {
    if (i != 7) BOOST_TEST(read(at(std::to_string(i))) == std::to_string(i));
  }
  BOOST_TEST(live_bytes() == 189);
}

BOOST_FIXTURE_TEST_CASE(bytes_without_a_record_are_passed_over, PackedCrash) {
  in_dying_process([&] { write(create(kRootIno, "f"), kOld); },
                   [&] { std::ofstream(segment_file(1), std::ios::app) << "not recorded"; });
  write(create(kRootIno, "g"), kNew);
  BOOST_TEST(record("g").extents[0].offset >= 5012);
  BOOST_TEST(read(at("f")) == kOld);
  BOOST_TEST(read(at("g")) == kNew);
  BOOST_TEST(live_bytes() == 10'000);
}

BOOST_FIXTURE_TEST_CASE(a_file_ends_where_the_segment_lost_its_tail, PackedCrash) {
  in_dying_process(
      [&] {
        write(create(kRootIno, "kept"), kOld);
        fs->upkeep();
        write(create(kRootIno, "grew"), kOld);
        write(at("grew"), kNew, 5000);
        write(create(kRootIno, "gone"), kNew);
      },
      [&] { cut(1, 14'000); });
  BOOST_TEST(read(at("kept")) == kOld);
  BOOST_TEST(read(at("grew")) == kOld);
  BOOST_TEST(attr(at("grew")).size == 5000);
  BOOST_TEST(attr(at("gone")).size == 0);
  BOOST_TEST(live_bytes() == 10'000);
}

BOOST_FIXTURE_TEST_CASE(torn_bytes_are_not_taken_for_contents, PackedCrash) {
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), kOld);
        write(at("f"), kNew, 5000);
      },
      [&] { spoil({.segment = 1, .offset = 5000}, 4999); });
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(promised_bytes_that_rot_are_left_alone, PackedCrash) {
  const Extent place{.segment = 1, .offset = 0};
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), kOld);
        fs->upkeep();
      },
      [&] { spoil(place, 17); });
  std::string out(5000, '\0');
  BOOST_TEST(attr(at("f")).size == 5000);
  BOOST_TEST(code(fs->read(who, at("f"), 0, out)) == EIO);
  const auto found = check(fs->store(), folder.path + "/store", true);
  BOOST_REQUIRE(found->problems.size() == 1u);
  BOOST_TEST(found->problems[0] == "/f has 5000 bytes in segment 1 that are damaged");
  spoil(place, 17);
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(segments_that_never_reached_the_disk_leave_empty_files, PackedCrash) {
  in_dying_process([&] { write(create(kRootIno, "f"), kOld); }, [&] { lose_all_segments(); });
  BOOST_TEST(attr(at("f")).size == 0);
  write(at("f"), kNew);
  BOOST_TEST(read(at("f")) == kNew);
  BOOST_TEST(live_bytes() == 5000);
}

BOOST_FIXTURE_TEST_CASE(a_promised_segment_that_is_missing_is_an_error, PackedCrash) {
  std::string saved;
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), kOld);
        fs->upkeep();
      },
      [&] {
        saved = folder.path + "/saved";
        std::filesystem::rename(segment_file(1), saved);
      });
  std::string out(5000, '\0');
  BOOST_TEST(code(fs->read(who, at("f"), 0, out)) == EIO);
  BOOST_TEST(problems() == "/f has contents in segment 1, which does not exist\n");
  write(create(kRootIno, "g"), kNew);
  BOOST_TEST(record("g").extents[0].segment == 2);
  BOOST_REQUIRE(fs->close());
  fs.reset();
  std::filesystem::rename(saved, segment_file(1));
  open();
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(a_sync_of_small_contents_goes_with_the_log, PackedCrash) {
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), kOld);
        write(create(kRootIno, "g"), kNew);
        _exit(fs->sync_at_once(at("f")) && keys_in_log() == 1 ? 0 : 1);
      },
      [&] { lose_all_segments(); });
  BOOST_TEST(read(at("f")) == kOld);
  BOOST_TEST(attr(at("g")).size == 0);
  BOOST_TEST(keys_in_log() == 0);
  BOOST_TEST(live_bytes() == 5000);
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(a_sync_of_large_contents_syncs_their_segment, PackedCrash) {
  const std::string large(200'000, 'l');
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), large);
        const bool at_once = fs->sync_at_once(at("f"));
        const bool synced = fs->sync_contents(at("f")).has_value();
        write(create(kRootIno, "g"), kNew);
        _exit(!at_once && synced && keys_in_log() == 0 ? 0 : 1);
      },
      [&] { cut(1, large.size()); });
  BOOST_TEST(read(at("f"), 1 << 20) == large);
  BOOST_TEST(attr(at("g")).size == 0);
}

BOOST_FIXTURE_TEST_CASE(an_overwrite_of_promised_contents_is_not_lost_with_its_bytes, PackedCrash) {
  for (const bool by_upkeep : {true, false}) {
    in_dying_process(
        [&] {
          const Ino file = create(kRootIno, by_upkeep ? "a" : "b");
          write(file, kOld);
          if (by_upkeep) {
            fs->upkeep();
          } else {
            _exit(fs->sync_contents(file) ? (write(file, "new", 100), 0) : 1);
          }
          write(file, "new", 100);
        },
        [&] {
          if (by_upkeep) {
            cut(1, 5000);
          } else {
            lose_all_segments();
          }
        });
    std::string expected = kOld;
    expected.replace(100, 3, "new");
    BOOST_TEST(read(at(by_upkeep ? "a" : "b")) == expected);
    BOOST_REQUIRE(fs->unlink(who, kRootIno, by_upkeep ? "a" : "b"));
    BOOST_TEST(live_bytes() == 0);
  }
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_that_gets_a_name_keeps_what_was_synced, PackedCrash) {
  in_dying_process(
      [&] {
        const auto file = fs->tmpfile(who, kRootIno, 0644);
        if (!file) _exit(1);
        write(file->attr.ino, kOld);
        if (!fs->sync_contents(file->attr.ino)) _exit(1);
        write(file->attr.ino, "new", 100);
        if (!fs->link(who, file->attr.ino, kRootIno, "f")) _exit(1);
      },
      [&] { lose_all_segments(); });
  std::string expected = kOld;
  expected.replace(100, 3, "new");
  BOOST_TEST(read(at("f")) == expected);
}

BOOST_FIXTURE_TEST_CASE(joining_promised_pieces_does_not_endanger_them, PackedCrash) {
  const std::string piece(6000, 'p');
  std::string expected;
  in_dying_process(
      [&] {
        const Ino file = create(kRootIno, "f");
        for (std::size_t i = 0; i < kMaxExtents; ++i) write(file, piece, i * piece.size());
        fs->upkeep();
        write(file, piece, kMaxExtents * piece.size());
      },
      [&] { cut(1, std::max<std::size_t>(kMaxExtents, 33) * piece.size()); });
  for (std::size_t i = 0; i <= kMaxExtents; ++i) expected += piece;
  BOOST_TEST(read(at("f"), 1 << 20) == expected);
}

// Whoever syncs while another appends is promised what was there when he asked, wherever the other
// moves it to meanwhile.
BOOST_FIXTURE_TEST_CASE(a_sync_beside_appends_keeps_its_promise, PackedCrash) {
  constexpr int kFiles = 150;
  const std::string note = folder.path + "/promised";
  const auto promised_while_it_grows = [&](Ino file, std::uint64_t enough) {
    std::atomic<bool> over{false};
    std::thread appender([&] {
      for (std::uint64_t size = 0; !over && size < 30'000; size += 10) {
        if (!fs->write(who, file, size, "0123456789", false)) _exit(1);
      }
    });
    std::uint64_t promised = 0;
    while (promised < enough) {
      promised = attr(file).size;
      if (!fs->sync_contents(file)) _exit(1);
    }
    over = true;
    appender.join();
    return promised;
  };
  in_dying_process(
      [&] {
        std::ofstream out(note);
        for (int i = 0; i < kFiles; ++i) {
          out << promised_while_it_grows(create(kRootIno, std::to_string(i)), 500 + i * 71 % 20'000)
              << ' ';
        }
        out << std::flush;
        _exit(0);
      },
      [&] { lose_all_segments(); });
  std::ifstream in(note);
  for (int i = 0; i < kFiles; ++i) {
    std::uint64_t promised = 0;
    BOOST_REQUIRE(in >> promised);
    BOOST_TEST(attr(at(std::to_string(i))).size >= promised);
  }
}

BOOST_FIXTURE_TEST_CASE(a_replaced_file_is_old_or_new, PackedCrash) {
  in_dying_process(
      [&] {
        write(create(kRootIno, "f"), kOld);
        fs->upkeep();
        write(create(kRootIno, "new"), kNew);
        (void)fs->rename(who, kRootIno, "new", kRootIno, "f", 0);
      },
      [&] { cut(1, 5000); });
  BOOST_TEST(read(at("f")) == kNew);
}

BOOST_FIXTURE_TEST_CASE(a_failed_sync_is_told_and_what_is_logged_outlives_it, PackedCrash) {
  options.sync_file = sync_in_vain;
  in_dying_process(
      [&] {
        const Ino large = create(kRootIno, "large"), small = create(kRootIno, "small");
        write(large, std::string(200'000, 'l'));
        bool ok = code(fs->sync_contents(large)) == EIO && code(fs->sync_contents(large)) == EIO;
        write(small, kNew);
        ok = ok && record("small").extents[0].segment != record("large").extents[0].segment;
        ok = ok && fs->sync_contents(small);
        fs->upkeep();
        _exit(ok && keys_in_log() == 1 && !fs->close() ? 0 : 1);
      },
      [&] {
        lose_all_segments();
        options.sync_file = ::fdatasync;
      });
  BOOST_TEST(read(at("small")) == kNew);
  BOOST_TEST(attr(at("large")).size == 0);
}

// A host that cannot read today may tomorrow: no record is cut for that.
BOOST_FIXTURE_TEST_CASE(a_segment_that_cannot_be_opened_refuses_the_mount, PackedCrash) {
  in_dying_process([&] { write(create(kRootIno, "f"), kOld); },
                   [&] {
                     const std::string aside = folder.path + "/aside";
                     std::filesystem::rename(segment_file(1), aside);
                     std::filesystem::create_symlink(aside, segment_file(1));
                     BOOST_TEST(!Filesystem::open(path(), options).has_value());
                     std::filesystem::remove(segment_file(1));
                     std::filesystem::rename(aside, segment_file(1));
                   });
  BOOST_TEST(read(at("f")) == kOld);
}

// It would be written over what is there by the next recovery.
BOOST_FIXTURE_TEST_CASE(what_is_left_in_the_log_is_recovered_though_the_end_was_clean,
                        PackedCrash) {
  write(create(kRootIno, "f"), kOld);
  fs->upkeep();
  const Extent extent = record("f").extents[0];
  BOOST_REQUIRE(fs->store().put(schema::logged_key(extent.segment, extent.offset), kOld));
  BOOST_REQUIRE(fs->close());  // unchecked
  fs.reset();
  open();
  BOOST_TEST(keys_in_log() == 0u);
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(a_read_only_mount_finds_what_was_not_recovered, PackedCrash) {
  in_dying_process(
      [&] {
        const Ino file = create(kRootIno, "f");
        write(file, kOld);
        _exit(fs->sync_contents(file) ? 0 : 1);
      },
      [&] {
        lose_all_segments();
        options.store.read_only = true;
      });
  BOOST_TEST(read(at("f")) == kOld);
  BOOST_REQUIRE(fs->close());
  options.store.read_only = false;
  open();
  BOOST_TEST(read(at("f")) == kOld);
}

BOOST_FIXTURE_TEST_CASE(segments_outlive_a_record_that_is_damaged, PackedCrash) {
  write(create(kRootIno, "f"), kOld);
  const std::string key = schema::entry_key("", "f");
  std::string value;
  BOOST_REQUIRE(fs->store().get(key, value));
  in_dying_process([&] { (void)fs->store().put(key, "\x01 damaged"); });
  fs->upkeep();
  in_dying_process([&] { fs->upkeep(); });
  fs->upkeep();
  in_dying_process([&] { (void)fs->store().put(key, value); });
  BOOST_TEST(read(at("f")) == kOld);
}
