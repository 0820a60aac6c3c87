"""Goal: what was promised to be durable is there after the machine loses power.

Crash model: the store lives on an ext4 of its own, in an image behind a loop device. Its shutdown
ioctl stops it: from that moment on nothing is written, and what the host had not written is lost.
The host may have written anything by itself, so nothing is claimed to be lost.
"""

import fcntl
import os
import struct
import subprocess

import harness

IMAGE_BYTES = 160 << 20
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=harness.DEADLINE_S)


class HostWaits:
    """The host writes nothing by itself that it could also write later."""

    path = "/proc/sys/vm/dirty_writeback_centisecs"

    def __enter__(self):
        with open(self.path, "r+", encoding="utf-8") as file:
            self.before = file.read()
            file.write("0")

    def __exit__(self, *_):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.before)


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
        self.device = self.attach(self.image)
        self.store = os.path.join(self.disk, "store")
        run(harness.ARGS.mkfs, "-q", "--log-size", "16M", self.store)

    def attach(self, image):
        """Mounts the image; returns its device, which is there until the end of the test."""
        device = subprocess.run(["losetup", "--find", "--show", image], check=True, text=True,
                                stdout=subprocess.PIPE, timeout=harness.DEADLINE_S).stdout.strip()
        self.addCleanup(run, "losetup", "--detach", device)
        self.addCleanup(self.detach)
        run("mount", device, self.disk)
        return device

    def detach(self):
        if os.path.ismount(self.disk):
            harness.umount(self.disk)

    def lose_power(self):
        """Goes on with what the disk held at this moment."""
        disk = os.open(self.disk, os.O_RDONLY)
        fcntl.ioctl(disk, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(disk)
        if self.daemon is not None:
            self.crash()
        self.detach()
        run("mount", self.device, self.disk)
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
        with HostWaits():
            self.mount("commit=1")
            self.make("f")
            harness.wait_until(self.would_survive)
            self.lose_power()
        self.assertEqual(os.listdir(self.mnt), ["f"])

    def would_survive(self):
        """Whether something of the tree is left if the power is lost now. A copy may be of several
        moments, for which neither ext4 nor holtfs is made; then a later one tells."""
        copy, disk, mnt = (os.path.join(self.folder, name) for name in ("peek", "peek.disk", "p"))
        run("cp", "--sparse=always", self.image, copy)
        os.makedirs(disk, exist_ok=True)
        os.makedirs(mnt, exist_ok=True)
        if subprocess.run(["mount", "-o", "loop", copy, disk], check=False).returncode != 0:
            return False
        try:
            daemon = harness.Daemon(os.path.join(disk, "store"), mnt)
            found = os.listdir(mnt) != []
            daemon.unmount()
            return found
        except RuntimeError:
            return False
        finally:
            harness.umount(disk)

    def test_an_unmounted_filesystem_is_whole_with_its_contents(self):
        self.mount("commit=3600")
        for i in range(20):
            self.make(str(i), content=os.urandom(1000) + str(i).encode())
        expected = {name: self.content(name) for name in os.listdir(self.mnt)}
        self.unmount()
        self.lose_power()
        self.assertEqual({name: self.content(name) for name in os.listdir(self.mnt)}, expected)

    def test_contents_give_no_space_back_before_their_removal_is_durable(self):
        self.mount("commit=3600")
        contents = {str(i): os.urandom(100000) for i in range(40)}
        for name, content in contents.items():
            with open(self.path(name), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        directory = os.open(self.mnt, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        segments = os.path.join(self.store, "segments")

        def blocks():
            return sum(entry.stat().st_blocks for entry in os.scandir(segments))

        full = blocks()
        for name in contents:
            os.unlink(self.path(name))
        harness.wait_until(lambda: blocks() < full / 2)
        for entry in os.scandir(segments):
            segment = os.open(entry.path, os.O_RDONLY)
            os.fsync(segment)  # so that the disk has the holes
            os.close(segment)
        self.lose_power()
        for name in os.listdir(self.mnt):
            self.assertEqual(self.content(name), contents[name])

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
