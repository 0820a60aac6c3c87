// open(2), openat(2) and creat(2): what each flag does. Who may: open_access_area.cc.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <memory>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

Err open_with(const char* path, int flags, mode_t mode = 0644) {
  return closed(open(path, flags | O_NONBLOCK | O_CLOEXEC, mode));
}

Err put(int fd, std::string_view bytes) { return err(write(fd, bytes.data(), bytes.size())); }

std::string get(int fd, std::size_t size = 100) {
  std::string bytes(size, '\0');
  const ssize_t got = read(fd, bytes.data(), size);
  NEEDS(got);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(open_, Case)

BOOST_AUTO_TEST_CASE(reads_and_writes_as_the_access_mode_says) {
  const struct {
    int flags, reading, writing;
  } rows[] = {{O_RDONLY, 0, EBADF},
              {O_WRONLY, EBADF, 0},
              {O_RDWR, 0, 0},
              {O_WRONLY | O_APPEND, EBADF, 0},
              {O_ACCMODE, EBADF, EBADF}};
  for (const bool fresh : {true, false}) {
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(std::oct << row.flags << (fresh ? ", made" : "")) {
        if (!fresh) make_file("f", "12345");
        const Fd fd = open_file("f", row.flags | (fresh ? O_CREAT | O_EXCL : 0), 0);
        char byte = 'x';
        FAILS(read(fd, &byte, 1), row.reading);
        FAILS(pread(fd, &byte, 1, 0), row.reading);
        FAILS(write(fd, &byte, 1), row.writing);
        FAILS(pwrite(fd, &byte, 1, 0), row.writing);
        FAILS(ftruncate(fd, 3), row.writing == 0 ? 0 : EINVAL);
        NEEDS(unlink("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(shows_its_flags_but_those_that_work_once) {
  constexpr int kAsked = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT | O_NOATIME |
                         O_NOFOLLOW | O_DIRECTORY | O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY;
  make_file("f");
  make_dir("d");
  const std::pair<const char*, int> rows[] = {{"f", O_RDONLY},
                                              {"f", O_WRONLY},
                                              {"f", O_RDWR},
                                              {"f", O_RDWR | O_APPEND},
                                              {"f", O_RDWR | O_NONBLOCK},
                                              {"f", O_RDWR | O_DSYNC},
                                              {"f", O_RDWR | O_SYNC},
                                              {"f", O_RDWR | O_DIRECT},
                                              {"f", O_RDONLY | O_NOATIME},
                                              {"f", O_RDONLY | O_NOFOLLOW},
                                              {"d", O_RDONLY | O_DIRECTORY},
                                              {"d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW},
                                              {"f", O_ACCMODE}};
  for (const auto& [path, flags] : rows) {
    for (const int once : {0, O_CREAT, O_TRUNC, O_CREAT | O_TRUNC | O_NOCTTY}) {
      if (once != 0 && ((flags & O_DIRECTORY) != 0 || (flags & O_ACCMODE) == O_RDONLY)) continue;
      BOOST_TEST_CONTEXT(path << " with " << std::oct << flags << " and " << once) {
        const Fd fd(open(path, flags | once, 0644));
        NEEDS(fd);
        BOOST_TEST((fcntl(fd, F_GETFL) & kAsked) == flags);
        BOOST_TEST(fcntl(fd, F_GETFD) == 0);
      }
    }
  }
  const Fd fd(open("f", O_RDONLY | O_CLOEXEC));
  BOOST_TEST(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

BOOST_AUTO_TEST_CASE(gives_the_lowest_descriptor_at_the_beginning_of_the_file) {
  make_file("f", "12345");
  const int lowest = dup(0);
  NEEDS(lowest);
  close(lowest);
  const Fd one(open("f", O_RDWR));
  BOOST_TEST(static_cast<int>(one) == lowest);
  BOOST_TEST(get(one, 2) == "12");
  const Fd two = open_file("f", O_RDWR);
  BOOST_TEST(lseek(two, 0, SEEK_CUR) == 0);
  BOOST_TEST(lseek(one, 0, SEEK_CUR) == 2);
}

BOOST_AUTO_TEST_CASE(O_CREAT_leaves_alone_what_exists) {
  make_file("f", "12345", 0604);
  give("f", kBob);
  for (const int flags : {O_RDONLY | O_CREAT, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_APPEND}) {
    const auto work = [&] { BOOST_TEST(open_with("f", flags, 0777) == Err{0}); };
    BOOST_TEST(moved_times_of({"f", "."}, work) == "- -");
  }
  BOOST_TEST(mode_of("f") == 0604U);
  BOOST_TEST(stat_of("f").st_uid == kBob.uid);
  BOOST_TEST(content_of("f") == "12345");
}

BOOST_AUTO_TEST_CASE(O_CREAT_makes_what_a_symlink_leads_to) {
  make_dir("d");
  const std::pair<std::string, const char*> rows[] = {{"new", "new"},
                                                      {"d/new", "d/new"},
                                                      {"./d/../new", "new"},
                                                      {folder + "/d/new", "d/new"},
                                                      {"second", "d/new"}};
  NEEDS(symlink("d/new", "second"));
  for (const auto& [target, made] : rows) {
    BOOST_TEST_CONTEXT(target) {
      NEEDS(symlink(target.c_str(), "link"));
      BOOST_TEST(open_with("link", O_RDWR | O_CREAT | O_EXCL) == Err{EEXIST});
      BOOST_TEST(!exists(made));
      BOOST_TEST(open_with("link", O_RDWR) == Err{ENOENT});
      BOOST_TEST(open_with("link", O_RDWR | O_CREAT, 0640) == Err{0});
      BOOST_TEST(S_ISREG(stat_of(made).st_mode));
      BOOST_TEST(mode_of(made) == 0640U);
      BOOST_TEST(S_ISLNK(stat_of("link").st_mode));
      NEEDS(unlink(made));
      NEEDS(unlink("link"));
    }
  }
  NEEDS(symlink("missing/new", "lost"));
  BOOST_TEST(open_with("lost", O_RDWR | O_CREAT) == Err{ENOENT});
  NEEDS(symlink("loop", "loop"));
  BOOST_TEST(open_with("loop", O_RDWR | O_CREAT) == Err{ELOOP});
}

BOOST_AUTO_TEST_CASE(makes_a_file_that_it_could_not_open_again) {
  make_dir("d", 0777);
  const auto work = [] {
    const Fd fd(open("d/f", O_RDWR | O_CREAT | O_EXCL, 0));
    if (fd < 0) return err(fd);
    if (const Err wrote = put(fd, "12345"); wrote.number != 0) return wrote;
    const Fd again(open("d/f", O_RDONLY));
    return again < 0 && errno == EACCES ? Err{0} : Err{EBADE};
  };
  BOOST_TEST(as(kAlice, work) == Err{0});
  BOOST_TEST(content_of("d/f") == "12345");
  BOOST_TEST(mode_of("d/f") == 0U);
}

BOOST_AUTO_TEST_CASE(O_TRUNC_empties_a_regular_file) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{100000}}) {
    for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY, O_WRONLY | O_CREAT, O_RDWR | O_APPEND}) {
      BOOST_TEST_CONTEXT(size << " bytes with " << std::oct << flags) {
        make_file("f", std::string(size, 'x'), 0640);
        const struct stat before = stat_of("f");
        BOOST_TEST(moved_times_of({"f", "."}, [&] {
                     BOOST_TEST(open_with("f", flags | O_TRUNC, 0777) == Err{0});
                   }) == "mc -");
        const struct stat after = stat_of("f");
        BOOST_TEST(after.st_size == 0);
        BOOST_TEST(after.st_blocks == 0);
        BOOST_TEST(after.st_ino == before.st_ino);
        BOOST_TEST(after.st_mode == before.st_mode);
        BOOST_TEST(content_of("f").empty());
        NEEDS(unlink("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(O_TRUNC_moves_the_times_of_an_empty_file_too) {
  make_file("f");
  for (const int flags : {O_WRONLY, O_RDONLY, O_RDWR | O_CREAT}) {
    const auto work = [&] { BOOST_TEST(open_with("f", flags | O_TRUNC) == Err{0}); };
    BOOST_TEST(moved_times_of({"f", "."}, work) == "mc -", "with " << std::oct << flags);
  }
}

BOOST_AUTO_TEST_CASE(O_TRUNC_shows_through_descriptors_and_mappings) {
  make_file("f", "12345");
  const Fd fd = open_file("f", O_RDWR);
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  BOOST_REQUIRE(page != MAP_FAILED);
  BOOST_TEST(std::string(static_cast<const char*>(page)) == "12345");
  BOOST_TEST(get(fd, 2) == "12");
  BOOST_TEST(open_with("f", O_WRONLY | O_TRUNC) == Err{0});
  BOOST_TEST(get(fd).empty());
  BOOST_TEST(put(fd, "x") == Err{0});
  BOOST_TEST(content_of("f") == (std::string{'\0', '\0', 'x'}));
  BOOST_TEST(static_cast<const char*>(page)[2] == 'x');
  munmap(page, 4096);
}

BOOST_AUTO_TEST_CASE(O_TRUNC_takes_set_id_bits_from_other_users) {
  const struct {
    mode_t before, after;
  } rows[] = {{06777, 0777}, {04766, 0766}, {02776, 0776}, {02766, 02766}, {01777, 01777}};
  for (const auto& row : rows) {
    for (const char* const content : {"12345", ""}) {
      BOOST_TEST_CONTEXT(std::oct << row.before << " of a file with " << content) {
        make_file("f", content, row.before);
        BOOST_TEST(open_with("f", O_WRONLY | O_TRUNC) == Err{0});
        BOOST_TEST(mode_of("f") == row.before);  // root has CAP_FSETID
        BOOST_TEST(as(kAlice, [] { return open_with("f", O_WRONLY); }) == Err{0});
        BOOST_TEST(mode_of("f") == row.before);
        give("f", {.uid = kAlice.uid, .gid = kAlice.gid});
        NEEDS(chmod("f", row.before));
        BOOST_TEST(as(kAlice, [] { return open_with("f", O_WRONLY | O_TRUNC); }) == Err{0});
        BOOST_TEST(mode_of("f") == row.after);
        NEEDS(unlink("f"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(O_TRUNC_of_something_else_does_nothing) {
  make(Type::kFifo, "fifo");
  make(Type::kCharDevice, "null", 0666);
  for (const char* const path : {"fifo", "null"}) {
    const auto work = [&] { BOOST_TEST(open_with(path, O_RDWR | O_TRUNC) == Err{0}); };
    BOOST_TEST(moved_times(path, work) == "", path);
  }
}

BOOST_AUTO_TEST_CASE(O_APPEND_writes_at_the_end_wherever_it_is) {
  make_file("f", "12345");
  const Fd one = open_file("f", O_RDWR | O_APPEND), two = open_file("f", O_WRONLY | O_APPEND);
  BOOST_TEST(lseek(one, 0, SEEK_CUR) == 0);
  BOOST_TEST(put(one, "a") == Err{0});
  BOOST_TEST(lseek(one, 0, SEEK_CUR) == 6);
  BOOST_TEST(put(two, "b") == Err{0});
  NEEDS(lseek(one, 1, SEEK_SET));
  BOOST_TEST(get(one, 1) == "2");
  BOOST_TEST(put(one, "c") == Err{0});
  BOOST_TEST(pwrite(one, "d", 1, 0) == 1);  // where POSIX would have it at 0
  BOOST_TEST(content_of("f") == "12345abcd");
  NEEDS(truncate("f", 2));
  BOOST_TEST(put(two, "e") == Err{0});
  BOOST_TEST(content_of("f") == "12e");
  NEEDS(fcntl(two, F_SETFL, 0));
  NEEDS(lseek(two, 0, SEEK_SET));
  BOOST_TEST(put(two, "f") == Err{0});
  BOOST_TEST(content_of("f") == "f2e");
}

BOOST_AUTO_TEST_CASE(O_APPEND_does_not_lose_what_others_append) {
  make_file("f");
  constexpr int kRounds = 200;
  const auto append = [](char byte) {
    return as(kRoot, [byte] {
      const Fd fd(open("f", O_WRONLY | O_APPEND));
      for (int i = 0; i < kRounds; ++i) {
        if (write(fd, &byte, 1) != 1) return Err{EBADE};
      }
      return Err{0};
    });
  };
  const pid_t child = fork();
  if (child == 0) _exit(append('a').number);
  BOOST_TEST(append('b') == Err{0});
  int status = -1;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  const std::string content = content_of("f");
  BOOST_TEST(std::count(content.begin(), content.end(), 'a') == kRounds);
  BOOST_TEST(std::count(content.begin(), content.end(), 'b') == kRounds);
}

BOOST_AUTO_TEST_CASE(O_DIRECTORY_opens_directories_only) {
  for (const Type type : kTypes) {
    make(type, "x");
    BOOST_TEST_CONTEXT(type) {
      const int wanted = type == Type::kDirectory ? 0 : type == Type::kSymlink ? ENOENT : ENOTDIR;
      BOOST_TEST(open_with("x", O_RDONLY | O_DIRECTORY) == Err{wanted});
      const int unfollowed = type == Type::kDirectory ? 0 : ENOTDIR;
      BOOST_TEST(open_with("x", O_RDONLY | O_DIRECTORY | O_NOFOLLOW) == Err{unfollowed});
      BOOST_TEST(open_with("x", O_RDONLY | O_CREAT | O_DIRECTORY) == Err{EINVAL});
      BOOST_TEST(open_with("new", O_RDONLY | O_CREAT | O_DIRECTORY) == Err{EINVAL});
    }
    NEEDS(remove("x"));
  }
  make_dir("d");
  NEEDS(symlink("d", "to_d"));
  BOOST_TEST(open_with("to_d", O_RDONLY | O_DIRECTORY) == Err{0});
  BOOST_TEST(names_in(".").size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_directory_opens_for_reading_only) {
  make_dir("d");
  NEEDS(symlink("d", "to_d"));
  for (const char* const path : {"d", "to_d", "d/", ".", "/"}) {
    BOOST_TEST_CONTEXT(path) {
      BOOST_TEST(open_with(path, O_RDONLY) == Err{0});
      for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND,
                              O_RDONLY | O_CREAT, O_RDWR | O_CREAT | O_TRUNC}) {
        BOOST_TEST(open_with(path, flags) == Err{EISDIR});
      }
    }
  }
  const Fd fd = open_file("d", O_RDONLY);
  char byte = 0;
  FAILS(read(fd, &byte, 1), EISDIR);
  FAILS(write(fd, &byte, 1), EBADF);
}

BOOST_AUTO_TEST_CASE(O_NOFOLLOW_refuses_a_symlink_at_the_end) {
  make_dir("d");
  make_file("d/f", "1");
  NEEDS(symlink("d", "to_d"));
  NEEDS(symlink("d/f", "to_f"));
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  for (const char* const path : {"to_d", "to_f", "dangling", "loop"}) {
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_WRONLY | O_TRUNC}) {
      BOOST_TEST(open_with(path, flags | O_NOFOLLOW) == Err{ELOOP}, path);
    }
  }
  for (const char* const path : {"d/f", "to_d/f", "to_d/", "to_d/.", "d"}) {
    BOOST_TEST(open_with(path, O_RDONLY | O_NOFOLLOW) == Err{0}, path);
  }
  BOOST_TEST(content_of("d/f") == "1");
}

BOOST_AUTO_TEST_SUITE_END()
