"""Bar charts by gnuplot, an SVG file for each block and unit."""

import os
import subprocess

import rows as table

SCRIPT = """\
set terminal svg size {width},420 dynamic font "sans,12" background "white"
set output "{path}"
set title "{title}" noenhanced
set ylabel "{unit}"
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 1.0 noborder
set format y "%.0s%c"
set boxwidth 0.9
set grid ytics
set key outside right top noenhanced
set xtics rotate by -25 noenhanced
{scale}
$data << END
{data}
END
plot {columns}
"""

# Each subject has its own, whoever else is in a run; two transports are two shades.
COLORS = {"holtfs": "#1f4e9c", "holtfs-dev": "#7ea6e0", "holtfs-pass": "#0b2a5b",
          "null": "#4d4d4d", "null-dev": "#b3b3b3", "host": "#8c6bb1", "ext4": "#e08214",
          "xfs": "#1b9e77", "btrfs": "#a6d854", "ntfs-3g": "#e7298a", "bindfs": "#d9b800"}


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def charts(results):
    """Triples of a block, a unit and the rows that a chart shows."""
    have = set(results.rows())
    for block in table.BLOCKS:
        units = {row.unit: None for row in block.rows}  # in order, once each
        for unit in units:
            rows = [row for row in block.rows if row.unit == unit and row.name in have]
            if rows:
                yield block, unit, rows


def script(results, block, unit, rows, path):
    names = [name for name in results.names
             if any(results.median(row.name, name) is not None for row in rows)]
    data = []
    for row in rows:
        values = [results.median(row.name, name) for name in names]
        data.append(" ".join([quoted(row.name)]
                             + ["NaN" if value is None else f"{value:.6g}" for value in values]))
    columns = ", ".join(
        f"$data using {i}{':xtic(1)' if i == 2 else ''} title {quoted(name)} "
        f"linecolor rgb {quoted(COLORS[name])}"
        for i, name in enumerate(names, 2))
    return SCRIPT.format(
        width=240 + len(rows) * (len(names) * 11 + 25), path=path, title=block.name, unit=unit,
        scale="set logscale y", data="\n".join(data), columns=columns)


def write(results, folder):
    """Paths of the files that were made."""
    os.makedirs(folder, exist_ok=True)
    made = []
    for block, unit, rows in charts(results):
        suffix = "" if unit in (table.RATE, table.TIME) else "_" + unit.replace("/", "_")
        path = os.path.join(folder, f"{block.name}{suffix}.svg")
        subprocess.run(["gnuplot"], input=script(results, block, unit, rows, path), text=True,
                       check=True, stderr=subprocess.DEVNULL)
        made.append(path)
    return made
