#!/usr/bin/env python3
"""Prints how many tests of a meson test log passed and failed, as two numbers.

The log has one JSON object a line. A skipped test counts as neither and is named on standard
error; with --skipped-fails it counts as failed, as for mount tests, where a skip means that
mounting was not tested at all.
"""

import json
import sys


def main():
    skipped_fails = "--skipped-fails" in sys.argv[2:]
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            if test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            elif test["result"] == "SKIP" and not skipped_fails:
                print(f"skipped {test['name']}", file=sys.stderr)
            else:
                failed += 1
    print(passed, failed)


if __name__ == "__main__":
    main()
