# SPDX-License-Identifier: MIT
"""The edu card: what its DMA brings is right to the byte. A copy takes it 100 ms."""

import errno
import os
import signal

import numpy as np
import pytest

import ndma

pytestmark = [pytest.mark.guest, pytest.mark.device]

# As in ndma_edu.h: what the card moves at a time, and so where the pattern begins again.
CHUNK = 4088


def pattern(hw_sequence, count):
    at = np.arange(count, dtype="u8") % CHUNK
    return ((hw_sequence * 31 + at + (at >> 8)) & 0xFF).astype("u1")


@pytest.fixture
def edu():
    with ndma.open("edu0") as source:
        yield source


@pytest.mark.parametrize("samples", [100, CHUNK, 4096, 2 * 4096 + 5])
def test_frames_are_right_to_the_byte(edu, samples):
    with edu.stream(samples, frames=3, count=3, timeout=30) as stream:
        got = 0
        for frame in stream:
            a = frame.array()
            assert a.shape == (1, samples) and a.dtype == np.dtype("u1")
            assert (a[0] == pattern(frame.hw_sequence, samples)).all()
            assert frame.sequence == got and frame.dropped == 0
            got += 1
        assert got == 3


def test_a_read_is_right_to_the_byte(edu):
    x = edu.read(samples=5000, timeout=30)
    assert x.shape == (1, 5000)
    assert any((x[0] == pattern(sequence, 5000)).all() for sequence in range(4))


def test_the_card_says_what_it_is(edu):
    assert edu.name == "edu0" and not edu.simulated
    assert "edu0" in repr(edu) and ":" in edu.device
    assert edu.channels[0].name == "pattern"
    assert edu.formats[0].dtype == np.dtype("u1")


def test_a_buffer_that_the_card_reaches(edu):
    buf = ndma.zeros(1 << 16, "u1", source=edu)
    buf[:] = 7
    assert buf.array().sum() == 7 * (1 << 16)


def test_a_buffer_is_filled_in_place(edu):
    buf = ndma.zeros((1, 5000), "u1", source=edu)
    edu.read_into(buf, timeout=30)
    assert (buf.array()[0] == pattern(0, 5000)).all()
    assert not buf.aborted and not buf.holders()


def test_a_fill_that_takes_too_long_is_stopped(edu):
    buf = ndma.zeros((1, 1 << 20), "u1", source=edu)
    with pytest.raises(TimeoutError, match="edu0"):
        edu.read_into(buf, timeout=0.2)
    # The device had the buffer itself, and has given it back.
    assert buf.aborted == 1
    buf[:] = 7
    edu.read(100, timeout=30)
    assert (buf.array() == 7).all()


def test_a_view_sends_a_read_through_frames(edu):
    buf = ndma.zeros((1, 3000), "u1", source=edu)
    view = buf.array()
    with pytest.raises(TimeoutError):
        edu.read_into(buf, timeout=0.01)
    assert not buf.aborted and not view.any()
    edu.read_into(buf, timeout=30)
    assert (view[0] == pattern(0, 3000)).all()


def test_a_signal_handler_that_raises_stops_a_fill(edu):
    class Enough(Exception):
        pass

    def handler(number, frame):
        raise Enough

    buf = ndma.zeros((1, 1 << 20), "u1", source=edu)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Enough):
            edu.read_into(buf)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert buf.aborted == 1 and not buf.holders()
    buf[:] = 1


def test_a_signal_handler_that_forks_in_a_fill_leaves_the_child_an_error(edu):
    buf = ndma.zeros((1, 10 * CHUNK), "u1", source=edu)
    child = None

    def handler(number, frame):
        nonlocal child
        child = os.fork()
        if not child:
            buf.fileno()    # by a handle of its own from here on

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        edu.read_into(buf, timeout=30)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    except PermissionError:
        if not child:
            buf.close()
            os._exit(0)
        raise
    finally:
        if child == 0:
            os._exit(1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (buf.array()[0] == pattern(0, 10 * CHUNK)).all()


def test_a_held_frame_is_not_written_to(edu):
    with edu.stream(256, frames=3, timeout=30, on_loss="ignore") as stream:
        kept = next(stream)
        before = kept.array().copy()
        for _ in range(4):
            next(stream)
        assert (kept.array() == before).all()


def test_a_second_stream_is_refused_while_one_is_open(edu):
    with edu.stream(256, frames=3):
        with pytest.raises(OSError) as caught:
            edu.stream(256, frames=3)
        assert caught.value.errno == errno.EBUSY
    with edu.stream(256, frames=3):
        pass


def test_a_frame_outlives_stream_and_source(edu):
    with edu.stream(512, frames=3, count=1, timeout=30) as stream:
        a = next(stream).array()
    edu.close()
    assert (a[0] == pattern(0, 512)).all()
