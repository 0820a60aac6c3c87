"""What was measured, and what is worked out of it."""

import collections
import statistics

import rows as table


class Results:
    """Samples of every row and subject, one for each round."""

    def __init__(self, names):
        self.names = tuple(names)
        self.samples = collections.defaultdict(list)  # (row, subject)
        self.failed = {}  # (block, subject): why
        self.missing = {}  # subject: why
        self.costs = collections.defaultdict(list)  # (row, subject): Cost
        self.daemons = {}  # subject: memory in bytes
        self.foreign_drops = 0  # of the kernel's caches, by others, during the run

    def add(self, row, subject, value):
        self.samples[row, subject].append(value)

    def median(self, row, subject):
        values = self.samples.get((row, subject))
        return statistics.median(values) if values else None

    def speed(self, row, subject, peer):
        """How many times as fast the subject is as the peer, or None."""
        ours, theirs = self.median(row, subject), self.median(row, peer)
        if not ours or not theirs:
            return None
        return ours / theirs if table.ROWS[row].unit in table.HIGHER_IS_BETTER else theirs / ours

    def rows(self):
        """Names of the rows that have a sample, in the table's order."""
        have = {row for row, _ in self.samples}
        return [row for row in table.ROWS if row in have]

    def add_cost(self, row, subject, operations, cpu_ns, requests):
        self.costs[row, subject].append(
            {"operations": operations, "cpu_ns": cpu_ns, "requests": requests})

    def cpu_us_per_request(self, subject, rows):
        """Of the daemon, over all rounds of these rows; None where requests are not counted."""
        cpu_ns = count = 0
        for row in rows:
            for cost in self.costs.get((row, subject), ()):
                if cost["requests"] is None or cost["cpu_ns"] is None:
                    return None
                cpu_ns += cost["cpu_ns"]
                count += sum(cost["requests"].values())
        return cpu_ns / count / 1e3 if count else None

    def requests_per_operation(self, row, subject):
        """By kind, of the last round; None where requests are not counted."""
        costs = self.costs.get((row, subject))
        if not costs or costs[-1]["requests"] is None:
            return None
        last = costs[-1]
        return {kind: count / last["operations"] for kind, count in last["requests"].items()}

    def to_json(self):
        return {
            "rows": [{"row": row, "what": table.ROWS[row].what, "unit": table.ROWS[row].unit,
                      "subject": subject, "median": self.median(row, subject),
                      "rounds": self.samples[row, subject]}
                     for row in self.rows() for subject in self.names
                     if (row, subject) in self.samples],
            "costs": [{"row": row, "subject": subject, "rounds": costs}
                      for (row, subject), costs in self.costs.items()],
            "daemons": self.daemons,
            "foreign_drops": self.foreign_drops,
            "missing": self.missing,
            "failed": [{"block": block, "subject": subject, "why": why}
                       for (block, subject), why in self.failed.items()],
        }


def difference(before, after):
    """Requests of each kind that came between two readings."""
    if before is None or after is None:
        return None
    grown = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    return {kind: count for kind, count in grown.items() if count > 0}
