# SPDX-License-Identifier: MIT
"""Recordings in Python: what is written is read, and an array never hides a hole."""

import doctest
import errno
import json
import os
import sys

import numpy as np
import pytest

import ndma

from conftest import run_python


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def record(source, path, count=20, samples=100, **options):
    with ndma.record(source, path, samples, count=count, channels=2, **options):
        pass
    return ndma.load(path)


def counter(first, samples=100):
    return (np.arange(first, first + samples) + 4096 * np.arange(2).reshape(2, 1)).astype("<i2")


def test_a_source_is_recorded_and_read(fast, path):
    fast.pattern = "counter"
    with record(fast, path) as rec:
        assert rec.shape == (20, 2, 100) and rec.dtype == np.dtype("<i2") and rec.complete
        assert rec.rate == 1e6 and rec.channels[1].unit == "V" and not any(rec.loss)
        assert rec.about["controls"]["pattern"] == "counter"
        data = rec.array()
        assert not data.flags.writeable
    assert (data == counter(0, 2000).reshape(2, 20, 100).transpose(1, 0, 2)).all()
    assert (np.load(path.with_suffix(".npy")) == data).all()


def test_a_streams_frames_pass_through(fast, path):
    with fast.stream(samples=100, channels=2, count=8) as stream, ndma.record(stream, path) as recorder:
        arrays = [frame.copy() for frame in recorder]
        assert recorder.frames == 8
    assert (ndma.load(path).array() == np.stack(arrays)).all()


def test_frames_are_those_of_the_stream(fast, path):
    fast.fault_short = 3
    with fast.stream(samples=100, channels=2, count=8, on_loss="ignore") as stream:
        with ndma.record(stream, path) as recorder:
            told = [(frame.sequence, frame.time, frame.timestamp_ns, frame.hw_timestamp, frame.valid, frame.partial)
                    for frame in recorder]
    rec = ndma.load(path)
    assert told == [(frame.sequence, frame.time, frame.timestamp_ns, frame.hw_timestamp, frame.valid, frame.partial)
                    for frame in rec]
    assert rec[2].array().shape == (2, 50) and rec[-1].sequence == 7
    with pytest.raises(IndexError):
        rec[8]


def test_interleaved_samples_are_the_same_array(fast, path):
    fast.pattern = "counter"
    rec = record(fast, path, order="interleaved")
    assert rec.shape == (20, 2, 100) and (rec.array()[3] == counter(300)).all()
    assert np.load(path.with_suffix(".npy"), mmap_mode="r").shape == (20, 100, 2)


def test_an_array_never_hides_a_hole(fast, path):
    fast.pattern, fast.fault_drop = "counter", 7
    with pytest.warns(ndma.LossWarning, match="were lost"):
        rec = record(fast, path)
    lost = rec.loss.dropped
    assert lost >= 2 and [hole.number for hole in rec.holes][:3] == [0, 6, 12]
    with pytest.raises(ndma.FrameLossError, match="1 frames are missing before frame 6"):
        rec.array()
    assert rec.array(0, 6).shape == (6, 2, 100) and rec.array(6, 12).shape == (6, 2, 100)
    masked = rec.array(holes="mask")
    assert masked.shape == (20 + lost, 2, 100) and masked.mask[6].all() and masked.mask.sum() == lost * 200
    for number in range(20 + lost):
        assert masked.mask[number].all() or (masked[number] == counter(100 * number)).all()
    nan = rec.array(holes="nan")
    assert nan.dtype == np.float32 and np.isnan(nan[6]).all() and (nan[7] == counter(700)).all()
    assert (rec.array(7, 14, holes="mask").mask.any(axis=(1, 2))).sum() == 1
    with pytest.raises(ValueError, match='not "skip"|not \'skip\''):
        rec.array(holes="skip")


def test_short_and_wrong_frames_are_holes(fast, path):
    fast.pattern, fast.fault_short, fast.fault_error = "counter", 5, 7
    rec = record(fast, path)
    assert rec.loss.partial == 4 and rec.loss.error == 2
    with pytest.raises(ndma.FrameLossError, match="frame 4 came short"):
        rec.array()
    masked = rec.array(holes="mask")
    assert masked.shape == (20, 2, 100)
    assert masked.mask[4, :, 50:].all() and not masked.mask[4, :, :50].any() and masked.mask[6].all()
    with pytest.raises(OSError, match="wrong by its own source"):
        rec[6].array()
    assert rec[6].array(on_error="keep").shape == (2, 100)


def test_runs_are_not_one_array(fast, path):
    record(fast, path)
    rec = record(fast, path, count=5, mode="append")
    assert len(rec) == 25 and rec.runs == [range(20), range(20, 25)]
    for holes in "raise", "mask", "nan":
        with pytest.raises(ndma.FrameLossError, match="started again before frame 20"):
            rec.array(holes=holes)
    assert [len(rec.array(run.start, run.stop)) for run in rec.runs] == [20, 5]


def test_a_moment_is_in_its_frame(source, path):
    with ndma.record(source, path, 1000, count=10, channels=1):
        pass
    rec = ndma.load(path)
    times = rec.times()
    assert (np.diff(times) > np.timedelta64(0)).all() and rec[3].time == times[3]
    moment = times[3] + np.timedelta64(500, "us")
    found = 3 if rec[3].time_is_start else 4
    assert rec.at(moment).number == found and rec.at(str(moment)).number == found
    assert rec.at(times[3]).number == 3
    for outside in times[0] - np.timedelta64(1, "D"), times[-1] + np.timedelta64(1, "D"), 0.0:
        with pytest.raises(LookupError, match="no frame"):
            rec.at(outside)
    with pytest.raises(ValueError):
        rec.at("noon")


def test_units_are_the_channels(fast, path):
    rec = record(fast, path)
    scale = np.array([channel.scale for channel in rec.channels], "f4").reshape(2, 1)
    assert np.allclose(rec.physical(), rec.array() * scale) and rec.physical().dtype == np.float32
    assert np.allclose(rec[5].physical(), rec.physical()[5])


def test_it_is_read_while_it_grows(fast, path):
    with fast.stream(samples=100, channels=2, count=9) as stream, ndma.record(stream, path) as recorder:
        frames = iter(recorder)
        next(frames)
        rec = ndma.load(path)
        assert len(rec) == 1 and not rec.complete
        before = rec.array()
        for _ in frames:
            pass
        recorder.sync()
        assert rec.refresh() == 9 and rec.array().shape == (9, 2, 100) and len(before) == 1
    rec.refresh()
    assert rec.complete


def test_it_goes_on_by_itself_until_it_is_closed(fast, path):
    with ndma.record(fast, path, 100, channels=1, frames=64) as recorder:
        assert recorder.running and recorder.wait(frames=100, timeout=60)
        assert not recorder.wait(frames=10**9, timeout=0.05)
        with pytest.raises(TypeError, match="by itself"):
            next(iter(recorder))
    assert not recorder.running and len(ndma.load(path)) == recorder.frames >= 100
    recorder.close()


def test_killed_it_opens_with_all_that_was_synced(path):
    code = f"""
        import os, signal, ndma
        source = ndma.open("sim0")
        source.paced = False
        recorder = ndma.record(source, {str(path)!r}, 100, channels=1)
        recorder.wait(frames=500)
        recorder.sync()
        print(recorder.frames, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    synced = int(run_python(code, status=-9))
    assert len(np.load(path.with_suffix(".npy"), mmap_mode="r")) >= 500
    rec = ndma.load(path)
    assert len(rec) >= 500 and len(rec) + 64 >= synced and not rec.complete
    assert (np.diff([frame.sequence for frame in rec]) == 1 + np.array([frame.dropped for frame in rec][1:])).all()


def test_a_script_that_ends_leaves_a_finished_recording(path):
    run_python(f"""
        import ndma
        recorder = ndma.record("sim0", {str(path)!r}, 100, channels=1, frames=1024)
        recorder.wait(frames=5)
    """)
    assert ndma.load(path).complete and len(ndma.load(path)) >= 5


@pytest.mark.parametrize("what", [ndma.record, ndma.load, ndma.Recorder, ndma.Recording, ndma.RecordedFrame],
                         ids=lambda what: what.__name__)
def test_examples_in_its_documentation_are_true(what):
    output = []
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(what, globs={"ndma": ndma}):
        assert test.examples
        runner.run(test, out=output.append)
    assert not output, "".join(output)


def test_what_is_there_is_left_alone(fast, path):
    before = record(fast, path).array().copy()
    with pytest.raises(FileExistsError, match="is there"):
        ndma.record(fast, path, 100)
    with pytest.raises(ValueError, match="another layout"):
        ndma.record(fast, path, 99, mode="append")
    with pytest.raises(ValueError, match="mode="):
        ndma.record(fast, path, 100, mode="over")
    assert (ndma.load(path).array() == before).all()
    with fast.stream(samples=100) as stream, ndma.record(stream, path, mode="replace"):
        with pytest.raises(OSError, match="being recorded") as caught:
            ndma.record(stream, path, mode="append")
        assert caught.value.errno == errno.EBUSY
    assert len(ndma.load(path)) == 0 and ndma.load(path).array().shape == (0, 8, 100)


def test_arguments_are_told_from_each_other(fast, path):
    with pytest.raises(TypeError, match="samples= is missing"):
        ndma.record(fast, path)
    with fast.stream(samples=100) as stream:
        with pytest.raises(TypeError, match="this is one"):
            ndma.record(stream, path, 100)
        with fast.stream(samples=100) as other, ndma.record(stream, path) as recorder:
            with pytest.raises(TypeError, match="of the stream that it was opened for"):
                recorder.write(next(iter(other)))
            with pytest.raises(TypeError):
                recorder.write(3)
    with pytest.raises(ValueError, match="closed"):
        recorder.sync()


def test_a_full_disk_is_an_error_and_leaves_what_fitted(path):
    code = f"""
        import resource, ndma
        source = ndma.open("sim0")
        source.paced = False
        stream = source.stream(samples=100, channels=1, count=1000, on_loss="ignore")
        recorder = ndma.record(stream, {str(path)!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096 + 50 * 200 + 20, resource.RLIM_INFINITY))
        try:
            for frame in recorder:
                pass
        except OSError as error:
            print(error.errno)
        recorder.close()
    """
    assert int(run_python(code)) == errno.EFBIG
    assert ndma.load(path).array().shape == (50, 1, 100) and ndma.load(path).complete


def test_damage_is_a_hole_or_an_error(fast, path):
    rec = record(fast, path)
    index = path.with_suffix(".ndma")
    good = index.read_bytes()
    bad = bytearray(good)
    bad[-80 * 5 + 8] ^= 1           # the sequence of frame 15, which nothing looks at on opening
    index.write_bytes(bad)
    rec = ndma.load(path)
    assert rec[15].damaged and not rec[14].damaged and np.isnat(rec.times()[15])
    with pytest.raises(OSError, match="damaged"):
        rec[15].array()
    for content, words in (b"", "no index"), (b"{}" * 4000, "no index"), (good[:300], "ends within"), \
            (good[:12] + b"\xff" * 8 + good[20:], "cannot be"), (good[:60] + b"\1" + good[61:], "cannot be|damaged"):
        index.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            ndma.load(path)
    index.unlink()
    with pytest.raises(FileNotFoundError, match="run.ndma"):
        ndma.load(path)


def test_what_was_cut_off_is_told(fast, path):
    record(fast, path)
    os.truncate(path.with_suffix(".npy"), 4096 + 12 * 400 + 7)
    with pytest.warns(ndma.LossWarning, match="8 frames were cut off"):
        rec = ndma.load(path)
    assert rec.loss.cut_off == 8 and rec.array().shape == (12, 2, 100)


def test_any_of_its_files_opens_it_whatever_its_name(fast, tmp_path):
    for name in "two\nlines", "\udcff", "run.npy", "ü":
        record(fast, tmp_path / name, count=2)
        for suffix in "", ".npy", ".ndma":
            assert len(ndma.load(tmp_path / (name.removesuffix(".npy") + suffix))) == 2
        about = json.loads((tmp_path / (name.removesuffix(".npy") + ".json")).read_text())
        assert os.fsencode(about["data"]) == os.fsencode(name.removesuffix(".npy") + ".npy")


# What reads files alone: the debug kernel does not count bytes.
@pytest.mark.pure
def test_opening_costs_holes_not_frames(path):
    """A few reads, and memory that does not grow, whatever the number of frames."""
    code = f"""
        import resource, ndma
        def bytes_read():
            with open("/proc/self/io") as counts:
                return int(counts.readline().split()[1])
        source = ndma.open("sim0")
        source.paced = False
        with ndma.record(source, {str(path)!r}, 1, channels=1, frames=1024, count=200000):
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        load = ndma.load
        begin = bytes_read()
        rec = load({str(path)!r})
        print(bytes_read() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(rec))
    """
    read, grown, frames = run_python(code).split()[-3:]
    # The entries of its index are 16 MB.
    assert int(frames) == 200000 and int(read) < 100000 and int(grown) < 4096, (read, grown)
