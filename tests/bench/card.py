# SPDX-License-Identifier: MIT
"""What Python costs on frames of 1 MiB from the digitizer: the sum of each as it comes from a stream,
beside the same sum over private memory. By wall clock, one after the other, several times."""

import json
import sys
import time

import numpy as np

import ndma

ROUNDS, FRAMES = 15, 16
SAMPLES = (1 << 20) // 2


def streamed(source):
    """Seconds for all frames, which are ready before they are taken."""
    with source.stream(samples=SAMPLES, channels=1, frames=FRAMES, count=FRAMES) as stream:
        while stream.stats.completed < FRAMES:
            time.sleep(0.001)
        start = time.perf_counter()
        for frame in stream:
            frame.array().sum()
        return time.perf_counter() - start


def private(arrays):
    start = time.perf_counter()
    for array in arrays:
        array.sum()
    return time.perf_counter() - start


def main():
    source = ndma.open(sys.argv[1] if len(sys.argv) > 1 else "vdig0")
    source.paced, source.pattern = False, "counter"
    arrays = [np.arange(SAMPLES, dtype="<i2").reshape(1, -1) for _ in range(FRAMES)]
    pairs = [(streamed(source), private(arrays)) for _ in range(ROUNDS)]
    # The best of each: what other programs of the machine take is not Python's.
    ours, alone = (min(column) / FRAMES * 1e6 for column in zip(*pairs))
    print(json.dumps({"name": "card_python_sum_1MiB", "unit": "ratio", "value": round(ours / alone, 3),
                      "peers": {"µs a frame": round(ours), "private memory": round(alone)}}))


main()
