"""Goal: a file that is unlinked while open works until it is closed, and is gone afterwards, with
its contents, also when the daemon dies in between.
"""

import os

import harness


class UnlinkedWhileOpen(harness.MountedTest):
    def host_files(self):
        found = []
        for _, _, files in os.walk(os.path.join(self.store, "data")):
            found += files
        return found

    def test_it_can_be_used_until_it_is_closed(self):
        fd = os.open(self.make("f", content=b"before"), os.O_RDWR)
        os.unlink(self.path("f"))
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(os.pread(fd, 10, 0), b"before")
        os.pwrite(fd, b"after!", 0)
        os.ftruncate(fd, 3)
        os.fchmod(fd, 0o600)
        os.fsync(fd)
        self.assertEqual(os.pread(fd, 10, 0), b"aft")
        self.make("f", content=b"another")
        self.assertEqual(os.pread(fd, 10, 0), b"aft")
        os.close(fd)
        self.assertEqual(self.content("f"), b"another")
        self.unmount()
        self.assertEqual(len(self.host_files()), 1)

    def test_a_replaced_file_can_still_be_read(self):
        fd = os.open(self.make("old", content=b"old"), os.O_RDONLY)
        os.rename(self.make("new", content=b"new"), self.path("old"))
        self.assertEqual(os.pread(fd, 10, 0), b"old")
        self.assertEqual(self.content("old"), b"new")
        os.close(fd)

    def test_it_is_gone_after_a_crash(self):
        kept = self.make("kept", content=b"kept")
        fd = os.open(self.make("f", content=b"x" * 100_000), os.O_RDWR)
        os.unlink(self.path("f"))
        os.write(fd, b"more")
        nameless = os.open(self.mnt, os.O_TMPFILE | os.O_RDWR)
        os.write(nameless, b"nameless")
        self.crash()
        for descriptor in (fd, nameless):
            try:
                os.close(descriptor)
            except OSError:
                pass  # the daemon that would have to know is dead
        self.mount()
        self.assertEqual(os.listdir(self.mnt), ["kept"])
        self.assertEqual(len(self.host_files()), 1)
        with open(kept, "rb") as file:
            self.assertEqual(file.read(), b"kept")

    def test_removed_contents_are_gone_after_a_crash(self):
        for i in range(100):
            os.unlink(self.make(f"f{i}", content=b"data"))
        self.crash()
        self.mount()
        self.assertEqual(os.listdir(self.mnt), [])
        self.assertEqual(self.host_files(), [])

    def test_linked_files_too(self):
        fd = os.open(self.make("a", content=b"x"), os.O_RDWR)
        os.link(self.path("a"), self.path("b"))
        os.setxattr(self.path("a"), "user.k", b"v")
        os.unlink(self.path("a"))
        os.unlink(self.path("b"))
        self.assertEqual(os.getxattr(fd, "user.k"), b"v")
        self.assertEqual(os.pread(fd, 1, 0), b"x")
        os.close(fd)
        self.unmount()
        self.assertEqual(self.host_files(), [])


if __name__ == "__main__":
    harness.main()
