# SPDX-License-Identifier: MIT
"""Recordings for other programs: xarray, HDF5, Zarr, planar SigMF and Dask. Each needs a package that is an extra.

What is exported has a place for each missing frame, or is refused, as an array is; SigMF names what is there instead.
"""

import errno
import functools
import importlib
import math
import os
import shutil
from typing import TYPE_CHECKING, Any, Iterator

import numpy as np
from numpy.typing import NDArray

from ._ext import Channel, Frame, __version__
from ._timeline import Timeline

if TYPE_CHECKING:
    from ._recording import Recording, _Holes

# Bytes of samples that are read and written at a time, and of a chunk.
_BLOCK, _CHUNK = 1 << 24, 1 << 20
_EPOCH = "nanoseconds since 1970-01-01"


def _extra(what: str, module: str, extra: str) -> Any:
    """A module that is not needed by anything else."""
    try:
        # By its name: whoever checks types without the extra has no such module.
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{what} needs {module.partition('.')[0]}: pip install ndma[{extra}]") from error


def _places(timeline: Timeline, dtype: Any, size: int) -> int:
    """How many places have about so many bytes."""
    return max(1, size // max(1, math.prod(timeline.shape[1:]) * int(np.dtype(dtype).itemsize)))


def _chunk(timeline: Timeline, dtype: Any, size: int) -> tuple[int, ...]:
    """Whole places of about so many bytes, as h5py, zarr and dask take it: at least one, also of nothing."""
    return (min(timeline.shape[0], _places(timeline, dtype, size)) or 1, *timeline.shape[1:])


def _dimensions(timeline: Timeline) -> tuple[str, ...]:
    return ("frame", "channel", "sample", "iq")[:len(timeline.shape)]


def _blocks(timeline: Timeline, holes: "_Holes") -> Iterator[tuple[slice, NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Places, their samples, how many of them are valid, and their times, a block at a time."""
    nan = holes == "nan"
    step = _places(timeline, timeline.dtype(nan), _BLOCK)
    for first in range(0, timeline.shape[0], step):
        last = min(first + step, timeline.shape[0])
        samples, valid = timeline.samples(first, last, nan)
        yield slice(first, last), samples, valid, timeline.times(first, last).astype("i8")


def _attributes(recording: "Recording", timeline: Timeline) -> dict[str, Any]:
    """What makes numbers of samples, in words and plain types."""
    return {
        "channel": [channel.name for channel in recording.channels],
        "unit": [channel.unit for channel in recording.channels],
        "scale": [float(channel.scale) for channel in recording.channels],
        "offset": [float(channel.offset) for channel in recording.channels],
        "rate": recording.rate or 0.0,
        "first_sequence": recording[timeline.frames.start].sequence if timeline.frames else 0,
    }


def _coordinates(channels: tuple[Channel, ...]) -> dict[str, Any]:
    """Of the axis of channels."""
    return {"channel": [channel.name for channel in channels],
            "unit": ("channel", [channel.unit for channel in channels])}


def to_xarray(recording: "Recording", start: int | None, stop: int | None, holes: "_Holes") -> Any:
    """See Recording.to_xarray."""
    xarray = _extra("to_xarray()", "xarray", "xarray")
    data = recording.physical(start, stop, holes="nan" if holes == "mask" else holes)
    timeline = Timeline(recording, recording._range(start, stop))
    coordinates = {**_coordinates(recording.channels), "time": ("frame", timeline.times(0, len(data)))}
    if recording.rate:
        coordinates["offset"] = ("sample", np.arange(recording.samples) / recording.rate)
    return xarray.DataArray(data, coordinates, _dimensions(timeline), os.fsdecode(recording.name),
                            {"rate": recording.rate})


def frame_to_xarray(frame: Frame) -> Any:
    """See Frame.to_xarray."""
    xarray = _extra("to_xarray()", "xarray", "xarray")
    data, stream = frame.physical(), frame.stream
    coordinates = _coordinates(stream.channels)
    if stream.rate:
        seconds = np.arange(data.shape[1]) / stream.rate
        if frame.time_is_start:
            coordinates["time"] = ("sample", frame.time + np.round(seconds * 1e9).astype("m8[ns]"))
        else:
            coordinates["offset"] = ("sample", seconds)
    return xarray.DataArray(data, coordinates, ("channel", "sample", "iq")[:data.ndim], stream.name,
                            {"rate": stream.rate, "sequence": frame.sequence, "dropped": frame.dropped,
                             "sample_start": frame.sample_start})


def to_hdf5(recording: "Recording", path: str | os.PathLike[str], start: int | None, stop: int | None,
            holes: "_Holes", compression: str | None) -> None:
    """See Recording.to_hdf5."""
    h5py = _extra("to_hdf5()", "h5py", "hdf5")
    timeline = recording._timeline(start, stop, holes)
    dtype = timeline.dtype(holes == "nan")
    chunk = _chunk(timeline, dtype, _CHUNK)
    with open(path, "xb"):
        pass
    try:
        with h5py.File(path, "w") as file:
            samples = file.create_dataset("samples", timeline.shape, dtype, chunks=chunk, compression=compression,
                                          maxshape=(None, *timeline.shape[1:]))
            valid = file.create_dataset("valid", timeline.shape[:1], "u8")
            time = file.create_dataset("time", timeline.shape[:1], "i8")
            time.attrs["units"] = _EPOCH
            samples.attrs.update(_attributes(recording, timeline))
            for dimension, name in zip(samples.dims, _dimensions(timeline)):
                dimension.label = name
            file.attrs["about"] = recording._file.text()
            file.attrs["creator"] = f"ndma {__version__}"
            for where, block, count, times in _blocks(timeline, holes):
                samples[where], valid[where], time[where] = block, count, times
    except BaseException:
        # Half a file would look like a whole recording of less.
        os.unlink(path)
        raise


def to_zarr(recording: "Recording", path: str | os.PathLike[str], start: int | None, stop: int | None,
            holes: "_Holes") -> None:
    """See Recording.to_zarr."""
    zarr = _extra("to_zarr()", "zarr", "zarr")
    if int(zarr.__version__.partition(".")[0]) < 3:
        raise ImportError(f"to_zarr() needs zarr 3 or later, this is {zarr.__version__}: pip install ndma[zarr]")
    timeline = recording._timeline(start, stop, holes)
    dtype = timeline.dtype(holes == "nan")
    os.mkdir(path)
    try:
        group = zarr.open_group(os.fspath(path), mode="w", zarr_format=3)
        group.attrs.update({"about": recording._file.text(), "creator": f"ndma {__version__}"})
        chunk = _chunk(timeline, dtype, _CHUNK)
        samples = group.create_array("samples", shape=timeline.shape, dtype=dtype, chunks=chunk,
                                     dimension_names=_dimensions(timeline),
                                     attributes=_attributes(recording, timeline))
        along = {"shape": timeline.shape[:1], "chunks": (max(timeline.shape[0], 1),), "dimension_names": ("frame",)}
        valid = group.create_array("valid", dtype="u8", **along)
        time = group.create_array("time", dtype="i8", attributes={"units": _EPOCH}, **along)
        counts, times = [], []
        for where, block, count, moments in _blocks(timeline, holes):
            samples[where] = block
            counts.append(count)
            times.append(moments)
        if counts:
            # In one chunk each: a block at a time would read and write it over and over.
            valid[:], time[:] = np.concatenate(counts), np.concatenate(times)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _sigmf_datatype(recording: "Recording") -> str:
    """SigMF's word for these samples."""
    dtype = recording.dtype
    bits = dtype.itemsize * 8
    if dtype.kind not in "iuf" or bits not in ((32, 64) if dtype.kind == "f" else (8, 16, 32)):
        raise TypeError(f"SigMF has no samples of {dtype}: it has integers of 8, 16 and 32 bits, and floats of 32 "
                        "and 64")
    order = "" if bits == 8 else "_be" if dtype.newbyteorder(">") == dtype else "_le"
    return f"{'c' if len(recording.shape) == 4 else 'r'}{dtype.kind}{bits}{order}"


def _write_channel(timeline: Timeline, channel: int, path: str) -> None:
    """The valid samples of a channel, frame behind frame."""
    data = timeline.recording.samples_array()
    step = _places(timeline, timeline.recording.dtype, _BLOCK)
    with open(path, "xb") as file:
        for _, number, count, valid in timeline.stretches:
            for first in range(number, number + count, step):
                data[first:min(first + step, number + count), channel, :valid].tofile(file)


def _captures(timeline: Timeline) -> Iterator[tuple[int, dict[str, Any]]]:
    """Where samples begin that are not behind those before them: in the file, and in what the source made."""
    written = behind = 0
    for place, number, count, valid in timeline.stretches:
        made = place * timeline.recording.samples
        if valid and (not written or made != behind):
            frame = timeline.recording[number]
            about: dict[str, Any] = {"core:global_index": made}
            if frame.time_is_start:
                about["core:datetime"] = f"{frame.time}Z"
            yield written, about
        written += count * valid
        behind = made + (count - 1) * timeline.recording.samples + valid


def to_sigmf(recording: "Recording", path: str | os.PathLike[str], start: int | None, stop: int | None) -> None:
    """See Recording.to_sigmf."""
    sigmf = _extra("to_sigmf()", "sigmf", "sigmf")
    timeline = Timeline(recording, recording._range(start, stop))
    datatype = _sigmf_datatype(recording)
    captures = list(_captures(timeline))
    stem = os.fspath(path)
    names = [f"{stem}-{number}" for number in range(len(recording.channels))]
    made = [f"{stem}.sigmf-collection", *(name + suffix for name in names for suffix in (".sigmf-data", ".sigmf-meta"))]
    for name in made:
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, "it is there, and an export replaces nothing", name)
    try:
        for number, (name, channel) in enumerate(zip(names, recording.channels)):
            _write_channel(timeline, number, f"{name}.sigmf-data")
            about = {"core:datatype": datatype, "core:num_channels": 1, "core:recorder": f"ndma {__version__}",
                     "core:description": f"{channel.name}: sample * {channel.scale:.9g} + {channel.offset:.9g} "
                                         f"{channel.unit}".rstrip()}
            if recording.rate:
                about["core:sample_rate"] = recording.rate
            meta = sigmf.SigMFFile(data_file=f"{name}.sigmf-data", global_info=about)
            for begin, metadata in captures:
                meta.add_capture(begin, metadata=metadata)
            meta.tofile(f"{name}.sigmf-meta")
        directory, base = os.path.split(os.path.abspath(stem))
        collection = sigmf.SigMFCollection([f"{os.path.basename(name)}.sigmf-meta" for name in names],
                                           base_path=directory)
        collection.tofile(os.path.join(directory, base))
    except BaseException:
        for name in made:
            if os.path.exists(name):
                os.unlink(name)
        raise


@functools.lru_cache(8)
def _opened(path: str, start: int, stop: int, complete: tuple[int, int]) -> Timeline:
    """A recording as a worker has it, opened once."""
    from ._recording import Recording

    return Timeline(Recording(path), range(start, stop))


class _Places:
    """What Dask cuts chunks from: a worker opens the recording itself, and reads its own places alone."""

    def __init__(self, timeline: Timeline, path: str, nan: bool) -> None:
        self.shape, self.ndim, self.dtype, self.nan = timeline.shape, len(timeline.shape), timeline.dtype(nan), nan
        status = os.stat(timeline.recording._file.fileno())
        self.opened = (path, timeline.frames.start, timeline.frames.stop, (status.st_ino, status.st_mtime_ns))

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        first, last, _ = key[0].indices(self.shape[0])
        samples, _ = _opened(*self.opened).samples(first, last, self.nan)
        return samples[(slice(None), *key[1:])]

    def __dask_tokenize__(self) -> Any:
        return self.opened, self.nan


def to_dask(recording: "Recording", start: int | None, stop: int | None, holes: "_Holes", chunk_bytes: int) -> Any:
    """See Recording.dask."""
    array = _extra("dask()", "dask.array", "dask")
    if holes == "mask":
        raise ValueError('dask() has no masks: holes="raise" or "nan"')
    timeline = recording._timeline(start, stop, holes)
    places = _Places(timeline, os.path.abspath(recording.path), holes == "nan")
    chunks = _chunk(timeline, places.dtype, chunk_bytes)
    return array.from_array(places, chunks=chunks, asarray=False, meta=np.empty((0,) * places.ndim, places.dtype))
