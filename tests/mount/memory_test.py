"""Goal: the daemon's memory is its cache and what the kernel refers to, and no more."""

import os

import harness


class Memory(harness.MountedTest):
    def anonymous(self):
        """Bytes of memory of the daemon's own; the log is a mapped file."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="utf-8") as file:
            line = next(line for line in file if line.startswith("RssAnon"))
        return int(line.split()[1]) << 10

    def see_it_look(self):
        """Returns when the daemon has looked at how many files it knows: it does so between waits
        for a signal."""
        tasks = f"/proc/{self.daemon.pid}/task"

        def content(task, name):
            with open(os.path.join(tasks, task, name), encoding="utf-8") as file:
                return file.read()

        def waits():
            line = next(line for line in content(task, "status").splitlines()
                        if line.startswith("voluntary"))
            return int(line.split()[1])

        task = next(task for task in os.listdir(tasks)
                    if content(task, "wchan").startswith("do_sigtimedwait"))
        before = waits()
        harness.wait_until(lambda: waits() >= before + 2)

    def test_it_stays_within_the_cache_and_what_is_referred_to(self):
        files, cache = 60000, 16 << 20
        self.remount("cache=16M")
        os.mkdir(self.path("d"))
        value = os.urandom(1000)  # 60 MB of records, several times the cache
        for i in range(files):
            name = self.path("d", str(i))
            os.mknod(name)
            os.setxattr(name, "user.v", value)
        # The threads' buffers and arenas take their part, less than the records that were evicted.
        self.assertLess(self.anonymous(), cache + files * 128 + (24 << 20))
        for i in range(0, files, 1000):
            self.assertEqual(os.getxattr(self.path("d", str(i)), "user.v"), value)

    def test_memory_for_forgotten_files_comes_back(self):
        count = 40000
        for i in range(count):
            os.mknod(self.path(str(i)))
        self.see_it_look()
        before = self.anonymous()

        def has_come_back():
            # More than once: what was used lately gets a second chance.
            with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as file:
                file.write("2")
            # Each takes about 100 bytes.
            return self.anonymous() < before - 2000000

        harness.wait_until(has_come_back)


if __name__ == "__main__":
    harness.main()
