#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
conformance.py [--write]: docs/conformance.rows, the table of what a host may ask, against the tests of the tree.
Says nothing when all is well; --write makes docs/conformance.md from it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs/conformance.rows"
PAGE = ROOT / "docs/conformance.md"
PARTS = [
    ("A1", 22, "RDMA connection manager and queue pair set-up"),
    ("A2", 30, "Capsules, SGLs, data movement"),
    ("A3", 34, "Fabrics commands"),
    ("A4", 47, "Admin commands"),
    ("A5", 20, "I/O commands"),
    ("A6", 18, "Discovery, subsystems, namespaces, access control"),
]
STATES = {
    "done": ("done", "holds, and the tests named show it"),
    "part": ("in part", "the answer says what holds; the rest is open"),
    "open": ("open", "not there yet"),
    "refused": ("refused", "optional, not offered; the answer is the status that a host gets"),
    "later": ("later", "planned, and not part of what this table promises now"),
}
SHOWN = {"done", "part", "refused"}
NAME = r"[a-z][a-z0-9_]*"
# Where a test gets its name: CMocka functions, cases of the verbs host, museum exhibits, lines of the shell suites.
PATTERNS = [
    ("tests/unit/*.c", rf"^static void ({NAME})\(void \*\*"),
    ("tests/host/probe*.c", rf"^static bool ({NAME})\(struct probe"),
    ("tests/host/probe*.c", rf"\{{\"({NAME})\""),
    ("tests/host/probe*.c", rf"^\t?[A-Z_]+\(({NAME})[,)]"),
    ("tests/sim/museum*.c", rf"\{{\"({NAME})\""),
    ("tests/unit/*.sh", rf"^# ({NAME}):"),
    ("tests/softroce/*", r"run_test \"?([a-z$][a-z0-9_${}]*)"),
]


def test_names():
    """Every name that a test of the tree goes by; a shell variable in one stands for anything."""
    names, shapes = set(), []
    for where, pattern in PATTERNS:
        for path in sorted(ROOT.glob(where)):
            for name in re.findall(pattern, path.read_text(), re.M):
                if "$" in name:
                    shapes.append(re.compile(re.sub(r"\$(\w+|\{\w+\})", "[a-z0-9_]+", name)))
                else:
                    names.add(name)
    return names, shapes


def read_rows(wrong):
    rows = {}
    for number, line in enumerate(ROWS.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 6:
            wrong.append(f"docs/conformance.rows:{number}: {len(fields)} fields, not 6")
            continue
        key, priority, state, asked, answer, tests = fields
        if key in rows:
            wrong.append(f"docs/conformance.rows:{number}: {key} is there twice")
        if priority not in ("H", "M", "L"):
            wrong.append(f"docs/conformance.rows:{number}: priority '{priority}' is not H, M or L")
        if state not in STATES:
            wrong.append(f"docs/conformance.rows:{number}: state '{state}' is none of {', '.join(STATES)}")
            continue
        rows[key] = (number, priority, state, asked, answer, tests.split())
    return rows


def check(rows, wrong):
    names, shapes = test_names()
    want = [f"{part}.{n}" for part, last, _ in PARTS for n in range(1, last + 1)]
    for key in want:
        if key not in rows:
            wrong.append(f"docs/conformance.rows: no row {key}")
    for key in rows:
        if key not in want:
            wrong.append(f"docs/conformance.rows: {key} is no row of A1 to A6")
    for key, (number, _, state, _, _, tests) in rows.items():
        if state in SHOWN and not tests:
            wrong.append(f"docs/conformance.rows:{number}: {key} is {state}, and names no test")
        for test in tests:
            if test not in names and not any(shape.fullmatch(test) for shape in shapes):
                wrong.append(f"docs/conformance.rows:{number}: {key} names {test}, and there is no such test")


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(rows):
    out = [
        "# What a host may ask, and what it gets",
        "",
        "Made by `tests/lint/conformance.py --write` from `docs/conformance.rows`; `./dev lint` fails when a row names a test",
        "that does not exist. Priority: H must have, M soon, L optional.",
        "",
        "| state | meaning |",
        "|---|---|",
    ]
    out += [f"| {word} | {meaning} |" for word, meaning in STATES.values()]
    out += ["", "| part | " + " | ".join(word for word, _ in STATES.values()) + " | rows |", "|---|" + "--:|" * (len(STATES) + 1)]
    total = dict.fromkeys(STATES, 0)
    for part, last, title in PARTS:
        count = dict.fromkeys(STATES, 0)
        for n in range(1, last + 1):
            count[rows[f"{part}.{n}"][2]] += 1
        for state, n in count.items():
            total[state] += n
        out.append(f"| {part} {title} | " + " | ".join(str(n) for n in count.values()) + f" | {last} |")
    out.append("| **all** | " + " | ".join(f"**{n}**" for n in total.values()) + f" | **{sum(total.values())}** |")
    for part, last, title in PARTS:
        out += ["", f"## {part}. {title}", "", "| row | pri | state | a host asks | wrasse answers | shown by |", "|---|---|---|---|---|---|"]
        for n in range(1, last + 1):
            _, priority, state, asked, answer, tests = rows[f"{part}.{n}"]
            shown = "<br>".join(f"`{test}`" for test in tests)
            out.append(f"| {part}.{n} | {priority} | {STATES[state][0]} | {cell(asked)} | {cell(answer)} | {shown} |")
    return "\n".join(out) + "\n"


def main():
    wrong = []
    rows = read_rows(wrong)
    check(rows, wrong)
    if not wrong and "--write" in sys.argv[1:]:
        PAGE.write_text(page(rows))
    elif not wrong and (not PAGE.exists() or PAGE.read_text() != page(rows)):
        wrong.append("docs/conformance.md is older than docs/conformance.rows: tests/lint/conformance.py --write")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


sys.exit(main())
