"""Goal: every pair of kinds renames, replaces, exchanges or is refused as rename(2) says.

Method: for each pair of kinds and each flag, make both names, rename, and compare with a table.
"""

import errno
import os
import stat

import harness
from harness import RENAME_EXCHANGE, RENAME_NOREPLACE, renameat2

KINDS = ("file", "linked", "symlink", "fifo", "empty", "full")


class Rename(harness.MountedTest):
    def make_kind(self, kind, path):
        """Makes a name of this kind; returns its inode number."""
        if kind == "file":
            self.make(path, content=path.encode())
            os.setxattr(self.path(path), "user.k", path.encode())
        elif kind == "linked":
            self.make(path + ".other", content=path.encode())
            os.link(self.path(path + ".other"), self.path(path))
        elif kind == "symlink":
            os.symlink("nowhere", self.path(path))
        elif kind == "fifo":
            os.mkfifo(self.path(path))
        else:
            os.mkdir(self.path(path))
            os.setxattr(self.path(path), "user.k", path.encode())
            if kind == "full":
                self.make(path, "inside", content=b"inside")
        return os.lstat(self.path(path)).st_ino

    def ino(self, path):
        return os.lstat(self.path(path)).st_ino

    @staticmethod
    def expected(old, new):
        """What a plain rename of kind `old` onto kind `new` gives."""
        directories = ("empty", "full")
        if old in directories and new not in directories:
            return errno.ENOTDIR
        if old not in directories and new in directories:
            return errno.EISDIR
        return errno.ENOTEMPTY if new == "full" else 0

    def each_pair(self):
        for sub in ("same", "other"):
            for old in KINDS:
                for new in KINDS:
                    folder = f"{sub}-{old}-{new}"
                    os.mkdir(self.path(folder))
                    os.mkdir(self.path(folder, "sub"))
                    target = f"{folder}/new" if sub == "same" else f"{folder}/sub/new"
                    yield old, new, f"{folder}/old", target

    def test_plain(self):
        for old, new, source, target in self.each_pair():
            with self.subTest(old=old, new=new, target=target):
                ino = self.make_kind(old, source)
                self.make_kind(new, target)
                number = self.expected(old, new)
                if number:
                    self.fails(number, os.rename, self.path(source), self.path(target))
                    self.assertEqual(self.ino(source), ino)
                    continue
                os.rename(self.path(source), self.path(target))
                self.assertEqual(self.ino(target), ino)
                self.assertFalse(os.path.lexists(self.path(source)))
        self.check_after_remount()

    def test_noreplace(self):
        for old, new, source, target in self.each_pair():
            with self.subTest(old=old, new=new, target=target):
                ino, new_ino = self.make_kind(old, source), self.make_kind(new, target)
                self.fails(errno.EEXIST, renameat2, self.path(source), self.path(target),
                           RENAME_NOREPLACE)
                self.assertEqual((self.ino(source), self.ino(target)), (ino, new_ino))
                renameat2(self.path(source), self.path(target + "2"), RENAME_NOREPLACE)
                self.assertEqual(self.ino(target + "2"), ino)
        self.check_after_remount()

    def test_exchange(self):
        for old, new, source, target in self.each_pair():
            with self.subTest(old=old, new=new, target=target):
                ino, new_ino = self.make_kind(old, source), self.make_kind(new, target)
                renameat2(self.path(source), self.path(target), RENAME_EXCHANGE)
                self.assertEqual((self.ino(source), self.ino(target)), (new_ino, ino))
        self.check_after_remount()

    def check_after_remount(self):
        """Everything below is found again, with contents and xattrs that fit."""
        before = self.walk()
        self.remount()
        self.assertEqual(self.walk(), before)

    def walk(self):
        found = {}
        for folder, folders, files in os.walk(self.mnt):
            for name in folders + files:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                is_file = stat.S_ISREG(st.st_mode)
                attrs = [] if stat.S_ISLNK(st.st_mode) else os.listxattr(path)
                found[path] = (st.st_ino, st.st_mode, st.st_nlink,
                               self.content(path) if is_file else None,
                               [(a, os.getxattr(path, a)) for a in attrs])
        return found

    def test_exchange_needs_both_names(self):
        self.make("a")
        self.fails(errno.ENOENT, renameat2, self.path("a"), self.path("b"), RENAME_EXCHANGE)
        self.fails(errno.ENOENT, renameat2, self.path("b"), self.path("a"), RENAME_EXCHANGE)

    def test_a_directory_cannot_go_below_itself(self):
        os.makedirs(self.path("a/b"))
        self.fails(errno.EINVAL, os.rename, self.path("a"), self.path("a/b/c"))
        self.fails(errno.EINVAL, renameat2, self.path("a"), self.path("a/b"), RENAME_EXCHANGE)

    def test_open_files_follow_a_moved_directory(self):
        os.makedirs(self.path("a/b/c"))
        os.mkdir(self.path("t"))
        fd = os.open(self.make("a/b/c/f", content=b"x"), os.O_RDWR)
        folder = os.open(self.path("a/b"), os.O_RDONLY)
        os.rename(self.path("a"), self.path("t/moved"))
        os.pwrite(fd, b"later", 0)
        self.assertEqual(os.fstat(fd).st_size, 5)
        os.close(os.open("new", os.O_CREAT, dir_fd=folder))
        self.assertEqual(sorted(os.listdir(self.path("t/moved/b"))), ["c", "new"])
        self.assertEqual(self.content("t/moved/b/c/f"), b"later")
        os.close(fd)
        os.close(folder)

    def test_a_large_directory_moves_whole(self):
        os.makedirs(self.path("big/sub"))
        for i in range(3000):
            os.close(os.open(self.path("big/sub", f"file-with-a-long-name-{i}"), os.O_CREAT))
        for i in range(5):
            os.rename(self.path("big") + ("" if i == 0 else str(i)), self.path(f"big{i + 1}"))
        self.assertEqual(len(os.listdir(self.path("big5/sub"))), 3000)
        self.remount()
        self.assertEqual(len(os.listdir(self.path("big5/sub"))), 3000)

    def test_two_names_of_one_file_stay(self):
        os.link(self.make("a"), self.path("b"))
        os.rename(self.path("a"), self.path("b"))
        self.assertEqual(sorted(os.listdir(self.mnt)), ["a", "b"])

    def test_times_of_both_directories_move(self):
        os.mkdir(self.path("x"))
        os.mkdir(self.path("y"))
        self.make("x", "f")
        before = [os.stat(self.path(d)).st_mtime_ns for d in "xy"]
        os.rename(self.path("x/f"), self.path("y/f"))
        for then, folder in zip(before, "xy"):
            self.assertGreater(os.stat(self.path(folder)).st_mtime_ns, then)


if __name__ == "__main__":
    harness.main()
