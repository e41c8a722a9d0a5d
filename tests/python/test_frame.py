# SPDX-License-Identifier: MIT
"""Frames: valid samples alone, in the device's memory, until the last view is gone."""

import copy
import errno
import pickle
import wave
import weakref

import numpy as np
import pytest

import ndma


@pytest.fixture
def frame(fast):
    with fast.stream(1000, channels=2, count=1) as stream:
        yield next(stream)


def test_an_array_is_the_frames_memory(frame):
    a, b = frame.array(), frame.array()
    assert a.shape == (2, 1000) == frame.shape
    assert a.dtype == frame.dtype == np.dtype("i2")
    assert a.nbytes == frame.nbytes and frame.valid == 1000
    assert a.base is frame and np.shares_memory(a, b)
    assert a.ctypes.data == b.ctypes.data
    assert (np.asarray(frame) == a).all()


def test_arrays_are_read_only_unless_asked(frame, fast):
    assert not frame.array().flags.writeable
    assert not np.asarray(frame).flags.writeable
    with pytest.raises(ValueError, match="writable=True"):
        frame.array(writable=True)
    with pytest.raises(ValueError):
        frame.array().flags.writeable = True
    with fast.stream(100, writable=True, count=1) as stream:
        other = next(stream)
        assert stream.writable
        assert not other.array().flags.writeable
        a = other.array(writable=True)
        a[:] = 5
        assert (other.array() == 5).all()
        assert other.buffer_array(writable=True).flags.writeable


def test_the_shape_is_channel_by_sample_in_either_order(fast):
    fast.pattern = "counter"
    arrays = {}
    for order in "planar", "interleaved":
        with fast.stream(64, channels=3, order=order, count=1) as stream:
            assert stream.order == order
            a = next(stream).array()
            assert a.shape == (3, 64)
            assert a.strides == ((128, 2) if order == "planar" else (2, 6))
            arrays[order] = a.copy()
    assert (arrays["planar"] == arrays["interleaved"]).all()


def test_a_frame_knows_the_number_of_its_first_sample_across_losses_and_short_frames(fast):
    fast.pattern, fast.fault_drop, fast.fault_short = "counter", 3, 4
    with fast.stream(256, channels=2, count=60, on_loss="ignore") as stream:
        frames = 0
        for frame in stream:
            start = frame.sample_start
            if frame.valid:
                assert start & 0xFFFF == int(frame.array()[0, 0]) & 0xFFFF
            frames += 1
            del frame
        assert frames < 60 and start > 256 * (frames - 1) // 2


def test_a_short_frame_is_cut_on_the_sample_axis(fast):
    fast.fault_short = 2
    for order in "planar", "interleaved":
        with fast.stream(256, channels=2, order=order, count=4, on_loss="ignore") as stream:
            frames = list(stream)
            short = [frame for frame in frames if frame.partial]
            assert short and len(short) < len(frames)
            for frame in short:
                assert 0 <= frame.valid < 256
                assert frame.array().shape == (2, frame.valid) == frame.shape
                assert frame.nbytes == 2 * 2 * frame.valid
                assert np.asarray(frame).shape == frame.shape
                assert frame.physical().shape == frame.shape
                assert frame.copy().shape == frame.shape
                assert frame.buffer_array().shape == (2, 256)
                assert memoryview(frame).shape == frame.shape


def test_a_frame_with_its_error_flag_raises(fast):
    fast.fault_error = 1
    with fast.stream(64, count=1) as stream:
        frame = next(stream)
        assert frame.error and "error" in repr(frame)
        for use in (frame.array, frame.copy, frame.physical, lambda: np.asarray(frame),
                    lambda: np.from_dlpack(frame), lambda: frame.array(on_error="raise")):
            with pytest.raises(OSError) as caught:
                use()
            assert caught.value.errno == errno.EIO
        with pytest.raises(BufferError):
            memoryview(frame)
        assert frame.array(on_error="keep").shape[1] == 64
        assert frame.buffer_array().shape[1] == 64
        with pytest.raises(ValueError):
            frame.array(on_error="shrug")
        with pytest.raises(TypeError):
            frame.array(nonsense=1)


def test_metadata_is_there(frame):
    assert frame.sequence == 0 and frame.dropped == 0
    assert isinstance(frame.timestamp_ns, int)
    assert isinstance(frame.flags, int)
    assert frame.error is False and frame.overflow is False
    assert frame.stream.name == "sim0"
    assert 0 <= frame.index < 16
    assert repr(frame) == "<ndma.Frame 0 of sim0: (2, 1000) int16>"


def test_time_is_calendar_time(fast):
    before = np.datetime64("now", "ns")
    with fast.stream(64, count=5) as stream:
        times = [frame.time for frame in stream]
    assert all(t.dtype == np.dtype("M8[ns]") for t in times)
    assert times == sorted(times)
    assert abs(times[0] - before) < np.timedelta64(60, "s")


def test_physical_is_raw_times_scale_plus_offset(fast):
    with fast.stream(500, count=1) as stream:
        frame = next(stream)
        physical = frame.physical()
        assert physical.dtype == np.dtype("f4") and physical.flags.owndata
        for row, raw, channel in zip(physical, frame.array(), stream.channels):
            assert np.allclose(row, raw * channel.scale + channel.offset, rtol=1e-5, atol=1e-3)


def test_iq_is_complex_in_units(fast):
    with fast.stream(500, iq=True, channels=2, count=1) as stream:
        frame = next(stream)
        raw = frame.array()
        assert raw.shape == (2, 500, 2)
        z = frame.iq()
        assert z.dtype == np.dtype("c8") and z.shape == (2, 500)
        channel = stream.channels[1]
        assert np.allclose(z[1].real, raw[1, :, 0] * channel.scale + channel.offset, rtol=1e-5)
        assert np.allclose(z[1].imag, raw[1, :, 1] * channel.scale + channel.offset, rtol=1e-5)


def test_iq_of_real_samples_is_a_type_error(frame):
    with pytest.raises(TypeError, match="iq=True"):
        frame.iq()


def test_a_copy_lets_the_frame_go(fast):
    with fast.stream(100, frames=3, count=50) as stream:
        copies = [frame.copy() for frame in stream]
    assert len(copies) == 50 and all(x.flags.owndata for x in copies)


def test_a_frame_goes_back_with_its_last_view(fast):
    with fast.stream(100, frames=4, count=4) as stream:
        frame = next(stream)
        a = frame.array()
        part = a[0, 10:20]
        view = memoryview(a)
        assert stream.held == [0]
        del frame
        assert stream.held == [0]
        del a
        assert stream.held == [0]
        view.release()
        del view
        assert stream.held == [0]
        del part
        assert stream.held == []


VIEWS = {
    "asarray": np.asarray, "frombuffer": lambda frame: np.frombuffer(frame, "i2"),
    "ndarray": lambda frame: np.ndarray((5,), "i2", frame), "memoryview": memoryview,
    "slice": lambda frame: frame.array()[:, ::3].T, "buffer_array": lambda f: f.buffer_array(),
    "pickle buffer": pickle.PickleBuffer,
}


@pytest.mark.parametrize("what", VIEWS)
def test_every_kind_of_view_keeps_the_frame(fast, what):
    with fast.stream(100, frames=4, count=2, channels=1) as stream:
        view = VIEWS[what](next(stream))
        assert stream.held == [0]
        del view
        assert stream.held == []


def test_a_frame_outlives_its_stream_and_source(fast, no_leaks):
    fast.pattern = "counter"
    source = ndma.open("sim0")
    source.pattern = "counter"
    with source.stream(1000, channels=1, count=2) as stream:
        frame = next(stream)
        a = frame.array()
    source.close()
    del stream, source
    assert (np.diff(a[0].astype("i8")) % 65536 == 1).all()
    assert frame.copy().shape == (1, 1000)
    assert frame.time is not None and frame.stream.closed
    assert frame.physical().shape == (1, 1000)


def test_a_frame_does_not_travel(frame):
    for use in pickle.dumps, copy.copy, copy.deepcopy:
        with pytest.raises(TypeError, match=r"copy\(\)"):
            use(frame)


def test_to_buffer_has_the_valid_samples(fast):
    with fast.stream(1000, frames=4, channels=2, count=4) as stream:
        frame = next(stream)
        buf = frame.to_buffer()
        assert buf.shape == (2, 1000) and buf.dtype == frame.dtype
        assert (buf.array() == frame.array()).all()


def test_to_buffer_keeps_the_frame_where_it_is_shared(fast, backend):
    with fast.stream(1000, frames=4, count=4) as stream:
        frame = next(stream)
        shared = int(backend == "kernel")       # memfd copies: nobody says when an fd is gone
        buf = frame.to_buffer()
        assert stream.stats.exported_frames == shared
        del frame
        assert stream.stats.exported_frames == shared
        buf.close()
        assert stream.stats.exported_frames == 0


def test_to_buffer_is_writable_where_it_is_asked_for(fast, backend):
    with fast.stream(1000, frames=4, count=4) as stream:
        frame = next(stream)
        for refused in frame.to_buffer(), frame.to_buffer(None), frame.to_buffer(writable=False):
            assert refused.readonly
        buf = frame.to_buffer(writable=True)
        assert not buf.readonly
        before = frame.copy()
        buf.array()[0, 0] ^= 1
        # memfd's is a copy.
        assert (frame.array()[0, 0] == before[0, 0]) == (backend == "memfd")
        assert (buf.array()[0, 1:] == before[0, 1:]).all()
        with pytest.raises(TypeError):
            frame.to_buffer(write=True)


def test_to_buffer_of_a_short_frame_is_short(fast):
    fast.fault_short = 1
    with fast.stream(1000, frames=4, count=1) as stream:
        frame = next(stream)
        assert frame.to_buffer().shape == frame.shape


def test_a_frame_is_only_got_from_a_stream():
    with pytest.raises(TypeError):
        ndma.Frame()


def test_attributes_are_read_only(frame):
    for name in "sequence", "dropped", "valid", "time", "shape", "dtype", "flags", "colour":
        with pytest.raises(AttributeError):
            setattr(frame, name, 1)


def test_interleaved_samples_are_written_as_they_lie_through_the_transpose(fast, tmp_path):
    with fast.stream(64, channels=2, order="interleaved", count=1) as stream:
        frame = next(stream)
        with open(tmp_path / "raw", "wb") as file:
            with pytest.raises(BufferError, match=r"interleaved.*array\(\)\.T"):
                file.write(frame)
            file.write(frame.array().T)
        with wave.open(str(tmp_path / "wave"), "wb") as file:
            file.setparams((2, 2, 8000, 0, "NONE", None))
            file.writeframes(frame.array().T)
        with wave.open(str(tmp_path / "wave"), "rb") as file:
            samples = np.frombuffer(file.readframes(64), "<i2").reshape(64, 2).T
        assert (samples == frame.array()).all()
        assert (tmp_path / "raw").read_bytes() == frame.array().T.tobytes()
    buf = ndma.zeros(64, "u1")
    buf.set_layout("i2", (2, 3), (16, 2))
    with open(tmp_path / "raw", "wb") as file, \
            pytest.raises(BufferError, match=r"array\(\)\.copy\(\)"):
        file.write(buf)


def test_a_frame_is_what_array_likes_are(fast):
    with fast.stream(64, channels=2, count=1) as stream:
        frame = next(stream)
        array = frame.array()
        for name in "ndim", "size", "itemsize", "shape", "dtype", "nbytes":
            assert getattr(frame, name) == getattr(array, name), name
        assert len(frame) == 2 and frame[1, 5] == array[1, 5]
        assert [row.shape for row in frame] == [(64,), (64,)]
        assert (frame[:, ::4] == array[:, ::4]).all() and frame[0].base is not None
        for key, error in ((2, 0), IndexError), ("x", IndexError), ((0, 64), IndexError):
            with pytest.raises(error):
                frame[key]
        part = frame[1]
        del frame, array
        assert stream.held == [0]
        del part
        assert stream.held == []


def test_an_index_of_a_frame_with_its_error_flag_is_refused(source):
    source.fault_error = 1
    with source.stream(64, channels=2, count=1) as stream:
        frame = next(stream)
        for use in (lambda: frame[0], lambda: list(frame)):
            with pytest.raises(OSError, match="on_error"):
                use()
        assert len(frame) == 2


def test_a_weak_reference_keeps_neither_frame_nor_buffer(fast):
    gone = []
    with fast.stream(64, channels=2, count=1) as stream:
        frame = next(stream)
        buf = ndma.zeros(3)
        for thing in frame, buf:
            assert weakref.ref(thing)() is thing
        weak = [weakref.ref(thing, gone.append) for thing in (frame, buf)]
        finalizer = weakref.finalize(frame, gone.append, "finalized")
        keep = frame.array(), buf.array()
        del frame, buf, thing
        assert all(ref() is not None for ref in weak) and finalizer.alive
        del keep
        assert stream.held == [] and [ref() for ref in weak] == [None, None]
        assert len(gone) == 3 and "finalized" in gone


def test_a_frame_in_the_memory_of_a_dead_one_has_nothing_of_it(fast):
    fast.fault_short = 2
    with fast.stream(64, channels=2, frames=8, count=8) as stream:
        addresses, weak, valid = [], [], []
        for frame in stream:
            assert all(ref() is not frame for ref in weak)
            addresses.append(id(frame))
            weak.append(weakref.ref(frame))
            valid.append((frame.partial, frame.valid < 64))
        del frame
        assert len(set(addresses)) < len(addresses)
        assert {short for short, _ in valid} == {True, False}
        assert all(short == fewer for short, fewer in valid)
        assert all(ref() is None for ref in weak) and stream.held == []
