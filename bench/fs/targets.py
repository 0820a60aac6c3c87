"""What holtfs is meant to reach, and whether it does."""

import dataclasses

import rows as table

OURS = {"null": "holtfs", "null-dev": "holtfs-dev"}
CHANGES = ("mkdir", "create", "unlink", "rmdir", "rename")
LIVE_NODE_BYTES = 128


@dataclasses.dataclass(frozen=True)
class Verdict:
    text: str
    figure: str  # empty when it was not measured
    met: bool = False


def at_least(results, text, row, peer, bound, strictly=False):
    """Our speed over the peer's."""
    speed = results.speed(row, OURS.get(peer, "holtfs"), peer)
    if speed is None:
        return Verdict(text, "")
    return Verdict(text, f"{speed:.2f}x", speed > bound if strictly else speed >= bound)


def time_within(results, text, row, peer, bound, strictly=False):
    """Our time over the peer's."""
    speed = results.speed(row, "holtfs", peer)
    if speed is None:
        return Verdict(text, "")
    share = 1 / speed
    return Verdict(text, f"{share:.2f}x", share < bound if strictly else share <= bound)


def near_null(results):
    for peer, transport in (("null", "io_uring"), ("null-dev", "/dev/fuse")):
        for processes in ("1p", "2p"):
            for name in CHANGES:
                yield at_least(results, f"{name}, {processes}, {transport}: at least 0.95x null",
                               f"{name}_{processes}", peer, 0.95)
    for processes in ("1p", "2p"):
        for name, what in (("stat", "stat, cached"), ("open", "open + read + close")):
            yield at_least(results, f"{what}, {processes}: at least 0.95x null",
                           f"{name}_{processes}", "null", 0.95)


def above_fuse_peers(results):
    """The worst of all rows that both have."""
    for peer in ("ntfs-3g", "bindfs"):
        text = f"every row: at least 3x {peer}"
        speeds = [(results.speed(row, "holtfs", peer), row) for row in table.ROWS
                  if table.ROWS[row].unit != table.BYTES
                  and results.speed(row, "holtfs", peer) is not None]
        if not speeds:
            yield Verdict(text, "")
            continue
        below = sum(speed < 3 for speed, _ in speeds)
        speed, row = min(speeds)
        figure = f"{speed:.2f}x in {row}"
        yield Verdict(text, f"{figure}, {below} below" if below else figure, not below)


def cpu_near_null(results):
    text = "daemon's CPU per metadata request: within 1 us of null's"
    rows = [row.name for row in table.NAMES_1P.rows]
    ours = results.cpu_us_per_request("holtfs", rows)
    null = results.cpu_us_per_request("null", rows)
    if ours is None or null is None:
        return Verdict(text, "")
    return Verdict(text, f"{ours:.2f} us, null {null:.2f} us", ours - null <= 1)


def small_memory(results):
    text = f"memory for a live kernel inode: at most {LIVE_NODE_BYTES} bytes"
    size = results.median("node_bytes", "holtfs")
    if size is None:
        return Verdict(text, "")
    return Verdict(text, f"{size:.0f} bytes", size <= LIVE_NODE_BYTES)


def all_verdicts(results):
    yield from near_null(results)
    for processes in ("1p", "2p"):
        yield at_least(results, f"mkdir, {processes}: faster than ext4", f"mkdir_{processes}",
                       "ext4", 1, strictly=True)
    yield from above_fuse_peers(results)
    yield at_least(results, "create + write 3,901 B, 2p: at least 0.6x XFS", "write_2p", "xfs",
                   0.6)
    yield at_least(results, "create + write + fsync, 1p: at least 1.4x the host", "write_sync_1p",
                   "host", 1.4)
    yield at_least(results, "rename + fsync, 1p: at least 1.0x the host", "rename_sync_1p",
                   "host", 1)
    for row, what in (("write_sync_16p", "create + write + fsync"),
                      ("rename_sync_16p", "rename + fsync")):
        yield at_least(results, f"{what}, 16p: at least 2x the host", row, "host", 2)
    yield time_within(results, "tar x: at most 1.6x ext4's time", "tar", "ext4", 1.6)
    yield time_within(results, "find, caches dropped: at most 1.5x ext4's time", "find", "ext4",
                      1.5)
    yield time_within(results, "ls -lR, caches dropped: less than ext4's time", "ls", "ext4", 1,
                      strictly=True)
    yield time_within(results, "find, all cold: at most 2x ext4's time", "find_store", "ext4", 2)
    yield time_within(results, "ls -lR, all cold: at most 2x ext4's time", "ls_store", "ext4", 2)
    yield time_within(results, "rm -rf: at most ext4's time", "rm", "ext4", 1)
    for row, what in (("clone", "git clone"), ("status", "git status")):
        yield time_within(results, f"{what}: at most 1.5x ext4's time", row, "ext4", 1.5)
    yield cpu_near_null(results)
    yield small_memory(results)
