"""What the tests of a real mount share: a daemon on a fresh store, and a checked end.

Each script is run once for each transport (--transport device or uring). Where FUSE cannot be had
at all, or not over io_uring, it ends with 77 and says why. Over io_uring the kernel's parameter is
set for the length of the run and put back.
"""

import argparse
import ctypes
import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from watchdog import Watchdog, behind_relay

SKIPPED = 77
PARAMETER = "/sys/module/fuse/parameters/enable_uring"
# No test measures time: this only ends what would never end.
DEADLINE_S = 300

ARGS = None
WATCHDOG = None
libc = ctypes.CDLL(None, use_errno=True)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


class Parameter:
    """The kernel's permission for FUSE over io_uring, given for a while."""

    def __enter__(self):
        with open(PARAMETER) as file:
            self.before = file.read().strip()
        self.set("Y")

    def __exit__(self, *_):
        self.set(self.before)

    @staticmethod
    def set(value):
        with open(PARAMETER, "w") as file:
            file.write(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--holtfs", required=True)
    parser.add_argument("--mkfs", required=True)
    parser.add_argument("--fsck", required=True)
    parser.add_argument("--stall", help="the library that lets the daemon's host wait")
    parser.add_argument("--holtctl", help="default: beside --mkfs")
    parser.add_argument("--transport", choices=["device", "uring"], default="device")
    parser.add_argument("tests", nargs="*", help="names of tests, default all")
    global ARGS
    ARGS = parser.parse_args()
    ARGS.holtctl = ARGS.holtctl or os.path.join(os.path.dirname(ARGS.mkfs), "holtctl")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse cannot be opened")
    if os.geteuid() != 0:
        skip("mounting with another user's files and setting kernel parameters needs root")
    behind_relay()
    if ARGS.transport == "device":
        run()
    if not os.path.exists(PARAMETER):
        skip("this kernel has no FUSE over io_uring")
    with Parameter():
        run()


def run():
    global WATCHDOG
    WATCHDOG = Watchdog()
    program = unittest.main(module="__main__", argv=[sys.argv[0], "-v"] + ARGS.tests, exit=False)
    hung = WATCHDOG.has_fired()
    WATCHDOG.close()
    sys.exit(0 if program.result.wasSuccessful() and not hung else 1)


def wait_until(holds):
    """Returns once holds() does."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("what was waited for does not come")
        time.sleep(0.01)


def umount(*words, program="umount", **identity):
    """umount(8), again while it is busy: df and its like open every mount for a moment."""
    def done():
        tried = subprocess.run([program, *words], env=dict(os.environ, LC_ALL="C"),
                               stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False,
                               **identity)
        if tried.returncode != 0 and "busy" not in tried.stderr:
            raise RuntimeError(f"{words}: {tried.stderr}")
        return tried.returncode == 0
    wait_until(done)


def find_daemon(store):
    """The process that was started as holtfs on this store, or None."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.fsencode(store) in words and words[0].endswith(b"holtfs"):
            return int(name)
    return None


class Daemon:
    """A mounted store. The program returns once it is mounted, so nothing has to wait for that."""

    def __init__(self, store, mountpoint, *options, environment=None, program=None, **identity):
        """`identity` is user, group and extra_groups, as subprocess takes them."""
        self.store, self.mountpoint = store, mountpoint
        transport = "io_uring=on" if ARGS.transport == "uring" else "io_uring=off"
        command = [program or ARGS.holtfs, store, mountpoint,
                   "-o", ",".join((transport,) + options)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S,
                              check=False, env={**os.environ, **(environment or {})}, **identity)
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
        self.pid = find_daemon(store)
        self.handle = os.pidfd_open(self.pid)

    def signal(self, number):
        signal.pidfd_send_signal(self.handle, number)

    def wait(self):
        """Returns once the process has ended."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        if not poll.poll(DEADLINE_S * 1000):
            raise RuntimeError("the daemon does not end")
        os.close(self.handle)

    def unmount(self):
        umount(self.mountpoint)
        self.wait()

    def kill(self):
        """The process dies on the spot; what is left of the mount is taken away."""
        self.signal(signal.SIGKILL)
        self.wait()
        umount("-l", self.mountpoint)


def fsck(store):
    """Status and output of fsck.holtfs."""
    done = subprocess.run([ARGS.fsck, store], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=DEADLINE_S)
    return done.returncode, done.stdout


class MountedTest(unittest.TestCase):
    """A fresh store, mounted; unmounted and checked at the end."""

    options = ()
    environment = None  # variables that the daemon gets besides its own
    deadline_s = DEADLINE_S

    def setUp(self):
        if WATCHDOG.has_fired():
            self.skipTest("a test before hung")
        self.folder = tempfile.mkdtemp(prefix="holtfs-mount-")
        WATCHDOG.begin(self.id(), self.folder, self.deadline_s)
        self.addCleanup(WATCHDOG.end)
        self.store = os.path.join(self.folder, "store")
        self.mnt = os.path.join(self.folder, "mnt")
        os.mkdir(self.mnt)
        subprocess.run([ARGS.mkfs, "-q", "--log-size", "16M", self.store], check=True)
        self.daemon = None
        self.addCleanup(self.clean_up)
        self.mount()

    def mount(self, *options):
        self.daemon = Daemon(self.store, self.mnt, *(self.options + options),
                             environment=self.environment)

    def unmount(self):
        daemon, self.daemon = self.daemon, None
        daemon.unmount()

    def remount(self, *options):
        self.unmount()
        self.mount(*options)

    def mount_for_all(self):
        """Mounts so that other users may come in."""
        os.chmod(self.folder, 0o755)
        self.remount("allow_other")

    def crash(self):
        daemon, self.daemon = self.daemon, None
        daemon.kill()

    def tearDown(self):
        if self.daemon is not None:
            self.unmount()
        status, output = fsck(self.store)
        self.assertEqual(status, 0, output)

    def clean_up(self):
        if os.path.ismount(self.mnt):
            subprocess.run(["umount", "-l", self.mnt], check=False)
        shutil.rmtree(self.folder)

    def path(self, *names):
        return os.path.join(self.mnt, *names)

    def make(self, *names, content=None):
        """A file, with this content if any."""
        path = self.path(*names)
        with open(path, "xb") as file:
            if content is not None:
                file.write(content)
        return path

    def content(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def fails(self, number, function, *args, **kwargs):
        """The call fails with this errno."""
        with self.assertRaises(OSError) as caught:
            function(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[number])


RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2


def renameat2(old, new, flags):
    """rename(2) with flags, which Python does not have."""
    at_cwd = -100
    if libc.renameat2(at_cwd, os.fsencode(old), at_cwd, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def link_open_file(fd, new):
    """Gives a file that is open under `fd` a name."""
    at_cwd, follow = -100, 0x400
    old = os.fsencode(f"/proc/self/fd/{fd}")
    if libc.linkat(at_cwd, old, at_cwd, os.fsencode(new), follow) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)


def fallocate(fd, mode, offset, length):
    """fallocate(2) with a mode, which Python does not have."""
    args = (ctypes.c_int(fd), ctypes.c_int(mode), ctypes.c_long(offset), ctypes.c_long(length))
    if libc.fallocate(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
