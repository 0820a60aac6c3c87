"""Goal: whatever was acknowledged before the daemon was killed is there afterwards, and nothing
else.

Crash model: SIGKILL at any moment, many times in a row on one store. What the daemon had answered
is in the page cache of the host, which survives.

Method: processes change the mount, each in a directory of its own, and note every change in a log
outside it, before it begins and after it was acknowledged. Once a random number of changes was
acknowledged the daemon is killed. After the next mount each directory must be as its log says, with
the one change that was under way either made or not. Then fsck.holtfs looks at all of it, and the
next round goes on from there.

The seed is printed; HOLTFS_TEST_SEED and HOLTFS_TEST_ROUNDS set it and the number of rounds.
"""

import json
import os
import random
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mount"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

WORKERS = 3


def changes(rng, model):
    """One change that fits the model, as a list."""
    files = [path for path, content in model.items() if isinstance(content, str)]
    folders = [path for path, content in model.items() if content is None]
    name = f"{rng.choice(folders)}/{rng.randrange(40)}" if folders else str(rng.randrange(40))
    pick = rng.random()
    if pick < 0.30 or not files:
        # No two files have the same contents, so contents tell which names are of one file.
        return ["write", name, f"{rng.random()} " + rng.choice("abcdef") * rng.randrange(20000)]
    if pick < 0.40:
        return ["mkdir", name]
    if pick < 0.55:
        return ["unlink", rng.choice(files)]
    if pick < 0.70:
        return ["rename", rng.choice(files), name]
    if pick < 0.80 and len(folders) > 1:
        return ["rename", rng.choice(folders[1:]), name]
    if pick < 0.85 and len(folders) > 1:
        return ["rmdir", rng.choice(folders[1:])]
    return ["link", rng.choice(files), name]


def allowed(model, change):
    """Whether the change can be made, so that its result need not be guessed."""
    kind, first, second = change[0], change[1], change[-1]
    exists = first in model
    if kind == "write":
        return model.get(first, "") is not None
    if kind == "mkdir":
        return not exists
    if kind == "rmdir":
        return not any(path.startswith(first + "/") for path in model)
    if kind == "link":
        return second not in model
    if kind == "rename" and model[first] is None:
        return second not in model and not (second + "/").startswith(first + "/")
    if kind == "rename":
        return first != second and model.get(second, "") is not None
    return exists


def follow(model, change):
    """The model after the change. A write makes a new file, so it leaves other names alone."""
    model = dict(model)
    kind, first, second = change[0], change[1], change[-1]
    if kind == "write":
        model[first] = second
    elif kind == "mkdir":
        model[first] = None
    elif kind in ("unlink", "rmdir"):
        del model[first]
    elif kind == "link":
        model[second] = model[first]
    elif model[first] is not None and model[first] == model.get(second):
        pass  # two names of one file: rename(2) leaves both
    else:
        below = [path for path in model if path == first or path.startswith(first + "/")]
        moved = {second + path[len(first):]: model.pop(path) for path in below}
        model.update(moved)
    return model


def make(root, change):
    """Makes the change in the mount."""
    kind, first = change[0], os.path.join(root, change[1])
    if kind == "write":
        # A new file takes the name over, so that a write is one change.
        with open(os.path.join(root, "..", f"new-{os.path.basename(root)}"), "wb") as file:
            file.write(change[2].encode())
        os.rename(file.name, first)
    elif kind == "link":
        os.link(first, os.path.join(root, change[2]))
    elif kind == "rename":
        os.rename(first, os.path.join(root, change[2]))
    else:
        getattr(os, kind)(first)


def found(root):
    """The model that a directory in the mount amounts to."""
    model = {".": None}
    for folder, folders, files in os.walk(root):
        for name in folders:
            model["./" + os.path.relpath(os.path.join(folder, name), root)] = None
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                path = os.path.relpath(file.name, root)
                model["./" + path] = file.read().decode()
    return model


def work(root, model, log, acknowledged, seed):
    """Changes the mount until it breaks away."""
    rng = random.Random(seed)
    try:
        while True:
            change = changes(rng, model)
            if not allowed(model, change):
                continue
            os.write(log, (json.dumps(change) + "\n").encode())
            make(root, change)
            os.write(log, b"done\n")
            os.write(acknowledged, b".")
            model = follow(model, change)
    except OSError:
        os._exit(0)


def read_log(path, model):
    """The model after what the log says was acknowledged, and the change under way or None."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    under_way = None
    for line in lines:
        if line == "done":
            model, under_way = follow(model, under_way), None
        else:
            under_way = json.loads(line)
    return model, under_way


class KillUnderLoad(harness.MountedTest):
    deadline_s = 1500

    def test_acknowledged_changes_survive(self):
        seed = int(os.environ.get("HOLTFS_TEST_SEED", random.randrange(1 << 30)))
        print(f"HOLTFS_TEST_SEED={seed}", flush=True)
        rng = random.Random(seed)
        models = [{".": None} for _ in range(WORKERS)]
        for worker in range(WORKERS):
            os.mkdir(self.path(str(worker)))
        for round_number in range(int(os.environ.get("HOLTFS_TEST_ROUNDS", "20"))):
            self.one_round(rng, models, round_number)

    def one_round(self, rng, models, round_number):
        logs = [os.path.join(self.folder, f"log-{round_number}-{w}") for w in range(WORKERS)]
        reading, writing = os.pipe()
        children = []
        for worker in range(WORKERS):
            seed = rng.randrange(1 << 30)
            child = os.fork()
            if child == 0:
                log = os.open(logs[worker], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
                work(self.path(str(worker)), models[worker], log, writing, seed)
            children.append(child)
        os.close(writing)
        self.wait_for(reading, rng.randrange(50, 1500))
        self.crash()
        for child in children:
            os.waitpid(child, 0)
        os.close(reading)
        self.mount()
        for worker in range(WORKERS):
            models[worker] = self.check(worker, logs[worker], models[worker])
        for name in os.listdir(self.mnt):
            if name.startswith("new-"):
                os.unlink(self.path(name))
        self.unmount()
        status, output = harness.fsck(self.store)
        self.assertEqual(status, 0, f"round {round_number}: {output}")
        self.mount()

    def wait_for(self, reading, count):
        """Returns when this many changes were acknowledged."""
        while count > 0:
            ready, _, _ = select.select([reading], [], [], harness.DEADLINE_S)
            self.assertTrue(ready, "the mount makes no headway")
            count -= len(os.read(reading, count))

    def check(self, worker, log, model):
        """The directory is as its log says; returns what it is."""
        model, under_way = read_log(log, model)
        actual = found(self.path(str(worker)))
        if actual == model:
            return model
        self.assertIsNotNone(under_way, difference(actual, model))
        after = follow(model, under_way)
        self.assertEqual(actual, after, f"{under_way[:2]}: {difference(actual, model)}")
        return after


def difference(actual, model):
    """What is where it should not be, or is not where it should."""
    extra = {path: actual[path] for path in actual if actual.get(path) != model.get(path, 0)}
    missing = [path for path in model if path not in actual]
    return f"extra or other {str(extra)[:300]}, missing {missing[:10]}"


if __name__ == "__main__":
    harness.main()
