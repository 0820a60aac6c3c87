// Goal: after the process dies, what was acknowledged is there, and nothing of nameless files is
// left. Crash model: the process dies (fork and _exit) with everything it applied in the page
// cache.
#include <fmt/format.h>

#include <fstream>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

struct Crash : Fixture {
  explicit Crash(bool pack = true) : Fixture(pack) {}
  std::uint64_t host_files() { return check(fs->store(), folder.path + "/store")->host_files; }
};
struct HostFileCrash : Crash {
  HostFileCrash() : Crash(false) {}
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(acknowledged_changes_survive, Crash) {
  in_dying_process([&] {
    const Ino dir = mkdir(kRootIno, "d");
    for (int i = 0; i < 100; ++i) write(create(dir, std::to_string(i)), "data");
  });
  BOOST_TEST(attr(at("d")).size == 100);
  BOOST_TEST(read(at("d/42")) == "data");
}

BOOST_FIXTURE_TEST_CASE(nameless_files_are_gone_with_their_contents, HostFileCrash) {
  in_dying_process([&] {
    const Ino file = create(kRootIno, "f");
    write(file, "data");
    (void)fs->unlink(who, kRootIno, "f");
    write(file, "more");
    const auto temporary = fs->tmpfile(who, kRootIno, 0600);
    write(temporary->attr.ino, "data");
    write(create(kRootIno, "kept"), "kept");
  });
  BOOST_TEST(host_files() == 1);
  BOOST_TEST(read(at("kept")) == "kept");
  BOOST_TEST(lookup_code(kRootIno, "f") == ENOENT);
}

BOOST_FIXTURE_TEST_CASE(removals_not_carried_out_are_made_up_for, HostFileCrash) {
  in_dying_process([&] {
    for (int i = 0; i < 50; ++i) {
      const Ino file = create(kRootIno, "f");
      write(file, "data");
      (void)fs->unlink(who, kRootIno, "f");
      fs->forget(file, 1);
    }
  });
  BOOST_TEST(host_files() == 0);
}

BOOST_FIXTURE_TEST_CASE(host_bytes_beyond_the_record_are_cut_off, HostFileCrash) {
  std::string host;
  in_dying_process([&] { write(create(kRootIno, "f"), "data"); });
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(folder.path + "/store/data")) {
    if (file.is_regular_file()) host = file.path().string();
  }
  in_dying_process([&] { std::ofstream(host, std::ios::app) << "not recorded"; });
  BOOST_TEST(read(at("f")) == "data");
  BOOST_TEST(code(fs->setattr(who, at("f"), {.size = 6})) == 0);
  BOOST_TEST(read(at("f")) == std::string("data\0\0", 6));
}

BOOST_FIXTURE_TEST_CASE(inode_numbers_are_not_given_out_again, Crash) {
  in_dying_process([&] { create(kRootIno, "a"); });
  const Ino a = at("a"), b = create(kRootIno, "b");
  BOOST_TEST(number_of(b) > number_of(a));
}

BOOST_FIXTURE_TEST_CASE(a_clean_end_is_told_from_a_crash, Crash) {
  create(kRootIno, "f");
  BOOST_TEST(!check(fs->store(), folder.path + "/store")->clean);
  close();
  auto store = holt::Store::open(folder.path + "/store", options.store);
  BOOST_REQUIRE(store);
  const auto report = check(**store, folder.path + "/store");
  BOOST_REQUIRE(report);
  BOOST_TEST(report->clean);
  BOOST_TEST(report->problems.empty());
  BOOST_REQUIRE((*store)->close());
  store->reset();
  open();
}

BOOST_FIXTURE_TEST_CASE(a_file_is_as_long_as_what_reached_the_disk, HostFileCrash) {
  in_dying_process([&] {
    write(create(kRootIno, "cut"), "0123456789");
    write(create(kRootIno, "gone"), "0123456789");
  });
  const auto host_of = [&](const char* name) {
    return fmt::format("{}/store/data/{:03x}/{:016x}", folder.path, number_of(at(name)) >> 10,
                       number_of(at(name)));
  };
  const std::string cut = host_of("cut"), gone = host_of("gone");
  in_dying_process([&] {
    std::filesystem::resize_file(cut, 4);
    std::filesystem::remove(gone);
  });
  BOOST_TEST(read(at("cut")) == "0123");
  BOOST_TEST(attr(at("cut")).size == 4);
  BOOST_TEST(attr(at("gone")).size == 0);
  reopen();
  BOOST_TEST(problems() == "");
}

BOOST_FIXTURE_TEST_CASE(contents_outlive_a_record_that_is_damaged, HostFileCrash) {
  std::string record;
  in_dying_process([&] { write(create(kRootIno, "f"), "data"); });
  const std::string key = schema::entry_key("", "f");
  BOOST_REQUIRE(fs->store().get(key, record));
  in_dying_process([&] { (void)fs->store().put(key, "\x01 damaged"); });
  BOOST_TEST(host_files() == 1);
  in_dying_process([&] { (void)fs->store().put(key, record); });
  BOOST_TEST(read(at("f")) == "data");
}

BOOST_FIXTURE_TEST_CASE(a_number_whose_host_file_is_left_is_not_given_out, Crash) {
  in_dying_process([&] {
    std::filesystem::create_directories(folder.path + "/store/data/3ff");
    std::ofstream(folder.path + "/store/data/3ff/00000000000ffc05") << "stray";
  });
  BOOST_TEST(host_files() == 0);
  BOOST_TEST(number_of(create(kRootIno, "new")) > 0xffc05u);
}
