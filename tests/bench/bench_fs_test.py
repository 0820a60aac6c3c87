#!/usr/bin/env python3
"""Goal: what `bench fs` says follows from what it measured.

Method: the driver's pure parts (rows, results, targets, report, plots, tree) on made-up samples.
"""

import argparse
import os
import sys
import tarfile
import tempfile
import unittest

PARSER = argparse.ArgumentParser()
PARSER.add_argument("--source", default=os.path.join(os.path.dirname(__file__), "../../bench/fs"))
ARGS, REST = PARSER.parse_known_args()
sys.path.insert(0, ARGS.source)

# pylint: disable=wrong-import-position
import plots
import report
import results as res
import rows as table
import run
import subjects
import targets
import tree

MACHINE = {"cpu": "a processor", "cores": 2, "memory_mib": 1024, "kernel": "Linux 6.18",
           "disk": "ext4 on a disk"}
OPTIONS = {"rounds": 3, "count": 10000, "files": 20000, "tree": None}


def made_up(samples, names=("holtfs", "null", "ext4")):
    out = res.Results(names)
    for (row, subject), values in samples.items():
        for value in values:
            out.add(row, subject, value)
    return out


def verdict(results, start):
    return next(v for v in targets.all_verdicts(results) if v.text.startswith(start))


class Rows(unittest.TestCase):
    def test_names_are_unique(self):
        self.assertEqual(len(set(table.NAMES)), len(table.NAMES))
        self.assertEqual(len(table.ROWS), sum(len(block.rows) for block in table.BLOCKS))

    def test_what_a_row_needs_stands_before_it_in_its_block(self):
        for block in table.BLOCKS:
            before = set()
            for row in block.rows:
                self.assertLessEqual(set(row.needs) | {row.p99_of} - {""}, before, row.name)
                before.add(row.name)

    def test_a_block_or_a_row_can_be_chosen(self):
        ((block, rows),) = table.chosen(["rmdir_2p"])
        self.assertEqual((block.name, [row.name for row in rows]), ("names_2p", ["rmdir_2p"]))
        self.assertEqual(table.chosen(["fio"])[0][1], table.FIO.rows)

    def test_a_chosen_row_brings_what_it_needs_and_no_more(self):
        ((block, rows),) = table.chosen(["rmdir_1p"])
        self.assertEqual([row.name for row in table.with_needs(block, rows)],
                         ["mkdir_1p", "rename_1p", "rmdir_1p"])
        ((block, rows),) = table.chosen(["scanned_p99"])
        self.assertEqual([row.name for row in table.with_needs(block, rows)], ["scanned"])


class Results(unittest.TestCase):
    def test_the_median_of_the_rounds_is_given(self):
        results = made_up({("mkdir_1p", "holtfs"): [5, 1, 3]})
        self.assertEqual(results.median("mkdir_1p", "holtfs"), 3)
        self.assertIsNone(results.median("mkdir_1p", "ext4"))

    def test_speed_is_above_one_for_the_faster_whatever_the_unit(self):
        results = made_up({("mkdir_1p", "holtfs"): [20], ("mkdir_1p", "ext4"): [10],
                           ("tar", "holtfs"): [5], ("tar", "ext4"): [10]})
        self.assertEqual(results.speed("mkdir_1p", "holtfs", "ext4"), 2)
        self.assertEqual(results.speed("tar", "holtfs", "ext4"), 2)
        self.assertIsNone(results.speed("tar", "holtfs", "xfs"))

    def test_cpu_is_divided_by_the_requests_of_all_rounds(self):
        results = made_up({})
        results.add_cost("mkdir_1p", "null", 10, 6000, {"MKDIR": 1, "LOOKUP": 1})
        results.add_cost("mkdir_1p", "null", 10, 2000, {"MKDIR": 2})
        self.assertEqual(results.cpu_us_per_request("null", ["mkdir_1p", "rmdir_1p"]), 2)
        results.add_cost("rmdir_1p", "null", 10, 6000, None)
        self.assertIsNone(results.cpu_us_per_request("null", ["mkdir_1p", "rmdir_1p"]))

    def test_requests_are_those_between_two_readings(self):
        self.assertEqual(res.difference({"A": 1, "B": 2}, {"A": 4, "B": 2, "C": 1}),
                         {"A": 3, "C": 1})
        self.assertIsNone(res.difference(None, {"A": 1}))


class Targets(unittest.TestCase):
    def test_a_rate_at_its_bound_is_met_and_below_it_missed(self):
        for rate, met in ((95, True), (94, False)):
            results = made_up({("mkdir_1p", "holtfs"): [rate], ("mkdir_1p", "null"): [100]})
            self.assertIs(verdict(results, "mkdir, 1p, io_uring").met, met)

    def test_each_transport_has_its_own_null(self):
        results = made_up({("mkdir_1p", "holtfs-dev"): [50], ("mkdir_1p", "null-dev"): [50],
                           ("mkdir_1p", "holtfs"): [50], ("mkdir_1p", "null"): [100]})
        self.assertTrue(verdict(results, "mkdir, 1p, /dev/fuse").met)
        self.assertFalse(verdict(results, "mkdir, 1p, io_uring").met)

    def test_a_time_is_bounded_by_a_multiple_of_the_peers(self):
        for seconds, met in ((1.6, True), (1.7, False)):
            results = made_up({("tar", "holtfs"): [seconds], ("tar", "ext4"): [1]})
            got = verdict(results, "tar x")
            self.assertEqual((got.met, got.figure), (met, f"{seconds:.2f}x"))

    def test_faster_than_does_not_mean_equal(self):
        results = made_up({("mkdir_1p", "holtfs"): [10], ("mkdir_1p", "ext4"): [10]})
        self.assertFalse(verdict(results, "mkdir, 1p: faster than ext4").met)

    def test_the_worst_row_counts_against_other_fuse_filesystems(self):
        results = made_up({("mkdir_1p", "holtfs"): [40], ("mkdir_1p", "bindfs"): [10],
                           ("tar", "holtfs"): [1], ("tar", "bindfs"): [2.5]})
        got = verdict(results, "every row: at least 3x bindfs")
        self.assertFalse(got.met)
        self.assertIn("2.50x in tar", got.figure)

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        for got in targets.all_verdicts(made_up({})):
            self.assertEqual(got.figure, "", got.text)
        self.assertNotIn("missed", report.text(made_up({}), MACHINE, OPTIONS))


class Report(unittest.TestCase):
    def test_the_table_is_aligned_markdown(self):
        results = made_up({("mkdir_1p", "holtfs"): [12345.6], ("tar", "ext4"): [1.23456]})
        lines = report.figures(results).splitlines()
        self.assertEqual(len({len(line) for line in lines}), 1)
        self.assertTrue(all(line.startswith("|") and line.endswith("|") for line in lines))
        self.assertIn("12,346", lines[2])
        self.assertIn("1.235", lines[3])

    def test_it_names_the_machine_what_is_missing_and_what_failed(self):
        results = made_up({("mkdir_1p", "holtfs"): [1]})
        results.missing["xfs"] = "mkfs.xfs is not installed"
        results.failed["fio", "ext4"] = "no space"
        results.foreign_drops = 7
        text = report.text(results, MACHINE, OPTIONS)
        for part in ("a processor, 2 cores", "xfs is missing: mkfs.xfs is not installed",
                     "fio failed on ext4: no space", "caches 7 times meanwhile"):
            self.assertIn(part, text)

    def test_json_holds_every_sample(self):
        (row,) = made_up({("tar", "ext4"): [3, 1, 2]}).to_json()["rows"]
        self.assertEqual((row["rounds"], row["median"], row["unit"]), ([3, 1, 2], 2, "s"))

    def test_a_plot_shows_a_subject_without_a_figure_as_a_gap(self):
        results = made_up({("mkdir_1p", "holtfs"): [10], ("rename_1p", "holtfs"): [20],
                           ("mkdir_1p", "ext4"): [30]})
        ((block, unit, rows),) = plots.charts(results)
        script = plots.script(results, block, unit, rows, "out.svg")
        self.assertIn('"mkdir_1p" 10 30\n"rename_1p" 20 NaN\n', script)
        self.assertNotIn('"null"', script)

    def test_each_subject_has_a_color_of_its_own(self):
        self.assertEqual(set(plots.COLORS), set(subjects.NAMES))
        self.assertEqual(len(set(plots.COLORS.values())), len(plots.COLORS))


class Turns(unittest.TestCase):
    class Subject:
        def __init__(self, name, slow=False):
            self.name, self.slow = name, slow

    def turns(self, number, took=1, failed=()):
        subjects = [self.Subject("a"), self.Subject("b"), self.Subject("c", slow=True)]
        results = made_up({})
        for name in failed:
            results.failed["fio", name] = "why"
        made = run.Run(None, subjects, results, None)
        made.took = {("fio", subject.name): took for subject in subjects}
        return [subject.name for subject in made.turns(number, table.FIO)]

    def test_another_subject_goes_first_in_each_round(self):
        self.assertEqual(self.turns(0), ["a", "b", "c"])
        self.assertEqual(self.turns(1), ["b", "c", "a"])

    def test_what_is_slow_or_failed_does_not_go_again(self):
        self.assertEqual(self.turns(1, took=60), ["b", "a"])
        self.assertEqual(self.turns(1, failed=["b"]), ["c", "a"])


class Tree(unittest.TestCase):
    def test_sizes_are_those_of_a_source_tree(self):
        _, names = tree.listing(20000)
        sizes = [size for _, size in names]
        for bound, share in ((4096, 0.51), (16384, 0.82), (1 << 20, 0.999)):
            self.assertAlmostEqual(sum(s <= bound for s in sizes) / len(sizes), share, delta=0.02)

    def test_the_part_that_is_copied_is_about_an_eighth(self):
        members = ["tree", "tree/a", "tree/b"] + [f"tree/a/{i}" for i in range(7)]
        members += [f"tree/b/{i}" for i in range(40)]
        self.assertEqual(tree.part_of(members), "a")
        self.assertEqual(tree.part_of(["tree", "tree/only"]), "only")

    def test_a_tar_file_is_the_same_each_time(self):
        with tempfile.TemporaryDirectory() as folder:
            contents = []
            for name in ("a", "b"):
                path = os.path.join(folder, name)
                tree.write_tar(path, 50)
                with open(path, "rb") as file:
                    contents.append(file.read())
                with tarfile.open(path) as made:
                    self.assertEqual(sum(member.isfile() for member in made), 50)
        self.assertEqual(contents[0], contents[1])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + REST)
