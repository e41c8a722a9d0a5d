# SPDX-License-Identifier: MIT
"""What a Stream does under asyncio.

Frames are taken synchronously, after the descriptor was ready: a task that is cancelled while it
waits has taken none, and what a longer read had collected stays in the stream for the next call.
"""

import asyncio
import select
from contextlib import contextmanager
from math import inf
from typing import Iterator

from ._ext import Frame, Stream

# A stream that is always ready gives the loop its turn after so many frames.
FRAMES_PER_TURN = 64

# Closing or stopping a stream need not make its descriptor ready.
SLICE = 0.1

_turns = 0


@contextmanager
def _claimed(stream: Stream) -> Iterator[None]:
    stream._claim(True)
    try:
        yield
    finally:
        stream._claim(False)


async def _readable(loop: asyncio.AbstractEventLoop, fd: int, seconds: float) -> None:
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    # A number of our own: the stream's may be another file's as soon as the stream is closed. Not
    # its duplicate, which would keep the device; a file that is closed leaves the set.
    own = select.epoll()
    timer = loop.call_later(seconds, wake)
    try:
        own.register(fd, select.EPOLLIN)
        loop.add_reader(own.fileno(), wake)
        await ready
    finally:
        loop.remove_reader(own.fileno())
        timer.cancel()
        own.close()


async def _collect(stream: Stream, count: int) -> int:
    """Wait until `count` frames are taken, or the stream ends; return how many are."""
    loop = asyncio.get_running_loop()
    timeout = inf if stream.timeout is None else stream.timeout
    here = -1
    while True:
        taken, ended = stream._poll(count)
        if taken >= count or ended:
            return taken
        if taken > here:    # each frame has the whole timeout
            here, deadline = taken, loop.time() + timeout
        seconds = min(SLICE, deadline - loop.time())
        if seconds <= 0:
            raise TimeoutError(f"no frame from {stream.name} in time; the stream goes on")
        await _readable(loop, stream.fileno(), seconds)


async def _take_turn(frames: int) -> None:
    global _turns
    _turns += frames
    if _turns >= FRAMES_PER_TURN:
        _turns = 0
        await asyncio.sleep(0)


async def next_frame(stream: Stream) -> Frame:
    with _claimed(stream):
        await _take_turn(1)
        if not await _collect(stream, 1):
            raise StopAsyncIteration
        return stream._take()


async def read_frames(stream: Stream, frames: int) -> list[Frame]:
    if not 1 <= frames <= stream.frames:
        raise ValueError(f"frames must be 1 to the stream's {stream.frames}, not {frames}")
    with _claimed(stream):
        await _take_turn(frames)
        taken = await _collect(stream, frames)
        return [stream._take() for _ in range(min(taken, frames))]
