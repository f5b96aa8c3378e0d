#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tests/bench/report.py RESULTS DOCS COMMIT PART...: what the parts of ./dev bench have left in RESULTS, as tables and plots.

Each table replaces what stands between its marks in DOCS/performance.md. The plots, of IOPS against depth, of latency
against IOPS and of instructions against queue pairs, are drawn with gnuplot below DOCS/plots.
"""
import collections
import os
import statistics
import subprocess
import sys

TARGETS = ("limit", "wrasse", "busy", "nvmet")
COLOURS = {"limit": "#999999", "wrasse": "#0072b2", "busy": "#009e73", "nvmet": "#d55e00"}


def read(path):
    """{what: {job: {target: [(iops, mean, p50, p99), ...]}}}, in the order of the file."""
    result = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    with open(path, encoding="utf-8") as file:
        for line in file:
            what, _, job, target, *figures = line.rstrip("\n").split("\t")
            result[what][job][target].append(tuple(int(f) for f in figures))
    return result


def medians(runs):
    return [statistics.median(column) for column in zip(*runs)]


def table(jobs, column, unit):
    """@column: of the figures of a run."""
    names = [f"{target} {unit}" if target == TARGETS[0] else target for target in TARGETS]
    ratios = [f"{target} : {other}" for other in ("limit", "nvmet") for target in ("wrasse", "busy")]
    lines = ["| fio on Linux's host | " + " | ".join(names + ratios) + " |", "|---" + "|--:" * len(names + ratios) + "|"]
    for job, targets in jobs.items():
        figures = {target: medians(targets[target])[column] for target in TARGETS}
        cells = [job, *(f"{figures[target]:.0f}" for target in TARGETS)]
        cells += [f"{figures[target] / figures['limit']:.2f}" for target in ("wrasse", "busy")]
        cells += [f"**{figures[target] / figures['nvmet']:.2f}**" for target in ("wrasse", "busy")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def plot(path, title, xlabel, ylabel, curves, options):
    """@curves: [(legend, colour, dash, [(x, y), ...]), ...]"""
    styles = ", ".join(
        f"'-' using 1:2 with linespoints linecolor rgb '{colour}' dashtype {dash} linewidth 2 pointtype 7 "
        f"pointsize 0.5 title '{legend}'"
        for legend, colour, dash, _ in curves)
    data = "".join("".join(f"{x} {y}\n" for x, y in points) + "e\n" for *_, points in curves)
    script = f"""
set terminal svg size 720,440 background rgb 'white' font 'sans-serif,12'
set output '{path}'
set title '{title}'
set xlabel '{xlabel}'
set ylabel '{ylabel}'
set grid linecolor rgb '#dddddd'
set border 3
set tics nomirror
{options}
plot {styles}
{data}"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def draw(depths, plots):
    os.makedirs(plots, exist_ok=True)
    points = {target: [(int(depth), *medians(targets[target])) for depth, targets in depths.items()]
              for target in TARGETS}
    plot(os.path.join(plots, "depth.svg"), "4 KiB random reads, Linux host, SoftRoCE", "depth", "IOPS",
         [(target, COLOURS[target], 1, [(p[0], p[1]) for p in points[target]]) for target in TARGETS],
         "set logscale x 2\nset yrange [0:*]\nset key bottom right")
    curves = [(f"{target} p{name}", COLOURS[target], dash, [(p[1], p[column]) for p in points[target]])
              for target in TARGETS for name, column, dash in ((50, 3, 1), (99, 4, 2))]
    plot(os.path.join(plots, "latency.svg"), "Latency against load: depth 1 to 128", "IOPS", "latency, us", curves,
         "set logscale y\nset key top left")


def peers(path, docs):
    runs = read(path)
    rounds = len(next(iter(runs["job"].values()))["wrasse"])
    draw(runs["depth"], os.path.join(docs, "plots"))
    return [f"Medians of {rounds} rounds.", "", *table(runs["job"], 0, "IOPS"), "", *table(runs["job"], 2, "p50 us"), "",
            "![IOPS against depth](plots/depth.svg)", "", "![latency against load](plots/latency.svg)"]


MACHINE_TARGETS = {"limit_event": "limit", "event": "wrasse", "nvmet": "nvmet"}


def machine(path, _):
    """With a clock that counts instructions, the time between two I/Os is what one takes."""
    runs = read(path)["machine"]
    spread = 0
    lines = ["| instructions of the whole machine per I/O | limit | wrasse | nvmet | wrasse : limit | wrasse : nvmet |",
             "|---|--:|--:|--:|--:|--:|"]
    for job, targets in runs.items():
        figures = {}
        for target, name in MACHINE_TARGETS.items():
            each = [1e9 / iops for iops, *_ in targets[target]]
            figures[name] = statistics.median(each)
            spread = max(spread, max(each) / min(each) - 1)
        lines.append(f"| {job} | " + " | ".join(f"{figure:,.0f}" for figure in figures.values()) +
                     f" | {figures['wrasse'] / figures['limit']:.2f} | **{figures['wrasse'] / figures['nvmet']:.2f}** |")
    rounds = len(next(iter(runs.values()))["event"])
    return [f"Medians of {rounds} rounds; those of one target and job differ by {spread:.1%} at most.", "", *lines]


def idle(path, _):
    lines = ["| mode | CPU at rest, % of a core | p50 us of a read that wakes it | p99 us |", "|---|--:|--:|--:|"]
    with open(path, encoding="utf-8") as file:
        lines += ["| " + line.rstrip("\n").replace("\t", " | ") + " |" for line in file]
    return lines


def cost(path, _):
    lines = ["| per I/O | instructions | atomics | cache lines | completions | doorbells | WRs sent |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, *figures = line.rstrip("\n").split("\t")
            instructions, atomics, touched, *others = (float(figure) for figure in figures)
            cells = [name, f"{instructions:.0f}", f"{atomics:.2f}", f"{touched:.1f}", *(f"{x:.3f}" for x in others)]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def scale_read(path):
    """[(queues, namespaces, {name: value}), ...]"""
    runs = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            queues, namespaces, *figures = line.rstrip("\n").split("\t")
            named = (figure.split("=") for figure in figures)
            runs.append((int(queues), int(namespaces), {name: float(value) for name, value in named}))
    return runs


def further(run, first, count):
    """Bytes of memory for one more, the first's own left out."""
    if count == 1:
        return ""
    return f"{(run['memory'] - first['memory']) / (count - 1):.0f}"


def draw_scale(runs, plots):
    os.makedirs(plots, exist_ok=True)
    curves = [(title, colour, 1, [(queues, run[name]) for queues, run in runs])
              for name, title, colour in (("read", "4 KiB read, saturated", "#0072b2"), ("idle", "empty poll", "#009e73"))]
    plot(os.path.join(plots, "scale.svg"), "The cost of an I/O with many queue pairs", "I/O queues connected",
         "instructions", curves, "set logscale x 2\nset xrange [0.7:12000]\nset xtics (1, 64, 1024, 8192)\n"
         "set yrange [0:*]\nset key center right")


def scale(path, docs):
    runs = scale_read(path)
    by_queues = [(queues, run) for queues, namespaces, run in runs if namespaces == 1]
    by_namespaces = [(namespaces, run) for queues, namespaces, run in runs if queues == 1]
    first = by_queues[0][1]
    draw_scale(by_queues, os.path.join(docs, "plots"))
    lines = ["| I/O queues connected | instructions per 4 KiB read, saturated | per empty poll | per connection | per end of one "
             "| bytes for a further queue | connections a second | of their instructions: library | fabric |",
             "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for queues, run in by_queues:
        lines.append(f"| {queues:,} | {run['read']:.0f} | {run['idle']:.0f} | {run['connect']:,.0f} "
                     f"| {run['disconnect']:,.0f} | {further(run, first, queues)} | {run['rate']:,.0f} "
                     f"| {run['share_library']:.0%} | {run['share_fabric']:.0%} |")
    lines += ["", "![instructions against queue pairs](plots/scale.svg)", "",
              "| namespaces | instructions per 4 KiB read, of all by turns | to add one | for the group to attach to it "
              "| bytes for a further namespace |", "|--:|--:|--:|--:|--:|"]
    for namespaces, run in by_namespaces:
        lines.append(f"| {namespaces:,} | {run['read']:.0f} | {run['add']:,.0f} | {run['attach']:,.0f} "
                     f"| {further(run, first, namespaces)} |")
    return lines


def groups(path, _):
    rates = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            count, rate = line.split()
            rates[int(count)].append(int(rate))
    one = statistics.median(rates[1])
    lines = [f"Medians of {len(rates[1])} rounds.", "", "| poll groups | reads a second | times one group | least | most |",
             "|--:|--:|--:|--:|--:|"]
    for count, runs in sorted(rates.items()):
        median = statistics.median(runs)
        lines.append(f"| {count} | {median:,.0f} | {median / one:.2f} | {min(runs):,} | {max(runs):,} |")
    return lines


def replace(document, name, commit, lines):
    """What stands in a document between <!-- NAME begin --> and <!-- NAME end -->."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    with open(document, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    text = "\n".join([begin, f"Commit {commit}.", "", *lines, end])
    with open(document, "w", encoding="utf-8") as file:
        file.write(before + text + rest.split(end)[1])


def main(results, docs, commit, *parts):
    for name in parts:
        lines = PARTS[name](os.path.join(results, name), docs)
        replace(os.path.join(docs, "performance.md"), name, commit, lines)
        print("\n".join(lines))


PARTS = {"cost": cost, "peers": peers, "machine": machine, "idle": idle, "scale": scale, "groups": groups}


if __name__ == "__main__":
    main(*sys.argv[1:])
