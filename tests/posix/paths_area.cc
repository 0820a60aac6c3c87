// How paths are resolved, by every call that takes one: path_resolution(7).
#include <array>
#include <set>

#include "tests/posix/calls.h"

using namespace posix_test;

namespace {

// A name of each kind: what leads nowhere and what leads somewhere.
struct Named : Case {
  Named() {
    make_file("file", "1");
    make_file("source");
    make(Type::kFifo, "fifo");
    make_dir("dir");
    const std::pair<const char*, const char*> links[] = {
        {"file", "to_file"},        {"dir", "to_dir"},
        {"nowhere", "dangling"},    {"nowhere/", "dangling_slash"},
        {"file/", "to_file_slash"}, {"loop", "loop"},
        {"ring2", "ring1"},         {"ring1", "ring2"}};
    for (const auto& [target, link] : links) NEEDS(symlink(target, link));
  }
};

bool is_removal(const PathCall& call) {
  static const std::set<std::string_view> names = {"unlink", "rmdir", "rename from",
                                                   "rename of a directory"};
  return names.contains(call.name);
}

void make_for(const PathCall& call, const std::string& path) {
  if (call.last == Last::kFollowed || call.last == Last::kNamed) make(call.on, path);
}

void remove_any(const char* path) { NEEDS(remove(path)); }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(paths_, Named)

BOOST_AUTO_TEST_CASE(lead_through_directories_only) {
  const std::string longest = long_name(255), too_long = long_name(256);
  const std::pair<std::string, int> rows[] = {{"", ENOENT},
                                              {"missing/x", ENOENT},
                                              {"missing/..", ENOENT},
                                              {"missing/" + too_long, ENOENT},
                                              {longest + "/x", ENOENT},
                                              {"dangling/x", ENOENT},
                                              {"dir/missing/x", ENOENT},
                                              {"file/x", ENOTDIR},
                                              {"file/.", ENOTDIR},
                                              {"file/..", ENOTDIR},
                                              {"file//x", ENOTDIR},
                                              {"file/" + too_long, ENOTDIR},
                                              {"fifo/x", ENOTDIR},
                                              {"to_file/x", ENOTDIR},
                                              {"to_file_slash/x", ENOTDIR},
                                              {"to_file/..", ENOTDIR},
                                              {"loop/x", ELOOP},
                                              {"ring1/x", ELOOP},
                                              {"dir/../ring2/.", ELOOP},
                                              {too_long, ENAMETOOLONG},
                                              {too_long + "/x", ENAMETOOLONG},
                                              {"dir/" + too_long, ENAMETOOLONG},
                                              {long_path(4096), ENAMETOOLONG},
                                              {long_path(5000), ENAMETOOLONG}};
  for (const auto& [path, wanted] : rows) {
    for (const PathCall& call : kPathCalls) {
      BOOST_TEST_CONTEXT(call << " of " << path.substr(0, 40)) {
        BOOST_TEST(call.call(path.c_str()) == Err{wanted});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(end_at_what_exists) {
  const std::pair<const char*, int> rows[] = {{"missing", ENOENT},
                                              {"dir/missing", ENOENT},
                                              {"dangling", ENOENT},
                                              {"dangling_slash", ENOENT},
                                              {"to_file_slash", ENOTDIR},
                                              {"loop", ELOOP},
                                              {"ring1", ELOOP}};
  for (const auto& [path, wanted] : rows) {
    const bool is_link = exists(path);
    for (const PathCall& call : kPathCalls) {
      if (call.last != Last::kFollowed && (is_link || call.last != Last::kNamed)) continue;
      BOOST_TEST_CONTEXT(call << " of " << path) { BOOST_TEST(call.call(path) == Err{wanted}); }
    }
  }
}

BOOST_AUTO_TEST_CASE(that_are_taken_are_not_made) {
  for (const Type type : kTypes) {
    if (type == Type::kFifo) continue;  // is there already
    make(type, "taken");
    for (const char* const path : {"taken", "fifo", "dangling", "loop", "to_dir", ".", "dir/.."}) {
      for (const PathCall& call : kPathCalls) {
        if (call.last != Last::kMade) continue;
        BOOST_TEST_CONTEXT(call << " of " << path << ", " << type) {
          BOOST_TEST(call.call(path) == Err{EEXIST});
        }
      }
    }
    remove_any("taken");
  }
}

BOOST_AUTO_TEST_CASE(with_a_slash_at_the_end_mean_directories) {
  const struct {
    const char* path;
    int followed, named, removed;
  } rows[] = {{"file/", ENOTDIR, ENOTDIR, ENOTDIR},   {"file///", ENOTDIR, ENOTDIR, ENOTDIR},
              {"fifo/", ENOTDIR, ENOTDIR, ENOTDIR},   {"to_file/", ENOTDIR, ENOTDIR, ENOTDIR},
              {"dangling/", ENOENT, ENOENT, ENOTDIR}, {"missing/", ENOENT, ENOENT, ENOENT},
              {"loop/", ELOOP, ELOOP, ENOTDIR},       {"dir/missing/", ENOENT, ENOENT, ENOENT}};
  for (const auto& row : rows) {
    for (const PathCall& call : kPathCalls) {
      if (call.last != Last::kFollowed && call.last != Last::kNamed) continue;
      const int wanted = is_removal(call)               ? row.removed
                         : call.last == Last::kFollowed ? row.followed
                                                        : row.named;
      BOOST_TEST_CONTEXT(call << " of " << row.path) {
        BOOST_TEST(call.call(row.path) == Err{wanted});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(with_a_slash_at_the_end_are_made_by_mkdir_only) {
  for (const char* const path : {"new/", "new//", "dir/new/"}) {
    for (const PathCall& call : kPathCalls) {
      if (call.last != Last::kMade && call.last != Last::kReplaced) continue;
      const std::string_view name = call.name;
      const bool opens = name == "open with O_EXCL" || name == "creat";
      const int wanted = name == "mkdir"              ? 0
                         : opens                      ? EISDIR
                         : name.starts_with("rename") ? ENOTDIR
                                                      : ENOENT;
      BOOST_TEST_CONTEXT(call << " of " << path) {
        BOOST_TEST(call.call(path) == Err{wanted});
        if (wanted == 0) remove_any(path);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(with_a_slash_after_a_symlink_lead_into_the_directory) {
  for (const char* const path : {"to_dir/", "to_dir/.", "dir/../to_dir//"}) {
    BOOST_TEST(stat_of(path).st_ino == stat_of("dir").st_ino);
    for (const PathCall& call : kPathCalls) {
      if (call.on != Type::kDirectory || call.last != Last::kFollowed) continue;
      BOOST_TEST_CONTEXT(call << " of " << path) { BOOST_TEST(call.call(path) == Err{0}); }
    }
  }
  FAILS(rmdir("to_dir/"), ENOTDIR);
  FAILS(rename("to_dir/", "made"), ENOTDIR);
  WORKS(mkdir("to_dir/sub", 0755));
  BOOST_TEST(exists("dir/sub"));
  WORKS(rename("to_dir/sub/", "to_dir/moved/"));
  BOOST_TEST(exists("dir/moved"));
}

BOOST_AUTO_TEST_CASE(of_dots_are_refused_where_they_make_no_sense) {
  const struct {
    const char* call;
    int dot, dotdot, root;
  } rows[] = {{"open for writing", EISDIR, EISDIR, EISDIR},
              {"creat", EISDIR, EISDIR, EISDIR},
              {"open with O_EXCL", EEXIST, EEXIST, EEXIST},
              {"truncate", EISDIR, EISDIR, EISDIR},
              {"mkdir", EEXIST, EEXIST, EEXIST},
              {"mknod", EEXIST, EEXIST, EEXIST},
              {"symlink", EEXIST, EEXIST, EEXIST},
              {"link to", EEXIST, EEXIST, EEXIST},
              {"link from", EPERM, EPERM, EXDEV},
              {"readlink", EINVAL, EINVAL, EINVAL},
              {"unlink", EISDIR, EISDIR, EISDIR},
              {"rmdir", EINVAL, ENOTEMPTY, EBUSY},
              {"rename of a directory", EBUSY, EBUSY, EXDEV},
              {"rename to", EBUSY, EBUSY, EXDEV}};
  for (const auto& row : rows) {
    for (const PathCall& call : kPathCalls) {
      if (std::string_view(call.name) != row.call) continue;
      BOOST_TEST_CONTEXT(row.call) {
        for (const char* const path : {".", "./", "dir/.", "dir/./", "to_dir/.", "./."}) {
          BOOST_TEST(call.call(path) == Err{row.dot});
        }
        for (const char* const path : {"..", "../", "dir/..", "to_dir/..", "dir/../."}) {
          const bool is_dot = std::string_view(path) == "dir/../.";
          BOOST_TEST(call.call(path) == Err{is_dot ? row.dot : row.dotdot});
        }
        BOOST_TEST(call.call("/") == Err{row.root});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(of_4095_bytes_reach_every_call) {
  const std::string path = long_path(4095);
  BOOST_TEST(path.size() == 4095U);
  for (const PathCall& call : kPathCalls) {
    BOOST_TEST_CONTEXT(call) {
      make_for(call, "x");
      BOOST_TEST(call.call(path.c_str()) == Err{0});
      for (const char* const left : {"x", "made"}) {
        if (exists(left)) remove_any(left);
      }
      if (!exists("source")) make_file("source");
    }
  }
}

BOOST_AUTO_TEST_CASE(with_a_name_of_255_bytes_reach_every_call) {
  const std::string path = "dir/" + long_name(255);
  for (const PathCall& call : kPathCalls) {
    BOOST_TEST_CONTEXT(call) {
      make_for(call, path);
      BOOST_TEST(call.call(path.c_str()) == Err{0});
      for (const char* const left : {path.c_str(), "made"}) {
        if (exists(left)) remove_any(left);
      }
      if (!exists("source")) make_file("source");
    }
  }
}

BOOST_AUTO_TEST_CASE(that_say_the_same_lead_to_the_same) {
  make_dir("dir/sub");
  make_file("dir/sub/x");
  NEEDS(symlink("dir/sub", "to_sub"));
  NEEDS(symlink(folder.c_str(), "dir/absolute"));
  const ino_t wanted = stat_of("dir/sub/x").st_ino;
  for (const std::string path :
       {"./dir/sub/x", "dir//sub///x", "dir/./sub/./x", "dir/../dir/sub/x", "dir/sub/../sub/x",
        "dir/sub/../../dir/sub/x", "to_dir/sub/x", "to_sub/x", "to_sub/../sub/x",
        "to_dir/../dir/sub/x", "dir/absolute/dir/sub/x", "dir/absolute/to_dir/sub/../sub/x"}) {
    BOOST_TEST(stat_of(path).st_ino == wanted, path);
    BOOST_TEST(stat_of(folder + "/" + path).st_ino == wanted, path);
    BOOST_TEST(stat_of(folder + "//" + path).st_ino == wanted, path);
  }
  BOOST_TEST(stat_of("to_sub/..").st_ino == stat_of("dir").st_ino);
  BOOST_TEST(stat_of("dir/sub/.").st_ino == stat_of("dir/sub").st_ino);
}

BOOST_AUTO_TEST_CASE(need_search_permission_on_the_way) {
  make_dir("locked", 0766);
  make_dir("locked/dir", 0777);
  make_file("locked/file", "", 0666);
  NEEDS(symlink("locked", "to_locked"));
  NEEDS(chmod(folder.c_str(), 0777));
  for (const char* const path : {"locked/file", "locked/missing", "locked/dir", "locked/.",
                                 "locked/..", "locked/dir/x", "to_locked/file"}) {
    for (const PathCall& call : kPathCalls) {
      BOOST_TEST_CONTEXT(call << " of " << path) {
        BOOST_TEST(as(kAlice, [&] { return call.call(path); }) == Err{EACCES});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(in_a_read_only_filesystem_change_nothing) {
  NEEDS(symlink("target", "link"));
  for (const PathCall& call : kPathCalls) {
    const bool has_subject = call.last == Last::kFollowed || call.last == Last::kNamed;
    const char* const path = !has_subject                  ? "new"
                             : call.on == Type::kDirectory ? "dir"
                             : call.on == Type::kSymlink   ? "link"
                                                           : "file";
    BOOST_TEST_CONTEXT(call) {
      BOOST_TEST(where_read_only([&] { return call.call(path); }) == Err{call.changes ? EROFS : 0});
    }
  }
  BOOST_TEST(names_in(".").size() == 13U);
  BOOST_TEST(content_of("file") == "1");
}

BOOST_AUTO_TEST_CASE(in_no_memory_are_refused) {
  const auto* const nowhere = reinterpret_cast<const char*>(std::uintptr_t{1});
  for (const PathCall& call : kPathCalls) {
    BOOST_TEST_CONTEXT(call) { BOOST_TEST(call.call(nowhere) == Err{EFAULT}); }
  }
}

BOOST_AUTO_TEST_SUITE_END()
