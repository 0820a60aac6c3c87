// What a directory's default ACL hands down to what is made in it.
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "tests/posix/acls.h"

using namespace posix_test;

namespace {

const std::string kNamed = "u:rwx u70001:rw- g:r-x g70100:rwx m:rwx o:r-x";

// A way to make something called "x" in the working directory, or a file without a name there.
// Returns a descriptor for it, or for its path.
const struct Maker {
  const char* name;
  int (*make)(mode_t mode);
} kMakers[] = {
    {"open", [](mode_t mode) { return open("x", O_RDONLY | O_CREAT, mode); }},
    {"creat", [](mode_t mode) { return creat("x", mode); }},
    {"tmpfile", [](mode_t mode) { return open(".", O_RDWR | O_TMPFILE, mode); }},
    {"mkdir", [](mode_t mode) { return mkdir("x", mode) == 0 ? open("x", O_RDONLY) : -1; }},
    {"mkfifo", [](mode_t mode) { return mkfifo("x", mode) == 0 ? open("x", O_PATH) : -1; }},
    {"mknod of a file",
     [](mode_t mode) { return mknod("x", S_IFREG | mode, 0) == 0 ? open("x", O_PATH) : -1; }},
    {"mknod of a socket",
     [](mode_t mode) { return mknod("x", S_IFSOCK | mode, 0) == 0 ? open("x", O_PATH) : -1; }},
    {"mknod of a device", [](mode_t mode) {
       return mknod("x", S_IFCHR | mode, makedev(1, 3)) == 0 ? open("x", O_PATH) : -1;
     }}};
std::ostream& operator<<(std::ostream& out, const Maker& maker) { return out << maker.name; }

bool makes_directory(const Maker& maker) { return maker.name == std::string_view("mkdir"); }

std::string acl_through(int fd, const char* name) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  std::string value(4096, '\0');
  const ssize_t got = getxattr(path.c_str(), name, value.data(), value.size());
  if (got < 0) return "";
  return acl_text(std::string_view(value).substr(0, static_cast<std::size_t>(got)));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(acl_default_, Case)

namespace data = boost::unit_test::data;

BOOST_DATA_TEST_CASE(what_is_made_gets_what_acl_and_mode_both_allow, data::make(kMakers), maker) {
  const struct {
    const char* acl;
    mode_t asked, mode;
    const char* access;
  } rows[] = {
      {"u:rwx g:r-x o:---", 0777, 0750, ""},
      {"u:rwx g:rwx o:rwx", 0640, 0640, ""},
      {"u:r-- g:r-- o:r--", 0222, 0, ""},
      {kNamed.c_str(), 0666, 0664, "u:rw- u70001:rw- g:r-x g70100:rwx m:rw- o:r--"},
      {kNamed.c_str(), 0777, 0775, "u:rwx u70001:rw- g:r-x g70100:rwx m:rwx o:r-x"},
      {kNamed.c_str(), 0, 0, "u:--- u70001:rw- g:r-x g70100:rwx m:--- o:---"},
      {kNamed.c_str(), 0421, 0421, "u:r-- u70001:rw- g:r-x g70100:rwx m:-w- o:--x"},
      {"u:rwx g:r-x m:rwx o:---", 0660, 0660, "u:rw- g:r-x m:rw- o:---"},
      {"u:rwx u70001:rwx g:rwx m:--- o:rwx", 0777, 0707, "u:rwx u70001:rwx g:rwx m:--- o:rwx"}};
  for (const auto& row : rows) {
    for (const mode_t mask : {0U, 022U, 0777U}) {
      BOOST_TEST_CONTEXT(row.acl << " for " << std::oct << row.asked << " with umask " << mask) {
        make_dir("d");
        BOOST_TEST(set_acl("d", kDefault, row.acl) == Err{0});
        NEEDS(chdir("d"));
        umask(mask);
        const Fd fd(maker.make(row.asked));
        umask(022);
        NEEDS(fd);
        struct stat st = {};
        NEEDS(fstat(fd, &st));
        BOOST_TEST((st.st_mode & 07777U) == row.mode);
        BOOST_TEST(acl_through(fd, kAccess) == row.access);
        BOOST_TEST(acl_through(fd, kDefault) == (makes_directory(maker) ? row.acl : ""));
        NEEDS(chdir(".."));
        (void)remove("d/x");
        NEEDS(rmdir("d"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(symlinks_get_nothing) {
  BOOST_TEST(set_acl(".", kDefault, kNamed) == Err{0});
  WORKS(symlink("target", "link"));
  BOOST_TEST(mode_of("link") == 0777U);
  BOOST_TEST(xattrs_of("link").empty());
}

BOOST_AUTO_TEST_CASE(a_bound_socket_gets_it) {
  BOOST_TEST(set_acl(".", kDefault, kNamed) == Err{0});
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string_view("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  WORKS(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  // bind(2) takes the umask from the mode by itself.
  BOOST_TEST(mode_of("socket") == 0755U);
  BOOST_TEST(acl_of("socket") == "u:rwx u70001:rw- g:r-x g70100:rwx m:r-x o:r-x");
}

BOOST_AUTO_TEST_CASE(directories_hand_it_down_as_deep_as_they_go) {
  make_dir("d");
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  std::string path = "d";
  for (const mode_t mode : {0777, 0750, 0700, 0777}) {
    path += "/d";
    WORKS(mkdir(path.c_str(), mode));
    BOOST_TEST(acl_of(path, kDefault) == kNamed);  // whatever the mode took from the other
    BOOST_TEST(mode_of(path) == (0775U & mode));
  }
  BOOST_TEST(acl_of("d/d/d/d") == "u:rwx u70001:rw- g:r-x g70100:rwx m:--- o:---");
  NEEDS(removexattr("d/d", kDefault));
  make_dir("d/d/new");
  BOOST_TEST(acl_of("d/d/new", kDefault) == "");
  BOOST_TEST(acl_of("d/d/d", kDefault) == kNamed);  // it has its own
}

BOOST_AUTO_TEST_CASE(special_bits_and_groups_come_as_without_it) {
  make_dir("d", 02777);
  NEEDS(chown("d", kBob.uid, kTeam));
  NEEDS(chmod("d", 02777));
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  BOOST_TEST(mode_of("d") == 02777U);
  WORKS(mkdir("d/sub", 01777));
  BOOST_TEST(mode_of("d/sub") == 03775U);
  BOOST_TEST(stat_of("d/sub").st_gid == kTeam);
  BOOST_TEST(as(kAlice, [] { return err(open("d/f", O_WRONLY | O_CREAT, 04777)); }) == Err{0});
  BOOST_TEST(mode_of("d/f") == 04775U);
  BOOST_TEST(stat_of("d/f").st_uid == kAlice.uid);
  BOOST_TEST(stat_of("d/f").st_gid == kTeam);
}

BOOST_AUTO_TEST_CASE(what_comes_from_elsewhere_keeps_its_own) {
  make_dir("d");
  make_file("f", "", 0640);
  make_file("there", "", 0640);
  make_dir("sub", 0700);
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  NEEDS(rename("f", "d/f"));
  NEEDS(link("there", "d/there"));
  NEEDS(rename("sub", "d/sub"));
  for (const char* path : {"d/f", "d/there", "d/sub"}) BOOST_TEST(xattrs_of(path).empty());
  BOOST_TEST(mode_of("d/f") == 0640U);
  NEEDS(chmod("d/f", 0600));
  BOOST_TEST(xattrs_of("d/f").empty());
  {
    const Fd fd = open_file("d/f", O_RDWR | O_CREAT | O_TRUNC, 0777);
  }
  BOOST_TEST(mode_of("d/f") == 0600U);
  make_file("d/new");
  NEEDS(rename("d/new", "new"));
  BOOST_TEST(acl_of("new") == "u:rw- u70001:rw- g:r-x g70100:rwx m:r-- o:r--");
}

BOOST_AUTO_TEST_CASE(a_temporary_file_takes_it_to_its_name) {
  make_dir("d");
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  const Fd fd = open_file("d", O_RDWR | O_TMPFILE, 0666);
  WORKS(linkat(fd, "", AT_FDCWD, "f", AT_EMPTY_PATH));
  BOOST_TEST(acl_of("f") == "u:rw- u70001:rw- g:r-x g70100:rwx m:rw- o:r--");
  BOOST_TEST(mode_of("f") == 0664U);
}

BOOST_AUTO_TEST_CASE(without_it_the_umask_counts_again) {
  umask(027);
  BOOST_TEST(set_acl(".", kDefault, "u:rwx g:rwx o:rwx") == Err{0});
  const Fd with = open_file("with", O_RDWR | O_CREAT, 0666);
  NEEDS(removexattr(".", kDefault));
  BOOST_TEST(set_acl(".", kAccess, kNamed) == Err{0});  // is handed down to nobody
  const Fd without = open_file("without", O_RDWR | O_CREAT, 0666);
  BOOST_TEST(mode_of("with") == 0666U);
  BOOST_TEST(mode_of("without") == 0640U);
  BOOST_TEST(xattrs_of("without").empty());
}

BOOST_AUTO_TEST_CASE(it_decides_nothing_about_the_directory_itself) {
  make_dir("d", 0700);
  BOOST_TEST(set_acl("d", kDefault, "u:rwx u70001:rwx g:rwx m:rwx o:rwx") == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(open("d", O_RDONLY)); }) == Err{EACCES});
  BOOST_TEST(as(kAlice, [] { return err(mkdir("d/x", 0755)); }) == Err{EACCES});
  NEEDS(chmod("d", 0777));
  BOOST_TEST(set_acl("d", kDefault, "u:--- g:--- o:---") == Err{0});
  BOOST_TEST(as(kAlice, [] { return err(mkdir("d/x", 0755)); }) == Err{0});
  BOOST_TEST(mode_of("d/x") == 0U);
}

BOOST_AUTO_TEST_CASE(inheriting_moves_the_times_of_any_creation) {
  make_dir("d");
  BOOST_TEST(set_acl("d", kDefault, kNamed) == Err{0});
  BOOST_TEST(moved_times("d", [] { NEEDS(mkdir("d/x", 0755)); }) == "mc");
  BOOST_TEST(stat_of("d").st_nlink == 3U);
  const struct stat st = stat_of("d/x");
  BOOST_TEST(st.st_ctim.tv_nsec == st.st_mtim.tv_nsec);
}

BOOST_AUTO_TEST_SUITE_END()
