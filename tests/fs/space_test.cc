// Goal: under limits, every operation takes what there is and no more, gives it back when it
// should, and the counts survive an end of any kind. Method: what statfs says is held against what
// operations were able to do; the checker, at the end of each test, against the sum of the records.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "fs/schema.h"
#include "fs/state.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

constexpr std::uint64_t kBlock = 4096;
const Caller kHasty{.who = {}, .umask = 0, .wait = holt::Wait::kNo};

struct Room : Fixture {
  Room() { limit(16 * kBlock, 20); }

  void limit(std::uint64_t bytes, std::int64_t inodes) {
    BOOST_REQUIRE(fs->close());
    fs.reset();
    options.limits = {.blocks = static_cast<std::int64_t>(bytes / 512), .inodes = inodes};
    open();
  }
  std::uint64_t free_bytes() {
    const auto stat = fs->statfs();
    BOOST_REQUIRE(stat);
    return stat->f_bfree * stat->f_frsize;
  }
  std::uint64_t free_inodes() { return fs->statfs()->f_ffree; }
  // How many of these bytes are written in one call, or the error, negative.
  long put(Ino ino, std::size_t bytes, std::uint64_t offset = 0) {
    const auto done = fs->write(who, ino, offset, std::string(bytes, 'x'), false);
    return done ? static_cast<long>(*done) : -code(done);
  }
  Ino filled(const std::string& name) {
    const Ino ino = create(kRootIno, name);
    BOOST_REQUIRE(put(ino, 100 * kBlock) == static_cast<long>(16 * kBlock));
    BOOST_REQUIRE(free_bytes() == 0u);
    return ino;
  }
  bool reserve(Ino ino, std::uint64_t offset, std::uint64_t length) {
    return code(fs->fallocate(who, ino, FALLOC_FL_KEEP_SIZE, offset, length)) == 0;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_write_takes_what_fits_and_the_next_is_refused, Room) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(put(file, 10 * kBlock) == 10 * kBlock);
  BOOST_TEST(free_bytes() == 6 * kBlock);
  BOOST_TEST(put(file, 10 * kBlock, 10 * kBlock) == 6 * kBlock);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(put(file, 1, 16 * kBlock) == -ENOSPC);
  BOOST_TEST(put(create(kRootIno, "g"), 1) == -ENOSPC);
  BOOST_TEST(attr(file).size == 16 * kBlock);
  BOOST_TEST(attr(at("g")).size == 0u);
  BOOST_TEST(attr(at("g")).blocks == 0u);
}

BOOST_FIXTURE_TEST_CASE(blocks_that_are_there_can_be_written_at_the_limit, Room) {
  const Ino small = create(kRootIno, "small");
  BOOST_TEST(put(small, 100) == 100);
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(put(file, 100 * kBlock) == 15 * kBlock);
  BOOST_TEST(put(file, 15 * kBlock) == 15 * kBlock);
  BOOST_TEST(put(file, 3 * kBlock, 13 * kBlock + 5) == 2 * kBlock - 5);
  BOOST_TEST(put(small, 2 * kBlock, 100) == kBlock - 100);
  BOOST_TEST(attr(small).size == kBlock);
  BOOST_TEST(free_bytes() == 0u);
}

BOOST_FIXTURE_TEST_CASE(packed_contents_can_be_changed_anywhere_at_the_limit, Room) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(put(file, 60'000) == 60'000);
  BOOST_TEST(put(create(kRootIno, "g"), 2 * kBlock) == 5120);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(code(fs->write(who, file, 7, "changed", false)) == 0);
  BOOST_TEST(read(file, 16) == "xxxxxxxchangedxx");
  BOOST_TEST(put(file, kBlock, 1000) == kBlock);
  BOOST_TEST(attr(file).size == 60'000u);
  BOOST_TEST(free_bytes() == 0u);
}

BOOST_FIXTURE_TEST_CASE(holes_need_room_and_stay_zero_without, Room) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 1 << 20})) == 0);
  BOOST_TEST(free_bytes() == 16 * kBlock);
  BOOST_TEST(put(file, 8 * kBlock, 8 * kBlock) == 8 * kBlock);
  BOOST_TEST(put(create(kRootIno, "g"), 100 * kBlock) == 8 * kBlock);
  BOOST_TEST(put(file, 4 * kBlock) == -ENOSPC);
  BOOST_TEST(put(file, 16 * kBlock, 12 * kBlock) == 4 * kBlock);
  BOOST_TEST(read(file, kBlock) == std::string(kBlock, '\0'));
  BOOST_TEST(read(file, kBlock, 16 * kBlock) == std::string(kBlock, '\0'));
}

BOOST_FIXTURE_TEST_CASE(reserved_blocks_can_be_written_at_the_limit, Room) {
  const Ino file = create(kRootIno, "f");
  if (!reserve(file, 0, 4 * kBlock)) return;  // the host cannot
  BOOST_TEST(attr(file).size == 0u);
  BOOST_TEST(put(create(kRootIno, "g"), 100 * kBlock) == 12 * kBlock);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(put(file, kBlock, 8 * kBlock) == -ENOSPC);
  BOOST_TEST(put(file, 5 * kBlock, kBlock) == 3 * kBlock);
  BOOST_TEST(put(file, kBlock) == kBlock);
  BOOST_TEST(free_bytes() == 0u);
}

BOOST_FIXTURE_TEST_CASE(an_allocation_gets_all_or_nothing, Room) {
  const Ino file = create(kRootIno, "f");
  if (!reserve(file, 0, 10 * kBlock)) return;  // the host cannot
  BOOST_TEST(free_bytes() == 6 * kBlock);
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 17 * kBlock)) == ENOSPC);
  BOOST_TEST(free_bytes() == 6 * kBlock);
  BOOST_TEST(attr(file).size == 0u);
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 16 * kBlock)) == 0);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 16 * kBlock)) == 0);
  BOOST_TEST(code(fs->fallocate(who, create(kRootIno, "g"), 0, 0, 1)) == ENOSPC);
}

BOOST_FIXTURE_TEST_CASE(what_is_cut_off_or_punched_is_free_again, Room) {
  const Ino file = filled("f");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 10 * kBlock + 1})) == 0);
  BOOST_TEST(free_bytes() == 5 * kBlock);
  constexpr int kPunch = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
  if (code(fs->fallocate(who, file, kPunch, 0, 2 * kBlock)) == 0) {
    BOOST_TEST(free_bytes() == 7 * kBlock);
  }
  BOOST_TEST(code(fs->setattr(who, file, {.size = 0})) == 0);
  BOOST_TEST(free_bytes() == 16 * kBlock);
}

BOOST_FIXTURE_TEST_CASE(a_removed_file_that_is_forgotten_leaves_its_room, Room) {
  for (int i = 0; i < 50; ++i) {
    const Ino file = filled("f");
    BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == 0);
    fs->forget(file, 1);
  }
  BOOST_TEST(free_bytes() == 16 * kBlock);
  BOOST_TEST(free_inodes() == 19u);
}

BOOST_FIXTURE_TEST_CASE(a_removed_file_that_is_open_keeps_its_room, Room) {
  std::set<Ino> open_files;
  fs->on_full([&](Ino ino) { return open_files.contains(ino); });
  const Ino file = filled("f"), other = create(kRootIno, "g");
  open_files.insert(file);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "f")) == 0);
  BOOST_TEST(put(other, kBlock) == -ENOSPC);
  BOOST_TEST(put(file, kBlock) == kBlock);
  open_files.clear();  // closed; nobody has said FORGET
  BOOST_TEST(put(other, 100 * kBlock) == 16 * kBlock);
  fs->forget(file, 1);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(put(other, kBlock, 16 * kBlock) == -ENOSPC);
  BOOST_TEST(free_inodes() == 18u);
}

BOOST_FIXTURE_TEST_CASE(a_nameless_file_that_turns_out_to_be_in_use_counts_again, Room) {
  fs->on_full([](Ino) { return false; });
  const auto file = fs->tmpfile(who, kRootIno, 0600);
  BOOST_REQUIRE(file);
  for (int i = 0; i < 18; ++i) create(kRootIno, std::to_string(i));
  create(kRootIno, "instead of the nameless one");
  BOOST_TEST(free_inodes() == 0u);
  BOOST_TEST(put(file->attr.ino, kBlock) == kBlock);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "0")) == 0);
  BOOST_TEST(code(fs->link(who, file->attr.ino, kRootIno, "named")) == 0);
  BOOST_TEST(free_bytes() == 15 * kBlock);
  fs->on_full([](Ino) { return true; });
  BOOST_TEST(code(fs->create(who, kRootIno, "more", 0644, true)) == ENOSPC);
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_replaced_leaves_its_room, Room) {
  fs->forget(filled("old"), 1);
  const Ino file = create(kRootIno, "new");
  BOOST_TEST(code(fs->rename(who, kRootIno, "new", kRootIno, "old", 0)) == 0);
  BOOST_TEST(free_bytes() == 16 * kBlock);
  BOOST_TEST(put(file, 100 * kBlock) == 16 * kBlock);
  BOOST_TEST(free_inodes() == 18u);
}

BOOST_FIXTURE_TEST_CASE(every_kind_of_inode_counts, Room) {
  for (int i = 0; i < 19; ++i) fs->forget(create(kRootIno, std::to_string(i)), 1);
  BOOST_TEST(free_inodes() == 0u);
  BOOST_TEST(code(fs->create(who, kRootIno, "f", 0644, true)) == ENOSPC);
  BOOST_TEST(code(fs->mkdir(who, kRootIno, "d", 0755)) == ENOSPC);
  BOOST_TEST(code(fs->symlink(who, kRootIno, "s", "target")) == ENOSPC);
  BOOST_TEST(code(fs->mknod(who, kRootIno, "p", S_IFIFO | 0644, 0)) == ENOSPC);
  BOOST_TEST(code(fs->tmpfile(who, kRootIno, 0644)) == ENOSPC);
  BOOST_TEST(code(fs->rename(who, kRootIno, "0", kRootIno, "w", RENAME_WHITEOUT)) == ENOSPC);
  BOOST_TEST(code(fs->rename(who, kRootIno, "0", kRootIno, "w", 0)) == 0);
  BOOST_TEST(code(fs->link(who, at("1"), kRootIno, "another name")) == 0);
  BOOST_TEST(code(fs->mkdir(who, kRootIno, "2", 0755)) == EEXIST);
  BOOST_TEST(code(fs->create(who, kRootIno, "2", 0644, false)) == 0);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "3")) == 0);
  const Ino dir = mkdir(kRootIno, "d");
  BOOST_TEST(code(fs->mkdir(who, dir, "d", 0755)) == ENOSPC);
  BOOST_TEST(code(fs->rmdir(who, kRootIno, "d")) == 0);
  fs->forget(dir, 1);
  BOOST_TEST(code(fs->rename(who, kRootIno, "w", kRootIno, "v", RENAME_WHITEOUT)) == 0);
  BOOST_TEST(free_inodes() == 0u);
}

BOOST_FIXTURE_TEST_CASE(an_operation_that_fails_takes_no_inode, Room) {
  for (int i = 0; i < 50; ++i) {
    BOOST_TEST(code(fs->mkdir(who, kRootIno, std::string(300, 'x'), 0755)) == ENAMETOOLONG);
    BOOST_TEST(code(fs->mkdir(who, Ino{12345}, "d", 0755)) == ESTALE);
  }
  BOOST_TEST(free_inodes() == 19u);
}

BOOST_FIXTURE_TEST_CASE(who_may_not_wait_is_sent_to_where_one_may, Room) {
  const Ino file = filled("f");
  BOOST_TEST(code(fs->write(kHasty, file, 0, "x", false)) == value_of(kWouldWait));
  BOOST_TEST(code(fs->write(who, file, 0, "x", false)) == 0);
}

BOOST_FIXTURE_TEST_CASE(many_writers_fill_it_to_the_last_block, Room) {
  constexpr std::uint64_t kBlocks = 500;
  limit(kBlocks * kBlock, 100);
  std::atomic<int> early = 0, other = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    const Ino ino = create(kRootIno, std::to_string(t));
    threads.emplace_back([&, ino, t] {
      // Overlapping, so that they need less than they claim.
      const std::string bytes((4 + static_cast<std::size_t>(t)) * kBlock, 'x');
      for (std::uint64_t at = 0;; at += 2 * kBlock) {
        const auto done = fs->write(who, ino, at, bytes, false);
        if (done && *done == bytes.size()) continue;
        other += !done && done.error() != Errno{ENOSPC};
        early += fs->statfs()->f_bfree != 0;
        return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(early == 0);
  BOOST_TEST(other == 0);
  std::uint64_t blocks = 0;
  for (int t = 0; t < 4; ++t) blocks += attr(at(std::to_string(t))).blocks;
  BOOST_TEST(blocks == kBlocks * kBlock / 512);
}

BOOST_FIXTURE_TEST_CASE(many_creators_use_the_last_inode, Room) {
  limit(kBlock, 500);
  std::atomic<int> made = 0, early = 0, other = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0;; ++i) {
        const std::string name = std::to_string(t) + "-" + std::to_string(i);
        // Every other one fails for another reason.
        const Ino parent = i % 2 == 0 ? kRootIno : Ino{12345};
        const auto entry = fs->create(who, parent, name, 0644, true);
        made += entry.has_value();
        if (entry || entry.error() == Errno{ESTALE}) continue;
        other += entry.error() != Errno{ENOSPC};
        early += fs->statfs()->f_ffree != 0;
        return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(early == 0);
  BOOST_TEST(other == 0);
  BOOST_TEST(made == 499);
}

BOOST_FIXTURE_TEST_CASE(what_is_there_may_be_more_than_the_limit, Room) {
  filled("f");
  for (int i = 0; i < 10; ++i) create(kRootIno, std::to_string(i));
  limit(2 * kBlock, 3);
  BOOST_TEST(free_bytes() == 0u);
  BOOST_TEST(free_inodes() == 0u);
  const Ino file = at("f");
  BOOST_TEST(put(file, kBlock, 16 * kBlock) == -ENOSPC);
  BOOST_TEST(put(file, kBlock) == kBlock);
  BOOST_TEST(code(fs->setattr(who, file, {.size = kBlock})) == 0);
  BOOST_TEST(free_bytes() == kBlock);
  BOOST_TEST(put(file, 10 * kBlock) == 2 * kBlock);
}

BOOST_FIXTURE_TEST_CASE(statfs_says_the_limits_and_what_is_left, Room) {
  const auto stat = fs->statfs();
  BOOST_REQUIRE(stat);
  BOOST_TEST(stat->f_blocks * stat->f_frsize == 16 * kBlock);
  BOOST_TEST(stat->f_bavail * stat->f_frsize == 16 * kBlock);
  BOOST_TEST(stat->f_files == 20u);
  BOOST_TEST(stat->f_ffree == 19u);
  limit(1ull << 60, Limits::kNone);
  const auto large = fs->statfs();
  BOOST_TEST(large->f_blocks * large->f_frsize == 1ull << 60);
  BOOST_TEST(large->f_bavail * large->f_frsize < 1ull << 60);
}

BOOST_FIXTURE_TEST_CASE(the_counts_survive_an_orderly_end, Room) {
  put(create(kRootIno, "f"), 5 * kBlock);
  const Ino gone = create(kRootIno, "g");
  put(gone, 5 * kBlock);
  BOOST_TEST(code(fs->unlink(who, kRootIno, "g")) == 0);
  BOOST_TEST(free_bytes() == 6 * kBlock);
  reopen();
  BOOST_TEST(free_bytes() == 11 * kBlock);
  BOOST_TEST(free_inodes() == 18u);
}

BOOST_FIXTURE_TEST_CASE(the_counts_survive_a_crash, Room) {
  BOOST_REQUIRE(fs->close());
  fs.reset();
  const pid_t child = fork();
  if (child == 0) {
    open();
    put(create(kRootIno, "f"), 5 * kBlock);
    const Ino gone = create(kRootIno, "g");
    put(gone, 5 * kBlock);
    (void)fs->unlink(who, kRootIno, "g");
    mkdir(kRootIno, "d");
    _exit(0);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_REQUIRE(status == 0);
  open();
  BOOST_TEST(free_bytes() == 11 * kBlock);
  BOOST_TEST(free_inodes() == 17u);
  reopen();
  BOOST_TEST(free_bytes() == 11 * kBlock);
}

BOOST_FIXTURE_TEST_CASE(a_filesystem_of_another_version_is_refused, Room) {
  std::string state;
  BOOST_REQUIRE(fs->store().get(schema::state_key(), state));
  BOOST_REQUIRE(fs->close());
  fs.reset();
  const std::string path = folder.path + "/store";
  const auto put_state = [&](const std::string& value) {
    auto store = holt::Store::open(path, options.store);
    BOOST_REQUIRE(store);
    BOOST_REQUIRE((*store)->put(schema::state_key(), value));
    const auto report = check(**store, path);
    const bool known = report.has_value();
    BOOST_REQUIRE((*store)->close());
    return known ? holt::Code::kExists : report.error().code();
  };
  for (std::string other : {std::string("\1\0\0\0", 4) + std::string(20, '\0'),
                            std::string("\3\0\0\0", 4) + std::string(60, '\0')}) {
    BOOST_TEST((put_state(other) == holt::Code::kInvalid));
    const auto refused = Filesystem::open(path, options);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code() == holt::Code::kInvalid));
    BOOST_TEST(refused.error().to_string().find("of version") != std::string::npos);
  }
  BOOST_TEST((put_state(state) == holt::Code::kExists));
  open();
}
