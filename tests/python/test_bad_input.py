# SPDX-License-Identifier: MIT
"""Bad input: the exception that NumPy's users expect, which names the value and what was expected,
and an object that is as it was."""

import os
import re

import numpy as np
import pytest

import ndma


class World:
    """What there is to be misused, and how it looks from outside."""

    def __init__(self, source):
        self.source = source
        self.buf = ndma.array(np.arange(6, dtype="i4").reshape(2, 3))
        self.ro = self.buf.as_readonly()
        self.stream = source.stream(100, frames=4, count=3)
        self.frame = next(self.stream)
        # While it ran, a rate would be refused whatever it is.
        self.stream.stop()
        self.null = os.open(os.devnull, os.O_RDWR)

    def look(self):
        buf, stream = self.buf, self.stream
        return (buf.shape, buf.dtype, buf.strides, buf.fileno(), buf.array().tolist(), buf.locked,
                buf.leases(), self.ro.shape, stream.held, stream.timeout, stream.closed,
                self.frame.array().tolist(), self.source.rate, self.source.pattern,
                self.source.closed)


@pytest.fixture
def world(fast):
    world = World(fast)
    yield world
    world.stream.close()
    os.close(world.null)


# What is done, the exception, and parts of its message: the value, and what was expected.
CASES = [
    (lambda w: ndma.empty(-1), ValueError, "-1", "negative"),
    (lambda w: ndma.empty((2, -3)), ValueError, "-3", "axis 1"),
    (lambda w: ndma.empty(2.5), TypeError, "2.5", "int or a sequence of ints"),
    (lambda w: ndma.empty("3"), TypeError, "'3'", "an int"),
    (lambda w: ndma.empty((1,) * 33), ValueError, "33", "32"),
    (lambda w: ndma.empty(2**70), ValueError, str(2**70), "64 bits"),
    (lambda w: ndma.empty((2**40, 2**40)), ValueError, str(2**40), "63 bits"),
    (lambda w: ndma.empty(3, "O"), TypeError, "dtype('O')", "PEP 3118"),
    (lambda w: ndma.empty(3, "M8[s]"), TypeError, "M8", "PEP 3118"),
    (lambda w: ndma.empty(3, "no such"), TypeError, "no such"),
    (lambda w: ndma.empty(3, "V0"), ValueError, "0 bytes", "1 or more"),
    (lambda w: ndma.empty(3, [("a:b", "i4")]), ValueError, "'a:b'", "':'"),
    (lambda w: ndma.empty(1, node=-2), ValueError, "-2", "NUMA node, 0 or more"),
    (lambda w: ndma.empty(1, node="x"), TypeError, "'x'", "NUMA node"),
    (lambda w: ndma.empty(1, source="sim0"), TypeError, "str", "Source"),
    (lambda w: ndma.array([object()]), TypeError, "dtype('O')", "PEP 3118"),
    (lambda w: ndma.from_fd(-1), ValueError, "-1"),
    (lambda w: ndma.from_fd(2**20), OSError, str(2**20), "not open"),
    (lambda w: ndma.from_fd("x"), TypeError, "int"),
    (lambda w: ndma.from_fd(w.null), OSError, "neither a dma-buf nor"),
    (lambda w: ndma.from_fd(w.buf.fileno(), "f8", 3), ValueError, "layout"),
    (lambda w: w.buf.array(nonsense=1), TypeError, "'nonsense'"),
    (lambda w: w.ro.array(writable=True), ValueError, "read-only"),
    (lambda w: w.ro.__setitem__(0, 1), ValueError, "read-only"),
    (lambda w: w.ro.resize(3), ValueError, "read-only"),
    (lambda w: w.ro.fill(1), ValueError, "read-only"),
    (lambda w: w.ro.transfer("both").begin(), PermissionError, "read-only"),
    (lambda w: w.buf.assign([1, 2]), ValueError, "(2,)", "(2, 3)"),
    (lambda w: w.buf.assign(np.ones((2, 3))), TypeError, "float64", "int32", "same_kind"),
    (lambda w: w.buf.assign(np.ones((2, 3)), casting="hopeful"), ValueError, "hopeful", "same_kind"),
    (lambda w: w.buf.assign(np.ones((2, 3)), casting=3), TypeError, "int", "str"),
    (lambda w: w.buf.resize(-1), ValueError, "-1", "negative"),
    (lambda w: w.buf.resize(1.5), TypeError, "1.5", "int or a sequence of ints"),
    (lambda w: w.buf.resize((2, "x")), TypeError, "'x'", "an int"),
    (lambda w: w.buf.set_layout("f8", 99_999), ValueError, "99999", "outside"),
    (lambda w: w.buf.set_layout("f4", (2, 3), (4,)), ValueError, "(4,)", "2 dimensions"),
    (lambda w: w.buf.set_layout("f4", 2, ("x",)), TypeError, "'x'", "an int"),
    (lambda w: w.buf[5], IndexError, "5", "size 2"),
    (lambda w: w.buf["a"], IndexError, "integers"),
    (lambda w: w.buf == 1, TypeError, "buffer.array() == x"),
    (lambda w: hash(w.buf), TypeError, "unhashable"),
    (lambda w: w.buf.fill("x"), ValueError, "'x'"),
    (lambda w: w.buf.set_layout("u1", offset=-1), ValueError, "offset must be 0 to", "24 bytes",
     "not -1: nothing lies in front of it"),
    (lambda w: w.buf.set_layout("u1", 3, (1,), -1), ValueError, "offset must be 0 to", "not -1"),
    (lambda w: w.buf.set_layout("u1", 1, offset=25), ValueError, "24 bytes", "not 25"),
    (lambda w: w.buf.set_layout("V0"), ValueError, "no bytes"),
    (lambda w: ndma.from_fd(w.buf.fileno(), "u1", offset=-1), ValueError, "offset", "not -1"),
    (lambda w: w.buf.transfer("sideways"), ValueError, "'sideways'", '"from_device"'),
    (lambda w: w.buf.transfer(1), TypeError, "int", "str"),
    (lambda w: w.buf.transfer("both", 0), ValueError, "0", "above 0"),
    (lambda w: w.buf.transfer("both", None), ValueError, "None", "above 0"),
    (lambda w: w.buf.transfer("both", "1"), TypeError, "'1'", "number of seconds"),
    (lambda w: w.buf.transfer("both", 1, "maybe"), ValueError, "'maybe'", '"none"'),
    (lambda w: w.buf.transfer("both", timeout=365 * 86400).begin(), ValueError, "31536000", "hour"),
    (lambda w: w.buf.transfer("both").end(), ValueError, "not in progress"),
    (lambda w: w.buf.sync("sometimes"), ValueError, "'sometimes'", '"read"'),
    (lambda w: w.buf.sync(1), TypeError, "int", "str"),
    (lambda w: w.buf.__dlpack__(max_version="1"), TypeError, "'1'", "pair of ints"),
    (lambda w: w.buf.__dlpack__(dl_device=3), TypeError, "3", "pair of ints"),
    (lambda w: w.buf.__dlpack__(dl_device=(2, 0)), BufferError, "(2, 0)", "(1, 0)"),
    (lambda w: ndma.open("no_such"), FileNotFoundError, "no_such", "sim0"),
    (lambda w: ndma.open(3), TypeError, "int", "str"),
    (lambda w: ndma.open("a/b"), ValueError, "a/b", "sim0"),
    (lambda w: ndma.open("x" + "é" * 40), ValueError, "xéé"),
    (lambda w: w.source.stream(0), ValueError, "0", "1 or more"),
    (lambda w: w.source.stream("x"), TypeError, "'x'", "samples must be an int"),
    (lambda w: w.source.stream(2**62), ValueError, str(2**62), "at most"),
    (lambda w: w.source.stream(100, frames=2), ValueError, "2", "3 or more"),
    (lambda w: w.source.stream(100, frames=3.5), TypeError, "3.5", "frames must be an int"),
    (lambda w: w.source.stream(100, policy="keep"), ValueError, "'keep'", '"latest"'),
    (lambda w: w.source.stream(100, on_loss="cry"), ValueError, "'cry'", '"raise"'),
    (lambda w: w.source.stream(100, count=0), ValueError, "0", "1 or more"),
    (lambda w: w.source.stream(100, count=1.5), TypeError, "1.5", "count must be None or an int"),
    (lambda w: w.source.stream(100, timeout=-1), ValueError, "-1", "seconds >= 0"),
    (lambda w: w.source.stream(100, timeout="1"), TypeError, "'1'", "number of seconds"),
    (lambda w: w.source.stream(100, dtype="f8"), ValueError, "f8", "nearest"),
    (lambda w: w.source.stream(100, channels=99), ValueError, "99", "has 8"),
    (lambda w: w.source.stream(100, channels="all"), TypeError, "'all'", "how many"),
    (lambda w: w.source.stream(100, order="other"), ValueError, "'other'", '"planar"'),
    (lambda w: w.source.stream(100, guard="block"), ValueError, "'block'", '"sigbus"'),
    (lambda w: w.source.stream(100, nonsense=1), TypeError, "'nonsense'"),
    (lambda w: w.source.read(0), ValueError, "0", "1 or more"),
    (lambda w: w.source.read_into([1]), TypeError, "list", "Buffer or an array"),
    (lambda w: w.source.read_into(np.empty(3)), ValueError, "(3,)", "(channels, samples)"),
    (lambda w: w.source.read_into(w.ro), ValueError, "read-only"),
    (lambda w: setattr(w.source, "rate", -1), ValueError, "-1", "nearest"),
    (lambda w: setattr(w.source, "rate", "fast"), TypeError, "'fast'", "number"),
    (lambda w: setattr(w.source, "nonsense", 1), AttributeError, "'nonsense'", "rate"),
    (lambda w: setattr(w.source, "pattern", "zigzag"), ValueError, "'zigzag'", "sine"),
    (lambda w: setattr(w.stream, "timeout", -1), ValueError, "-1", "seconds >= 0"),
    (lambda w: w.source.stream(sample=100), TypeError, "stream()", "'sample'", "nearest is 'samples'"),
    (lambda w: w.source.stream(100, sizes=3), TypeError, "stream()", "'sizes'"),
    (lambda w: w.source.stream(100, zzz=3), TypeError, "'zzz'", "it has samples, frames, policy"),
    (lambda w: w.buf.array(writeable=True), TypeError, "array()", "nearest is 'writable'"),
    (lambda w: setattr(w.source, "rate", 1000.6), ValueError, "1000.6", "1 to 4000000000",
     "in steps of 1 Hz; the nearest is 1001"),
    (lambda w: setattr(w.source, "rate", 0.3), ValueError, "0.3", "the nearest is 1"),
    (lambda w: setattr(w.source, "rate", 1e30), ValueError, "1e+30", "the nearest is 4000000000"),
    (lambda w: setattr(w.source, "rate", float("nan")), ValueError, "nan", "in steps of 1 Hz"),
    (lambda w: setattr(w.source, "amplitude", 0.1234), ValueError, "0.1234", "0.0 to 1.0",
     "in steps of 0.001; the nearest is 0.123"),
    (lambda w: w.stream.start(0), ValueError, "0", "1 or more"),
    (lambda w: w.frame.array(writable=True), ValueError, "read-only", "copy()"),
    (lambda w: w.frame.array(on_error="shrug"), ValueError, "'shrug'", '"keep"'),
    (lambda w: w.frame.iq(), TypeError, "iq=True"),
    (lambda w: ndma.allocator(source=3), TypeError, "int", "Source"),
    (lambda w: ndma.allocator().buffer(5), ValueError, "int", "allocator"),
]


def what(case):
    """The line of the case, from its code."""
    constants = [str(value) for value in case.__code__.co_consts if isinstance(value, (int, str))]
    return "-".join((*case.__code__.co_names, *constants))[:60]


@pytest.mark.parametrize("case", CASES, ids=lambda case: what(case[0]))
def test_bad_input_is_named_and_changes_nothing(world, case):
    action, error, *parts = case
    before = world.look()
    with pytest.raises(error) as caught:
        action(world)
    message = str(caught.value)
    assert type(caught.value) is error, repr(caught.value)
    for part in parts:
        assert part in message, f"{part!r} is not in {message!r}"
    assert not re.search(r"0x[0-9a-f]{6}|NULL|NDMA_(GUARD|FROM|TO)_", message), message
    assert world.look() == before


def test_a_dead_source_says_so_and_keeps_its_data(fast):
    fast.fault_vanish = 2
    with fast.stream(64, on_loss="ignore") as stream:
        frame = next(stream)
        with pytest.raises(ndma.SourceGone, match="sim0|device") as caught:
            for _ in range(10):
                next(stream)
        assert isinstance(caught.value, OSError)
        assert frame.array().shape[1] == 64
