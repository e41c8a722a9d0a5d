# SPDX-License-Identifier: MIT
"""What Python costs on frames of 1 MiB from the digitizer: the sum of each as it comes from a stream,
beside the same sum over private memory. By wall clock, frame by frame in turn."""

import json
import statistics
import sys
import time

import numpy as np

import ndma

COUNT, FRAMES = 256, 16
SAMPLES = (1 << 20) // 2


def pairs(source, arrays):
    """Seconds for each frame, ready before it is taken, and for a private array."""
    with source.stream(samples=SAMPLES, channels=1, frames=FRAMES, count=COUNT) as stream:
        for number in range(COUNT):
            while stream.stats.completed <= number:
                time.sleep(0.001)
            array = arrays[number % FRAMES]
            start = time.perf_counter()
            frame = next(stream)
            frame.array().sum()
            del frame
            between = time.perf_counter()
            array.sum()
            yield between - start, time.perf_counter() - between


def main():
    source = ndma.open(sys.argv[1] if len(sys.argv) > 1 else "vdig0")
    source.paced, source.pattern = False, "counter"
    arrays = [np.arange(SAMPLES, dtype="<i2").reshape(1, -1) for _ in range(FRAMES)]
    # Without the first of each frame, which maps its memory. In pairs: what other programs of the
    # machine take, they take from both.
    times = list(pairs(source, arrays))[FRAMES:]
    ours, alone = (statistics.median(column) * 1e6 for column in zip(*times))
    print(json.dumps({"name": "card_python_sum_1MiB", "unit": "ratio", "value": round(ours / alone, 3),
                      "peers": {"µs a frame": round(ours), "private memory": round(alone)}}))


main()
