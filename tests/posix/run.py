"""Runs a program of tests/posix in a folder on ext4, the reference, or on holtfs.

Usage: run.py --on reference|device|uring [--beside-reference] [--deadline SECONDS] --holtfs P \\
              --mkfs P --fsck P PROGRAM [ARGUMENT...]
The program finds its folder in POSIX_TEST_FOLDER, and beside it, where it was asked for, one on the
reference in POSIX_TEST_REFERENCE.
Where the filesystem cannot be had it ends with 77 and says why.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "mount"))
import harness  # noqa: E402
from watchdog import Watchdog, behind_relay  # noqa: E402

IMAGE_BYTES = 2 << 30


class Reference:
    """An ext4 of its own, with all of the disk's answers and none of another user's files."""

    def __init__(self, folder):
        self.mnt = os.path.join(folder, "ext4")
        os.mkdir(self.mnt)
        image = os.path.join(folder, "image")
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-I", "256", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.mnt], check=True)

    def end(self):
        harness.umount(self.mnt)


class Holtfs:
    def __init__(self, folder):
        self.store, self.mnt = os.path.join(folder, "store"), os.path.join(folder, "mnt")
        os.mkdir(self.mnt)
        subprocess.run([harness.ARGS.mkfs, "-q", "--log-size", "16M", self.store], check=True)
        self.daemon = harness.Daemon(self.store, self.mnt)
        os.environ["POSIX_TEST_ON_HOLTFS"] = "1"

    def end(self):
        self.daemon.unmount()
        status, output = harness.fsck(self.store)
        if status != 0:
            sys.exit(f"fsck.holtfs ends with {status}:\n{output}")


def watched(folder):
    if harness.ARGS.deadline is None:
        return run(folder)
    behind_relay()
    watchdog = Watchdog()
    watchdog.begin(" ".join(harness.ARGS.program), folder, harness.ARGS.deadline)
    try:
        return run(folder) or watchdog.has_fired()
    finally:
        watchdog.close()


def run(folder):
    os.chmod(folder, 0o755)
    with contextlib.ExitStack() as stack:
        kinds = {"POSIX_TEST_FOLDER": Reference if harness.ARGS.on == "reference" else Holtfs}
        if harness.ARGS.beside_reference:
            kinds["POSIX_TEST_REFERENCE"] = Reference
        for variable, kind in kinds.items():
            where = kind(folder)
            stack.callback(where.end)
            base = os.path.join(where.mnt, "base")
            os.mkdir(base)
            os.environ[variable] = base
        return subprocess.run(harness.ARGS.program, check=False).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--on", choices=["reference", "device", "uring"], required=True)
    parser.add_argument("--beside-reference", action="store_true")
    parser.add_argument("--holtfs", required=True)
    parser.add_argument("--mkfs", required=True)
    parser.add_argument("--fsck", required=True)
    parser.add_argument("--deadline", type=int, help="after so many seconds it hangs")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    harness.ARGS = parser.parse_args()
    harness.ARGS.transport = harness.ARGS.on
    if os.geteuid() != 0:
        harness.skip("mounting and working as several users needs root")
    if harness.ARGS.on != "reference" and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        harness.skip("/dev/fuse cannot be opened")
    if harness.ARGS.on == "uring" and not os.path.exists(harness.PARAMETER):
        harness.skip("this kernel has no FUSE over io_uring")
    folder = tempfile.mkdtemp(prefix="holtfs-posix-")
    try:
        if harness.ARGS.on == "uring":
            with harness.Parameter():
                sys.exit(watched(folder))
        sys.exit(watched(folder))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
