# SPDX-License-Identifier: MIT
"""Figures of the Python package, one JSON object a line, beside NumPy's own.

Run where the clock counts instructions (see tests/vm/README.md); elsewhere the same figures are
wall-clock nanoseconds.
"""

import json
import statistics
import subprocess
import sys
import time

import numpy as np

import ndma

WARMUP, RUNS = 3, 15
FRAMES = 1024


def median(function, count=1):
    """Median cost of one of `count` steps that `function` makes."""
    costs = []
    for _ in range(WARMUP + RUNS):
        start = time.perf_counter_ns()
        function()
        costs.append(time.perf_counter_ns() - start)
    return statistics.median(costs[WARMUP:]) / count


def report(name, unit, value, **peers):
    print(json.dumps({"name": name, "unit": unit, "value": round(value, 3),
                      "peers": {key.replace("_", " "): round(peer, 3) for key, peer in peers.items()}}),
          flush=True)


def loop(body):
    """The cost of 1,000 rounds of a statement, less that of an empty loop."""
    def rounds():
        for _ in range(1000):
            body()

    def empty():
        for _ in range(1000):
            nothing()

    def nothing():
        pass

    return median(rounds, 1000) - median(empty, 1000)


def stream_step(source, convert):
    """One step of `for frame in stream`, frames ready beforehand."""
    costs = []
    for _ in range(WARMUP + RUNS):
        with source.stream(samples=2048, frames=FRAMES, count=FRAMES) as stream:
            while stream.stats.completed < FRAMES:
                time.sleep(0.001)
            start = time.perf_counter_ns()
            if convert:
                for frame in stream:
                    np.asarray(frame)
            else:
                for frame in stream:
                    frame.array()
            costs.append(time.perf_counter_ns() - start)
    return statistics.median(costs[WARMUP:]) / FRAMES


def imports(*statements):
    """What each costs a new process, at least; by turns. Its own time: waits for the disk and other
    processes move the wall clock by more than the difference. A look for each module in the checkout,
    which the host has, would count too."""
    costs = {statement: [] for statement in statements}
    for _ in range(9):
        for statement in statements:
            code = (f"import time; s = time.process_time_ns(); {statement}; "
                    "print(time.process_time_ns() - s)")
            costs[statement].append(int(subprocess.check_output([sys.executable, "-P", "-c", code],
                                                                cwd="/")))
    return [min(values) for values in costs.values()]


def numpy_sum():
    """A sum over a mapped buffer and over private memory, interleaved: ratio of the best of each."""
    count = 4 << 20
    buffer = ndma.empty(count, "f4")
    mapped, private = buffer.array(), np.empty(count, "f4")
    private[:] = 1
    best = {}
    for _ in range(9):
        for key, array in (("mapped", mapped), ("private", private)):
            start = time.perf_counter_ns()
            array.sum()
            best[key] = min(best.get(key, 1 << 62), time.perf_counter_ns() - start)
    report("numpy_sum_mapped", "ratio", best["private"] / best["mapped"])


def main():
    if "wall" in sys.argv:
        numpy_sum()
        return
    block = bytes(4096)
    frombuffer = loop(lambda: np.frombuffer(block, "<i2"))
    source = ndma.open("sim0")
    source.paced = False
    source.pattern = "off"
    for name, convert in (("python_step_array", False), ("python_step_asarray", True)):
        step = stream_step(source, convert)
        report(name, "ratio", step / frombuffer, step=step, np_frombuffer=frombuffer)

    buffer = ndma.empty((64, 64), "f4")
    view = memoryview(np.zeros((64, 64), "f4"))
    asarray = loop(lambda: np.asarray(view))
    alone, alone_as = loop(buffer.array), loop(lambda: np.asarray(buffer))
    keep = buffer.array()
    held, held_as = loop(buffer.array), loop(lambda: np.asarray(buffer))
    del keep
    for name, value in (("python_array_held", held), ("python_array_alone", alone),
                        ("python_asarray_held", held_as), ("python_asarray_alone", alone_as)):
        report(name, "ratio", value / asarray, ours=value, np_asarray=asarray)

    plain, both = imports("import numpy", "import numpy, ndma")
    report("python_import", "ratio", both / plain, numpy=plain, both=both)


main()
