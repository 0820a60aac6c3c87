"""Goal: a listing gives every entry that stays exactly once, however large the directory and
whatever else comes and goes; positions once told stay valid; the kernel's cache never shows what
is gone.
"""

import ctypes
import os

import harness


class Dirent(ctypes.Structure):
    _fields_ = [("d_ino", ctypes.c_ulong), ("d_off", ctypes.c_long), ("d_reclen", ctypes.c_ushort),
                ("d_type", ctypes.c_ubyte), ("d_name", ctypes.c_char * 256)]


harness.libc.fdopendir.restype = ctypes.c_void_p
harness.libc.readdir.restype = ctypes.POINTER(Dirent)
for function in ("readdir", "closedir", "telldir", "rewinddir"):
    getattr(harness.libc, function).argtypes = [ctypes.c_void_p]
harness.libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
harness.libc.telldir.restype = ctypes.c_long


class Stream:
    """opendir(3) and what belongs to it."""

    def __init__(self, path):
        self.handle = harness.libc.fdopendir(os.open(path, os.O_RDONLY | os.O_DIRECTORY))

    def next(self):
        entry = harness.libc.readdir(self.handle)
        return os.fsdecode(entry.contents.d_name) if entry else None

    def tell(self):
        return harness.libc.telldir(self.handle)

    def seek(self, position):
        harness.libc.seekdir(self.handle, position)

    def close(self):
        harness.libc.closedir(self.handle)

    def rest(self):
        names = []
        while (name := self.next()) is not None:
            names.append(name)
        return names


class Directories(harness.MountedTest):
    def fill(self, count, name="entry-{:06}"):
        for i in range(count):
            os.close(os.open(self.path(name.format(i)), os.O_CREAT | os.O_WRONLY))

    def test_a_large_directory_is_listed_once(self):
        self.fill(20000)
        names = os.listdir(self.mnt)
        self.assertEqual(len(names), 20000)
        self.assertEqual(len(set(names)), 20000)
        self.remount("readdirplus=no")
        self.assertEqual(sorted(os.listdir(self.mnt)), sorted(names))
        self.remount("readdirplus=yes")
        self.assertEqual(sorted(os.listdir(self.mnt)), sorted(names))
        with os.scandir(self.mnt) as entries:
            self.assertTrue(all(entry.is_file(follow_symlinks=False) for entry in entries))

    def test_dots_come_first_with_their_numbers(self):
        os.mkdir(self.path("d"))
        stream = Stream(self.path("d"))
        self.assertEqual([stream.next(), stream.next(), stream.next()], [".", "..", None])
        stream.close()

    def test_removing_while_listing_skips_nothing(self):
        self.fill(5000)
        removed = 0
        with os.scandir(self.mnt) as entries:
            for entry in entries:
                os.unlink(entry.path)
                removed += 1
        self.assertEqual(removed, 5000)
        self.assertEqual(os.listdir(self.mnt), [])

    def test_survivors_are_listed_once_beside_changes(self):
        self.fill(3000)
        survivors = {f"entry-{i:06}" for i in range(0, 3000, 2)}
        stream = Stream(self.mnt)
        seen = []
        for step in range(100000):
            name = stream.next()
            if name is None:
                break
            seen.append(name)
            victim = self.path(f"entry-{(step * 7919) % 1500 * 2 + 1:06}")
            if os.path.exists(victim):
                os.unlink(victim)
            else:
                os.close(os.open(victim, os.O_CREAT))
        stream.close()
        found = [name for name in seen if name in survivors]
        self.assertEqual(len(found), len(survivors))
        self.assertEqual(set(found), survivors)

    def test_positions_stay_valid(self):
        self.fill(2000)
        stream = Stream(self.mnt)
        places = []
        while True:
            position = stream.tell()
            name = stream.next()
            if name is None:
                break
            places.append((position, name))
        for position, name in places[::97]:
            stream.seek(position)
            self.assertEqual(stream.next(), name)
        # What lies behind a position is the same after its entry is gone.
        position, name = places[1000]
        after = places[1001][1]
        os.unlink(self.path(name))
        stream.seek(position)
        self.assertIn(stream.next(), (after, name))  # the stream's own buffer may still hold it
        stream.close()
        stream = Stream(self.mnt)
        self.assertEqual(stream.next(), ".")  # the kernel looks at its cache only at the beginning
        stream.seek(position)
        self.assertEqual(stream.next(), after)
        stream.close()

    def test_rewinding_shows_what_is_new(self):
        self.fill(10)
        stream = Stream(self.mnt)
        self.assertEqual(len(stream.rest()), 12)
        self.make("new")
        os.unlink(self.path("entry-000003"))
        harness.libc.rewinddir(stream.handle)
        names = stream.rest()
        self.assertIn("new", names)
        self.assertNotIn("entry-000003", names)
        stream.close()

    def test_the_kernels_cache_is_never_stale(self):
        for i in range(200):
            self.make(f"f{i}")
            self.assertEqual(len(os.listdir(self.mnt)), i + 1)
        os.rename(self.path("f0"), self.path("g0"))
        self.assertIn("g0", os.listdir(self.mnt))
        os.mkdir(self.path("d"))
        os.rename(self.path("g0"), self.path("d/g0"))
        self.assertNotIn("g0", os.listdir(self.mnt))
        self.assertEqual(os.listdir(self.path("d")), ["g0"])

    def test_an_open_directory_that_is_removed_is_empty(self):
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY)
        os.rmdir(self.path("d"))
        self.assertEqual(os.listdir(fd), [])
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        with self.assertRaises(FileNotFoundError):
            os.open("f", os.O_CREAT, dir_fd=fd)
        os.close(fd)

    def test_names_that_begin_with_each_other(self):
        names = sorted("n" * length for length in range(1, 256))
        for name in names:
            self.make(name)
        self.assertEqual(sorted(os.listdir(self.mnt)), names)


if __name__ == "__main__":
    harness.main()
