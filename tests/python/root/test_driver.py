# SPDX-License-Identifier: MIT
"""Drivers built outside ndma's tree, by what is installed for them: the template, and one that lacks something."""

import subprocess
from pathlib import Path

import numpy
import pytest

import ndma

FRAMES = 20


@pytest.fixture
def ramp():
    subprocess.run(["modprobe", "ndma_ramp"], check=True)
    yield "ramp0"
    subprocess.run(["rmmod", "ndma_ramp"], check=True)


def test_the_template_counts_without_a_gap_that_is_not_told(ramp):
    expected = 0
    with ndma.open(ramp) as source, source.stream(samples=256, frames=8) as stream:
        for frame in stream:
            expected += 256 * frame.dropped
            array = frame.array()
            assert array.shape == (1, 256) and array.dtype == "<u4"
            assert numpy.array_equal(array[0], numpy.arange(expected, expected + 256))
            expected += 256
            del array
            if frame.sequence >= FRAMES:
                break
    assert expected > FRAMES * 256


def test_a_driver_stays_while_its_stream_is_open_and_leaves_after_it(ramp):
    with ndma.open(ramp) as source, source.stream(samples=256, frames=8) as stream:
        next(stream)
        assert subprocess.run(["rmmod", "ndma_ramp"], stderr=subprocess.DEVNULL).returncode
        next(stream)


def log():
    return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(("lacks", "said"), [
    ("ops", "no ops: start, stop and queue are required"),
    ("start", "no op start, which is required"),
    ("stop", "no op stop, which is required"),
    ("queue", "no op queue, which is required"),
    ("interface", "built for interface 2 of ndma_source.h, and this is 1; build it anew"),
])
def test_an_unfit_driver_is_refused_and_told_why(lacks, said):
    before = len(log())
    assert subprocess.run(["modprobe", "ndma_unfit", f"lacks={lacks}"], stderr=subprocess.DEVNULL).returncode
    assert not Path("/dev/ndma/unfit0").exists()
    assert any(said in line for line in log()[before:])


def test_the_same_driver_is_registered_when_it_lacks_nothing():
    subprocess.run(["modprobe", "ndma_unfit"], check=True)
    try:
        assert "unfit0" in ndma.sources()
    finally:
        subprocess.run(["rmmod", "ndma_unfit"], check=True)
