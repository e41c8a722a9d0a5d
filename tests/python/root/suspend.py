# SPDX-License-Identifier: MIT
"""The machine sleeps, and streams with it: by pm_test, which does all of it but the last step.

Two depths: "devices" is what a suspend refused by another driver is too, "core" stops processors and clocks.
For tests/vm/guest/asleep, which says what a guest has to do without meanwhile. ROUNDS in all, or
$NDMA_SUSPEND_ROUNDS.
"""
import contextlib
import errno
import importlib.util
import itertools
import os
import pathlib
import select
import threading
import time

import ndma
import numpy as np
import pytest

POWER = pathlib.Path("/sys/power")
DELAY = pathlib.Path("/sys/module/suspend/parameters/pm_test_delay")
ROUNDS = int(os.environ.get("NDMA_SUSPEND_ROUNDS", "20"))
FRAMES = 16

pytestmark = [pytest.mark.device,
              pytest.mark.skipif(not (POWER / "pm_test").exists(),
                                 reason=f"this guest has no {POWER / 'pm_test'}")]

spec = importlib.util.spec_from_file_location("test_vdig", pathlib.Path(__file__).with_name("test_vdig.py"))
vdig = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vdig)


@pytest.fixture(scope="module")
def suspend():
    """suspend(depth, seconds): to sleep and back."""

    def sleep(depth, seconds=0):
        DELAY.write_text(str(seconds))
        (POWER / "pm_test").write_text(depth)
        (POWER / "state").write_text("mem")

    yield sleep
    (POWER / "pm_test").write_text("none")


@pytest.fixture
def card():
    card = vdig.Card()
    if "gone=1" in card("stats")[0]:
        card("fault back")
    vdig.bound()
    yield card
    card.disarm()


def sources():
    """One source of each kind that this guest has."""
    names = sorted(path.name for path in pathlib.Path("/dev/ndma").iterdir() if path.is_char_device() and path.name != "heap")
    return [next(group) for _, group in itertools.groupby(names, lambda name: name.rstrip("0123456789"))]


@contextlib.contextmanager
def streaming(name, timeout=20, **options):
    with ndma.open(name) as source:
        with contextlib.suppress(AttributeError):
            source.rate = 100_000
        samples = 4096 if name.startswith("edu") else 1000
        with source.stream(samples, channels=1, frames=FRAMES, timeout=timeout, on_loss="ignore",
                           **options) as stream:
            yield stream


def behind(frame):
    """By how many seconds a frame's calendar time is behind the clock."""
    return (time.time_ns() - frame.time.astype("i8")) / 1e9


def first_after_pause(stream, sequence):
    """The frame that is flagged; those before it were ready, and are as any other."""
    for frame in itertools.islice(stream, 2 * FRAMES):
        assert frame.sequence == sequence + 1 + frame.dropped
        sequence = frame.sequence
        if frame.loss_unknown:
            return frame
    raise AssertionError(f"{stream.name} goes on without a word about the gap")


def is_over(stream):
    """Whether poll tells of the end."""
    poll = select.poll()
    poll.register(stream, select.POLLIN | select.POLLRDHUP)
    return any(events & (select.POLLRDHUP | select.POLLHUP) for _, events in poll.poll(0))


def is_filling(buf):
    return any(holder.kind == "transfer" for holder in buf.holders())


def test_streams_go_on_after_the_machine_slept_with_one_flagged_gap(suspend):
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(streaming(name)) for name in sources()]
        for stream in streams:
            assert not next(stream).loss_unknown
        for number in range(ROUNDS):
            last = [next(stream).sequence for stream in streams]
            suspend(("devices", "core")[number % 2])
            for stream, sequence in zip(streams, last):
                frame = first_after_pause(stream, sequence)
                assert not is_over(stream)
                for later in itertools.islice(stream, 2):
                    assert not later.loss_unknown
                del frame, later


def test_the_calendar_is_right_after_the_machine_slept(suspend):
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(streaming(name)) for name in sources()]
        before = [next(stream) for stream in streams]
        times = [frame.time for frame in before]
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        suspend("core", 3)
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() - asleep
        assert asleep > 1.5
        for stream, frame, made in zip(streams, before, times):
            after = first_after_pause(stream, frame.sequence)
            assert abs(behind(after)) < asleep / 2
            # A frame of before keeps the calendar of before.
            assert frame.time == made
            assert float((after.time - made) / np.timedelta64(1, "s")) > asleep / 2


def test_held_frames_outlast_the_sleep(suspend):
    for name in sources():
        with streaming(name) as stream:
            frame = next(stream)
            array = frame.array()
            was = array.copy()
            suspend("devices")
            first_after_pause(stream, frame.sequence)
            assert (array == was).all() and frame.sequence in stream.held
            del array, frame


def test_a_fill_is_cancelled_by_the_sleep_and_the_next_one_works(suspend):
    for name in sources():
        with ndma.open(name) as source:
            rate = hasattr(source, "rate")
            if rate:
                source.rate = 1000
            kind = source.formats[0].dtype
            buf = ndma.zeros((1, 1_000_000 if rate else 65536), kind, source=source)
            ended = []

            def fill(source=source, buf=buf, ended=ended):
                try:
                    ended.append(source.read_into(buf, timeout=60))
                except OSError as error:
                    ended.append(error.errno)

            thread = threading.Thread(target=fill)
            thread.start()
            vdig.until(lambda: is_filling(buf))
            suspend("devices")
            thread.join()
            assert ended == [errno.ECANCELED] and not is_filling(buf)
            if rate:
                source.rate = 100_000
            source.read_into(ndma.zeros((1, 4096), kind, source=source), timeout=20)


def test_a_counted_run_keeps_its_count_over_the_sleep(suspend):
    with streaming("sim0", count=3 * FRAMES) as stream:
        frames = [next(stream).sequence]
        suspend("devices")
        frames += [frame.sequence for frame in stream]
    assert frames == list(range(3 * FRAMES))


needs_vdig = pytest.mark.skipif("vdig" not in vdig.CARDS, reason="this guest has no digitizer")


@needs_vdig
def test_a_card_that_does_not_obey_any_more_is_idle_after_the_sleep(suspend, card):
    with streaming(vdig.node().name) as stream:
        next(stream)
        card("fault deaf")
        suspend("devices")
        # What the card had finished comes; then it is over, and says so.
        assert all(not frame.loss_unknown for frame in stream)
        assert is_over(stream)
        with pytest.raises(OSError) as refused:
            stream.start()
        assert refused.value.errno == errno.ETIMEDOUT
        card("fault deaf 0")
        stream.start()
        assert next(stream).sequence


@needs_vdig
def test_a_card_that_was_pulled_out_in_its_sleep_is_gone(suspend, card):
    with streaming(vdig.node().name) as stream:
        kept = next(stream)
        card("fault gone")
        suspend("devices")
        with contextlib.suppress(ndma.SourceGone):
            for _ in stream:
                pass
        assert is_over(stream) and kept.array().size
    vdig.until(lambda: not vdig.node())
    card("fault back")
    vdig.bound()
