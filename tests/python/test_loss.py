# SPDX-License-Identifier: MIT
"""Loss that cannot be missed, by warnings that cannot fill the memory, or by an exception."""

import time
import tracemalloc
import warnings

import pytest

import ndma

from conftest import ready, run_python


@pytest.fixture
def lossy(fast):
    """Every other frame is lost."""
    fast.fault_drop = 2
    return fast


def test_the_first_loss_warns_at_once_and_the_rest_at_close(lossy):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with lossy.stream(64, count=99) as stream:
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
        stream = lossy.stream(64, count=19)
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


@pytest.fixture
def curtailed(fast):
    """The last frame of ten is lost, so that no frame tells of it."""
    fast.fault_drop = 10
    return fast


def test_a_loss_at_the_end_of_a_run_warns(curtailed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with curtailed.stream(64, frames=16, count=10) as stream:
            assert len([frame.sequence for frame in stream]) == 9
    assert [str(w.message) for w in caught] == [
        "sim0 lost 1 frames after frame 8, the last that came: 1 so far"]


def test_the_warning_at_the_end_of_a_run_names_what_none_has_named(lossy):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with lossy.stream(64, count=100) as stream:
            assert sum(1 for _ in stream) == 50
    assert len(caught) == 2
    assert ("lost 1 frames after frame 98, the last that came: 50 so far, 49 of them since the last"
            in str(caught[1].message))


def test_a_loss_at_the_end_of_a_run_is_raised_once(curtailed):
    seen = []
    with curtailed.stream(64, frames=16, count=10, on_loss="raise") as stream:
        with pytest.raises(ndma.FrameLossError, match="lost 1 frames after frame 8") as caught:
            for frame in stream:
                seen.append(frame.sequence)
        assert caught.value.frame is None
        with pytest.raises(StopIteration):
            next(stream)
        # The gap before the next run's first frame is the same one.
        del frame
        stream.start(count=5)
        assert [(frame.sequence, frame.dropped) for frame in stream] == [
            (10, 1), (11, 0), (12, 0), (13, 0), (14, 0)]
    assert seen == list(range(9))


def test_a_run_that_loses_all_its_frames_is_not_silent(fast):
    fast.fault_drop = 1
    with fast.stream(64, count=10, on_loss="raise") as stream:
        with pytest.raises(ndma.FrameLossError, match="sim0 lost 10 frames and none came"):
            next(stream)


def test_a_loss_at_the_end_that_nobody_came_to_is_told_at_close(curtailed):
    stream = curtailed.stream(64, frames=16, count=10, on_loss="raise")
    seen = [next(stream).sequence for _ in range(9)]
    ready(stream, 10)
    with pytest.warns(ndma.LossWarning, match="lost 1 frames in all"):
        stream.close()
    assert seen == list(range(9))


def test_a_stream_that_close_stops_does_not_tell_of_frames_that_nobody_awaits(source):
    source.rate = 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with source.stream(100, frames=8) as stream:
            kept = [next(stream) for _ in range(8)]
            ready(stream, 9)
    assert len(kept) == 8


def test_frame_loss_error_has_a_frame_attribute_from_the_start():
    assert ndma.FrameLossError.frame is None
