# SPDX-License-Identifier: MIT
"""DMA buffers for acquisition hardware, as NumPy arrays.

>>> import ndma
>>> x = ndma.open("sim0").read(samples=10_000)      # an array of its own
>>> x.shape[1]
10000

`open` gives a Source, its `stream` frames that stay in the device's own memory and go back to it
when the last array over them is gone. `empty`, `zeros`, `array` and `from_fd` give Buffers, DMA
memory that no array can look at while a device owns it. `record` writes frames to files that open
whatever ended the recorder, and `load` reads them.
"""

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._ext import (
    Allocator,
    Buffer,
    Channel,
    Control,
    Format,
    Frame,
    FrameLossError,
    FramesHeldError,
    Holder,
    Lease,
    LockedError,
    LossWarning,
    Source,
    SourceGone,
    Stream,
    StreamStats,
    Sync,
    Transfer,
    View,
    __version__,
    allocator,
    array,
    backend,
    empty,
    from_fd,
    open as open,
    sources,
    trace_leases,
    zeros,
)
if _TYPE_CHECKING:
    from ._record import Recorder, record
    from ._recording import Loss, RecordedFrame, Recording, load

# By module: a script that records nothing does not pay for the import.
_ON_FIRST_USE = {
    "_record": ("Recorder", "record"),
    "_recording": ("Loss", "RecordedFrame", "Recording", "load"),
}

# All but open(): `from ndma import *` must not replace the built-in one.
__all__ = [
    "Allocator",
    "Buffer",
    "Channel",
    "Control",
    "Format",
    "Frame",
    "FrameLossError",
    "FramesHeldError",
    "Holder",
    "Lease",
    "LockedError",
    "Loss",
    "LossWarning",
    "RecordedFrame",
    "Recorder",
    "Recording",
    "Source",
    "SourceGone",
    "Stream",
    "StreamStats",
    "Sync",
    "Transfer",
    "View",
    "__version__",
    "allocator",
    "array",
    "backend",
    "empty",
    "from_fd",
    "load",
    "record",
    "sources",
    "trace_leases",
    "zeros",
]


def __getattr__(name: str) -> object:
    for module, names in _ON_FIRST_USE.items():
        if name in names:
            from importlib import import_module

            loaded = import_module(f"{__name__}.{module}")
            globals().update((each, getattr(loaded, each)) for each in names)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "IPython" in _sys.modules:
    from . import _interactive

    _interactive.attach()
