"""Goal: attributes are what was set, times to the nanosecond, and the kernel's cache agrees with
the store."""

import errno
import os
import stat
import subprocess

import harness


class Attributes(harness.MountedTest):
    def test_set_attributes_survive(self):
        path = self.make("f")
        os.chmod(path, 0o604)
        os.chown(path, 12, 34)
        for times in ((1_000_000_000_123_456_789, 4_102_444_800_000_000_001), (-5_000_000_001, 0)):
            os.utime(path, ns=times)
            for _ in range(2):
                st = os.stat(path)
                self.assertEqual((st.st_atime_ns, st.st_mtime_ns), times)
                self.assertEqual((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), (0o604, 12, 34))
                self.remount()

    def test_birth_time_is_told_and_stays(self):
        path = self.make("f")

        def birth():
            out = subprocess.run(["stat", "-c", "%W %w", path], check=True, stdout=subprocess.PIPE)
            return out.stdout

        before = birth()
        self.assertNotEqual(before.split()[0], b"0")
        os.utime(path, (0, 0))
        with open(path, "ab") as file:
            file.write(b"x")
        self.assertEqual(birth(), before)
        self.remount()
        self.assertEqual(birth(), before)

    def test_changes_move_the_right_times(self):
        path = self.make("f", content=b"x")
        os.mkdir(self.path("d"))

        def moved(change, watched=path):
            before = os.stat(watched)
            change()
            after = os.stat(watched)
            return (after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns)

        self.assertEqual(moved(lambda: os.chmod(path, 0o600)), (False, True))
        self.assertEqual(moved(lambda: os.truncate(path, 0)), (True, True))
        self.assertEqual(moved(lambda: os.setxattr(path, "user.k", b"v")), (False, True))
        self.assertEqual(moved(lambda: os.rename(path, path + "2"), self.mnt), (True, True))
        os.rename(path + "2", path)
        self.assertEqual(moved(lambda: os.mkdir(self.path("d", "sub")), self.path("d")),
                         (True, True))

        def write():
            with open(path, "ab") as file:
                file.write(b"more")

        self.assertEqual(moved(write), (True, True))

    def test_relatime(self):
        path = self.make("f", content=b"x")
        os.utime(path, ns=(1, os.stat(path).st_mtime_ns))
        self.remount()
        self.content("f")
        first = os.stat(path).st_atime_ns
        self.assertGreater(first, 1)
        self.remount()
        self.content("f")
        self.assertEqual(os.stat(path).st_atime_ns, first)

    def test_noatime(self):
        path = self.make("f", content=b"x")
        os.utime(path, ns=(1, os.stat(path).st_mtime_ns))
        self.remount("noatime")
        self.content("f")
        self.assertEqual(os.stat(path).st_atime_ns, 1)

    def test_permissions_are_enforced(self):
        path = self.make("secret", content=b"x")
        os.chmod(path, 0o600)
        os.chmod(self.mnt, 0o755)
        os.mkdir(self.path("sticky"))
        os.chmod(self.path("sticky"), 0o1777)
        self.make("sticky", "theirs")

        def as_user(script):
            return subprocess.run(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups",
                                   "sh", "-c", script], stderr=subprocess.DEVNULL).returncode

        self.mount_for_all()
        self.assertNotEqual(as_user(f"cat {path}"), 0)
        self.assertNotEqual(as_user(f"touch {self.mnt}/f"), 0)
        self.assertNotEqual(as_user(f"rm -f {self.mnt}/sticky/theirs"), 0)
        self.assertEqual(as_user(f"touch {self.mnt}/sticky/mine && rm {self.mnt}/sticky/mine"), 0)
        self.assertNotEqual(as_user(f"chmod 644 {path}"), 0)

    def test_lazytime_writes_times_with_fsync_or_at_the_end(self):
        self.remount("lazytime")
        large = b"data" * 100_000  # in a host file, which can be overwritten in place
        before, after = {}, {}
        syncs = {"never": lambda fd: None, "contents": os.fdatasync, "all": os.fsync}
        for name, sync in syncs.items():
            fd = os.open(self.make(name, content=large), os.O_RDWR)
            before[name] = os.fstat(fd).st_mtime_ns
            os.pwrite(fd, b"DATA", 0)
            after[name] = os.fstat(fd).st_mtime_ns
            self.assertGreater(after[name], before[name])
            sync(fd)
            os.close(fd)
        self.crash()
        self.mount("lazytime")
        for name in syncs:
            self.assertEqual(self.content(name), b"DATA" + large[4:])
            expected = after if name == "all" else before
            self.assertEqual(os.stat(self.path(name)).st_mtime_ns, expected[name], name)
        fd = os.open(self.path("never"), os.O_WRONLY)
        os.pwrite(fd, b"more", 0)
        os.close(fd)
        ended = os.stat(self.path("never")).st_mtime_ns
        self.remount()
        self.assertEqual(os.stat(self.path("never")).st_mtime_ns, ended)
        self.remount("nolazytime")

    def test_a_new_owner_clears_set_id_bits(self):
        path = self.make("f")
        os.chmod(path, 0o6755)
        os.chown(path, 5, 6)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o755)

    def test_a_read_only_mount_refuses_changes(self):
        self.make("f", content=b"x")
        self.remount("ro")
        self.assertEqual(self.content("f"), b"x")
        self.fails(errno.EROFS, os.unlink, self.path("f"))
        self.fails(errno.EROFS, os.mkdir, self.path("d"))
        self.remount()
        os.unlink(self.path("f"))


if __name__ == "__main__":
    harness.main()
