# SPDX-License-Identifier: MIT
"""A recording's frames with a place for each that is missing: what arrays, exports and workers are cut from."""

import bisect
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._ext import FrameLossError

if TYPE_CHECKING:
    from ._recording import Recording, RecordedFrame


class _Stretch(NamedTuple):
    """Frames behind each other, of which the same is known."""

    place: int
    number: int
    frames: int
    valid: int


class Timeline:
    """Places of frames, in one run of a recording.

    Attributes
    ----------
    shape : tuple of int
        (places, channels, samples), and a 2 for I/Q.
    holes : list of RecordedFrame
        What is not as it should be among these frames.
    stretches : list
        Of frames that are behind each other: the first one's place and number, how many there are, and how many
        samples of each channel are valid in each.

    Raises
    ------
    FrameLossError
        Between two runs, where nobody knows how many frames are missing.
    """

    def __init__(self, recording: "Recording", frames: range) -> None:
        self.recording, self.frames = recording, frames
        self.holes = [hole for hole in recording.holes if self._matters(hole)]
        for hole in self.holes:
            if hole.starts_run and hole.number > frames.start:
                raise FrameLossError(f"{recording.name}: {self.words(hole)}, and how much is missing there is not "
                                     "known: take each run by itself, recording.runs")
        self.stretches = list(self._cut())
        last = self.stretches[-1] if self.stretches else _Stretch(0, 0, 0, 0)
        self.shape = (last.place + last.frames, *recording.shape[1:])

    def _matters(self, hole: "RecordedFrame") -> bool:
        """What is missing before the first frame does not."""
        return self.frames.start < hole.number < self.frames.stop or hole.spoilt and hole.number in self.frames

    def _cut(self) -> Iterator[_Stretch]:
        """Stretches between the holes; a spoilt frame is one of its own."""
        whole, number, place = self.recording.samples, self.frames.start, 0
        for hole in self.holes:
            if hole.number > number:
                yield _Stretch(place, number, hole.number - number, whole)
                place += hole.number - number
                number = hole.number
            if number > self.frames.start:
                place += hole.dropped
            if hole.spoilt:
                yield _Stretch(place, number, 1, hole.valid if hole.only_short else 0)
                place, number = place + 1, number + 1
        if number < self.frames.stop:
            yield _Stretch(place, number, self.frames.stop - number, whole)

    def words(self, hole: "RecordedFrame") -> str:
        """What is wrong there."""
        if hole.damaged:
            return f"the entry of frame {hole.number} is damaged"
        if hole.starts_run:
            return f"the stream was started again before frame {hole.number}"
        if hole.dropped:
            return f"{hole.dropped} frames are missing before frame {hole.number}"
        what = "came short" if hole.partial else "lost samples" if hole.overflow else "is wrong by its own source"
        return f"frame {hole.number} {what}"

    def refuse_holes(self) -> None:
        """Raise FrameLossError where there are any."""
        if self.holes:
            raise FrameLossError(f"{self.recording.name} has {len(self.holes)} holes: {self.words(self.holes[0])}. "
                                 'holes="mask" or "nan" leaves their places out, recording.runs has the runs')

    def _between(self, first: int, last: int) -> Iterator[tuple[slice, int, int]]:
        """Of each stretch in these places: where in the result, which frame, how many valid samples."""
        begin = bisect.bisect_right(self.stretches, first, key=lambda stretch: stretch.place) - 1
        for index in range(max(begin, 0), len(self.stretches)):
            stretch = self.stretches[index]
            start, stop = max(first, stretch.place), min(last, stretch.place + stretch.frames)
            if stretch.place >= last:
                break
            if start < stop:
                yield slice(start - first, stop - first), stretch.number + start - stretch.place, stretch.valid

    def dtype(self, nan: bool) -> np.dtype[Any]:
        """Of `samples`."""
        return np.result_type(self.recording.dtype, np.float32) if nan else self.recording.dtype

    def samples(self, first: int, last: int, nan: bool) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        """What is at these places, and how many samples of each channel are valid there; the rest is 0, or NaN."""
        values = np.zeros((last - first, *self.shape[1:]), self.dtype(nan))
        valid = np.zeros(last - first, np.uint64)
        data = self.recording.samples_array()
        for where, number, count in self._between(first, last):
            values[where] = data[number:number + where.stop - where.start]
            valid[where] = count
        if nan:
            values[self.missing(valid)] = np.nan
        return values, valid

    def missing(self, valid: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """The mask of samples that are not there, of the shape of `samples`."""
        mask = np.arange(self.recording.samples, dtype=np.uint64) >= valid[:, None]
        shape = (len(valid), *self.shape[1:])
        return np.broadcast_to(mask.reshape(mask.shape[0], 1, mask.shape[1], *[1] * (len(shape) - 3)), shape)

    def times(self, first: int, last: int) -> NDArray[np.datetime64]:
        """Calendar time of the frames at these places; NaT where one is missing."""
        times = np.full(last - first, np.datetime64("NaT", "ns"))
        for where, number, _ in self._between(first, last):
            times[where] = self.recording.times(number, number + where.stop - where.start)
        return times
