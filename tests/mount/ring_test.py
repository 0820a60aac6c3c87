"""Goal: a request is taken up although the thread that answered one before sleeps in the kernel.

Over io_uring the kernel hands a request to the thread that submitted the entry it comes with. Were
that a thread which then waits for the disk, or for a page to be written back, the request would
wait with it; and the page for the request.
"""

import mmap
import multiprocessing
import os

import harness

ROUNDS = 200
SYNCERS = 4


def store_and_seek(path, cpu):
    """What a mapping stored has to be written back before data can be looked for."""
    os.sched_setaffinity(0, {cpu})
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 4 * mmap.PAGESIZE)
    with mmap.mmap(fd, 4 * mmap.PAGESIZE) as mapping:
        for i in range(ROUNDS):
            page = i % 4
            mapping[page * mmap.PAGESIZE] = 1 + i % 255
            if os.lseek(fd, page * mmap.PAGESIZE, os.SEEK_DATA) != page * mmap.PAGESIZE:
                return "no data where it was stored"
    os.close(fd)
    return "done"


def sync(path):
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    for i in range(ROUNDS):
        os.pwrite(fd, b"x" * 100, i * 100)
        os.fsync(fd)
    os.close(fd)
    return "done"


def look(path):
    """Asks for names that the kernel does not know."""
    for i in range(ROUNDS * 10):
        if os.path.exists(f"{path}-{i}"):
            return "a name that nobody made"
    return "done"


class Ring(harness.MountedTest):
    def run_all(self, calls):
        with multiprocessing.Pool(len(calls)) as pool:
            running = [pool.apply_async(function, words) for function, *words in calls]
            for one in running:
                self.assertEqual(one.get(timeout=harness.DEADLINE_S), "done")

    def test_looking_for_data_that_mappings_stored(self):
        cpu = min(os.sched_getaffinity(0))
        self.run_all([(store_and_seek, self.path(str(n)), cpu) for n in range(SYNCERS)])

    def test_names_are_looked_up_while_others_sync(self):
        calls = [(sync, self.path(f"f{n}")) for n in range(SYNCERS)]
        self.run_all(calls + [(look, self.path("none"))])


if __name__ == "__main__":
    harness.main()
