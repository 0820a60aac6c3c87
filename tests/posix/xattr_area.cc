// setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their relatives: values, names, flags
// and what is refused.
#include <limits.h>

#include <algorithm>

#include "tests/posix/xattrs.h"

using namespace posix_test;

namespace {

Err set(const char* name, std::string_view value, int flags = 0, const char* path = "f") {
  return err(setxattr(path, name, value.data(), value.size(), flags));
}

std::string read_value(const char* name, const char* path = "f") {
  return xattr_of(path, name).value_or("(none)");
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(xattr_, Case)

BOOST_AUTO_TEST_CASE(values_of_any_bytes_and_sizes_are_kept) {
  make_file("f");
  make_dir("d");
  std::vector<std::size_t> sizes = {0, 1, 2, 7, 100, 255, 256, 1000, 3900};
  if (on_holtfs()) sizes.insert(sizes.end(), {4096, 5000, 20'000, 65'535, 65'536});
  std::vector<std::size_t> order = sizes;
  order.insert(order.end(), sizes.rbegin(), sizes.rend());
  for (const char* path : {"f", "d"}) {
    for (const std::size_t size : order) {
      BOOST_TEST_CONTEXT(size << " on " << path) {
        std::string value = pattern(size);
        if (size > 5) value[3] = '\0', value[4] = '\xff';
        BOOST_TEST(set("user.a", value, 0, path) == Err{0});
        BOOST_TEST(same_bytes(read_value("user.a", path), value));
        BOOST_TEST(getxattr(path, "user.a", nullptr, 0) == std::ssize(value));
        NEEDS(removexattr(path, "user.a"));
      }
    }
  }
  const std::string much(65'537, 'v');
  BOOST_TEST(set("user.a", much) == Err{E2BIG});
  BOOST_TEST(xattrs_of("f").empty());
}

BOOST_AUTO_TEST_CASE(a_value_replaces_another) {
  make_file("f");
  for (const std::string& value :
       {std::string("one"), std::string(), pattern(2000), std::string("x"), pattern(3000, 2)}) {
    BOOST_TEST(set("user.a", value) == Err{0});
    BOOST_TEST(same_bytes(read_value("user.a"), value));
    BOOST_TEST(xattrs_of("f") == std::vector<std::string>{"user.a"});
  }
}

BOOST_AUTO_TEST_CASE(names_are_bytes) {
  make_file("f");
  const std::string longest = "user." + long_name(250);
  const std::vector<std::string> names = {"security.x", "trusted.x", "user. ",        "user..",
                                          "user./",     "user.A",    "user.\n",       "user.a",
                                          "user.a.b",   "user.user", "user.\xff\x01", longest};
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    BOOST_TEST(set(name.c_str(), "of " + name.substr(0, 20)) == Err{0});
    bytes += name.size() + 1;
  }
  BOOST_TEST(listxattr("f", nullptr, 0) == static_cast<ssize_t>(bytes));
  for (const std::string& name : names) {
    BOOST_TEST(read_value(name.c_str()) == "of " + name.substr(0, 20));
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  BOOST_TEST(xattrs_of("f") == sorted);
  for (const std::string& name : names) WORKS(removexattr("f", name.c_str()));
  BOOST_TEST(listxattr("f", nullptr, 0) == 0);
}

BOOST_AUTO_TEST_CASE(names_are_refused) {
  make_file("f");
  const std::string too_long = "user." + long_name(251), far_too_long = long_name(5000);
  const struct {
    const char* name;
    int to_set, to_get, to_remove;
  } rows[] = {{"", ERANGE, ERANGE, ERANGE},
              {"user", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"user.", EINVAL, EINVAL, EINVAL},
              {"trusted.", EINVAL, EINVAL, EINVAL},
              {"security.", EINVAL, EINVAL, EINVAL},
              {"a", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"User.a", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"nowhere.a", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"system.", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"system.a", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"system.posix_acl_accessible", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
              {"user.a", 0, 0, 0},
              {"user.a", 0, 0, 0},
              {too_long.c_str(), ERANGE, ERANGE, ERANGE},
              {far_too_long.c_str(), ERANGE, ERANGE, ERANGE}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT('"' << std::string_view(row.name).substr(0, 40) << '"') {
      BOOST_TEST(set(row.name, "value") == Err{row.to_set});
      FAILS(getxattr("f", row.name, nullptr, 0), row.to_get);
      FAILS(removexattr("f", row.name), row.to_remove);
      FAILS(getxattr("f", row.name, nullptr, 0), row.to_get == 0 ? ENODATA : row.to_get);
    }
  }
}

BOOST_AUTO_TEST_CASE(flags_say_whether_it_is_there) {
  make_file("f");
  constexpr int kBoth = XATTR_CREATE | XATTR_REPLACE;
  const struct {
    int flags, wanted, wanted_again;
  } rows[] = {{0, 0, 0},
              {XATTR_CREATE, 0, EEXIST},
              {XATTR_REPLACE, ENODATA, 0},
              {kBoth, ENODATA, EEXIST},
              {4, EINVAL, EINVAL},
              {XATTR_CREATE | 8, EINVAL, EINVAL},
              {-1, EINVAL, EINVAL}};
  for (const char* name : {"user.a", "trusted.a", "security.a"}) {
    for (const auto& row : rows) {
      BOOST_TEST_CONTEXT(name << " with " << row.flags) {
        BOOST_TEST(set(name, "value", row.flags) == Err{row.wanted});
        BOOST_TEST(set(name, "value", 0) == Err{0});
        BOOST_TEST(set(name, "other", row.flags) == Err{row.wanted_again});
        BOOST_TEST(read_value(name) == (row.wanted_again == 0 ? "other" : "value"));
        NEEDS(removexattr("f", name));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_small_buffer_is_refused_and_none_asks_for_the_size) {
  make_file("f");
  BOOST_TEST(set("user.a", "value") == Err{0});
  char bytes[64];
  const struct {
    std::size_t room;
    long got;  // -1: ERANGE
  } rows[] = {{0, 5}, {1, -1}, {4, -1}, {5, 5}, {64, 5}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.room) {
      errno = ERANGE;
      BOOST_TEST(getxattr("f", "user.a", bytes, row.room) == row.got);
      BOOST_TEST(err(-1) == Err{ERANGE});
      const std::size_t room = row.room == 0 ? 0 : row.room + 2;  // "user.a" and its end
      BOOST_TEST(listxattr("f", bytes, room) == (row.got < 0 ? -1 : 7));
      BOOST_TEST(err(-1) == Err{ERANGE});
    }
  }
  BOOST_TEST(set("user.a", "") == Err{0});
  BOOST_TEST(getxattr("f", "user.a", bytes, 0) == 0);
  BOOST_TEST(getxattr("f", "user.a", bytes, 1) == 0);
  NEEDS(removexattr("f", "user.a"));
  FAILS(getxattr("f", "user.a", bytes, 0), ENODATA);
  FAILS(getxattr("f", "user.a", bytes, 64), ENODATA);
  FAILS(removexattr("f", "user.a"), ENODATA);
  BOOST_TEST(listxattr("f", bytes, 64) == 0);
  BOOST_TEST(listxattr("f", bytes, 0) == 0);
}

BOOST_AUTO_TEST_CASE(bad_memory_is_refused) {
  make_file("f");
  char* const bad = inaccessible();
  FAILS(setxattr("f", "user.a", bad, 5, 0), EFAULT);
  FAILS(setxattr("f", bad, "value", 5, 0), EFAULT);
  FAILS(setxattr(bad, "user.a", "value", 5, 0), EFAULT);
  WORKS(setxattr("f", "user.empty", nullptr, 0, 0));
  WORKS(setxattr("f", "user.a", "value", 5, 0));
  FAILS(getxattr("f", "user.a", bad, 5), EFAULT);
  FAILS(listxattr("f", bad, 64), EFAULT);
  BOOST_TEST(getxattr("f", "user.a", bad, 0) == 5);
}

BOOST_AUTO_TEST_CASE(many_are_kept_and_listed) {
  make_file("f");
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) {
    names.push_back("user." + std::to_string(1000 + i * 7 % 60));
    BOOST_TEST(set(names.back().c_str(), names.back()) == Err{0});
  }
  std::sort(names.begin(), names.end());
  BOOST_TEST(xattrs_of("f") == names);
  for (int i = 0; i < 60; i += 2)
    WORKS(removexattr("f", names[static_cast<std::size_t>(i)].c_str()));
  for (int i = 0; i < 60; ++i) {
    const std::string& name = names[static_cast<std::size_t>(i)];
    BOOST_TEST(read_value(name.c_str()) == (i % 2 == 0 ? "(none)" : name));
  }
  BOOST_TEST(xattrs_of("f").size() == 30U);
}

BOOST_AUTO_TEST_CASE(paths_are_refused) {
  make_file("f");
  make_dir("closed", 0);
  make_file("closed/f");
  NEEDS(symlink("nowhere", "dangling"));
  NEEDS(symlink("loop", "loop"));
  const std::string component = long_name(256);
  const std::string path = std::string("./") + std::string(4100, '/') + "f";
  const struct {
    const char* path;
    int wanted, wanted_of_link;
  } rows[] = {{"missing", ENOENT, ENOENT},
              {"", ENOENT, ENOENT},
              {"dangling", ENOENT, EPERM},
              {"loop", ELOOP, EPERM},
              {"loop/f", ELOOP, ELOOP},
              {"f/x", ENOTDIR, ENOTDIR},
              {"f/", ENOTDIR, ENOTDIR},
              {component.c_str(), ENAMETOOLONG, ENAMETOOLONG},
              {path.c_str(), ENAMETOOLONG, ENAMETOOLONG}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(std::string_view(row.path).substr(0, 40)) {
      const bool is_link = row.wanted != row.wanted_of_link;
      FAILS(setxattr(row.path, "user.a", "v", 1, 0), row.wanted);
      FAILS(lsetxattr(row.path, "user.a", "v", 1, 0), row.wanted_of_link);
      FAILS(getxattr(row.path, "user.a", nullptr, 0), row.wanted);
      FAILS(lgetxattr(row.path, "user.a", nullptr, 0), is_link ? ENODATA : row.wanted_of_link);
      FAILS(listxattr(row.path, nullptr, 0), row.wanted);
      FAILS(llistxattr(row.path, nullptr, 0), is_link ? 0 : row.wanted_of_link);
      FAILS(removexattr(row.path, "user.a"), row.wanted);
      FAILS(lremovexattr(row.path, "user.a"), row.wanted_of_link);
    }
  }
  BOOST_TEST(as(kAlice, [] { return set("user.a", "v", 0, "closed/f"); }) == Err{EACCES});
  BOOST_TEST(as(kAlice, [] { return err(listxattr("closed/f", nullptr, 0)); }) == Err{EACCES});
}

BOOST_AUTO_TEST_CASE(descriptors_serve_as_well) {
  make_file("f");
  make_dir("d");
  const Fd reading = open_file("f", O_RDONLY), writing = open_file("f", O_WRONLY);
  const Fd path = open_file("f", O_PATH), directory = open_file("d", O_RDONLY);
  const struct {
    int fd, wanted;
  } rows[] = {{reading, 0}, {writing, 0}, {directory, 0}, {path, EBADF}, {-1, EBADF}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      FAILS(fsetxattr(row.fd, "user.a", "v", 1, 0), row.wanted);
      FAILS(fgetxattr(row.fd, "user.a", nullptr, 0), row.wanted);
      FAILS(flistxattr(row.fd, nullptr, 0), row.wanted);
      FAILS(fremovexattr(row.fd, "user.a"), row.wanted);
    }
  }
  NEEDS(chmod("f", 0));
  BOOST_TEST(as(kAlice, [&] { return err(fsetxattr(writing, "user.a", "v", 1, 0)); }) ==
             Err{EACCES});  // the mode counts, not how it is open
}

BOOST_AUTO_TEST_CASE(is_refused_where_read_only) {
  make_file("f");
  BOOST_TEST(set("user.a", "value") == Err{0});
  BOOST_TEST(where_read_only([] { return set("user.b", "value"); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return err(removexattr("f", "user.a")); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return err(removexattr("f", "user.b")); }) == Err{EROFS});
  BOOST_TEST(where_read_only([] { return err(getxattr("f", "user.a", nullptr, 0)); }) == Err{0});
  BOOST_TEST(where_read_only([] { return err(listxattr("f", nullptr, 0)); }) == Err{0});
}

BOOST_AUTO_TEST_SUITE_END()
