"""Goal: overlayfs finds in holtfs all it needs of an upper layer, across remounts and crashes.

Whiteouts, opaque and redirected folders, copies with all attributes, files without a name.
"""

import errno
import os
import shutil
import stat
import subprocess

import harness
import trees


class Overlay(harness.MountedTest):
    def setUp(self):
        super().setUp()
        self.lower, self.merged = (os.path.join(self.folder, name) for name in ("lower", "merged"))
        self.upper = self.path("upper")
        for folder in (self.lower, self.merged, self.upper, self.path("work")):
            os.mkdir(folder)
        trees.make_tree(self.lower)
        self.cover()

    def cover(self, redirect="on"):
        options = (f"lowerdir={self.lower},upperdir={self.upper},workdir={self.path('work')},"
                   f"redirect_dir={redirect}")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.merged],
                       check=True, timeout=harness.DEADLINE_S)

    def uncover(self):
        harness.umount(self.merged)

    def start_again(self):
        self.uncover()
        self.remount()
        self.cover()

    def tearDown(self):
        if os.path.ismount(self.merged):
            self.uncover()
        super().tearDown()

    def clean_up(self):
        subprocess.run(["umount", "-ql", self.merged], check=False, stderr=subprocess.DEVNULL)
        super().clean_up()

    def over(self, *names):
        return os.path.join(self.merged, *names)

    def test_what_is_removed_leaves_whiteouts(self):
        os.unlink(self.over("d", "file-1"))
        shutil.rmtree(self.over("empty"))
        for name in ("d/file-1", "empty"):
            st = os.lstat(os.path.join(self.upper, name))
            self.assertTrue(stat.S_ISCHR(st.st_mode))
            self.assertEqual(st.st_rdev, 0)
        self.start_again()
        self.assertFalse(os.path.exists(self.over("empty")))
        self.assertNotIn("file-1", os.listdir(self.over("d")))
        self.assertIn("file-2", os.listdir(self.over("d")))

    def test_a_folder_in_place_of_a_removed_one_is_opaque(self):
        shutil.rmtree(self.over("d"))
        os.mkdir(self.over("d"))
        with open(self.over("d", "file-1"), "xb") as file:
            file.write(b"new")
        path = os.path.join(self.upper, "d")
        self.assertEqual(os.getxattr(path, "trusted.overlay.opaque"), b"y")
        self.start_again()
        self.assertEqual(os.listdir(self.over("d")), ["file-1"])
        with open(self.over("d", "file-1"), "rb") as file:
            self.assertEqual(file.read(), b"new")

    def test_copies_have_all_attributes(self):
        self.uncover()
        for path, (mode, *_) in trees.describe(self.lower).items():
            if int(mode, 8) & 0o6000:  # see holtfs(8)
                os.chmod(os.path.join(self.lower, path), int(mode, 8) & 0o1777)
        self.cover()
        for path in trees.describe(self.lower):
            st = os.lstat(self.over(path))
            if stat.S_ISDIR(st.st_mode) or st.st_nlink == 1:  # a copy has no other names
                os.utime(self.over(path), ns=(st.st_atime_ns, st.st_mtime_ns),
                         follow_symlinks=False)
                os.lstat(os.path.join(self.upper, path))
        self.assertEqual(trees.difference(self.lower, self.merged), "")
        self.start_again()
        self.assertEqual(trees.difference(self.lower, self.merged), "")

    def test_folders_are_renamed_by_redirection(self):
        expected = trees.describe(self.over("d"))
        os.rename(self.over("d"), self.over("moved"))
        os.rename(self.over("moved"), self.over("sticky", "again"))
        where = os.path.join(self.upper, "sticky", "again")
        self.assertEqual(os.getxattr(where, "trusted.overlay.redirect"), b"/d")
        self.start_again()
        self.assertFalse(os.path.exists(self.over("d")))
        self.assertEqual(trees.describe(self.over("sticky", "again")).keys(), expected.keys())

    def test_without_redirection_folders_of_below_stay(self):
        self.uncover()
        self.cover(redirect="off")
        self.fails(errno.EXDEV, os.rename, self.over("d"), self.over("moved"))
        os.mkdir(self.over("own"))
        os.rename(self.over("own"), self.over("owned"))

    def test_files_without_a_name_get_one(self):
        fd = os.open(self.over("d"), os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"nameless")
        harness.link_open_file(fd, self.over("d", "named"))
        os.close(fd)
        self.start_again()
        with open(self.over("d", "named"), "rb") as file:
            self.assertEqual(file.read(), b"nameless")

    def test_hard_links_are_of_one_file(self):
        with open(self.over("one"), "xb") as file:
            file.write(b"1")
        os.link(self.over("one"), self.over("d", "two"))
        os.link(self.over("d", "file-4"), self.over("copied and linked"))
        self.start_again()
        with open(self.over("one"), "ab") as file:
            file.write(b"2")
        with open(self.over("d", "two"), "rb") as file:
            self.assertEqual(file.read(), b"12")
        for a, b in (("one", "d/two"), ("d/file-4", "copied and linked")):
            self.assertTrue(os.path.samefile(self.over(a), self.over(b)))
            self.assertEqual(os.stat(self.over(a)).st_nlink, 2)

    def test_it_survives_the_death_of_the_daemon(self):
        os.rename(self.over("d", "file-9"), self.over("renamed"))
        os.rename(self.over("d"), self.over("moved"))
        shutil.rmtree(self.over("empty"))
        os.mkdir(self.over("empty"))
        for i in range(10, 20):
            with open(self.over("moved", f"file-{i}"), "ab") as file:
                file.write(b"more")
            os.replace(self.over("moved", f"file-{i}"), self.over("empty", str(i % 4)))
        expected = trees.describe(self.merged)
        self.crash()
        harness.umount("-l", self.merged)
        self.mount()
        self.cover()
        self.assertEqual(trees.describe(self.merged), expected)
        self.start_again()
        self.assertEqual(trees.describe(self.merged), expected)


if __name__ == "__main__":
    harness.main()
