"""Goal: a file that is unlinked while open works until it is closed, and is gone afterwards, with
its contents, also when the daemon dies in between.
"""

import os

import harness

# Too much to be packed: in a host file, which can be looked for.
LARGE = b"x" * 300_000


class UnlinkedWhileOpen(harness.MountedTest):
    def host_files(self):
        found = []
        for _, _, files in os.walk(os.path.join(self.store, "data")):
            found += files
        return found

    def test_it_can_be_used_until_it_is_closed(self):
        fd = os.open(self.make("f", content=b"before" + LARGE), os.O_RDWR)
        os.unlink(self.path("f"))
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(os.pread(fd, 6, 0), b"before")
        os.pwrite(fd, b"after!", 0)
        os.ftruncate(fd, 3)
        os.fchmod(fd, 0o600)
        os.fsync(fd)
        self.assertEqual(os.pread(fd, 10, 0), b"aft")
        self.make("f", content=b"another" + LARGE)
        self.assertEqual(os.pread(fd, 10, 0), b"aft")
        os.close(fd)
        self.assertEqual(self.content("f"), b"another" + LARGE)
        self.unmount()
        self.assertEqual(len(self.host_files()), 1)

    def test_a_replaced_file_can_still_be_read(self):
        fd = os.open(self.make("old", content=b"old"), os.O_RDONLY)
        os.rename(self.make("new", content=b"new"), self.path("old"))
        self.assertEqual(os.pread(fd, 10, 0), b"old")
        self.assertEqual(self.content("old"), b"new")
        os.close(fd)

    def test_it_is_gone_after_a_crash(self):
        kept = self.make("kept", content=b"kept" + LARGE)
        fd = os.open(self.make("f", content=LARGE), os.O_RDWR)
        os.unlink(self.path("f"))
        os.write(fd, b"more")
        nameless = os.open(self.mnt, os.O_TMPFILE | os.O_RDWR)
        os.write(nameless, b"nameless" + LARGE)
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
            self.assertEqual(file.read(), b"kept" + LARGE)

    def test_removed_contents_are_gone_after_a_crash(self):
        for i in range(100):
            os.unlink(self.make(f"f{i}", content=b"data" + LARGE))
        self.crash()
        self.mount()
        self.assertEqual(os.listdir(self.mnt), [])
        self.assertEqual(self.host_files(), [])

    def test_linked_files_too(self):
        fd = os.open(self.make("a", content=b"x" + LARGE), os.O_RDWR)
        os.link(self.path("a"), self.path("b"))
        os.setxattr(self.path("a"), "user.k", b"v")
        os.unlink(self.path("a"))
        os.unlink(self.path("b"))
        self.assertEqual(os.getxattr(fd, "user.k"), b"v")
        self.assertEqual(os.pread(fd, 1, 0), b"x")
        os.close(fd)
        self.unmount()
        self.assertEqual(self.host_files(), [])

    def test_packed_files_too(self):
        fd = os.open(self.make("f", content=b"before"), os.O_RDWR)
        os.unlink(self.path("f"))
        self.assertEqual(os.pread(fd, 10, 0), b"before")
        os.pwrite(fd, b"after!", 0)
        os.fsync(fd)
        os.ftruncate(fd, 3)
        self.assertEqual(os.pread(fd, 10, 0), b"aft")
        os.close(fd)
        self.make("g", content=b"gone with the daemon")
        fd = os.open(self.path("g"), os.O_RDWR)
        os.unlink(self.path("g"))
        self.crash()
        try:
            os.close(fd)
        except OSError:
            pass
        self.mount()
        self.unmount()
        # It counts what lives in segments.
        self.assertEqual(harness.fsck(self.store)[0], 0)


if __name__ == "__main__":
    harness.main()
