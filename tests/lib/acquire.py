#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ndma-acquire on every backend: what it writes, and how it ends. Speaks TAP."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import backends

COMPLETE, TROUBLE, LOSS = 0, 1, 2


class Case:
    """One run of ndma-acquire in a directory of its own."""

    def __init__(self, backend):
        self.directory = tempfile.TemporaryDirectory()
        self.environment = dict(os.environ, NDMA_BACKEND=backend)
        self.backend = backend
        self.output = Path(self.directory.name) / "run.npy"

    def start(self, *arguments, source="sim0", stdout=subprocess.PIPE):
        while self.backend == "kernel" and source == "sim0" and not Path("/dev/ndma/sim0").exists():
            time.sleep(0.01)    # one that vanished is plugged in again
        return subprocess.Popen(
            ["ndma-acquire", source, "-o", str(self.output), *map(str, arguments)],
            env=self.environment, stdout=stdout, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, (out or "") + err

    def recording(self):
        sidecar = json.loads(self.output.with_suffix(".json").read_text())
        return np.load(self.output, mmap_mode="r"), sidecar


def counter_frames(first, count, samples, channels=2):
    """What the counter pattern makes: channel c is c sixteenths of the range ahead."""
    numbers = np.arange(first, first + count * samples).reshape(count, 1, samples)
    return (numbers + 4096 * np.arange(channels).reshape(1, channels, 1)).astype("<i2")


def a_whole_recording_is_what_was_made(case):
    status, text = case.run("-n", 50, "-s", 200, "-c", 2, "--set", "pattern=counter",
                            "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, sidecar = case.recording()
    assert data.shape == (50, 2, 200) and data.dtype == np.dtype("<i2")
    assert (data == counter_frames(0, 50, 200)).all()
    assert sidecar["frames"]["sequence"] == list(range(50))
    assert sidecar["backend"] == case.backend and sidecar["simulated"] is True
    assert sidecar["rate"] == 1e6 and sidecar["controls"]["pattern"] == "counter"
    assert [channel["unit"] for channel in sidecar["channels"]] == ["V", "V"]
    assert not any(sidecar["loss"].values())


def interleaved_memory_makes_the_same_file(case):
    status, text = case.run("-n", 20, "-s", 200, "-c", 2, "--order", "interleaved",
                            "--set", "pattern=counter", "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, _ = case.recording()
    assert (data == counter_frames(0, 20, 200)).all()


def iq_samples_have_an_axis_of_two(case):
    status, text = case.run("-n", 4, "-s", 128, "--iq", "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, sidecar = case.recording()
    assert data.shape == (4, 8, 128, 2) and sidecar["axes"][-1] == "iq"


def lost_frames_are_told_and_end_in_status_2(case):
    status, text = case.run("-n", 40, "-s", 100, "-c", 1, "--set", "fault_drop=5",
                            "--set", "paced=0", "--check")
    assert status == LOSS, text
    data, sidecar = case.recording()
    frames = sidecar["frames"]
    assert len(data) == 40
    assert [n for n in range(50) if n % 5 != 4][:40] == frames["sequence"]
    gaps = np.diff([-1, *frames["sequence"]]) - 1
    assert frames["dropped"] == gaps.tolist()
    assert sidecar["loss"]["dropped"] == sum(gaps) and f"{sum(gaps)} frames dropped" in text


def short_frames_are_filled_up_with_zeros_and_told(case):
    status, text = case.run("-n", 10, "-s", 100, "-c", 2, "--set", "fault_short=5",
                            "--set", "paced=0", "--set", "pattern=square", "--check")
    assert status == LOSS, text
    data, sidecar = case.recording()
    assert sidecar["frames"]["valid"] == [100, 100, 100, 100, 50] * 2
    assert sidecar["loss"]["partial"] == 2
    assert (data[4, :, 50:] == 0).all() and (data[4, :, :50] != 0).all()


def the_disk_takes_frames_directly(case):
    status, text = case.run("-n", 20, "-s", 4096, "-c", 2, "--direct", "--set", "pattern=counter",
                            "--set", "paced=0")
    if "Invalid argument" in text or "not supported" in text:
        return "this guest has no O_DIRECT on its temporary files"
    assert status == COMPLETE, text
    data, _ = case.recording()
    assert (data == counter_frames(0, 20, 4096)).all()
    return None


def an_interrupted_recording_is_whole_up_to_there(case):
    process = case.start("-n", 1000000, "-s", 1000)
    while not case.output.exists() or case.output.stat().st_size < 100000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == LOSS, out + err
    data, sidecar = case.recording()
    assert len(data) == len(sidecar["frames"]["sequence"]) > 0
    assert case.output.stat().st_size == 4096 + data.nbytes


def what_cannot_be_is_refused_with_words_and_status_1(case):
    for arguments, words in (
            (("-n", 0, "-s", 10), "expected a number from 1"),
            (("-n", 1), "how many samples"),
            (("-n", 1, "-s", 10, "--set", "rate=9e12"), "nearest is 4000000000"),
            (("-n", 1, "-s", 10, "--set", "pattern=triangle"), "expected one of sine"),
            (("-n", 1, "-s", 10, "--set", "volume=1"), "has no control"),
            (("-n", 1, "-s", 10, "--set", "amplitude=0.12345"), "nearest is 0.123"),
            (("-n", 1, "-s", 10, "-t", "<d"), "does not make"),
            (("-n", 1, "-s", 10, "-b", 1), "takes 2 to"),
            (("-n", 1, "-s", 100, "--direct"), "multiple of 4096")):
        status, text = case.run(*arguments)
        assert status == TROUBLE and words in text, (arguments, status, text)
    status, text = case.run("-n", 1, "-s", 1, source="sim99")
    assert status == TROUBLE and "sim0" in text, text


def a_card_that_stops_is_trouble_and_keeps_what_came(case):
    status, text = case.run("-n", 100, "-s", 100, "--set", "fault_stall=7", "--set", "paced=0",
                            "--timeout", "0.2")
    assert status == TROUBLE and "0.200 s" in text, text
    assert len(case.recording()[0]) == 7


def a_card_that_vanishes_is_trouble_and_keeps_what_came(case):
    status, text = case.run("-n", 10, "-s", 100, "--set", "fault_vanish=4", "--set", "paced=0")
    assert status == TROUBLE and "sim0 is gone" in text, text
    assert len(case.recording()[0]) == 4


def quiet_is_quiet_about_success_alone(case):
    assert case.run("-q", "-n", 9, "-s", 100, "--set", "paced=0") == (COMPLETE, "")
    status, text = case.run("-q", "-n", 9, "-s", 100, "--set", "paced=0", "--set", "fault_drop=5")
    assert status == LOSS and "2 frames dropped" in text and text.count("\n") == 1, text


def a_summary_that_nobody_gets_is_trouble(case):
    with open("/dev/full", "w", encoding="utf-8") as full:
        status, text = case.run("-n", 1, "-s", 100, stdout=full)
    assert status == TROUBLE and "standard output" in text, text


def a_simulation_that_nobody_asked_for_is_told(case):
    if case.backend == "kernel":
        return
    text = case.run("-n", 1, "-s", 100)[1]
    assert "this process simulates" not in text, text
    del case.environment["NDMA_BACKEND"]
    status, text = case.run("-n", 1, "-s", 100)
    loaded = Path("/sys/class/ndma/heap").exists()
    assert status == COMPLETE and ("this process simulates sim0" in text) is not loaded, text


def the_version_is_the_librarys(case):
    done = subprocess.run(["ndma-acquire", "--version"], env=case.environment, capture_output=True, text=True)
    assert done.returncode == COMPLETE and done.stdout.startswith("ndma-acquire 0."), done


TESTS = (a_whole_recording_is_what_was_made, interleaved_memory_makes_the_same_file,
         iq_samples_have_an_axis_of_two, lost_frames_are_told_and_end_in_status_2,
         short_frames_are_filled_up_with_zeros_and_told, the_disk_takes_frames_directly,
         an_interrupted_recording_is_whole_up_to_there,
         what_cannot_be_is_refused_with_words_and_status_1,
         a_card_that_stops_is_trouble_and_keeps_what_came,
         a_card_that_vanishes_is_trouble_and_keeps_what_came, quiet_is_quiet_about_success_alone,
         a_summary_that_nobody_gets_is_trouble, a_simulation_that_nobody_asked_for_is_told,
         the_version_is_the_librarys)


if __name__ == "__main__":
    sys.exit(backends.main("acquire", TESTS, Case))
