#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ndma record --direct` to an NVMe disk, as root: how many writes it has at a time. What the disk holds is lost.
Speaks TAP."""
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import backends  # noqa: E402

DISK = Path("/dev/nvme0n1")
INFLIGHT = Path("/sys/block/nvme0n1/inflight")
FRAMES, SAMPLES, CHANNELS = 100, 65536, 2


class Case:
    """A file system of its own on the disk, for one test."""

    def __init__(self, backend):
        self.environment = dict(os.environ, NDMA_BACKEND=backend)
        self.backend = backend
        self.directory = Path(tempfile.mkdtemp())
        self.output = self.directory / "run.npy"

    def mount(self):
        subprocess.run(["mkfs.ext4", "-q", "-F", DISK], check=True)
        subprocess.run(["mount", "-t", "ext4", DISK, self.directory], check=True)

    def record(self, *arguments):
        """Records, and returns the mean number of requests that the disk had when it had any, and the most."""
        seen = []
        over = threading.Event()

        def watch():
            while not over.is_set():
                seen.append(sum(map(int, INFLIGHT.read_text().split())))

        watcher = threading.Thread(target=watch)
        watcher.start()
        done = subprocess.run(["ndma", "record", "sim0", "-n", str(FRAMES), "-s", str(SAMPLES), "-c", str(CHANNELS),
                               "-b", "64", "--set", "pattern=counter", "--set", "paced=0", "--direct", "--checksum",
                               "--replace", "-o", str(self.output), *map(str, arguments)],
                              env=self.environment, capture_output=True, text=True)
        over.set()
        watcher.join()
        assert done.returncode == 0 and "--direct: io_uring with O_DIRECT" in done.stderr, done
        busy = [count for count in seen if count]
        return sum(busy) / max(len(busy), 1), max(seen)


def a_disk_has_several_writes_at_a_time_and_every_frame(case):
    if not Path("/usr/sbin/mkfs.ext4").exists() or not DISK.exists():
        return "this guest has no mkfs.ext4, or no disk"
    case.mount()
    try:
        for order in "planar", "interleaved":
            mean, most = case.record("--order", order)
            print(f"# {order}: {mean:.1f} requests at a time, {most} at most")
            assert most > 1, "the disk never had more than one write"
            subprocess.run(["sync"], check=True)
            Path("/proc/sys/vm/drop_caches").write_text("3")
            data = np.load(case.output, mmap_mode="r")
            frames = data if order == "planar" else data.transpose(0, 2, 1)
            numbers = np.arange(FRAMES * SAMPLES, dtype=np.uint64).astype("<u2").view("<i2").reshape(FRAMES, SAMPLES)
            assert (frames[:, 0] == numbers).all() and (frames[:, 1] == numbers + np.int16(4096)).all()
            about = json.loads(case.output.with_suffix(".json").read_text())
            assert about["shape"][0] == FRAMES and case.output.stat().st_size == 4096 + data.nbytes
            del data, frames
            assert subprocess.run(["ndma", "repair", case.output], capture_output=True).returncode == 0
        mean, most = case.record("--depth", 1)
        print(f"# with --depth 1: {mean:.1f} requests at a time, {most} at most")
    finally:
        subprocess.run(["umount", case.directory], check=True)
    return None


if __name__ == "__main__":
    sys.exit(backends.main("recorder_disk", (a_disk_has_several_writes_at_a_time_and_every_frame,), Case))
