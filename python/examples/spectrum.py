#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Capture frames from a source; print statistics and draw the spectrum in the terminal.

    spectrum.py --set frequency=220e3 sim0
    spectrum.py --samples 4096 --count 200 --set rate=1e6 --channel 1 vdig0

On a terminal the plot is live until the count is reached or Ctrl-C is pressed; otherwise it is
drawn once, at the end. The exit status is 1 if anything is missing: lost frames, short or wrong ones.
"""

import argparse
import shutil
import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ndma

# Dots of a Braille cell, two columns of four, from the top: bits of its code.
BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
FLOOR_DB = -96.0
ROWS = 12
MARGIN = 8                      # columns for what is written beside the plot


def braille(levels: NDArray[Any], rows: int) -> list[str]:
    """Columns of dots as high as `levels` (0 to 1), two in each character."""
    height = np.rint(np.clip(levels, 0, 1) * 4 * rows).astype(int)
    dots = np.arange(4 * rows, 0, -1)[:, None] <= height
    cells = dots.reshape(rows, 4, -1, 2) * BRAILLE[None, :, None, :]
    return ["".join(chr(0x2800 + code) for code in row) for row in cells.sum(axis=(1, 3))]


def resample(values: NDArray[Any], columns: int) -> NDArray[Any]:
    """As many values as there are columns; of several in one column the largest."""
    edges = np.linspace(0, len(values), columns + 1).astype(int)
    starts = np.minimum(edges[:-1], len(values) - 1)
    largest: NDArray[Any] = np.maximum.reduceat(values, starts)
    return largest


class Spectrum:
    """Power of one channel over frequency, averaged over frames."""

    def __init__(self, samples: int, two_sided: bool) -> None:
        self.window = np.hanning(samples).astype("f4")
        self.two_sided = two_sided
        self.power: NDArray[Any] | None = None

    def add(self, x: NDArray[Any]) -> None:
        if len(x) != len(self.window):
            return
        x = (x - np.average(x, weights=self.window)) * self.window
        bins = np.fft.fftshift(np.fft.fft(x)) if self.two_sided else np.fft.rfft(x)
        power = np.abs(bins) ** 2
        self.power = power if self.power is None else 0.8 * self.power + 0.2 * power

    def decibels(self) -> NDArray[Any]:
        if self.power is None:
            return np.full(len(self.window), FLOOR_DB)
        top = self.power.max() or 1.0
        decibels: NDArray[Any] = 10 * np.log10(self.power / top + 1e-30)
        return decibels.clip(FLOOR_DB)

    def peak(self) -> int:
        return 0 if self.power is None else int(self.power.argmax())


class Statistics:
    """Of all valid samples so far, by channel."""

    def __init__(self, channels: int) -> None:
        self.frames = self.wrong = self.samples = 0
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)
        self.sum = np.zeros(channels)
        self.squares = np.zeros(channels)

    def add(self, frame: ndma.Frame, x: NDArray[Any]) -> None:
        x = np.abs(x) if np.iscomplexobj(x) else x
        self.frames += 1
        self.samples += x.shape[1]
        self.low = np.minimum(self.low, x.min(axis=1))
        self.high = np.maximum(self.high, x.max(axis=1))
        self.sum += x.sum(axis=1, dtype="f8")
        self.squares += np.square(x, dtype="f8").sum(axis=1)

    def table(self, channels: tuple[ndma.Channel, ...]) -> list[str]:
        lines = [f"{'channel':<10}{'min':>12}{'max':>12}{'mean':>12}{'rms':>12}  unit"]
        for i, channel in enumerate(channels):
            mean = self.sum[i] / self.samples
            rms = np.sqrt(self.squares[i] / self.samples)
            lines.append(f"{channel.name:<10}{self.low[i]:>12.5g}{self.high[i]:>12.5g}"
                         f"{mean:>12.5g}{rms:>12.5g}  {channel.unit}")
        return lines


def axis(first: float, last: float, unit: str, width: int) -> list[str]:
    """What stands below the plot: a line with a mark at each number, and the numbers."""
    count = max(2, min(5, width // 12))
    prefix, divisor = next(((p, d) for p, d in (("G", 1e9), ("M", 1e6), ("k", 1e3))
                            if unit == "Hz" and last >= d), ("", 1.0))
    marks, numbers = ["─"] * width, [" "] * (MARGIN + width + MARGIN)
    for i in range(count):
        at = round(i * (width - 1) / (count - 1))
        marks[at] = "┴"
        text = f"{(first + (last - first) * i / (count - 1)) / divisor:.4g}"
        start = MARGIN + at - len(text) // 2
        numbers[start:start + len(text)] = text
    return [" " * (MARGIN - 1) + "└" + "".join(marks),
            "".join(numbers).rstrip(), f"{prefix + unit:^{2 * MARGIN + width}}".rstrip()]


def plot(stream: ndma.Stream, spectrum: Spectrum, channel: int) -> list[str]:
    width = max(min(shutil.get_terminal_size((80, 24)).columns, 160) - MARGIN - 3, 24)
    rate = stream.rate or 1.0
    unit = "Hz" if stream.rate else "of the sample rate"
    first = -rate / 2 if spectrum.two_sided else 0.0
    levels = spectrum.decibels()
    step = rate / len(spectrum.window)
    lines = [f"{stream.channels[channel].name}: peak at {first + spectrum.peak() * step:.6g} {unit}"]
    scaled = 1 - resample(levels, 2 * width) / FLOOR_DB
    for row, text in enumerate(braille(scaled, ROWS)):
        lines.append(f"{round(FLOOR_DB * row / ROWS):4d} dB│{text}")
    return lines + axis(first, rate / 2, unit, width)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", nargs="?", default="sim0")
    parser.add_argument("--samples", type=int, default=8192, help="of each channel in a frame")
    parser.add_argument("--frames", type=int, default=16, help="of the stream")
    parser.add_argument("--count", type=int, help="frames to capture (100 without a terminal)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the source (`ndma controls SOURCE` lists them); repeatable")
    parser.add_argument("--channel", type=int, default=0, help="to plot")
    parser.add_argument("--iq", action="store_true", help="complex samples")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds without a frame")
    return parser.parse_args()


def adjust(source: ndma.Source, settings: list[str]) -> None:
    controls = source.controls
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in controls or not value:
            raise ValueError(f"--set {setting}: expected NAME=VALUE, with one of {', '.join(controls)}")
        is_word = controls[name].type == "menu"
        setattr(source, name, value if is_word else float(value))


def capture(stream: ndma.Stream, options: argparse.Namespace, live: bool) -> int:
    channel = min(options.channel, len(stream.channels) - 1)
    spectrum = Spectrum(stream.samples, options.iq)
    statistics = Statistics(len(stream.channels))
    started = drawn = time.monotonic()
    for frame in stream:
        statistics.wrong += frame.error or frame.partial or frame.overflow
        if frame.error:
            continue
        x = frame.iq() if options.iq else frame.physical()
        statistics.add(frame, x)
        spectrum.add(x[channel])
        del frame                   # the device can have it while the plot is drawn
        now = time.monotonic()
        if live and now - drawn > 0.1:
            drawn = now
            lines = plot(stream, spectrum, channel)
            lines.append(f"{statistics.frames} frames, {stream.stats.dropped} lost")
            print("\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[J", flush=True)
    seconds = time.monotonic() - started
    print("\n".join(plot(stream, spectrum, channel)))
    if statistics.frames:
        print("\n".join(statistics.table(stream.channels)))
    # The stream's own count: behind the last frame that came no other tells of what was lost.
    dropped = stream.stats.dropped
    print(f"{stream.name}: {statistics.frames} frames, {statistics.samples} samples a channel in "
          f"{seconds:.2f} s, {dropped} frames lost, {statistics.wrong} short or wrong")
    return 1 if dropped or statistics.wrong else 0


def main() -> int:
    options = parse()
    live = sys.stdout.isatty()
    count = options.count or (None if live else 100)
    with ndma.open(options.source) as source:
        adjust(source, options.set)
        print(source)
        with source.stream(options.samples, options.frames, count=count, iq=options.iq,
                           timeout=options.timeout, on_loss="ignore") as stream:
            # Ctrl-C ends the capture, not the program: what came is still shown.
            signal.signal(signal.SIGINT, lambda *_: stream.stop())
            if live:
                print("\x1b[2J", end="")
            return capture(stream, options, live)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"spectrum.py: {error}")
