"""A source tree as a tar file, the same each time: sizes and folders as in a kernel's sources.

Half of the files have at most 4 KiB, 82 of 100 at most 16 KiB, 999 of 1,000 at most 1 MiB.
"""

import collections
import io
import math
import os
import random
import tarfile

import machine

TOP_FOLDERS = 8
FILES_IN_FOLDER = 14
MEDIAN_BYTES = 3_950
SIGMA = 1.5  # of the logarithm of the size
MAX_BYTES = 4 << 20
MTIME = 1_700_000_000


def folders(count, rng):
    """Paths of about so many folders, each below one that comes before it."""
    out = [f"d{i}" for i in range(TOP_FOLDERS)]
    while len(out) < count:
        parent = rng.choice(out)
        if parent.count("/") < 5:
            out.append(f"{parent}/s{len(out)}")
    return out


def size_of(rng):
    return min(int(math.exp(rng.gauss(math.log(MEDIAN_BYTES), SIGMA))), MAX_BYTES)


def listing(files, seed=1):
    """Folders, and pairs of a path and a size."""
    rng = random.Random(seed)
    inner = folders(max(files // FILES_IN_FOLDER, TOP_FOLDERS), rng)
    names = [(f"{inner[i % len(inner)]}/file-{i}.c", size_of(rng)) for i in range(files)]
    return inner, sorted(names)


def text(rng, size):
    """Lines of words."""
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz_", k=rng.randint(2, 10)))
             for _ in range(4000)]
    out, total = [], 0
    while total < size:
        line = " ".join(rng.choices(words, k=8)) + "\n"
        out.append(line)
        total += len(line)
    return "".join(out).encode()[:size]


def entry(name, kind, mode, size=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, MTIME
    return info


def write_tar(path, files, seed=1):
    """The tree, under tree/."""
    rng = random.Random(seed)
    block = text(rng, MAX_BYTES)
    inner, names = listing(files, seed)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as out:
        for folder in ["tree"] + [f"tree/{name}" for name in inner]:
            out.addfile(entry(folder, tarfile.DIRTYPE, 0o755))
        for name, size in names:
            start = rng.randrange(len(block) - size + 1)
            out.addfile(entry(f"tree/{name}", tarfile.REGTYPE, 0o644, size),
                        io.BytesIO(block[start:start + size]))


def tar_of(folder, path):
    """The same of a folder that exists."""
    machine.call("tar", "-cf", path, "--transform", "s,^\\.,tree,", "-C", folder, ".")


def part_of(members):
    """The entry right below tree/ with most nearly an eighth of all that lies below it."""
    counts = collections.Counter(name.split("/")[1] for name in members if "/" in name)
    wanted = sum(counts.values()) / TOP_FOLDERS
    return min(sorted(counts), key=lambda part: abs(counts[part] - wanted))


class Material:
    """What the everyday rows work on: a tar file, and a git repository of one part of it."""

    def __init__(self, place, files, folder=None):
        self.tar = os.path.join(place, "tree.tar")
        self.repository = os.path.join(place, "repository.git")
        if folder is None:
            write_tar(self.tar, files)
        else:
            tar_of(folder, self.tar)
        with tarfile.open(self.tar) as made:
            members = made.getnames()
        self.part = part_of(members)  # what cp -r copies and what the repository holds
        self.make_repository(place)

    def make_repository(self, place):
        work = os.path.join(place, "repository")
        os.mkdir(work)
        machine.call("tar", "-xf", self.tar, "-C", work, f"tree/{self.part}")
        git = ("git", "-c", "init.defaultBranch=main", "-c", "user.name=bench",
               "-c", "user.email=bench@localhost", "-c", "gc.auto=0", "-c", "pack.window=0",
               "-C", work)
        machine.call(*git, "init", "--quiet")
        machine.call(*git, "add", "--all", "--force", ".")
        machine.call(*git, "commit", "--quiet", "--message", "all")
        machine.call(*git, "repack", "-a", "-d", "-q")
        os.rename(os.path.join(work, ".git"), self.repository)
        machine.call("git", "-C", self.repository, "config", "core.bare", "true")
        machine.call("rm", "-rf", work)
