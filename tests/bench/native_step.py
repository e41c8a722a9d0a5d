# SPDX-License-Identifier: MIT
"""One kind of Python step, as often as the second argument says; native.py counts instructions.

native_step.py frombuffer|array|asarray|nothing COUNT, or native_step.py sum: wall clock.
"""

import itertools
import json
import sys
import time

import numpy as np

import ndma

FRAMES = 4096


def ready_frames(count):
    """A stream whose frames are all there, and whose card has gone to sleep."""
    source = ndma.open("sim0")
    source.pattern, source.paced = "off", False
    stream = source.stream(samples=2048, frames=FRAMES, count=FRAMES)
    stream.start()
    while stream.stats.completed < FRAMES:
        time.sleep(0.001)
    return itertools.islice(stream, count)


def step(kind, count):
    if kind == "frombuffer":
        block = bytes(4096)
        for _ in itertools.repeat(None, count):
            np.frombuffer(block, "<i2")
    elif kind == "array":
        for frame in ready_frames(count):
            frame.array()
    elif kind == "asarray":
        for frame in ready_frames(count):
            np.asarray(frame)
    else:
        for _ in itertools.repeat(None, count):
            pass


def read_speed():
    """How fast NumPy sums over a mapped buffer, as a ratio to memory of its own: best of each."""
    count = 4 << 20
    buffer = ndma.empty(count, "f4")
    mapped, private = buffer.array(), np.empty(count, "f4")
    private[:] = 1
    best = {}
    for _ in range(15):
        for key, array in (("mapped", mapped), ("private", private)):
            start = time.perf_counter_ns()
            array.sum()
            best[key] = min(best.get(key, 1 << 62), time.perf_counter_ns() - start)
    print(json.dumps({"name": "native_numpy_sum_mapped", "unit": "ratio",
                      "value": round(best["private"] / best["mapped"], 3), "peers": {}}))


if sys.argv[1] == "sum":
    read_speed()
else:
    step(sys.argv[1], int(sys.argv[2]))
