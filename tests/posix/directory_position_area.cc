// Positions in a listing: telldir(3), seekdir(3), rewinddir(3) and lseek(2), and what a listing
// shows of a directory that changes meanwhile: what was there all the time, once.
#include <dirent.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

#include "tests/posix/support.h"

using namespace posix_test;

namespace {

// Closes at the end of its scope.
class Dir {
 public:
  explicit Dir(const char* path) : dir_(opendir(path)) { BOOST_REQUIRE(dir_ != nullptr); }
  ~Dir() { closedir(dir_); }
  Dir(const Dir&) = delete;
  Dir& operator=(const Dir&) = delete;

  operator DIR*() const { return dir_; }
  // The next name, "" at the end.
  std::string next() const {
    const dirent* const entry = readdir(dir_);
    return entry == nullptr ? "" : entry->d_name;
  }
  std::vector<std::string> rest() const {
    std::vector<std::string> out;
    for (std::string name = next(); !name.empty(); name = next()) out.push_back(name);
    return out;
  }

 private:
  DIR* dir_;
};

std::string name_of(int i) { return "name " + std::to_string(i); }
std::string path_of(int i) { return "d/" + name_of(i); }
void add(const std::string& path) { NEEDS(mknod(path.c_str(), S_IFREG | 0644, 0)); }
void drop(const std::string& path) { NEEDS(unlink(path.c_str())); }

// "d" with the names from `first` to before `last`.
void fill(int first, int last) {
  if (!exists("d")) make_dir("d");
  for (int i = first; i < last; ++i) add(path_of(i));
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
long count_of(const std::vector<std::string>& names, const std::string& name) {
  return std::count(names.begin(), names.end(), name);
}
bool has_doubles(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

// What was there all the time is seen once, what was not is not seen.
void check_stable(const std::vector<std::string>& seen, int first, int last) {
  std::map<std::string, int> counts;
  for (const std::string& name : seen) ++counts[name];
  int wrong = 0;
  for (int i = first; i < last; ++i) wrong += counts[name_of(i)] != 1;
  BOOST_TEST(wrong == 0);
}

struct Position {
  long at;           // telldir before
  std::string name;  // what comes next
};

std::vector<Position> positions_of(DIR* dir) {
  std::vector<Position> out;
  while (true) {
    const long at = telldir(dir);
    const dirent* const entry = readdir(dir);
    out.push_back({at, entry == nullptr ? "" : entry->d_name});
    if (entry == nullptr) return out;
  }
}

// A listing by getdents, whose every call is a request of its own.
class Stepwise {
 public:
  explicit Stepwise(const char* path, std::size_t size)
      : fd_(open_file(path, O_RDONLY)), buffer_(size) {}
  // The names of the next call, none at the end.
  std::vector<std::string> next() {
    const long got = syscall(SYS_getdents64, static_cast<int>(fd_), buffer_.data(), buffer_.size());
    NEEDS(got);
    std::vector<std::string> out;
    for (long at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer_.data() + at);
      out.emplace_back(entry->d_name);
      at += entry->d_reclen;
    }
    return out;
  }

 private:
  Fd fd_;
  std::vector<char> buffer_;
};

// Runs `work(round)` again and again in another process while `meanwhile` runs here.
void beside(const std::function<void(int)>& work, const std::function<void()>& meanwhile) {
  int end[2], begun[2];
  NEEDS(pipe2(end, O_CLOEXEC));
  NEEDS(pipe2(begun, O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    close(end[1]);
    pollfd ended = {.fd = end[0], .events = POLLIN};
    for (int round = 0; poll(&ended, 1, 0) == 0; ++round) {
      work(round);
      if (round == 0) (void)!write(begun[1], "x", 1);
    }
    _exit(0);
  }
  char byte;
  NEEDS(read(begun[0], &byte, 1));
  meanwhile();
  for (const int fd : {end[0], end[1], begun[0], begun[1]}) close(fd);
  int status = 1;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(directory_position_, Case)

BOOST_AUTO_TEST_CASE(every_position_leads_back_to_its_entry) {
  for (const int size : {0, 1, 2, 10, 700}) {
    BOOST_TEST_CONTEXT(size << " names") {
      fill(0, size);
      const Dir dir("d");
      std::vector<Position> positions = positions_of(dir);
      BOOST_REQUIRE(std::ssize(positions) == size + 3);
      std::set<long> different;
      for (const Position& position : positions) different.insert(position.at);
      BOOST_TEST(different.size() == positions.size());
      std::shuffle(positions.begin(), positions.end(), std::mt19937(1));
      for (const Position& position : positions) {
        seekdir(dir, position.at);
        BOOST_TEST(telldir(dir) == position.at);
        BOOST_TEST(dir.next() == position.name);
      }
      for (int i = 0; i < size; ++i) drop(path_of(i));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_position_holds_for_another_stream_of_the_directory) {
  fill(0, 300);
  std::vector<Position> positions;
  {
    const Dir dir("d");
    positions = positions_of(dir);
  }
  const Dir other("d");
  for (std::size_t i = 0; i < positions.size(); i += 7) {
    seekdir(other, positions[i].at);
    BOOST_TEST(other.next() == positions[i].name);
  }
}

BOOST_AUTO_TEST_CASE(positions_hold_through_creates_and_removes) {
  fill(0, 400);
  const Dir dir("d");
  const std::vector<Position> positions = positions_of(dir);
  const auto stays = [](const std::string& name) {
    return name[0] == '.' || std::stoi(name.substr(5)) % 3 != 0;
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = round * 100; i < (round + 1) * 130 && i < 400; ++i) {
      if (i % 3 == 0 && exists(path_of(i))) drop(path_of(i));
    }
    for (int i = 0; i < 100; ++i) add(path_of(1000 * (round + 1) + i));
    for (std::size_t at = 0; at < positions.size(); at += 23) {
      seekdir(dir, positions[at].at);
      const std::vector<std::string> seen = dir.rest();
      BOOST_TEST(!has_doubles(seen));
      std::multiset<std::string> left(seen.begin(), seen.end());
      int wrong = 0;
      for (std::size_t i = 0; i + 1 < positions.size(); ++i) {
        if (!stays(positions[i].name)) continue;
        wrong += left.count(positions[i].name) != (i >= at ? 1U : 0U);
      }
      BOOST_TEST(wrong == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(rewinddir_begins_again_with_what_is_there_now) {
  fill(0, 100);
  const Dir dir("d");
  const std::vector<std::string> first = dir.rest();
  rewinddir(dir);
  BOOST_TEST(dir.rest() == first, boost::test_tools::per_element());
  drop(path_of(5));
  add(path_of(500));
  NEEDS(rename(path_of(6).c_str(), path_of(600).c_str()));
  rewinddir(dir);
  const std::vector<std::string> second = dir.rest();
  BOOST_TEST(second.size() == first.size());
  BOOST_TEST((!has(second, name_of(5)) && !has(second, name_of(6))));
  BOOST_TEST((has(second, name_of(500)) && has(second, name_of(600))));
  // In the middle, too.
  rewinddir(dir);
  for (int i = 0; i < 50; ++i) (void)dir.next();
  rewinddir(dir);
  BOOST_TEST(dir.rest().size() == second.size());
}

BOOST_AUTO_TEST_CASE(streams_of_one_directory_do_not_disturb_each_other) {
  fill(0, 200);
  const Dir a("d"), b("d");
  std::vector<std::string> of_a, of_b;
  for (int i = 0; i < 202; ++i) {
    of_a.push_back(a.next());
    if (i % 2 == 0) of_b.push_back(b.next());
  }
  for (const std::string& name : b.rest()) of_b.push_back(name);
  BOOST_TEST(of_a == of_b, boost::test_tools::per_element());
  BOOST_TEST(a.next() == "");
}

BOOST_AUTO_TEST_CASE(lseek_sets_and_tells_the_position) {
  fill(0, 100);
  const Fd fd = open_file("d", O_RDONLY | O_DIRECTORY);
  std::array<char, 24 * 8> buffer;
  const auto step = [&](int of) {
    buffer.fill(0);  // getdents leaves what is between names
    const long got = syscall(SYS_getdents64, of, buffer.data(), buffer.size());
    NEEDS(got);
    return std::string(buffer.data(), static_cast<std::size_t>(got));
  };
  BOOST_TEST(lseek(fd, 0, SEEK_CUR) == 0);
  const std::string first = step(fd);
  const off_t behind = lseek(fd, 0, SEEK_CUR);
  BOOST_TEST(behind > 0);
  const std::string second = step(fd);
  BOOST_TEST(lseek(fd, behind, SEEK_SET) == behind);
  BOOST_TEST((step(fd) == second));
  BOOST_TEST(lseek(fd, 0, SEEK_SET) == 0);
  BOOST_TEST((step(fd) == first));
  const Fd same(dup(fd));  // of one position
  BOOST_TEST((step(same) == second));
  BOOST_TEST(lseek(fd, behind, SEEK_SET) == behind);
  BOOST_TEST((step(same) == second));
  FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  FAILS(lseek(fd, 0, 99), EINVAL);
}

BOOST_AUTO_TEST_CASE(one_pass_removes_all_that_it_lists) {
  for (const std::size_t size : {24 * 4, 1000, 32768}) {
    BOOST_TEST_CONTEXT(size << " bytes at a time") {
      fill(0, 1000);
      Stepwise steps("d", size);
      int removed = 0;
      for (auto names = steps.next(); !names.empty(); names = steps.next()) {
        for (const std::string& name : names) {
          if (name == "." || name == "..") continue;
          drop("d/" + name);
          ++removed;
        }
      }
      BOOST_TEST(removed == 1000);
      WORKS(rmdir("d"));
    }
  }
}

BOOST_AUTO_TEST_CASE(changes_in_the_middle_skip_and_double_nothing) {
  for (const std::size_t size : {24 * 4, 1000}) {
    BOOST_TEST_CONTEXT(size << " bytes at a time") {
      fill(0, 600);
      Stepwise steps("d", size);
      std::vector<std::string> seen;
      int gone = 300, made = 1000, moved = 600;
      for (auto names = steps.next(); !names.empty(); names = steps.next()) {
        seen.insert(seen.end(), names.begin(), names.end());
        if (gone < 450) drop(path_of(gone++));
        if (made < 1200) add(path_of(made++));
        if (--moved >= 450) NEEDS(rename(path_of(moved).c_str(), path_of(moved + 5000).c_str()));
      }
      check_stable(seen, 0, 300);
      BOOST_TEST(!has_doubles(seen));
      BOOST_TEST((count_of(seen, ".") == 1 && count_of(seen, "..") == 1));
      for (const std::string& name : names_in("d")) drop("d/" + name);
      NEEDS(rmdir("d"));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_removed_before_the_first_read_is_not_seen) {
  fill(0, 50);
  const Dir dir("d");
  for (int i = 0; i < 25; ++i) drop(path_of(i));
  add(path_of(100));
  const std::vector<std::string> seen = dir.rest();
  BOOST_TEST(seen.size() == 28U);
  BOOST_TEST(!has(seen, name_of(0)));
  BOOST_TEST(has(seen, name_of(100)));
}

BOOST_AUTO_TEST_CASE(listings_beside_another_process_see_what_stays_once) {
  fill(0, 500);
  make_dir("e");
  const struct {
    const char* name;
    void (*work)(int round);
  } rows[] = {{"creates and removes",
               [](int round) {
                 const std::string path = path_of(10000 + round % 1000);
                 close(open(path.c_str(), O_WRONLY | O_CREAT, 0644));
                 unlink(path.c_str());
               }},
              {"renames within",
               [](int round) {
                 const std::string a = path_of(20000), b = path_of(20001 + round % 300);
                 close(open(a.c_str(), O_WRONLY | O_CREAT, 0644));
                 rename(a.c_str(), b.c_str());
               }},
              {"renames in and out",
               [](int) {
                 close(open("e/moving", O_WRONLY | O_CREAT, 0644));
                 rename("e/moving", "d/moving");
                 rename("d/moving", "e/moving");
               }},
              {"makes and removes directories",
               [](int) {
                 mkdir("d/dir", 0755);
                 rmdir("d/dir");
               }},
              {"exchanges of what stays", [](int round) {
                 renameat2(AT_FDCWD, path_of(round % 500).c_str(), AT_FDCWD,
                           path_of((round * 7 + 1) % 500).c_str(), RENAME_EXCHANGE);
               }}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("beside one that " << row.name) {
      beside(row.work, [] {
        for (int i = 0; i < 50; ++i) {
          const Dir dir("d");
          check_stable(dir.rest(), 0, 500);
        }
        Stepwise steps("d", 500);
        std::vector<std::string> seen;
        for (auto names = steps.next(); !names.empty(); names = steps.next()) {
          seen.insert(seen.end(), names.begin(), names.end());
        }
        check_stable(seen, 0, 500);
      });
    }
  }
}

BOOST_AUTO_TEST_CASE(a_big_directory_is_listed_whole_however_it_is_read) {
  constexpr int kMany = 20000;
  fill(0, kMany);
  {
    const Dir dir("d");
    const std::vector<std::string> all = dir.rest();
    BOOST_TEST(all.size() == kMany + 2U);
    BOOST_TEST(!has_doubles(all));
  }
  for (const std::size_t size : {1000, 1 << 20}) {
    Stepwise steps("d", size);
    std::vector<std::string> seen;
    for (auto names = steps.next(); !names.empty(); names = steps.next()) {
      seen.insert(seen.end(), names.begin(), names.end());
    }
    BOOST_TEST(seen.size() == kMany + 2U);
    check_stable(seen, 0, kMany);
  }
  const Dir dir("d");
  const std::vector<Position> positions = positions_of(dir);
  for (std::size_t i = 0; i < positions.size(); i += 997) {
    seekdir(dir, positions[i].at);
    BOOST_TEST(dir.next() == positions[i].name);
  }
  rewinddir(dir);
  std::vector<std::string> seen;
  for (std::string name = dir.next(); !name.empty(); name = dir.next()) {
    seen.push_back(name);
    if (name[0] != '.' && std::stoi(name.substr(5)) >= kMany / 2) drop("d/" + name);
  }
  BOOST_TEST(seen.size() == kMany + 2U);
  check_stable(seen, 0, kMany);
  BOOST_TEST(names_in("d").size() == kMany / 2U);
}

BOOST_AUTO_TEST_SUITE_END()
