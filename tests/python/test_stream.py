# SPDX-License-Identifier: MIT
"""Streams: frames in order, none lost in silence, no wait without an end."""

import asyncio
import errno
import gc
import itertools
import os
import queue
import select
import selectors
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import ndma

from conftest import ready, run_python, when_asleep


def test_frames_come_in_order(fast):
    fast.pattern = "counter"
    with fast.stream(512, channels=1, count=100) as stream:
        expected = None
        for number, frame in enumerate(stream):
            assert frame.sequence == number and frame.dropped == 0
            x = frame.array()[0].astype("i8")
            assert (np.diff(x) % 65536 == 1).all()
            assert expected is None or x[0] == expected
            expected = (x[-1] + 1 - 32768) % 65536 - 32768 if x[-1] == 32767 else x[-1] + 1
    assert number == 99


def test_a_stream_says_what_it_is(source):
    stream = source.stream(1000, 8, "latest", on_loss="ignore", timeout=2.5, channels=2)
    assert (stream.samples, stream.frames, stream.policy, stream.on_loss) == (1000, 8, "latest",
                                                                             "ignore")
    assert stream.shape == (2, 1000) and stream.dtype == np.dtype("i2")
    assert stream.timeout == 2.5 and stream.rate == source.rate
    assert stream.name == "sim0" and stream.simulated
    assert len(stream.channels) == 2 and stream.channels[0] == source.channels[0]
    assert "8 frames of (2, 1000) int16" in repr(stream)
    assert stream.fileno() >= 0
    stream.timeout = None
    assert stream.timeout is None
    with pytest.raises(ValueError):
        stream.timeout = -1


@pytest.mark.parametrize("arguments, error", [
    ({"samples": 0}, ValueError), ({"samples": -1}, ValueError), ({"samples": "x"}, TypeError),
    ({"samples": 2**62}, ValueError), ({"frames": 0}, ValueError), ({"frames": 1}, ValueError),
    ({"frames": 2}, ValueError), ({"frames": 2**31}, ValueError), ({"frames": 2**64}, ValueError),
    ({"frames": 3.5}, TypeError), ({"policy": "keep"}, ValueError), ({"policy": 1}, TypeError),
    ({"on_loss": "cry"}, ValueError), ({"count": 0}, ValueError), ({"count": -1}, ValueError),
    ({"count": 1.5}, TypeError), ({"timeout": -1}, ValueError), ({"timeout": "1"}, TypeError),
    ({"dtype": "f8"}, ValueError), ({"dtype": "O"}, ValueError), ({"channels": 99}, ValueError),
    ({"order": "other"}, ValueError), ({"guard": "block"}, ValueError), ({"nonsense": 1}, TypeError),
    ({"guard": "wall"}, ValueError), ({"iq": True, "dtype": "f4"}, ValueError),
])
def test_a_stream_that_cannot_be_is_refused(source, arguments, error, no_leaks):
    with pytest.raises(error):
        source.stream(**{"samples": 100, **arguments})


def test_too_few_frames_says_why(source):
    with pytest.raises(ValueError, match="3 or more"):
        source.stream(100, frames=2)


def test_a_stream_starts_when_it_is_entered_or_asked(fast):
    stream = fast.stream(64, count=3)
    assert stream.stats.produced == 0
    assert next(stream).sequence == 0
    stream.close()
    with fast.stream(64, count=3) as stream:
        ready(stream, 3)


def test_count_ends_the_iteration(fast):
    with fast.stream(64, count=7) as stream:
        assert [frame.sequence for frame in stream] == list(range(7))


def test_start_keeps_the_count_of_the_stream(fast):
    with fast.stream(64, count=3) as stream:
        list(stream)
        stream.start()
        assert [frame.sequence for frame in stream] == [3, 4, 5]
        stream.start(1)
        assert [frame.sequence for frame in stream] == [6]
        stream.start()
        assert [frame.sequence for frame in stream] == [7, 8, 9]


def test_a_loop_over_an_ended_stream_starts_it_again(fast):
    stream = fast.stream(64, count=3)
    assert [frame.sequence for frame in stream] == [0, 1, 2]
    assert [frame.sequence for frame in stream] == [3, 4, 5]
    with stream:
        assert [frame.sequence for frame in stream] == [6, 7, 8]
    with pytest.raises(ValueError, match="closed"):
        list(stream)
    with pytest.raises(ValueError, match="closed"), stream:
        pass


def test_with_starts_an_ended_stream_again(fast):
    stream = fast.stream(64, count=3)
    list(stream)
    with stream:
        ready(stream, 6)


def test_a_loop_goes_on_with_what_another_one_left(fast):
    with fast.stream(64, count=5) as stream:
        for frame in stream:
            if frame.sequence == 1:
                break
        assert [frame.sequence for frame in stream] == [2, 3, 4]


def test_a_loop_after_stop_ends_at_the_end_and_the_next_one_starts_again(fast):
    with fast.stream(64, frames=8, count=20, on_loss="ignore") as stream:
        ready(stream, 8)
        stream.stop()
        assert len(list(stream)) == 8
        assert len([frame.sequence for frame in stream]) == 20


def test_what_ended_stays_so_until_it_is_started(fast):
    with fast.stream(64, count=5) as stream:
        chunks = iter(stream)
        assert [len(list(itertools.islice(chunks, 2))) for _ in range(5)] == [2, 2, 1, 0, 0]
        for _ in range(2):
            with pytest.raises(StopIteration):
                next(stream)
            with pytest.raises(EOFError, match="ended"):
                stream.latest()
        stream.start()
        assert next(stream).sequence == 5
        assert next(chunks, None) is None


def test_a_stream_can_be_started_again(fast):
    with fast.stream(64, count=3) as stream:
        assert [frame.sequence for frame in stream] == [0, 1, 2]
        stream.start(2)
        assert [frame.sequence for frame in stream] == [3, 4]
        stream.start(count=1)
        assert [frame.sequence for frame in stream] == [5]
        with pytest.raises(ValueError):
            stream.start(0)


def test_a_start_that_is_refused_leaves_the_stream_running(source):
    source.rate = 100_000
    with source.stream(100, on_loss="ignore", timeout=30) as stream:
        with pytest.raises(OSError) as caught:
            stream.start(count=3)
        assert caught.value.errno == errno.EBUSY
        for _ in range(2 * stream.frames):
            next(stream)


def test_a_timeout_that_is_refused_changes_nothing(source):
    stream = source.stream(64, timeout=2.5)
    for bad in -1, "soon", float("nan"):
        with pytest.raises((ValueError, TypeError)):
            stream.timeout = bad
        assert stream.timeout == 2.5


def test_stop_ends_iteration_after_the_ready_frames(fast):
    with fast.stream(64, frames=8, on_loss="ignore") as stream:
        ready(stream, 8)
        stream.stop()
        assert [frame.sequence for frame in stream] == list(range(8))
        stream.stop()


def test_stop_before_the_first_frame_gives_none(fast):
    stream = fast.stream(64)
    stream.stop()
    assert list(stream) == []


def test_stop_from_another_thread_wakes_the_waiter(source):
    source.fault_stall = 2
    with source.stream(64) as stream:
        when_asleep(stream.stop, until=lambda: stream.stats.produced == 2)
        assert [frame.sequence for frame in stream] == [0, 1]


def test_close_from_another_thread_wakes_the_waiter(source):
    source.fault_stall = 2
    stream = source.stream(64)
    when_asleep(stream.close, until=lambda: stream.stats.produced == 2)
    assert [frame.sequence for frame in stream] == [0, 1]
    assert stream.closed


def test_who_closes_second_waits_for_the_first(fast):
    # The card is in the middle of a long frame.
    with fast.stream(1 << 20, frames=3, channels=1, on_loss="ignore") as stream:
        descriptor = stream.fileno()
        first = threading.Thread(target=stream.close)
        first.start()
        while not stream.closed:
            time.sleep(0)
        stream.close()
        with pytest.raises(OSError) as caught:
            os.fstat(descriptor)
        assert caught.value.errno == errno.EBADF
        first.join()


def test_a_timeout_leaves_the_iterator_usable(source):
    source.trigger = "software"
    with source.stream(100, timeout=0.001) as stream:
        for timeout in 10, None:
            with pytest.raises(TimeoutError, match="sim0"):
                next(stream)
            stream.timeout = timeout
            source.trigger_software = True
            next(stream)
            stream.timeout = 0
        with pytest.raises(TimeoutError):
            next(stream)


def test_a_closed_stream_says_so(source, no_leaks):
    stream = source.stream(64, count=3)
    frame = next(stream)
    stream.close()
    stream.close()
    assert stream.closed and "closed" in repr(stream)
    for use in (lambda: next(stream), lambda: stream.start(), lambda: stream.stop(),
                lambda: stream.fileno(), lambda: stream.__enter__(), lambda: stream.latest(),
                lambda: frame.to_buffer()):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert stream.stats.produced >= 1
    assert frame.array().shape[1] == 64


def test_a_second_thread_in_next_is_refused(source):
    source.fault_stall = 1
    with source.stream(64) as stream:
        next(stream)
        entered = threading.Event()

        def wait():
            entered.set()
            assert list(stream) == []

        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait()
        deadline = time.monotonic() + 10
        while True:
            stream.timeout = 0
            try:
                next(stream)
            except RuntimeError as error:
                assert "one at a time" in str(error)
                break
            except TimeoutError:
                assert time.monotonic() < deadline
        stream.stop()
        thread.join()


def test_frames_can_be_released_from_any_thread(fast):
    todo = queue.SimpleQueue()

    def drop():
        while todo.get() is not None:
            pass

    threads = [threading.Thread(target=drop) for _ in range(3)]
    for thread in threads:
        thread.start()
    with fast.stream(64, frames=32, count=2000) as stream:
        got = 0
        while got < 2000:
            try:
                todo.put(next(stream).array())
                got += 1
            except ndma.FramesHeldError:
                time.sleep(0.001)
        for thread in threads:
            todo.put(None)
        for thread in threads:
            thread.join()
        assert stream.held == []
        assert stream.stats.bad_releases == 0 and stream.stats.dropped == 0


def test_holding_every_frame_is_an_error_at_once(fast):
    with fast.stream(64, frames=5, on_loss="ignore") as stream:
        kept = [next(stream) for _ in range(5)]
        before = time.monotonic()
        with pytest.raises(ndma.FramesHeldError) as caught:
            next(stream)
        assert time.monotonic() - before < 5
        text = str(caught.value)
        assert "all 5 frames" in text and "0, 1, 2, 3, 4" in text and "copy()" in text
        assert isinstance(caught.value, BufferError)
        assert stream.held == [0, 1, 2, 3, 4]
        deadline = time.monotonic() + 30
        while not stream.stats.starved:     # the card asks again a moment after its last frame
            assert time.monotonic() < deadline, stream.stats
        del kept[2]
        assert next(stream).sequence >= 5


def test_list_of_a_stream_without_end_is_an_error(fast):
    with fast.stream(64, frames=4, on_loss="ignore") as stream:
        with pytest.raises(ndma.FramesHeldError):
            list(stream)


def test_frames_that_only_garbage_holds_come_back(fast):
    class Node:
        pass

    gc.disable()
    try:
        with fast.stream(64, frames=4, count=40, on_loss="ignore") as stream:
            for frame in stream:
                node = Node()
                node.self, node.frame = node, frame
    finally:
        gc.enable()


def test_usual_loops_hold_few_frames(fast):
    with fast.stream(64, frames=3, count=100) as stream:
        for frame in stream:
            assert len(stream.held) == 1
        del frame
    with fast.stream(64, frames=3, count=100) as stream:
        for a, b in itertools.pairwise(stream):
            assert len(stream.held) == 2
        del a, b
    with fast.stream(64, frames=4, count=100) as stream:
        for a, b in zip(stream, stream):
            assert len(stream.held) <= 3
        del a, b
    with fast.stream(64, frames=3, count=20) as stream:
        assert sum(1 for _ in map(lambda frame: frame.array().sum(), stream)) == 20


def test_latest_gives_the_newest(fast):
    with fast.stream(64, frames=8, on_loss="ignore") as stream:
        ready(stream, 8)
        frame = stream.latest()
        assert frame.sequence >= 7
        assert len(stream.held) == 1
    with fast.stream(64, count=2) as stream:
        stream.latest()
        list(stream)
        with pytest.raises(EOFError):
            stream.latest()


@pytest.mark.parametrize("policy", ["drop", "latest"])
def test_latest_gives_what_was_made_last_however_rarely_it_is_asked(source, policy):
    source.rate, source.pattern = 1e5, "off"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with source.stream(100, frames=8, policy=policy, timeout=60) as stream:
            handed = 0
            for _ in range(3):
                ready(stream, stream.stats.produced + 20)
                before = stream.stats.produced
                frame = stream.latest()
                handed += 1
                assert frame.sequence >= before - 1
            assert stream.stats.skipped == frame.sequence + 1 - handed


def test_latest_does_not_wait_for_a_trigger_that_may_never_come(source):
    source.trigger = "software"
    with source.stream(64, frames=4, on_loss="ignore") as stream:
        for made in range(1, 7):
            source.trigger_software = True
            ready(stream, made)
        assert stream.latest().sequence == 3
        assert stream.held == []


def test_what_was_made_before_skip_is_passed_over(source):
    source.rate, source.pattern = 1e5, "off"

    async def fresh(stream):
        return (await stream.read(1))[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with source.stream(100, frames=8) as stream:
            for hand_out in (next, ndma.Stream.latest, lambda s: asyncio.run(fresh(s))):
                ready(stream, stream.stats.produced + 20)
                moment = time.monotonic_ns()
                stream.skip()
                frame = hand_out(stream)
                assert frame.timestamp_ns >= moment
                skipped = stream.stats.skipped
                assert skipped >= 20 and frame.sequence >= skipped
                del frame
            assert stream.held == []


def test_skip_leaves_frames_that_are_held_and_ends_with_the_stream(fast):
    with fast.stream(64, frames=8, count=8, on_loss="raise") as stream:
        frame = next(stream)
        ready(stream, 8)
        stream.skip()
        assert stream.held == [0] and stream.stats.skipped == 7
        assert list(stream) == []
        del frame
    with pytest.raises(ValueError, match="closed"):
        stream.skip()


def test_policy_latest_reuses_the_oldest_ready_frame(source):
    with source.stream(64, frames=4, policy="latest", on_loss="ignore", count=200) as stream:
        first = next(stream)
        kept = first.array().copy()
        ready(stream, 200)
        assert (first.array() == kept).all()
        rest = [frame.sequence for frame in stream]
        assert rest[-1] == 199
        assert stream.stats.stolen > 0


def test_policy_drop_loses_the_newest(source):
    # A card that gets no time for half a second loses frames by itself.
    for _ in range(5):
        with source.stream(64, frames=4, on_loss="ignore", count=200) as stream:
            ready(stream, 200)
            got = [frame.sequence for frame in stream]
            assert len(got) <= 4 and len(got) + stream.stats.dropped == 200
            if got == [0, 1, 2, 3]:
                return
    pytest.fail(f"the first four frames were not the ones kept, but {got}")


def test_every_frame_is_accounted_for(fast):
    fast.fault_drop = 7
    with fast.stream(64, frames=4, count=1000, on_loss="ignore") as stream:
        got = lost = 0
        for frame in stream:
            got += 1
            lost += frame.dropped
        last = frame.sequence
        assert got + lost == last + 1
        assert got + stream.stats.dropped == 1000


def test_a_source_that_vanishes_is_never_the_end(fast):
    fast.fault_vanish = 5
    with fast.stream(64) as stream:
        frames = []
        with pytest.raises(ndma.SourceGone) as caught:
            for frame in stream:
                frames.append(frame.copy())
        assert len(frames) == 5
        assert caught.value.errno == errno.ENODEV
        assert isinstance(caught.value, OSError)
        with pytest.raises(ndma.SourceGone):
            next(stream)
        assert frame.array().shape[1] == 64
        with pytest.raises(OSError):
            stream.start()


def test_fileno_polls_readable_when_a_frame_is_ready(source):
    source.rate = 10_000
    with source.stream(100, count=2) as stream, selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        assert selector.select(10)
        assert next(stream).sequence == 0
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        assert poll.poll(10_000)
        assert next(stream).sequence == 1


def test_ctrl_c_ends_a_wait(source):
    source.fault_stall = 1
    with source.stream(64, frames=4) as stream:
        next(stream)
        main = threading.main_thread().ident
        when_asleep(lambda: signal.pthread_kill(main, signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        assert stream.held == []


def test_ctrl_c_at_any_moment_leaves_no_frame_behind(source):
    """Whatever it interrupts, a frame is handed out or goes back, and the stream goes on."""
    source.rate = 50_000
    main = threading.main_thread().ident
    stop = threading.Event()
    got = []
    interrupted = 0

    def loop(stream):
        for frame in stream:
            got.append(frame.sequence)

    def handler(number, frame):
        if frame.f_code is loop.__code__:
            raise KeyboardInterrupt

    def interrupt():
        while not stop.wait(0.003):
            signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with source.stream(50, frames=64, count=500, on_loss="ignore") as stream:
            while True:
                try:
                    loop(stream)
                    break
                except KeyboardInterrupt:
                    interrupted += 1
            gc.collect()
            assert stream.held == []
            stats = stream.stats
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert stats.bad_releases == 0 and stats.produced == 500
    # One that was interrupted between the call and the loop's name went back at once.
    assert stats.completed - interrupted <= len(got) <= stats.completed
    assert got == sorted(set(got)) and interrupted


def test_a_signal_handler_runs_while_another_thread_gets_the_signal(source):
    source.fault_stall = 1
    with source.stream(64, timeout=5) as stream:
        next(stream)
        seen = threading.Event()
        before = signal.signal(signal.SIGUSR1, lambda *_: (seen.set(), stream.stop()))
        try:
            other = threading.Thread(target=lambda: time.sleep(0.05) or
                                     signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
            other.start()
            assert list(stream) == []
            assert seen.is_set()
            other.join()
        finally:
            signal.signal(signal.SIGUSR1, before)


def test_other_threads_run_while_one_waits(source):
    source.fault_stall = 1
    with source.stream(64) as stream:
        next(stream)
        counted = []
        thread = threading.Thread(target=lambda: [counted.append(i) for i in range(10_000)] and
                                  stream.stop())
        thread.start()
        assert list(stream) == []
        thread.join()
        assert len(counted) == 10_000


def test_two_streams_are_independent(source):
    source.paced = False
    with source.stream(64, count=10) as a, source.stream(128, count=10) as b:
        for x, y in zip(a, b):
            assert x.sequence == y.sequence and x.valid * 2 == y.valid


def test_settings_are_those_of_the_start(source):
    source.rate = 50_000
    with source.stream(64, count=1) as stream:
        assert len(list(stream)) == 1
        source.rate = 60_000
        assert stream.rate == 50_000


def test_what_a_running_stream_cannot_take_is_refused_by_name_and_changes_nothing(source):
    source.rate = 50_000
    with source.stream(64, on_loss="ignore") as stream:
        for setting in (lambda: setattr(source, "rate", 60_000),
                        lambda: source.controls.__setitem__("rate", 60_000),
                        lambda: stream.controls.__setitem__("rate", 60_000)):
            with pytest.raises(OSError, match="rate.*stop it first") as caught:
                setting()
            assert caught.value.errno == errno.EBUSY
        assert source.rate == 50_000 and stream.controls["rate"].value == 50_000
        stream.stop()
        source.rate = 60_000
        assert stream.controls["rate"].value == 60_000


@pytest.mark.parametrize("how", ["source", "stream", "controls"])
def test_a_live_control_holds_from_the_frame_that_says_so(fast, how):
    fast.pattern = "square"
    fast.frequency = 100_000
    with fast.stream(200, channels=1, on_loss="ignore") as stream:
        assert not next(stream).settings_changed
        assert stream.controls["amplitude"].live
        if how == "source":
            fast.amplitude = 0.1
        elif how == "stream":
            stream.amplitude = 0.1
        else:
            stream.controls["amplitude"] = 0.1
        assert stream.amplitude == stream.controls["amplitude"].value == 0.1
        for frame in stream:
            loud = np.abs(frame.array()[0, 0].astype(int)) > 4000
            assert loud != frame.settings_changed
            if frame.settings_changed:
                break


def test_a_misspelt_setting_is_refused_and_lists_those_there_are(source):
    with source.stream(64) as stream:
        for owner in (source, stream):
            with pytest.raises(AttributeError, match="amplitud'.*amplitude"):
                owner.amplitud = 0.1
            with pytest.raises(AttributeError):
                owner.amplitud
            with pytest.raises(KeyError, match="amplitude"):
                owner.controls["amplitud"] = 0.1
            with pytest.raises(KeyError):
                owner.controls["amplitud"]
            assert "amplitud" not in owner.controls and "amplitude" in dir(owner)
        # This name is the stream's own: what it was at the start.
        with pytest.raises(AttributeError):
            stream.rate = 10
    with pytest.raises(ValueError, match="closed"):
        stream.controls
    with pytest.raises(ValueError, match="closed"):
        stream.amplitude = 0.1


def test_a_stream_does_not_travel(source):
    import pickle
    stream = source.stream(64)
    with pytest.raises(TypeError, match="name"):
        pickle.dumps(stream)


def test_leaving_by_an_exception_closes(fast, no_leaks):
    with pytest.raises(KeyError):
        with fast.stream(64) as stream:
            for frame in stream:
                raise KeyError
    assert stream.closed
    del frame, stream


def test_a_guarded_stream_ends_who_touches_a_frame_of_the_device():
    run_python("""
        import ndma, numpy as np, ctypes
        source = ndma.open("sim0")
        source.paced = False
        stream = source.stream(1 << 20, frames=3, channels=1, guard="sigbus", count=6)
        address = None
        with stream:
            frame = next(stream)
            address = frame.array().ctypes.data
            assert frame.array().any()
            del frame
            for frame in stream:
                frame.array().sum()
            ctypes.string_at(address, 16)
    """, status=-7)


def test_statistics_are_named(fast):
    with fast.stream(64, count=3) as stream:
        list(stream)
        stats = stream.stats
        assert (stats.produced, stats.completed, stats.dropped) == (3, 3, 0)
        assert isinstance(stats, ndma.StreamStats)
        assert stats.errors == 0 and "produced=3" in repr(stats)


def test_100_000_frames_with_views_kept_at_random(fast):
    import random
    random.seed(7)
    resident = []
    kept = []
    frames = 100_000 if ndma.backend() == "memfd" else 5_000
    with fast.stream(16, frames=32, channels=1, count=frames, on_loss="ignore") as stream:
        for number, frame in enumerate(stream):
            a = frame.array()
            dice = random.random()
            if dice < 0.2:
                kept.append(a[:, random.randrange(8):])
            elif dice < 0.3:
                kept.append(memoryview(frame)[:1])
            while len(kept) > 20 or (kept and dice > 0.9):
                kept.pop(random.randrange(len(kept)))
            if number % (frames // 20) == frames // 20 - 1:
                resident.append(int(open("/proc/self/statm").read().split()[1]))
        kept.clear()
        del a, frame
        assert stream.held == []
        assert stream.stats.bad_releases == 0
    assert resident[-1] - resident[4 if len(resident) > 4 else 0] < 300, resident
