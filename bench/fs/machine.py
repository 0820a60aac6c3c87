"""The machine under the measurement: what it is, and its caches."""

import contextlib
import os
import shutil
import subprocess
import tempfile

PARAMETER = "/sys/module/fuse/parameters/enable_uring"
DEADLINE_S = 600

own_drops = 0


def call(*command, **kwargs):
    """Runs a command to its good end; what it printed. What it complains of is in the error."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False, **kwargs)
    if done.returncode != 0:
        said = os.fsdecode(done.stderr).strip().split("\n")[-1]
        raise RuntimeError(f"{os.path.basename(command[0])} ended with {done.returncode}: {said}")
    return os.fsdecode(done.stdout)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def cpu_model():
    for line in read_text("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def filesystem_of(folder):
    """Type and device of the mount that holds a folder."""
    path = os.path.realpath(folder) + "/"
    found, longest = ("unknown filesystem", ""), -1
    for line in read_text("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ", 1)
        mountpoint = left.split()[4].rstrip("/") + "/"
        if path.startswith(mountpoint) and len(mountpoint) >= longest:
            kind, device = right.split()[:2]
            found, longest = (kind, device), len(mountpoint)
    return found


def describe(folder):
    name = os.uname()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kind, device = filesystem_of(folder)
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "memory_mib": memory >> 20,
            "kernel": f"{name.sysname} {name.release}", "disk": f"{kind} on {device}"}


def drops():
    """How often anybody dropped the kernel's names and inodes."""
    for line in read_text("/proc/vmstat").splitlines():
        if line.startswith("drop_slab "):
            return int(line.split()[1])
    return 0


def drop_caches():
    """The kernel forgets every clean page, name and inode; before that, all are written."""
    global own_drops
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")
    own_drops += 1


@contextlib.contextmanager
def uring_enabled():
    """The kernel's permission for FUSE over io_uring, given for a while; whether it has it."""
    if not os.path.exists(PARAMETER):
        yield False
        return
    before = read_text(PARAMETER).strip()
    with open(PARAMETER, "w", encoding="ascii") as file:
        file.write("Y")
    try:
        yield True
    finally:
        with open(PARAMETER, "w", encoding="ascii") as file:
            file.write(before)


@contextlib.contextmanager
def scratch(parent):
    folder = tempfile.mkdtemp(prefix="bench_fs.", dir=parent)
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cpu_ns(pid):
    """Processor time that the threads of a process have used."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            total += int(read_text(f"/proc/{pid}/task/{task}/schedstat").split()[0])
    return total


def memory_bytes(pid):
    """RSS, PSS and anonymous memory of a process."""
    wanted = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for line in read_text(f"/proc/{pid}/smaps_rollup").splitlines()[1:]:
        name, value = line.split(":", 1)
        if name in wanted:
            wanted[name] = int(value.split()[0]) << 10
    return wanted


def find_process(program, word):
    """The process that runs a program with this word on its command line, or None."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(os.fsdecode(words[0])) == program and os.fsencode(word) in words:
            return int(name)
    return None
