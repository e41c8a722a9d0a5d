# SPDX-License-Identifier: MIT
"""No crash, leak or hang: collections, reference counts, threads, the interpreter's end."""

import gc
import sys
import sysconfig
import threading

import numpy as np
import pytest

import ndma

from conftest import run_python


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


def test_a_stream_closed_in_the_middle_of_a_call_is_closed_like_any_other(source):
    errors = []

    def start_and_stop(stream):
        try:
            while not stream.closed:
                stream.start()
                stream.stop()
        except ValueError:
            pass
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            stream = source.stream(64, frames=8)
            thread = threading.Thread(target=start_and_stop, args=[stream])
            thread.start()
            stream.close()
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors, errors


# Code that a call runs in its middle, and that closes the buffer: what is asked for its value, and a
# finalizer of garbage that keeps a view.
CLOSED_WITHIN = {
    "set_layout": "buf.set_layout('i4', Extent())",
    "set_layout after a collection": "garbage(); buf.set_layout('i4')",
    "resize": "buf.resize(Extent())",
    "resize after a collection": "garbage(); buf.resize(10)",
    "transfer after a collection": "garbage(); buf.transfer('from_device').begin()",
}


@pytest.mark.parametrize("call", CLOSED_WITHIN)
def test_a_buffer_that_is_closed_in_the_middle_of_a_call_is_closed_like_any_other(call):
    run_python(f"""
        import ndma
        buf = ndma.zeros(4096, "u1")

        class Extent:
            def __index__(self):
                buf.close()
                return 4

        class Node:
            def __del__(self):
                buf.__exit__()

        def garbage():
            node = Node()
            node.self, node.view = node, buf.array()

        try:
            {CLOSED_WITHIN[call]}
        except ValueError as error:
            assert "closed" in str(error)
        else:
            raise SystemExit("nobody noticed")
        assert buf.closed
    """)


def test_a_dtype_that_is_replaced_while_resize_asks_for_the_shape_outlives_the_call():
    run_python("""
        import numpy as np, ndma
        buf = ndma.zeros(64, np.dtype(">f4", metadata={"only": "here"}))

        class Extent:
            def __index__(self):
                buf.set_layout("i2")
                self.reused = [np.dtype(">i4", metadata={"n": n}) for n in range(50)]
                return 4

        buf.resize(Extent())
        assert buf.shape == (4,) and buf.dtype == np.dtype(">f4")
    """, PYTHONMALLOC="debug")


def test_a_finalizer_that_looks_at_the_buffer_whose_dtype_goes_sees_the_new_one():
    assert run_python("""
        import numpy as np, ndma

        class Note:
            def __del__(self):
                print(buf.dtype, buf.shape)

        buf = ndma.zeros(8, np.dtype("f4", metadata={"note": Note()}))
        buf.set_layout("i2")
        print(buf.dtype, buf.shape)
    """, PYTHONMALLOC="debug") == 2 * "int16 (16,)\n"


def test_a_resize_in_the_middle_of_a_look_at_anothers_layout_is_not_undone():
    """Up to Python 3.11 a collection runs wherever an object is made."""
    run_python("""
        import gc, numpy as np, ndma
        dtype = np.dtype([(chr(97 + i), "u1") for i in range(25)])
        left = 0

        def resize(phase, info):
            global left
            if phase == "start" and left:
                left -= 1
                if not left:
                    buf.resize(16)

        gc.freeze()
        gc.callbacks.append(resize)
        for k in range(1, 25):
            buf = ndma.zeros(4000, dtype)
            with ndma.from_fd(buf.fileno()) as other:
                other.set_layout(dtype, 3999)
            gc.set_threshold(1)
            left = k
            buf.shape
            buf.dtype
            done, left = not left, 0
            gc.set_threshold(700)
            assert not done or buf.array().shape == (16,), k
    """)


# What is made, and who looks at it meanwhile: another thread, while the GIL is given up, or a
# collection, which Python 3.11 runs wherever an object is made.
MADE = {
    "Source": ("ndma.open('sim0')", "thread"),
    "Stream": ("source.stream(1000, frames=3).close()", "thread"),
    "Buffer": ("ndma.zeros(3, dtype)", "collection"),
}


@pytest.mark.parametrize("what", MADE)
def test_nobody_gets_hold_of_an_object_that_is_not_complete(what):
    call, who = MADE[what]
    run_python(f"""
        import gc, sys, threading, time, numpy as np, ndma
        dtype = np.dtype([("a", "i4"), ("b", "f8")])
        source = ndma.open("sim0")
        stop = False

        def look(*unused):
            for thing in gc.get_objects():
                if type(thing) is ndma.{what}:
                    try:
                        repr(thing), getattr(thing, "shape", None), getattr(thing, "name", None)
                    except ValueError as error:
                        assert "closed" in str(error)

        def go_on_looking():
            while not stop:
                look()

        {call}
        gc.freeze()
        sys.setswitchinterval(1e-6)
        thread = threading.Thread(target=go_on_looking, daemon=True)
        if {who == "thread"}:
            thread.start()
        else:
            gc.callbacks.append(look)
            gc.set_threshold(1)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            try:
                {call}
            except OSError:
                pass    # those that are looked at are still there
        stop = True
        if {who == "thread"}:
            thread.join()
    """)


def test_nobody_gets_hold_of_the_memory_that_resize_is_about_to_take():
    run_python("""
        import gc, traceback, ndma
        buf = ndma.array([1, 2, 3])
        views = []

        def look():
            ndma.trace_leases(False)
            views.extend(thing.array() for thing in gc.get_objects()
                         if type(thing) is ndma.Buffer and thing is not buf)
            ndma.trace_leases(True)
            return []

        traceback.format_stack = look       # runs whenever resize takes a view
        ndma.trace_leases(True)
        buf.resize(5)
        assert [view.tolist() for view in views] == []
        assert buf.array().tolist() == [1, 2, 3, 0, 0]
    """)


def test_closing_what_a_collection_closes_is_no_error():
    buf = ndma.zeros(3)

    class Node:
        def __del__(self):
            buf.__exit__()

    node = Node()
    node.self, node.view = node, buf.array()
    del node
    buf.close()
    assert buf.closed


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
