// What the tests of libholtfs share: a filesystem in a fresh folder, and short names for its
// operations.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fs/check.h"
#include "fs/filesystem.h"
#include "tests/fs/seed.h"

namespace holtfs::test {

// Errors as plain numbers, 0 for none, so that failures print as errno does.
template <class T>
int code(const Outcome<T>& outcome) {
  return outcome ? 0 : value_of(outcome.error());
}

// What the checker finds in a store in `path`, a line each.
inline std::string problems_of(const holt::Store& store, const std::string& path) {
  const auto report = check(store, path);
  if (!report) return report.error().to_string();
  std::string lines;
  for (const std::string& problem : report->problems) lines += problem + "\n";
  return lines;
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "holtfs-test-XXXXXX").string();
    BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

struct Fixture {
  // Without `pack` all contents are in host files.
  explicit Fixture(bool pack = true) {
    options.pack = pack;
    open();
  }
  ~Fixture() {
    if (!fs) return;
    BOOST_CHECK_EQUAL(problems(), "");
    close();
  }

  void open() {
    options.store.cache_bytes = holt::kMinCacheBytes;
    options.store.wal_bytes = 8u << 20;
    auto opened = Filesystem::open(path(), options);
    BOOST_REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().to_string()));
    fs = std::move(*opened);
  }
  // Ends in order, and checks what that left on disk. Does not throw.
  void close() {
    BOOST_CHECK(fs->close());
    fs.reset();
    holt::Options reading = options.store;
    reading.read_only = true;
    const auto store = holt::Store::open(path(), reading);
    BOOST_CHECK_MESSAGE(store, (store ? "" : store.error().to_string()));
    if (store) BOOST_CHECK_EQUAL(problems_of(**store, path()), "");
  }
  void reopen() {
    close();
    open();
  }

  // Runs `work` on the store in a process that dies without closing anything, calls `harm` on what
  // it left, and opens the store again.
  void in_dying_process(
      const std::function<void()>& work, const std::function<void()>& harm = [] {}) {
    BOOST_REQUIRE(fs->close());  // unchecked: some tests leave damage
    fs.reset();
    const pid_t child = fork();
    if (child == 0) {
      open();
      work();
      _exit(0);
    }
    int status = 0;
    BOOST_REQUIRE(waitpid(child, &status, 0) == child);
    BOOST_REQUIRE(status == 0);
    harm();
    open();
  }

  std::string path() const { return folder.path + "/store"; }
  // What the checker finds while the filesystem is open.
  std::string problems() const { return problems_of(fs->store(), path()); }

  // The inode of a path such as "a/b/c", with a lookup that nobody takes back.
  Ino at(const std::string& path) {
    Ino ino = kRootIno;
    for (const std::string& name : split(path)) {
      const auto entry = fs->lookup(who, ino, name);
      BOOST_REQUIRE_MESSAGE(entry, "no " << path << ": " << code(entry));
      ino = entry->attr.ino;
    }
    return ino;
  }
  int lookup_code(Ino parent, const std::string& name) {
    const auto entry = fs->lookup(who, parent, name);
    if (entry) fs->forget(entry->attr.ino, 1);
    return code(entry);
  }
  Ino mkdir(Ino parent, const std::string& name) {
    const auto entry = fs->mkdir(who, parent, name, 0755);
    BOOST_REQUIRE_MESSAGE(entry, "mkdir " << name << ": " << code(entry));
    return entry->attr.ino;
  }
  Ino create(Ino parent, const std::string& name) {
    const auto entry = fs->create(who, parent, name, 0644, true);
    BOOST_REQUIRE_MESSAGE(entry, "create " << name << ": " << code(entry));
    return entry->attr.ino;
  }
  Attr attr(Ino ino) {
    const auto got = fs->getattr(who, ino);
    BOOST_REQUIRE_MESSAGE(got, "getattr: " << code(got));
    return *got;
  }
  void write(Ino ino, const std::string& bytes, std::uint64_t offset = 0) {
    const auto done = fs->write(who, ino, offset, bytes, false);
    BOOST_REQUIRE_MESSAGE(done, "write: " << code(done));
    BOOST_REQUIRE_EQUAL(*done, bytes.size());
  }
  std::string read(Ino ino, std::size_t size = 1 << 16, std::uint64_t offset = 0) {
    std::string out(size, '\0');
    const auto done = fs->read(who, ino, offset, out);
    BOOST_REQUIRE_MESSAGE(done, "read: " << code(done));
    out.resize(*done);
    return out;
  }
  // Names in the order in which they are given, without "." and "..", `chunk` of them at a time.
  std::vector<std::string> list(Ino dir, std::size_t chunk = 1000) {
    std::vector<std::string> names;
    std::uint64_t cookie = 0;
    while (true) {
      std::size_t room = chunk;
      const auto done = fs->readdir(who, dir, cookie, [&](const DirEntry& entry) {
        if (room == 0) return false;
        --room;
        cookie = entry.cookie;
        if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
        return true;
      });
      BOOST_REQUIRE_MESSAGE(done, "readdir: " << code(done));
      if (room == chunk) return names;
    }
  }

  static std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& part : std::filesystem::path(path)) names.push_back(part.string());
    return names;
  }

  Folder folder;
  FilesystemOptions options;
  std::unique_ptr<Filesystem> fs;
  Caller who;
};

}  // namespace holtfs::test
