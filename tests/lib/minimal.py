#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lib/examples/minimal.c on every backend: no loss and no error ends in success, or in silence. Speaks TAP."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import backends

PROGRAM = os.environ.get("NDMA_MINIMAL", "/usr/libexec/ndma/minimal_faults")
COUNT = 10


class Case:
    """Runs of the program, with minimal_faults.c between it and the library."""

    def __init__(self, backend):
        self.backend = backend

    def run(self, *settings, source="sim0", signals=False, stdout=subprocess.PIPE):
        """Status, number of frames, and what it complained of."""
        while self.backend == "kernel" and not Path("/dev/ndma/sim0").exists():
            time.sleep(0.01)    # one that vanished is plugged in again
        environment = dict(os.environ, NDMA_BACKEND=self.backend, MINIMAL_SET=" ".join(settings))
        if signals:
            environment["MINIMAL_SIGNALS"] = "1"
        done = subprocess.run([PROGRAM, source], env=environment, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, (done.stdout or "").count("frame "), done.stderr

    def fails(self, frames, words, *settings):
        status, came, said = self.run("paced=0", *settings)
        assert (status, came) == (1, frames) and words in said, (status, came, said)
        assert said.count("\n") == 1, said


def ten_whole_frames_are_success_without_a_word(case):
    assert case.run("paced=0") == (0, COUNT, "")


def frames_lost_on_the_way_are_told(case):
    case.fails(8, "8 of 10 frames came whole", "fault_drop=5")


def a_loss_of_the_last_frame_alone_is_told(case):
    case.fails(9, "9 of 10 frames came whole", "fault_drop=10")


def a_loss_of_every_frame_is_told(case):
    case.fails(0, "0 of 10 frames came whole", "fault_drop=1")


def a_short_frame_is_told(case):
    case.fails(COUNT, "9 of 10 frames came whole", "fault_short=10")


def a_frame_with_an_error_is_told(case):
    case.fails(COUNT, "9 of 10 frames came whole", "fault_error=10")


def a_card_that_vanishes_is_told(case):
    case.fails(4, "sim0 is gone", "fault_vanish=4")


def a_card_that_stops_is_told_in_time(case):
    case.fails(4, "too few frames came from sim0", "fault_stall=4")


def signals_are_neither_an_end_nor_an_error(case):
    assert case.run("paced=0", "trigger=2", signals=True) == (0, COUNT, "")


def an_interrupt_is_no_success(case):
    process = subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, text=True, env=dict(
        os.environ, NDMA_BACKEND=case.backend, MINIMAL_SET="rate=10000"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, process.returncode


def a_source_that_is_not_there_is_told(case):
    status, frames, said = case.run(source="sim99")
    assert (status, frames) == (1, 0) and "sim99" in said, (status, frames, said)


def output_that_nobody_gets_is_told(case):
    with open("/dev/full", "w", encoding="utf-8") as full:
        status, _, said = case.run("paced=0", stdout=full)
    assert status == 1 and "standard output" in said, (status, said)


TESTS = (ten_whole_frames_are_success_without_a_word, frames_lost_on_the_way_are_told,
         a_loss_of_the_last_frame_alone_is_told, a_loss_of_every_frame_is_told,
         a_short_frame_is_told, a_frame_with_an_error_is_told, a_card_that_vanishes_is_told,
         a_card_that_stops_is_told_in_time, signals_are_neither_an_end_nor_an_error,
         an_interrupt_is_no_success, a_source_that_is_not_there_is_told, output_that_nobody_gets_is_told)


if __name__ == "__main__":
    sys.exit(backends.main("minimal", TESTS, Case))
