"""Goal: a test that hangs ends with an error, and what it hung on is printed."""

import os
import signal
import subprocess
import sys

import harness
from watchdog import Watchdog


LOOK = """
import errno, os, sys
try:
    os.stat(sys.argv[1])
except ConnectionError:
    sys.exit(7)
except OSError as error:
    sys.exit(7 if error.errno == errno.ENOTCONN else 1)
"""


def sleeps_in_fuse(pid):
    with open(f"/proc/{pid}/stack", encoding="utf-8") as file:
        return "fuse_" in file.read()


class Hang(harness.MountedTest):
    def test_a_request_that_is_not_answered_fails_and_is_shown(self):
        printed = os.open(os.path.join(self.folder, "printed"), os.O_CREAT | os.O_RDWR)
        standard_error = os.dup(2)
        os.dup2(printed, 2)
        watchdog = Watchdog()
        os.dup2(standard_error, 2)
        self.daemon.signal(signal.SIGSTOP)
        client = subprocess.Popen([sys.executable, "-c", LOOK, self.path("f")])
        try:
            harness.wait_until(lambda: sleeps_in_fuse(client.pid))
            watchdog.begin("the test", self.folder, 0)
            harness.wait_until(lambda: b"aborted" in os.pread(printed, 1 << 20, 0))
            self.assertTrue(watchdog.has_fired())
            # A request that was handed to a stopped thread ends with that.
            self.daemon.signal(signal.SIGCONT)
            self.assertEqual(client.wait(timeout=harness.DEADLINE_S), 7)
        finally:
            self.daemon.signal(signal.SIGCONT)
            watchdog.end()
            watchdog.close()
        report = os.pread(printed, 1 << 20, 0).decode()
        self.assertRegex(report, r"(?s)the test takes.*process \d+.*python3.*fuse_.*"
                                 rf"process {self.daemon.pid}.*do_signal_stop.*aborted {self.mnt}")


if __name__ == "__main__":
    harness.main()
