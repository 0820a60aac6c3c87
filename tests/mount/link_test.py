"""Goal: hard links are equal names of one file, across remounts, with exact counts."""

import errno
import os

import harness


class Links(harness.MountedTest):
    def test_names_share_everything(self):
        a = self.make("a", content=b"one")
        os.mkdir(self.path("d"))
        os.link(a, self.path("b"))
        os.link(a, self.path("d", "c"))
        for path in (a, self.path("b"), self.path("d", "c")):
            self.assertEqual(os.stat(path).st_nlink, 3)
            self.assertEqual(os.stat(path).st_ino, os.stat(a).st_ino)
        with open(self.path("b"), "ab") as file:
            file.write(b" two")
        self.assertEqual(self.content("d", "c"), b"one two")
        self.remount()
        self.assertEqual(os.stat(self.path("b")).st_nlink, 3)
        self.assertEqual(self.content("a"), b"one two")

    def test_counts_follow_removal(self):
        a = self.make("a")
        os.link(a, self.path("b"))
        os.link(a, self.path("c"))
        os.unlink(a)
        self.assertEqual(os.stat(self.path("b")).st_nlink, 2)
        os.unlink(self.path("b"))
        self.assertEqual(os.stat(self.path("c")).st_nlink, 1)
        self.remount()
        self.assertEqual(os.stat(self.path("c")).st_nlink, 1)
        os.link(self.path("c"), self.path("a"))
        self.assertEqual(os.stat(self.path("a")).st_nlink, 2)

    def test_replacing_a_name_counts_down(self):
        a = self.make("a")
        os.link(a, self.path("b"))
        self.make("new")
        os.rename(self.path("new"), self.path("b"))
        self.assertEqual(os.stat(a).st_nlink, 1)

    def test_refusals(self):
        a = self.make("a")
        os.mkdir(self.path("d"))
        self.fails(errno.EPERM, os.link, self.path("d"), self.path("e"))
        self.fails(errno.EEXIST, os.link, a, self.path("d"))
        self.fails(errno.EEXIST, os.link, a, a)
        self.fails(errno.ENOENT, os.link, self.path("none"), self.path("x"))

    def test_a_file_unlinked_everywhere_cannot_be_linked_again(self):
        fd = os.open(self.make("a"), os.O_RDWR)
        os.unlink(self.path("a"))
        self.fails(errno.ENOENT, harness.link_open_file, fd, self.path("b"))
        os.close(fd)

    def test_symlinks_have_links_too(self):
        os.symlink("target", self.path("s"))
        os.link(self.path("s"), self.path("t"), follow_symlinks=False)
        self.assertEqual(os.readlink(self.path("t")), "target")
        self.assertEqual(os.lstat(self.path("t")).st_nlink, 2)

    def test_ctime_moves_with_the_count(self):
        a = self.make("a")
        before = os.stat(a)
        os.link(a, self.path("b"))
        self.assertGreater(os.stat(a).st_ctime_ns, before.st_ctime_ns)
        self.assertEqual(os.stat(a).st_mtime_ns, before.st_mtime_ns)


if __name__ == "__main__":
    harness.main()
