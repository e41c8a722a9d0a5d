# SPDX-License-Identifier: MIT
"""DLPack, both generations."""

import ctypes

import numpy as np
import pytest

import ndma

NEW = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


@pytest.fixture
def buf():
    return ndma.array(np.arange(12, dtype="f4").reshape(3, 4))


def test_a_consumer_of_either_generation_shares_the_memory(buf):
    x = np.from_dlpack(buf)
    assert x.shape == (3, 4) and x.dtype == np.dtype("f4")
    buf[1, 1] = 50
    assert x[1, 1] == 50
    assert len(buf.leases()) == 1
    del x
    assert buf.leases() == []


def test_the_device_is_the_cpu(buf, source):
    assert buf.__dlpack_device__() == (1, 0)
    with source.stream(64, count=1) as stream:
        assert next(stream).__dlpack_device__() == (1, 0)


def name(capsule):
    return repr(capsule).split('"')[1]


def test_the_generation_is_what_the_consumer_knows(buf):
    assert name(buf.__dlpack__()) == "dltensor"
    assert name(buf.__dlpack__(max_version=None)) == "dltensor"
    assert name(buf.__dlpack__(max_version=(0, 8))) == "dltensor"
    assert name(buf.__dlpack__(max_version=(1, 0))) == "dltensor_versioned"
    assert name(buf.__dlpack__(max_version=(2, 5))) == "dltensor_versioned"
    assert buf.leases() == []


def test_a_capsule_that_nobody_takes_gives_its_lease_back(buf):
    for version in None, (1, 0):
        capsule = buf.__dlpack__(max_version=version)
        assert len(buf.leases()) == 1
        del capsule
        assert buf.leases() == []


def flags(capsule):
    """Of a versioned capsule: bit 0 is read-only, bit 1 copied."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_uint64.from_address(pointer(capsule, b"dltensor_versioned") + 24).value


def test_read_only_memory_is_copied(buf):
    ro = buf.as_readonly()
    for arguments in {}, {"copy": None}, {"copy": True}:
        assert name(ro.__dlpack__(**arguments)) == "dltensor"
        assert flags(ro.__dlpack__(max_version=(1, 0), **arguments)) == 2
    x = np.from_dlpack(ro)
    buf[1, 1] = 50
    assert x[1, 1] == 5 and ro.leases() == []
    # The control: what can be written is shared.
    assert flags(buf.__dlpack__(max_version=(1, 0))) == 0


def test_read_only_memory_is_not_shared(buf, source):
    ro = buf.as_readonly()
    with source.stream(64, channels=1, count=1) as stream:
        frame = next(stream)
        for version in None, (1, 0):
            with pytest.raises(BufferError, match=r"np\.asarray\(buffer\).*made of"):
                ro.__dlpack__(copy=False, max_version=version)
            with pytest.raises(BufferError, match=r"np\.asarray\(frame\).*stream\(writable=True\)"):
                frame.__dlpack__(copy=False, max_version=version)
    with buf.transfer("to_device"), pytest.raises(BufferError, match="after the transfer"):
        buf.__dlpack__(copy=False)
    assert ro.leases() == buf.leases() == []


def test_a_frame_is_copied(source):
    with source.stream(64, channels=1, count=1) as stream:
        frame = next(stream)
        samples = frame.copy()
        assert flags(frame.__dlpack__(max_version=(1, 0))) == 2
        x = np.from_dlpack(frame)
        del frame
        assert stream.held == [] and (x == samples).all()


def test_a_writable_frame_is_shared(source):
    with source.stream(64, channels=1, count=1, writable=True) as stream:
        frame = next(stream)
        assert flags(frame.__dlpack__(max_version=(1, 0), copy=False)) == 0
        x = np.from_dlpack(frame)
        frame.array(writable=True)[0, 0] = 77
        assert x[0, 0] == 77
        del frame
        assert stream.held == [0]
        del x
        assert stream.held == []


def test_a_copy_is_the_consumers_own(buf):
    for version in None, (1, 0):
        capsule = buf.as_readonly().__dlpack__(copy=True, max_version=version)
        assert buf.leases() == []
        assert name(capsule).startswith("dltensor")
    if NEW:
        # Whether NumPy lets its copy be written differs between its 2.2 releases: write the buffer.
        x = np.from_dlpack(buf, copy=True)
        buf[0, 0] = 77
        assert x[0, 0] == 0
        assert np.from_dlpack(buf, copy=False, device="cpu").shape == (3, 4)


def test_strides_are_in_elements_and_may_be_negative():
    buf = ndma.empty(256, "u1")
    buf.set_layout("i2", (3, 4), (-8, 2), 16)
    buf.array()[:] = np.arange(12).reshape(3, 4)
    assert np.from_dlpack(buf).tolist() == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize("dtype", [">f4", "g", "G", "S4", "U2", "V8", [("a", "i4")]])
def test_what_dlpack_does_not_know_is_refused(dtype):
    buf = ndma.empty(3, dtype)
    with pytest.raises(BufferError):
        buf.__dlpack__()
    assert buf.leases() == []


def test_strides_between_elements_are_refused():
    buf = ndma.empty(64, "u1")
    buf.set_layout("i4", (3,), (6,))
    with pytest.raises(BufferError):
        buf.__dlpack__()


# NumPy 1.x reads no booleans from DLPack.
@pytest.mark.parametrize("dtype", ["?"] * NEW + ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4",
                                   "f8", "c8", "c16"])
def test_numbers_arrive(dtype):
    buf = ndma.array([1, 0, 1], dtype)
    assert (np.from_dlpack(buf) == buf.array()).all()
    assert np.from_dlpack(buf).dtype == np.dtype(dtype)


@pytest.mark.parametrize("arguments, error", [
    ({"stream": 1}, BufferError), ({"dl_device": (2, 0)}, BufferError),
    ({"dl_device": 3}, TypeError), ({"max_version": "1"}, TypeError), ({"nonsense": 1}, TypeError),
    ({"max_version": (1,)}, TypeError),
])
def test_requests_that_make_no_sense_are_refused(buf, arguments, error):
    with pytest.raises(error):
        buf.__dlpack__(**arguments)
    assert buf.leases() == []
