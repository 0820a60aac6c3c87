// opendir(3), readdir(3) and getdents(2): what a listing holds, what is no directory, and what
// remains of a directory that is removed while it is open. Positions have an area of their own.
#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

struct Entry {
  std::string name;
  ino_t ino;
  unsigned char type;
};

std::vector<Entry> entries_of(const char* path) {
  DIR* const dir = opendir(path);
  BOOST_REQUIRE(dir != nullptr);
  std::vector<Entry> out;
  errno = 0;
  while (const dirent* const entry = readdir(dir)) {
    out.push_back({entry->d_name, entry->d_ino, entry->d_type});
  }
  BOOST_TEST(errno == 0);
  closedir(dir);
  return out;
}

unsigned char d_type_of(Type type) { return static_cast<unsigned char>(IFTODT(bits_of(type))); }

long getdents(int fd, void* buffer, std::size_t size) {
  return syscall(SYS_getdents64, fd, buffer, size);
}

// All names that getdents gives in buffers of `size`, and how many calls it took.
std::pair<std::multiset<std::string>, int> read_in_parts(int fd, std::size_t size) {
  std::pair<std::multiset<std::string>, int> out;
  std::vector<char> buffer(size);
  for (long got = 1; got > 0; ++out.second) {
    got = getdents(fd, buffer.data(), size);
    NEEDS(got);
    for (long at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      out.first.insert(entry->d_name);
      at += entry->d_reclen;
    }
  }
  return out;
}

// Of a directory that was removed.
void check_dead(int dir) {
  std::array<char, 1000> buffer;
  FAILS(getdents(dir, buffer.data(), buffer.size()), ENOENT);
  FAILS(openat(dir, "x", O_WRONLY | O_CREAT, 0644), ENOENT);
  FAILS(mkdirat(dir, "x", 0755), ENOENT);
  FAILS(mknodat(dir, "x", S_IFIFO | 0644, 0), ENOENT);
  FAILS(mknodat(dir, "x", S_IFREG | 0644, 0), ENOENT);
  FAILS(symlinkat("target", dir, "x"), ENOENT);
  FAILS(unlinkat(dir, "x", 0), ENOENT);
  FAILS(unlinkat(dir, "x", AT_REMOVEDIR), ENOENT);
  FAILS(faccessat(dir, "x", F_OK, 0), ENOENT);
  WORKS(faccessat(dir, ".", F_OK, 0));
  struct stat st = {};
  WORKS(fstat(dir, &st));
  BOOST_TEST(st.st_nlink == 0U);
  BOOST_TEST(S_ISDIR(st.st_mode));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(directory_, Case)

BOOST_AUTO_TEST_CASE(lists_each_name_once_with_its_number_and_type) {
  make_dir("p");
  make_dir("p/d");
  std::map<std::string, Type> wanted = {{".", Type::kDirectory}, {"..", Type::kDirectory}};
  for (const Type type : kTypes) {
    const std::string name = "of type " + std::to_string(d_type_of(type));
    make(type, "p/d/" + name);
    wanted.emplace(name, type);
  }
  for (const char* name : {"link", "other link"}) {
    NEEDS(link("p/d/of type 8", (std::string("p/d/") + name).c_str()));
    wanted.emplace(name, Type::kRegular);
  }
  const std::vector<Entry> entries = entries_of("p/d");
  BOOST_TEST(entries.size() == wanted.size());
  for (const Entry& entry : entries) {
    BOOST_TEST_CONTEXT(entry.name) {
      BOOST_REQUIRE(wanted.contains(entry.name));
      BOOST_TEST(entry.type == d_type_of(wanted.at(entry.name)));
      BOOST_TEST(entry.ino == stat_of("p/d/" + entry.name).st_ino);
      wanted.erase(entry.name);
    }
  }
  BOOST_TEST(wanted.empty());
}

BOOST_AUTO_TEST_CASE(lists_dots_first_in_an_empty_directory_and_nothing_else) {
  make_dir("d");
  const std::vector<Entry> entries = entries_of("d");
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(std::set({entries[0].name, entries[1].name}) == (std::set<std::string>{".", ".."}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(dot_dot_has_the_number_of_where_the_directory_moved) {
  for (const char* dir : {"p", "q", "p/d"}) make_dir(dir);
  const auto above = [](const char* path) {
    for (const Entry& entry : entries_of(path)) {
      if (entry.name == "..") return entry.ino;
    }
    return ino_t{0};
  };
  BOOST_TEST(above("p/d") == stat_of("p").st_ino);
  NEEDS(rename("p/d", "q/d"));
  BOOST_TEST(above("q/d") == stat_of("q").st_ino);
}

BOOST_AUTO_TEST_CASE(lists_names_of_every_length_and_byte) {
  make_dir("lengths");
  make_dir("bytes");
  std::vector<std::string> lengths, bytes;
  for (std::size_t size = 1; size <= 255; ++size) {
    lengths.push_back(long_name(size));
    make(Type::kFifo, "lengths/" + lengths.back());
  }
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    for (const std::string before : {"", ".", "x"}) {
      const std::string name = before + static_cast<char>(byte);
      if (name == "." || name == "..") continue;
      bytes.push_back(name);
      make(Type::kFifo, "bytes/" + name);
    }
  }
  std::sort(bytes.begin(), bytes.end());
  BOOST_TEST(names_in("lengths") == lengths);
  BOOST_TEST(names_in("bytes") == bytes);
}

BOOST_AUTO_TEST_CASE(shows_every_change_at_once) {
  make_dir("d");
  make_dir("e");
  make_file("f");
  const struct {
    const char* name;
    std::function<long()> change;
    std::vector<std::string> names;
  } rows[] = {{"creat", [] { return open("d/a", O_WRONLY | O_CREAT, 0644); }, {"a"}},
              {"mkdir", [] { return mkdir("d/b", 0755); }, {"a", "b"}},
              {"link", [] { return link("f", "d/c"); }, {"a", "b", "c"}},
              {"unlink", [] { return unlink("d/a"); }, {"b", "c"}},
              {"symlink", [] { return symlink("x", "d/a"); }, {"a", "b", "c"}},
              {"rename within", [] { return rename("d/a", "d/z"); }, {"b", "c", "z"}},
              {"rename out", [] { return rename("d/z", "e/z"); }, {"b", "c"}},
              {"rename in", [] { return rename("e/z", "d/d"); }, {"b", "c", "d"}},
              {"rename onto", [] { return rename("d/d", "d/c"); }, {"b", "c"}},
              {"rmdir", [] { return rmdir("d/b"); }, {"c"}},
              {"mknod", [] { return mknod("d/b", S_IFIFO, 0); }, {"b", "c"}},
              {"nothing", [] { return 0; }, {"b", "c"}},
              {"rename of all",
               [] { return rename("d", "e/d") != 0 ? -1 : rename("e/d", "d"); },
               {"b", "c"}}};
  BOOST_TEST(names_in("d").empty());
  for (const auto& row : rows) {
    for (const bool by_another : {false, true}) {
      BOOST_TEST_CONTEXT(row.name << (by_another ? ", again" : "")) {
        if (!by_another) BOOST_TEST(as(kRoot, [&] { return err(row.change()); }) == Err{0});
        BOOST_TEST(names_in("d") == row.names);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_dir("d");
  NEEDS(symlink("d", "dlink"));
  NEEDS(symlink("loop", "loop"));
  NEEDS(symlink("nowhere", "dangling"));
  make_dir("closed", 0311);
  const std::string name = long_name(256);
  const struct {
    const char* path;
    int flags, wanted;
  } rows[] = {{"d", 0, 0},
              {"dlink", 0, 0},
              {"dlink", O_NOFOLLOW, ENOTDIR},
              {"dlink/", O_NOFOLLOW, 0},
              {"d/.", 0, 0},
              {"missing", 0, ENOENT},
              {"", 0, ENOENT},
              {"dangling", 0, ENOENT},
              {"loop", 0, ELOOP},
              {"d/missing", 0, ENOENT},
              {"missing", O_CREAT, EINVAL},
              {"closed", 0, EACCES},
              {name.c_str(), 0, ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40) << ' ' << row.flags) {
      BOOST_TEST(as(kAlice, [&] {
                   return err(open(row.path, O_RDONLY | O_DIRECTORY | row.flags, 0755));
                 }) == Err{row.wanted});
    }
  }
  for (const Type type : kTypes) {
    if (type == Type::kDirectory || type == Type::kSymlink) continue;
    make(type, "x");
    BOOST_TEST_CONTEXT(type) {
      BOOST_TEST(opendir("x") == nullptr);
      BOOST_TEST(errno == ENOTDIR);
      FAILS(chdir("x"), ENOTDIR);
      FAILS(open("x", O_PATH | O_DIRECTORY), ENOTDIR);
    }
    NEEDS(remove("x"));
  }
}

BOOST_AUTO_TEST_CASE(is_no_file_to_read_or_write) {
  make_dir("d");
  for (const int flags : {O_WRONLY, O_RDWR, O_CREAT, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC,
                          O_RDWR | O_CREAT, O_RDWR | O_APPEND}) {
    BOOST_TEST_CONTEXT(flags) { FAILS(open("d", flags, 0644), EISDIR); }
  }
  FAILS(open("d", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
  const Fd fd = open_file("d", O_RDONLY);
  char bytes[10] = {};
  const iovec part = {bytes, sizeof bytes};
  FAILS(read(fd, bytes, sizeof bytes), EISDIR);
  FAILS(pread(fd, bytes, sizeof bytes, 0), EISDIR);
  FAILS(readv(fd, &part, 1), EISDIR);
  FAILS(write(fd, bytes, sizeof bytes), EBADF);
  FAILS(ftruncate(fd, 0), EINVAL);
  FAILS(truncate("d", 0), EISDIR);
  FAILS(fallocate(fd, 0, 0, 1), EBADF);
  BOOST_TEST(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
  BOOST_TEST(errno == ENODEV);
  WORKS(fsync(fd));
  WORKS(fdatasync(fd));
  WORKS(flock(fd, LOCK_EX));
}

BOOST_AUTO_TEST_CASE(getdents_is_refused) {
  make_file("f");
  make_dir("d");
  std::array<char, 1000> buffer;
  const Fd dir = open_file("d", O_RDONLY), file = open_file("f", O_RDONLY);
  const Fd path = open_file("d", O_PATH);
  FAILS(getdents(file, buffer.data(), buffer.size()), ENOTDIR);
  FAILS(getdents(path, buffer.data(), buffer.size()), EBADF);
  FAILS(getdents(-1, buffer.data(), buffer.size()), EBADF);
  FAILS(getdents(dir, reinterpret_cast<void*>(8), 1000), EFAULT);
  FAILS(getdents(dir, buffer.data(), 0), EINVAL);
  FAILS(getdents(dir, buffer.data(), 23), EINVAL);
  BOOST_TEST(getdents(dir, buffer.data(), 24) == 24);
  BOOST_TEST(getdents(dir, buffer.data(), 24) == 24);
  BOOST_TEST(getdents(dir, buffer.data(), 24) == 0);
  BOOST_TEST(getdents(dir, buffer.data(), 24) == 0);
}

BOOST_AUTO_TEST_CASE(getdents_fills_buffers_of_every_size) {
  make_dir("d");
  std::multiset<std::string> wanted = {".", ".."};
  for (std::size_t size = 1; size <= 200; ++size) {
    wanted.insert(long_name(size));
    make(Type::kFifo, "d/" + long_name(size));
  }
  int most = 1000000;
  for (const std::size_t size : {224, 232, 256, 280, 400, 512, 1000, 4096, 32768, 1 << 20}) {
    BOOST_TEST_CONTEXT(size) {
      const Fd dir = open_file("d", O_RDONLY);
      const auto [names, calls] = read_in_parts(dir, size);
      BOOST_TEST(names == wanted, boost::test_tools::per_element());
      BOOST_TEST(calls <= most);
      most = calls;
    }
  }
  // One that is too large for the buffer stays for the next call.
  make_dir("e");
  make(Type::kFifo, "e/" + long_name(255));
  const Fd dir = open_file("e", O_RDONLY);
  std::array<char, 280> buffer;
  long room = 0;
  for (long got = 1; got > 0; room += got) {
    got = getdents(dir, buffer.data(), 24);
    if (got < 0) FAILS(got, EINVAL);
    if (got < 0) BOOST_TEST(getdents(dir, buffer.data(), 279) == -1);
    if (got < 0) got = getdents(dir, buffer.data(), 280);
  }
  BOOST_TEST(room == 24 + 24 + 280);
}

BOOST_AUTO_TEST_CASE(removed_while_open_it_is_dead) {
  make_dir("d");
  make_dir("d/sub");
  make_file("f");
  const Fd dir = open_file("d/sub", O_RDONLY | O_DIRECTORY), path = open_file("d/sub", O_PATH);
  const ino_t ino = stat_of("d/sub").st_ino;
  NEEDS(rmdir("d/sub"));
  for (const int fd : {static_cast<int>(dir), static_cast<int>(path)}) {
    FAILS(linkat(AT_FDCWD, "f", fd, "x", 0), ENOENT);
    FAILS(renameat(AT_FDCWD, "f", fd, "x"), ENOENT);
    FAILS(renameat(fd, "x", AT_FDCWD, "y"), ENOENT);
  }
  check_dead(dir);
  BOOST_TEST(exists("f"));
  WORKS(fchmod(dir, 0700));
  WORKS(fchown(dir, 1, 2));
  WORKS(futimens(dir, nullptr));
  WORKS(fsync(dir));
  WORKS(flock(dir, LOCK_EX));
  struct stat st = {};
  NEEDS(fstat(dir, &st));
  BOOST_TEST(st.st_mode == (S_IFDIR | 0700));
  BOOST_TEST(st.st_uid == 1U);
  BOOST_TEST(st.st_ino == ino);
  // Another of its name is another one.
  make_dir("d/sub");
  make_file("d/sub/x");
  check_dead(dir);
  NEEDS(unlink("d/sub/x"));
  NEEDS(rmdir("d/sub"));
  NEEDS(rmdir("d"));
  check_dead(dir);
}

BOOST_AUTO_TEST_CASE(removed_while_open_it_holds_no_files_without_names) {
  make_dir("d");
  const Fd dir = open_file("d", O_RDONLY | O_DIRECTORY);
  NEEDS(rmdir("d"));
  FAILS(openat(dir, ".", O_TMPFILE | O_RDWR, 0644), EPERM);
}

BOOST_AUTO_TEST_CASE(removed_while_it_is_listed_the_listing_ends) {
  make_dir("d");
  DIR* const dir = opendir("d");
  BOOST_REQUIRE(dir != nullptr);
  NEEDS(rmdir("d"));
  errno = 0;
  BOOST_TEST(readdir(dir) == nullptr);
  BOOST_TEST(errno == 0);
  rewinddir(dir);
  BOOST_TEST(readdir(dir) == nullptr);
  WORKS(closedir(dir));
}

BOOST_AUTO_TEST_CASE(a_working_directory_that_is_removed_is_dead) {
  make_dir("p");
  make_dir("p/d");
  make_file("f");
  const ino_t p = stat_of("p").st_ino;
  NEEDS(chdir("p/d"));
  WORKS(rmdir("../d"));
  char path[4096];
  BOOST_TEST(getcwd(path, sizeof path) == nullptr);
  BOOST_TEST(errno == ENOENT);
  FAILS(rmdir("."), EINVAL);
  FAILS(rmdir("../d"), ENOENT);
  FAILS(rename("../../f", "x"), ENOENT);
  FAILS(creat("x", 0644), ENOENT);
  FAILS(access("x", F_OK), ENOENT);
  BOOST_TEST(stat_of(".").st_nlink == 0U);
  BOOST_TEST(stat_of("..").st_ino == p);
  const Fd here = open_file(".", O_RDONLY | O_DIRECTORY);
  check_dead(here);
  WORKS(fchdir(here));
  WORKS(access("../../f", F_OK));
  WORKS(chdir(".."));
  BOOST_TEST(getcwd(path, sizeof path) == folder + "/p");
}

BOOST_AUTO_TEST_CASE(counts_its_subdirectories) {
  make_dir("d");
  for (int i = 0; i < 300; ++i) make_dir("d/" + std::to_string(i));
  BOOST_TEST(stat_of("d").st_nlink == 302U);
  for (int i = 0; i < 300; i += 2) NEEDS(rmdir(("d/" + std::to_string(i)).c_str()));
  BOOST_TEST(stat_of("d").st_nlink == 152U);
  BOOST_TEST(names_in("d").size() == 150U);
  FAILS(rmdir("d"), ENOTEMPTY);
}

BOOST_AUTO_TEST_SUITE_END()
