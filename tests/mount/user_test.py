"""Goal: an ordinary user mounts by way of fusermount3, for themselves or for all, and permissions
are those of whoever asks, root's and those of supplementary groups included.

Everything happens in a mount namespace of its own, in which /dev/fuse is for everybody,
/etc/fuse.conf lets users say allow_other, and /etc/passwd knows who mounts, as fusermount3 demands.
"""

import ctypes
import errno
import os
import shutil
import stat
import subprocess
import tempfile
import traceback

import harness

ALICE, BOB, CAROL, TEAM = 70001, 70002, 70003, 70100
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18


def mount(source, target, kind=None, flags=0):
    words = (word and os.fsencode(word) for word in (source, target, kind))
    if harness.libc.mount(*words, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {target}")


def code_as(uid, groups, work):
    """The errno that the work ends with as this user, 0 for none."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            work()
            code = 0
        except OSError as error:
            code = error.errno
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Users(harness.MountedTest):
    def setUp(self):
        super().setUp()
        self.unmount()
        shutil.rmtree(self.store)
        if harness.libc.unshare(CLONE_NEWNS) != 0:
            self.skipTest("there are no mount namespaces")
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        own = os.path.join(self.folder, "own")
        os.mkdir(own)
        mount("none", own, "tmpfs")
        self.addCleanup(harness.umount, "-l", own)
        device = os.path.join(own, "device")
        os.mknod(device, stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        self.put_over("/dev/fuse", device)
        self.put_over("/etc/fuse.conf", self.write_own(own, "user_allow_other\n"))
        with open("/etc/passwd", encoding="utf-8") as file:
            accounts = file.read()
        for user in (ALICE, BOB):
            accounts += f"user{user}:x:{user}:{user}::/:/bin/sh\n"
        self.put_over("/etc/passwd", self.write_own(own, accounts))
        # Where users can reach it, wherever it was built.
        self.program = shutil.copy(harness.ARGS.holtfs, os.path.join(self.folder, "holtfs"))
        os.chmod(self.folder, 0o777)
        os.chown(self.mnt, ALICE, ALICE)

    def put_over(self, old, new):
        mount(new, old, flags=MS_BIND)
        self.addCleanup(harness.umount, "-l", old)

    @staticmethod
    def write_own(folder, content):
        fd, path = tempfile.mkstemp(dir=folder)
        os.fchmod(fd, 0o644)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def mount_as_alice(self, *options):
        self.daemon = harness.Daemon(self.store, self.mnt, *options, program=self.program,
                                     user=ALICE, group=ALICE, extra_groups=[])

    def expect(self, number, uid, groups, work):
        found = code_as(uid, groups, work)
        self.assertEqual(errno.errorcode.get(found, found), errno.errorcode.get(number, number))

    def mount_options(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            line = next(line for line in file if line.split()[1] == self.mnt)
        return line.split()[3].split(",")

    def test_a_mount_is_for_its_user_alone_who_ends_it(self):
        self.mount_as_alice()
        self.assertIn("nosuid", self.mount_options())
        self.assertIn("nodev", self.mount_options())
        path = self.path("f")
        self.expect(0, ALICE, [], lambda: os.mknod(path))
        self.expect(0, ALICE, [], lambda: os.chmod(path, 0o666))
        self.expect(errno.EACCES, BOB, [], lambda: os.stat(path))
        self.expect(errno.EACCES, 0, [], lambda: os.stat(path))
        command = ["fusermount3", "-u", self.mnt]
        refused = subprocess.run(command, user=BOB, group=BOB, extra_groups=[], check=False,
                                 stderr=subprocess.DEVNULL)
        self.assertNotEqual(refused.returncode, 0)
        daemon, self.daemon = self.daemon, None
        harness.umount("-u", self.mnt, program="fusermount3", user=ALICE, group=ALICE,
                       extra_groups=[])
        daemon.wait()
        self.mount_as_alice()
        self.expect(0, ALICE, [], lambda: os.unlink(path))

    def test_the_tree_belongs_to_the_user_who_made_it(self):
        self.mount_as_alice("allow_other")
        found = os.stat(self.mnt)
        self.assertEqual((found.st_uid, found.st_gid), (ALICE, ALICE))
        self.expect(errno.EACCES, BOB, [], lambda: os.mknod(self.path("f")))

    def test_root_is_root_in_a_mount_of_another_user(self):
        self.mount_as_alice("allow_other")
        self.expect(0, ALICE, [], lambda: os.mkdir(self.path("private"), 0o700))
        path = self.make("private", "f", content=b"root's")
        self.assertEqual(os.stat(path).st_uid, 0)
        os.chown(path, BOB, TEAM)
        os.setxattr(path, "trusted.t", b"v")
        os.chmod(path, 0o640)
        self.unmount()
        self.mount_as_alice("allow_other")
        found = os.stat(path)
        self.assertEqual((found.st_uid, found.st_gid, found.st_mode & 0o7777), (BOB, TEAM, 0o640))
        self.assertEqual(self.content("private", "f"), b"root's")
        self.assertEqual(os.getxattr(path, "trusted.t"), b"v")
        # A directory of Alice's, a file of Bob's.
        self.expect(errno.EACCES, ALICE, [], lambda: open(path, "rb"))
        self.expect(errno.EACCES, BOB, [], lambda: os.stat(path))

    def test_supplementary_groups_count(self):
        self.mount_as_alice("allow_other")
        folder = self.path("team")
        os.mkdir(folder)
        os.chown(folder, ALICE, TEAM)
        os.chmod(folder, 0o2770)
        path = os.path.join(folder, "f")
        self.expect(errno.EACCES, BOB, [], lambda: os.mknod(path))
        self.expect(0, BOB, [TEAM], lambda: os.mknod(path))
        found = os.stat(path)
        self.assertEqual((found.st_uid, found.st_gid), (BOB, TEAM))
        self.expect(0, BOB, [TEAM], lambda: os.chmod(path, 0o640))
        self.expect(0, CAROL, [123, TEAM, 456], lambda: open(path, "rb"))
        self.expect(errno.EACCES, CAROL, [123, TEAM, 456], lambda: open(path, "r+b"))
        self.expect(errno.EACCES, CAROL, [123, 456], lambda: open(path, "rb"))
        self.expect(0, CAROL, [TEAM], lambda: os.rename(path, path + "2"))
        self.expect(0, CAROL, [TEAM], lambda: os.unlink(path + "2"))

    def test_an_owner_gives_a_file_to_their_groups_only(self):
        self.mount_as_alice("allow_other")
        os.chmod(self.mnt, 0o777)
        path = self.path("f")
        self.expect(0, BOB, [TEAM], lambda: os.mknod(path))
        self.expect(errno.EPERM, BOB, [], lambda: os.chown(path, -1, TEAM))
        self.expect(0, BOB, [TEAM], lambda: os.chown(path, -1, TEAM))
        self.expect(errno.EPERM, BOB, [TEAM], lambda: os.chown(path, CAROL, -1))
        self.expect(0, BOB, [TEAM], lambda: os.chmod(path, 0o2755))
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o2755)
        self.expect(0, BOB, [], lambda: os.chmod(path, 0o2755))
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o755)


if __name__ == "__main__":
    harness.main()
