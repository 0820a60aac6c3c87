#!/usr/bin/env python3
"""Prints how many tests of a meson test log passed and failed, as two numbers.

The log has one JSON object a line. A skipped mount test counts as failed: it means that mounting
was not tested at all. Other skipped tests count as neither; they are named on descriptor 3.
"""

import json
import os
import sys


def main():
    passed = failed = 0
    skipped = []
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            suites = {suite.split(":")[-1] for suite in test.get("suite", [])}
            if test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            elif test["result"] == "SKIP" and "mount" not in suites:
                skipped.append(test["name"])
            else:
                failed += 1
    for name in skipped:
        os.write(3, f"skipped: {name}\n".encode())
    print(passed, failed)


if __name__ == "__main__":
    main()
