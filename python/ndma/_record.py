# SPDX-License-Identifier: MIT
"""Recording: `ndma.record`, on the engine of libndma that the command has too."""

import atexit
import os
import threading
import time
import warnings
from types import TracebackType
from typing import Any, Iterator, Literal, Self

from ._ext import Frame, LossWarning, Source, Stream, _Record
from ._ext import open as _open

_FLAGS = {"new": 0, "append": 1, "replace": 2}
_CHECKSUM, _DIRECT = 4, 8


class Recorder:
    """A recording that grows; made by `record`, and used as a context.

    Of a source it records by itself, in a thread of its own, until it is stopped, or has `count` frames.
    Of a stream it records the frames that pass through it: ``for frame in recorder``, or `write`.

    One thread at a time writes; `frames`, `sync` and `wait` may be used from any.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run")
    >>> with ndma.open("sim0") as source, source.stream(samples=100, count=5) as stream:
    ...     with ndma.record(stream, path) as recorder:
    ...         peaks = [frame.array().max() for frame in recorder]
    >>> len(ndma.load(path)), len(peaks)
    (5, 5)
    """

    def __init__(self, record: _Record, stream: Stream, own: bool, count: int | None) -> None:
        self._record = record
        self._stream = stream
        self._own = own
        self._left = count
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._closed = False
        self._frames = record.frames
        self.dropped = 0
        self._thread: threading.Thread | None = None
        if own:
            stream.start()
            self._thread = threading.Thread(target=self._run, name="ndma.record", daemon=True)
            self._thread.start()
        # A script that ends without close() has a finished recording too.
        atexit.register(self.close)

    @property
    def frames(self) -> int:
        """int: frames in the recording, those before an append included."""
        return self._frames if self._closed else self._record.frames

    @property
    def running(self) -> bool:
        """bool: it records by itself, and has not come to an end."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._left is None or self._left > 0:
                if self._stopping:
                    self._stream.stop()
                taken = self._record.take(64 if self._left is None else self._left)
                if taken is None:
                    break
                with self._changed:
                    self.dropped += taken[1]
                    if self._left is not None:
                        self._left -= taken[0]
                    self._changed.notify_all()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._changed.notify_all()

    def write(self, frame: Frame, /) -> None:
        """Record a frame of the stream.

        Parameters
        ----------
        frame : Frame
            In the order in which the stream gave them.

        Raises
        ------
        OSError
            The disk is full; what was recorded before is there.
        TypeError
            It is another stream's, or this recorder takes the frames by itself.
        """
        if self._own:
            raise TypeError("this recorder takes the frames of its source by itself")
        self._record.write(frame)
        self.dropped += frame.dropped

    def __iter__(self) -> Iterator[Frame]:
        if self._own:
            raise TypeError("this recorder takes the frames of its source by itself: record a stream to use "
                            "them as well")
        for frame in self._stream:
            self.write(frame)
            yield frame
            del frame

    def wait(self, frames: int | None = None, timeout: float | None = None) -> bool:
        """Wait until it has so many frames, or has come to its end.

        Parameters
        ----------
        frames : int, optional
            In the recording; None: until `count` is reached, or the source ends.
        timeout : float, optional
            Seconds.

        Returns
        -------
        bool
            Whether it has.

        Raises
        ------
        OSError
            What has ended the recording.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self.running and (frames is None or self.frames < frames):
                left = 0.1 if until is None else min(0.1, until - time.monotonic())
                if left <= 0:
                    break
                self._changed.wait(left)
        if self._error is not None:
            raise self._error
        return not self.running if frames is None else self.frames >= frames

    def sync(self) -> None:
        """Have the disk keep what is recorded: a loss of power leaves it.

        Raises
        ------
        OSError
            What was recorded before may be lost.
        """
        self._record.sync()

    def close(self) -> None:
        """Stop, record what the source made up to then, and finish the recording.

        Raises
        ------
        OSError
            What has ended the recording, or keeps it from being finished; what was recorded is there.

        Warns
        -----
        LossWarning
            Frames were lost while it recorded by itself.
        """
        if self._closed:
            return
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
        self._closed = True
        atexit.unregister(self.close)
        try:
            self._record.finish()
        finally:
            self._frames = self._record.frames
            self._record.close()
            if self._own:
                self._stream.close()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._own and self.dropped:
            warnings.warn(f"{self.dropped} frames of {self._stream.name} were lost while it was recorded",
                          LossWarning, stacklevel=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        # A recording of a fixed number of frames is whole, unless the body failed.
        if kind is None and self._own and self._left is not None:
            self.wait()
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "recording" if self.running or not self._own else "ended"
        return f"<ndma.Recorder of {self._stream.name}, {self.frames} frames, {state}>"


def record(
    source: Source | Stream | str,
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    count: int | None = None,
    mode: Literal["new", "append", "replace"] = "new",
    checksum: bool = False,
    direct: bool = False,
    **options: Any,
) -> Recorder:
    """Record a source, or the frames of a stream, into files: ndma-recording(5).

    Whatever ends this process, what it has recorded opens, by `load` and by ``np.load``.

    Parameters
    ----------
    source : Source, Stream or str
        A source, or its name, is recorded by a thread of its own, from now on. Of a stream those frames
        are recorded that the recorder is given, or that are taken from it.
    path : str or path
        "run": the samples go to run.npy, what is known of each frame to run.ndma.
    samples : int, optional
        Of each channel in a frame; for a source, and required there.
    count : int, optional
        Of a source: so many frames; leaving the context waits for them.
    mode : {"new", "append", "replace"}
        Where there is such a recording: refuse, go on behind it, or put this in its place.
    checksum : bool
        Note a CRC32C of each frame, which ``ndma repair`` compares.
    direct : bool
        Write with O_DIRECT: frames of a multiple of 4096 bytes.
    options
        Of a source: as in `Source.stream`, such as frames, channels, dtype, order.

    Returns
    -------
    Recorder

    Raises
    ------
    FileExistsError
        There is such a recording, and `mode` does not say what to do.
    FileNotFoundError
        No such directory; or nothing to append to.
    ValueError, TypeError
        An argument; frames of another kind than those of the recording to append to.
    OSError
        EBUSY: somebody records there now; else what the system says of files.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run")
    >>> with ndma.record("sim0", path, samples=1000, channels=2) as recorder:
    ...     there = recorder.wait(frames=10)
    >>> ndma.load(path).shape[1:]
    (2, 1000)
    """
    if mode not in _FLAGS:
        raise ValueError(f'mode="new", "append" or "replace", not {mode!r}')
    flags = _FLAGS[mode] | _CHECKSUM * bool(checksum) | _DIRECT * bool(direct)
    if isinstance(source, Stream):
        if samples is not None or count is not None or options:
            raise TypeError("samples=, count= and options are those of a stream that a source makes; this is one")
        return Recorder(_Record(path, source, None, flags), source, False, None)
    if samples is None:
        raise TypeError("samples= is missing: how many of each channel in a frame")
    if isinstance(source, str):
        with _open(source) as opened:
            return record(opened, path, samples, count=count, mode=mode, checksum=checksum, direct=direct, **options)
    stream = source.stream(samples, on_loss="ignore", **options)
    try:
        return Recorder(_Record(path, stream, source, flags), stream, True, count)
    except BaseException:
        stream.close()
        raise
