"""Goal: a host that is full refuses what does not fit, and nothing that was there suffers by it.

The store lives on a tmpfs of its own.
"""

import errno
import os
import subprocess

import harness

HOST_BYTES = 64 << 20


class FullHost(harness.MountedTest):
    def setUp(self):
        super().setUp()
        self.unmount()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={HOST_BYTES}", "tmpfs", self.disk],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.store = os.path.join(self.disk, "store")
        subprocess.run([harness.ARGS.mkfs, "-q", "--log-size", "16M", self.store], check=True)
        self.mount()

    def fill(self, size):
        """Makes files until there is no room; returns what they hold."""
        contents = {}
        for i in range(HOST_BYTES // size + 1):
            content = os.urandom(size)
            fd = os.open(self.path(str(i)), os.O_CREAT | os.O_WRONLY)
            try:
                contents[str(i)] = content[:os.write(fd, content)]
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
                contents[str(i)] = b""
                return contents
            finally:
                os.close(fd)
        self.fail("the host was never full")

    def check(self, contents):
        for name, content in contents.items():
            self.assertEqual(self.content(name), content)

    def test_small_files_fill_it_and_make_room_at_once(self):
        contents = self.fill(40000)
        self.check(contents)
        with self.assertRaises(OSError) as refused:
            with open(self.path("0"), "ab") as file:
                file.write(b"x" * 100000)
        self.assertEqual(refused.exception.errno, errno.ENOSPC)
        self.check(contents)
        for name in list(contents)[::2]:
            os.unlink(self.path(name))
            del contents[name]
        for i in range(20):
            contents[f"new{i}"] = os.urandom(40000)
            self.make(f"new{i}", content=contents[f"new{i}"])
        self.check(contents)
        self.remount()
        self.check(contents)


if __name__ == "__main__":
    harness.main()
