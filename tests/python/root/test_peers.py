# SPDX-License-Identifier: MIT
"""Buffers of V4L2 and DRM by their descriptors, and fences of theirs, which an exception names.

vivid and vgem are Linux's own test drivers of the two; as root, who loads them.
"""
import fcntl
import mmap
import os
import select
import signal
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ndma

pytestmark = pytest.mark.device

CREATE_DUMB, MAP_DUMB = 0xC02064B2, 0xC01064B3
HANDLE_TO_FD, FD_TO_HANDLE = 0xC00C642D, 0xC00C642E
FENCE_ATTACH, FENCE_SIGNAL, FENCE_WRITE = 0xC0106441, 0x40086442, 1
RDWR = os.O_RDWR | os.O_CLOEXEC

REQBUFS, QUERYBUF, QBUF, DQBUF = 0xC0145608, 0xC0585609, 0xC058560F, 0xC0585611
EXPBUF, STREAMON = 0xC0405610, 0x40045612
# index, type, used, flags, field; sequence, memory, offset, length, two more
V4L2_BUFFER = "5I4x16x16xIIQIII4x"
CAPTURE, MMAP = 1, 1
HEIGHT, WIDTH, WHITE = 180, 320, 235


def ask(driver, request, layout, *values):
    """One ioctl; the struct's fields as the driver left them."""
    argument = bytearray(struct.pack(layout, *values))
    fcntl.ioctl(driver, request, argument)
    return struct.unpack(layout, argument)


class Vgem:
    """Buffers of DRM's, and fences on any."""

    def __init__(self):
        subprocess.run(["modprobe", "vgem"], check=True)
        card, = Path("/sys/devices").glob("*/vgem/drm/card*")
        self.card = open(f"/dev/dri/{card.name}", "r+b", buffering=0)

    def create(self, height, width):
        """A handle, the bytes of a row, and the driver's own mapping."""
        *_, handle, pitch, size = ask(self.card, CREATE_DUMB, "6IQ", height, width, 32, 0, 0, 0, 0)
        *_, offset = ask(self.card, MAP_DUMB, "IIQ", handle, 0, 0)
        return handle, pitch, mmap.mmap(self.card.fileno(), size, offset=offset)

    def export(self, handle):
        return ask(self.card, HANDLE_TO_FD, "IIi", handle, RDWR, 0)[2]

    def take(self, fd):
        return ask(self.card, FD_TO_HANDLE, "IIi", 0, 0, fd)[0]

    def attach_fence(self, handle):
        """That it is being written; until the answer is given to signal_fence()."""
        return ask(self.card, FENCE_ATTACH, "4I", handle, FENCE_WRITE, 0, 0)[2]

    def signal_fence(self, fence):
        ask(self.card, FENCE_SIGNAL, "2I", fence, 0)


@pytest.fixture
def vgem():
    vgem = Vgem()
    yield vgem
    vgem.card.close()


def test_drm_imports_a_frame_that_was_made_a_buffer_for_drivers(vgem):
    with ndma.open("sim0").stream(1000, frames=4, channels=1) as stream:
        frame = next(stream)
        with frame.to_buffer(writable=True) as buf:
            handle = vgem.take(buf.fileno())
        fd = vgem.export(handle)
        seen = ndma.from_fd(fd)
        os.close(fd)
        assert not seen.readonly and (seen.array() == frame.array()).all()
        del frame, seen
        assert stream.stats.exported_frames == 1
        vgem.card.close()
        assert stream.stats.exported_frames == 0


@pytest.fixture
def drm(vgem):
    """A picture of DRM's as a Buffer, its handle, and DRM's own view of it."""
    handle, pitch, data = vgem.create(48, 100)
    fd = vgem.export(handle)
    with ndma.from_fd(fd, "<u4", (48, 100), (pitch, 4)) as buf:
        os.close(fd)
        yield buf, handle, np.ndarray((48, 100), "<u4", data, strides=(pitch, 4))


def test_a_picture_of_drm_is_an_array(drm):
    buf, _, theirs = drm
    assert buf.backend == "foreign" and buf.nbytes == theirs.size * 4
    with buf.sync("write") as inside:
        inside.assign(np.arange(theirs.size, dtype="<u4").reshape(theirs.shape))
    assert theirs[47, 99] == theirs.size - 1
    theirs[2, 3] = 0xABCDEF
    with buf.sync("read"):
        assert buf[2, 3] == 0xABCDEF


def test_a_layout_beyond_a_picture_of_drm_is_refused(drm):
    buf, *_ = drm
    rows = os.fstat(buf.fileno()).st_size // buf.strides[0]
    with pytest.raises(ValueError):
        ndma.from_fd(buf.fileno(), "<u4", (rows + 1, 100), (buf.strides[0], 4))


class Interrupted(Exception):
    pass


def test_sync_waits_for_the_fence_of_the_driver_and_signals_run_meanwhile(vgem, drm):
    buf, handle, _ = drm
    fence, turns = vgem.attach_fence(handle), []

    def turn(number, frame):
        turns.append(number)
        if len(turns) == 3:
            raise Interrupted
        if len(turns) == 6:
            vgem.signal_fence(fence)

    before = signal.signal(signal.SIGALRM, turn)
    try:
        with pytest.raises(Interrupted):
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            with buf.sync("read"):
                pytest.fail("it has not waited")
        with buf.sync("read"):
            assert len(turns) >= 6
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_transfer_that_another_driver_holds_up_names_it(vgem):
    buf = ndma.zeros(1024)
    fence = vgem.attach_fence(vgem.take(buf.fileno()))
    with pytest.raises(TimeoutError, match=r"fence of vgem \(.*no transfer began"):
        buf.transfer("to_device", timeout=0.1).begin()
    assert not buf.locked
    vgem.signal_fence(fence)
    with buf.transfer("to_device"):
        pass


def test_a_fill_that_another_driver_holds_up_names_it(vgem):
    with ndma.open("sim0") as source:
        buf = ndma.empty((2, 1000), "i2", source=source)
        fence = vgem.attach_fence(vgem.take(buf.fileno()))
        with pytest.raises(TimeoutError, match=r"fence of vgem \("):
            source.read_into(buf, timeout=0.1)
        vgem.signal_fence(fence)
        source.read_into(buf)


@pytest.fixture
def video():
    """vivid's node that captures video, set to small white pictures."""
    subprocess.run(["modprobe", "vivid", "n_devs=2", "allocators=0,1"], check=True)
    device = next(f"/dev/{node.name}" for node in Path("/sys/class/video4linux").glob("video*")
                  if (node / "name").read_text() == "vivid-000-vid-cap\n")
    subprocess.run(["v4l2-ctl", "-d", device, f"--set-fmt-video=width={WIDTH},height={HEIGHT},"
                    "pixelformat=YUYV,field=none", "--set-ctrl=test_pattern=6"], check=True)
    with open(device, "r+b", buffering=0) as driver:
        yield driver


def test_a_picture_that_v4l2_captures_is_an_array(video):
    first = 0, CAPTURE, 0, 0, 0, 0, MMAP, 0, 0, 0, 0
    ask(video, REQBUFS, "5I", 2, CAPTURE, MMAP, 0, 0)
    *_, offset, length, _, _ = ask(video, QUERYBUF, V4L2_BUFFER, *first)
    *_, fd = ask(video, EXPBUF, "4Ii44x", CAPTURE, 0, 0, RDWR, 0)
    theirs = np.frombuffer(mmap.mmap(video.fileno(), length, offset=offset), "u1")
    buf = ndma.from_fd(fd, "u1", (HEIGHT, WIDTH, 2))
    os.close(fd)
    with buf.sync("write") as inside:
        inside.fill(7)
    assert theirs[0] == 7
    ask(video, QBUF, V4L2_BUFFER, *first)
    ask(video, STREAMON, "i", CAPTURE)
    assert select.select([video], [], [], 60)[0], "vivid captures nothing"
    ask(video, DQBUF, V4L2_BUFFER, *first)
    with buf.sync("read"):
        luma = buf[:, :, 0]
        # Below the words that vivid writes.
        assert abs(luma[-1].astype("i2") - WHITE).max() <= 8
        assert theirs[:buf.nbytes].tobytes() == buf.array().tobytes()
