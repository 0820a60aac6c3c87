#!/usr/bin/env python3
"""Goal: the rules of shape that no compiler checks hold for every file of the tree.

Method: read each text file that git tracks, or would track, and report every line that breaks a
rule. Prints one line for each finding; exits 1 when there is one.
"""

import os
import re
import subprocess
import sys

MAX_FILE_LINES = 500
MAX_LINE_CHARS = 100

# Others' sources, whose shape is not ours to choose, and drawings, which programs write.
DATA_FOLDERS = ("subprojects/packagefiles/",)
DRAWINGS = ".svg"

MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/(home|root|work|Users)/\w")
URL = re.compile(r"https?://\S{60,}")


def tracked_files(root):
    """Paths relative to root; without git, everything outside build folders."""
    try:
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z",
             "--cached", "--others", "--exclude-standard"],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        names = sorted(set(os.fsdecode(listing).split("\0")) - {""})
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, subfolders, files in os.walk(root):
            subfolders[:] = [s for s in subfolders if s not in (".git", "build", "subprojects")]
            names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return [n for n in names if not n.startswith(DATA_FOLDERS) and not n.endswith(DRAWINGS)]


def findings(root, name):
    path = os.path.join(root, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        raw = file.read()
    if b"\0" in raw:
        return
    try:
        lines = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        yield 1, "is not UTF-8"
        return
    if raw and lines[-1] != "":
        yield len(lines), "has no newline at the end of the file"
    lines = lines[:-1] if lines[-1] == "" else lines
    if len(lines) > MAX_FILE_LINES:
        yield len(lines), f"the file is longer than {MAX_FILE_LINES} lines: look for a second idea"
    for number, line in enumerate(lines, 1):
        is_table_row = name.endswith(".md") and line.startswith("|")
        if len(line) > MAX_LINE_CHARS and not is_table_row and not URL.search(line):
            yield number, f"the line is longer than {MAX_LINE_CHARS} characters"
        if line != line.rstrip():
            yield number, "whitespace at the end of the line"
        if "\t" in line:
            yield number, "a tab"
        if MARKS.search(line):
            yield number, "a mark for later: do it, or leave it out"
        if MACHINE_PATHS.search(line):
            yield number, "a path that exists on one machine only"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    names = tracked_files(root)
    if not names:
        print(f"{root}: no files to check")
        return 1
    count = 0
    for name in names:
        for number, what in findings(root, name):
            print(f"{name}:{number}: {what}")
            count += 1
    print(f"{len(names)} files, {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
