# SPDX-License-Identifier: MIT
"""Buffers: DMA memory that behaves as NumPy's people expect."""

import errno
import os

import numpy as np
import pytest

import ndma

from conftest import run_python


def test_a_new_buffer_is_zero_and_c_contiguous():
    for make in ndma.empty, ndma.zeros:
        buf = make((3, 4), "f4")
        assert buf.shape == (3, 4)
        assert buf.strides == (16, 4)
        assert buf.dtype == np.dtype("f4")
        assert (buf.ndim, buf.size, buf.itemsize, buf.nbytes) == (2, 12, 4, 48)
        assert not buf.array().any()
        assert buf.array().flags.c_contiguous


def test_dtype_and_shape_are_normalised_as_by_numpy():
    assert ndma.empty(3).dtype == np.dtype(float)
    assert ndma.empty(np.int8(3), int).shape == (3,)
    assert ndma.empty([2, np.int64(3)], "i2").shape == (2, 3)
    assert ndma.empty((), "c16").shape == ()
    assert ndma.empty((0, 3)).shape == (0, 3)
    assert ndma.empty(2, ("f4", (3, 4))).shape == (2, 3, 4)
    assert ndma.empty(2, "S").dtype == np.dtype("S1")


@pytest.mark.parametrize("shape, error", [
    (-1, ValueError), ((2, -3), ValueError), (2.5, TypeError), ("3", TypeError),
    ((2, 1.5), TypeError), (None, TypeError), ((1,) * 33, ValueError),
    ((2**40, 2**40), ValueError), (2**70, ValueError),
])
def test_a_bad_shape_is_refused(shape, error):
    with pytest.raises(error):
        ndma.empty(shape)


@pytest.mark.parametrize("dtype, error", [
    ("O", TypeError), ("M8[s]", TypeError), ("m8[ns]", TypeError), ("no such", TypeError),
    ("V0", ValueError), ([("a", "O")], TypeError), ([("a:b", "i4")], ValueError),
    ({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]}, ValueError),
    ([(f"field{i}", "i4") for i in range(40)], ValueError),
])
def test_a_dtype_without_pep_3118_format_is_refused(dtype, error):
    with pytest.raises(error):
        ndma.empty(3, dtype)


def test_more_memory_than_there_is_is_memory_error():
    with pytest.raises((MemoryError, OSError)) as caught:
        ndma.empty(2**62, "u1")
    assert isinstance(caught.value, MemoryError) or caught.value.errno in (errno.EDQUOT,
                                                                           errno.ENOMEM)


def test_array_copies_what_it_is_given():
    x = np.arange(6).reshape(2, 3)
    buf = ndma.array(x)
    x[:] = 0
    assert buf.dtype == x.dtype
    assert buf[:].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert ndma.array([1, 2], "f4").dtype == np.dtype("f4")
    assert ndma.array(np.asfortranarray(np.ones((2, 3)))).strides == (24, 8)
    assert ndma.array(7).shape == ()


def test_array_of_objects_is_refused():
    with pytest.raises(TypeError):
        ndma.array([object()])


def test_the_array_is_the_memory_itself():
    buf = ndma.empty(4, "i4")
    a, b = buf.array(), buf.array()
    a[2] = 5
    assert b[2] == 5
    assert np.shares_memory(a, b)
    assert not a.flags.owndata
    assert isinstance(a.base, ndma.Lease)


def test_indexing_is_as_numpy():
    buf = ndma.array(np.arange(12).reshape(3, 4))
    assert buf[1, 2] == 6
    assert buf[-1].tolist() == [8, 9, 10, 11]
    assert buf[:, ::2].shape == (3, 2)
    assert buf[buf.array() > 9].tolist() == [10, 11]
    buf[0] = 7
    buf[1, 1:3] = [1, 2]
    assert buf[0].tolist() == [7] * 4
    assert [row.sum() for row in buf][0] == 28
    assert len(buf) == 3
    with pytest.raises(IndexError):
        buf[3]
    with pytest.raises(IndexError):
        buf[0, 4] = 1
    with pytest.raises(TypeError):
        del buf[0]


def test_a_buffer_without_dimensions_has_no_length():
    buf = ndma.empty((), "i4")
    buf[()] = 3
    assert buf[()] == 3
    with pytest.raises(TypeError):
        len(buf)
    with pytest.raises(TypeError):
        iter(buf)


def test_assign_copies_into_the_same_pages():
    buf = ndma.empty((2, 2), "f4")
    a = buf.array()
    buf.assign(np.arange(4, dtype="f8").reshape(2, 2))
    assert a.tolist() == [[0, 1], [2, 3]]


def test_assign_converts_byte_order():
    buf = ndma.empty(3, ">i4")
    buf.assign(np.array([1, 2, 3], "<i4"))
    assert buf[:].tolist() == [1, 2, 3]
    assert bytes(buf.array())[:4] == b"\0\0\0\1"


def test_assign_casts_only_as_allowed():
    buf = ndma.array([9, 9, 9], "i4")
    with pytest.raises(TypeError):
        buf.assign([1.5, 2.5, 3.5])
    with pytest.raises(TypeError):
        buf.assign(np.ones(3, "i8"), casting="safe")
    assert buf[:].tolist() == [9, 9, 9]
    buf.assign([1.5, 2.5, 3.5], casting="unsafe")
    assert buf[:].tolist() == [1, 2, 3]
    with pytest.raises(ValueError):
        buf.assign([1, 2, 3], casting="hopeful")


@pytest.mark.parametrize("x", [1, [1, 2], [[1, 2, 3]], np.ones((3, 1), "i4")])
def test_assign_refuses_another_shape(x):
    buf = ndma.array([1, 2, 3], "i4")
    with pytest.raises(ValueError, match="shape"):
        buf.assign(x)
    assert buf[:].tolist() == [1, 2, 3]


def test_fill_and_copy():
    buf = ndma.empty((2, 3), "i2")
    buf.fill(5)
    other = buf.copy()
    buf.fill(6)
    assert isinstance(other, ndma.Buffer)
    assert other[:].tolist() == [[5] * 3] * 2
    assert other.fileno() != buf.fileno()


def test_resize_keeps_the_overlap_and_zeroes_what_is_new():
    buf = ndma.array(np.arange(1, 7).reshape(2, 3))
    buf.resize((3, 2))
    assert buf[:].tolist() == [[1, 2], [4, 5], [0, 0]]
    buf.resize((3, 4))
    assert buf[:].tolist() == [[1, 2, 0, 0], [4, 5, 0, 0], [0] * 4]
    assert buf.shape == (3, 4)


def test_resize_to_another_rank_keeps_c_order():
    buf = ndma.array(np.arange(6).reshape(2, 3))
    buf.resize(8)
    assert buf[:].tolist() == [0, 1, 2, 3, 4, 5, 0, 0]
    buf.resize((2, 2))
    assert buf[:].tolist() == [[0, 1], [2, 3]]
    buf.resize((0, 5))
    assert buf.shape == (0, 5)
    buf.resize(())
    assert buf[()] == 0


def test_resize_gives_new_memory():
    buf = ndma.array([1, 2, 3])
    with ndma.from_fd(buf.fileno()) as other:
        buf.resize(2)
        buf[0] = 9
        assert other[:].tolist() == [1, 2, 3]


def test_resize_is_refused_while_an_array_lives():
    buf = ndma.array([1, 2, 3])
    a = buf.array()
    fd = buf.fileno()
    with pytest.raises(BufferError, match="resize"):
        buf.resize(5)
    assert buf.shape == (3,) and buf.fileno() == fd and a.tolist() == [1, 2, 3]
    del a
    buf.resize(5)


@pytest.mark.parametrize("shape, error", [
    (-1, ValueError), (1.5, TypeError), ("x", TypeError), ((1,) * 33, ValueError),
    (2**62, (ValueError, MemoryError, OSError)),
])
def test_a_resize_that_fails_changes_nothing(shape, error):
    buf = ndma.array([1, 2, 3])
    fd = buf.fileno()
    with pytest.raises(error):
        buf.resize(shape)
    assert buf.shape == (3,)
    assert buf[:].tolist() == [1, 2, 3]
    assert buf.fileno() == fd


def test_shape_dtype_and_strides_cannot_be_assigned():
    buf = ndma.empty(3)
    for name in "shape", "dtype", "strides", "nbytes", "offset", "anything":
        with pytest.raises(AttributeError):
            setattr(buf, name, (3,))


def test_comparison_raises_instead_of_a_silent_false():
    buf = ndma.array([1, 2])
    for compare in (lambda: buf == [1, 2], lambda: buf != buf.copy(), lambda: buf < 3):
        with pytest.raises(TypeError):
            compare()
    with pytest.raises(TypeError):
        hash(buf)
    assert (buf.array() == [1, 2]).all()


def test_a_read_only_array_cannot_be_made_writable():
    buf = ndma.array([1, 2, 3])
    a = buf.array(writable=False)
    assert not a.flags.writeable
    with pytest.raises(ValueError):
        a.flags.writeable = True
    with pytest.raises(ValueError):
        a[0] = 1
    w = buf.array(writable=True)
    assert w.ctypes.data != a.ctypes.data
    w[0] = 8
    assert a[0] == 8


def test_a_read_only_array_points_into_pages_that_nobody_can_write():
    buf = ndma.array([1, 2, 3])
    a = buf.array(writable=False)
    address = a.ctypes.data
    for line in open("/proc/self/maps"):
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        if start <= address < end:
            assert line.split()[1].startswith("r-")
            break
    else:
        pytest.fail("not mapped")


def test_as_readonly_never_writes():
    buf = ndma.array([1, 2, 3])
    ro = buf.as_readonly()
    assert ro.readonly and not buf.readonly
    assert ro.dtype == buf.dtype
    buf[0] = 5
    assert ro[0] == 5
    assert not ro.array().flags.writeable
    assert not np.asarray(ro).flags.writeable
    with pytest.raises(ValueError):
        ro.array(writable=True)
    with pytest.raises(ValueError):
        ro[0] = 1
    with pytest.raises(ValueError):
        ro.resize(5)
    with pytest.raises(OSError):
        import mmap
        mmap.mmap(ro.fileno(), 24)


def test_a_memfd_is_a_file_and_a_dma_buf_is_not(backend):
    import mmap
    buf = ndma.array(np.arange(4096, dtype="u1"))
    assert mmap.mmap(buf.fileno(), 4096)[:3] == b"\0\1\2"
    past_the_library = (
        lambda: os.pread(buf.fileno(), 1, 5)[0],
        lambda: mmap.mmap(buf.fileno(), 0)[5],
        lambda: mmap.mmap(buf.fileno(), 4096, flags=mmap.MAP_PRIVATE)[5],
        lambda: np.memmap(f"/proc/self/fd/{buf.fileno()}", "u1", "r")[5])
    for look in past_the_library:
        if backend == "memfd":
            assert look() == 5
        else:
            with pytest.raises(OSError):
                look()


def test_from_fd_gets_the_layout_from_the_fd(no_leaks):
    buf = ndma.array(np.arange(6, dtype=">i2").reshape(2, 3))
    with ndma.from_fd(buf.fileno()) as other:
        assert other.dtype == np.dtype(">i2") and other.shape == (2, 3)
        other[1, 1] = 77
        assert buf[1, 1] == 77
    with ndma.from_fd(buf) as other:
        assert other.shape == (2, 3)


def test_from_fd_duplicates_the_descriptor():
    buf = ndma.array([1, 2, 3])
    fd = os.dup(buf.fileno())
    other = ndma.from_fd(fd)
    os.close(fd)
    buf.close()
    assert other[:].tolist() == [1, 2, 3]


@pytest.mark.parametrize("make, error", [
    (lambda: -1, ValueError), (lambda: 2**20, OSError), (lambda: "x", TypeError),
    (lambda: os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), OSError),
    (lambda: os.memfd_create("mine"), (OSError, ValueError)),
])
def test_from_fd_refuses_what_is_no_buffer(make, error, no_leaks):
    fd = make()
    try:
        with pytest.raises(error):
            ndma.from_fd(fd)
    finally:
        if isinstance(fd, int) and fd not in (-1, 2**20):
            os.close(fd)


def test_from_fd_refuses_another_layout_than_the_buffer_has():
    buf = ndma.empty(10, "f4")
    with pytest.raises(ValueError):
        ndma.from_fd(buf.fileno(), "f8", 5)
    with pytest.raises(ValueError):
        ndma.from_fd(buf.fileno(), "f4", 11)
    assert ndma.from_fd(buf.fileno(), "f4", 10).shape == (10,)


def test_close_gives_everything_back(no_leaks):
    buf = ndma.empty(1 << 16, "u1")
    buf.array()[:] = 1
    buf.close()
    buf.close()
    assert buf.closed


def test_close_is_refused_while_a_view_lives():
    buf = ndma.empty(4)
    view = memoryview(buf)
    with pytest.raises(BufferError):
        buf.close()
    assert not buf.closed
    view.release()
    buf.close()


def test_leaving_the_with_keeps_views_alive_and_refuses_new_ones(no_leaks):
    with ndma.array([1, 2, 3]) as buf:
        a = buf.array()
    assert buf.closed
    assert a.tolist() == [1, 2, 3]
    with pytest.raises(ValueError):
        buf.array()
    a[0] = 5
    part = a[1:]
    del a
    assert part.tolist() == [2, 3]


@pytest.mark.parametrize("use", [
    lambda buf: buf.array(), lambda buf: buf[0], lambda buf: buf.shape, lambda buf: buf.fileno(),
    lambda buf: buf.resize(3), lambda buf: buf.fill(0), lambda buf: buf.copy(),
    lambda buf: buf.transfer("both"), lambda buf: buf.holders(), lambda buf: buf.leases(),
    lambda buf: buf.assign([1]), lambda buf: len(buf), lambda buf: np.asarray(buf),
    lambda buf: memoryview(buf), lambda buf: buf.__enter__(), lambda buf: buf.sync("read"),
    lambda buf: buf.__setitem__(0, 1), lambda buf: buf.as_readonly(), lambda buf: buf.locked,
    lambda buf: np.from_dlpack(buf),
])
def test_a_closed_buffer_says_so(use):
    buf = ndma.empty(1)
    buf.close()
    with pytest.raises(ValueError, match="closed"):
        use(buf)
    assert "closed" in repr(buf)


def test_repr_says_what_it_is(backend):
    buf = ndma.empty((2, 3), "i4")
    a = buf.array()
    assert repr(buf) == f"<ndma.Buffer (2, 3) int32, {backend}, 1 views>"
    assert buf.backend == backend == ndma.backend()
    assert "Lease to write" in repr(a.base)
    assert a.base.buffer is buf and a.base.access == "write"


def test_types_are_final_and_without_dict():
    buf = ndma.empty(1)
    for kind in (ndma.Allocator, ndma.Buffer, ndma.Frame, ndma.Stream, ndma.Source, ndma.Lease,
                 ndma.Sync, ndma.Transfer):
        assert "__dict__" not in vars(kind) and kind.__dictoffset__ == 0
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            kind.extra = 1
    assert not hasattr(buf, "__dict__")
    assert not hasattr(buf.array().base, "__dict__")


def test_sync_brackets_cpu_access():
    buf = ndma.zeros(3)
    with buf.sync("write") as inside:
        assert inside is buf
        inside[0] = 1
    bracket = buf.sync("read")
    with bracket:
        with pytest.raises(RuntimeError):
            bracket.__enter__()
    with pytest.raises(ValueError):
        buf.sync("sometimes")
    with pytest.raises(TypeError):
        buf.sync(1)


def test_contiguous_memory_is_promised_by_the_kernel_alone(backend):
    if backend == "kernel":
        assert ndma.empty(1000, contiguous=True).size == 1000
        return
    with pytest.raises(OSError) as caught:
        ndma.empty(1000, contiguous=True)
    assert caught.value.errno == errno.EOPNOTSUPP


def test_options_of_memory(source):
    assert ndma.zeros(1000, source=source).size == 1000
    assert ndma.array([1], node=0).size == 1
    with pytest.raises(ValueError):
        ndma.empty(1, node=-2)
    with pytest.raises(TypeError):
        ndma.empty(1, source="sim0")
    with pytest.raises(TypeError):
        ndma.empty(1, "f4", None)


def test_a_buffer_whose_descriptor_somebody_closed_is_named_as_that():
    run_python("""
        import errno, os, ndma
        buffers = ndma.zeros(3), ndma.zeros(3)
        for buf in buffers:
            os.close(buf.fileno())
        for buf, use in zip(buffers, ("array", "as_readonly")):
            try:
                getattr(buf, use)()
            except OSError as error:
                assert error.errno == errno.EBADF, error
                if use == "array" or ndma.backend() == "memfd":
                    assert "was closed by somebody else" in str(error), error
            else:
                raise SystemExit(use)
    """)
