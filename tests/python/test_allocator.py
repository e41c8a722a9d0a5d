# SPDX-License-Identifier: MIT
"""A NumPy data allocator (NEP 49): other people's code gets DMA memory."""

import gc
import threading

import numpy as np
import pytest

import ndma

from conftest import open_descriptors, run_python


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


def test_a_view_becomes_a_buffer_of_its_shape(source):
    with ndma.allocator(source=source) as allocator:
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


def test_a_view_without_elements_becomes_a_buffer_without_them(source):
    with ndma.allocator(source=source) as allocator:
        x = np.zeros((4, 6), "i4")
    assert allocator.buffer(x[4:]).shape == (0, 6)


def test_descriptors_do_not_grow_with_arrays(source):
    gc.collect()
    before = open_descriptors()
    allocator = ndma.allocator(source=source)
    with allocator:
        arrays = [np.full(size, number, "u1") for number in range(200) for size in (1, 1000, 5000, 300_000)]
    assert open_descriptors() <= before + 30
    # Nobody's memory is another one's.
    assert all((array == number // 4).all() for number, array in enumerate(arrays))
    # Freed by whoever frees them; the last one frees what was kept for others.
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    del allocator
    gc.collect()
    assert open_descriptors() == before


def test_what_is_freed_is_used_again_and_zeros_are_zeros():
    with ndma.allocator() as allocator:
        for shape in 5000, 100_000, 3_000_000:
            x = np.full(shape, 7, "u1")
            address = x.ctypes.data
            del x
            x = np.zeros(shape, "u1")
            assert x.ctypes.data == address and not x.any()
    assert allocator.buffer(x).nbytes == len(x)


def test_no_later_array_lies_where_a_buffer_was_given_to_others():
    with ndma.allocator() as allocator:
        x = np.ones(5000, "u1")
        buf = allocator.buffer(x)
        buf[:] = 9
        del x
        others = [np.zeros(5000, "u1") for _ in range(100)]
    with buf.transfer("from_device"):
        assert not any(other.any() for other in others)
    buf[:] = 5
    assert not any(other.any() for other in others)


def test_a_buffer_begins_where_its_array_does():
    with ndma.allocator() as allocator:
        arrays = [np.full(5000, number, "u1") for number in range(5)]
    offsets = set()
    for number, array in enumerate(arrays):
        buf = allocator.buffer(array[10:])
        assert buf.shape == (4990,) and (buf[:] == number).all()
        offsets.add(buf.offset)
        with ndma.from_fd(buf.fileno()) as plain:
            assert plain.nbytes >= buf.offset + 4990
    assert len(offsets) == 5


def test_small_arrays_are_numpys_own_unless_a_source_has_to_reach_them(source):
    with ndma.allocator() as allocator:
        below, above = np.zeros(4095, "u1"), np.zeros(4096, "u1")
    assert allocator.buffer(above).shape == (4096,)
    with pytest.raises(ValueError, match="4096 bytes"):
        allocator.buffer(below)
    with ndma.allocator(source=source) as allocator:
        below = np.zeros(4095, "u1")
    assert allocator.buffer(below).shape == (4095,)


def test_an_array_moves_between_sizes_with_its_contents():
    with ndma.allocator():
        x = np.arange(1000)
    for size in 5000, 100_000, 5_000_000, 2000, 10, 3:
        known = min(size, len(x))
        expected = x[:known].tolist()
        x.resize(size, refcheck=False)
        assert x[:known].tolist() == expected and not x[1000:].any()
        x[1000:] = 0


def test_fork_warns_once_while_arrays_live_and_the_child_has_numpys_memory():
    out = run_python("""
        import os, sys, warnings
        import numpy as np, ndma
        def fork():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                child = os.fork()
            if child:
                return [str(each.message) for each in caught], os.waitpid(child, 0)[1]
            with allocator:
                y = np.ones(100_000)
                z = y * 2
                kept.clear()
                del y
            try:
                allocator.buffer(z)
            except ValueError:
                os._exit(0)
            os._exit(1)
        allocator, kept = ndma.allocator(), []
        assert fork() == ([], 0)
        with allocator:
            kept.append(np.ones(100_000))
        texts, status = fork()
        assert len(texts) == 1 and "1 arrays" in texts[0] and "spawn" in texts[0] and not status, texts
        assert fork() == ([], 0)
        with allocator:
            x = np.zeros(100_000)
        assert kept[0].sum() == 100_000
        allocator.buffer(x)
    """)
    assert out == ""


def test_threads_take_and_give_at_the_same_time():
    def work(number):
        with ndma.allocator():
            for turn in range(200):
                arrays = [np.full(4096 << turn % 6, number, "u1") for _ in range(3)]
                wrong.extend(array for array in arrays if (array != number).any())

    wrong = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


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
        x = np.zeros(1000)
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
