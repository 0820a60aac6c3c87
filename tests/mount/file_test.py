"""Goal: file contents behave as POSIX says: writes, holes, truncation, appending, allocation,
mappings."""

import errno
import mmap
import os
import random
import subprocess

import harness

FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE = 1, 2, 8, 16


class Files(harness.MountedTest):
    def test_contents_survive_a_remount(self):
        data = random.Random(1).randbytes(3_000_000)
        self.make("f", content=data)
        self.assertEqual(self.content("f"), data)
        self.remount()
        self.assertEqual(self.content("f"), data)
        self.assertEqual(os.stat(self.path("f")).st_size, 3_000_000)

    def test_random_changes_match_a_model(self):
        seed = int(os.environ.get("HOLTFS_TEST_SEED", random.randrange(1 << 30)))
        print(f"HOLTFS_TEST_SEED={seed}")
        rng = random.Random(seed)
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        model = bytearray()
        for _ in range(600):
            offset, length = rng.randrange(300_000), rng.randrange(1, 40_000)
            if rng.random() < 0.15:
                os.ftruncate(fd, offset)
                model = model[:offset] + bytes(max(0, offset - len(model)))
                continue
            data = bytes([rng.randrange(256)]) * length
            self.assertEqual(os.pwrite(fd, data, offset), length)
            if len(model) < offset + length:
                model += bytes(offset + length - len(model))
            model[offset:offset + length] = data
        self.assertEqual(os.fstat(fd).st_size, len(model))
        self.assertEqual(os.pread(fd, 1 << 20, 0), bytes(model))
        os.close(fd)
        self.remount()
        self.assertEqual(self.content("f"), bytes(model))

    def test_holes_take_no_space_and_read_as_zeros(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b"end", 100 << 20)
        st = os.fstat(fd)
        self.assertEqual(st.st_size, (100 << 20) + 3)
        self.assertLess(st.st_blocks * 512, 1 << 20)
        self.assertEqual(os.pread(fd, 4096, 50 << 20), bytes(4096))
        self.assertEqual(os.lseek(fd, 0, os.SEEK_DATA), 100 << 20)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_HOLE), 0)
        self.assertEqual(os.lseek(fd, 100 << 20, os.SEEK_HOLE), (100 << 20) + 3)
        self.fails(errno.ENXIO, os.lseek, fd, 200 << 20, os.SEEK_DATA)
        os.close(fd)

    def test_truncation(self):
        self.make("f", content=b"0123456789")
        os.truncate(self.path("f"), 4)
        self.assertEqual(self.content("f"), b"0123")
        os.truncate(self.path("f"), 8)
        self.assertEqual(self.content("f"), b"0123\0\0\0\0")
        with open(self.path("f"), "wb"):
            pass
        self.assertEqual(os.stat(self.path("f")).st_size, 0)
        os.truncate(self.path("f"), 1 << 40)
        self.assertEqual(os.stat(self.path("f")).st_size, 1 << 40)
        self.assertEqual(os.stat(self.path("f")).st_blocks, 0)
        os.mkdir(self.path("d"))
        self.fails(errno.EISDIR, os.truncate, self.path("d"), 0)

    def test_appends_of_several_processes_do_not_overwrite(self):
        path = self.make("log")
        command = f'for i in $(seq 300); do echo "$0 $i"; done >> {path}'
        writers = [subprocess.Popen(["sh", "-c", command, f"w{n}"]) for n in range(4)]
        for writer in writers:
            self.assertEqual(writer.wait(), 0)
        lines = self.content("log").decode().splitlines()
        self.assertEqual(len(lines), 1200)
        self.assertEqual(len(set(lines)), 1200)

    def test_allocation(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(fd, 0, 1 << 20)
        self.assertEqual(os.fstat(fd).st_size, 1 << 20)
        self.assertGreaterEqual(os.fstat(fd).st_blocks * 512, 1 << 20)
        harness.fallocate(fd, FALLOC_KEEP_SIZE, 1 << 20, 1 << 20)
        self.assertEqual(os.fstat(fd).st_size, 1 << 20)
        os.pwrite(fd, b"x" * (1 << 20), 0)
        harness.fallocate(fd, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 65536, 65536)
        self.assertEqual(os.pread(fd, 3, 65535), b"x\0\0")
        harness.fallocate(fd, FALLOC_ZERO_RANGE, 0, 10)
        self.assertEqual(os.pread(fd, 11, 0), bytes(10) + b"x")
        self.fails(errno.EOPNOTSUPP, harness.fallocate, fd, FALLOC_COLLAPSE_RANGE, 0, 4096)
        os.close(fd)

    def test_shared_mappings(self):
        fd = os.open(self.make("f", content=bytes(10000)), os.O_RDWR)
        with mmap.mmap(fd, 10000) as mapped:
            mapped[5000:5005] = b"hello"
            mapped.flush()
        self.assertEqual(os.pread(fd, 5, 5000), b"hello")
        os.close(fd)
        self.remount()
        self.assertEqual(self.content("f")[5000:5005], b"hello")

    def test_a_mapping_for_which_the_host_has_no_room_is_reported(self):
        self.unmount()
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        self.store = os.path.join(disk, "store")
        subprocess.run([harness.ARGS.mkfs, "-q", "-l", "16M", self.store], check=True)
        self.mount("commit=3600")
        size = 128 << 10
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.ftruncate(fd, size)
        filler = os.path.join(disk, "filler")
        with mmap.mmap(fd, size) as mapped:
            mapped[:] = b"x" * size
            # Half of it fits.
            with open(filler, "wb") as file:
                st = os.statvfs(disk)
                file.write(bytes(st.f_bavail * st.f_frsize - size // 2))
            self.fails(errno.ENOSPC, mapped.flush)
            os.unlink(filler)
            mapped[:] = b"y" * size
            mapped.flush()
        os.close(fd)
        self.assertEqual(self.content("f"), b"y" * size)
        self.unmount()
        self.assertEqual(harness.fsck(self.store)[0], 0)

    def test_sync_calls_succeed(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_WRONLY | os.O_SYNC)
        os.write(fd, b"x")
        os.fsync(fd)
        os.fdatasync(fd)
        os.close(fd)
        folder = os.open(self.mnt, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        os.sync()

    def test_direct_io(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        block = mmap.mmap(-1, 8192)
        block.write(b"d" * 8192)
        self.assertEqual(os.pwritev(fd, [block], 0), 8192)
        back = mmap.mmap(-1, 8192)
        self.assertEqual(os.preadv(fd, [back], 0), 8192)
        self.assertEqual(back[:], b"d" * 8192)
        os.close(fd)

    def test_copying_a_tree_preserves_it(self):
        source = os.path.join(self.folder, "source")
        rng = random.Random(2)
        for i in range(30):
            os.makedirs(os.path.join(source, f"d{i % 5}", f"e{i % 3}"), exist_ok=True)
            with open(os.path.join(source, f"d{i % 5}", f"e{i % 3}", f"f{i}"), "wb") as file:
                file.write(rng.randbytes(rng.randrange(100_000)))
        subprocess.run(["cp", "-a", source, self.path("copy")], check=True)
        self.remount()
        subprocess.run(["diff", "-r", source, self.path("copy")], check=True)


class FullHost(harness.MountedTest):
    def test_small_files_that_are_removed_leave_their_room_at_once(self):
        self.unmount()
        host = os.path.join(self.folder, "host")
        os.mkdir(host)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150M", "tmpfs", host], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", host], check=True)
        self.store = os.path.join(host, "store")
        subprocess.run([harness.ARGS.mkfs, "-q", "--log-size", "16M", self.store], check=True)
        self.mount()
        # Over io_uring one thread of the daemon serves one processor, and fills one segment.
        processors = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, processors)
        os.sched_setaffinity(0, {min(processors)})
        for i in range(900):
            self.make(str(i), content=b"x" * 100_000)
        for i in range(900):
            os.unlink(self.path(str(i)))
        self.make("large", content=b"x" * 90_000_000)
        self.assertEqual(os.path.getsize(self.path("large")), 90_000_000)


if __name__ == "__main__":
    harness.main()
