"""Goal: xattrs of files and directories through the kernel, with its limits and its names."""

import errno
import os

import harness


class Xattrs(harness.MountedTest):
    def test_they_survive_renames_links_and_remounts(self):
        self.make("f")
        os.mkdir(self.path("d"))
        for path in (self.path("f"), self.path("d"), self.mnt):
            os.setxattr(path, "user.a", b"1")
            os.setxattr(path, "user.binary", bytes(range(256)))
            os.setxattr(path, "trusted.t", b"")
        os.rename(self.path("f"), self.path("d", "g"))
        os.link(self.path("d", "g"), self.path("h"))
        os.rename(self.path("d"), self.path("e"))
        self.remount()
        for path in (self.path("h"), self.path("e", "g"), self.path("e"), self.mnt):
            self.assertEqual(sorted(os.listxattr(path)), ["trusted.t", "user.a", "user.binary"])
            self.assertEqual(os.getxattr(path, "user.binary"), bytes(range(256)))

    def test_flags(self):
        path = self.make("f")
        self.fails(errno.ENODATA, os.setxattr, path, "user.a", b"1", os.XATTR_REPLACE)
        os.setxattr(path, "user.a", b"1", os.XATTR_CREATE)
        self.fails(errno.EEXIST, os.setxattr, path, "user.a", b"2", os.XATTR_CREATE)
        os.setxattr(path, "user.a", b"3", os.XATTR_REPLACE)
        self.assertEqual(os.getxattr(path, "user.a"), b"3")

    def test_removal(self):
        path = self.make("f")
        self.fails(errno.ENODATA, os.removexattr, path, "user.a")
        os.setxattr(path, "user.a", b"1")
        os.removexattr(path, "user.a")
        self.assertEqual(os.listxattr(path), [])
        self.fails(errno.ENODATA, os.getxattr, path, "user.a")

    def test_sizes(self):
        path = self.make("f")
        os.setxattr(path, "user.big", b"v" * 65536)
        self.assertEqual(os.getxattr(path, "user.big"), b"v" * 65536)
        self.fails(errno.E2BIG, os.setxattr, path, "user.big", b"v" * 65537)
        os.setxattr(path, "user." + "n" * 250, b"")
        self.fails(errno.ERANGE, os.setxattr, path, "user." + "n" * 251, b"")

    def test_many(self):
        path = self.make("f")
        for i in range(200):
            os.setxattr(path, f"user.{i}", str(i).encode())
        self.assertEqual(len(os.listxattr(path)), 200)
        os.unlink(path)
        self.make("f")
        self.assertEqual(os.listxattr(path), [])

    def test_acls_are_refused_where_nobody_enforces_them(self):
        self.remount("noacl")
        path = self.make("f")
        self.fails(errno.EOPNOTSUPP, os.setxattr, path, "system.posix_acl_access", b"\2\0\0\0")


if __name__ == "__main__":
    harness.main()
