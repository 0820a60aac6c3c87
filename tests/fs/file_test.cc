// Goal: contents are what was written, whatever the order of writes, truncations and holes.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <random>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

BOOST_FIXTURE_TEST_CASE(written_bytes_are_read, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(read(file) == "");
  write(file, "hello");
  write(file, "J");
  write(file, " world", 5);
  BOOST_TEST(read(file) == "Jello world");
  BOOST_TEST(read(file, 5, 6) == "world");
  BOOST_TEST(read(file, 5, 100) == "");
  BOOST_TEST(attr(file).size == 11);
  reopen();
  BOOST_TEST(read(at("f")) == "Jello world");
}

BOOST_FIXTURE_TEST_CASE(holes_are_zeros, Fixture) {
  const Ino file = create(kRootIno, "f");
  write(file, "end", 1 << 20);
  BOOST_TEST(read(file, 4, 1000) == std::string(4, '\0'));
  BOOST_TEST(attr(file).size == (1 << 20) + 3);
  BOOST_TEST(attr(file).blocks * 512 < 1 << 19);
  BOOST_TEST(*fs->lseek(who, file, 0, SEEK_DATA) <= 1u << 20);
  BOOST_TEST(*fs->lseek(who, file, 0, SEEK_DATA) > 0u);
  BOOST_TEST(*fs->lseek(who, file, 0, SEEK_HOLE) == 0u);
  BOOST_TEST(*fs->lseek(who, file, 1 << 20, SEEK_HOLE) == (1u << 20) + 3);
  BOOST_TEST(code(fs->lseek(who, file, 1 << 21, SEEK_DATA)) == ENXIO);
}

BOOST_FIXTURE_TEST_CASE(truncation_cuts_and_extends_with_zeros, Fixture) {
  const Ino file = create(kRootIno, "f");
  write(file, "0123456789");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 4})) == 0);
  BOOST_TEST(read(file) == "0123");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 8})) == 0);
  BOOST_TEST(read(file) == std::string("0123\0\0\0\0", 8));
  BOOST_TEST(code(fs->setattr(who, file, {.size = 0})) == 0);
  BOOST_TEST(attr(file).blocks == 0);
  BOOST_TEST(read(file) == "");
  write(file, "x");
  BOOST_TEST(read(file) == "x");
}

BOOST_FIXTURE_TEST_CASE(a_file_never_written_can_be_extended, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 3})) == 0);
  BOOST_TEST(read(file) == std::string(3, '\0'));
  reopen();
  BOOST_TEST(read(at("f")) == std::string(3, '\0'));
}

BOOST_FIXTURE_TEST_CASE(only_files_have_a_size_to_set, Fixture) {
  const Ino dir = mkdir(kRootIno, "d");
  const auto fifo = fs->mknod(who, kRootIno, "p", S_IFIFO | 0600, 0);
  BOOST_TEST(code(fs->setattr(who, dir, {.size = 0})) == EISDIR);
  BOOST_TEST(code(fs->setattr(who, fifo->attr.ino, {.size = 0})) == EINVAL);
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.size = ~0ull})) == EFBIG);
  BOOST_TEST(code(fs->write(who, file, ~0ull - 3, "x", false)) == EFBIG);
}

BOOST_FIXTURE_TEST_CASE(writing_changes_times_and_drops_set_id_if_told, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 06755})) == 0);
  const Attr before = attr(file);
  write(file, "x");
  BOOST_TEST((attr(file).mtime > before.mtime));
  BOOST_TEST((attr(file).mode & 07777) == 06755u);
  BOOST_REQUIRE(fs->write(who, file, 0, "y", true));
  BOOST_TEST((attr(file).mode & 07777) == 0755u);
}

BOOST_FIXTURE_TEST_CASE(allocation_extends_and_punches, Fixture) {
  const Ino file = create(kRootIno, "f");
  if (code(fs->fallocate(who, file, 0, 0, 1 << 16)) == EOPNOTSUPP) return;  // the host cannot
  BOOST_TEST(attr(file).size == 1 << 16);
  BOOST_TEST(attr(file).blocks * 512 >= 1 << 16);
  BOOST_TEST(code(fs->fallocate(who, file, FALLOC_FL_KEEP_SIZE, 1 << 16, 1 << 16)) == 0);
  BOOST_TEST(attr(file).size == 1 << 16);
  write(file, std::string(1 << 16, 'x'));
  BOOST_TEST(
      code(fs->fallocate(who, file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 4096, 4096)) == 0);
  BOOST_TEST(read(file, 2, 4095) == std::string("x\0", 2));
  BOOST_TEST(code(fs->fallocate(who, file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096)) == EOPNOTSUPP);
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 0)) == EINVAL);
  BOOST_TEST(code(fs->fallocate(who, mkdir(kRootIno, "d"), 0, 0, 1)) == EISDIR);
}

BOOST_FIXTURE_TEST_CASE(more_files_than_descriptors, Fixture) {
  close();
  options.max_open_host_files = 16;
  open();
  std::vector<Ino> files;
  for (int i = 0; i < 300; ++i) {
    files.push_back(create(kRootIno, std::to_string(i)));
    write(files.back(), std::to_string(i));
  }
  for (int i = 0; i < 300; ++i) BOOST_TEST(read(files[i]) == std::to_string(i));
}

BOOST_FIXTURE_TEST_CASE(contents_match_a_model_under_random_changes, Fixture) {
  std::mt19937 random(test_seed());
  const Ino file = create(kRootIno, "f");
  std::string model;
  for (int i = 0; i < 500; ++i) {
    const std::size_t offset = random() % 20'000, length = 1 + random() % 3000;
    if (random() % 4 == 0) {
      BOOST_TEST(code(fs->setattr(who, file, {.size = offset})) == 0);
      model.resize(offset);
    } else {
      const std::string bytes(length, static_cast<char>('a' + random() % 26));
      write(file, bytes, offset);
      if (model.size() < offset + length) model.resize(offset + length);
      model.replace(offset, length, bytes);
    }
    BOOST_TEST(attr(file).size == model.size());
    if (i % 20 == 0) BOOST_TEST((read(file) == model));
  }
  BOOST_TEST((read(file) == model));
  BOOST_TEST(problems() == "");
}

namespace {

struct HostFiles : Fixture {
  HostFiles() : Fixture(false) {}
  std::uint64_t host_files() { return check(fs->store(), folder.path + "/store")->host_files; }
  std::string only_host_file() const {
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(folder.path + "/store/data")) {
      if (file.is_regular_file()) return file.path().string();
    }
    return {};
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_first_change_that_fails_leaves_no_host_file, HostFiles) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 1ull << 60)) != 0);
  BOOST_TEST(code(fs->setattr(who, file, {.size = 1ull << 60})) != 0);
  BOOST_TEST(code(fs->write(who, file, 1ull << 60, "x", false)) != 0);
  BOOST_TEST(host_files() == 0);
  write(file, "data");
  BOOST_TEST(code(fs->setattr(who, file, {.size = 1ull << 60})) != 0);
  BOOST_TEST(attr(file).size == 4);
  reopen();
  BOOST_TEST(problems() == "");
  BOOST_TEST(read(at("f")) == "data");
}

BOOST_FIXTURE_TEST_CASE(contents_that_are_missing_are_an_error, HostFiles) {
  const Ino file = create(kRootIno, "f");
  write(file, "0123456789");
  std::filesystem::resize_file(only_host_file(), 4);
  std::string out(100, '\0');
  BOOST_TEST(code(fs->read(who, file, 0, out)) == EIO);
  BOOST_TEST(code(fs->read({.who = {}, .wait = holt::Wait::kNo}, file, 0, out)) ==
             value_of(kWouldWait));
  std::filesystem::resize_file(only_host_file(), 10);
  BOOST_TEST(read(file).size() == 10);
}

BOOST_FIXTURE_TEST_CASE(a_read_ends_where_the_record_says, HostFiles) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  std::filesystem::resize_file(only_host_file(), 10);
  BOOST_TEST(read(file) == "data");
  BOOST_TEST(read(file, 8) == "data");
  BOOST_TEST(read(file, 2, 3) == "a");
  BOOST_TEST(read(file, 2, 4) == "");
  BOOST_TEST(read(file, 2, 6) == "");
  std::string out(8, '\0');
  BOOST_TEST(*fs->read(who, file, 0, out, false) == 4u);
  std::filesystem::resize_file(only_host_file(), 4);
}

BOOST_FIXTURE_TEST_CASE(a_store_that_is_renamed_while_open_keeps_its_contents, HostFiles) {
  close();
  options.max_open_host_files = 16;
  open();
  std::vector<Ino> files;
  for (int i = 0; i < 200; ++i) {
    files.push_back(create(kRootIno, std::to_string(i)));
    write(files.back(), std::to_string(i));
  }
  std::filesystem::rename(folder.path + "/store", folder.path + "/elsewhere");
  for (int i = 0; i < 200; ++i) BOOST_TEST(read(files[i]) == std::to_string(i));
  std::filesystem::rename(folder.path + "/elsewhere", folder.path + "/store");
}

BOOST_FIXTURE_TEST_CASE(a_read_only_store_changes_no_contents, HostFiles) {
  write(create(kRootIno, "f"), "data");
  close();
  options.store.read_only = true;
  open();
  const Ino file = at("f");
  BOOST_TEST(code(fs->write(who, file, 0, "x", false)) == EROFS);
  BOOST_TEST(code(fs->fallocate(who, file, 0, 0, 100)) == EROFS);
  BOOST_TEST(code(fs->setattr(who, file, {.size = 100})) == EROFS);
  BOOST_TEST(read(file) == "data");
  BOOST_TEST(std::filesystem::file_size(only_host_file()) == 4);
  int synced = -1;
  fs->sync_async([&](int err) { synced = err; });
  BOOST_TEST(synced == 0);
}

BOOST_FIXTURE_TEST_CASE(truncation_moves_mtime_even_to_the_same_size, Fixture) {
  const Ino file = create(kRootIno, "f");
  for (const std::uint64_t size : {4, 4, 3}) {
    const Attr before = attr(file);
    BOOST_TEST(code(fs->setattr(who, file, {.size = size})) == 0);
    BOOST_TEST((attr(file).mtime > before.mtime));
  }
}

BOOST_FIXTURE_TEST_CASE(allocation_by_others_drops_set_id, Fixture) {
  const Ino file = create(kRootIno, "f");
  BOOST_TEST(code(fs->setattr(who, file, {.mode = 06777})) == 0);
  if (code(fs->fallocate(who, file, 0, 0, 4096)) == EOPNOTSUPP) return;  // the host cannot
  BOOST_TEST((attr(file).mode & 07777) == 06777u);
  BOOST_TEST(code(fs->fallocate({.who = {.uid = 1234, .gid = 1234}}, file, 0, 0, 8192)) == 0);
  BOOST_TEST((attr(file).mode & 07777) == 0777u);
}

BOOST_FIXTURE_TEST_CASE(reading_without_a_trace_leaves_atime, Fixture) {
  const Ino file = create(kRootIno, "f");
  write(file, "data");
  const Attr before = attr(file);
  std::string out(4, '\0');
  BOOST_REQUIRE(fs->read(who, file, 0, out, false));
  BOOST_TEST((attr(file).atime == before.atime));
  BOOST_REQUIRE(fs->read(who, file, 0, out));
  BOOST_TEST((attr(file).atime > before.atime));
}
