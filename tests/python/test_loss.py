# SPDX-License-Identifier: MIT
"""Loss that cannot be missed, by warnings that cannot fill the memory, or by an exception."""

import time
import tracemalloc
import warnings

import pytest

import ndma

from conftest import run_python


@pytest.fixture
def lossy(fast):
    """Every other frame is lost."""
    fast.fault_drop = 2
    return fast


def test_the_first_loss_warns_at_once_and_the_rest_at_close(lossy):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with lossy.stream(64, count=100) as stream:
            frames = [frame.dropped for frame in stream]
    lost = sum(frames)
    assert lost >= 40
    assert [w.category for w in caught] == [ndma.LossWarning] * 2
    first, last = (str(w.message) for w in caught)
    assert "sim0 lost 1 frames before frame" in first
    assert f"lost {lost} frames in all, {lost - 1} of them since" in last
    assert caught[0].filename == __file__
    assert issubclass(ndma.LossWarning, RuntimeWarning)


def test_a_lossless_stream_says_nothing(fast):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fast.stream(64, count=20) as stream:
            list(frame.sequence for frame in stream)


def test_warnings_come_at_most_once_a_second(lossy):
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lossy.stream(64) as stream:
            for frame in stream:
                if time.monotonic() - begun > 1.3:
                    break
    assert 2 <= len(caught) <= 3 + (time.monotonic() - begun)


def test_a_thousand_losses_leave_no_trace_in_the_callers_module():
    run_python("""
        import sys, warnings, ndma
        warnings.simplefilter("default")
        sys.stderr = open("/dev/null", "w")
        source = ndma.open("sim0")
        source.paced = False
        source.fault_drop = 2
        for _ in range(50):
            with source.stream(16, channels=1, count=20) as stream:
                for frame in stream:
                    pass
        registry = globals().get("__warningregistry__", {})
        assert len(registry) <= 2, registry
    """)


def test_memory_is_flat_over_many_losses(lossy):
    def run(frames):
        with lossy.stream(16, channels=1, count=frames) as stream:
            for frame in stream:
                pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(100)
        tracemalloc.start()
        run(100)
        before = tracemalloc.get_traced_memory()[0]
        run(2000)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert after - before < 4096


def test_on_loss_raise_carries_the_frame(lossy):
    with lossy.stream(64, count=20, on_loss="raise") as stream:
        with pytest.raises(ndma.FrameLossError) as caught:
            for frame in stream:
                last = frame.sequence
        frame = caught.value.frame
        assert isinstance(frame, ndma.Frame)
        assert frame.dropped == frame.sequence - last - 1 > 0
        assert str(frame.dropped) in str(caught.value)
        assert frame.array().shape[1] == 64
        assert isinstance(caught.value, RuntimeError)
        del caught
        last = frame.sequence
        with pytest.raises(ndma.FrameLossError):
            for frame in stream:
                last = frame.sequence
        assert last < 20


def test_on_loss_ignore_still_counts(lossy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with lossy.stream(64, count=20, on_loss="ignore") as stream:
            frames = [(frame.sequence, frame.dropped) for frame in stream]
        assert sum(dropped for _, dropped in frames) + len(frames) == frames[-1][0] + 1
        assert stream.stats.dropped >= 9


def test_a_warning_made_an_error_loses_no_frame(lossy):
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = lossy.stream(64, count=20)
        while True:
            try:
                seen.append(next(stream).sequence)
            except ndma.LossWarning:
                continue
            except StopIteration:
                break
        with pytest.raises(ndma.LossWarning):
            stream.close()
        assert stream.closed
    # With none of them lost by the exceptions every gap is the source's.
    assert len(seen) == stream.stats.completed


def test_frame_loss_error_has_a_frame_attribute_from_the_start():
    assert ndma.FrameLossError.frame is None
