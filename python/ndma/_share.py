# SPDX-License-Identifier: MIT
"""How multiprocessing sends a Buffer: its descriptor, and nothing else.

Imported with the first Buffer, so that `import ndma` does not pay for it.
"""

import errno
import os
from multiprocessing import reduction
from typing import Any

from ._ext import Buffer, from_fd


def _rebuild(handle: Any, *layout: Any) -> Buffer:
    try:
        fd = handle.detach()
    except (ConnectionError, FileNotFoundError, EOFError) as error:
        raise ConnectionAbortedError(
            errno.ECONNABORTED, "the process that sent this Buffer has ended before it was "
            "received, and the memory with it: let it run until then (take from the queue or "
            "pipe first, join() afterwards), or make the Buffer in a process that stays") from error
    try:
        return from_fd(fd, *layout)
    finally:
        os.close(fd)


def _reduce(buffer: Buffer) -> tuple[Any, ...]:
    handle = reduction.DupFd(buffer.fileno())
    # Of a foreign dma-buf only this process knows what is in it.
    if buffer.backend == "foreign":
        return _rebuild, (handle, buffer.dtype, buffer.shape, buffer.strides, buffer.offset)
    return _rebuild, (handle,)


reduction.ForkingPickler.register(Buffer, _reduce)
