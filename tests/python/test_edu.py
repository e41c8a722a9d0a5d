# SPDX-License-Identifier: MIT
"""The edu card: what its DMA brings is right to the byte. A copy takes it 100 ms."""

import errno
import gc
import os
import signal
import sys
import textwrap
import threading

import numpy as np
import pytest

import ndma

from conftest import run_python

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


@pytest.fixture
def session(monkeypatch):
    """As if somebody typed."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


def test_a_cell_that_is_run_again_gets_its_stream(edu, session, monkeypatch):
    monkeypatch.setattr(sys, "last_traceback", None, raising=False)
    cell = """
        source = ndma.open("edu0")
        stream = source.stream(samples=64, frames=3, timeout=30)
        stream.start()
        frame = next(stream)
    """
    names = {"ndma": ndma}
    exec(textwrap.dedent(cell), names)
    for _ in range(3):
        old, frame = names["stream"], names["frame"]
        with pytest.warns(RuntimeWarning, match="edu0 had an older stream of this session"):
            exec(textwrap.dedent(cell), names)
        assert old.closed and not names["stream"].closed
        with pytest.raises(ValueError, match="a newer one of this session has replaced it"):
            next(old)
        assert frame.array().shape == (1, 64)
    names["stream"].close()


def test_a_cell_that_raised_is_run_again(edu, session):
    def cell():
        for frame in edu.stream(64, frames=3, timeout=30):
            raise KeyError(frame.sequence)

    with pytest.raises(KeyError) as kept:
        cell()
    with pytest.warns(RuntimeWarning), pytest.raises(KeyError):
        cell()
    assert kept.value.args == (0,)


def test_a_stream_that_is_read_is_not_replaced(edu, session):
    with edu.stream(64, frames=3, timeout=30) as stream:
        for frame in stream:
            with pytest.raises(OSError, match="This program has <ndma.Stream of edu0.*close"):
                edu.stream(64, frames=3)
            break
        del frame
    # In a thread of its own, between two frames.
    with edu.stream(64, frames=3, timeout=30) as stream:
        go, has = threading.Event(), threading.Event()

        def work():
            next(stream)
            has.set()
            go.wait()

        thread = threading.Thread(target=work)
        thread.start()
        has.wait()
        with pytest.raises(OSError, match="close"):
            edu.stream(64, frames=3)
        go.set()
        thread.join()
        with pytest.warns(RuntimeWarning):
            edu.stream(64, frames=3).close()
        assert stream.closed


def test_a_read_replaces_no_stream(edu, session):
    with edu.stream(64, frames=3), pytest.raises(OSError, match="its close\\(\\) gives it back"):
        edu.read(64)


def test_a_program_is_told_what_would_free_the_source(edu):
    with edu.stream(64, frames=3) as stream:
        with pytest.raises(OSError, match="This program has <ndma.Stream of edu0") as caught:
            ndma.open("edu0").stream(64, frames=3)
        assert caught.value.errno == errno.EBUSY and not stream.closed
        out = run_python("""
            import sys, ndma
            sys.ps1 = ">>> "
            try:
                ndma.open("edu0").stream(64, frames=3)
            except OSError as error:
                print(error)
        """)
        assert "Another program has it (fuser -v /dev/ndma/edu0 tells which)" in out


def test_a_stream_that_only_garbage_keeps_is_in_nobodys_way(edu):
    gc.disable()
    try:
        knot = [edu.stream(64, frames=3)]
        knot.append(knot)
        del knot
        edu.stream(64, frames=3).close()
    finally:
        gc.enable()


def test_the_card_says_what_it_is(edu):
    assert edu.name == "edu0" and not edu.simulated
    assert "edu0" in repr(edu) and ":" in edu.device and "1 channel>" in repr(edu)
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
