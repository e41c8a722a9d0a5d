# SPDX-License-Identifier: MIT
"""Sources: what there is, what it can do, its settings, and one-shot reads."""

import errno
import signal
import time
import warnings

import numpy as np
import pytest

import ndma

from conftest import run_python


def test_sources_are_listed():
    assert "sim0" in ndma.sources()


def test_a_source_says_what_it_is(source):
    assert source.name == "sim0"
    assert source.simulated is True
    assert "sim0" in repr(source) and "8 channels, simulated>" in repr(source)
    assert source.driver and isinstance(source.device, str)
    assert source.samples_step >= 1 and source.frame_bytes_max > 4096
    low, high = source.frames_range
    assert 1 <= low <= 3 <= high
    assert not source.closed


def test_channels_and_formats_describe_the_samples(source):
    channel = source.channels[0]
    assert channel.name and channel.unit and channel.scale
    form = source.formats[0]
    assert isinstance(form.dtype, np.dtype)
    assert form.bits <= 8 * form.dtype.itemsize
    assert set(form.orders) <= {"planar", "interleaved"}


@pytest.mark.parametrize("name, error", [
    ("nothing0", OSError), ("", ValueError), ("a/b", ValueError), ("x" * 40, ValueError),
    (1, TypeError), (None, TypeError), (b"sim0", TypeError),
])
def test_a_name_that_is_none_is_refused(name, error):
    with pytest.raises(error):
        ndma.open(name)


def test_a_missing_source_lists_those_there_are():
    with pytest.raises(FileNotFoundError, match="sim0"):
        ndma.open("sim999")


def test_the_device_path_is_a_name_too():
    with ndma.open("/dev/ndma/sim0") as source:
        assert source.name == "sim0"


def test_a_closed_source_says_so(source):
    source.close()
    source.close()
    assert source.closed and "closed" in repr(source)
    for use in (lambda: source.name, lambda: source.read(1), lambda: source.stream(1),
                lambda: source.channels, lambda: source.controls, lambda: source.__enter__()):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_name_that_c_would_end_early_or_cannot_spell_is_not_found(source):
    with pytest.raises(ValueError, match="null character"):
        ndma.open("sim0\0x")
    before = source.rate
    for name in "rate\0", "rate\0x", "\udc80":
        assert not hasattr(source, name)
        with pytest.raises(AttributeError):
            setattr(source, name, 123_000)
    assert source.rate == before != 123_000


def test_controls_are_attributes(source):
    assert "rate" in dir(source) and "read" in dir(source)
    before = source.rate
    source.rate = 1e5
    assert source.rate == 100_000 and source.sample_rate == 1e5
    source.rate = np.float32(2e5)
    assert source.rate == 200_000
    source.rate = before
    source.pattern = "ramp"
    assert source.pattern == "ramp"
    source.paced = False
    assert source.paced is False
    assert source.controls["pattern"].choices.count("sine") == 1
    assert source.controls["rate"].unit == "Hz"
    control = source.controls["rate"]
    assert control.min <= control.preset <= control.max and control.type == "integer"


@pytest.mark.parametrize("name, value, error", [
    ("rate", -1, ValueError), ("rate", 2.5, ValueError), ("rate", 10**30, ValueError),
    ("rate", float("nan"), ValueError), ("rate", "fast", TypeError), ("rate", None, TypeError),
    ("pattern", "jazz", ValueError), ("pattern", 1, TypeError), ("colour", 1, AttributeError),
    ("channels", 3, AttributeError), ("read", 3, AttributeError), ("name", "x", AttributeError),
])
def test_a_setting_that_cannot_be_is_refused(source, name, value, error):
    before = source.rate, source.pattern
    with pytest.raises(error):
        setattr(source, name, value)
    assert (source.rate, source.pattern) == before


def test_an_error_names_what_there_is(source):
    with pytest.raises(ValueError, match="nearest"):
        source.rate = source.controls["rate"].max + 1
    with pytest.raises(ValueError, match="sine"):
        source.pattern = "jazz"
    with pytest.raises(AttributeError, match="rate"):
        source.colour = 1
    with pytest.raises(AttributeError):
        source.colour
    with pytest.raises(AttributeError):
        del source.rate


def test_a_button_is_pressed_by_assigning(source):
    buttons = [c.name for c in source.controls.values() if c.type == "button"]
    for name in buttons:
        setattr(source, name, True)
        with pytest.raises(AttributeError):
            getattr(source, name)
    assert buttons == ["trigger_software"]


def test_a_button_acts_on_the_stream_that_runs(source):
    source.trigger = "software"
    with source.stream(samples=64) as stream:
        for number in range(3):
            stream.timeout = 0.02
            with pytest.raises(TimeoutError):
                next(stream)
            source.trigger_software = True
            stream.timeout = 20
            assert next(stream).sequence == number


def test_read_gives_an_owned_array(fast, no_leaks):
    x = fast.read(10_000)
    assert x.shape == (len(fast.channels), 10_000)
    assert x.dtype == fast.formats[0].dtype
    assert x.flags.owndata and x.flags.writeable


def test_read_of_many_frames_has_no_seam(fast):
    fast.pattern = "counter"
    x = fast.read(300_000, channels=1)[0].astype("i8")
    assert (np.diff(x) % 65536 == 1).all()


def test_read_takes_what_the_source_has(fast):
    assert fast.read(100, dtype="i4").dtype == np.dtype("i4")
    assert fast.read(100, channels=3).shape == (3, 100)
    assert fast.read(100, iq=True).shape[2] == 2
    planar = fast.read(100, order="planar", channels=2)
    interleaved = fast.read(100, order="interleaved", channels=2)
    assert (planar == interleaved).all()


@pytest.mark.parametrize("arguments, error", [
    ({"samples": 0}, ValueError), ({"samples": -5}, ValueError), ({"samples": 1.5}, TypeError),
    ({"samples": 10, "channels": 0}, ValueError), ({"samples": 10, "channels": 1000}, ValueError),
    ({"samples": 10, "dtype": "c16"}, ValueError), ({"samples": 10, "dtype": "no"}, TypeError),
    ({"samples": 10, "order": "diagonal"}, ValueError), ({"samples": 10, "timeout": -1}, ValueError),
    ({"samples": 10, "unknown": 1}, TypeError),
])
def test_a_read_that_cannot_be_is_refused(source, arguments, error):
    with pytest.raises(error):
        source.read(**arguments)


def test_a_dtype_that_the_source_has_not_names_the_nearest(source):
    with pytest.raises(ValueError, match="int32 comes nearest"):
        source.read(10, dtype="i8")


def test_read_has_room_for_all_that_comes_while_it_cannot_look(source):
    """Its frames come for 0.1 s, and sixteen of them for 0.03 s."""
    source.rate, source.pattern = 4e6, "off"
    before = signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.3))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        assert source.read(400_000).shape == (8, 400_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_read_raises_for_lost_frames(fast):
    fast.fault_drop = 2
    with pytest.raises(ndma.FrameLossError) as caught:
        fast.read(500_000)
    assert caught.value.frame.dropped >= 1


def test_read_raises_for_short_and_bad_frames(fast):
    fast.fault_short = 2
    with pytest.raises(OSError) as caught:
        fast.read(500_000)
    assert caught.value.errno == errno.EIO
    fast.fault_short = 0
    fast.fault_error = 2
    with pytest.raises(OSError) as caught:
        fast.read(500_000)
    assert caught.value.errno == errno.EIO


def test_read_times_out(fast):
    fast.fault_stall = 1
    with pytest.raises(TimeoutError):
        fast.read(500_000, timeout=0.05)


def test_read_into_fills_what_is_there(fast):
    fast.pattern = "counter"
    buf = ndma.empty((2, 1000), "i2")
    fast.read_into(buf)
    array = np.empty((2, 1000), "i2")
    fast.read_into(array)
    assert (np.diff(buf.array()[0].astype("i8")) % 65536 == 1).all()
    assert (array[0] == buf[0]).all()
    part = np.zeros((2, 3000), "i2")
    fast.read_into(part[:, 1::2])
    assert not part[:, ::2].any() and part[:, 1::2].any()
    pairs = np.empty((1, 50, 2), "i2")
    fast.read_into(pairs)
    assert pairs.any()


@pytest.mark.parametrize("target, error", [
    (lambda: np.empty(100, "i2"), ValueError), (lambda: np.empty((2, 0), "i2"), ValueError),
    (lambda: np.empty((2, 10, 3), "i2"), ValueError), (lambda: np.empty((2, 10), "f8"), ValueError),
    (lambda: [[0] * 10], TypeError), (lambda: np.broadcast_to(np.int16(0), (2, 10)), ValueError),
    (lambda: np.empty((500, 10), "i2"), ValueError), (lambda: bytearray(10), TypeError),
])
def test_read_into_refuses_what_it_cannot_fill(source, target, error):
    with pytest.raises(error):
        source.read_into(target())


def test_read_into_goes_on_when_its_array_gets_another_shape():
    run_python("""
        import gc, threading, warnings, numpy as np, ndma
        warnings.simplefilter("ignore")
        source = ndma.open("sim0")
        source.pattern, source.trigger = "counter", "software"
        array = np.zeros((2, 100), "i2")
        read = threading.Event()

        def reshape_and_trigger():
            while not any(type(thing) is ndma.Stream for thing in gc.get_objects()):
                pass
            array.shape = 200
            while not read.is_set():
                source.trigger_software = True
                read.wait(0.01)

        gc.freeze()
        thread = threading.Thread(target=reshape_and_trigger)
        thread.start()
        try:
            source.read_into(array, timeout=60)
        finally:
            read.set()
            thread.join()
        assert array.shape == (200,)
        assert (np.diff(array.reshape(2, 100).astype("i8")) % 65536 == 1).all()
    """)


def test_read_into_a_locked_buffer_is_refused(source):
    buf = ndma.empty((1, 100), "i2")
    with buf.transfer("from_device"), pytest.raises(ndma.LockedError):
        source.read_into(buf)


def test_one_warning_says_that_there_is_no_module(backend):
    if backend == "kernel":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ndma.open("sim0").close()
        return
    out = run_python("""
        import os, warnings
        del os.environ["NDMA_BACKEND"]
        import ndma
        if ndma.backend() != "memfd":
            print(1)
            raise SystemExit
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ndma.open("sim0"); ndma.open("sim0"); ndma.empty(3)
        print(len(caught))
        assert all("module ndma is not loaded (" in str(w.message) for w in caught)
        try:
            ndma.open("card0")
        except OSError as error:
            assert "module ndma is not loaded (" in str(error), error
        else:
            raise SystemExit("opened")
    """)
    assert out.strip() == "1"


def test_a_source_does_not_travel(source):
    import pickle
    with pytest.raises(TypeError, match="name"):
        pickle.dumps(source)


def test_a_read_in_units_is_that_of_the_counts(source):
    source.pattern = "counter"
    raw = source.read(100, channels=2)
    x = source.read(100, channels=2, physical=True)
    scale = np.array([channel.scale for channel in source.channels[:2]], "f4")[:, None]
    offset = np.array([channel.offset for channel in source.channels[:2]], "f4")[:, None]
    assert x.dtype == np.dtype("f4") and x.shape == raw.shape and x.flags.c_contiguous
    assert np.allclose(x, raw.astype("f4") * scale + offset)
    pairs = source.read(100, iq=True, physical=True)
    assert pairs.dtype == np.dtype("f4") and pairs.shape[1:] == (100, 2)
    # More than one frame, and interleaved.
    with source.stream(100, channels=2, order="interleaved", count=1) as stream:
        assert np.allclose(next(stream).physical(), x)
