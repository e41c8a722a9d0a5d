# SPDX-License-Identifier: MIT
"""Memory: allocations that fail one after the other, and what is left of a sequence that was run."""

import os
from pathlib import Path

import pytest

from conftest import run_python

pytestmark = pytest.mark.pure

try:
    import _testcapi
except ImportError:
    _testcapi = None

# Made from failing_malloc.c.
FAILING_MALLOC = Path(os.environ.get("NDMA_FAILING_MALLOC", "/usr/libexec/ndma/failing_malloc.so"))

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
        buf.as_readonly().__dlpack__(); buf.as_readonly().__dlpack__(max_version=(1, 0))
        np.asarray(buf); buf.__array__("f4")
    """,
    "source": """
        source = ndma.open("sim0")
        source.paced = False
        source.channels, source.formats, source.controls, dir(source), repr(source)
        source.rate = 1e5
        source.read(100, channels=1); source.read(100, channels=1, physical=True)
    """,
    "words": """
        source = ndma.open("sim0")
        for call, words in ((source.stream, {"sample": 3}), (source.read, {"zzz": 1}),
                            (ndma.zeros(3).array, {"write": 1})):
            try:
                call(**words)
            except TypeError:
                pass
        try:
            source.rate = 1.5
        except ValueError:
            pass
    """,
    "stream": """
        source = ndma.open("sim0")
        source.paced = False
        source.fault_drop = 3
        with source.stream(64, channels=2, count=6) as stream:
            for frame in stream:
                frame.array(); frame.physical(); frame.time; repr(frame); np.asarray(frame)
                frame.size, len(frame), frame[0], list(frame), weakref.ref(frame)
            sum(frame.valid for frame in stream); list(zip(stream, [1]))
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
    "frame": """
        with ndma.open("sim0") as source:
            source.paced = False
            stream = source.stream(64, count=2, iq=True, writable=True)
            frame = next(stream)
            frame.to_buffer().array(); frame.copy(); frame.iq(); frame.buffer_array()
            frame.to_buffer().__dlpack__(max_version=(1, 0)); frame.array(writable=True)
            stream.latest()
    """,
    "read": """
        with ndma.open("sim0") as source:
            source.paced = False
            buf = ndma.empty((2, 100), "i2")
            source.read_into(buf)
            source.read_into(np.empty((2, 100), "i2"))
    """,
    "allocator": """
        with ndma.allocator() as allocator:
            x = np.empty((64, 64))
        allocator.buffer(x)[0]
        x.resize((128, 128), refcheck=False)
    """,
}

# What every program below begins with. `left()` is what a sequence must leave as it was: what holds
# an object of a final type holds its type.
PRELUDE = """
    import ctypes, faulthandler, gc, os, sys, textwrap, warnings, weakref
    import numpy as np
    import ndma
    warnings.simplefilter("ignore")
    faulthandler.enable()
    types = (ndma.Allocator, ndma.Buffer, ndma.Frame, ndma.Lease, ndma.Source, ndma.Stream,
             ndma.Sync, ndma.Transfer)
    space = {{"np": np, "ndma": ndma, "weakref": weakref, "pair": np.dtype([("a", "i2"), ("b", ">f4", 3)]),
             "nested": np.dtype([("x", "i1"), ("y", [("z", ">c8", (2, 2))]), ("s", "S3")])}}
    code = compile(textwrap.dedent({sequence!r}), "sequence", "exec")

    def left():
        gc.collect()
        return ([sys.getrefcount(type) for type in types], len(os.listdir("/proc/self/fd")),
                open("/proc/self/maps").read().count("ndma"))

    exec(code, dict(space))
    before = left()
"""


def run_sequence(name, program, **options):
    return run_python(PRELUDE.format(sequence=SEQUENCES[name]) + program, **options)


@pytest.mark.slow
@pytest.mark.skipif(_testcapi is None, reason="this guest has no _testcapi")
@pytest.mark.parametrize("name", SEQUENCES)
def test_an_allocation_of_python_that_fails_is_memory_error_and_leaves_nothing(name):
    """Every allocation of a good sequence fails once, in Python's own allocator.

    NumPy says other things than that when it runs out of memory while it reads a dtype.
    """
    run_sequence(name, f"""
    import _testcapi
    numpys = () if {name!r} not in ("layout", "frame") else (TypeError, ValueError)
    for n in range(1, 4000):
        scope = dict(space)
        error = None
        passed = False
        _testcapi.set_nomemory(n, n + 1)
        try:
            exec(code, scope)
            passed = True
        except BaseException as caught:
            _testcapi.remove_mem_hooks()
            error = caught
        finally:
            _testcapi.remove_mem_hooks()
        if error and not isinstance(error, (MemoryError, *numpys)):
            raise error
        del scope, error
        if passed:
            break
    else:
        sys.exit("the sequence never passed")
    assert n > 5
    assert left() == before, (left(), before)
    exec(code, dict(space))
    """, timeout=500)


@pytest.mark.slow
@pytest.mark.skipif(not FAILING_MALLOC.exists(), reason=f"this guest has no {FAILING_MALLOC}")
@pytest.mark.parametrize("name", SEQUENCES)
def test_an_allocation_of_the_library_that_fails_is_memory_error_and_leaves_nothing(name):
    """Every block and mapping that libndma and the extension ask for is refused once."""
    run_sequence(name, f"""
    failing = ctypes.CDLL({str(FAILING_MALLOC)!r})
    failing.failing_begin.argtypes = [ctypes.c_long]
    failing.failing_end.restype = failing.failing_live.restype = ctypes.c_long
    assert failing.failing_watch(b"ndma/_ext")
    exec(code, dict(space))
    before = left()
    live = failing.failing_live()
    for n in range(1, 1000):
        scope = dict(space)
        failing.failing_begin(n)
        try:
            exec(code, scope)
            error = None
        except MemoryError as caught:
            error = str(caught)
        failed = failing.failing_end()
        del scope
        # Where there is no memory for many arrays the allocator asks for one array's.
        assert bool(failed) == (error is not None) or failed and {name!r} == "allocator", (n, failed, error)
        assert left() == before, (n, error, left(), before)
        assert failing.failing_live() == live, (n, error, failing.failing_live(), live)
        if not failed:
            break
    else:
        sys.exit("the sequence never passed")
    assert n > 1, "nothing failed: the preloaded library saw no allocation"
    """, timeout=500, LD_PRELOAD=str(FAILING_MALLOC))


@pytest.mark.slow
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_leaks_neither_memory_nor_descriptors(name):
    run_sequence(name, """
    def run(times):
        for _ in range(times):
            exec(code, dict(space))
        return left(), int(open("/proc/self/statm").read().split()[1])

    times = 30 if ndma.backend() == "memfd" else 6
    run(times)
    _, pages = run(times)
    after, more = run(4 * times)
    assert after == before, (after, before)
    # A sanitizer remembers every thread that there was.
    allowed = 250 if "libasan" not in os.environ.get("LD_PRELOAD", "") else 600
    assert more - pages < allowed, (more, pages)
    """, timeout=300)
