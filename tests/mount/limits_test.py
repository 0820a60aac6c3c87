"""Goal: a mount with size= and inodes= holds as much as they say and no more, gives back what is
removed by the time that the next call is made, and says so to df.
"""

import errno
import mmap
import os
import subprocess
import threading

import harness

BLOCK = 4096
SIZE = 64 * BLOCK
INODES = 40
FALLOC_FL_KEEP_SIZE = 1


class Limits(harness.MountedTest):
    options = (f"size={SIZE >> 10}K", f"inodes={INODES}")

    def free(self):
        """Bytes and inodes."""
        stat = os.statvfs(self.mnt)
        return stat.f_bavail * stat.f_frsize, stat.f_favail

    def fill(self, name):
        """A file that takes all the room there is; how many bytes that is."""
        fd = os.open(self.path(name), os.O_CREAT | os.O_WRONLY, 0o644)
        size = 0
        try:
            while True:
                size += os.write(fd, b"x" * 100_000)
        except OSError as error:
            self.assertEqual(error.errno, errno.ENOSPC)
        finally:
            os.close(fd)
        return size

    def test_a_file_is_written_to_the_last_block(self):
        self.assertEqual(self.fill("f"), SIZE)
        self.assertEqual(os.path.getsize(self.path("f")), SIZE)
        self.assertEqual(os.stat(self.path("f")).st_blocks * 512, SIZE)
        self.fails(errno.ENOSPC, self.make, "g", content=b"x")
        with open(self.path("f"), "r+b") as file:
            file.write(b"y" * SIZE)
        self.assertEqual(self.content("f"), b"y" * SIZE)
        self.assertEqual(self.free()[0], 0)

    def test_a_write_at_the_limit_is_short(self):
        fd = os.open(self.make("f"), os.O_WRONLY)
        self.assertEqual(os.write(fd, b"x" * (SIZE - BLOCK - 1)), SIZE - BLOCK - 1)
        self.assertEqual(os.write(fd, b"x" * 3 * BLOCK), BLOCK + 1)
        self.fails(errno.ENOSPC, os.write, fd, b"x")
        os.close(fd)

    def test_what_is_removed_is_free_for_the_next_call(self):
        for i in range(200):
            self.assertEqual(self.fill(f"f{i}"), SIZE)
            os.unlink(self.path(f"f{i}"))

    def test_what_is_replaced_is_free_for_the_next_call(self):
        for _ in range(100):
            self.assertEqual(self.fill("f"), SIZE)
            os.rename(self.make("g"), self.path("f"))
            self.assertEqual(self.fill("g"), SIZE)
            os.unlink(self.path("g"))

    def test_inodes_that_are_removed_are_free_for_the_next_call(self):
        for _ in range(20):
            for i in range(INODES - 1):
                os.mkdir(self.path(f"d{i}")) if i % 2 else self.make(f"d{i}")
            self.fails(errno.ENOSPC, self.make, "f")
            for i in range(INODES - 1):
                os.rmdir(self.path(f"d{i}")) if i % 2 else os.unlink(self.path(f"d{i}"))
        self.assertEqual(os.listdir(self.mnt), [])

    def test_nameless_files_are_free_once_they_are_closed(self):
        for _ in range(100):
            fd = os.open(self.mnt, os.O_TMPFILE | os.O_WRONLY)
            while os.fstat(fd).st_size < SIZE:
                os.write(fd, b"x" * SIZE)
            self.fails(errno.ENOSPC, os.write, fd, b"x")
            os.close(fd)

    def test_an_open_file_that_is_removed_keeps_its_room(self):
        self.assertEqual(self.fill("f"), SIZE)
        fd = os.open(self.path("f"), os.O_RDWR)
        os.unlink(self.path("f"))
        self.fails(errno.ENOSPC, self.make, "g", content=b"x")
        self.assertEqual(os.pread(fd, SIZE, 0), b"x" * SIZE)
        os.ftruncate(fd, SIZE - BLOCK)
        with open(self.path("g"), "r+b") as file:
            file.write(b"x" * BLOCK)
        os.close(fd)
        self.assertEqual(self.fill("h"), SIZE - BLOCK)

    def test_many_writers_share_what_there_is(self):
        sizes = [0] * 8

        def work(i):
            sizes[i] = self.fill(f"f{i}")

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(sizes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.free()[0], 0)
        blocks = sum(os.stat(self.path(f"f{i}")).st_blocks for i in range(len(sizes)))
        self.assertEqual(blocks * 512, SIZE)
        self.assertEqual(sum(sizes), SIZE)

    def test_reserved_blocks_can_be_written_at_the_limit(self):
        fd = os.open(self.make("f"), os.O_RDWR)
        self.fails(errno.ENOSPC, harness.fallocate, fd, 0, 0, SIZE + 1)
        self.assertEqual(self.free()[0], SIZE)
        harness.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE // 2)
        self.assertEqual(self.fill("g"), SIZE // 2)
        self.assertEqual(os.write(fd, b"x" * SIZE), SIZE // 2)
        os.close(fd)

    def test_a_mapping_stores_into_blocks_that_are_there(self):
        self.fill("f")
        with open(self.path("f"), "r+b") as file:
            with mmap.mmap(file.fileno(), SIZE) as mapping:
                mapping[-BLOCK:] = b"y" * BLOCK
                mapping.flush()
        self.remount()
        self.assertEqual(self.content("f")[-BLOCK:], b"y" * BLOCK)

    def test_the_last_inode_is_used(self):
        for i in range(INODES - 1):
            self.make(f"f{i}")
        self.assertEqual(self.free()[1], 0)
        self.fails(errno.ENOSPC, self.make, "more")
        self.fails(errno.ENOSPC, os.mkdir, self.path("more"))
        self.fails(errno.ENOSPC, os.symlink, "f0", self.path("more"))
        self.fails(errno.ENOSPC, os.open, self.mnt, os.O_TMPFILE | os.O_RDWR)
        self.fails(errno.EEXIST, os.mkdir, self.path("f0"))
        os.link(self.path("f0"), self.path("another name"))
        with open(self.path("f0"), "ab") as file:
            file.write(b"x")

    def test_df_says_the_limits(self):
        self.make("f", content=b"x" * (3 * BLOCK))
        done = subprocess.run(["df", "-B1", "--output=size,used,avail,itotal,iused,iavail",
                               self.mnt], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual([int(word) for word in done.stdout.split("\n")[1].split()],
                         [SIZE, 3 * BLOCK, SIZE - 3 * BLOCK, INODES, 2, INODES - 2])

    def test_the_counts_survive_an_end_of_any_kind(self):
        self.make("f", content=b"x" * (5 * BLOCK))
        os.mkdir(self.path("d"))
        left = (SIZE - 5 * BLOCK, INODES - 3)
        self.assertEqual(self.free(), left)
        self.remount()
        self.assertEqual(self.free(), left)
        fd = os.open(self.make("gone", content=b"x" * BLOCK), os.O_RDWR)
        os.unlink(self.path("gone"))
        self.assertEqual(self.free(), (left[0] - BLOCK, left[1] - 1))
        self.crash()
        try:
            os.close(fd)
        except OSError:
            pass  # the daemon that would have to know is dead
        self.mount()
        self.assertEqual(self.free(), left)
        self.unmount()
        self.assertEqual(harness.fsck(self.store)[0], 0)
        self.mount()
        self.assertEqual(self.free(), left)

    def test_limits_below_what_is_there_leave_it_there(self):
        self.fill("f")
        self.unmount()
        self.daemon = harness.Daemon(self.store, self.mnt, "size=1M,inodes=1")
        self.fails(errno.ENOSPC, self.make, "g")
        self.unmount()
        self.daemon = harness.Daemon(self.store, self.mnt, f"size={BLOCK}")
        self.assertEqual(self.free()[0], 0)
        self.fails(errno.ENOSPC, self.make, "g", content=b"x")
        self.assertEqual(self.content("f"), b"x" * SIZE)
        os.unlink(self.path("f"))
        self.assertEqual(self.fill("g"), BLOCK)

    def test_without_the_options_there_are_no_limits(self):
        self.unmount()
        self.daemon = harness.Daemon(self.store, self.mnt)
        self.make("f", content=b"x" * (2 * SIZE))
        for i in range(2 * INODES):
            self.make(f"f{i}")

    def test_wrong_values_are_refused(self):
        self.unmount()
        for option in ("size=0", "size=511", "size=", "size=big", "size=-1", "inodes=0",
                       "inodes=1K", "inodes=", "size", "inodes"):
            with self.assertRaises(RuntimeError, msg=option) as caught:
                harness.Daemon(self.store, self.mnt, option)
            self.assertIn("ended with 2", str(caught.exception))


if __name__ == "__main__":
    harness.main()
