# SPDX-License-Identifier: MIT
"""Frame and Buffer where others expect an array: checked against the libraries themselves."""

import gc
import importlib.util
import weakref

import numpy as np
import pytest

import ndma

pytestmark = pytest.mark.pure


def needs(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"this guest has no {name}")


def frame_of(order):
    with ndma.open("sim0").stream(100, count=1, order=order) as stream:
        return next(stream)


KINDS = {
    "planar frame": lambda: frame_of("planar"),
    "interleaved frame": lambda: frame_of("interleaved"),
    "buffer": lambda: ndma.array(np.arange(12.0).reshape(3, 4)),
    "big-endian buffer": lambda: ndma.array(np.arange(12, dtype=">i4").reshape(3, 4)),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def like(kind):
    return KINDS[kind]()


@pytest.fixture
def samples(like):
    return np.array(like)


def test_it_has_what_an_array_has(like, samples):
    assert (like.ndim, like.size, len(like), like.shape) == (2, samples.size, len(samples), samples.shape)
    assert (like.dtype, like.itemsize, like.nbytes) == (samples.dtype, samples.itemsize, samples.nbytes)
    for key in 0, -1, (1, 2), slice(1, 3), (..., 1), (slice(None), slice(None, None, -2)), [2, 0]:
        assert np.array_equal(like[key], samples[key])
    assert [row.tolist() for row in like] == samples.tolist()
    assert np.array_equal(like.ravel(), samples.ravel())
    assert np.array_equal(like.ravel(order="F"), samples.ravel("F"))
    assert np.array_equal(like.astype("f4"), samples.astype("f4"))
    with pytest.raises(TypeError):
        like.astype("u1", casting="safe")


def test_what_lies_in_one_row_is_not_copied_by_ravel():
    for like in frame_of("planar"), ndma.zeros((3, 4)):
        assert np.shares_memory(like.ravel(), np.asarray(like))
    assert not np.shares_memory((frame := frame_of("interleaved")).ravel(), np.asarray(frame))


def test_a_weak_reference_ends_with_it(kind):
    like = KINDS[kind]()
    died = []
    reference = weakref.ref(like, died.append)
    assert reference() is like
    del like
    gc.collect()
    assert reference() is None and died == [reference]


def test_a_file_takes_what_lies_in_one_row(tmp_path, like, samples, kind):
    path = tmp_path / "samples"
    with path.open("wb") as file:
        if kind == "interleaved frame":
            with pytest.raises(BufferError):
                file.write(like)
            file.write(like.array().T)
            samples = samples.T
        else:
            file.write(like)
    assert path.read_bytes() == samples.tobytes()


@needs("dask")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dask_makes_an_array_of_it(like, samples):
    import dask.array

    lazy = dask.array.from_array(like, chunks=2)
    assert lazy.dtype == samples.dtype and lazy.shape == samples.shape
    assert np.array_equal(lazy.compute(scheduler="synchronous"), samples)
    assert (lazy.sum(axis=0).compute(scheduler="threads") == samples.sum(axis=0)).all()


@needs("xarray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_xarray_makes_an_array_of_it(like, samples):
    import xarray

    array = xarray.DataArray(like, dims=("channel", "sample"))
    assert array.dtype == samples.dtype and np.array_equal(array.values, samples)
    assert np.array_equal(array.mean("sample").values, samples.mean(axis=1))


@needs("h5py")
def test_h5py_writes_it(tmp_path, like, samples):
    import h5py

    with h5py.File(tmp_path / "samples.h5", "w") as file:
        file.create_dataset("whole", samples.shape, samples.dtype)[...] = like
        file.create_dataset("other kind", samples.shape, "f8")[...] = like
        file["new"] = like
        for name in file:
            assert np.array_equal(file[name][...], samples), name


@needs("zarr")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("chunks", [None, (2, 3)], ids=["one chunk", "chunks"])
def test_zarr_writes_it(like, samples, chunks):
    import zarr

    for dtype in samples.dtype, "f8":
        stored = zarr.open_array({}, mode="w", shape=samples.shape, dtype=dtype,
                                 chunks=chunks or samples.shape)
        stored[...] = like
        assert np.array_equal(stored[...], samples)
        stored[1:] = like[1:]
        assert np.array_equal(stored[...], samples)
