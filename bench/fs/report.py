"""The figures as text, which is Markdown too, and as JSON."""

import json

import rows as table
import targets


def number(value, unit):
    """Three digits that count, without an exponent."""
    if value is None:
        return "-"
    if unit in (table.RATE, table.BYTES) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if unit == table.TIME else f"{value:.1f}"


def grid(heading, lines):
    """A Markdown table with its columns aligned: the first to the left, the others right."""
    lines = [heading] + lines
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]

    def text(line):
        cells = [line[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([text(lines[0]), rule] + [text(line) for line in lines[1:]])


def label(block, row):
    suffix = f"_{block.processes}p"
    return f"{row.what}, {suffix[1:]}" if row.name.endswith(suffix) else row.what


def figures(results):
    lines = []
    for block in table.BLOCKS:
        for row in block.rows:
            if row.name not in results.rows():
                continue
            cells = [number(results.median(row.name, name), row.unit) for name in results.names]
            lines.append([label(block, row), row.unit] + cells)
    return grid(["", "unit"] + list(results.names), lines) if lines else ""


def ratios(results):
    """How many times as fast holtfs is as each peer."""
    peers = [name for name in results.names if name != "holtfs"]
    lines = []
    for row in results.rows():
        speeds = [results.speed(row, "holtfs", peer) for peer in peers]
        if any(speed is not None for speed in speeds):
            lines.append([row] + ["-" if s is None else f"{s:.2f}x" for s in speeds])
    return grid(["holtfs is faster than"] + peers, lines) if lines else ""


def daemons(results):
    rows = [row.name for row in table.NAMES_1P.rows]
    lines = []
    for name in results.names:
        cpu = results.cpu_us_per_request(name, rows)
        memory = results.daemons.get(name)
        if cpu is None and memory is None:
            continue
        lines.append([name, "-" if cpu is None else f"{cpu:.2f}"]
                     + (["-", "-"] if memory is None
                        else [f"{memory[kind] / 2**20:.1f}" for kind in ("Rss", "Pss")]))
    return grid([f"daemon, {table.NAMES_1P.name}", "CPU us/request", "RSS MiB", "PSS MiB"],
                lines) if lines else ""


def kinds(counts):
    parts = [f"{kind} {count:.2f}" for kind, count in sorted(counts.items(), key=lambda c: -c[1])
             if count >= 0.005]
    return ", ".join(parts) or "none"


def requests(results):
    """Of one transport: the kernel sends the same over both."""
    lines = []
    for row in results.rows():
        told = {name: results.requests_per_operation(row, name) for name in results.names}
        for name, counts in told.items():
            other = name.removesuffix("-dev")
            if counts is not None and (other == name or told.get(other) is None):
                lines.append([row, name, kinds(counts)])
    return grid(["requests per operation", "", ""], lines) if lines else ""


def verdicts(results):
    lines = []
    for verdict in targets.all_verdicts(results):
        if verdict.figure:
            lines.append([verdict.text, verdict.figure, "met" if verdict.met else "missed"])
    return grid(["target", "figure", ""], lines) if lines else ""


def notes(results):
    lines = [f"- {name} is missing: {why}" for name, why in results.missing.items()]
    lines += [f"- {block} failed on {name}: {why}"
              for (block, name), why in results.failed.items()]
    if results.foreign_drops > 0:
        lines.append(f"- not a quiet machine: others dropped the kernel's caches "
                     f"{results.foreign_drops} times meanwhile")
    return "\n".join(lines)


def heading(machine, options):
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB memory, "
            f"{machine['kernel']}, {machine['disk']}\n"
            f"Medians of at most {options['rounds']} rounds; {options['count']:,} operations of "
            f"each process, {options['files']:,} files in the tree.")


def text(results, machine, options):
    parts = [heading(machine, options), notes(results), figures(results), ratios(results),
             daemons(results), requests(results), verdicts(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_json(path, results, machine, options):
    document = {"machine": machine, "options": options, **results.to_json(),
                "targets": [{"target": v.text, "figure": v.figure, "met": v.met}
                            for v in targets.all_verdicts(results) if v.figure]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
