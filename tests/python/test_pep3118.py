# SPDX-License-Identifier: MIT
"""The buffer protocol, exactly: every request against every layout, by the table of the rules."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

import ndma

from test_layout import PLAIN, STRUCTURED

pytestmark = pytest.mark.pure

try:
    # Debian has it in a package of its own, libpython3.*-testsuite.
    from test import test_buffer as cpython
except ImportError:
    cpython = None

# Requests, as in CPython's pybuffer.h.
WRITABLE, FORMAT, ND = 0x1, 0x4, 0x8
STRIDES = 0x10 | ND
C, F, ANY = 0x20 | STRIDES, 0x40 | STRIDES, 0x80 | STRIDES
INDIRECT = 0x100 | STRIDES
REQUESTS = sorted({a | b | c | d for a in (0, WRITABLE) for b in (0, FORMAT)
                   for c in (0, ND, STRIDES, INDIRECT)
                   for d in (0, C, F, ANY, C | F)})

IN_GUEST = Path("/dev/ndma/heap").exists()


class PyBuffer(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int),
                ("ndim", ctypes.c_int), ("format", ctypes.c_char_p),
                ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
                ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
                ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
                ("internal", ctypes.c_void_p)]


get_buffer = ctypes.pythonapi.PyObject_GetBuffer
get_buffer.argtypes = ctypes.py_object, ctypes.POINTER(PyBuffer), ctypes.c_int
release = ctypes.pythonapi.PyBuffer_Release
release.argtypes = (ctypes.POINTER(PyBuffer),)
release.restype = None


def wants(flags, request):
    return flags & request == request


def is_contiguous(shape, strides, itemsize, order):
    """As CPython's PyBuffer_IsContiguous."""
    if 0 in shape:
        return True
    expected = itemsize
    axes = range(len(shape))
    for i in reversed(axes) if order == "C" else axes:
        if shape[i] > 1 and strides[i] != expected:
            return False
        expected *= shape[i]
    return True


def is_refused(flags, shape, strides, itemsize, readonly):
    c = is_contiguous(shape, strides, itemsize, "C")
    f = is_contiguous(shape, strides, itemsize, "F")
    return (wants(flags, WRITABLE) and readonly or
            wants(flags, C) and not c or
            wants(flags, F) and not f or
            wants(flags, ANY) and not (c or f) or
            not wants(flags, STRIDES) and not c or
            wants(flags, FORMAT) and not wants(flags, ND))


def check(exporter, flags, shape, strides, itemsize, readonly, address, format):
    view = PyBuffer()
    view.obj = 1
    if is_refused(flags, shape, strides, itemsize, readonly):
        with pytest.raises(BufferError):
            get_buffer(exporter, view, flags)
        assert view.obj is None
        return
    get_buffer(exporter, view, flags)
    try:
        nd, st = wants(flags, ND), wants(flags, STRIDES)
        assert view.buf == address
        assert view.itemsize == itemsize
        assert view.len == itemsize * int(np.prod(shape, dtype=object)) if shape else itemsize
        assert bool(view.readonly) == readonly
        assert view.format == (format.encode() if wants(flags, FORMAT) else None)
        assert view.ndim == (len(shape) if nd else 1)
        assert bool(view.shape) == (nd and bool(shape))
        assert bool(view.strides) == (st and bool(shape))
        if view.shape:
            assert tuple(view.shape[:len(shape)]) == shape
        if view.strides:
            assert tuple(view.strides[:len(shape)]) == strides
        assert not view.suboffsets
    finally:
        release(view)


def layouts(itemsize):
    """Thirty ways to lay elements out in 4,096 of them: shape, strides in elements, offset."""
    for shape, strides, offset in [
            ((), (), 0), ((), (), 7), ((5,), (1,), 0), ((5,), (1,), 3), ((5,), (2,), 0),
            ((5,), (-1,), 4), ((5,), (-3,), 20), ((5,), (0,), 1), ((1,), (9,), 0), ((0,), (1,), 0),
            ((0,), (-5,), 2), ((2, 3), (3, 1), 0), ((2, 3), (1, 2), 0), ((2, 3), (4, 1), 0),
            ((2, 3), (-3, 1), 3), ((2, 3), (3, -1), 2), ((2, 3), (-3, -1), 5), ((2, 3), (0, 1), 0),
            ((2, 3), (6, 2), 1), ((1, 3), (100, 1), 0), ((3, 1), (1, 100), 0), ((0, 3), (3, 1), 0),
            ((3, 0), (7, -9), 0), ((2, 3, 4), (12, 4, 1), 0), ((2, 3, 4), (1, 2, 6), 0),
            ((2, 3, 4), (4, 8, 1), 0), ((2, 1, 4), (4, 50, 1), 9), ((2, 0, 4), (4, 1, 1), 0),
            ((2, 2, 2, 2), (8, 4, 2, 1), 0), ((2, 2, 2, 2), (-8, 4, -2, 1), 10),
            ((1,) * 32, (1,) * 32, 0), ((1, 2) * 5, (32, 16, 16, 8, 8, 4, 4, 2, 2, 1), 0)]:
        yield shape, tuple(s * itemsize for s in strides), offset * itemsize


def with_layout(dtype, shape, strides, offset):
    """A buffer of that layout: stored by the backend, got back through the fd."""
    memory = ndma.empty(4096 * np.dtype(dtype).itemsize, "u1")
    memory.set_layout(dtype, shape, strides, offset)
    return memory


DTYPES = [str(dtype) for dtype in PLAIN[:22]] + STRUCTURED[:8]


def cases():
    every = [(dtype, layout) for dtype in DTYPES for layout in layouts(np.dtype(dtype).itemsize)]
    return every[::len(every) // 20] if IN_GUEST else every


def test_every_request_of_every_layout_gets_what_pep_3118_says():
    count = 0
    for dtype, (shape, strides, offset) in cases():
        buf = with_layout(dtype, shape, strides, offset)
        ro = buf.as_readonly()
        for exporter, readonly in (buf, False), (ro, True):
            a = exporter.array()
            assert a.shape == shape
            lease = a.base
            address = a.ctypes.data
            for flags in REQUESTS:
                check(exporter, flags, shape, strides, a.itemsize, readonly, address, buf.format)
                count += 1
            check(lease, FORMAT | STRIDES, shape, strides, a.itemsize, readonly, address,
                  buf.format)
    assert count >= (1000 if IN_GUEST else 30 * 30 * len(REQUESTS))


def test_a_frame_exports_by_the_same_rules(source):
    for order in "planar", "interleaved":
        with source.stream(100, channels=2, order=order, count=1) as stream:
            frame = next(stream)
            a = frame.array()
            for flags in REQUESTS:
                check(frame, flags, a.shape, a.strides, 2, True, a.ctypes.data, "h")


@pytest.mark.skipif(cpython is None, reason="this guest has no test.test_buffer")
@pytest.mark.parametrize("code", "?bBhHiIlLqQfd")
def test_cpythons_own_verification_of_exporters_is_content_with_ours(code):
    """TestBufferProtocol.verify of Lib/test/test_buffer.py, which knows nothing of NumPy."""
    verify = cpython.TestBufferProtocol()
    verify.setUp()
    itemsize = np.dtype(code).itemsize
    refused = verified = 0
    for shape, strides, offset in layouts(itemsize):
        buf = with_layout(code, shape, strides, offset)
        buf.array()[...] = np.arange(buf.size).reshape(shape) % 2
        for array in buf.array(), buf.array(writable=False):
            lease, readonly = array.base, not array.flags.writeable
            for flags in REQUESTS:
                if is_refused(flags, shape, strides, itemsize, readonly):
                    verify.assertRaises(BufferError, cpython.ndarray, lease, getbuf=flags)
                    refused += 1
                    continue
                nd, st = wants(flags, ND), wants(flags, STRIDES)
                typed = wants(flags, FORMAT)
                if typed and 0 in shape:
                    continue        # it takes for granted that there is an element to look at
                view = cpython.ndarray(lease, getbuf=flags)
                verify.verify(view, obj=lease, itemsize=itemsize, fmt=code if typed else "",
                              readonly=readonly, ndim=len(shape) if nd else 1,
                              shape=shape if nd else (), strides=strides if st else (),
                              lst=array.tolist() if typed else array.tobytes())
                verified += 1
    assert refused > 100 and verified > 100


def test_numpy_verifies_the_export_as_its_own():
    """Elements by memoryview against NumPy's own list of them."""
    for dtype, (shape, strides, offset) in cases()[:200]:
        if np.dtype(dtype).char not in "?bBhHiIlLqQfd" or not np.dtype(dtype).isnative:
            continue
        buf = with_layout(dtype, shape, strides, offset)
        a = buf.array()
        a[...] = 1
        view = memoryview(buf)
        assert view.tolist() == a.tolist()
        assert view.tobytes() == a.tobytes()
        # memoryview has a rule of its own for no elements in one dimension.
        if a.size:
            assert view.c_contiguous == a.flags.c_contiguous
            assert view.f_contiguous == a.flags.f_contiguous
        assert view.suboffsets == ()
        assert (np.asarray(view) == a).all()


def test_shape_and_strides_live_until_release_whatever_happens():
    buf = ndma.array(np.arange(6).reshape(2, 3))
    views = [PyBuffer() for _ in range(50)]
    for view in views:
        get_buffer(buf, view, FORMAT | STRIDES)
    junk = [ndma.empty((7, 8)).array() for _ in range(20)]
    del junk
    for view in views:
        assert view.shape[:2] == [2, 3] and view.strides[:2] == [24, 8]
        release(view)


def test_a_transposed_slice_is_relative_to_its_own_axes():
    buf = ndma.array(np.arange(24).reshape(2, 3, 4))
    view = memoryview(buf.array().T[1:, ::-1])
    assert view.shape == (3, 3, 2)
    again = np.asarray(memoryview(np.asarray(view))[1:])
    assert again.tolist() == np.arange(24).reshape(2, 3, 4).T[1:, ::-1][1:].tolist()
    with pytest.raises(IndexError):
        again[2]


def test_a_view_pins_the_layout():
    buf = ndma.empty(6, "i4")
    view = memoryview(buf)
    with pytest.raises(BufferError):
        buf.set_layout("f4", (2, 3))
    assert view.shape == (6,)
    view.release()
    buf.set_layout("f4", (2, 3))
    assert buf.shape == (2, 3) and buf.dtype == np.dtype("f4")


@pytest.mark.parametrize("layout, error", [
    (("f4", 2000), ValueError), (("f4", 10, (-4,)), ValueError), (("f4", 10, (4,), 4090), ValueError),
    (("f4", (2, 3), (4,)), ValueError), (("f4", 2**62), ValueError), (("O", 3), TypeError),
    (("f4", 3, None, -4), ValueError), (("f4", 2, (2**62,)), ValueError), (("f4", -1), ValueError),
])
def test_a_layout_that_leaves_the_buffer_is_refused(layout, error):
    buf = ndma.empty(4096, "u1")
    with pytest.raises(error):
        buf.set_layout(*layout)
    assert buf.shape == (4096,) and buf.dtype == np.dtype("u1")


def test_another_process_sees_the_new_layout(backend):
    buf = ndma.empty(64, "u1")
    other = ndma.from_fd(buf.fileno())
    buf.set_layout(">u2", (4, 8))
    if backend == "kernel":
        assert other.shape == (4, 8)
    assert ndma.from_fd(buf.fileno()).shape == (4, 8)


def test_the_oracle_is_as_wide_as_it_says():
    assert len(REQUESTS) >= 30
    assert len(DTYPES) >= 30
    assert len(list(layouts(1))) >= 30
