"""The table's rows, in blocks. A block is what is measured in one go on one mounted subject."""

import dataclasses

RATE, TIME, DELAY, BANDWIDTH, BYTES = "per s", "s", "us", "MB/s", "bytes"
HIGHER_IS_BETTER = (RATE, BANDWIDTH)


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str
    unit: str = RATE
    phase: str = ""  # of bench_md
    needs: tuple = ()  # rows whose phases must have left their files
    cold: bool = False  # kernel caches are dropped before
    cold_store: bool = False  # and a daemon's too, by a remount
    contents: bool = False  # of no use where contents are not kept
    p99_of: str = ""  # measured along with this row


@dataclasses.dataclass(frozen=True)
class Block:
    name: str
    rows: tuple
    kind: str = "md"
    processes: int = 1
    share: float = 1.0  # of the number of operations that the command line gives
    slow_share: float = 0.1  # of these, for subjects that are slow
    size: int = 3901  # bytes of a file
    once: bool = False  # not a matter of time: one round is enough


def names_block(processes):
    p = f"_{processes}p"
    return Block("names" + p, (
        Row("mkdir" + p, "mkdir", phase="mkdir"),
        Row("rename" + p, "rename (directory)", phase="rename", needs=("mkdir" + p,)),
        Row("rmdir" + p, "rmdir", phase="rmdir", needs=("mkdir" + p, "rename" + p)),
        Row("create" + p, "create, empty", phase="create"),
        Row("stat" + p, "stat, cached", phase="stat", needs=("create" + p,)),
        Row("open" + p, "open + read + close", phase="open", needs=("create" + p,)),
        Row("stat_cold" + p, "stat, uncached", phase="stat", needs=("create" + p,), cold=True),
        Row("unlink" + p, "unlink", phase="unlink", needs=("create" + p,)),
    ), processes=processes)


def small_block(processes):
    p = f"_{processes}p"
    return Block("small" + p, (
        Row("write" + p, "create + write 3,901 B", phase="write"),
        Row("read_cold" + p, "read it, uncached", phase="read", needs=("write" + p,), cold=True),
        # What is written is not all in the cache: a page that was not filled is read once.
        Row("read" + p, "read it, cached", phase="read",
            needs=("write" + p, "read_cold" + p)),
    ), processes=processes, share=0.5)


def synced_block(processes, share):
    p = f"_{processes}p"
    return Block("synced" + p, (
        Row("write_sync" + p, "create + write 4 KiB + fsync", phase="write_sync"),
        Row("rename_sync" + p, "rename + fsync of the directory", phase="rename_sync",
            needs=("write_sync" + p,)),
    ), processes=processes, share=share, slow_share=1, size=4096)


SHARED = Block("shared", (
    Row("shared_create", "create in a directory shared by 2", phase="shared_create"),
    Row("shared_create_p99", "its 99th percentile", DELAY, p99_of="shared_create"),
    Row("shared_unlink", "unlink from it", phase="shared_unlink", needs=("shared_create",)),
), processes=2)

SCANNER = Block("scanner", (
    Row("scanned", "create + unlink beside a readdir loop", phase="scanned"),
    Row("scanned_p99", "its 99th percentile", DELAY, p99_of="scanned"),
), processes=2, share=0.2, slow_share=1)  # a listing has to have as many names for all

FIO = Block("fio", (
    Row("fio_create", "fio filecreate"),
    Row("fio_stat", "fio filestat", needs=("fio_create",)),
    Row("fio_delete", "fio filedelete", needs=("fio_create",)),
    Row("fio_write", "sequential write, 1 MiB", BANDWIDTH),
    Row("fio_read", "sequential read, 1 MiB, uncached", BANDWIDTH, cold=True),
    Row("fio_randread", "random read, 4 KiB, uncached", cold=True),
    Row("fio_randwrite", "random write, 4 KiB"),
), kind="fio", share=0.5, slow_share=1)  # fio's clock is coarse

TREE = ("tar",)
EVERYDAY = Block("everyday", (
    Row("tar", "tar x", TIME),
    Row("find", "find, kernel caches dropped", TIME, needs=TREE, cold=True),
    Row("ls", "ls -lR, kernel caches dropped", TIME, needs=TREE, cold=True),
    Row("find_store", "find after a remount, all cold", TIME, needs=TREE, cold_store=True),
    Row("ls_store", "ls -lR after a remount, all cold", TIME, needs=TREE, cold_store=True),
    Row("du", "du -s, cached", TIME, needs=("tar", "ls")),
    Row("grep", "grep -r, contents uncached", TIME, needs=TREE, contents=True),
    Row("cp", "cp -r of an eighth", TIME, needs=TREE),
    Row("mv", "mv of the copy", TIME, needs=("tar", "cp")),
    Row("clone", "git clone of a local repository", TIME, contents=True),
    Row("status", "git status, kernel caches dropped", TIME, needs=("clone",), cold=True,
        contents=True),
    Row("rm", "rm -rf", TIME, needs=TREE),
), kind="everyday")

MEMORY = Block("memory", (
    Row("node_bytes", "daemon's memory for a live inode", BYTES),
), kind="memory", share=10, slow_share=0.05, once=True)

NAMES_1P = names_block(1)  # what the daemons' CPU time is taken over

BLOCKS = (NAMES_1P, names_block(2), SHARED, SCANNER, small_block(1), small_block(2), FIO,
          synced_block(1, 0.1), synced_block(16, 0.0125), MEMORY, EVERYDAY)
ROWS = {row.name: row for block in BLOCKS for row in block.rows}
NAMES = tuple(block.name for block in BLOCKS) + tuple(ROWS)


def chosen(names):
    """Pairs of a block and the rows of it that are asked for by name, or by the block's name."""
    out = []
    for block in BLOCKS:
        rows = tuple(row for row in block.rows if row.name in names or block.name in names)
        if rows:
            out.append((block, rows))
    return out


def with_needs(block, rows):
    """The rows to carry out, in the block's order: those wanted and those they build upon."""
    wanted = {row.name for row in rows}
    wanted |= {row.p99_of for row in rows if row.p99_of}
    for row in reversed(block.rows):  # what is needed stands before
        if row.name in wanted:
            wanted |= set(row.needs)
    return [row for row in block.rows if row.name in wanted and not row.p99_of]
