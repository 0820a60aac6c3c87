"""Goal: a system call costs the requests that fs/README.md says, and no more.

Method: make each call many times, and ask the daemon before and after. What comes now and then,
once in a directory or once in a mount, is rounded away; FORGET comes when the kernel likes.
"""

import json
import os
import subprocess

import harness

TIMES = 50


class Requests(harness.MountedTest):
    def setUp(self):
        super().setUp()
        # The first OPEN, CREATE, FLUSH and OPENDIR learn that they are not needed.
        os.mkdir(self.path("d"))
        self.make("d", "first", content=b"x")
        self.content("d", "first")
        os.listdir(self.path("d"))

    def counts(self):
        done = subprocess.run([harness.ARGS.holtctl, "status", "--json", self.mnt], check=True,
                              stdout=subprocess.PIPE, timeout=harness.DEADLINE_S)
        return json.loads(done.stdout)["requests"]

    def cost(self, call):
        """Requests of one call(number), by kind."""
        before = self.counts()
        for i in range(TIMES):
            call(i)
        after = self.counts()
        each = {kind: round((after[kind] - before.get(kind, 0)) / TIMES) for kind in after}
        return {kind: n for kind, n in each.items() if n > 0 and "FORGET" not in kind}

    def name(self, i):
        return self.path("d", str(i))

    def create(self, i, content=None):
        fd = os.open(self.name(i), os.O_CREAT | os.O_EXCL | os.O_RDWR)
        if content is not None:
            os.write(fd, content)
        os.close(fd)

    def test_create(self):
        self.assertEqual(self.cost(self.create), {"GETATTR": 1, "LOOKUP": 1, "MKNOD": 1})

    def test_create_and_write(self):
        self.assertEqual(self.cost(lambda i: self.create(i, b"x" * 3901)),
                         {"GETATTR": 1, "LOOKUP": 1, "MKNOD": 1, "GETXATTR": 1, "WRITE": 1})

    def test_writing_on_costs_one_request(self):
        self.create(0, b"x")
        fd = os.open(self.name(0), os.O_RDWR)
        self.assertEqual(self.cost(lambda i: os.pwrite(fd, b"y", i)), {"WRITE": 1})
        os.close(fd)

    def test_what_is_known_costs_nothing(self):
        for i in range(TIMES):
            self.create(i, b"x")
        # What a write changed is asked for once.
        self.assertEqual(self.cost(lambda i: os.stat(self.name(i))), {"GETATTR": 1})
        self.assertEqual(self.cost(lambda i: os.stat(self.name(i))), {})

        def read(i):
            fd = os.open(self.name(i), os.O_RDONLY)
            os.pread(fd, 1, 0)
            os.close(fd)
        self.assertEqual(self.cost(read), {"READ": 1})  # no whole page was written
        self.assertEqual(self.cost(read), {})
        self.cost(lambda i: os.path.exists(self.path(str(i))))
        self.assertEqual(self.cost(lambda i: os.path.exists(self.path(str(i)))), {})

    def test_mkdir_and_rmdir(self):
        self.assertEqual(self.cost(lambda i: os.mkdir(self.name(i))),
                         {"GETATTR": 1, "LOOKUP": 1, "MKDIR": 1})
        self.assertEqual(self.cost(lambda i: os.rmdir(self.name(i))), {"GETATTR": 1, "RMDIR": 1})

    def test_unlink(self):
        for i in range(TIMES):
            self.create(i)
        self.assertEqual(self.cost(lambda i: os.unlink(self.name(i))), {"GETATTR": 1, "UNLINK": 1})

    def test_rename(self):
        for i in range(TIMES):
            self.create(i)
        self.assertEqual(self.cost(lambda i: os.rename(self.name(i), self.name(-i - 1))),
                         {"GETATTR": 1, "LOOKUP": 1, "RENAME": 1})

    def test_changes_of_attributes(self):
        for i in range(TIMES):
            self.create(i)
        self.assertEqual(self.cost(lambda i: os.chmod(self.name(i), 0o600)), {"SETATTR": 1})
        self.assertEqual(self.cost(lambda i: os.utime(self.name(i), (1, 1))), {"SETATTR": 1})

    def test_others_ask_for_the_acl_of_the_root_unless_its_group_may_nothing(self):
        self.mount_for_all()
        os.chmod(self.path("d"), 0o755)

        before = self.counts().get("GETXATTR", 0)
        os.chmod(self.mnt, 0o705)
        subprocess.run(["stat"] + [self.path("d", "first")] * TIMES, check=True, user=65534,
                       group=65534, extra_groups=[], stdout=subprocess.DEVNULL)
        self.assertLess(self.counts().get("GETXATTR", 0) - before, TIMES)

    def test_a_directory_that_did_not_change_is_listed_from_the_cache(self):
        for i in range(TIMES):
            os.mkdir(self.name(i))
        self.assertEqual(sum(self.cost(lambda i: os.listdir(self.name(i))).values()), 2)
        self.cost(lambda i: os.listdir(self.name(i)))  # once more for the atime
        self.assertEqual(self.cost(lambda i: os.listdir(self.name(i))), {})


if __name__ == "__main__":
    harness.main()
