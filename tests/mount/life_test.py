"""Goal: the daemon starts, refuses, ends and leaves its store as an administrator expects."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import harness


# Ends when the file cannot be synced any more.
SYNC_FOR_EVER = """
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
while True:
    os.pwrite(fd, b"x", 0)
    os.fsync(fd)
"""


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=harness.DEADLINE_S)


class Life(harness.MountedTest):
    def holtfs(self, *words):
        return run(harness.ARGS.holtfs, *words)

    def test_dump_says_where_contents_are(self):
        self.make("file", content=b"x" * 1000)
        self.unmount()
        lines = run(harness.ARGS.holtctl, "dump", self.store).stdout.splitlines()
        lines = [json.loads(line) for line in lines]
        (file,) = [line for line in lines if line.get("path") == "/file"]
        (extent,) = file["extents"]
        self.assertEqual((file["placement"], extent["length"]), ("packed", 1000))
        (segment,) = [line for line in lines if line["kind"] == "segment"]
        self.assertEqual((segment["segment"], segment["live"]), (extent["segment"], 1000))

    def test_it_is_in_the_background_and_mounted_when_the_command_returns(self):
        self.assertTrue(os.path.ismount(self.mnt))
        self.assertNotEqual(os.getsid(self.daemon.pid), os.getsid(0))
        self.assertEqual(os.readlink(f"/proc/{self.daemon.pid}/cwd"), "/")
        with open("/proc/mounts", encoding="utf-8") as file:
            line = next(line for line in file if line.split()[1] == self.mnt)
        self.assertEqual(line.split()[0], self.store)
        self.assertEqual(line.split()[2], "fuse.holtfs")

    def test_a_missing_or_empty_store_is_made(self):
        for name in ("missing", "empty"):
            store, mnt = os.path.join(self.folder, name), os.path.join(self.folder, name + ".mnt")
            os.mkdir(mnt)
            if name == "empty":
                os.mkdir(store)
            daemon = harness.Daemon(store, mnt)
            os.mkdir(os.path.join(mnt, "d"))
            daemon.unmount()
            self.assertEqual(harness.fsck(store)[0], 0)

    def test_a_folder_with_something_else_is_left_alone(self):
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        with open(os.path.join(other, "precious"), "w", encoding="utf-8"):
            pass
        done = self.holtfs(other, self.mnt)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(os.listdir(other), ["precious"])

    def test_sigterm_unmounts_and_checkpoints(self):
        self.make("f", content=b"x")
        daemon, self.daemon = self.daemon, None
        daemon.signal(signal.SIGTERM)
        daemon.wait()
        self.assertFalse(os.path.ismount(self.mnt))
        status, output = harness.fsck(self.store)
        self.assertEqual(status, 0)
        self.assertNotIn("not unmounted in order", output)
        self.mount()
        self.assertEqual(self.content("f"), b"x")

    def test_sigterm_ends_a_busy_mount(self):
        fd = os.open(self.make("f", content=b"x"), os.O_RDWR)
        daemon, self.daemon = self.daemon, None
        daemon.signal(signal.SIGTERM)
        daemon.wait()
        try:
            os.close(fd)
        except OSError:
            pass
        self.assertNotIn("not unmounted in order", harness.fsck(self.store)[1])
        self.mount()

    def test_a_second_mount_is_refused_in_one_sentence(self):
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        done = self.holtfs(self.store, other)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("in use", done.stderr)
        self.assertFalse(os.path.ismount(other))
        self.assertEqual(harness.fsck(self.store)[0], 8)

    def test_wrong_arguments_are_refused_in_one_sentence(self):
        for words in (("-o", "nonsense", self.store, self.mnt), (self.store,), (),
                      ("-o", "cache=many", self.store, self.mnt),
                      ("-o", "cache=1M", self.store, self.mnt),
                      ("-o", "commit=0", self.store, self.mnt),
                      ("-o", "io_uring=perhaps", self.store, self.mnt),
                      ("-o", "readdirplus=maybe", self.store, self.mnt),
                      ("--nonsense", self.store, self.mnt)):
            done = self.holtfs(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_a_missing_mountpoint_is_refused_in_one_sentence(self):
        store = os.path.join(self.folder, "other")
        done = self.holtfs(store, os.path.join(self.folder, "none"))
        self.assertEqual(done.returncode, 1)
        lines = [line for line in done.stderr.splitlines() if "io_uring" not in line]
        self.assertEqual(len(lines), 1, done.stderr)

    def test_what_an_ordinary_user_may_not_mount_is_refused_with_the_reason(self):
        nobody = 65534
        os.chmod(self.folder, 0o755)
        store, mnt = os.path.join(self.folder, "other"), os.path.join(self.folder, "of-root")
        for folder in (store, mnt):
            os.mkdir(folder)
        os.chown(store, nobody, nobody)
        holtfs = os.path.join(self.folder, "holtfs")
        shutil.copy(harness.ARGS.holtfs, holtfs)
        if shutil.which("fusermount3") is None:
            self.skipTest("fusermount3 is not installed")
        device = os.path.join(self.folder, "fuse")  # whoever may open /dev/fuse here
        os.mknod(device, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        done = subprocess.run([holtfs, store, mnt, "-o", "io_uring=off"], user=nobody, group=nobody,
                              extra_groups=[], stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"FUSE_KERN_DEVICE": device},
                              timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, f"cannot mount on {mnt}: .*(access|Permission)")

    def test_help_and_version(self):
        for word in ("--help", "--version"):
            done = self.holtfs(word)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("holtfs", done.stdout)

    def test_the_foreground_logs_to_standard_error(self):
        store, mnt = os.path.join(self.folder, "fg"), os.path.join(self.folder, "fg.mnt")
        os.mkdir(mnt)
        process = subprocess.Popen([harness.ARGS.holtfs, store, mnt, "-f"], stderr=subprocess.PIPE,
                                   text=True)
        while not os.path.ismount(mnt):
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        self.assertIn("signal 15", log)

    def test_options_that_mount_8_passes_on(self):
        self.remount("rw,nosuid,nodev,noexec,relatime,cache=32M,commit=2,x-systemd.automount")
        self.make("f")
        with open("/proc/mounts", encoding="utf-8") as file:
            line = next(line for line in file if line.split()[1] == self.mnt)
        self.assertIn("noexec", line.split()[3])

    def test_a_store_can_be_mounted_as_soon_as_it_was_unmounted(self):
        for i in range(5):
            self.make(str(i), content=b"x" * 100000)
            daemon, self.daemon = self.daemon, None
            harness.umount(self.mnt)
            self.mount()
            daemon.wait()
        self.assertEqual(len(os.listdir(self.mnt)), 5)

    def test_what_root_mounts_is_for_everybody_with_devices_and_set_id(self):
        with open("/proc/mounts", encoding="utf-8") as file:
            options = next(line.split()[3].split(",") for line in file
                           if line.split()[1] == self.mnt)
        self.assertIn("allow_other", options)
        self.assertNotIn("nosuid", options)
        self.assertNotIn("nodev", options)
        self.remount("nosuid", "nodev")
        with open("/proc/mounts", encoding="utf-8") as file:
            options = next(line.split()[3].split(",") for line in file
                           if line.split()[1] == self.mnt)
        self.assertIn("nosuid", options)
        self.assertIn("nodev", options)

    def test_an_abort_under_load_ends_the_daemon_in_order(self):
        daemon, self.daemon = self.daemon, None
        daemon.unmount()
        transport = "on" if harness.ARGS.transport == "uring" else "off"
        process = subprocess.Popen([harness.ARGS.holtfs, self.store, self.mnt, "-f",
                                    "-o", "io_uring=" + transport], stderr=subprocess.PIPE)
        harness.wait_until(lambda: os.path.ismount(self.mnt))
        loads = [subprocess.Popen([sys.executable, "-c", SYNC_FOR_EVER, self.path(str(i))],
                                  stderr=subprocess.DEVNULL) for i in range(8)]
        for started in [process] + loads:
            self.addCleanup(started.kill)
        harness.wait_until(lambda: all(os.path.exists(self.path(str(i))) for i in range(8)))
        # Busy, so it stays mounted; but the kernel aborts the connection.
        subprocess.run(["umount", "-f", self.mnt], check=False, stderr=subprocess.DEVNULL)
        process.communicate(timeout=harness.DEADLINE_S)
        self.assertGreaterEqual(process.returncode, 0)
        for load in loads:
            load.wait(timeout=harness.DEADLINE_S)
        subprocess.run(["umount", "-l", self.mnt], check=False, stderr=subprocess.DEVNULL)
        self.mount()

    def test_strictatime(self):
        self.make("f", content=b"x")
        os.utime(self.path("f"), ns=(1 << 62, os.stat(self.path("f")).st_mtime_ns))
        self.remount("strictatime")
        self.content("f")
        self.assertLess(os.stat(self.path("f")).st_atime_ns, 1 << 62)

    def has_ring_threads(self):
        for task in os.listdir(f"/proc/{self.daemon.pid}/task"):
            with open(f"/proc/{self.daemon.pid}/task/{task}/comm", encoding="utf-8") as file:
                if file.read().startswith("fuse-ring"):
                    return True
        return False

    def test_without_io_uring_one_sentence_says_how_to_enable_it(self):
        if harness.ARGS.transport == "uring":
            self.skipTest("it is enabled for this run")
        with open(harness.PARAMETER, encoding="utf-8") as file:
            if file.read().strip() == "Y":
                self.skipTest("it is enabled here")
        other = os.path.join(self.folder, "other.mnt")
        os.mkdir(other)
        done = self.holtfs(os.path.join(self.folder, "other"), other, "-o", "io_uring=on")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("echo Y > " + harness.PARAMETER, done.stderr)
        self.assertFalse(os.path.ismount(other))

    def test_the_transport_is_the_one_asked_for(self):
        os.listdir(self.mnt)  # the kernel's first request, with which the transport is agreed
        wanted = harness.ARGS.transport == "uring"
        # The threads name themselves, each in its own time.
        deadline = time.monotonic() + harness.DEADLINE_S
        while wanted and not self.has_ring_threads() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.has_ring_threads(), wanted)


if __name__ == "__main__":
    harness.main()
