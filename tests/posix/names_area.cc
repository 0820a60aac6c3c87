// Names: of any bytes, up to 255 of them, each for itself, for files and directories alike.
#include <dirent.h>

#include <map>
#include <random>
#include <set>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

// Every one-byte name, and bytes around those that mean something somewhere.
std::vector<std::string> odd_names() {
  std::vector<std::string> names;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/' && byte != '.') names.emplace_back(1, static_cast<char>(byte));
  }
  for (const char* const name : {"...",
                                 "....",
                                 "..a",
                                 ".a",
                                 "a.",
                                 "a..",
                                 "a. ",
                                 ". ",
                                 ".\x01",
                                 "\x01.",
                                 "~",
                                 "-rf",
                                 "a\nb",
                                 "a\\b",
                                 "\"quoted\"",
                                 "%s%n",
                                 "*",
                                 "?",
                                 "$HOME",
                                 "a\tb",
                                 "\xc3\xa9",
                                 "e\xcc\x81",
                                 "\xe2\x84\xab",
                                 "\xc3\x85",
                                 "\xff\xff\xff",
                                 "\xff\x01",
                                 "\x01\x01\x01",
                                 "\xed\xa0\x80",
                                 "con",
                                 "nul:",
                                 "a:b",
                                 "lost+found"}) {
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Those between which a mistake in keys would show: one begins with the other, in every way.
std::vector<std::string> like_names() {
  std::vector<std::string> names;
  for (const char* const stem : {"a", "ab", "b", "\xff", "\x01"}) {
    names.emplace_back(stem);
    for (const char* const end : {"\x01", "\x02", " ", "!", "-", ".", "0", "A", "a", "\x7f", "\x80",
                                  "\xfe", "\xff", "e", "i", "x", "I", "\x01\x01"}) {
      names.emplace_back(std::string(stem) + end);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string in_hex(std::string_view name) {
  std::string out;
  char byte[4];
  for (const char c : name.substr(0, 16)) {
    std::snprintf(byte, sizeof byte, "%02x", static_cast<unsigned char>(c));
    out += byte;
  }
  return out;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(names_, Case)

BOOST_AUTO_TEST_CASE(have_any_bytes_whatever_they_name) {
  make_dir("d");
  for (const std::string& name : odd_names()) {
    const std::string path = "d/" + name;
    for (const Type type : kTypes) {
      BOOST_TEST_CONTEXT(type << ' ' << in_hex(name)) {
        make(type, path);
        BOOST_TEST((stat_of(path).st_mode & S_IFMT) == bits_of(type));
        BOOST_TEST((names_in("d") == std::vector<std::string>{name}));
        if (type == Type::kDirectory) {
          make_file(path + "/" + name, "1");
          BOOST_TEST((names_in(path) == std::vector<std::string>{name}));
          WORKS(rename((path + "/" + name).c_str(), "d/inner"));
          WORKS(unlink("d/inner"));
        }
        WORKS(rename(path.c_str(), "d/moved"));
        BOOST_TEST(!exists(path));
        WORKS(rename("d/moved", path.c_str()));
        WORKS(remove(path.c_str()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(live_side_by_side) {
  for (const auto& all : {odd_names(), like_names()}) {
    make_dir("d");
    for (std::size_t i = 0; i < all.size(); ++i) {
      BOOST_TEST_CONTEXT(in_hex(all[i])) {
        const std::string path = "d/" + all[i];
        if (i % 2 == 0) {
          make_dir(path);
          make_file(path + "/in", all[i]);
        } else {
          make_file(path, all[i]);
        }
      }
    }
    BOOST_TEST((names_in("d") == all));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string path = "d/" + all[i] + (i % 2 == 0 ? "/in" : "");
      BOOST_TEST((content_of(path) == all[i]), in_hex(all[i]));
    }
    std::set<ino_t> numbers;
    for (const std::string& name : all) numbers.insert(stat_of("d/" + name).st_ino);
    BOOST_TEST(numbers.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string path = "d/" + all[i];
      if (i % 2 == 0) NEEDS(unlink((path + "/in").c_str()));
      WORKS(remove(path.c_str()));
      if (i + 1 < all.size()) BOOST_TEST(exists("d/" + all[i + 1]), in_hex(all[i + 1]));
    }
    BOOST_TEST(names_in("d").empty());
    NEEDS(rmdir("d"));
  }
}

BOOST_AUTO_TEST_CASE(that_differ_are_different) {
  const std::pair<const char*, const char*> pairs[] = {{"a", "A"},
                                                       {"name", "NAME"},
                                                       {"\xc3\xa9", "e\xcc\x81"},
                                                       {"\xc3\x85", "\xe2\x84\xab"},
                                                       {"\xc3\xa4", "\xc3\x84"},
                                                       {"a", "a "},
                                                       {"a", "a."},
                                                       {" a", "a"},
                                                       {"a\n", "a"},
                                                       {"ss", "\xc3\x9f"},
                                                       {"\xef\xac\x81", "fi"}};
  for (const auto& [one, other] : pairs) {
    make_file(one, "one");
    BOOST_TEST(!exists(other));
    make_file(other, "other");
    BOOST_TEST(content_of(one) == "one");
    BOOST_TEST(content_of(other) == "other");
    NEEDS(unlink(one));
    BOOST_TEST(!exists(one));
    BOOST_TEST(exists(other));
    NEEDS(unlink(other));
  }
}

BOOST_AUTO_TEST_CASE(have_every_length_up_to_255) {
  make_dir("d");
  for (std::size_t size = 1; size <= 255; ++size) {
    for (const Type type : {Type::kRegular, Type::kDirectory, Type::kSymlink}) {
      const std::string path = "d/" + long_name(size, static_cast<char>('a' + bits_of(type) % 23));
      BOOST_TEST_CONTEXT(type << " of " << size) {
        make(type, path);
        BOOST_TEST((stat_of(path).st_mode & S_IFMT) == bits_of(type));
        FAILS(type == Type::kDirectory ? mkdir(path.c_str(), 0755) : symlink("t", path.c_str()),
              EEXIST);
      }
    }
  }
  BOOST_TEST(names_in("d").size() == 3 * 255U);
  BOOST_TEST(stat_of("d").st_nlink == 2 + 255U);
  for (const std::string& name : names_in("d")) WORKS(remove(("d/" + name).c_str()));
  WORKS(rmdir("d"));
  BOOST_TEST(pathconf(".", _PC_NAME_MAX) == 255);
}

BOOST_AUTO_TEST_CASE(of_255_bytes_may_be_any_bytes) {
  for (const char fill : {'\x01', ' ', '.', 'n', '\x7f', '\x80', '\xff'}) {
    const std::string name = long_name(255, fill), other = name.substr(1) + "x";
    BOOST_TEST_CONTEXT(in_hex(name)) {
      make_file(name, "1");
      make_dir(other);
      BOOST_TEST(content_of(name) == "1");
      BOOST_TEST(exists(other));
      FAILS(open((name + fill).c_str(), O_RDONLY), ENAMETOOLONG);
      FAILS(mkdir((name + fill).c_str(), 0755), ENAMETOOLONG);
      WORKS(rename(name.c_str(), (other + "/" + name).c_str()));
      BOOST_TEST((names_in(other) == std::vector<std::string>{name}));
      WORKS(unlink((other + "/" + name).c_str()));
      WORKS(rmdir(other.c_str()));
    }
  }
}

BOOST_AUTO_TEST_CASE(of_256_bytes_are_refused_by_every_call) {
  make_file("source");
  make_dir("locked", 0700);
  make_dir("open", 0777);
  for (const std::size_t size : {256U, 257U, 1000U, 4000U}) {
    const std::string name = long_name(size);
    for (const PathCall& call : kPathCalls) {
      BOOST_TEST_CONTEXT(call << " of " << size) {
        BOOST_TEST(call.call(name.c_str()) == Err{ENAMETOOLONG});
        BOOST_TEST(call.call(("open/" + name).c_str()) == Err{ENAMETOOLONG});
        BOOST_TEST(call.call(("open/" + name + "/x").c_str()) == Err{ENAMETOOLONG});
        const std::string locked = "locked/" + name;
        const auto as_alice = as(kAlice, [&] { return call.call(locked.c_str()); });
        BOOST_TEST(as_alice == Err{EACCES});
      }
    }
  }
  BOOST_TEST(names_in("open").empty());
}

BOOST_AUTO_TEST_CASE(of_many_files_never_mix) {
  // A model of one directory, and a walk that is the same each time.
  std::mt19937 random(7);
  const std::vector<std::string> all = like_names();
  std::map<std::string, std::string> model;
  make_dir("d");
  const auto any = [&] { return all[random() % all.size()]; };
  for (int step = 0; step < 3000; ++step) {
    const std::string name = any(), other = any();
    const std::string path = "d/" + name, other_path = "d/" + other;
    switch (random() % 4) {
      case 0:
        if (model.emplace(name, std::to_string(step)).second) make_file(path, model[name]);
        break;
      case 1: FAILS(unlink(path.c_str()), model.erase(name) == 1 ? 0 : ENOENT); break;
      case 2: {
        const bool there = model.contains(name);
        FAILS(rename(path.c_str(), other_path.c_str()), there ? 0 : ENOENT);
        if (there && name != other) {
          model[other] = model[name];
          model.erase(name);
        }
        break;
      }
      default: BOOST_TEST(exists(path) == model.contains(name), in_hex(name));
    }
  }
  std::vector<std::string> wanted;
  for (const auto& [name, content] : model) {
    wanted.push_back(name);
    BOOST_TEST(content_of("d/" + name) == content, in_hex(name));
  }
  BOOST_TEST((names_in("d") == wanted));
}

BOOST_AUTO_TEST_CASE(dot_and_dotdot_are_there_and_are_not_made) {
  make_dir("d");
  make_dir("d/sub");
  DIR* const dir = opendir("d/sub");
  BOOST_REQUIRE(dir != nullptr);
  std::map<std::string, ino_t> found;
  while (const dirent* const entry = readdir(dir)) found[entry->d_name] = entry->d_ino;
  closedir(dir);
  BOOST_TEST(found.size() == 2U);
  BOOST_TEST(found["."] == stat_of("d/sub").st_ino);
  BOOST_TEST(found[".."] == stat_of("d").st_ino);
  BOOST_TEST(stat_of("d/sub/..").st_ino == stat_of("d").st_ino);
  make_dir("e");
  NEEDS(rename("d/sub", "e/sub"));
  BOOST_TEST(stat_of("e/sub/..").st_ino == stat_of("e").st_ino);
  BOOST_TEST(stat_of("e").st_nlink == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
