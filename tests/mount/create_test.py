"""Goal: what is made through the kernel is there as asked for, and gone once removed."""

import errno
import os
import socket
import stat

import harness


class CreateAndRemove(harness.MountedTest):
    def test_files_directories_and_links_are_made(self):
        self.make("f", content=b"hello")
        os.mkdir(self.path("d"), 0o750)
        os.symlink("../some/where", self.path("l"))
        os.mkfifo(self.path("p"), 0o640)
        os.mknod(self.path("c"), 0o600 | stat.S_IFCHR, os.makedev(240, 70000))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("s"))
        self.remount()
        self.assertEqual(self.content("f"), b"hello")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("d")).st_mode), 0o750)
        self.assertEqual(os.readlink(self.path("l")), "../some/where")
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("p")).st_mode))
        self.assertEqual(os.stat(self.path("c")).st_rdev, os.makedev(240, 70000))
        self.assertTrue(stat.S_ISSOCK(os.stat(self.path("s")).st_mode))
        self.assertEqual(sorted(os.listdir(self.mnt)), ["c", "d", "f", "l", "p", "s"])

    def test_umask_applies(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        os.close(os.open(self.path("f"), os.O_CREAT | os.O_WRONLY, 0o666))
        os.mkdir(self.path("d"), 0o777)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("f")).st_mode), 0o640)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("d")).st_mode), 0o750)

    def test_exclusive_creation_fails_on_an_existing_name(self):
        self.make("f")
        self.fails(errno.EEXIST, os.open, self.path("f"), os.O_CREAT | os.O_EXCL)
        self.fails(errno.EEXIST, os.mkdir, self.path("f"))
        os.close(os.open(self.path("f"), os.O_CREAT))

    def test_a_missing_name_stays_missing_until_it_is_made(self):
        for _ in range(3):
            self.fails(errno.ENOENT, os.stat, self.path("f"))
            self.make("f")
            os.stat(self.path("f"))
            os.unlink(self.path("f"))

    def test_removal_tells_kinds_apart(self):
        self.make("f")
        os.mkdir(self.path("d"))
        self.fails(errno.EISDIR, os.unlink, self.path("d"))
        self.fails(errno.ENOTDIR, os.rmdir, self.path("f"))
        self.make("d", "inside")
        self.fails(errno.ENOTEMPTY, os.rmdir, self.path("d"))
        os.unlink(self.path("d", "inside"))
        os.rmdir(self.path("d"))
        self.fails(errno.ENOENT, os.rmdir, self.path("d"))

    def test_link_counts_of_directories_are_exact(self):
        for i in range(5):
            os.mkdir(self.path(f"d{i}"))
        self.assertEqual(os.stat(self.mnt).st_nlink, 7)
        os.rmdir(self.path("d0"))
        self.assertEqual(os.stat(self.mnt).st_nlink, 6)

    def test_set_group_id_directories_pass_their_group_on(self):
        os.mkdir(self.path("d"))
        os.chown(self.path("d"), 0, 1234)
        os.chmod(self.path("d"), 0o2775)
        self.make("d", "f")
        os.mkdir(self.path("d", "sub"))
        self.assertEqual(os.stat(self.path("d", "f")).st_gid, 1234)
        self.assertEqual(os.stat(self.path("d", "sub")).st_gid, 1234)
        self.assertTrue(os.stat(self.path("d", "sub")).st_mode & stat.S_ISGID)

    def test_long_names_and_deep_paths(self):
        self.make("n" * 255)
        self.fails(errno.ENAMETOOLONG, self.make, "n" * 256)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.mnt)
        depth = 0
        try:
            while depth < 400:
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
                depth += 1
        except OSError as error:
            self.assertEqual(error.errno, errno.ENAMETOOLONG)
        self.assertGreater(depth, 150)
        os.close(os.open("f", os.O_CREAT))
        os.chdir(here)

    def test_many_files_come_and_go(self):
        for i in range(5000):
            os.close(os.open(self.path(f"f{i}"), os.O_CREAT | os.O_WRONLY))
        self.assertEqual(len(os.listdir(self.mnt)), 5000)
        self.remount()
        self.assertEqual(len(os.listdir(self.mnt)), 5000)
        for i in range(5000):
            os.unlink(self.path(f"f{i}"))
        self.assertEqual(os.listdir(self.mnt), [])

    def test_a_nameless_file_gets_a_name(self):
        fd = os.open(self.mnt, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, b"data")
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        harness.link_open_file(fd, self.path("named"))
        self.assertEqual(os.fstat(fd).st_nlink, 1)
        os.close(fd)
        self.assertEqual(self.content("named"), b"data")

    def test_the_filesystem_tells_its_space(self):
        before = os.statvfs(self.mnt)
        for i in range(10):
            self.make(f"f{i}")
        after = os.statvfs(self.mnt)
        self.assertGreater(after.f_blocks, 0)
        self.assertEqual(after.f_namemax, 255)
        used = (after.f_files - after.f_ffree) - (before.f_files - before.f_ffree)
        self.assertEqual(used, 10)


if __name__ == "__main__":
    harness.main()
