# SPDX-License-Identifier: MIT
"""Other drivers' dma-bufs, by their descriptors: udmabuf's."""

import fcntl
import mmap
import os
import pickle
import struct
from multiprocessing import reduction, resource_sharer

import numpy as np
import pytest

import ndma

UDMABUF = "/dev/udmabuf"
UDMABUF_CREATE = 0x40187542     # _IOW('u', 0x42, struct udmabuf_create)
BYTES = 4 * mmap.PAGESIZE

pytestmark = [pytest.mark.device, pytest.mark.skipif(not os.access(UDMABUF, os.R_OK | os.W_OK),
                                                     reason=f"this guest has no {UDMABUF}")]


@pytest.fixture
def fd():
    """A dma-buf that ndma knows nothing of, filled with 0, 1, 2… of int16."""
    memory = os.memfd_create("foreign", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(memory, BYTES)
    os.pwrite(memory, np.arange(BYTES // 2, dtype="<i2").tobytes(), 0)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    with open(UDMABUF, "r+b", buffering=0) as driver:
        # A bytearray: for bytes, ioctl() would return them and not the descriptor.
        request = bytearray(struct.pack("IIQQ", memory, 1, 0, BYTES))
        buffer = fcntl.ioctl(driver, UDMABUF_CREATE, request)
    os.close(memory)
    yield buffer
    os.close(buffer)


def test_it_is_bytes_until_somebody_says_what_it_is(fd):
    with ndma.from_fd(fd) as buf:
        assert buf.backend == "foreign"
        assert (buf.dtype, buf.shape) == (np.dtype("u1"), (BYTES,))
        assert buf[:4].tolist() == [0, 0, 1, 0]


def test_a_layout_makes_it_an_array(fd):
    with ndma.from_fd(fd, "<i2", (3, 4), (64, 2), 8) as buf:
        assert buf.shape == (3, 4) and buf.strides == (64, 2) and buf.offset == 8
        assert buf[:].tolist() == [[4, 5, 6, 7], [36, 37, 38, 39], [68, 69, 70, 71]]


def test_what_is_written_between_sync_is_in_the_dma_buf(fd):
    with ndma.from_fd(fd, "<i2") as buf, ndma.from_fd(fd, "<i2") as other:
        with buf.sync("write") as inside:
            inside[5] = 500
        with other.sync("read"):
            assert other[5] == 500


def test_the_callers_descriptor_stays_the_callers(fd):
    buf = ndma.from_fd(fd)
    assert buf.fileno() != fd
    buf.close()
    os.fstat(fd)


@pytest.mark.parametrize("layout", [("f8", BYTES), ("u1", (2, 3), (BYTES, 1)), ("u1", 4, None, BYTES),
                                    ("u1", 4, None, -1), ("i4", 4, (-4,))])
def test_a_layout_that_leaves_it_is_refused(fd, layout, no_leaks):
    with pytest.raises(ValueError):
        ndma.from_fd(fd, *layout)


def test_its_owner_is_elsewhere_so_nobody_here_transfers(fd):
    with ndma.from_fd(fd) as buf:
        with pytest.raises(OSError) as caught:
            buf.transfer("from_device").begin()
        assert not buf.locked and str(caught.value)


def test_it_goes_to_other_processes_with_its_layout(fd):
    with ndma.from_fd(fd, ">i2", (2, 3), offset=4) as buf:
        sent = reduction.ForkingPickler.dumps(buf)
        try:
            with pickle.loads(sent) as other:
                assert (other.shape, other.dtype, other.offset) == ((2, 3), np.dtype(">i2"), 4)
                assert other[:].tolist() == buf[:].tolist()
        finally:
            resource_sharer.stop()
