# SPDX-License-Identifier: BSD-3-Clause
"""What tests/perf/table and tests/perf/scale read: callgrind's files, lackey's log, and the library's own code.

Instructions are those of the library and of what it calls in the C library. The simulated fabric, the measuring program and
the dynamic linker (which finds the fabric's thread-local data) are left out.
"""
import collections
import os
import re
import subprocess

LIBRARY = "libwrasse.so"
FABRIC = ("libibverbs.so", "librdmacm.so")
LINE = 64


class Profile:
    """One of callgrind's files: instructions by object, by pair of calling and called object, and by address."""

    def __init__(self, path):
        self.label = ""
        self.own = collections.Counter()
        self.called = collections.Counter()
        self.at = collections.Counter()  # (object, address), with --dump-instr=yes
        here = there = None
        calls = False
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line[0] in "0123456789+-*":
                    words = line.split()
                    cost = int(words[-1]) if len(words) > 1 else 0
                    if calls:
                        self.called[here, there] += cost
                    else:
                        self.own[here] += cost
                        if words[0].startswith("0x"):
                            self.at[here, int(words[0], 16)] += cost
                    calls, there = False, here if calls else there
                elif line.startswith("ob="):
                    here = there = os.path.basename(line[3:].rstrip())
                elif line.startswith("cob="):
                    there = os.path.basename(line[4:].rstrip())
                elif line.startswith("calls="):
                    calls = True
                elif line.startswith("desc: Trigger: Client Request: "):
                    self.label = line.rsplit(" ", 1)[1].rstrip()

    def part(self, names):
        """Instructions of objects of these names, and of what they call in others than those that are looked at here."""
        cost = 0
        for name, own in self.own.items():
            if is_of(name, names):
                cost += own
        for (caller, callee), called in self.called.items():
            if is_of(caller, names) and is_of(callee, ("libc.so", "libm.so")):
                cost += called
        return cost

    def library(self):
        return self.part((LIBRARY,))

    def fabric(self):
        return self.part(FABRIC)

    def everything(self):
        return sum(self.own.values())

    def count(self, addresses):
        """How often the library's instructions at these addresses were carried out."""
        return sum(cost for (name, at), cost in self.at.items() if is_of(name, (LIBRARY,)) and at in addresses)


def is_of(name, names):
    return name is not None and name.startswith(tuple(names))


def atomics(library):
    """Addresses of the instructions that lock memory: those with the prefix, and xchg, which needs none."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True,
                          check=True).stdout
    found = re.findall(r"^ *([0-9a-f]+):\s+(?:lock |xchg .*\()", text, re.MULTILINE)
    return {int(address, 16) for address in found}


def callgrind(out, command, *options):
    """Runs it. Return: what it printed, {name: value}, and its profiles in their order, the last without a label."""
    directory = os.path.dirname(out)
    for old in os.listdir(directory):
        if old.startswith(os.path.basename(out)):
            os.unlink(os.path.join(directory, old))
    printed = subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--compress-pos=no",
         "--compress-strings=no", f"--callgrind-out-file={out}", *options, *command],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    files = [name for name in os.listdir(directory) if name.startswith(os.path.basename(out) + ".")]
    files.sort(key=lambda name: int(name.rsplit(".", 1)[1]))
    profiles = [Profile(os.path.join(directory, name)) for name in files]
    if os.path.exists(out):
        profiles.append(Profile(out))
    return values(printed), profiles


def values(printed):
    return {name: float(value) for name, value in (line.split() for line in printed.splitlines())}


def run(command):
    return values(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def lines_touched(command):
    """Runs it under lackey. Return: what it printed, and the lines of memory that the library touches, each once in a part
    that is counted, in all parts together."""
    total = 0
    begin = end = None
    counts = ours = False
    touched = set()
    with subprocess.Popen(["valgrind", "--tool=lackey", "--basic-counts=no", "--trace-mem=yes", *command],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for line in process.stderr:
            if line.startswith(b"**"):
                words = line.split()[1:]
                if words[:1] == [b"library"]:
                    begin, end = int(words[1], 16), int(words[2], 16)
                elif words == [b"counted"]:
                    counts, ours = True, False
                elif words == [b"over"]:
                    total += len(touched)
                    touched.clear()
                    counts = False
            elif not counts:
                continue
            elif line[:1] == b"I":
                ours = begin <= int(line[3:].split(b",")[0], 16) < end
            elif ours:
                at, size = line[3:].split(b",")
                first = int(at, 16)
                touched.update(range(first // LINE, (first + int(size) - 1) // LINE + 1))
        printed = process.stdout.read().decode()  # some lines, for which the pipe has room
    if process.returncode or begin is None:
        raise RuntimeError(f"lackey: {command} ended with {process.returncode}")
    return values(printed), total
