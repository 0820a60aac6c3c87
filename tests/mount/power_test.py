"""Goal: what was promised to be durable is there after the machine loses power.

Crash model: the store lives on an ext4 of its own, in an image behind a loop device. What the
host has not written to that device is lost: a copy of the image, taken while the filesystem is in
use, is what the disk holds at that moment.
"""

import os
import shutil
import subprocess

import harness

IMAGE_BYTES = 160 << 20


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=harness.DEADLINE_S)


class Power(harness.MountedTest):
    def setUp(self):
        super().setUp()
        self.unmount()
        self.image = os.path.join(self.folder, "disk")
        self.disk = os.path.join(self.folder, "disk.mnt")
        os.mkdir(self.disk)
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.attach(self.image)
        self.store = os.path.join(self.disk, "store")
        run(harness.ARGS.mkfs, "-q", "--log-size", "16M", self.store)

    def attach(self, image):
        run("mount", "-o", "loop", image, self.disk)
        self.addCleanup(self.detach)

    def detach(self):
        if os.path.ismount(self.disk):
            run("umount", self.disk)

    def lose_power(self):
        """Goes on with what the disk held at this moment."""
        copy = os.path.join(self.folder, "copy")
        run("cp", "--sparse=always", self.image, copy)
        if self.daemon is not None:
            self.crash()
        self.detach()
        self.attach(copy)
        self.mount()

    def tearDown(self):
        super().tearDown()
        self.detach()

    def test_what_was_synced_is_there(self):
        self.mount("commit=3600")
        os.mkdir(self.path("d"))
        for i in range(30):
            fd = os.open(self.make("d", str(i)), os.O_WRONLY)
            os.write(fd, b"x" * 100 * i)
            os.fsync(fd)
            os.close(fd)
        os.rename(self.path("d", "7"), self.path("d", "seven"))
        directory = os.open(self.path("d"), os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.lose_power()
        names = {str(i) for i in range(30)} - {"7"} | {"seven"}
        self.assertEqual(set(os.listdir(self.path("d"))), names)
        for i in range(30):
            self.assertEqual(self.content("d", "seven" if i == 7 else str(i)), b"x" * 100 * i)

    def test_a_mount_is_known_as_not_clean_before_contents_change(self):
        self.mount("commit=3600")
        os.stat(self.mnt)  # it is served
        copy = os.path.join(self.folder, "copy")
        run("cp", "--sparse=always", self.image, copy)
        self.unmount()
        self.detach()
        self.attach(copy)
        status, output = harness.fsck(self.store)
        self.assertEqual(status, 0, output)
        self.assertIn("not unmounted in order", output)

    def test_sync_makes_every_change_durable(self):
        for option in ("sync", "dirsync"):
            self.mount("commit=3600", option)
            os.mkdir(self.path(option))
            self.make(option, "a")
            os.rename(self.path(option, "a"), self.path(option, "b"))
            os.symlink("b", self.path(option, "s"))
            os.chmod(self.path(option, "b"), 0o600)
            self.lose_power()
            self.assertEqual(sorted(os.listdir(self.path(option))), ["b", "s"])
            self.assertEqual(os.stat(self.path(option, "b")).st_mode & 0o777, 0o600)
            self.unmount()
            shutil.copy(os.path.join(self.folder, "copy"), self.image)
            self.detach()
            self.attach(self.image)
        self.mount()

    def test_sync_makes_contents_durable(self):
        self.mount("commit=3600", "sync")
        for name in ("shorter", "longer", "allocated", "emptied"):
            self.make(name, content=b"0123456789" * 1000)
        os.truncate(self.path("shorter"), 5000)
        os.truncate(self.path("longer"), 20_000)
        fd = os.open(self.path("allocated"), os.O_WRONLY)
        os.posix_fallocate(fd, 0, 30_000)
        os.close(fd)
        with open(self.path("emptied"), "wb"):
            pass
        self.lose_power()
        digits = b"0123456789" * 1000
        self.assertEqual(self.content("shorter"), digits[:5000])
        self.assertEqual(self.content("longer"), digits + bytes(10_000))
        self.assertEqual(self.content("allocated"), digits + bytes(20_000))
        self.assertEqual(self.content("emptied"), b"")

    def test_what_a_descriptor_for_synced_writes_wrote_is_there(self):
        self.mount("commit=3600")
        for name, flag in (("all", os.O_SYNC), ("data", os.O_DSYNC)):
            fd = os.open(self.path(name), os.O_CREAT | os.O_WRONLY | flag)
            os.write(fd, b"0123456789" * 1000)
            os.pwrite(fd, b"x", 20_000)
            os.close(fd)
        self.lose_power()
        expected = b"0123456789" * 1000 + bytes(10_000) + b"x"
        self.assertEqual(self.content("all"), expected)
        self.assertEqual(self.content("data"), expected)

    def test_the_timer_makes_changes_durable(self):
        self.mount("commit=1")
        # Long enough not to be found in the log by chance.
        name = "only-the-timer-makes-this-name-durable"
        self.make(name)
        # Another file's fsync would sync the log, so only the timer's work is waited for.
        log = os.path.join(self.store, "wal.0")
        harness.wait_until(lambda: os.fsencode(name) in self.on_disk(log))
        self.lose_power()
        self.assertEqual(os.listdir(self.mnt), [name])

    def on_disk(self, path):
        """A file of the store as the disk holds it, past the page cache."""
        copy = os.path.join(self.folder, "peek")
        run("cp", "--sparse=always", self.image, copy)
        folder = os.path.join(self.folder, "peek.mnt")
        os.makedirs(folder, exist_ok=True)
        run("mount", "-o", "loop", copy, folder)
        try:
            with open(os.path.join(folder, "store", os.path.basename(path)), "rb") as file:
                return file.read()
        finally:
            run("umount", folder)

    def test_an_unmounted_filesystem_is_whole_with_its_contents(self):
        self.mount("commit=3600")
        for i in range(20):
            self.make(str(i), content=os.urandom(1000) + str(i).encode())
        expected = {name: self.content(name) for name in os.listdir(self.mnt)}
        self.unmount()
        self.lose_power()
        self.assertEqual({name: self.content(name) for name in os.listdir(self.mnt)}, expected)

    def test_a_replaced_file_is_old_or_new(self):
        self.mount("commit=3600")
        for round_ in range(10):
            with open(self.path("new"), "wb") as file:
                file.write(b"%d" % round_ * 5000)
            os.rename(self.path("new"), self.path("f"))
        # Durable is the rename, with the directory; nobody asked for the contents.
        directory = os.open(self.mnt, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.lose_power()
        self.assertEqual(self.content("f"), b"9" * 5000)


if __name__ == "__main__":
    harness.main()
