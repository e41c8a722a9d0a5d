# SPDX-License-Identifier: MIT
"""The lock is real: no way that Python offers gets a view during a transfer, or keeps one unseen."""

import builtins
import code
import copy
import ctypes
import gc
import importlib.util
import io
import pickle
import socket
import sys
import threading

import numpy as np
import pytest

import ndma

from conftest import run_python


@pytest.fixture
def buf():
    return ndma.array(np.arange(16, dtype="f4").reshape(4, 4))


WAYS_IN = {
    "array": lambda buf: buf.array(),
    "array to read": lambda buf: buf.array(writable=False),
    "array to write": lambda buf: buf.array(writable=True),
    "asarray": np.asarray,
    "np.array": np.array,
    "asanyarray": np.asanyarray,
    "ascontiguousarray": np.ascontiguousarray,
    "atleast_1d": np.atleast_1d,
    "frombuffer": lambda buf: np.frombuffer(buf, "f4"),
    "memoryview": memoryview,
    "bytes": bytes,
    "bytearray": bytearray,
    "indexing": lambda buf: buf[0],
    "setting": lambda buf: buf.__setitem__(0, 1),
    "iterating": iter,
    "fill": lambda buf: buf.fill(0),
    "assign": lambda buf: buf.assign(np.zeros((4, 4), "f4")),
    "copy": lambda buf: buf.copy(),
    "ctypes": lambda buf: (ctypes.c_float * 16).from_buffer(buf),
    "ctypes copy": lambda buf: (ctypes.c_float * 16).from_buffer_copy(buf),
    "from_dlpack": np.from_dlpack,
    "__array__": lambda buf: buf.__array__(),
    "a function's argument": np.sum,
    "a ufunc's argument": lambda buf: np.add(1, buf),
    "out=": lambda buf: np.add(1, 1, out=np.asarray(buf)),
    "pickle 5": lambda buf: pickle.PickleBuffer(buf),
    "write": lambda buf: io.BytesIO().write(buf),
    "recv_into": lambda buf: socket.socketpair()[0].recv_into(buf),
    "resize": lambda buf: buf.resize(3),
    "close": lambda buf: buf.close(),
    "set_layout": lambda buf: buf.set_layout("u1"),
    "another transfer": lambda buf: buf.transfer("both").begin(),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_no_way_in_while_the_device_writes(buf, way):
    # CPython makes a TypeError of whatever refuses its "w*".
    error = TypeError if way == "recv_into" else BufferError
    with buf.transfer("from_device"):
        with pytest.raises(error):
            WAYS_IN[way](buf)
        assert buf.leases() == []
        assert buf.locked
    assert buf.array().tolist() == np.arange(16).reshape(4, 4).tolist()


def test_locked_error_is_an_os_error_and_a_buffer_error(buf):
    with buf.transfer("from_device"), pytest.raises(ndma.LockedError) as caught:
        buf.array()
    assert isinstance(caught.value, OSError) and isinstance(caught.value, BufferError)
    import errno
    assert caught.value.errno == errno.EBUSY
    assert "transfer" in str(caught.value)


def test_a_device_that_reads_lets_others_read(buf):
    with buf.transfer("to_device"):
        a = buf.array()
        assert not a.flags.writeable
        assert not np.asarray(buf).flags.writeable
        assert buf[1, 1] == 5
        assert memoryview(buf).readonly
        for write in (lambda: buf.array(writable=True), lambda: buf.fill(0),
                      lambda: buf.__setitem__(0, 1),
                      lambda: (ctypes.c_float * 16).from_buffer(buf)):
            with pytest.raises((BufferError, TypeError)):   # ctypes asks for any, then looks
                write()
    assert buf[0, 0] == 0
    assert buf.array().flags.writeable


KEEPERS = {
    "array": lambda buf: buf.array(),
    "slice": lambda buf: buf.array()[1:, ::2],
    "transpose": lambda buf: buf.array().T,
    "field of a view": lambda buf: buf.array().view("u4")[0],
    "asarray": np.asarray,
    "frombuffer": lambda buf: np.frombuffer(buf, "f4"),
    "memoryview": memoryview,
    "memoryview of an array": lambda buf: memoryview(buf.array()),
    "cast of a memoryview": lambda buf: memoryview(buf).cast("B"),
    "ndarray over an array": lambda buf: np.ndarray((4,), "f4", buf.array()),
    "iterator": lambda buf: iter(buf),
    "flat": lambda buf: buf.array().flat,
    "ctypes": lambda buf: (ctypes.c_float * 16).from_buffer(buf),
    "ctypes pointer": lambda buf: buf.array().ctypes.data_as(ctypes.c_void_p),
    "dlpack": np.from_dlpack,
    "capsule": lambda buf: buf.__dlpack__(),
    "pickle buffer": lambda buf: pickle.PickleBuffer(buf),
    "base": lambda buf: buf.array().base,
    "nditer": lambda buf: np.nditer(buf.array()),
    "memmap-like subclass": lambda buf: buf.array().view(np.matrix),
    "recarray": lambda buf: buf.array().view(np.recarray),
    "broadcast": lambda buf: np.broadcast_to(buf.array(), (2, 4, 4)),
    "sliding window": lambda buf: np.lib.stride_tricks.sliding_window_view(buf.array(), 2, 0),
    "masked": lambda buf: np.ma.asarray(buf.array()),
    "exported in an exception": lambda buf: ValueError(buf.array()),
    "generator": lambda buf: (x for x in buf.array()),
}


@pytest.mark.parametrize("what", KEEPERS)
def test_whatever_keeps_a_view_keeps_the_device_out(buf, what):
    kept = KEEPERS[what](buf)
    with pytest.raises(ndma.LockedError, match="views"):
        buf.transfer("from_device").begin()
    assert not buf.locked
    assert buf.leases()
    del kept
    with buf.transfer("from_device"):
        pass


COPIES = {
    "np.array": np.array, "bytes": bytes, "tolist": lambda buf: buf.array().tolist(),
    "sum": np.sum, "copy": lambda buf: buf.array().copy(), "deepcopy": lambda buf:
    copy.deepcopy(buf.array()), "scalar": lambda buf: buf[0, 0],
    "astype": lambda buf: buf.array().astype("f8"), "pickle": lambda buf:
    pickle.dumps(buf.array()), "fancy indexing": lambda buf: buf[[0, 1]],
}


@pytest.mark.parametrize("what", COPIES)
def test_a_copy_keeps_nothing(buf, what):
    kept = COPIES[what](buf)
    with buf.transfer("from_device"):
        pass
    assert kept is not None


def test_a_released_memoryview_keeps_nothing(buf):
    view = memoryview(buf)
    part = view[1:2]
    view.release()
    with pytest.raises(BufferError):
        buf.transfer("both").begin()
    part.release()
    buf.transfer("both").begin()


def test_readers_do_not_stop_a_device_that_reads(buf):
    a = buf.array(writable=False)
    with buf.transfer("to_device"):
        assert a[0, 1] == 1
    w = buf.array()
    with pytest.raises(BufferError):
        buf.transfer("to_device").begin()
    del w


def test_garbage_is_collected_before_a_refusal(buf):
    class Node:
        pass

    node = Node()
    node.self, node.view = node, buf.array()
    del node
    with buf.transfer("from_device"):
        pass
    assert gc.get_count() is not None


def test_garbage_is_collected_even_where_collection_is_off(buf):
    ring = [buf.array()]
    ring.append(ring)
    gc.disable()
    try:
        del ring
        buf.resize((2, 2))
    finally:
        gc.enable()


def test_the_message_says_how_many_and_what_to_do(buf):
    views = [buf.array(), buf.array(writable=False), memoryview(buf)]
    with pytest.raises(ndma.LockedError) as caught:
        buf.transfer("from_device").begin()
    text = str(caught.value)
    for part in "3", "to write 2", "Out[n]", "sys.last_traceback", "trace_leases":
        assert part in text, text
    del views


def test_traced_leases_name_the_line_that_made_them(buf):
    before = ndma.trace_leases(True)
    try:
        kept = buf.array()                      # this very line
        with pytest.raises(ndma.LockedError, match="this very line"):
            buf.close()
        assert "this very line" in buf.leases()[0].made
        assert buf.leases()[0].access == "write"
        del kept
    finally:
        assert ndma.trace_leases(before) is True
    assert buf.array() is not None
    assert buf.leases() == []


def test_a_buffer_that_is_closed_while_a_lease_is_traced_gives_none():
    run_python("""
        import traceback, ndma
        buf = ndma.zeros(4096, "u1")
        format_stack = traceback.format_stack

        def close_and_format(*arguments):
            buf.close()
            return format_stack(*arguments)

        traceback.format_stack = close_and_format
        ndma.trace_leases(True)
        try:
            buf.array()
        except ValueError as error:
            assert "closed" in str(error)
        else:
            raise SystemExit("a view of a closed buffer")
    """)


def test_leases_are_counted_one_by_one(buf):
    a = buf.array()
    b = a[1:]
    m = memoryview(buf)
    assert [lease.access for lease in buf.leases()] == ["write", "write"]
    r = buf.array(writable=False)
    assert [lease.access for lease in buf.leases()] == ["read", "write", "write"]
    assert buf.leases()[0].made is None
    del a
    assert len(buf.leases()) == 3
    del b, m, r
    assert buf.leases() == []


def test_holders_names_this_process(buf, backend):
    import os
    assert buf.holders() == []
    a = buf.array()
    holders = buf.holders()
    assert [(h.kind, h.access) for h in holders] == [("lease", "write")]
    assert holders[0].pid in (0, os.getpid())
    del a
    with buf.transfer("to_device"):
        assert ("transfer", "to_device") in [(h.kind, h.access) for h in buf.holders()]


def test_what_an_interactive_session_showed_last_is_kept(buf, monkeypatch):
    monkeypatch.setattr(builtins, "_", None, raising=False)
    console = code.InteractiveConsole({"buf": buf})
    console.push("buf.array()")
    with pytest.raises(BufferError, match="_ and Out"):
        buf.resize(3)
    console.push("1")
    buf.resize(3)


def test_an_exception_in_an_interactive_session_keeps_a_view(buf, monkeypatch):
    names = "last_exc", "last_type", "last_value", "last_traceback"
    for name in names:
        monkeypatch.setattr(sys, name, None, raising=False)
    console = code.InteractiveConsole({"buf": buf})
    console.push("def look(view): raise KeyError(view.shape)\n")
    console.push("look(buf.array())")
    with pytest.raises(BufferError, match="sys.last_traceback"):
        buf.resize(3)
    for name in names:
        setattr(sys, name, None)
    buf.resize(3)


def test_threads_cannot_sneak_a_view_in(buf):
    stop = threading.Event()
    wrong = []

    def grab():
        while not stop.is_set():
            try:
                a = buf.array()
            except BufferError:
                continue
            before = buf.locked
            if before and a.flags.writeable:
                wrong.append("a view during a transfer")
            del a

    threads = [threading.Thread(target=grab) for _ in range(3)]
    for thread in threads:
        thread.start()
    done = 0
    for _ in range(300):
        try:
            with buf.transfer("from_device"):
                assert buf.leases() == []
                done += 1
        except ndma.LockedError:
            pass
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert buf.leases() == []


def test_views_can_die_in_any_thread(buf):
    views = [buf.array() for _ in range(100)]

    def drop():
        while views:
            try:
                views.pop()
            except IndexError:
                return

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buf.leases() == []
    with buf.transfer("both"):
        pass


def test_what_takes_the_buffer_itself_as_base_is_not_seen(buf):
    """np.ndarray(buffer=buf) lets its view go at once: documented, and the guard's to catch."""
    array = np.ndarray((4, 4), "f4", buf)
    assert array.base is buf
    assert buf.leases() == []
    with buf.transfer("from_device"):
        pass


UNSEEN = {
    "an array whose base is the buffer": """
        array = np.ndarray((4,), "f4", buf)
        touch = lambda: array[0]
    """,
    "a pointer that outlived its view": """
        view = memoryview(buf)
        address = np.asarray(view).ctypes.data
        view.release()
        touch = lambda: ctypes.string_at(address, 4)
    """,
}


@pytest.mark.parametrize("what", UNSEEN)
def test_the_guard_catches_what_no_count_sees(what):
    """SIGBUS, and faulthandler names the line."""
    program = f"""
        import ctypes, faulthandler, os, sys, numpy as np, ndma
        faulthandler.enable(file=sys.stdout)
        buf = ndma.empty(1 << 20, "f4")
        {UNSEEN[what].strip()}
        touch()
        with buf.transfer("from_device", guard=os.environ["GUARD"]):
            print("transferring", flush=True)
            touch()
    """
    # The control: without the page tables nobody notices.
    assert run_python(program, GUARD="none") == "transferring\n"
    out = run_python(program, status=-7, GUARD="sigbus")
    assert out.startswith("transferring\nFatal Python error: Bus error") and "<lambda>" in out


def test_the_guard_catches_a_view_that_a_child_inherited(backend):
    """A memfd guard stops the process that transfers and no other: see libndma(3)."""
    out = run_python("""
        import os, numpy as np, ndma
        buf = ndma.empty(1 << 20, "f4")
        array = buf.array()
        array[0] = 7
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.read(read, 1)
            os._exit(int(array[0]))
        del array
        with buf.transfer("from_device", guard="sigbus", timeout=60):
            os.write(write, b"x")
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert out == {"kernel": "-7\n", "memfd": "7\n"}[backend]


def test_the_object_of_a_memoryview_is_its_lease(buf):
    view = memoryview(buf)
    assert type(view.obj) is ndma.Lease and view.obj.buffer is buf
    assert type(np.asarray(buf).base.obj) is ndma.Lease


def test_a_protocol_5_pickle_of_an_array_goes_out_of_band(buf):
    a = buf.array()
    buffers = []
    data = pickle.dumps(a, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 1 and len(data) < 500
    again = pickle.loads(data, buffers=buffers)
    assert np.shares_memory(again, a)
    del a, again, buffers[:]
    with buf.transfer("from_device"):
        pass
