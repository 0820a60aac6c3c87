// fcntl(2): locks of processes and of open file descriptions.
#include "tests/posix/peer.h"

using namespace posix_test;

namespace {

constexpr off_t kMaxOffset = std::numeric_limits<off_t>::max();

Err lock(int fd, int command, struct flock what) { return err(fcntl(fd, command, &what)); }

struct Kind {
  const char* name;
  int set, wait, get;
};
constexpr Kind kKinds[] = {{"process", F_SETLK, F_SETLKW, F_GETLK},
                           {"description", F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK}};
std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(locks_, Case)

namespace data = boost::unit_test::data;

BOOST_DATA_TEST_CASE(writers_exclude_and_readers_share, data::make(kKinds), kind) {
  make_file("f", "content");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  for (const int held : {F_RDLCK, F_WRLCK}) {
    for (const int asked : {F_RDLCK, F_WRLCK}) {
      for (const Kind& by : kKinds) {
        BOOST_TEST_CONTEXT(held << " then " << asked << " of the " << by) {
          BOOST_TEST(lock(fd, kind.set, range(held)) == Err{0});
          const bool conflict = held == F_WRLCK || asked == F_WRLCK;
          BOOST_TEST(peer.lock(other, by.set, range(asked)) == Err{conflict ? EAGAIN : 0});
          BOOST_TEST(lock(fd, kind.set, range(F_UNLCK)) == Err{0});
          BOOST_TEST(peer.lock(other, by.set, range(F_WRLCK)) == Err{0});
          BOOST_TEST(lock(fd, kind.set, range(F_RDLCK)) == Err{EAGAIN});
          BOOST_TEST(peer.lock(other, by.set, range(F_UNLCK)) == Err{0});
        }
      }
    }
  }
}

BOOST_DATA_TEST_CASE(only_bytes_that_both_ask_for_conflict, data::make(kKinds), kind) {
  make_file("f", std::string(100, 'c'));
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  const struct {
    struct flock held, asked;
    int wanted;
  } rows[] = {{range(F_WRLCK, 10, 10), range(F_WRLCK, 0, 10), 0},
              {range(F_WRLCK, 10, 10), range(F_WRLCK, 20, 10), 0},
              {range(F_WRLCK, 10, 10), range(F_WRLCK, 0, 11), EAGAIN},
              {range(F_WRLCK, 10, 10), range(F_WRLCK, 19, 1), EAGAIN},
              {range(F_WRLCK, 10, 10), range(F_WRLCK, 0, 0), EAGAIN},
              {range(F_WRLCK, 10, 0), range(F_WRLCK, 0, 10), 0},
              {range(F_WRLCK, 10, 0), range(F_WRLCK, 1000, 1), EAGAIN},
              {range(F_WRLCK, 1000, 10), range(F_WRLCK, 0, 1000), 0},  // beyond the end
              {range(F_WRLCK, 1000, 10), range(F_WRLCK, 1009, 1), EAGAIN},
              {range(F_WRLCK, -10, 5, SEEK_END), range(F_WRLCK, 95, 5), 0},
              {range(F_WRLCK, -10, 5, SEEK_END), range(F_WRLCK, 90, 1), EAGAIN},
              {range(F_WRLCK, 10, -5), range(F_WRLCK, 5, 1), EAGAIN},
              {range(F_WRLCK, 10, -5), range(F_WRLCK, 10, 1), 0},
              {range(F_WRLCK, 0, 5, SEEK_CUR), range(F_WRLCK, 34, 1), EAGAIN},  // from 30
              {range(F_WRLCK, 0, 5, SEEK_CUR), range(F_WRLCK, 35, 1), 0},
              {range(F_WRLCK, kMaxOffset, 1), range(F_WRLCK, 0, kMaxOffset), 0},
              {range(F_WRLCK, kMaxOffset, 1), range(F_WRLCK, kMaxOffset, 0), EAGAIN}};
  NEEDS(lseek(fd, 30, SEEK_SET));
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      BOOST_TEST(lock(fd, kind.set, row.held) == Err{0});
      BOOST_TEST(peer.lock(other, kind.set, row.asked) == Err{row.wanted});
      BOOST_TEST(lock(fd, kind.set, range(F_UNLCK)) == Err{0});
      BOOST_TEST(peer.lock(other, kind.set, range(F_UNLCK)) == Err{0});
    }
  }
}

BOOST_DATA_TEST_CASE(what_stands_in_the_way_is_told, data::make(kKinds), kind) {
  make_file("f", std::string(100, 'c'));
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  NEEDS(lseek(fd, 20, SEEK_SET));
  BOOST_TEST(lock(fd, kind.set, range(F_RDLCK, 0, 5, SEEK_CUR)) == Err{0});
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, -10, 0, SEEK_END)) == Err{0});
  const struct flock read = peer.holder(other, range(F_WRLCK, 0, 50));
  BOOST_TEST(read.l_type == F_RDLCK);
  BOOST_TEST(read.l_whence == SEEK_SET);
  BOOST_TEST(read.l_start == 20);
  BOOST_TEST(read.l_len == 5);
  BOOST_TEST(read.l_pid == (kind.set == F_SETLK ? getpid() : -1));
  const struct flock write = peer.holder(other, range(F_RDLCK, 1000, 1), F_OFD_GETLK);
  BOOST_TEST(write.l_type == F_WRLCK);
  BOOST_TEST(write.l_start == 90);
  BOOST_TEST(write.l_len == 0);
  for (const auto& free : {range(F_RDLCK, 0, 50), range(F_WRLCK, 25, 65), range(F_WRLCK, 0, 20)}) {
    const struct flock none = peer.holder(other, free, kind.get);
    BOOST_TEST(none.l_type == F_UNLCK);
    BOOST_TEST(none.l_start == free.l_start);
    BOOST_TEST(none.l_len == free.l_len);
  }
  struct flock own = range(F_WRLCK);
  WORKS(fcntl(fd, kind.get, &own));
  BOOST_TEST(own.l_type == F_UNLCK);  // one's own is in nobody's way
}

BOOST_DATA_TEST_CASE(locks_are_split_joined_and_converted, data::make(kKinds), kind) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  const auto held = [&](off_t at) {
    const struct flock found = peer.holder(other, range(F_WRLCK, at, 1));
    return found.l_type == F_UNLCK ? '-' : found.l_type == F_RDLCK ? 'r' : 'w';
  };
  const auto map = [&] {
    std::string out;
    for (off_t at = 0; at < 100; at += 10) out += held(at);
    return out;
  };
  const struct {
    struct flock what;
    const char* map;
  } rows[] = {{range(F_WRLCK, 0, 100), "wwwwwwwwww"},  {range(F_UNLCK, 40, 20), "wwww--wwww"},
              {range(F_RDLCK, 20, 50), "wwrrrrrwww"},  {range(F_UNLCK, 0, 10), "-wrrrrrwww"},
              {range(F_WRLCK, 30, 20), "-wrwwrrwww"},  {range(F_UNLCK, 90, 0), "-wrwwrrww-"},
              {range(F_RDLCK, 0, 0), "rrrrrrrrrr"},    {range(F_UNLCK, 10, 10), "r-rrrrrrrr"},
              {range(F_UNLCK, 500, 10), "r-rrrrrrrr"}, {range(F_UNLCK), "----------"}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      BOOST_TEST(lock(fd, kind.set, row.what) == Err{0});
      BOOST_TEST(map() == row.map);
    }
  }
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, 0, 10)) == Err{0});
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, 10, 10)) == Err{0});
  const struct flock joined = peer.holder(other, range(F_WRLCK));
  BOOST_TEST(joined.l_start == 0);
  BOOST_TEST(joined.l_len == 20);
}

BOOST_DATA_TEST_CASE(a_reader_among_others_cannot_become_a_writer, data::make(kKinds), kind) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  BOOST_TEST(lock(fd, kind.set, range(F_RDLCK, 0, 10)) == Err{0});
  BOOST_TEST(peer.lock(other, kind.set, range(F_RDLCK, 5, 10)) == Err{0});
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, 0, 10)) == Err{EAGAIN});
  BOOST_TEST(peer.holder(other, range(F_WRLCK, 0, 10)).l_type == F_RDLCK);  // and stays one
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, 0, 5)) == Err{0});
}

BOOST_DATA_TEST_CASE(is_refused, data::make(kKinds), kind) {
  make_file("f");
  make_dir("d");
  const Fd both = open_file("f", O_RDWR), reading = open_file("f", O_RDONLY);
  const Fd writing = open_file("f", O_WRONLY), path = open_file("f", O_PATH);
  const Fd directory = open_file("d", O_RDONLY);
  const struct {
    int fd;
    struct flock what;
    int wanted, wanted_to_get;
  } rows[] = {{-1, range(F_RDLCK), EBADF, EBADF},
              {path, range(F_RDLCK), EBADF, EBADF},
              {reading, range(F_WRLCK), EBADF, 0},
              {writing, range(F_RDLCK), EBADF, 0},
              {reading, range(F_RDLCK), 0, 0},
              {writing, range(F_WRLCK), 0, 0},
              {directory, range(F_RDLCK), 0, 0},
              {directory, range(F_WRLCK), EBADF, 0},
              {both, range(99), EINVAL, EINVAL},
              {both, range(F_UNLCK), 0, kind.get == F_GETLK ? EINVAL : 0},
              {both, range(F_RDLCK, 0, 0, 99), EINVAL, EINVAL},
              {both, range(F_RDLCK, -1), EINVAL, EINVAL},
              {both, range(F_RDLCK, -1, 1, SEEK_CUR), EINVAL, EINVAL},
              {both, range(F_RDLCK, -1, 1, SEEK_END), EINVAL, EINVAL},
              {both, range(F_RDLCK, 5, -6), EINVAL, EINVAL},
              {both, range(F_RDLCK, kMaxOffset, 2), EOVERFLOW, EOVERFLOW},
              {both, range(F_RDLCK, 0, 1, SEEK_END), 0, 0}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT("row " << &row - rows) {
      BOOST_TEST(lock(row.fd, kind.set, row.what) == Err{row.wanted});
      BOOST_TEST(lock(row.fd, kind.get, row.what) == Err{row.wanted_to_get});
      (void)lock(row.fd, kind.set, range(F_UNLCK));
    }
  }
  struct flock with_pid = range(F_RDLCK);
  with_pid.l_pid = 1;
  BOOST_TEST(lock(both, kind.set, with_pid) == Err{kind.set == F_SETLK ? 0 : EINVAL});
}

BOOST_AUTO_TEST_CASE(closing_any_descriptor_of_the_file_ends_those_of_a_process) {
  make_file("f");
  NEEDS(link("f", "also"));
  Peer peer;
  const int other = peer.open("f");
  for (const bool by_dup : {true, false}) {
    const Fd fd = open_file("f", O_RDWR);
    BOOST_TEST(lock(fd, F_SETLK, range(F_WRLCK)) == Err{0});
    BOOST_TEST(peer.lock(other, F_SETLK, range(F_WRLCK)) == Err{EAGAIN});
    close(by_dup ? dup(fd) : open("also", O_RDONLY));
    BOOST_TEST(peer.lock(other, F_SETLK, range(F_WRLCK)) == Err{0});
    BOOST_TEST(peer.lock(other, F_SETLK, range(F_UNLCK)) == Err{0});
  }
}

BOOST_AUTO_TEST_CASE(those_of_a_description_end_with_its_last_descriptor) {
  make_file("f");
  Peer stranger;
  const int other = stranger.open("f");
  Fd fd = open_file("f", O_RDWR);
  Fd twin(dup(fd));
  BOOST_TEST(lock(fd, F_OFD_SETLK, range(F_WRLCK)) == Err{0});
  Peer child;  // shares it
  close(open("f", O_RDWR));
  fd.reset();
  BOOST_TEST(stranger.lock(other, F_OFD_SETLK, range(F_WRLCK)) == Err{EAGAIN});
  BOOST_TEST(child.lock(twin, F_OFD_SETLK, range(F_RDLCK)) == Err{0});  // converts it
  BOOST_TEST(stranger.lock(other, F_OFD_SETLK, range(F_RDLCK)) == Err{0});
  BOOST_TEST(stranger.lock(other, F_OFD_SETLK, range(F_WRLCK)) == Err{EAGAIN});
  twin.reset();
  BOOST_TEST(stranger.lock(other, F_OFD_SETLK, range(F_WRLCK)) == Err{EAGAIN});
  child.end();
  BOOST_TEST(stranger.lock(other, F_OFD_SETLK, range(F_WRLCK)) == Err{0});
}

BOOST_AUTO_TEST_CASE(within_a_process_only_descriptions_exclude) {
  make_file("f");
  const Fd one = open_file("f", O_RDWR), two = open_file("f", O_RDWR);
  BOOST_TEST(lock(one, F_SETLK, range(F_WRLCK)) == Err{0});
  BOOST_TEST(lock(two, F_SETLK, range(F_WRLCK)) == Err{0});
  BOOST_TEST(lock(two, F_OFD_SETLK, range(F_RDLCK)) == Err{EAGAIN});
  BOOST_TEST(lock(one, F_SETLK, range(F_UNLCK)) == Err{0});
  BOOST_TEST(lock(one, F_OFD_SETLK, range(F_WRLCK)) == Err{0});
  BOOST_TEST(lock(two, F_OFD_SETLK, range(F_RDLCK)) == Err{EAGAIN});
  BOOST_TEST(lock(one, F_SETLK, range(F_RDLCK)) == Err{EAGAIN});
}

BOOST_AUTO_TEST_CASE(a_child_does_not_inherit_those_of_its_parent) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  BOOST_TEST(lock(fd, F_SETLK, range(F_WRLCK)) == Err{0});
  Peer child;
  BOOST_TEST(child.lock(fd, F_SETLK, range(F_RDLCK)) == Err{EAGAIN});
  BOOST_TEST(child.lock(fd, F_SETLK, range(F_UNLCK)) == Err{0});  // it has none
  BOOST_TEST(child.close(fd) == Err{0});
  Peer stranger;
  const int other = stranger.open("f");
  BOOST_TEST(stranger.lock(other, F_SETLK, range(F_RDLCK)) == Err{EAGAIN});
}

BOOST_DATA_TEST_CASE(a_program_that_is_executed_keeps_them, data::make(kKinds), kind) {
  make_file("f");
  std::array<int, 2> input, started;
  NEEDS(pipe(input.data()));
  NEEDS(pipe2(started.data(), O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    dup2(input[0], 0);
    close(input[1]);
    const bool locked = lock(open("f", O_RDWR), kind.set, range(F_WRLCK)) == Err{0};
    if (locked) execl("/bin/cat", "cat", nullptr);
    _exit(1);
  }
  close(started[1]);
  char byte;
  BOOST_TEST(read(started[0], &byte, 1) == 0);  // exec closed it
  const Fd fd = open_file("f", O_RDWR);
  BOOST_TEST(lock(fd, kind.set, range(F_RDLCK)) == Err{EAGAIN});
  struct flock found = range(F_RDLCK);
  WORKS(fcntl(fd, F_GETLK, &found));
  BOOST_TEST(found.l_pid == (kind.set == F_SETLK ? child : -1));
  for (const int end : {input[0], input[1], started[0]}) close(end);
  int status = 0;
  BOOST_TEST(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK)) == Err{0});
}

BOOST_DATA_TEST_CASE(they_end_with_the_process, data::make(kKinds), kind) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  for (const bool killed : {false, true}) {
    Peer peer;
    BOOST_TEST(peer.lock(peer.open("f"), kind.set, range(F_WRLCK)) == Err{0});
    BOOST_TEST(lock(fd, kind.set, range(F_RDLCK)) == Err{EAGAIN});
    if (killed) peer.signal(SIGKILL);
    peer.end();
    BOOST_TEST(lock(fd, kind.set, range(F_WRLCK)) == Err{0});
    BOOST_TEST(lock(fd, kind.set, range(F_UNLCK)) == Err{0});
  }
}

BOOST_DATA_TEST_CASE(who_waits_gets_it_next, data::make(kKinds), kind) {
  make_file("f");
  Peer one, two;
  Fd fd = open_file("f", O_RDWR);
  const int of_one = one.open("f"), of_two = two.open("f");
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK, 0, 10)) == Err{0});
  one.begin_lock(of_one, kind.wait, range(F_RDLCK, 0, 5));
  two.begin_lock(of_two, kind.wait, range(F_WRLCK, 5, 5));
  BOOST_TEST(lock(fd, kind.set, range(F_UNLCK, 0, 5)) == Err{0});
  BOOST_TEST(one.finish() == Err{0});
  BOOST_TEST(lock(fd, kind.set, range(F_RDLCK, 0, 5)) == Err{0});
  fd.reset();
  BOOST_TEST(two.finish() == Err{0});
  BOOST_TEST(one.lock(of_one, kind.set, range(F_RDLCK, 5, 1)) == Err{EAGAIN});
  BOOST_TEST(two.lock(of_two, kind.set, range(F_WRLCK, 0, 10)) == Err{EAGAIN});
  two.begin_lock(of_two, kind.wait, range(F_WRLCK, 0, 10));
  one.end();
  BOOST_TEST(two.finish() == Err{0});
}

BOOST_DATA_TEST_CASE(waiting_ends_by_a_signal, data::make(kKinds), kind) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  BOOST_TEST(lock(fd, kind.set, range(F_WRLCK)) == Err{0});
  peer.begin_lock(other, kind.wait, range(F_WRLCK));
  peer.signal(SIGUSR1);
  BOOST_TEST(peer.finish() == Err{EINTR});
  BOOST_TEST(lock(fd, kind.set, range(F_UNLCK)) == Err{0});
  BOOST_TEST(peer.holder(other, range(F_WRLCK)).l_type == F_UNLCK);
}

BOOST_AUTO_TEST_CASE(processes_that_would_wait_for_each_other_are_told) {
  make_file("f");
  Peer one, two, three;
  const int of_one = one.open("f"), of_two = two.open("f"), of_three = three.open("f");
  BOOST_TEST(one.lock(of_one, F_SETLK, range(F_WRLCK, 1, 1)) == Err{0});
  BOOST_TEST(two.lock(of_two, F_SETLK, range(F_WRLCK, 2, 1)) == Err{0});
  BOOST_TEST(three.lock(of_three, F_SETLK, range(F_WRLCK, 3, 1)) == Err{0});
  one.begin_lock(of_one, F_SETLKW, range(F_WRLCK, 2, 1));
  BOOST_TEST(two.lock(of_two, F_SETLKW, range(F_WRLCK, 1, 1)) == Err{EDEADLK});
  two.begin_lock(of_two, F_SETLKW, range(F_RDLCK, 3, 1));
  BOOST_TEST(three.lock(of_three, F_SETLKW, range(F_RDLCK, 1, 1)) == Err{EDEADLK});
  BOOST_TEST(three.lock(of_three, F_SETLK, range(F_UNLCK)) == Err{0});
  BOOST_TEST(two.finish() == Err{0});
  two.end();
  BOOST_TEST(one.finish() == Err{0});
}

BOOST_AUTO_TEST_CASE(they_hold_for_every_name_and_without_one) {
  make_file("f");
  NEEDS(link("f", "also"));
  Peer peer;
  const Fd fd = open_file("f", O_RDWR);
  BOOST_TEST(lock(fd, F_SETLK, range(F_WRLCK)) == Err{0});
  const int other = peer.open("also");
  NEEDS(rename("f", "moved"));
  BOOST_TEST(peer.lock(other, F_SETLK, range(F_RDLCK)) == Err{EAGAIN});
  NEEDS(unlink("moved"));
  NEEDS(unlink("also"));
  BOOST_TEST(peer.lock(other, F_SETLK, range(F_RDLCK)) == Err{EAGAIN});
  make_file("f");  // another file
  BOOST_TEST(peer.lock(peer.open("f"), F_SETLK, range(F_WRLCK)) == Err{0});
}

BOOST_AUTO_TEST_CASE(they_are_advice) {
  make_file("f", "content", 02666);
  const Fd fd = open_file("f", O_RDWR);
  BOOST_TEST(lock(fd, F_SETLK, range(F_WRLCK)) == Err{0});
  BOOST_TEST(as(kRoot, [] {
               const Fd other(open("f", O_RDWR | O_TRUNC));
               return err(write(other, "written", 7));
             }) == Err{0});
  BOOST_TEST(content_of("f") == "written");
  WORKS(unlink("f"));
}

BOOST_AUTO_TEST_CASE(lockf_locks_from_the_offset_on) {
  make_file("f", std::string(100, 'c'));
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  NEEDS(lseek(fd, 50, SEEK_SET));
  WORKS(lockf(fd, F_TLOCK, 10));
  const struct flock found = peer.holder(other, range(F_RDLCK));
  BOOST_TEST(found.l_type == F_WRLCK);
  BOOST_TEST(found.l_start == 50);
  BOOST_TEST(found.l_len == 10);
  BOOST_TEST(peer.lock(other, F_SETLK, range(F_WRLCK, 0, 50)) == Err{0});
  FAILS(lockf(fd, F_TLOCK, -10), EAGAIN);
  FAILS(lockf(fd, F_TEST, -10), EACCES);
  WORKS(lockf(fd, F_TEST, 10));
  WORKS(lockf(fd, F_ULOCK, 0));
  const Fd reading = open_file("f", O_RDONLY);
  FAILS(lockf(reading, F_TLOCK, 1), EBADF);
}

BOOST_AUTO_TEST_SUITE_END()
