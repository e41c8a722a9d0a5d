# SPDX-License-Identifier: MIT
"""No crash, leak or hang: collections, failing allocations, threads, the interpreter's end."""

import gc
import sys
import sysconfig
import threading

import numpy as np
import pytest

import ndma

from conftest import run_python

try:
    import _testcapi
except ImportError:
    _testcapi = None


def resident_pages():
    return int(open("/proc/self/statm").read().split()[1])


SEQUENCES = {
    "buffer": """
        buf = ndma.empty((3, 4), pair)
        buf.array(); memoryview(buf).release(); buf.shape, buf.strides, repr(buf)
        buf.leases(); buf.holders(); buf.fill(0); buf.copy(); buf.resize((2, 2))
        buf.set_layout("u1"); buf[0]; buf.as_readonly()
    """,
    "transfer": """
        buf = ndma.zeros(4)
        with buf.transfer("from_device") as transfer:
            repr(transfer)
            try:
                buf.array()
            except BufferError:
                pass
        view = buf.array()
        try:
            buf.close()
        except BufferError:
            pass
        del view
        buf.close()
    """,
    "dlpack": """
        buf = ndma.zeros((4, 5))
        buf.__dlpack__(); buf.__dlpack__(max_version=(1, 0)); buf.__dlpack__(copy=True)
        np.asarray(buf); buf.__array__("f4")
    """,
    "source": """
        source = ndma.open("sim0")
        source.paced = False
        source.channels, source.formats, source.controls, dir(source), repr(source)
        source.rate = 1e5
        source.read(100, channels=1)
    """,
    "stream": """
        source = ndma.open("sim0")
        source.paced = False
        source.fault_drop = 3
        with source.stream(64, channels=2, count=6) as stream:
            for frame in stream:
                frame.array(); frame.physical(); frame.time; repr(frame); np.asarray(frame)
            stream.stats, stream.channels, stream.held, repr(stream)
    """,
    "layout": """
        buf = ndma.empty(2, nested)
        ndma.from_fd(buf.fileno())
    """,
    "loss": """
        source = ndma.open("sim0")
        source.paced = False
        source.fault_drop = 2
        stream = source.stream(64, channels=1, count=6, on_loss="raise")
        try:
            list(stream)
        except ndma.FrameLossError as error:
            error.frame.array()
        stream.close()
    """,
}


SPACE = """{"np": np, "ndma": ndma, "pair": np.dtype([("a", "i2"), ("b", ">f4", 3)]),
            "nested": np.dtype([("x", "i1"), ("y", [("z", ">c8", (2, 2))]), ("s", "S3")])}"""


@pytest.mark.slow
@pytest.mark.skipif(_testcapi is None, reason="this guest has no _testcapi")
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_failing_allocation_is_memory_error_and_nothing_else(name):
    """Every allocation of a good sequence fails once, in Python's own allocator.

    NumPy says other things than that when it runs out of memory while it reads a dtype.
    """
    errors = "(MemoryError, SystemError)"
    if name == "layout":
        errors = "(MemoryError, SystemError, TypeError, ValueError)"
    run_python(f"""
        import faulthandler, gc, warnings, sys
        import _testcapi, numpy as np, ndma
        warnings.simplefilter("ignore")
        code = compile({SEQUENCES[name]!r}.replace("\\n        ", "\\n"), "sequence", "exec")
        space = {SPACE}
        exec(code, dict(space))
        passed = 0
        for n in range(1, 4000):
            scope = dict(space)
            try:
                _testcapi.set_nomemory(n, n + 1)
                exec(code, scope)
                passed = 1
            except {errors}:
                pass
            finally:
                _testcapi.remove_mem_hooks()
            del scope
            if passed:
                break
        gc.collect()
        exec(code, dict(space))
    """, timeout=500)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_leaks_neither_memory_nor_descriptors(name):
    run_python(f"""
        import gc, os, warnings, numpy as np, ndma
        warnings.simplefilter("ignore")
        code = compile({SEQUENCES[name]!r}.replace("\\n        ", "\\n"), "sequence", "exec")

        def run(times):
            for _ in range(times):
                exec(code, {SPACE})
            gc.collect()
            return (int(open("/proc/self/statm").read().split()[1]),
                    len(os.listdir("/proc/self/fd")), open("/proc/self/maps").read().count("\\n"))

        times = 30 if ndma.backend() == "memfd" else 6
        run(times)
        pages, fds, maps = run(times)
        after = run(4 * times)
        assert after[1] == fds, (after, fds)
        assert after[2] <= maps + 3, (after, maps)
        assert after[0] - pages < 250, (after, pages)
    """, timeout=300)


def test_references_are_counted_right():
    buf = ndma.zeros((3, 4))
    dtype = buf.dtype

    def use():
        a = buf.array()
        m = memoryview(buf)
        d = np.from_dlpack(buf)
        buf[0], buf.shape, buf.leases(), buf.holders(), repr(buf), buf.as_readonly()
        for bad in (lambda: buf.array(writable=NotImplemented, nonsense=1), lambda: buf == 1,
                    lambda: buf.close(), lambda: buf.resize(-1), lambda: buf.transfer("x")):
            try:
                bad()
            except (TypeError, ValueError, BufferError):
                pass
        del a, m, d

    use()
    before = sys.getrefcount(buf), sys.getrefcount(dtype), sys.getrefcount(None)
    for _ in range(50):
        use()
    gc.collect()
    after = sys.getrefcount(buf), sys.getrefcount(dtype), sys.getrefcount(None)
    assert after[0] == before[0] and after[1] == before[1]
    assert abs(after[2] - before[2]) < 40


def test_frames_and_streams_are_counted_right(fast):
    stream = fast.stream(64, count=400, frames=8, channels=2)
    before = sys.getrefcount(stream), sys.getrefcount(stream.dtype)
    for frame in stream:
        a = np.asarray(frame)
        frame.array(), frame.copy(), frame.physical(), repr(frame), frame.stream, frame.dtype
        try:
            frame.array(writable=True)
        except ValueError:
            pass
    del frame, a
    assert (sys.getrefcount(stream), sys.getrefcount(stream.dtype)) == before


def test_cycles_through_every_object_are_collected(fast):
    class Node:
        pass

    gc.collect()
    with fast.stream(64, frames=8, count=8) as stream:
        buf = ndma.zeros(3)
        for make in (lambda: buf.array(), lambda: memoryview(buf), lambda: buf.transfer("both"),
                     lambda: next(stream), lambda: next(stream).array(), lambda: buf.sync("read")):
            node = Node()
            node.self, node.thing = node, make()
            del node
        gc.collect()
        assert buf.leases() == [] and stream.held == []


def test_a_collection_in_the_middle_of_taking_frames_is_harmless(fast):
    """Frames die inside the very call that takes the next one."""
    class Node:
        pass

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        with fast.stream(16, frames=8, channels=1, count=300) as stream:
            got = 0
            for frame in stream:
                node = Node()
                node.self, node.frame, node.array = node, frame, frame.array()
                got += 1
            del node, frame
        assert got == 300
    finally:
        gc.set_threshold(*before)


def test_threads_that_share_one_buffer_do_it_no_harm():
    buf = ndma.array(np.arange(64))
    errors = []
    stop = threading.Event()

    def guarded(function):
        def run():
            while not stop.is_set():
                try:
                    function()
                except (BufferError, ValueError):
                    pass
                except BaseException as error:
                    errors.append(error)
                    return
        return run

    def resize():
        buf.resize(64 if buf.shape[0] != 64 else 32)

    def transfer():
        with buf.transfer("from_device"):
            pass

    def look():
        a = buf.array()
        assert a.shape[0] in (32, 64) and a[3] == 3
        memoryview(a).release()

    threads = [threading.Thread(target=guarded(f)) for f in (resize, transfer, look, look,
                                                             lambda: buf.leases(),
                                                             lambda: repr(buf))]
    for thread in threads:
        thread.start()
    stop.wait(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert buf[:32].tolist() == list(range(32))


def test_a_stream_is_closed_stopped_and_read_by_many_threads():
    for _ in range(10):
        source = ndma.open("sim0")
        source.paced = False
        stream = source.stream(64, frames=8, on_loss="ignore")
        errors = []

        def read():
            try:
                for frame in stream:
                    frame.array().sum()
            except (RuntimeError, ValueError):
                pass
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        threads += [threading.Thread(target=lambda: stream.stats),
                    threading.Thread(target=stream.close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors
        assert stream.closed


def test_other_interpreters_are_refused():
    run_python("""
        import ndma
        try:
            import _interpreters
        except ImportError:
            raise SystemExit
        interpreter = _interpreters.create()
        failed = _interpreters.exec(interpreter, "import ndma._ext")
        assert failed is not None
    """)


def test_signals_do_not_disturb_a_capture(fast):
    import signal
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        with fast.stream(256, frames=8, count=1000) as stream:
            got = [frame.sequence for frame in stream]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert got == list(range(1000))


def test_the_module_can_be_looked_at_and_dropped():
    run_python("""
        import gc, sys, ndma
        buf = ndma.zeros(3)
        a = buf.array()
        for name in [name for name in sys.modules if name.startswith("ndma")]:
            del sys.modules[name]
        del ndma
        gc.collect()
        a[0] = 1
        assert buf[0] == 1
        del buf
        gc.collect()
        assert a[0] == 1
        del a
        gc.collect()
    """)


def test_free_threading_is_not_promised():
    assert not sysconfig.get_config_var("Py_GIL_DISABLED") or sys._is_gil_enabled()
