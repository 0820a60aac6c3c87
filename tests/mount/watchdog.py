"""Ends a test that hangs, and prints what it hung on.

A client of a filesystem that does not answer sleeps where no signal reaches it, so that neither the
test nor whoever runs it could end it. The watchdog is a process of its own: once a test has taken
longer than it may, or its process has died, it prints the kernel stacks of the daemon and of the
test's processes and aborts the FUSE connections of the test's mounts, which answers every request
with an error.
"""

import ctypes
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

GRACE_S = 30  # for a test to end once its mounts are aborted
LOOK_S = 20


class Watchdog:
    """Watches what begin() announced until end()."""

    def __init__(self):
        self.flag = mmap.mmap(-1, 1)
        reading, self.line = os.pipe()
        parent = os.pidfd_open(os.getpid())
        self.process = os.fork()
        if self.process == 0:
            os.setsid()  # who kills the test's process group needs it all the more
            os.close(self.line)
            try:
                watch(reading, parent, os.getppid(), self.flag)
            finally:
                os._exit(0)
        os.close(reading)
        os.close(parent)

    def begin(self, name, folder, seconds):
        """`folder` is where the test mounts."""
        self.tell({"name": name, "folder": folder, "seconds": seconds})

    def end(self):
        self.tell({})

    def close(self):
        self.tell(None)
        os.waitpid(self.process, 0)
        os.close(self.line)

    def has_fired(self):
        return self.flag[0] != 0

    def tell(self, what):
        os.write(self.line, json.dumps(what).encode() + b"\n")


def behind_relay():
    """Returns in a child whose output this process passes on until the child ends. It then ends,
    too, whoever still has the output open: a process that the kernel cannot end would hold up those
    who wait for the end of the output."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        os.close(reading)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        return
    os.close(writing)
    os.set_blocking(reading, False)
    poll = select.poll()
    ended = os.pidfd_open(child)
    poll.register(reading, select.POLLIN)
    poll.register(ended, select.POLLIN)
    over = False
    while not over:
        over = ended in [fd for fd, _ in poll.poll()]
        try:
            while part := os.read(reading, 1 << 16):
                os.write(1, part)
            poll.unregister(reading)  # all have closed it
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            over = True
        except BlockingIOError:
            pass
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(status if status >= 0 else 1)


def watch(reading, parent, pid, flag):
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(parent, select.POLLIN)
    test, deadline, steps = {}, None, 0
    lines = os.fdopen(reading, "rb", buffering=0)
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic()) * 1000
        ready = [fd for fd, _ in poll.poll(left)]
        line = lines.readline() if reading in ready else None
        if line:
            test = json.loads(line)
            if test is None:
                return
            deadline = time.monotonic() + test["seconds"] if test else None
            steps = 0
        elif ready:
            if test:
                say(f"the process of {test['name']} died")
                clean_up(test, pid)
            return
        elif steps == 0:
            flag[0] = 1
            say(f"{test['name']} takes more than {test['seconds']} s")
            within(LOOK_S, lambda: report(pid, test["folder"]))
            abort(test["folder"], pid)
            steps, deadline = 1, time.monotonic() + GRACE_S
        elif steps == 1:
            say("its daemons are killed")
            within(LOOK_S, lambda: kill(daemons(test["folder"])))
            steps, deadline = 2, time.monotonic() + GRACE_S
        else:
            say("its process is killed")
            clean_up(test, pid)
            test, deadline = {}, None


def say(text):
    try:
        print(f"watchdog: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens any more


def within(seconds, work):
    """Does the work in a process that is left behind if it does not end: looking at one that hangs
    may hang."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    if poll.poll(seconds * 1000):
        os.waitpid(child, 0)
    else:
        say("looking at it hangs too")
        os.kill(child, signal.SIGKILL)


def read(*names):
    try:
        with open(os.path.join("/proc", *names), "rb") as file:
            return file.read()
    except OSError:
        return b""


def family(pid):
    """The process and those that descend from it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        words = read(name, "stat").rpartition(b")")[2].split()
        if words:
            parents[int(name)] = int(words[1])
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    watchdog = (os.getpid(), os.getppid()) if pid != os.getppid() else (os.getpid(),)
    return [member for member in found if member in parents and member not in watchdog]


def daemons(folder):
    """Those that serve a mount in the folder."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        if read(name, "comm").startswith(b"holtfs"):
            if b"\0" + os.fsencode(folder) + b"/" in read(name, "cmdline"):
                yield int(name)


def report(pid, folder):
    for process in family(pid) + list(daemons(folder)):
        threads = {}  # by what they do: most wait for work
        for task in sorted(os.listdir(f"/proc/{process}/task"), key=int):
            where = (str(process), "task", task)
            state = read(*where, "stat").rpartition(b")")[2].split()[:1]
            name, wchan, stack = (read(*where, at).decode() for at in ("comm", "wchan", "stack"))
            doing = (b"".join(state).decode(), wchan, stack)
            threads.setdefault(doing, []).append(f"{task} {name.strip()}")
        for (state, wchan, stack), names in threads.items():
            say(f"process {process}, {', '.join(names)}: {state} in {wchan}")
            for line in stack.splitlines():
                say("    " + line.removeprefix("[<0>] "))


def mounts(folder, pid):
    """Mounts in the folder as the process or this one sees them, the last first: device number
    without its major one, type, where."""
    found = {}
    for who in (str(pid), "self"):
        for line in read(who, "mountinfo").splitlines():
            before, _, after = line.partition(b" - ")
            words = before.split()
            where = words[4].decode("unicode_escape")
            if where.startswith(folder + "/"):
                found[where] = (words[2].split(b":")[1].decode(), after.split()[0].decode(), where)
    return list(found.values())[::-1]


def kill(processes):
    for process in processes:
        os.kill(process, signal.SIGKILL)


def abort(folder, pid):
    control = tempfile.mkdtemp(prefix="holtfs-fusectl-")
    subprocess.run(["mount", "-t", "fusectl", "fusectl", control], check=True)
    try:
        for number, kind, where in mounts(folder, pid):
            if kind.startswith("fuse."):
                with open(os.path.join(control, number, "abort"), "w", encoding="utf-8") as file:
                    file.write("1")
                say(f"aborted {where}")
    finally:
        subprocess.run(["umount", control], check=True)
        os.rmdir(control)


def clean_up(test, pid):
    """Nothing is left of the test but its folder."""
    abort(test["folder"], pid)
    kill(family(pid))
    within(LOOK_S, lambda: kill(daemons(test["folder"])))
    libc = ctypes.CDLL(None)
    detach = 2
    for _, _, where in mounts(test["folder"], "self"):
        libc.umount2(os.fsencode(where), detach)
