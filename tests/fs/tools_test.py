"""Goal: mkfs.holtfs, fsck.holtfs and holtctl do and return what their manual pages say, and the
pages name every option that --help names, and no other.

Method: run them on fresh, damaged, missing and foreign directories. No mount is needed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ARGS = None


def run(program, *words):
    return subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)


class Tools(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="holtfs-tools-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.store = os.path.join(self.folder, "store")
        self.assertEqual(run(ARGS.mkfs, "-q", "-l", "16M", self.store).returncode, 0)

    def refused(self, status, *words):
        """The command fails with this status and one sentence."""
        done = run(*words)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        return done.stderr

    def test_mkfs_makes_what_fsck_finds_consistent(self):
        done = run(ARGS.fsck, "-v", self.store)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 directories, 0 files", done.stdout)
        self.assertIn("is consistent", done.stdout)

    def test_mkfs_makes_a_filesystem_in_an_empty_folder(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        self.assertEqual(run(ARGS.mkfs, empty).returncode, 0)

    def test_mkfs_never_writes_to_what_exists(self):
        before = sorted(os.listdir(self.store))
        self.refused(1, ARGS.mkfs, self.store)
        self.assertEqual(sorted(os.listdir(self.store)), before)
        file = os.path.join(self.folder, "file")
        with open(file, "w", encoding="utf-8"):
            pass
        self.refused(1, ARGS.mkfs, file)

    def test_mkfs_says_what_is_in_the_way(self):
        self.assertIn("already", self.refused(1, ARGS.mkfs, self.store))
        foreign = os.path.join(self.folder, "foreign")
        os.makedirs(os.path.join(foreign, "letters"))
        self.assertIn("letters", self.refused(1, ARGS.mkfs, foreign))
        self.assertEqual(os.listdir(foreign), ["letters"])

    def test_mkfs_takes_a_folder_that_the_store_would_take(self):
        for there in ("lost+found", "LOCK"):
            folder = os.path.join(self.folder, "with-" + there)
            os.makedirs(os.path.join(folder, there) if there == "lost+found" else folder)
            if there == "LOCK":
                with open(os.path.join(folder, there), "w", encoding="utf-8"):
                    pass
            self.assertEqual(run(ARGS.mkfs, folder).returncode, 0, there)
            self.assertEqual(run(ARGS.fsck, folder).returncode, 0, there)

    def test_mkfs_leaves_nothing_behind_when_the_log_cannot_have_that_size(self):
        store = os.path.join(self.folder, "x")
        for size in ("4K", "100G"):
            self.assertIn("log", self.refused(1, ARGS.mkfs, "--log-size", size, store))
            self.assertFalse(os.path.exists(store))

    def test_wrong_usage(self):
        self.refused(2, ARGS.mkfs)
        self.refused(2, ARGS.mkfs, "--log-size", "huge", os.path.join(self.folder, "x"))
        self.refused(2, ARGS.mkfs, "--nonsense", "x")
        self.refused(16, ARGS.fsck)
        self.refused(16, ARGS.fsck, "--nonsense", self.store)
        self.refused(2, ARGS.holtctl)
        self.refused(2, ARGS.holtctl, "nonsense", self.store)
        self.refused(2, ARGS.holtctl, "dump")

    def test_fsck_tells_damage_from_not_being_able_to_look(self):
        self.refused(8, ARGS.fsck, os.path.join(self.folder, "none"))
        with open(os.path.join(self.store, "blobs"), "r+b") as blobs:
            size = os.fstat(blobs.fileno()).st_size
            blobs.write(b"\xff" * size)
        done = run(ARGS.fsck, self.store)
        self.assertEqual(done.returncode, 4, done)
        self.assertNotEqual(done.stdout + done.stderr, "")

    def test_a_filesystem_of_another_version_is_refused_and_left_alone(self):
        self.assertEqual(run(ARGS.set_version, self.store, "7").returncode, 0)
        sentence = "holds a filesystem of version 7; this program knows 2"
        self.assertIn(sentence, self.refused(8, ARGS.fsck, self.store))
        if ARGS.holtfs:
            mountpoint = os.path.join(self.folder, "mnt")
            os.mkdir(mountpoint)
            self.assertIn(sentence, self.refused(1, ARGS.holtfs, self.store, mountpoint))
        done = run(ARGS.holtctl, "dump", self.store)
        self.assertEqual(json.loads(done.stdout.splitlines()[0])["version"], 7)

    def test_fsck_takes_the_flags_that_fsck_8_passes(self):
        for flag in ("-a", "-p", "-y", "-n", "-f"):
            self.assertEqual(run(ARGS.fsck, flag, self.store).returncode, 0)

    def test_fsck_changes_nothing(self):
        def contents():
            found = {}
            for folder, _, names in os.walk(self.store):
                for path in [folder] + [os.path.join(folder, name) for name in names]:
                    found[path] = os.stat(path).st_mtime_ns
                    if path != folder:
                        with open(path, "rb") as file:
                            found[path] = (found[path], hash(file.read()))
            return found

        before = contents()
        run(ARGS.fsck, self.store)
        self.assertEqual(contents(), before)

    def test_dump_is_json_line_by_line(self):
        done = run(ARGS.holtctl, "dump", self.store)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        records = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([record["kind"] for record in records], ["state", "directory"])
        self.assertEqual(records[1]["path"], "/")

    def test_stat_is_json(self):
        done = run(ARGS.holtctl, "stat", self.store)
        self.assertEqual(json.loads(done.stdout)["filesystem"]["inodes"], 1)
        self.refused(1, ARGS.holtctl, "stat", os.path.join(self.folder, "none"))

    def test_manual_pages_name_the_options_of_help(self):
        programs = {"mkfs.holtfs.8": ARGS.mkfs, "fsck.holtfs.8": ARGS.fsck,
                    "holtctl.8": ARGS.holtctl}
        if ARGS.holtfs:
            programs["holtfs.8"] = ARGS.holtfs
        for page, program in programs.items():
            with self.subTest(page=page):
                with open(os.path.join(ARGS.man, page), encoding="utf-8") as file:
                    text = re.sub(r'"[ ,]*"', " ", file.read())
                options = text.partition(".SH OPTIONS")[2].partition(".SH ")[0]
                options = options.partition(".SS")[0]
                named = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", options))
                done = run(program, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                offered = set()
                for line in done.stdout.splitlines():
                    match = re.match(r"\s+(-[\w,-]+)", line)
                    offered |= set(match.group(1).split(",")) if match else set()
                self.assertEqual(offered - {"-o"}, named - {"-o"})


def main():
    parser = argparse.ArgumentParser()
    for name in ("--mkfs", "--fsck", "--holtctl", "--man", "--set-version"):
        parser.add_argument(name, required=True)
    parser.add_argument("--holtfs")
    global ARGS
    ARGS = parser.parse_args()
    unittest.main(argv=[sys.argv[0], "-v"])


if __name__ == "__main__":
    main()
