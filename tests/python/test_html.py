# SPDX-License-Identifier: MIT
"""What a notebook shows: small, well-formed, of any contents and any length, and it keeps nothing."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import ndma
from ndma import _html

from conftest import ready, run_python

pytestmark = pytest.mark.pure

SIZE = 200_000      # characters, whatever is shown


def parsed(html):
    """The text between the tags; what is not well-formed raises."""
    assert len(html) < SIZE
    return " ".join(" ".join(ElementTree.fromstring(html).itertext()).split())


def shown(value):
    return parsed(value._repr_html_())


def heights(html):
    """The y of each point of the traces."""
    return [float(y) for path in re.findall(r'<path d="([^"]*)" fill', html)
            for y in re.findall(r"V([\d.]+)", path)]


def test_a_source_shows_its_channels_and_settings(source):
    text = shown(source)
    assert repr(source) in text
    for name in [*source.controls, source.channels[0].name, source.channels[0].unit]:
        assert name in text, name
    source.close()
    assert "closed" in shown(source)


def test_a_stream_shows_who_has_its_frames_and_what_was_lost(fast):
    with fast.stream(100, frames=4, on_loss="ignore") as stream:
        frame = next(stream)
        ready(stream, 4)
        assert "frames lost" not in shown(stream)
        assert f"held by this process {frame.sequence}" in shown(stream)
        del frame
        assert "held by this process" not in shown(stream)
    assert "closed" in shown(stream)


def test_a_loss_is_shown_in_the_stream_and_in_the_frame_behind_it(fast):
    fast.fault_drop = 3
    with fast.stream(100, frames=4, count=9, on_loss="ignore") as stream:
        frame = next(frame for frame in stream if frame.dropped)
        assert "frames lost" in shown(stream)
        assert "1 frame lost before it" in shown(frame)


def test_a_frame_shows_its_channels_in_their_units(source):
    with source.stream(1000, count=1) as stream:
        frame = next(stream)
        text = shown(frame)
        for counts, channel in zip(frame.array(), source.channels):
            row = counts * channel.scale + channel.offset
            assert f"{channel.name} {row.min():.5g} … {row.max():.5g} {channel.unit}" in text
    # The stream is closed, the frame is not.
    assert shown(frame)


def test_iq_samples_are_two_traces(source):
    with source.stream(1000, count=1, iq=True, channels=1) as stream:
        html = next(stream)._repr_html_()
    assert html.count("<svg") == 2 and " I" in parsed(html) and " Q" in parsed(html)


def test_what_is_shown_keeps_no_frame_and_no_lease(source):
    with source.stream(1000, frames=4, on_loss="ignore") as stream:
        texts = []
        for _ in range(8):
            frame = next(stream)
            texts.append(frame._repr_html_())
            del frame
            assert stream.held == []
    buf = ndma.zeros(1000)
    buf._repr_html_()
    assert buf.leases() == []
    buf.resize(2000)


def test_a_frame_with_its_error_flag_is_shown_with_a_warning(fast):
    with fast.stream(100, count=1) as stream:
        assert "contents are wrong" not in shown(next(stream))
    fast.fault_error = 1
    with fast.stream(100, count=1) as stream:
        assert "contents are wrong" in shown(next(stream))


def test_a_stream_whose_source_is_gone_is_shown(fast):
    fast.fault_vanish = 2
    with fast.stream(100, frames=4, on_loss="ignore") as stream:
        with pytest.raises(ndma.SourceGone):
            for frame in stream:
                pass
        assert repr(stream) in shown(stream) and shown(fast) and shown(frame)


@pytest.mark.parametrize("shape", [0, 1, 2, 159, 160, 161, (), (3, 0), (0, 3), (20, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["u1", "i8", ">i2", "f2", "f8", "c8", "?"])
def test_any_shape_and_kind_of_number_is_shown(shape, dtype):
    buf = ndma.zeros(shape, dtype)
    assert repr(buf) in shown(buf)


def test_what_is_no_number_is_shown_without_a_plot_and_with_its_names_escaped():
    buf = ndma.zeros(3, [("<b>bold</b> & co", "i4")])
    html = buf._repr_html_()
    assert "<b>bold" not in html and "<svg" not in html
    assert "<b>bold</b> & co" in parsed(html)


def test_names_and_units_with_markup_are_escaped():
    channel = ndma.Channel(("</td><script>alert(1)</script>", "<i>V", 1.0, 0.0))
    html = f"<div>{_html._traces_of_channels(np.zeros((1, 5), 'i2'), [channel], 1000)}</div>"
    assert "<script" not in html and "<i>" not in html
    assert channel.name in parsed(html) and channel.unit in parsed(html)


def test_a_peak_of_one_sample_stays():
    x = np.zeros(1_000_000)
    x[765_432] = 5
    buf = ndma.array(x)
    html = buf._repr_html_()
    assert "0 … 5" in parsed(html)
    assert heights(html).count(min(heights(html))) == 1
    # The control: every so manieth sample has no peak.
    assert not x[::len(x) // _html.COLUMNS].any()


def test_a_scale_below_zero_turns_the_trace_over():
    rows = _html._trace("x", np.array([0, 1, 2]), "red", 1000, scale=-2.0, offset=1.0, unit="V")
    assert "-3 … 1 V" in rows[2]
    assert heights(rows[1]) == sorted(heights(rows[1]))


@pytest.mark.parametrize("values", [
    [np.nan], [np.inf], [np.nan, 1.0], [-np.inf, np.inf], [np.nan] * 1000, [np.inf, -1.0, np.nan] * 999,
    [np.finfo("f8").max, np.finfo("f8").min], [5e-324, 0.0],
])
def test_what_is_not_finite_is_shown(values):
    with np.errstate(all="raise"):
        html = ndma.array(values)._repr_html_()
    parsed(html)
    assert all(0 <= y <= _html.HEIGHT for y in heights(html))
    assert "nan" not in html.split("<svg")[1].split("</svg>")[0]


@pytest.mark.parametrize("samples", [10**8, 10**15])
def test_a_trace_of_any_length_is_looked_at_in_bounded_time(samples):
    endless = np.broadcast_to(np.int8(3), samples)
    row = _html._trace("x", endless, "red", 1 << 20)
    assert sum(map(len, row)) < 10_000
    assert "3 … 3, of a share" in row[2]


def test_of_many_channels_some_are_shown_and_the_others_counted():
    channels = [ndma.Channel((f"ch{i}", "V", 1.0, 0.0)) for i in range(1000)]
    html = _html._traces_of_channels(np.zeros((1000, 100), "i2"), channels, 1 << 20)
    assert html.count("<svg") == 8 and "and 992 more channels" in html


def test_a_buffer_shows_who_keeps_it():
    buf = ndma.zeros(5)
    array = buf.array()
    assert "lease" in shown(buf) and "write" in shown(buf) and "views here 1" in shown(buf)
    del array
    with buf.transfer("from_device"):
        text = shown(buf)
        assert "with its device" in text and "transfer" in text
    buf.close()
    assert "closed" in shown(buf)


def test_a_recording_shows_its_channels_and_what_is_missing(tmp_path, source):
    path = tmp_path / "<b>run & co"
    with ndma.record(source, path, samples=100, count=3):
        pass
    recording = ndma.load(path)
    html = recording._repr_html_()
    assert "<b>run" not in html and "<b>run & co" in parsed(html)
    everything = recording.array()
    for number, channel in enumerate(recording.channels[:8]):
        row = everything[:, number] * channel.scale + channel.offset
        assert f"{channel.name} {row.min():.5g} … {row.max():.5g} {channel.unit}" in parsed(html)
    assert "frames:" not in parsed(html) and "not finished" not in parsed(html)


@pytest.mark.parametrize("shape", [(10**9, 2, 1000), (3, 2, 10**10), (10**7, 4, 10**6, 2), (0, 2, 10)])
def test_of_a_long_recording_a_share_is_looked_at(shape):
    thin, said = _html._thinned(np.broadcast_to(np.int16(1), shape))
    assert thin.size <= 2 * _html.LOOKED_AT_ON_DISK and thin.shape[0] == shape[1]
    assert bool(said) == bool(shape[0])
    assert thin.size >= _html.LOOKED_AT_ON_DISK // 4 or not shape[0]


def test_what_shows_is_imported_where_something_is_shown():
    run_python("""
        import sys, ndma
        assert not {"ndma._html", "html"} & set(sys.modules)
        ndma.zeros(3)._repr_html_()
        assert "ndma._html" in sys.modules
    """)
