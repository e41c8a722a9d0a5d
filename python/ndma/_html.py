# SPDX-License-Identifier: MIT
"""What a notebook shows of a Source, Stream, Frame, Buffer and Recording: HTML with small plots.

A picture is as wide as a hundred samples, of whatever there is: each column draws the smallest and
the largest value of its samples, so that a peak stays. What is returned is text, and keeps nothing.

Imported where something is shown, and not elsewhere.
"""

from html import escape
from itertools import islice
from typing import Any, Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ._ext import Buffer, Frame, LockedError, Source, Stream

WIDTH, HEIGHT = 320, 36
COLUMNS = 160
ROWS = 8    # of a table: further channels, settings and holders are counted
# So many numbers are looked at for one object, and so many of a file; of more, a share of each column.
LOOKED_AT = 1 << 27
LOOKED_AT_ON_DISK = 1 << 22
COLOURS = "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf"
PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def _si(value: float, unit: str) -> str:
    """0.00025, "s": "250 µs"."""
    power = 0
    if value and np.isfinite(value) and unit:
        power = max(-12, min(12, int(np.floor(np.log10(abs(value)) / 3)) * 3))
    return f"{value / 10.0 ** power:.4g} {PREFIXES[power]}{unit}".rstrip()


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------- plots

def _extremes(samples: NDArray[Any], looked_at: int) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """The smallest and the largest of each column's samples, as float64; whether all were looked at.

    NaN is passed over where a column has anything else.
    """
    columns = min(COLUMNS, len(samples))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(np.intp)
    if samples.dtype == np.float16 or not samples.dtype.isnative:
        looked_at //= 8    # NumPy converts these one by one
    share = max(1, looked_at // columns)
    if samples.dtype.kind == "b":
        samples = samples.view("u1")
    whole = len(samples) <= share * columns
    found = []
    for smaller in np.fmin, np.fmax:
        if whole:
            column = smaller.reduceat(samples, edges)
        else:
            column = np.array([smaller.reduce(samples[edge:edge + share]) for edge in edges])
        found.append(column.astype(np.float64))
    return found[0], found[1], whole


def _picture(low: NDArray[Any], high: NDArray[Any], colour: str, mark: float | None) -> str:
    """One trace, over the whole height: a line from each column's smallest value to its largest."""
    finite = np.concatenate([low, high])
    finite = finite[np.isfinite(finite)]
    bottom, top = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    # Halved before they are subtracted: the largest float64 less the smallest is none.
    span = top / 2 - bottom / 2 or 1.0
    inner = HEIGHT - 4
    x = (np.arange(len(low)) + 0.5) * WIDTH / max(len(low), 1)
    path, pen_down = [], False
    for at, a, b in zip(x, low, high):
        if np.isnan(a) or np.isnan(b):
            pen_down = False
            continue
        y1, y2 = (2 + inner * (1 - (np.clip(v, bottom, top) / 2 - bottom / 2) / span) for v in (a, b))
        if top == bottom:
            y1 = y2 = HEIGHT / 2
        path.append(f"{'L' if pen_down else 'M'}{at:.1f} {y1:.1f}V{y2:.1f}")
        pen_down = True
    lines = f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-linecap="square"/>'
    if mark is not None:
        at = WIDTH * min(max(mark, 0.0), 1.0)
        lines += f'<path d="M{at:.1f} 0V{HEIGHT}" stroke="currentColor" stroke-dasharray="2 2"/>'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">{lines}</svg>'


def _trace(name: str, samples: NDArray[Any], colour: str, looked_at: int, *, scale: float = 1.0,
           offset: float = 0.0, unit: str = "", mark: float | None = None) -> list[str]:
    """A row of a table of traces: its cells, as HTML."""
    if not len(samples):
        return [escape(name), "no samples", ""]
    with np.errstate(all="ignore"):
        low, high, whole = _extremes(samples, looked_at)
        low, high = low * scale + offset, high * scale + offset
        if scale < 0:
            low, high = high, low
        least, most = np.fmin.reduce(low), np.fmax.reduce(high)
        words = f"{least:.5g} … {most:.5g} {unit}".rstrip()
        if not whole:
            words += ", of a share of the samples"
        return [escape(name), _picture(low, high, colour, mark), escape(words)]


def _parts(samples: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    if samples.dtype.kind == "c":
        return [(" real", samples.real), (" imag", samples.imag)]
    return [("", samples)]


# ---------------------------------------------------------------- tables

def _table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Of cells that are HTML already."""
    lines = ["".join(f"<th>{cell}</th>" for cell in head)] if head else []
    lines += ["".join(f'<td style="text-align:left">{cell}</td>' for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>" if lines else ""


def _facts(**facts: Any) -> str:
    """A line of what there is to say: what is None is left out."""
    said = [f"{escape(name.replace('_', ' '))} <b>{escape(_number(value))}</b>"
            for name, value in facts.items() if value is not None]
    return f"<div>{' · '.join(said)}</div>"


def _more(count: int, what: str) -> str:
    return f"<div>… and {count - ROWS} more {what}</div>" if count > ROWS else ""


def _alarm(text: str) -> str:
    return f'<div style="color:#d62728"><b>{escape(text)}</b></div>'


def _page(value: Any, *parts: str) -> str:
    try:
        words = repr(value)
    except (OSError, ValueError):    # its source is gone
        words = f"<ndma.{type(value).__name__}>"
    return f"<div><code>{escape(words)}</code>{''.join(parts)}</div>"


def _traces_of_channels(data: NDArray[Any], channels: Sequence[Any], looked_at: int,
                        mark: float | None = None) -> str:
    """Of shape (channels, samples), and a trailing 2 for I/Q samples, in the channels' units."""
    shown = min(len(data), ROWS)
    rows = []
    for number in range(shown):
        channel = channels[number]
        iq = data.ndim == 3
        parts = [(" I", data[number, :, 0]), (" Q", data[number, :, 1])] if iq else \
            [("", data[number])]
        rows += [_trace(channel.name + part, samples, COLOURS[number],
                        max(1, looked_at // shown // len(parts)), scale=channel.scale,
                        offset=channel.offset, unit=channel.unit, mark=mark)
                 for part, samples in parts]
    return _table(rows) + _more(len(data), "channels")


# ---------------------------------------------------------------- what is shown

def _source(source: Source) -> str:
    if source.closed:
        return _page(source)
    channels, controls = source.channels, source.controls
    rate = source.sample_rate
    settings = []
    for name, control in islice(controls.items(), 4 * ROWS):
        value = "" if control.type == "button" else _number(getattr(source, name))
        reach = ", ".join(islice(control.choices, 4 * ROWS)) or \
            (f"{_number(control.min)} … {_number(control.max)}" if control.type == "integer" else "")
        settings.append([escape(cell) for cell in (name, value, control.unit, reach)])
    return _page(
        source,
        _facts(rate=None if rate is None else _si(rate, "S/s"),
               samples=", ".join(f"{form.dtype}{' I/Q' if form.iq else ''}" for form in source.formats)),
        _table([[escape(cell) for cell in
                 (channel.name, channel.unit, _number(channel.scale), _number(channel.offset))]
                for channel in channels[:ROWS]], ("channel", "unit", "per count", "at 0")),
        _more(len(channels), "channels"),
        _table(settings, ("setting", "value", "unit", "range")))


def _loss(dropped: int, unknown: bool = False) -> str:
    if not dropped and not unknown:
        return ""
    return _alarm(f"{'at least ' if unknown else ''}{dropped} frame{'s' * (dropped != 1)} lost before it")


def _stream(stream: Stream) -> str:
    stats, held, rate = stream.stats, stream.held, stream.rate
    parts = [("device", stats.device_frames, COLOURS[0]), ("free", stats.free_frames, COLOURS[2]),
             ("ready or held here", stats.user_frames, COLOURS[1]),
             ("exported", stats.exported_frames, COLOURS[4])]
    bars, at, total = "", 0.0, max(stream.frames, sum(count for _, count, _ in parts), 1)
    for _, count, colour in parts:
        wide = WIDTH * count / total
        bars += f'<rect x="{at:.1f}" width="{wide:.1f}" height="12" fill="{colour}"/>'
        at += wide
    legend = " ".join(f'<span style="color:{colour}">■</span> {escape(name)} {count}'
                      for name, count, colour in parts)
    return _page(
        stream,
        _facts(rate=None if rate is None else _si(rate, "S/s"), frames_made=stats.produced,
               passed_over=stats.skipped or None, with_errors=stats.errors or None,
               lost=stats.dropped),
        _alarm(f"{stats.dropped} of {stats.produced} frames lost") if stats.dropped else "",
        f'<svg width="{WIDTH}" height="12" viewBox="0 0 {WIDTH} 12">{bars}</svg><div>{legend}</div>',
        _facts(held_by_this_process=", ".join(map(str, held[:ROWS])) +
               (f" and {len(held) - ROWS} more" if len(held) > ROWS else "")) if held else "")


def _frame(frame: Frame) -> str:
    stream = frame.stream
    rate, trigger = stream.rate, frame.trigger
    data = frame.array(on_error="keep")
    held = stream.held
    return _page(
        frame,
        _facts(time=frame.time, lasts=None if rate is None else _si(frame.valid / rate, "s"),
               samples=frame.valid, trigger=trigger),
        _loss(frame.dropped, frame.loss_unknown),
        _alarm("samples were lost inside or before it") if frame.overflow else "",
        _alarm("the source says that its contents are wrong") if frame.error else "",
        _traces_of_channels(data, stream.channels, LOOKED_AT,
                            None if trigger is None else (trigger + 0.5) / max(frame.valid, 1)),
        _facts(this_process_holds=f"{len(held)} of {stream.frames} frames"))


def _rows_of(data: NDArray[Any]) -> tuple[list[list[str]], int]:
    """A trace along the longest axis for each of the first others, and how many there are."""
    if not data.ndim:
        data = data.reshape(1)
    axis = int(np.argmax(data.shape))
    moved = np.moveaxis(data, axis, -1)
    count = int(np.prod(moved.shape[:-1]))
    rows = []
    for number, index in enumerate(islice(np.ndindex(moved.shape[:-1]), ROWS)):
        name = f"[{', '.join([*map(str, index[:axis]), ':', *map(str, index[axis:])])}]"
        rows += [_trace(name + part, samples, COLOURS[number], LOOKED_AT // (2 * min(count, ROWS)))
                 for part, samples in _parts(moved[index])]
    return rows, count


def _buffer(buffer: Buffer) -> str:
    if buffer.closed:
        return _page(buffer)
    holders, views = buffer.holders(), len(buffer.leases())
    kept = _table([[escape(str(cell)) for cell in holder] for holder in holders[:ROWS]],
                  ("held as", "access", "by process", "number") if holders else ()) + \
        _more(len(holders), "holders")
    facts = _facts(bytes=buffer.nbytes, views_here=views or None)
    if buffer.locked:
        return _page(buffer, facts, _alarm("with its device: nothing can be looked at"), kept)
    if buffer.dtype.kind not in "biufc":
        return _page(buffer, facts, kept)
    try:
        rows, count = _rows_of(buffer.array(writable=False))
    except LockedError as error:    # since it was asked
        return _page(buffer, facts, _alarm(str(error)), kept)
    return _page(buffer, facts, _table(rows), _more(count, "rows"), kept)


_SHOWN: dict[type, Callable[[Any], str]] = {
    Source: _source, Stream: _stream, Frame: _frame, Buffer: _buffer,
}


def show(value: Source | Stream | Frame | Buffer) -> str:
    """HTML of what `value` is, has lost and is kept by.

    What cannot be told, as its device is gone or another process's, is replaced by the reason.
    """
    try:
        return _SHOWN[type(value)](value)
    except (OSError, ValueError, BufferError) as error:
        return _page(value, _alarm(str(error)))


def _thinned(data: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Frames of a recording as [channel, sample] one behind the other, and what was left out.

    Of a long one every so manieth frame, and the first samples of a very long frame.
    """
    channels, samples = data.shape[1:3]
    budget = max(1, LOOKED_AT_ON_DISK // max(1, channels * int(np.prod(data.shape[3:]))))
    step = -(-len(data) * min(samples, budget) // budget)
    thin = data[::max(1, step), :, :budget]
    said = f"of every {step}th frame" if step > 1 else ""
    if samples > budget:
        said += f"{', ' * bool(said)}of a frame's first {budget} samples"
    return np.moveaxis(thin, 1, 0).reshape(channels, -1, *data.shape[3:]), said


def show_recording(recording: Any) -> str:
    """The same of a Recording: its channels over their whole length, and what is missing."""
    try:
        data = recording.samples_array()[:, :ROWS]
        loss, rate, total = recording.loss, recording.rate, len(recording) * recording.samples
        runs = len(recording.runs)
    except (OSError, ValueError, BufferError) as error:
        return _page(recording, _alarm(str(error)))
    thin, said = _thinned(data)
    missing = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in loss._asdict().items() if count)
    return _page(
        recording,
        _facts(samples=total, lasts=_si(total / rate, "s") if rate else None,
               runs=runs if runs > 1 else None),
        _alarm(f"frames: {missing}") if missing else "",
        "" if recording.complete else _alarm("not finished: somebody records, or was killed"),
        _traces_of_channels(thin, recording.channels, LOOKED_AT_ON_DISK),
        f"<div>{said}</div>" if said else "",
        _more(len(recording.channels), "channels"))
