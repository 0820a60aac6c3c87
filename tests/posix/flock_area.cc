// flock(2), and leases of fcntl(2).
#include "tests/posix/peer.h"

using namespace posix_test;

BOOST_FIXTURE_TEST_SUITE(flock_, Case)

BOOST_AUTO_TEST_CASE(writers_exclude_and_readers_share) {
  make_file("f");
  const Fd one = open_file("f", O_RDONLY), two = open_file("f", O_RDWR);  // of one process
  Peer peer;
  const int other = peer.open("f", O_WRONLY);
  for (const int held : {LOCK_SH, LOCK_EX}) {
    for (const int asked : {LOCK_SH, LOCK_EX}) {
      BOOST_TEST_CONTEXT(held << " then " << asked) {
        const int wanted = held == LOCK_EX || asked == LOCK_EX ? EWOULDBLOCK : 0;
        WORKS(flock(one, held));
        WORKS(flock(one, held | LOCK_NB));  // again
        FAILS(flock(two, asked | LOCK_NB), wanted);
        WORKS(flock(two, LOCK_UN));
        BOOST_TEST(peer.flock(other, asked | LOCK_NB) == Err{wanted});
        BOOST_TEST(peer.flock(other, LOCK_UN) == Err{0});
        WORKS(flock(one, LOCK_UN));
        WORKS(flock(two, LOCK_EX | LOCK_NB));
        WORKS(flock(two, LOCK_UN));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(any_type_that_can_be_opened_is_locked) {
  make_file("f");
  make_dir("d");
  NEEDS(mkfifo("fifo", 0600));
  make(Type::kCharDevice, "null");
  for (const char* path : {"f", "d", "fifo", "null"}) {
    BOOST_TEST_CONTEXT(path) {
      const Fd one = open_file(path, O_RDONLY | O_NONBLOCK);
      const Fd two = open_file(path, O_RDONLY | O_NONBLOCK);
      WORKS(flock(one, LOCK_EX));
      FAILS(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK);
      WORKS(flock(one, LOCK_SH));
      WORKS(flock(two, LOCK_SH | LOCK_NB));
    }
  }
}

BOOST_AUTO_TEST_CASE(is_refused) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR), path = open_file("f", O_PATH);
  FAILS(flock(-1, LOCK_SH), EBADF);
  FAILS(flock(path, LOCK_SH), EBADF);
  for (const int operation : {0, LOCK_NB, LOCK_SH | LOCK_EX, LOCK_EX | LOCK_UN, 16}) {
    BOOST_TEST_CONTEXT(operation) { FAILS(flock(fd, operation), EINVAL); }
  }
  WORKS(flock(fd, LOCK_UN));  // there is none
  WORKS(flock(fd, LOCK_UN | LOCK_NB));
}

BOOST_AUTO_TEST_CASE(it_belongs_to_the_description) {
  make_file("f");
  Peer stranger;
  const int other = stranger.open("f");
  Fd fd = open_file("f", O_RDWR);
  Fd twin(dup(fd));
  Peer child;
  WORKS(flock(fd, LOCK_EX));
  WORKS(flock(twin, LOCK_EX | LOCK_NB));
  BOOST_TEST(child.flock(fd, LOCK_EX | LOCK_NB) == Err{0});
  BOOST_TEST(stranger.flock(other, LOCK_SH | LOCK_NB) == Err{EWOULDBLOCK});
  close(open("f", O_RDWR));  // another description
  fd.reset();
  BOOST_TEST(stranger.flock(other, LOCK_SH | LOCK_NB) == Err{EWOULDBLOCK});
  BOOST_TEST(child.flock(twin, LOCK_UN) == Err{0});  // for all of them
  BOOST_TEST(stranger.flock(other, LOCK_EX | LOCK_NB) == Err{0});
  BOOST_TEST(stranger.flock(other, LOCK_UN) == Err{0});
  WORKS(flock(twin, LOCK_EX));
  twin.reset();
  BOOST_TEST(stranger.flock(other, LOCK_EX | LOCK_NB) == Err{EWOULDBLOCK});
  child.end();
  BOOST_TEST(stranger.flock(other, LOCK_EX | LOCK_NB) == Err{0});
}

BOOST_AUTO_TEST_CASE(it_ends_with_the_process) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  for (const bool killed : {false, true}) {
    Peer peer;
    BOOST_TEST(peer.flock(peer.open("f"), LOCK_EX) == Err{0});
    FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    if (killed) peer.signal(SIGKILL);
    peer.end();
    WORKS(flock(fd, LOCK_EX | LOCK_NB));
    WORKS(flock(fd, LOCK_UN));
  }
}

BOOST_AUTO_TEST_CASE(it_is_converted_up_and_down) {
  make_file("f");
  const Fd one = open_file("f", O_RDWR), two = open_file("f", O_RDWR);
  WORKS(flock(one, LOCK_EX));
  WORKS(flock(one, LOCK_SH | LOCK_NB));
  WORKS(flock(two, LOCK_SH | LOCK_NB));
  FAILS(flock(one, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  WORKS(flock(two, LOCK_UN));
  WORKS(flock(one, LOCK_EX | LOCK_NB));
  FAILS(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK);
}

BOOST_AUTO_TEST_CASE(who_waits_gets_it_next) {
  make_file("f");
  Peer one, two;
  const int of_one = one.open("f"), of_two = two.open("f");
  Fd fd = open_file("f", O_RDWR);
  WORKS(flock(fd, LOCK_EX));
  one.begin_flock(of_one, LOCK_SH);
  two.begin_flock(of_two, LOCK_SH);
  WORKS(flock(fd, LOCK_UN));
  BOOST_TEST(one.finish() == Err{0});
  BOOST_TEST(two.finish() == Err{0});
  FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  two.begin_flock(of_two, LOCK_EX);
  one.end();
  BOOST_TEST(two.finish() == Err{0});
  FAILS(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
}

BOOST_AUTO_TEST_CASE(waiting_ends_by_a_signal) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  WORKS(flock(fd, LOCK_EX));
  peer.begin_flock(other, LOCK_SH);
  peer.signal(SIGUSR1);
  BOOST_TEST(peer.finish() == Err{EINTR});
  WORKS(flock(fd, LOCK_UN));
  WORKS(flock(fd, LOCK_EX | LOCK_NB));
}

BOOST_AUTO_TEST_CASE(it_knows_nothing_of_the_locks_of_fcntl) {
  make_file("f");
  const Fd fd = open_file("f", O_RDWR);
  Peer peer;
  const int other = peer.open("f");
  WORKS(flock(fd, LOCK_EX));
  BOOST_TEST(peer.lock(other, F_SETLK, range(F_WRLCK)) == Err{0});
  BOOST_TEST(peer.lock(other, F_OFD_SETLK, range(F_UNLCK)) == Err{0});
  WORKS(flock(fd, LOCK_UN));
  BOOST_TEST(peer.flock(other, LOCK_EX | LOCK_NB) == Err{0});
  struct flock asked = range(F_RDLCK);
  FAILS(fcntl(fd, F_SETLK, &asked), EAGAIN);  // still the other's
}

BOOST_AUTO_TEST_CASE(it_holds_for_every_name_and_without_one) {
  make_file("f");
  NEEDS(link("f", "also"));
  Peer peer;
  const Fd fd = open_file("f", O_RDWR);
  WORKS(flock(fd, LOCK_EX));
  const int other = peer.open("also");
  BOOST_TEST(peer.flock(other, LOCK_SH | LOCK_NB) == Err{EWOULDBLOCK});
  NEEDS(unlink("f"));
  NEEDS(rename("also", "f"));
  BOOST_TEST(peer.flock(other, LOCK_SH | LOCK_NB) == Err{EWOULDBLOCK});
  NEEDS(unlink("f"));
  BOOST_TEST(peer.flock(other, LOCK_SH | LOCK_NB) == Err{EWOULDBLOCK});
  make_file("f");
  BOOST_TEST(peer.flock(peer.open("f"), LOCK_EX | LOCK_NB) == Err{0});
}

BOOST_AUTO_TEST_CASE(a_lease_is_broken_by_who_opens) {
  make_file("f");
  NEEDS(signal(SIGIO, SIG_IGN) == SIG_ERR ? -1 : 0);
  const Fd reading = open_file("f", O_RDONLY);
  BOOST_TEST(fcntl(reading, F_GETLEASE) == F_UNLCK);
  WORKS(fcntl(reading, F_SETLEASE, F_RDLCK));
  BOOST_TEST(fcntl(reading, F_GETLEASE) == F_RDLCK);
  BOOST_TEST(as(kRoot, [] { return err(open("f", O_RDONLY | O_NONBLOCK)); }) == Err{0});
  BOOST_TEST(as(kRoot, [] { return err(open("f", O_WRONLY | O_NONBLOCK)); }) == Err{EWOULDBLOCK});
  WORKS(fcntl(reading, F_SETLEASE, F_UNLCK));
  BOOST_TEST(as(kRoot, [] { return err(open("f", O_WRONLY | O_NONBLOCK)); }) == Err{0});
  const Fd both = open_file("f", O_RDWR);
  FAILS(fcntl(both, F_SETLEASE, F_WRLCK), EAGAIN);  // `reading` is open as well
  FAILS(fcntl(both, F_SETLEASE, F_RDLCK), EAGAIN);  // open for writing
  FAILS(fcntl(reading, F_SETLEASE, 99), EINVAL);
  const Fd directory = open_file(".", O_RDONLY);
  FAILS(fcntl(directory, F_SETLEASE, F_RDLCK), EINVAL);
  BOOST_TEST(as(kAlice, [&] { return err(fcntl(reading, F_SETLEASE, F_RDLCK)); }) == Err{EACCES});
}

BOOST_AUTO_TEST_SUITE_END()
