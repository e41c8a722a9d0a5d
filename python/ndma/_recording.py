# SPDX-License-Identifier: MIT
"""Recordings that are read: `ndma.load`. Their files are described by ndma-recording(5)."""

import errno
import json
import mmap
import os
import warnings
from types import TracebackType
from typing import Any, Iterator, Literal, NamedTuple, Self, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ._ext import Channel, LossWarning, _Recording
from ._timeline import Timeline

_Holes = Literal["raise", "mask", "nan"]

# struct ndma_recording_frame and struct ndma_recording_hole of <ndma.h>.
_ENTRY = np.dtype([
    ("index", "u4"), ("frame_flags", "u4"), ("sequence", "u8"), ("timestamp_ns", "u8"),
    ("hw_timestamp", "u8"), ("hw_sequence", "u8"), ("bytes_used", "u8"), ("dropped", "u8"),
    ("trigger", "u4"), ("anchor", "u4"), ("time_ns", "i8"), ("flags", "u4"), ("checksum", "u4")])
_HOLE = np.dtype([("number", "u8"), ("frame", _ENTRY)])

_PARTIAL, _ERROR, _OVERFLOW, _TIME_START = 1, 2, 4, 16
_HW_TIME, _HW_SEQUENCE, _TRIGGERED = 32, 64, 128
_RUN, _DAMAGED = 1, 2

# Entries that are looked at together.
_BLOCK = 4096


class Loss(NamedTuple):
    """What a recording lacks: frames that are missing, and frames with something wrong."""

    dropped: int
    partial: int
    overflow: int
    error: int
    damaged: int
    cut_off: int


class RecordedFrame:
    """One frame of a recording; made by `Recording.frames`, indexing and `Recording.at`.

    Attributes
    ----------
    number : int
        In the recording, from 0.
    sequence : int
        As its source counted, lost frames included.
    dropped : int
        Frames that are missing before it.
    time : numpy.datetime64
        Calendar time, UTC, in ns: of the first sample where `time_is_start`, else of completion.
    valid : int
        Samples of each channel that its source made; behind them are zeros.
    flags : int
        Those of the frame as it was captured, as `Frame.flags`.
    partial, overflow, error, damaged : bool
        It came short; lost samples; its source calls it wrong; its entry cannot be read, and
        nothing but its samples is known.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run")
    >>> with ndma.record("sim0", path, samples=100, count=3):
    ...     pass
    >>> frame = ndma.load(path)[1]
    >>> frame.sequence, frame.array().shape
    (1, (8, 100))
    """

    __slots__ = ("_entry", "_recording", "number")

    def __init__(self, recording: "Recording", number: int, entry: Any) -> None:
        self._recording = recording
        self.number = number
        self._entry = entry

    @property
    def sequence(self) -> int:
        return int(self._entry["sequence"])

    @property
    def dropped(self) -> int:
        return int(self._entry["dropped"])

    @property
    def time(self) -> np.datetime64:
        return np.datetime64(int(self._entry["time_ns"]), "ns")

    @property
    def time_is_start(self) -> bool:
        return bool(self.flags & _TIME_START)

    @property
    def timestamp_ns(self) -> int:
        return int(self._entry["timestamp_ns"])

    @property
    def hw_timestamp(self) -> int | None:
        return int(self._entry["hw_timestamp"]) if self.flags & _HW_TIME else None

    @property
    def hw_sequence(self) -> int | None:
        return int(self._entry["hw_sequence"]) if self.flags & _HW_SEQUENCE else None

    @property
    def trigger(self) -> int | None:
        return int(self._entry["trigger"]) if self.flags & _TRIGGERED else None

    @property
    def flags(self) -> int:
        return int(self._entry["frame_flags"])

    @property
    def valid(self) -> int:
        return min(int(self._entry["bytes_used"]) // self._recording._sample_bytes, self._recording.samples)

    @property
    def partial(self) -> bool:
        return bool(self.flags & _PARTIAL)

    @property
    def overflow(self) -> bool:
        return bool(self.flags & _OVERFLOW)

    @property
    def error(self) -> bool:
        return bool(self.flags & _ERROR)

    @property
    def damaged(self) -> bool:
        return bool(self._entry["flags"] & _DAMAGED)

    @property
    def starts_run(self) -> bool:
        """bool: the stream was started before it, so nobody knows what is missing before it."""
        return bool(self._entry["flags"] & _RUN)

    @property
    def only_short(self) -> bool:
        """bool: all of it that there is, its first `valid` samples, is right."""
        return self.partial and not (self.overflow or self.error or self.damaged)

    @property
    def spoilt(self) -> bool:
        """bool: not all of its samples are right."""
        return self.partial or self.overflow or self.error or self.damaged

    def array(self, on_error: Literal["raise", "keep"] = "raise") -> NDArray[Any]:
        """Its valid samples, [channel, sample], read-only and mapped from the file.

        Parameters
        ----------
        on_error : {"raise", "keep"}
            What to do where its source calls it wrong, or its entry is damaged.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        OSError
            EIO: it is wrong by its source's own word, or its entry is damaged.
        """
        if (self.error or self.damaged) and on_error != "keep":
            raise OSError(errno.EIO, f"frame {self.number} of {self._recording.name} is "
                          f"{'damaged' if self.damaged else 'wrong by its own source'}: "
                          'array(on_error="keep") gives what is there')
        whole: NDArray[Any] = self._recording.samples_array()[self.number]
        return whole if self.damaged else whole[:, :self.valid]

    def physical(self) -> NDArray[np.float32]:
        """Its valid samples in the channels' units, a copy."""
        units: NDArray[np.float32] = self._recording._to_units(self.array(), 0)
        return units

    def __repr__(self) -> str:
        if self.damaged:
            return f"<ndma.RecordedFrame {self.number}, damaged>"
        return f"<ndma.RecordedFrame {self.number}, sequence {self.sequence}, {self.time}, {self.valid} samples>"


class Recording:
    """A recording, lazily mapped; made by `load`.

    It can be used from several threads, and while somebody still records: `refresh` looks again.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run")
    >>> with ndma.record("sim0", path, samples=100, count=3):
    ...     pass
    >>> rec = ndma.load(path)
    >>> rec.array().shape
    (3, 8, 100)
    >>> rec.channels[0].unit, rec.rate, rec.loss.dropped
    ('V', 1000000.0, 0)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = _Recording(path)
        self.path = os.fspath(path)
        self.name = os.path.basename(self.path)
        self._map: NDArray[Any] | None = None
        self._info = self._file.info()
        self.channels: tuple[Channel, ...] = self._file.channels()
        self._look()

    def _look(self) -> None:
        self._info = self._file.info()
        self._map = None
        self._holes = np.frombuffer(self._file.holes(), _HOLE)

    def refresh(self) -> int:
        """Look again: somebody may have recorded more. Arrays that were taken before stay.

        Returns
        -------
        int
            How many frames there are now.
        """
        self._file.refresh()
        self._look()
        return len(self)

    @property
    def about(self) -> dict[str, Any]:
        """dict: what describes the frames: source, driver, device, settings ("controls"), channels."""
        try:
            about = json.loads(self._file.text())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the description of {self.name} is no JSON: {error}") from None
        return about if isinstance(about, dict) else {}

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype: of a number."""
        dtype: np.dtype[Any] = self._info["dtype"]
        return dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """tuple of int: (frames, channels, samples), and a 2 for I/Q; missing frames do not count."""
        return (len(self), *self._info["shape"])

    @property
    def samples(self) -> int:
        """int: of each channel in a frame."""
        return int(self._info["shape"][1])

    @property
    def rate(self) -> float | None:
        """float or None: samples of each channel per second, where the source knew."""
        return self._info["rate"] or None

    @property
    def complete(self) -> bool:
        """bool: it was finished; else somebody still records, or was killed."""
        return bool(self._info["closed"])

    @property
    def loss(self) -> Loss:
        """Loss: what is missing."""
        info = self._info
        return Loss(info["dropped"], info["partial"], info["overflow"], info["error"], info["damaged"],
                    max(0, info["synced"] - info["frames"]))

    @property
    def runs(self) -> list[range]:
        """list of range: numbers of the frames of each start of the stream."""
        starts = [hole.number for hole in self.holes if hole.starts_run]
        if len(self) and (not starts or starts[0]):
            starts.insert(0, 0)
        return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(self)])]

    @property
    def holes(self) -> list[RecordedFrame]:
        """list of RecordedFrame: those behind missing ones or a start, short, wrong or damaged ones."""
        return [RecordedFrame(self, int(hole["number"]), hole["frame"]) for hole in self._holes]

    @property
    def _sample_bytes(self) -> int:
        return int(self._info["frame_bytes"]) // self.samples

    def samples_array(self) -> NDArray[Any]:
        """What is in the file, [frame, channel, sample], read-only and mapped, holes or not.

        Returns
        -------
        numpy.ndarray
            Frame behind frame, whatever is missing between them.
        """
        if self._map is None:
            info = self._info
            strides = (info["frame_bytes"], *info["strides"])
            if len(self):
                size = info["data_offset"] + len(self) * info["frame_bytes"]
                memory: Any = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
                self._map = np.ndarray(self.shape, self.dtype, memory, info["data_offset"], strides)
            else:
                self._map = np.empty(self.shape, self.dtype)
        return self._map

    def _range(self, start: int | None, stop: int | None) -> range:
        return range(len(self))[slice(start, stop)]

    def array(self, start: int | None = None, stop: int | None = None, *,
              holes: _Holes = "raise") -> NDArray[Any]:
        """The samples, [frame, channel, sample]: an array never hides a hole.

        Parameters
        ----------
        start, stop : int, optional
            Of which frames, as in a slice; all by default.
        holes : {"raise", "mask", "nan"}
            Where something is missing: raise; or give a place to each missing frame, and mask it
            (numpy.ma), or set it to NaN, with what is not valid of those there are.

        Returns
        -------
        numpy.ndarray
            Without holes: read-only, and mapped from the file. With "mask" a masked array, with "nan"
            one of float32, or float64 where the samples need it; both are copies.

        Raises
        ------
        FrameLossError
            There are holes; or runs, between which nobody knows what is missing.
        ValueError
            Another word for `holes`.
        """
        timeline = self._timeline(start, stop, holes)
        frames = timeline.frames
        if holes == "raise":
            return self.samples_array()[frames.start:max(frames.start, frames.stop)]
        places = timeline.shape[0]
        try:
            values, valid = timeline.samples(0, places, nan=holes == "nan")
            return np.ma.MaskedArray(values, timeline.missing(valid)) if holes == "mask" else values
        except (ValueError, MemoryError):
            raise MemoryError(f"{places - len(frames)} missing frames of {self.name} have no room in memory: "
                              "take an array of fewer frames") from None

    def _timeline(self, start: int | None, stop: int | None, holes: _Holes) -> Timeline:
        """What arrays and exports are cut from, unless `holes` refuses it."""
        if holes not in ("raise", "mask", "nan"):
            raise ValueError(f'holes="raise", "mask" or "nan", not {holes!r}')
        timeline = Timeline(self, self._range(start, stop))
        if holes == "raise":
            timeline.refuse_holes()
        return timeline

    def _to_units(self, data: NDArray[Any], axis: int) -> Any:
        shape = [1] * data.ndim
        shape[axis] = len(self.channels)
        scale = np.array([channel.scale for channel in self.channels], "f4").reshape(shape)
        offset = np.array([channel.offset for channel in self.channels], "f4").reshape(shape)
        return data.astype("f4") * scale + offset

    def physical(self, start: int | None = None, stop: int | None = None, *,
                 holes: _Holes = "raise") -> NDArray[np.float32]:
        """As `array`, in the channels' units: a copy in float32.

        Parameters
        ----------
        start, stop, holes
            As in `array`.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        FrameLossError, ValueError
            As `array`.
        """
        result: NDArray[np.float32] = self._to_units(self.array(start, stop, holes=holes), 1)
        return result

    def _entries(self, first: int, count: int) -> NDArray[Any]:
        return np.frombuffer(self._file.entries(first, count), _ENTRY)

    def times(self, start: int | None = None, stop: int | None = None) -> NDArray[np.datetime64]:
        """Calendar time of each frame, UTC; NaT where its entry is damaged.

        Parameters
        ----------
        start, stop : int, optional
            Of which frames, as in a slice.

        Returns
        -------
        numpy.ndarray
            datetime64[ns].
        """
        frames = self._range(start, stop)
        times = np.empty(len(frames), "M8[ns]")
        for first in range(0, len(frames), _BLOCK):
            entries = self._entries(frames.start + first, min(_BLOCK, len(frames) - first))
            block = times[first:first + len(entries)]
            block[:] = entries["time_ns"].astype("M8[ns]")
            block[entries["flags"] & _DAMAGED != 0] = np.datetime64("NaT")
        return times

    def frames(self, start: int | None = None, stop: int | None = None) -> Iterator[RecordedFrame]:
        """The frames, one after the other.

        Parameters
        ----------
        start, stop : int, optional
            Of which, as in a slice.

        Returns
        -------
        Iterator of RecordedFrame
        """
        frames = self._range(start, stop)
        for first in range(frames.start, frames.stop, _BLOCK):
            block = self._entries(first, min(_BLOCK, frames.stop - first))
            for i, entry in enumerate(block):
                yield RecordedFrame(self, first + i, entry)

    def at(self, time: np.datetime64 | str | float) -> RecordedFrame:
        """The frame in which a moment is.

        Parameters
        ----------
        time : numpy.datetime64, str or float
            Calendar time, UTC; a str as datetime64 takes it, a float in seconds since 1970.

        Returns
        -------
        RecordedFrame

        Raises
        ------
        LookupError
            No frame has it: it is in a hole, or before or behind the recording.
        ValueError
            No time.
        """
        if isinstance(time, (float, int)):
            wanted = round(time * 1e9)
        else:
            wanted = int(np.array(time, "M8[ns]").astype("i8"))
        length = round(self.samples / self.rate * 1e9) if self.rate else None
        # The newest run first: where a clock was set back, times are twice.
        for run in reversed(self.runs):
            found = self._in_run(run, wanted, length)
            if found is not None:
                return found
        raise LookupError(f"no frame of {self.name} has {np.datetime64(wanted, 'ns')}: it is in a hole, or before "
                          "or behind the recording")

    def _in_run(self, run: range, wanted: int, length: int | None) -> RecordedFrame | None:
        """The frame of a run that has a moment. One without a hole behind it lasts until the next."""
        number = self._last_before(run, wanted)
        after = self[number + 1 if number is not None else run.start] if number != run.stop - 1 else None
        if number is not None:
            frame = self[number]
            begin = int(frame._entry["time_ns"])
            if begin == wanted:
                return frame
            if frame.time_is_start:
                goes_on = after is not None and not after.dropped
                return frame if goes_on or (length is not None and wanted < begin + length) else None
        # Times are of completions: a moment is in the frame whose time comes next.
        if after is None or after.time_is_start:
            return None
        if number is not None and not after.dropped:
            return after
        return after if length is not None and wanted > int(after._entry["time_ns"]) - length else None

    def _last_before(self, run: range, wanted: int) -> int | None:
        """Number of the last frame of a run whose time is not later; damaged ones have none."""
        low, high = run.start, run.stop
        while low < high:
            middle = (low + high) // 2
            entry = self._entries(middle, 1)[0]
            if entry["time_ns"] <= wanted:
                low = middle + 1
            else:
                high = middle
        return low - 1 if low > run.start else None

    def to_xarray(self, start: int | None = None, stop: int | None = None, *, holes: _Holes = "raise") -> Any:
        """An xarray.DataArray in physical units, with coordinates: time, channel, and sample's time.

        Parameters
        ----------
        start, stop, holes
            As in `array`; with "mask" missing samples are NaN, as xarray has no masks.

        Returns
        -------
        xarray.DataArray

        Raises
        ------
        ImportError
            xarray is not there: it is an extra, ``pip install ndma[xarray]``.
        FrameLossError, ValueError
            As `array`.
        """
        return self._export("to_xarray", start, stop, holes)

    def to_hdf5(self, path: str | os.PathLike[str], start: int | None = None, stop: int | None = None, *,
                holes: _Holes = "raise", compression: str | None = None) -> None:
        """An HDF5 file: "samples" [frame, channel, sample], with scale, offset and unit of each channel, and "time".

        Parameters
        ----------
        path : str or path
            Of a new file.
        start, stop : int, optional
            Of which frames, as in a slice.
        holes : {"raise", "mask", "nan"}
            As in `array`, but for "mask": "valid" says how many samples of each channel are right in a frame, 0 in
            one that is missing; the others are 0.
        compression : str, optional
            As h5py takes it: "gzip", "lzf" ...

        Raises
        ------
        ImportError
            h5py is not there: it is an extra, ``pip install ndma[hdf5]``.
        FileExistsError
            There is such a file. It stays as it is.
        FrameLossError, ValueError
            As `array`.
        OSError
            It cannot be written. What was written of it is removed.
        """
        self._export("to_hdf5", path, start, stop, holes, compression)

    def to_zarr(self, path: str | os.PathLike[str], start: int | None = None, stop: int | None = None, *,
                holes: _Holes = "raise") -> None:
        """A Zarr v3 group in a new folder, with the arrays that `to_hdf5` makes; their dimensions are named.

        Parameters
        ----------
        path, start, stop, holes
            As in `to_hdf5`.

        Raises
        ------
        ImportError
            zarr 3 is not there: it is an extra, ``pip install ndma[zarr]``.
        FileExistsError, FrameLossError, ValueError, OSError
            As `to_hdf5`.
        """
        self._export("to_zarr", path, start, stop, holes)

    def to_sigmf(self, path: str | os.PathLike[str], start: int | None = None, stop: int | None = None) -> None:
        """A SigMF collection: ``path.sigmf-collection``, and ``path-0.sigmf-data`` and ``-meta`` of each channel.

        Samples that are missing or wrong are not in it: a capture segment begins behind each gap, and its
        core:global_index tells the place. Where it can be, ``run.sigmf-meta`` is beside a recording already.

        Parameters
        ----------
        path : str or path
            What the new files' names begin with.
        start, stop : int, optional
            Of which frames, as in a slice.

        Raises
        ------
        ImportError
            sigmf is not there: it is an extra, ``pip install ndma[sigmf]``.
        TypeError
            SigMF has no such samples.
        FrameLossError
            More than one run: how much is missing between them is not known.
        FileExistsError, OSError
            As `to_hdf5`.
        """
        self._export("to_sigmf", path, start, stop)

    def dask(self, start: int | None = None, stop: int | None = None, *, holes: Literal["raise", "nan"] = "raise",
             chunk_bytes: int = 1 << 26) -> Any:
        """A dask.array [frame, channel, sample], in chunks of frames that the workers read themselves.

        They open `path`, so it must be the same file for all of them: on shared storage where they are on several
        machines. Frames of a stream go to workers as copies, ``client.scatter(frame.copy())``: a frame itself is
        memory of this process, and is held as long as anybody has it.

        Parameters
        ----------
        start, stop : int, optional
            Of which frames, as in a slice.
        holes : {"raise", "nan"}
            As in `array`.
        chunk_bytes : int
            About how large a chunk is.

        Returns
        -------
        dask.array.Array

        Raises
        ------
        ImportError
            dask is not there: it is an extra, ``pip install ndma[dask]``.
        FrameLossError, ValueError
            As `array`.
        """
        return self._export("to_dask", start, stop, holes, chunk_bytes)

    def _export(self, what: str, *arguments: Any) -> Any:
        """On first use: who exports nothing does not pay for it."""
        from . import _export

        return getattr(_export, what)(self, *arguments)

    def _repr_html_(self) -> str:
        """For notebooks: its channels over their whole length, and what is missing."""
        from ._html import show_recording

        return show_recording(self)

    def close(self) -> None:
        """Let go of the files. Arrays stay."""
        self._file.close()
        self._map = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._info["frames"])

    def __getitem__(self, number: SupportsIndex, /) -> RecordedFrame:
        index = range(len(self))[number]
        return RecordedFrame(self, index, self._entries(index, 1)[0])

    def __iter__(self) -> Iterator[RecordedFrame]:
        return self.frames()

    def __repr__(self) -> str:
        lost = sum(self.loss)
        return (f"<ndma.Recording {self.name!r}, shape {self.shape}, {self.dtype}, "
                f"{f'{lost} frames lost or wrong' if lost else 'whole'}{'' if self.complete else ', not finished'}>")


def load(path: str | os.PathLike[str]) -> Recording:
    """A recording, to read: by its name, or the path of any of its files.

    Also while somebody records, and after whoever did was killed. It costs as much as there are holes,
    whatever the number of frames; samples are mapped where they are used.

    Parameters
    ----------
    path : str or path
        "run", "run.npy" ...

    Returns
    -------
    Recording

    Raises
    ------
    FileNotFoundError
        There is no such recording, or a file of it is missing; the message says which.
    ValueError
        Its index is damaged in the header, another recording's, or none.
    OSError
        What the system says when files cannot be read.

    Warns
    -----
    LossWarning
        Frames were cut off it since it was finished.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run")
    >>> with ndma.record("sim0", path, samples=100, count=3):
    ...     pass
    >>> [frame.sequence for frame in ndma.load(path)]
    [0, 1, 2]
    """
    recording = Recording(path)
    if recording.complete and recording.loss.cut_off:
        warnings.warn(f"{recording.name}: {recording.loss.cut_off} frames were cut off since it was finished",
                      LossWarning, stacklevel=2)
    return recording
