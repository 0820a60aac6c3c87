"""The filesystems that are measured beside each other, each of which can be mounted again."""

import contextlib
import json
import os
import select
import signal
import subprocess

import machine

IMAGE_BYTES = 8 << 30  # sparse


class Subject:
    """One filesystem. `mnt` is where it is mounted; its own things are in `folder`."""

    name = what = ""
    slow = False  # gets fewer operations, and one round where a round takes long
    keeps_contents = True  # and names over a remount

    def __init__(self, place, build):
        self.folder = os.path.join(place, self.name)
        self.mnt = os.path.join(self.folder, "mnt")
        self.build = build
        self.mounted = False
        self.pid = None

    def prepare(self):
        os.makedirs(self.mnt)
        self.make()

    def make(self):
        """The empty filesystem."""

    def start(self, options):
        """Mounts; self.pid is the daemon's, if there is one."""

    def stop(self):
        machine.call("umount", self.mnt)
        self.wait_for_end()

    def mount(self, options=()):
        self.start(options)
        self.mounted = True

    def unmount(self):
        if self.mounted:
            self.stop()
            self.mounted = False

    def remount(self, options=()):
        """Mounts it with nothing of it in memory, neither the kernel's nor a daemon's."""
        self.unmount()
        machine.drop_caches()
        self.mount(options)

    def wait_for_end(self):
        pid, self.pid = self.pid, None
        if pid is None:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        ended = poll.poll(machine.DEADLINE_S * 1000)
        os.close(handle)
        if not ended:
            raise RuntimeError("the daemon does not end")

    def give_up(self):
        """Whatever went wrong, nothing stays mounted, and no daemon is left."""
        self.mounted = self.mounted or os.path.ismount(self.mnt)
        try:
            self.unmount()
        except (RuntimeError, subprocess.SubprocessError):
            subprocess.run(["umount", "-l", self.mnt], check=False, stderr=subprocess.DEVNULL)
            with contextlib.suppress(RuntimeError):
                self.wait_for_end()
        self.mounted = False

    def destroy(self):
        self.give_up()

    def requests(self):
        """How many of each kind the daemon has served, or None where it does not say."""
        return None


class Host(Subject):
    name = "host"
    what = "the directory itself"
    slow = True  # aged, and not to be compared with but for what is synced

    def start(self, options):
        """It is there."""

    def stop(self):
        """It stays."""


class Loop(Subject):
    """A kernel filesystem on a fresh loop device."""

    mkfs = ()
    kind = ""
    device = None

    def make(self):
        image = os.path.join(self.folder, "image")
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        self.device = machine.call("losetup", "--find", "--show", image).strip()
        machine.call(*self.mkfs, self.device)

    def start(self, options):
        machine.call("mount", "-t", self.kind, self.device, self.mnt)

    def destroy(self):
        super().destroy()
        if self.device is not None:
            subprocess.run(["losetup", "--detach", self.device], check=False)


class Ext4(Loop):
    name = kind = "ext4"
    what = "on a loop device, nothing left for lazy initialisation"
    mkfs = ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0")


class Xfs(Loop):
    name = kind = "xfs"
    what = "on a loop device"
    mkfs = ("mkfs.xfs", "-q", "-f")


class Btrfs(Loop):
    name = kind = "btrfs"
    what = "on a loop device"
    mkfs = ("mkfs.btrfs", "-q", "-f")


class Ntfs3g(Loop):
    name = "ntfs-3g"
    kind = "ntfs-3g"
    what = "a FUSE daemon on a loop device"
    mkfs = ("mkntfs", "--quick", "--quiet", "--force")
    slow = True

    def start(self, options):
        machine.call("ntfs-3g", self.device, self.mnt)
        self.pid = machine.find_process("ntfs-3g", self.mnt)


class Bindfs(Subject):
    name = "bindfs"
    what = "a FUSE daemon that passes everything on to the host directory"
    slow = True

    def make(self):
        os.mkdir(os.path.join(self.folder, "under"))

    def start(self, options):
        machine.call("bindfs", os.path.join(self.folder, "under"), self.mnt)
        self.pid = machine.find_process("bindfs", self.mnt)


class Holtfs(Subject):
    name = "holtfs"
    what = "over io_uring"
    transport = "on"

    def tool(self, *path):
        return os.path.join(self.build, *path)

    @property
    def store(self):
        return os.path.join(self.folder, "store")

    def make(self):
        machine.call(self.tool("tools", "mkfs.holtfs"), "-q", self.store)

    def start(self, options):
        options = ",".join((f"io_uring={self.transport}",) + tuple(options))
        machine.call(self.tool("fs", "holtfs"), self.store, self.mnt, "-o", options)
        self.pid = machine.find_process("holtfs", self.store)

    def status(self):
        """What holtctl says of the mount, or None when it cannot."""
        try:
            return json.loads(machine.call(self.tool("tools", "holtctl"), "status", "--json",
                                           self.mnt))
        except (RuntimeError, ValueError):
            return None

    def requests(self):
        status = self.status()
        return None if status is None else status["requests"]


class HoltfsDevice(Holtfs):
    name = "holtfs-dev"
    what = "over /dev/fuse"
    transport = "off"


class HoltfsPassthrough(Holtfs):
    name = "holtfs-pass"
    what = "with passthrough, over io_uring"
    blocks = ("fio",)

    def start(self, options):
        super().start(("passthrough",) + tuple(options))


class Null(Subject):
    """Started in the foreground, since it tells the requests that it served on its output."""

    name = "null"
    what = "a FUSE filesystem that stores nothing, over io_uring"
    keeps_contents = False
    transport = "on"
    process = None

    def start(self, options):
        program = os.path.join(self.build, "bench", "bench_null")
        self.process = subprocess.Popen([program, self.mnt, "-o", f"io_uring={self.transport}"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "mounted\n":
            said = self.process.stderr.read().strip().split("\n")[-1]
            self.process.wait()
            raise RuntimeError(said)
        self.pid = self.process.pid

    def stop(self):
        machine.call("umount", self.mnt)
        self.process.communicate(timeout=machine.DEADLINE_S)
        self.pid = None

    def requests(self):
        self.process.send_signal(signal.SIGUSR1)
        counts = {}
        while line := self.process.stdout.readline().strip():
            name, count = line.split()
            counts[name] = int(count)
        return counts


class NullDevice(Null):
    name = "null-dev"
    what = "the same over /dev/fuse"
    transport = "off"


ALL = (Holtfs, HoltfsDevice, HoltfsPassthrough, Null, NullDevice, Host, Ext4, Xfs, Btrfs, Ntfs3g,
       Bindfs)
NAMES = tuple(subject.name for subject in ALL)


def make_all(names, place, build):
    """Those of these names, prepared; and why the others are missing."""
    ready, missing = [], {}
    for kind in ALL:
        if kind.name not in names:
            continue
        subject = kind(place, build)
        try:
            subject.prepare()
            subject.mount()
            subject.unmount()
            ready.append(subject)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            missing[kind.name] = reason(error)
            subject.destroy()
    return ready, missing


def reason(error):
    if isinstance(error, FileNotFoundError):
        return f"{os.path.basename(error.filename)} is not installed"
    return str(error)
