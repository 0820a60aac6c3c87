"""Goal: with passthrough the kernel reads and writes large files by itself, and everybody sees what
it wrote: at once, after the file was closed, after a remount, and after a crash."""

import errno
import json
import mmap
import os
import random
import subprocess
import sys

import harness

MIB = 1 << 20
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # a valid one
SETTLED_NS = 1_000_000_000_000_000_000  # a time long ago


def status(mountpoint):
    done = subprocess.run([harness.ARGS.holtctl, "status", "--json", mountpoint],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


class Passed(harness.MountedTest):
    options = ("passthrough",)

    def setUp(self):
        self.opened, self.ends = [], []
        super().setUp()

    def tearDown(self):
        for fd in self.opened:
            self.close(fd)
        for end in self.ends:
            end()
        super().tearDown()

    def requests(self, name):
        return status(self.mnt)["requests"].get(name, 0)

    def seen_elsewhere(self, *names):
        """What another process sees: size, blocks and mtime."""
        program = "import os, sys; st = os.stat(sys.argv[1]); " \
                  "print(st.st_size, st.st_blocks, st.st_mtime_ns)"
        done = subprocess.run([sys.executable, "-c", program, self.path(*names)],
                              stdout=subprocess.PIPE, text=True, check=True)
        return tuple(int(word) for word in done.stdout.split())

    def open(self, *names, flags=os.O_RDWR | os.O_CREAT):
        fd = os.open(self.path(*names), flags)
        self.opened.append(fd)
        return fd

    def close(self, fd):
        try:
            os.close(fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise

    def wait_until_released(self):
        """RELEASE is sent when the file is closed, and nobody waits for it."""
        harness.wait_until(lambda: status(self.mnt)["passed_through"] == 0)


class Contents(Passed):
    def test_reads_and_writes_do_not_reach_the_daemon(self):
        data = random.Random(1).randbytes(3 * MIB)
        fd = self.open("f")
        self.assertEqual(os.pwrite(fd, data, 0), len(data))
        self.assertEqual(os.pread(fd, len(data), 0), data)
        self.assertEqual(status(self.mnt)["passed_through"], 1)
        os.close(fd)
        self.assertEqual(self.content("f"), data)
        self.assertEqual((self.requests("WRITE"), self.requests("READ")), (0, 0))
        self.remount()
        self.assertEqual(self.content("f"), data)

    def test_random_changes_match_a_model(self):
        seed = int(os.environ.get("HOLTFS_TEST_SEED", random.randrange(1 << 30)))
        print(f"HOLTFS_TEST_SEED={seed}")
        rng = random.Random(seed)
        fd, model = self.open("f"), bytearray()
        for step in range(400):
            offset, length = rng.randrange(300_000), rng.randrange(1, 40_000)
            kind = rng.random()
            if kind < 0.15:
                os.ftruncate(fd, offset)
                model = model[:offset] + bytes(max(0, offset - len(model)))
            elif kind < 0.2:
                harness.fallocate(fd, 0, offset, length)
                model += bytes(max(0, offset + length - len(model)))
            elif kind < 0.25:
                os.close(fd)
                fd = self.open("f", flags=os.O_RDWR)
            else:
                data = bytes([rng.randrange(256)]) * length
                self.assertEqual(os.pwrite(fd, data, offset), length)
                model += bytes(max(0, offset + length - len(model)))
                model[offset:offset + length] = data
            self.assertEqual(os.stat(self.path("f")).st_size, len(model), f"step {step}")
        self.assertEqual(os.pread(fd, MIB, 0), bytes(model))
        os.close(fd)
        self.remount()
        self.assertEqual(self.content("f"), bytes(model))

    def test_appends_of_two_who_have_it_open_do_not_overwrite(self):
        one = self.open("f", flags=os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        other = self.open("f", flags=os.O_WRONLY | os.O_APPEND)
        for _ in range(100):
            os.write(one, b"1" * 1000)
            os.write(other, b"2" * 1000)
        self.assertEqual(os.fstat(one).st_size, 200_000)
        self.assertEqual(self.content("f"), (b"1" * 1000 + b"2" * 1000) * 100)

    def test_a_mapping_and_a_descriptor_are_one_file(self):
        fd = self.open("f")
        os.ftruncate(fd, MIB)
        with mmap.mmap(fd, MIB) as mapped:
            mapped[5000:5005] = b"hello"
            self.assertEqual(os.pread(fd, 5, 5000), b"hello")
            os.pwrite(fd, b"world", 6000)
            self.assertEqual(mapped[6000:6005], b"world")
            mapped.flush()
        os.close(fd)
        self.remount()
        self.assertEqual(self.content("f")[5000:5005], b"hello")

    def test_direct_io(self):
        fd = self.open("f", flags=os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        with mmap.mmap(-1, MIB) as page_aligned:
            page_aligned[:] = b"d" * MIB
            self.assertEqual(os.pwrite(fd, page_aligned, 0), MIB)
        self.assertEqual(self.content("f"), b"d" * MIB)
        self.assertEqual(self.requests("WRITE"), 0)

    def test_a_small_file_stays_packed_until_it_is_large_and_opened_again(self):
        self.unmount()
        plain, self.options = self.options, ()
        self.mount()
        self.make("small", content=b"x" * 100)
        self.options = plain
        self.remount()
        fd = self.open("small", flags=os.O_RDWR)
        os.pwrite(fd, b"y" * MIB, 100)
        self.assertGreater(self.requests("WRITE"), 0)
        self.assertEqual(status(self.mnt)["passed_through"], 0)
        self.assertEqual(self.content("small"), b"x" * 100 + b"y" * MIB)
        os.close(fd)
        harness.wait_until(lambda: self.requests("RELEASE") >= 2)
        fd = self.open("small", flags=os.O_RDWR)
        self.assertEqual(status(self.mnt)["passed_through"], 1)
        os.pwrite(fd, b"z", 50)
        self.assertEqual(self.content("small"), b"x" * 50 + b"z" + b"x" * 49 + b"y" * MIB)

    def test_a_write_takes_set_id_bits_and_capabilities_away(self):
        path = self.make("f", content=b"a" * MIB)
        self.wait_until_released()
        os.chmod(path, 0o777)
        os.chmod(self.folder, 0o755)
        writer = subprocess.Popen(["sh", "-c", f"exec >> {path}; while read line; do echo x; "
                                   "echo done >&2; done"], user=65534, stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)

        def end():
            writer.stdin.close()
            writer.wait()
            writer.stderr.close()
        self.ends.append(end)

        def write():
            writer.stdin.write("go\n")
            writer.stdin.flush()
            self.assertEqual(writer.stderr.readline(), "done\n")
        write()
        self.assertEqual(status(self.mnt)["passed_through"], 1)
        os.chmod(path, 0o6777)
        write()
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o777)
        os.setxattr(path, "security.capability", CAPABILITY)
        write()
        self.assertEqual(os.listxattr(path), [])
        self.assertEqual(self.requests("WRITE"), 0)

    def test_read_only(self):
        self.make("f", content=b"r" * MIB)
        self.remount("ro")
        fd = self.open("f", flags=os.O_RDONLY)
        self.assertEqual(os.pread(fd, 2 * MIB, 0), b"r" * MIB)
        self.assertEqual(status(self.mnt)["passed_through"], 1)
        self.fails(errno.EROFS, os.open, self.path("f"), os.O_RDWR)


class Attributes(Passed):
    def test_others_see_size_blocks_and_mtime_while_it_is_open(self):
        fd = self.open("f")
        os.utime(self.path("f"), ns=(SETTLED_NS, SETTLED_NS))
        for size in (1, 5000, 3 * MIB):
            os.pwrite(fd, b"x", size - 1)
            st = os.fstat(fd)
            self.assertEqual(st.st_size, size)
            self.assertGreater(st.st_mtime_ns, SETTLED_NS)
            self.assertGreaterEqual(st.st_ctime_ns, st.st_mtime_ns)
            self.assertEqual(self.seen_elsewhere("f"), (size, st.st_blocks, st.st_mtime_ns))
        self.assertGreater(os.fstat(fd).st_blocks, 0)

    def test_the_kernel_that_forgot_it_learns_the_size_from_every_answer(self):
        os.mkdir(self.path("d"))
        fd = self.open("d", "f")
        os.pwrite(fd, b"x" * MIB, 0)
        def forget():
            with open("/proc/sys/vm/drop_caches", "w") as file:
                file.write("2")
        forget()
        self.assertEqual(self.seen_elsewhere("d", "f")[0], MIB)
        forget()
        with os.scandir(self.path("d")) as entries:
            self.assertEqual([entry.stat().st_size for entry in entries], [MIB])
        os.pwrite(fd, b"x", MIB)
        os.link(self.path("d", "f"), self.path("other"))
        self.assertEqual(os.stat(self.path("other")).st_size, MIB + 1)
        os.pwrite(fd, b"x", MIB + 1)
        os.chmod(self.path("other"), 0o600)
        self.assertEqual(self.seen_elsewhere("other")[0], MIB + 2)
        self.assertEqual(os.pread(fd, 10, MIB), b"xx")

    def test_times_that_are_set_stay_until_the_next_write(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        os.utime(fd, ns=(SETTLED_NS + 1, SETTLED_NS + 2))
        st = os.fstat(fd)
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (SETTLED_NS + 1, SETTLED_NS + 2))
        os.chmod(fd, 0o600)
        self.assertEqual(os.fstat(fd).st_mtime_ns, SETTLED_NS + 2)
        os.close(fd)
        self.wait_until_released()
        self.assertEqual(self.seen_elsewhere("f")[2], SETTLED_NS + 2)
        fd = self.open("f")
        self.assertEqual(os.fstat(fd).st_mtime_ns, SETTLED_NS + 2)
        os.write(fd, b"y")
        self.assertGreater(os.fstat(fd).st_mtime_ns, SETTLED_NS + 2)

    def test_opening_and_closing_changes_no_times(self):
        path = self.make("f", content=b"x" * MIB)
        self.wait_until_released()
        os.utime(path, ns=(SETTLED_NS, SETTLED_NS))
        before = os.stat(path)
        os.close(self.open("f", flags=os.O_RDWR))
        self.wait_until_released()
        self.remount()
        after = os.stat(path)
        self.assertEqual((after.st_mtime_ns, after.st_ctime_ns),
                         (before.st_mtime_ns, before.st_ctime_ns))

    def test_truncation_while_it_is_open(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        os.truncate(self.path("f"), 1000)
        self.assertEqual(os.fstat(fd).st_size, 1000)
        os.ftruncate(fd, 2 * MIB)
        self.assertEqual(os.pread(fd, 3 * MIB, 0), b"x" * 1000 + bytes(2 * MIB - 1000))
        with open(self.path("f"), "wb"):
            pass
        self.assertEqual(os.fstat(fd).st_size, 0)
        self.assertEqual(os.pread(fd, 10, 0), b"")

    def test_size_after_the_last_close(self):
        one, other = self.open("f"), self.open("f", flags=os.O_RDONLY)
        os.write(one, b"x" * MIB)
        os.close(one)
        self.assertEqual(self.seen_elsewhere("f")[0], MIB)
        os.close(other)
        self.assertEqual(self.seen_elsewhere("f")[0], MIB)
        self.wait_until_released()
        self.assertEqual(self.seen_elsewhere("f")[0], MIB)
        self.remount()
        self.assertEqual(self.seen_elsewhere("f")[0], MIB)


class Durability(Passed):
    def test_fsync_puts_the_size_into_the_record(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        os.fsync(fd)
        self.daemon.signal(9)
        self.daemon.wait()
        self.daemon = None
        os.close(fd)
        harness.umount("-l", self.mnt)
        dump = subprocess.run([harness.ARGS.holtctl, "dump", self.store], stdout=subprocess.PIPE,
                              text=True, check=True).stdout
        records = [json.loads(line) for line in dump.splitlines()]
        self.assertEqual([r["size"] for r in records if r.get("path") == "/f"], [MIB])

    def test_an_open_for_synchronous_writing_is_durable(self):
        before = status(self.mnt)["log"]
        fd = self.open("f", flags=os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
        after = status(self.mnt)["log"]
        self.assertGreater(after["applied"], before["applied"])
        self.assertEqual(after["durable"], after["applied"])
        os.write(fd, b"x" * MIB)
        self.assertEqual(self.requests("WRITE"), 0)


class Names(Passed):
    def test_renamed_and_replaced_while_open(self):
        os.mkdir(self.path("d"))
        moved, replaced = self.open("moved"), self.open("d", "there")
        os.write(replaced, b"old" * 1000)
        os.write(moved, b"n" * MIB)
        os.rename(self.path("moved"), self.path("d", "there"))
        os.write(moved, b"n" * MIB)
        os.write(replaced, b"old" * 1000)
        self.assertEqual(os.fstat(replaced).st_size, 6000)
        self.assertEqual(os.pread(replaced, 6001, 0), b"old" * 2000)
        self.assertEqual(os.stat(self.path("d", "there")).st_size, 2 * MIB)
        os.rename(self.path("d"), self.path("e"))
        os.write(moved, b"n")
        os.close(moved)
        os.close(replaced)
        self.remount()
        self.assertEqual(self.content("e", "there"), b"n" * (2 * MIB + 1))

    def test_removed_while_open(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        os.unlink(self.path("f"))
        os.write(fd, b"y" * MIB)
        self.assertEqual(os.fstat(fd).st_size, 2 * MIB)
        self.assertEqual(os.pread(fd, 2 * MIB, MIB), b"y" * MIB)
        os.close(fd)
        self.unmount()
        files = [name for _, _, names in os.walk(os.path.join(self.store, "data"))
                 for name in names]
        self.assertEqual(files, [])

    def test_a_file_without_a_name_gets_one(self):
        fd = os.open(self.mnt, os.O_TMPFILE | os.O_RDWR)
        os.write(fd, b"x" * MIB)
        harness.link_open_file(fd, self.path("f"))
        os.write(fd, b"y")
        os.close(fd)
        self.assertEqual(self.content("f"), b"x" * MIB + b"y")
        self.remount()
        self.assertEqual(self.content("f"), b"x" * MIB + b"y")


class Crashes(Passed):
    def crash_with_open(self, fd):
        self.daemon.signal(9)
        self.daemon.wait()
        os.close(fd)
        self.daemon = None
        harness.umount("-l", self.mnt)

    def test_what_was_written_is_there(self):
        data = random.Random(2).randbytes(2 * MIB)
        fd = self.open("f")
        os.write(fd, data[:1000])
        os.utime(self.path("f"), ns=(SETTLED_NS, SETTLED_NS))
        os.write(fd, data[1000:])
        written = os.fstat(fd)
        self.crash_with_open(fd)
        self.assertEqual(harness.fsck(self.store)[0], 0)
        self.mount()
        self.assertEqual(self.content("f"), data)
        st = os.stat(self.path("f"))
        self.assertEqual((st.st_mtime_ns, st.st_blocks), (written.st_mtime_ns, written.st_blocks))

    def test_what_was_cut_off_stays_so(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        os.ftruncate(fd, 5000)
        self.crash_with_open(fd)
        self.mount()
        self.assertEqual(self.content("f"), b"x" * 5000)

    def test_a_time_that_was_set_stays(self):
        path = self.make("f", content=b"x" * MIB)
        self.wait_until_released()
        os.utime(path, ns=(SETTLED_NS, SETTLED_NS))
        fd = self.open("f", flags=os.O_RDWR)
        self.crash_with_open(fd)
        self.mount()
        self.assertEqual(os.stat(path).st_mtime_ns, SETTLED_NS)

    def test_after_the_end_by_a_signal_what_is_written_counts(self):
        fd = self.open("f")
        os.write(fd, b"x" * MIB)
        self.daemon.signal(15)
        self.daemon.wait()
        self.daemon = None
        os.write(fd, b"late")
        os.close(fd)
        self.mount()
        self.assertEqual(self.content("f"), b"x" * MIB + b"late")

    def test_a_closed_file_is_as_any_other(self):
        self.make("f", content=b"x" * MIB)
        self.wait_until_released()
        self.crash()
        self.mount()
        self.assertEqual(self.content("f"), b"x" * MIB)


class Options(harness.MountedTest):
    def refused(self, options):
        done = subprocess.run([harness.ARGS.holtfs, self.store, self.mnt, "-o", options],
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_size_cannot_be_kept(self):
        self.unmount()
        for options in ("passthrough,size=1G", "size=1G,passthrough"):
            said = self.refused(options)
            self.assertIn("passthrough and size= exclude each other", said)
            self.assertEqual(said.count("\n"), 1)

    def test_status_says_whether_it_is_in_force(self):
        self.assertNotIn("passthrough", status(self.mnt)["options"])
        self.remount("passthrough", "inodes=100")
        self.assertIn("passthrough", status(self.mnt)["options"].split(","))

    def test_without_it_the_kernel_opens_files_by_itself(self):
        self.make("f", content=b"x" * MIB)
        self.assertEqual(self.content("f"), b"x" * MIB)
        self.assertLessEqual(status(self.mnt)["requests"].get("OPEN", 0), 1)
        self.assertEqual(status(self.mnt)["requests"].get("RELEASE", 0), 0)


if __name__ == "__main__":
    harness.main()
