#!/usr/bin/env python3
"""bench fs: holtfs beside other filesystems, on one machine and in one run.

Subjects take turns block by block, in an order that rotates with each round. The method is
described in bench/README.md.
"""

import argparse
import functools
import os
import shutil
import signal
import subprocess
import sys
import time

import machine
import plots
import report
import results as res
import rows as table
import steps
import subjects
import tree


def names_in(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return names
    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/dev bench fs", description=__doc__)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--on", metavar="SUBJECT,...", type=names_in(subjects.NAMES),
                        default=list(subjects.NAMES),
                        help=f"of {', '.join(subjects.NAMES)}; default all")
    parser.add_argument("--rows", metavar="ROW,...", type=names_in(table.NAMES),
                        default=[block.name for block in table.BLOCKS],
                        help="rows or blocks of rows; default all, --list prints them")
    parser.add_argument("--list", action="store_true", help="print blocks and rows, and end")
    parser.add_argument("--rounds", metavar="N", type=int, default=3,
                        help="rounds at most, of which the median is given (default 3)")
    parser.add_argument("--minutes", metavar="M", type=float, default=13,
                        help="no block is begun again that would not be done by then, "
                             "and nothing at all after it (default 13)")
    parser.add_argument("--count", metavar="N", type=int, default=10000,
                        help="operations of each process (default 10000)")
    parser.add_argument("--files", metavar="N", type=int, default=20000,
                        help="files in the tree of the everyday rows (default 20000)")
    parser.add_argument("--tree", metavar="PATH", help="use a copy of this tree instead")
    parser.add_argument("--json", metavar="FILE", help="write every sample to this file")
    parser.add_argument("--plots", metavar="DIR", help="draw charts (SVG) into this folder")
    parser.add_argument("--dir", metavar="DIR", default=".",
                        help="where everything is kept meanwhile (default: the current one)")
    return parser.parse_args()


def print_rows():
    for block in table.BLOCKS:
        print(block.name)
        for row in block.rows:
            print(f"  {row.name:20} {row.what} ({row.unit})")


class Run:
    def __init__(self, arguments, ready, results, carry_out):
        self.arguments = arguments
        self.ready = ready
        self.results = results
        self.carry_out = carry_out
        self.start = time.monotonic()
        self.took = {}  # block and subject: seconds of the last time

    def elapsed(self):
        return time.monotonic() - self.start

    def rounds(self):
        for number in range(self.arguments.rounds):
            for block, rows in table.chosen(self.arguments.rows):
                self.block(number, block, rows)

    def turns(self, number, block):
        """Another subject goes first in each round; what is slow goes once."""
        at = number % len(self.ready)
        for subject in self.ready[at:] + self.ready[:at]:
            if (block.name, subject.name) in self.results.failed:
                continue
            if getattr(subject, "blocks", None) and block.name not in subject.blocks:
                continue
            if number and block.once:
                continue
            if number and subject.slow and self.took[block.name, subject.name] > 5:
                continue
            yield subject

    def block(self, number, block, rows):
        turns = list(self.turns(number, block))
        limit = self.arguments.minutes * 60
        expected = sum(self.took.get((block.name, one.name), 0) for one in turns)
        if number and self.elapsed() + expected > limit:
            return
        for subject in turns:
            if self.elapsed() > limit:
                self.results.failed[block.name, subject.name] = "no time was left"
                continue
            before = time.monotonic()
            self.turn(block, rows, subject)
            self.took[block.name, subject.name] = time.monotonic() - before
        print(f"{self.elapsed():5.0f} s: round {number + 1}, {block.name}", file=sys.stderr)

    def turn(self, block, rows, subject):
        try:
            self.carry_out.run(block, rows, subject)
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            self.results.failed[block.name, subject.name] = subjects.reason(error)
            subject.give_up()


def measure(arguments, folder, uring):
    names = [name for name in arguments.on]
    results = res.Results(name for name in subjects.NAMES if name in names)
    if not uring:
        for name in ("holtfs", "null"):
            if name in names:
                names.remove(name)
                results.missing[name] = "this kernel has no FUSE over io_uring"
    ready, missing = subjects.make_all(names, folder, arguments.build)
    results.missing.update(missing)
    try:
        if ready:
            material = functools.cache(
                lambda: tree.Material(folder, arguments.files, arguments.tree))
            carry_out = steps.Steps(results, arguments.build, arguments.count, material)
            Run(arguments, ready, results, carry_out).rounds()
    finally:
        for subject in ready:
            subject.destroy()
    return results


def main():
    arguments = parse_arguments()
    if arguments.list:
        print_rows()
        return 0
    if os.geteuid() != 0:
        sys.exit("bench fs: mounting and dropping caches needs root")
    described = machine.describe(arguments.dir)
    if described["disk"].startswith("tmpfs"):
        sys.exit("bench fs: this directory is on tmpfs, which has no disk; say --dir")
    if arguments.plots and shutil.which("gnuplot") is None:
        sys.exit("bench fs: gnuplot is not installed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = {"rounds": arguments.rounds, "count": arguments.count, "files": arguments.files,
               "tree": arguments.tree}
    with machine.uring_enabled() as uring, machine.scratch(arguments.dir) as folder:
        before = machine.drops()
        results = measure(arguments, os.path.realpath(folder), uring)
        results.foreign_drops = machine.drops() - before - machine.own_drops
    print(report.text(results, described, options), end="")
    if arguments.json:
        report.write_json(arguments.json, results, described, options)
    if arguments.plots:
        for path in plots.write(results, arguments.plots):
            print(f"made {path}", file=sys.stderr)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
