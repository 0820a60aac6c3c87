"""Goal: calls that make things durable are answered, all of them, however many come at once.

Over io_uring their answers come from another thread than the one that took the request, which is
where libfuse 3.18 loses some unless it is patched.
"""

import multiprocessing
import os

import harness

PROCESSES, FILES = 16, 150


def create_and_sync(folder):
    """Files that are written and synced, with their directory; returns how many."""
    os.mkdir(folder)
    directory = os.open(folder, os.O_RDONLY)
    for i in range(FILES):
        fd = os.open(os.path.join(folder, str(i)), os.O_CREAT | os.O_WRONLY)
        if i % 2:
            os.write(fd, b"x" * 100)
        os.fsync(fd)
        os.close(fd)
        os.fsync(directory)
    os.close(directory)
    return FILES


class Sync(harness.MountedTest):
    def test_many_at_once(self):
        folders = [self.path(str(n)) for n in range(PROCESSES)]
        with multiprocessing.Pool(PROCESSES) as pool:
            counts = pool.map_async(create_and_sync, folders).get(timeout=harness.DEADLINE_S)
        self.assertEqual(counts, [FILES] * PROCESSES)

    def test_synced_contents_survive_a_crash(self):
        for i in range(50):
            fd = os.open(self.make(str(i)), os.O_WRONLY)
            os.write(fd, str(i).encode())
            os.fsync(fd)
            os.close(fd)
        self.crash()
        self.mount()
        for i in range(50):
            self.assertEqual(self.content(str(i)), str(i).encode())


if __name__ == "__main__":
    harness.main()
