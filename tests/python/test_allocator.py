# SPDX-License-Identifier: MIT
"""A NumPy data allocator (NEP 49): other people's code gets DMA memory."""

import gc
import threading

import numpy as np
import pytest

import ndma

from conftest import open_descriptors


def handler(array):
    try:
        from numpy._core.multiarray import get_handler_name
    except ImportError:
        from numpy.core.multiarray import get_handler_name
    return get_handler_name(array)


def test_arrays_made_inside_are_dma_memory():
    outside = np.ones(3)
    with ndma.allocator() as allocator:
        x = np.ones((64, 64), "f4")
        y = x * 2 + np.arange(64)
    assert handler(x) == handler(y) == "ndma"
    assert handler(outside) != "ndma" and handler(np.ones(3)) != "ndma"
    buf = allocator.buffer(x)
    assert buf.shape == (64, 64) and buf.dtype == np.dtype("f4")
    buf[3, 4] = 9
    assert x[3, 4] == 9


def test_a_view_becomes_a_buffer_of_its_shape():
    with ndma.allocator() as allocator:
        x = np.zeros((4, 6), "i4")
    buf = allocator.buffer(x[1:, ::2].T)
    assert buf.shape == (3, 3)
    buf[0, 0] = 5
    assert x[1, 0] == 5


class Liar(np.ndarray):
    @property
    def shape(self):
        return (1 << 28,)


def test_what_a_subclass_says_of_itself_is_not_believed():
    with ndma.allocator() as allocator:
        x = np.arange(4096.)
    buf = allocator.buffer(x[::-2].view(Liar))
    assert buf.shape == (2048,) and buf.strides == (-16,)
    assert buf[:].tolist() == x[::-2].tolist()
    assert ndma.array(x[:3].view(Liar))[:].tolist() == [0, 1, 2]


def test_a_view_without_elements_becomes_a_buffer_without_them():
    with ndma.allocator() as allocator:
        x = np.zeros((4, 6), "i4")
    assert allocator.buffer(x[4:]).shape == (0, 6)


def test_memory_is_freed_by_whoever_frees_the_array():
    gc.collect()
    before = open_descriptors()
    with ndma.allocator():
        arrays = [np.empty(1000) for _ in range(20)]
    assert open_descriptors() >= before + 20
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    assert open_descriptors() == before


def test_an_array_can_grow_and_shrink():
    with ndma.allocator():
        x = np.arange(10)
    x.resize(5000, refcheck=False)
    assert x[:10].tolist() == list(range(10)) and not x[10:].any()
    x.resize(5, refcheck=False)
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert handler(x) == "ndma"


def test_an_array_is_a_lease():
    with ndma.allocator() as allocator:
        x = np.zeros(10)
    buf = allocator.buffer(x)
    assert buf.holders()
    with pytest.raises(BufferError):
        buf.transfer("from_device").begin()


def test_memory_from_elsewhere_is_refused():
    allocator = ndma.allocator()
    for other in np.ones(3), 5, ndma.zeros(3).array(), np.frombuffer(b"abcd", "u1"):
        with pytest.raises(ValueError):
            allocator.buffer(other)


def test_too_much_memory_is_a_memory_error():
    with ndma.allocator():
        with pytest.raises(MemoryError):
            np.empty(2**60, "u1")
        assert handler(np.empty(3)) == "ndma"


def test_contexts_nest_and_are_left_by_exceptions(source):
    inner = ndma.allocator(source=source)
    with pytest.raises(KeyError):
        with ndma.allocator():
            with inner:
                assert handler(np.empty(3)) == "ndma"
            with pytest.raises(RuntimeError):
                with inner:
                    with inner:
                        pass
            raise KeyError
    assert handler(np.empty(3)) != "ndma"


def test_empty_arrays_and_odd_sizes():
    with ndma.allocator():
        for shape in 0, (0, 5), (), 1, 4097:
            x = np.zeros(shape, "u1")
            assert not x.any()


def test_bad_options():
    with pytest.raises(TypeError):
        ndma.allocator("sim0")
    with pytest.raises(TypeError):
        ndma.allocator(source=3)
    with pytest.raises(ValueError):
        ndma.allocator(node=-4)
