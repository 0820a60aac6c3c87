"""Goal: holtctl status says what the mount is and what the kernel has asked of it."""

import json
import os
import subprocess

import harness


def status_process(mountpoint, *words, **kwargs):
    return subprocess.run([harness.ARGS.holtctl, "status", *words, mountpoint],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=harness.DEADLINE_S, **kwargs)


class Status(harness.MountedTest):
    def status(self, **kwargs):
        done = status_process(self.mnt, "--json", **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_the_transport_is_the_one_in_use(self):
        wanted = "io_uring" if harness.ARGS.transport == "uring" else "/dev/fuse"
        self.assertEqual(self.status()["transport"], wanted)

    def test_io_uring_is_the_default_where_the_kernel_allows_it(self):
        if harness.ARGS.transport == "device":
            self.skipTest("it is off in this run")
        store, mnt = os.path.join(self.folder, "other"), os.path.join(self.folder, "other.mnt")
        os.mkdir(mnt)
        subprocess.run([harness.ARGS.holtfs, store, mnt], check=True)
        self.addCleanup(harness.umount, mnt)
        self.assertEqual(json.loads(status_process(mnt, "--json").stdout)["transport"], "io_uring")

    def test_requests_are_counted_by_kind(self):
        before = self.status()["requests"]
        for i in range(100):
            os.mkdir(self.path(str(i)))
        for i in range(50):
            os.rmdir(self.path(str(i)))
        after = self.status()["requests"]
        self.assertEqual(after["MKDIR"] - before.get("MKDIR", 0), 100)
        self.assertEqual(after["RMDIR"] - before.get("RMDIR", 0), 50)
        self.assertEqual(after["IOCTL"] - before["IOCTL"], 1)
        self.assertNotIn("SYMLINK", after)

    def test_nothing_is_asked_about_a_new_file_that_could_be_spared(self):
        self.make("first")  # the kernel learns what it need not ask again
        before = self.status()["requests"]
        for i in range(50):
            self.make(str(i))
        after = self.status()["requests"]
        more = {kind: count - before.get(kind, 0) for kind, count in after.items()}
        self.assertEqual((more["LOOKUP"], more["MKNOD"]), (50, 50))
        for kind in ("CREATE", "OPEN", "FLUSH", "RELEASE", "WRITE"):
            self.assertEqual(more.get(kind, 0), 0, kind)

    def test_requests_by_many_processes_are_all_counted(self):
        script = "import os, sys\nfor i in range(200): os.mkdir(f'{sys.argv[1]}.{i}')"
        loads = [subprocess.Popen(["python3", "-c", script, self.path(str(i))]) for i in range(4)]
        for load in loads:
            self.assertEqual(load.wait(timeout=harness.DEADLINE_S), 0)
        self.assertEqual(self.status()["requests"]["MKDIR"], 800)

    def test_nodes_and_lookups_follow_the_kernel(self):
        empty = self.status()
        self.assertEqual((empty["nodes"], empty["lookups"]), (1, 0))
        for i in range(100):
            os.mkdir(self.path(str(i)))
        full = self.status()
        self.assertEqual((full["nodes"], full["lookups"]), (101, 100))
        for i in range(100):
            os.rmdir(self.path(str(i)))
        harness.wait_until(lambda: self.status()["nodes"] == 1)
        self.assertEqual(self.status()["lookups"], 0)

    def test_positions_in_the_log_follow_changes_and_syncs(self):
        before = self.status()["log"]
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        after = self.status()["log"]
        self.assertGreater(after["applied"], before["applied"])
        self.assertGreaterEqual(after["durable"], after["applied"])
        self.assertGreater(after["syncs"], before["syncs"])
        self.assertLessEqual(after["checkpointed"], after["durable"])
        self.assertEqual(after["limit"], 16 << 20)

    def test_the_cache_is_the_size_asked_for(self):
        self.remount("cache=32M")
        cache = self.status()["cache"]
        self.assertEqual(cache["limit"], 32 << 20)
        self.assertTrue(0 < cache["bytes"] <= cache["limit"])

    def test_the_options_shown_can_be_given_again_and_are_in_force(self):
        given = ["dirsync", "cache=32M", "commit=7", "strictatime", "nodiratime", "lazytime",
                 "noacl", "readdirplus=no", "size=100M", "inodes=1000", "nosuid"]
        self.remount(*given)
        shown = self.status()["options"].split(",")
        self.assertLessEqual(set(given), set(shown))
        self.remount(*(option for option in shown if not option.startswith("io_uring")))
        self.assertEqual(self.status()["options"].split(","), shown)

    def test_a_read_only_mount_says_so(self):
        self.assertFalse(self.status()["read_only"])
        self.remount("ro")
        self.assertTrue(self.status()["read_only"])

    def test_who_may_open_the_root_may_ask(self):
        self.mount_for_all()
        self.status(user=65534)
        os.chmod(self.mnt, 0o700)
        done = status_process(self.mnt, user=65534)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_it_names_the_daemon(self):
        self.assertEqual(self.status()["pid"], self.daemon.pid)

    def test_text_says_the_same(self):
        os.mkdir(self.path("d"))
        done = status_process(self.mnt)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        words = [line.split() for line in done.stdout.splitlines()]
        self.assertIn(["transport", self.status()["transport"]], words)
        self.assertIn(["MKDIR", "1"], words)

    def test_elsewhere_it_is_refused_in_one_sentence(self):
        os.mkdir(self.path("d"))
        for place in (self.folder, self.path("d"), os.path.join(self.folder, "none")):
            done = status_process(place)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    harness.main()
