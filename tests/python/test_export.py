# SPDX-License-Identifier: MIT
"""Recordings for other programs, read back by these: xarray, HDF5, Zarr, SigMF and Dask."""

import doctest
import importlib.util
import json
import sys

import numpy as np
import pytest

import ndma

pytestmark = pytest.mark.pure


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"this guest has no {module}")


@pytest.fixture
def whole(fast, tmp_path):
    fast.pattern = "counter"
    with ndma.record(fast, tmp_path / "run", 100, channels=2, count=20, frames=64):
        pass
    return ndma.load(tmp_path / "run")


@pytest.fixture
def holed(fast, tmp_path):
    """Frames are missing; one is short, one is wrong by its source."""
    fast.pattern, fast.fault_drop, fast.fault_short, fast.fault_error = "counter", 7, 5, 11
    stream = fast.stream(100, channels=2, count=20, frames=64, on_loss="ignore")
    with stream, ndma.record(stream, tmp_path / "run") as recorder:
        for _ in recorder:
            pass
    rec = ndma.load(tmp_path / "run")
    assert rec.loss.dropped and rec.loss.partial and rec.loss.error
    return rec


def values(masked):
    return masked.filled(0), 100 - masked.mask[:, 0].sum(axis=1)


@pytest.mark.parametrize("method, module", [("to_xarray", "xarray"), ("to_hdf5", "h5py"), ("to_zarr", "zarr"),
                                            ("to_sigmf", "sigmf"), ("dask", "dask.array")])
def test_an_extra_that_is_not_there_is_named(whole, tmp_path, monkeypatch, method, module):
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"h5py": "hdf5"}.get(module, module.partition(".")[0])
    with pytest.raises(ImportError, match=rf"{method}\(\) needs .*ndma\[{extra}\]"):
        getattr(whole, method)(*[tmp_path / "out"] * (method not in ("to_xarray", "dask")))
    assert not (tmp_path / "out").exists()


@needs("xarray")
def test_xarray_has_units_channels_and_times(whole):
    data = whole.to_xarray()
    assert data.dims == ("frame", "channel", "sample") and (data.values == whole.physical()).all()
    assert list(data.unit.values) == ["V", "V"] and (data.time.values == whole.times()).all()
    assert np.allclose(data.offset.values, np.arange(100) / whole.rate)


@needs("xarray")
def test_xarray_has_a_place_for_what_is_missing(holed):
    with pytest.raises(ndma.FrameLossError):
        holed.to_xarray()
    data = holed.to_xarray(holes="nan")
    assert np.array_equal(data.values, holed.physical(holes="nan"), equal_nan=True)
    missing = np.isnan(data.values).all(axis=(1, 2))
    times = data.time.values
    # A frame that is wrong has its time.
    assert missing.sum() == np.isnat(times).sum() + holed.loss.error
    assert (times[~np.isnat(times)] == holed.times()).all()


@needs("xarray")
def test_a_frame_is_an_array_with_times_and_units(fast):
    fast.pattern = "counter"
    with fast.stream(100, channels=2, count=3) as stream:
        frame = list(stream)[2]
        data = frame.to_xarray()
        assert data.dims == ("channel", "sample") and (data.values == frame.physical()).all()
        assert list(data.unit.values) == ["V", "V"] and data.attrs["sample_start"] == 200
        if frame.time_is_start:
            assert data.time.values[0] == frame.time
            assert (data.time.values[-1] - frame.time) == np.timedelta64(round(99e9 / stream.rate), "ns")
        else:
            assert np.allclose(data.offset.values, np.arange(100) / stream.rate)
        del frame
        # It is a copy, and keeps nothing.
        assert stream.held == []
    # The example of its documentation, which is run without xarray as well.
    text = ndma.Frame.to_xarray.__doc__.replace("# doctest: +SKIP", "")
    result = doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(text, {"ndma": ndma}, "to_xarray", None, 0))
    assert result.attempted == 2 and not result.failed


def hdf5(rec, path, **options):
    import h5py

    rec.to_hdf5(path, **options)
    file = h5py.File(path)
    return file["samples"], file["valid"], file["time"], file.attrs


def zarr(rec, path, **options):
    import zarr

    rec.to_zarr(path, **options)
    group = zarr.open_group(str(path), mode="r")
    return group["samples"], group["valid"], group["time"], group.attrs


containers = pytest.mark.parametrize("export, method", [
    pytest.param(hdf5, "to_hdf5", marks=needs("h5py")), pytest.param(zarr, "to_zarr", marks=needs("zarr"))])


@containers
def test_a_file_has_all_that_makes_volts_of_samples(export, method, whole, tmp_path):
    samples, valid, time, attributes = export(whole, tmp_path / "out")
    assert samples.dtype == whole.dtype and (samples[:] == whole.array()).all() and (valid[:] == 100).all()
    assert (time[:].astype("M8[ns]") == whole.times()).all()
    scale = np.array(samples.attrs["scale"]).reshape(2, 1)
    assert np.allclose(samples[:] * scale, whole.physical()) and list(samples.attrs["unit"]) == ["V", "V"]
    assert json.loads(attributes["about"]) == whole.about and samples.attrs["rate"] == whole.rate


@containers
def test_a_file_never_hides_a_hole(export, method, holed, tmp_path):
    with pytest.raises(ndma.FrameLossError, match="holes"):
        export(holed, tmp_path / "out")
    with pytest.raises(ValueError, match="'skip'"):
        export(holed, tmp_path / "out", holes="skip")
    assert not (tmp_path / "out").exists()
    samples, valid, time, _ = export(holed, tmp_path / "masked", holes="mask")
    expected, count = values(holed.array(holes="mask"))
    shown = np.arange(100) < count[:, None, None]
    assert (valid[:] == count).all() and (np.where(shown, samples[:], 0) == expected).all()
    assert np.isnat(time[:].astype("M8[ns]")).sum() == samples.shape[0] - len(holed)
    samples, *_ = export(holed, tmp_path / "nan", holes="nan")
    assert np.array_equal(samples[:], holed.array(holes="nan"), equal_nan=True)


@containers
def test_a_file_that_is_there_stays(export, method, whole, tmp_path):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(FileExistsError):
        getattr(whole, method)(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "precious"


@containers
def test_what_cannot_be_written_leaves_nothing(export, method, whole, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ndma._timeline.Timeline.samples", fail)
    with pytest.raises(OSError, match="No space"):
        getattr(whole, method)(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@containers
def test_nothing_is_a_file_too(export, method, whole, tmp_path):
    samples, valid, *_ = export(whole, tmp_path / "out", start=5, stop=5)
    assert samples.shape == (0, 2, 100) and valid.shape == (0,)


@needs("sigmf")
def test_sigmf_has_a_file_of_each_channel_and_a_segment_behind_each_gap(holed, tmp_path):
    import sigmf

    holed.to_sigmf(tmp_path / "out")
    collection = sigmf.SigMFCollection(metafiles=None, metadata=json.loads(
        (tmp_path / "out.sigmf-collection").read_text()), base_path=tmp_path)
    collection.verify_stream_hashes()
    masked = holed.array(holes="mask")
    for channel in range(2):
        recording = sigmf.fromfile(str(tmp_path / f"out-{channel}.sigmf-meta"))
        recording.validate()
        wanted = masked[:, channel].compressed()
        assert (np.fromfile(tmp_path / f"out-{channel}.sigmf-data", holed.dtype) == wanted).all()
        # By its segments, each sample is where its source made it.
        captures = recording.get_captures()
        ends = [capture["core:sample_start"] for capture in captures[1:]] + [len(wanted)]
        places = np.concatenate([np.arange(end - capture["core:sample_start"]) + capture["core:global_index"]
                                 for capture, end in zip(captures, ends)])
        assert (places == np.flatnonzero(~masked[:, channel].mask)).all()
    with pytest.raises(FileExistsError, match="sigmf"):
        holed.to_sigmf(tmp_path / "out")
    assert sigmf.fromfile(str(tmp_path / "out-1.sigmf-meta"))


@needs("sigmf")
def test_sigmf_refuses_what_it_has_no_word_for(whole, tmp_path):
    whole._info["dtype"] = np.dtype("i8")
    with pytest.raises(TypeError, match="no samples of int64"):
        whole.to_sigmf(tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


@needs("dask")
def test_dask_reads_what_an_array_has(whole):
    data = whole.dask(chunk_bytes=3 * 400)
    assert data.chunks[0] == (3, 3, 3, 3, 3, 3, 2) and data.dtype == whole.dtype
    assert (data.compute(scheduler="synchronous") == whole.array()).all()
    assert (data[7:9, 1, ::3].compute(scheduler="synchronous") == whole.array()[7:9, 1, ::3]).all()
    assert whole.dask(5, 5).compute(scheduler="synchronous").shape == (0, 2, 100)


@needs("dask")
def test_dask_never_hides_a_hole(holed):
    with pytest.raises(ndma.FrameLossError, match="holes"):
        holed.dask()
    with pytest.raises(ValueError, match="no masks"):
        holed.dask(holes="mask")
    data = holed.dask(holes="nan", chunk_bytes=3 * 800).compute(scheduler="synchronous")
    assert np.array_equal(data, holed.array(holes="nan"), equal_nan=True)


@needs("distributed")
def test_workers_read_their_chunks_themselves(fast, tmp_path):
    """Of a recording, in processes of their own; a frame of a stream goes there as a copy."""
    from dask.distributed import Client, LocalCluster

    with ndma.record(fast, tmp_path / "run", 1000, channels=2, count=64, frames=64):
        pass
    rec = ndma.load(tmp_path / "run")
    data = rec.dask(chunk_bytes=8 * 2 * 1000 * rec.dtype.itemsize)
    assert data.shape == rec.shape and data.dtype == rec.dtype and data.numblocks == (8, 1, 1)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
            Client(cluster) as client:
        spectrum = data.map_blocks(np.fft.rfft, axis=-1, dtype="c16", chunks=(*data.chunks[:2], (501,)))
        mean = abs(spectrum).mean(axis=0).compute()
        assert np.allclose(mean, abs(np.fft.rfft(rec.array(), axis=-1)).mean(axis=0))
        with fast.stream(100, channels=2, count=4) as stream:
            futures = [client.submit(np.sum, client.scatter(frame.copy())) for frame in stream]
            assert stream.held == [] and len(client.gather(futures)) == 4
