#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tests/bench/report.py RESULTS DOCS COMMIT PART...: what the parts of ./dev bench have left in RESULTS, as tables and plots.

Each table replaces what stands between its marks in DOCS/performance.md. Once RESULTS has all parts, of one commit or of
several, the first table says how they stand to the goals. The plots, of IOPS against depth, of latency against IOPS and of instructions against queue pairs,
are drawn with gnuplot below DOCS/plots.
"""
import collections
import os
import statistics
import subprocess
import sys

TARGETS = ("limit", "wrasse", "busy", "nvmet")
COLOURS = {"limit": "#999999", "wrasse": "#0072b2", "busy": "#009e73", "nvmet": "#d55e00"}


def rows(path):
    """The fields of each line."""
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def read(path):
    """{what: {job: {target: [(iops, mean, p50, p99), ...]}}}, in the order of the file."""
    result = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    for what, _, job, target, *figures in rows(path):
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


def host(path, _):
    lines = ["| mode | depth | completions per read | send posts per read | completions per write | send posts per write |",
             "|---|--:|--:|--:|--:|--:|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows(path)]


def user_rows(path):
    """{job: (the library's instructions, rdma-core's, the backend's, commands per poll), ...}"""
    return {job: tuple(float(figure) for figure in figures) for job, *figures in rows(path)}


def user(path, _):
    lines = ["| instructions in user space per command | library | rdma-core | both | the backend, with its copy | commands per poll |",
             "|---|--:|--:|--:|--:|--:|"]
    for job, (library, core, backend, each) in user_rows(path).items():
        lines.append(f"| {job} | {library:,.0f} | {core:,.0f} | {library + core:,.0f} | {backend:,.0f} | {each:.1f} |")
    return lines


def starts(path, name="start"):
    """Milliseconds from exec until hosts can connect, and kB that are resident then, of each start (or run) of that name."""
    return zip(*((int(ms), int(kib)) for each, ms, kib, *_ in rows(path) if each == name))


def idle(path, _):
    times, memory = starts(path)
    alone, _ = starts(path, "one driver")
    devices, _ = starts(path, "ibv_devices")
    nothing, _ = starts(path, "/bin/true")
    return [f"With its defaults wrasse-target takes {statistics.median(times):.0f} ms from exec until hosts can connect (of "
            f"{len(times)} starts the median; {min(times)} to {max(times)}), and has {max(memory) / 1024:.1f} MiB resident "
            f"then, no huge pages. Where rdma-core knows the device's driver only: {statistics.median(alone):.0f} ms "
            f"({min(alone)} to {max(alone)}). `ibv_devices` takes {statistics.median(devices):.0f} ms ({min(devices)} to "
            f"{max(devices)}), `true` {statistics.median(nothing):.0f} ({min(nothing)} to {max(nothing)}).", "",
            "| mode | CPU at rest, % of a core | p50 us of a read that wakes it | p99 us |", "|---|--:|--:|--:|",
            *("| " + " | ".join(row) + " |" for row in rows(path) if len(row) == 4)]


def cost_rows(path):
    """[(name, instructions, the roof's or None, atomics, lines, completions, doorbells, WRs), ...]"""
    return [(name, *(float(figure) if figure else None for figure in figures)) for name, *figures in rows(path)]


def cost(path, _):
    lines = ["| per I/O | instructions | the roof's | atomics | cache lines | completions | doorbells | WRs sent |",
             "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for name, instructions, roof, atomics, touched, *others in cost_rows(path):
        cells = [name, f"{instructions:.0f}", "" if roof is None else f"{roof:.0f}", f"{atomics:.2f}", f"{touched:.1f}",
                 *(f"{x:.3f}" for x in others)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def scale_read(path):
    """[(queues, namespaces, {name: value}), ...]"""
    return [(int(queues), int(namespaces), {name: float(value) for name, value in (figure.split("=") for figure in figures)})
            for queues, namespaces, *figures in rows(path)]


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


GROUPS = {"one": "one poll group", "two": "two poll groups", "apart": "two processes with a poll group each"}


def groups_read(path):
    """{name: [reads a second, ...]}"""
    rates = collections.defaultdict(list)
    for name, rate in rows(path):
        rates[name].append(int(rate))
    return rates


def beside_one(rates, name):
    return statistics.median(rates[name]) / statistics.median(rates["one"])


def groups(path, _):
    rates = groups_read(path)
    lines = [f"Medians of {len(rates['one'])} rounds.", "", "| | reads a second | times one group | least | most |",
             "|---|--:|--:|--:|--:|"]
    for name, title in GROUPS.items():
        runs = rates[name]
        lines.append(f"| {title} | {statistics.median(runs):,.0f} | {beside_one(rates, name):.2f} "
                     f"| {min(runs):,} | {max(runs):,} |")
    return lines


def beside(runs, job, column, spdk, goal):
    """A line of goals() for what is told as a multiple of nvmet's: of IOPS (column 0) or of the median latency (2)."""
    ratio = {target: medians(runs[job][target])[column] / medians(runs[job]["nvmet"])[column] for target in TARGETS}
    best = min(ratio["wrasse"], ratio["busy"]) if column else max(ratio["wrasse"], ratio["busy"])
    return (f"{job}: {'p50' if column else 'IOPS'}, nvmet's = 1", spdk, f"{ratio['limit']:.2f}", f"{goal:.2f}",
            f"{ratio['wrasse']:.2f}, busy {ratio['busy']:.2f}", best <= goal if column else best >= goal)


def below(runs, job):
    """What one I/O takes of the whole machine, as a multiple of the roof's."""
    each = {target: statistics.median([1 / iops for iops, *_ in runs[job][target]]) for target in ("limit_event", "event")}
    return each["event"] / each["limit_event"]


def goals(results):
    """[(what, SPDK's, the roof's, the goal, wrasse's, whether that reaches it), ...], of all parts."""
    def path(name):
        return os.path.join(results, name)

    costs = {name: figures for name, *figures in cost_rows(path("cost"))}
    counts = {(mode, depth): figures for mode, depth, *figures in rows(path("host"))}
    queues = {count: run for count, namespaces, run in scale_read(path("scale")) if namespaces == 1}
    rest = {row[0]: float(row[1]) for row in rows(path("idle"))}
    jobs, whole = read(path("peers"))["job"], read(path("machine"))["machine"]
    times, memory = starts(path("idle"))
    alone, _ = starts(path("idle"), "one driver")
    devices, _ = starts(path("idle"), "ibv_devices")
    one, most = queues[1], queues[max(queues)]
    further_bytes = (most["memory"] - one["memory"]) / (max(queues) - 1)
    counted = user_rows(path("user"))
    rates = groups_read(path("groups"))
    two, apart = beside_one(rates, "two"), beside_one(rates, "apart")

    def instructions(what, spdk, goal, value, roof=None):
        return (what, spdk, "" if roof is None else f"{roof:,.0f}", f"{goal:,}", f"{value:,.0f}", value <= goal)

    lines = [
        instructions("own instructions per read, saturated", "2,258", 350, *costs["read 4 KiB, saturated"][:2]),
        instructions("the same, depth 32", "3,580", 900, *costs["read 4 KiB"][:2]),
        instructions("the same, write in the capsule, depth 32", "10,500", 1200, *costs["write 4 KiB in the capsule"][:2]),
        instructions("the same, empty poll", "720", 80, one["idle"]),
        *(instructions(f"the library's and rdma-core's, Linux's host, {job}", spdk, goal, sum(counted[job][:2]))
          for job, spdk, goal in (("read 4 KiB, depth 128", "2,667", 700), ("read 4 KiB, depth 32", "3,580", 900),
                                  ("write 4 KiB, depth 32", "10,500", 1200))),
        ("completions per read, saturated", "2.00", "", "1.15", f"{costs['read 4 KiB, saturated'][4]:.3f}",
         costs["read 4 KiB, saturated"][4] <= 1.15),
        ("posts per read, of sends and receives, saturated", "0.062 of sends", "", "0.062",
         f"{costs['read 4 KiB, saturated'][5]:.3f}", costs["read 4 KiB, saturated"][5] <= 0.062),
    ]
    for column, what, depth, spdk, goal in ((0, "completions", "32", 2.00, 1.15), (1, "send posts", "32", 0.48, 0.48),
                                            (1, "send posts", "1", 1.00, 1.00)):
        figures = [float(counts[mode, depth][column]) for mode in ("default", "busy")]
        lines.append((f"{what} per read, Linux's host, depth {depth}", f"{spdk:.2f}", "", f"{goal:.2f}",
                      f"{figures[0]:.2f}, busy {figures[1]:.2f}", min(figures) <= goal))
    lines += [
        beside(jobs, "read 4 KiB, depth 32", 0, "1.34", 1.40),
        beside(jobs, "read 4 KiB, depth 1", 2, "0.74", 0.72),
        beside(jobs, "write 4 KiB, depth 32", 0, "1.14", 1.25),
        beside(jobs, "write 4 KiB, depth 1", 2, "0.69", 0.67),
        beside(jobs, "read 128 KiB, depth 8", 0, "1.10", 1.12),
        beside(jobs, "write 128 KiB, depth 8", 0, "1.20", 1.25),
    ]
    for job, inverse, goal in (("read 4 KiB, depth 32", True, 0.95), ("write 4 KiB, depth 32", True, 0.95),
                               ("read 4 KiB, depth 1", False, 1.10), ("write 4 KiB, depth 1", False, 1.10)):
        value = below(whole, job)
        lines.append((f"{job}: {'IOPS' if inverse else 'latency'}, the roof's = 1, counted", "", "1", f"{goal:.2f}",
                      f"{1 / value if inverse else value:.2f}", 1 / value >= goal if inverse else value <= goal))
    return lines + [
        ("resident at start, MiB", "63 + 392 of huge pages", "", "32", f"{max(memory) / 1024:.1f}", max(memory) <= 32 * 1024),
        ("exec to listening, ms", "2,200", f"{statistics.median(devices):.0f}, ibv_devices", "200",
         f"{statistics.median(times):.0f}, with one driver {statistics.median(alone):.0f}", statistics.median(times) <= 200),
        ("CPU at rest, % of a core", "100", "", "0.5", f"{rest['adaptive']:.2f}, event {rest['event']:.2f}",
         max(rest["adaptive"], rest["event"]) < 0.5),
        ("bytes for an idle queue pair", "", "", "2,048", f"{further_bytes:.0f}", further_bytes <= 2048),
        (f"instructions per read with {max(queues):,} queue pairs, with one = 1", "", "", "1.03",
         f"{most['read'] / one['read']:.3f}", most["read"] <= 1.03 * one["read"]),
        ("the same of an empty poll", "", "", "1.10", f"{most['idle'] / one['idle']:.3f}", most["idle"] <= 1.1 * one["idle"]),
        ("reads a second of two groups, one = 1", "", f"{apart:.2f}, two processes", "1.90", f"{two:.2f}", two >= 1.9),
    ]


def goals_table(results):
    lines = ["| | SPDK | the roof | goal | wrasse | |", "|---|--:|--:|--:|--:|---|"]
    return lines + ["| " + " | ".join(cells) + (" | reached |" if reached else " | **not reached** |")
                    for *cells, reached in goals(results)]


def replace(document, name, commit, lines):
    """What stands in a document between <!-- NAME begin --> and <!-- NAME end -->."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    with open(document, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    text = "\n".join([begin, f"Commit {commit}.", "", *lines, end])
    with open(document, "w", encoding="utf-8") as file:
        file.write(before + text + rest.split(end)[1])


def measured(results):
    """{commit: [part, ...]}, of the parts that RESULTS has."""
    commits = collections.defaultdict(list)
    for name in PARTS:
        path = os.path.join(results, name + ".commit")
        if os.path.exists(path):
            commits[rows(path)[0][0]].append(name)
    return commits


def main(results, docs, commit, *parts):
    for name in parts:
        lines = PARTS[name](os.path.join(results, name), docs)
        replace(os.path.join(docs, "performance.md"), name, commit, lines)
        with open(os.path.join(results, name + ".commit"), "w", encoding="utf-8") as file:
            file.write(commit + "\n")
        print("\n".join(lines))
    commits = measured(results)
    if sum(len(names) for names in commits.values()) == len(PARTS):
        said = [f"{commit} ({', '.join(names)})" for commit, names in commits.items()]
        lines = goals_table(results)
        replace(os.path.join(docs, "performance.md"), "goals", commit if len(said) == 1 else ", ".join(said), lines)
        print("\n".join(lines))


PARTS = {"cost": cost, "peers": peers, "machine": machine, "host": host, "user": user, "idle": idle, "scale": scale, "groups": groups}


if __name__ == "__main__":
    main(*sys.argv[1:])
