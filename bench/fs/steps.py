"""How a block of rows is carried out on a mounted subject."""

import json
import os
import subprocess
import time

import machine
import results as res
import rows as table
import subjects


class Steps:
    """Carries out blocks on subjects and puts the figures into `results`."""

    def __init__(self, results, build, count, material):
        self.results = results
        self.md = os.path.join(build, "bench", "bench_md")
        self.count = count
        self.material = material  # gives a tree.Material, made when it is first needed

    def run(self, block, rows, subject):
        carry_out = getattr(self, f"run_{block.kind}")
        os.sync()  # what others left is not written back meanwhile
        subject.mount()
        folder = os.path.join(subject.mnt, "bench")
        machine.call("rm", "-rf", folder)  # left by a block that failed
        os.mkdir(folder)
        carry_out(block, rows, subject, folder)
        machine.call("rm", "-rf", folder)
        subject.unmount()

    def operations(self, block, subject):
        share = block.share * (block.slow_share if subject.slow else 1)
        return max(int(self.count * share), 20)

    def run_md(self, block, rows, subject, folder):
        count = self.operations(block, subject)
        wanted = {row.name for row in rows}
        for row in table.with_needs(block, rows):
            if row.cold:
                machine.drop_caches()
            before = self.reading(subject)
            line = json.loads(machine.call(
                self.md, "--dir", folder, "--phases", row.phase, "--count", count,
                "--processes", block.processes, "--bytes", block.size))
            self.add_cost(row, subject, line["operations"], before)
            if row.name in wanted:
                self.results.add(row.name, subject.name, line["per_second"])
            for other in rows:
                if other.p99_of == row.name:
                    self.results.add(other.name, subject.name, line["p99_us"])
        if block is table.NAMES_1P:
            self.note_daemon(subject)

    def reading(self, subject):
        if subject.pid is None:
            return None
        return machine.cpu_ns(subject.pid), subject.requests()

    def add_cost(self, row, subject, operations, before):
        if before is None:
            return
        cpu_ns, requests = self.reading(subject)
        self.results.add_cost(row.name, subject.name, operations, cpu_ns - before[0],
                              res.difference(before[1], requests))

    def note_daemon(self, subject):
        if subject.pid is not None:
            self.results.daemons[subject.name] = machine.memory_bytes(subject.pid)

    # fio's rows: the program's own figures.

    def run_fio(self, block, rows, subject, folder):
        count = self.operations(block, subject)
        files = [f"--nrfiles={count}", "--filesize=4k", f"--size={4 * count}k", "--openfiles=1",
                 "--create_on_open=1"]
        data = ["--size=64m", "--filename=data", "--time_based=0"]
        random_io = ["--bs=4k", "--runtime=1", "--time_based=1"]
        jobs = {
            "fio_create": ["--ioengine=filecreate", "--name=f"] + files,
            "fio_stat": ["--ioengine=filestat", "--name=f"] + files,
            "fio_delete": ["--ioengine=filedelete", "--name=f"] + files,
            "fio_write": ["--ioengine=psync", "--name=w", "--rw=write", "--bs=1m",
                          "--end_fsync=1"] + data,
            "fio_read": ["--ioengine=psync", "--name=r", "--rw=read", "--bs=1m"] + data,
            "fio_randread": ["--ioengine=psync", "--name=rr", "--rw=randread"] + data + random_io,
            "fio_randwrite": ["--ioengine=psync", "--name=rw", "--rw=randwrite"] + data
                             + random_io,
        }
        wanted = {row.name for row in rows}
        for row in table.with_needs(block, rows):
            if row.cold:
                machine.drop_caches()
            said = machine.call("fio", f"--directory={folder}", "--thread", "--invalidate=0",
                                "--output-format=json", *jobs[row.name])
            value = fio_figure(said, row)
            if row.name in wanted:
                self.results.add(row.name, subject.name, value)

    # The everyday rows: commands as a user types them.

    def run_everyday(self, block, rows, subject, folder):
        material = self.material()
        tree = os.path.join(folder, "tree")
        clone = os.path.join(folder, "clone")
        part = os.path.join(tree, material.part)
        find, ls = ("find", tree), ("ls", "-lR", tree)
        commands = {
            "tar": ("tar", "-xf", material.tar, "-C", folder),
            "find": find, "ls": ls, "find_store": find, "ls_store": ls,
            "du": ("du", "-s", tree),
            "grep": ("sh", "-c", 'grep -r "no such word" "$0" || true', tree),
            "cp": ("cp", "-r", part, os.path.join(folder, "copy")),
            "mv": ("mv", os.path.join(folder, "copy"), os.path.join(tree, "copy")),
            "clone": ("git", "clone", "--quiet", "--no-hardlinks", material.repository, clone),
            "status": ("git", "-C", clone, "-c", "safe.directory=*", "status", "--short"),
            "rm": ("rm", "-rf", tree),
        }
        with open(material.tar, "rb") as file:  # its pages are in memory for everybody
            while file.read(1 << 24):
                pass
        os.sync()  # it may have been made just now
        wanted = {row.name for row in rows}
        for row in table.with_needs(block, rows):
            if (row.cold_store or row.contents) and not subject.keeps_contents:
                continue
            if row.cold_store:
                subject.remount()
            elif row.cold:
                machine.drop_caches()
            if row.cold or row.cold_store:
                run_quietly((commands[row.name][0], "--version"))  # the program itself is warm
            seconds = timed(commands[row.name])
            if row.name in wanted:
                self.results.add(row.name, subject.name, seconds)

    # A daemon's memory: what it grows by for each inode that the kernel comes to know, once the
    # blob cache is full.

    def run_memory(self, block, rows, subject, folder):
        if subject.pid is None:
            return
        count, row = self.operations(block, subject), rows[0]
        subject.unmount()
        subject.mount(("cache=16M",) if isinstance(subject, subjects.Holtfs) else ())
        os.makedirs(folder, exist_ok=True)
        drops = machine.drops()
        for name, files in (("warm", count * 12 // 10), ("measured", count)):
            before = own_memory(subject)
            machine.call(self.md, "--dir", os.path.join(folder, name), "--phases", "create",
                         "--count", files)
        after = own_memory(subject)
        if before is None or after is None:
            return  # it is not known how much of the memory is cache
        nodes = after[1] - before[1] if after[1] is not None else count
        if machine.drops() != drops or nodes < 0.9 * count:
            raise RuntimeError("the kernel forgot the files meanwhile")
        self.results.add(row.name, subject.name, max(after[0] - before[0], 0) / nodes)


def own_memory(subject):
    """Anonymous memory without the cache, and the number of live nodes if it is known."""
    anonymous = machine.memory_bytes(subject.pid)["Anonymous"]
    if not isinstance(subject, subjects.Holtfs):
        return anonymous, None
    status = subject.status()
    if status is None:
        return None
    return anonymous - status["cache"]["bytes"], status["nodes"]


def run_quietly(command):
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True,
                   timeout=machine.DEADLINE_S)


def timed(command):
    start = time.monotonic()
    run_quietly(command)
    return time.monotonic() - start


def fio_figure(said, row):
    """Operations or megabytes per second out of fio's JSON, before which it may print notes."""
    job = json.loads(said[said.index("{"):])["jobs"][0]
    side = max((job["read"], job["write"]), key=lambda one: one["total_ios"])
    if row.unit == table.BANDWIDTH:
        return side["bw_bytes"] / 1e6
    return side["iops"]
