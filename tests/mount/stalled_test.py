"""Goal: whoever waits for the disk does not keep others waiting who need nothing from it.

A library in the daemon lets its syncs, or its reads, wait until the test opens the gate. Everything
runs on one core, so over io_uring all requests go to one thread; no clock is looked at: an
operation that waits for a gate never ends.
"""

import errno
import os
import threading

import harness

DIRECTORIES, FILES = 40, 500  # more than one blob
SYNCS = 16
LOOKUPS = 200


class Gate:
    """While it exists, the daemon's calls of one kind wait."""

    def __init__(self, folder, kind):
        self.path = os.path.join(folder, kind)
        os.mkfifo(self.path)

    def wait_until_reached(self):
        harness.wait_until(lambda: os.path.exists(self.path + ".reached"))

    def open(self):
        opened = self.path + ".open"
        os.rename(self.path, opened)
        self.writer = os.open(opened, os.O_RDWR)

    def close(self):
        os.close(self.writer)


class Stalled(harness.MountedTest):
    def setUp(self):
        cores = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, {min(cores)})
        super().setUp()

    def mount(self, *options):
        self.environment = {"LD_PRELOAD": harness.ARGS.stall, "HOLTFS_STALL": self.folder}
        super().mount(*options)

    def make_directories(self):
        for d in range(DIRECTORIES):
            os.mkdir(self.path(f"d{d}"))
            for f in range(FILES):
                os.mknod(self.path(f"d{d}", f"file-with-a-name-{f}"))

    def look_up_what_is_not_there(self, folder):
        """Each name is new, so that each is a request."""
        for i in range(LOOKUPS):
            self.fails(errno.ENOENT, os.stat, self.path(folder, f"none-{i}"))

    def sync_a_new_file(self, number):
        fd = os.open(self.path(f"synced-{number}"), os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"x" * 100)
        os.fsync(fd)
        os.close(fd)
        self.finished.append(number)

    def stat(self, name):
        os.stat(self.path(name))
        self.finished.append(name)

    def start(self, function, arguments):
        self.finished = []
        threads = [threading.Thread(target=function, args=(a,)) for a in arguments]
        for thread in threads:
            thread.start()
        return threads

    def finish(self, threads):
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.finished), len(threads))

    def test_names_are_answered_while_syncs_wait(self):
        os.mkdir(self.path("d"))
        gate = Gate(self.folder, "sync")
        syncs = self.start(self.sync_a_new_file, range(SYNCS))
        gate.wait_until_reached()
        self.look_up_what_is_not_there("d")
        os.mkdir(self.path("d", "made"))
        self.assertEqual(self.finished, [])
        gate.open()
        self.finish(syncs)
        gate.close()

    def test_names_are_answered_while_cold_reads_wait(self):
        self.make_directories()
        self.remount()
        self.fails(errno.ENOENT, os.stat, self.path("d0", "warm"))
        gate = Gate(self.folder, "read")
        names = [f"d{d}/file-with-a-name-7" for d in range(0, DIRECTORIES, 5)]
        reads = self.start(self.stat, names)
        gate.wait_until_reached()
        self.look_up_what_is_not_there("d0")
        self.assertLess(len(self.finished), len(names))
        gate.open()
        self.finish(reads)
        gate.close()

    def test_cold_reads_are_answered_while_syncs_wait(self):
        self.make_directories()
        self.remount()
        gate = Gate(self.folder, "sync")
        syncs = self.start(self.sync_a_new_file, range(SYNCS))
        gate.wait_until_reached()
        for d in range(DIRECTORIES):
            os.stat(self.path(f"d{d}", "file-with-a-name-7"))
        self.assertEqual(self.finished, [])
        gate.open()
        self.finish(syncs)
        gate.close()


if __name__ == "__main__":
    harness.main()
