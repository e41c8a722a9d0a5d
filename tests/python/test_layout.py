# SPDX-License-Identifier: MIT
"""dtypes: what PEP 3118 can say goes to the kernel and comes back as the same np.dtype."""

import numpy as np
import pytest

import ndma

pytestmark = pytest.mark.pure

PLAIN = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16",
         "G", ">i2", ">u4", ">i8", ">f4", ">f8", ">c8", "S1", "S7", "U1", "U5", ">U3", "V1", "V12",
         "q", "Q", "l", "L"]

STRUCTURED = [
    np.dtype([("a", "i1"), ("b", "f8")]),
    np.dtype([("a", "i1"), ("b", "f8")], align=True),
    np.dtype([("a", ">u2"), ("b", "<c8"), ("c", "?")]),
    np.dtype({"names": ["x"], "formats": ["f4"], "offsets": [4], "itemsize": 16}),
    np.dtype({"names": ["x", "y"], "formats": ["i2", "i2"], "offsets": [1, 9], "itemsize": 20}),
    np.dtype([("point", [("x", "f4"), ("y", "f4")]), ("id", "u8")]),
    np.dtype([("m", "f4", (2, 3)), ("v", ">i2", 4)]),
    np.dtype([("s", "S3"), ("u", "U2"), ("r", "V5")]),
    np.dtype([("inner", np.dtype([("a", "i1"), ("b", "i4")], align=True), (2,)), ("c", "u1")],
             align=True),
    np.dtype([("größe", "f8"), ("空", "i4")]),
    np.dtype([("flag", "?"), ("c", "S1")]),
    np.dtype([("a", [("b", [("c", [("d", "i2")])])])]),
]


@pytest.mark.parametrize("dtype", PLAIN + STRUCTURED, ids=str)
def test_a_dtype_survives_the_way_through_the_fd(dtype):
    buf = ndma.empty((2, 3), dtype)
    other = ndma.from_fd(buf.fileno())
    assert other.dtype == np.dtype(dtype)
    assert other.itemsize == np.dtype(dtype).itemsize
    assert other.format == buf.format


# NumPy reads "12x", its own format for V12, as a struct without fields.
@pytest.mark.parametrize("dtype", [dtype for dtype in PLAIN + STRUCTURED
                                   if np.dtype(dtype).kind != "V" or np.dtype(dtype).names],
                         ids=str)
def test_numpy_reads_the_format_as_the_same_dtype(dtype):
    buf = ndma.empty((2, 3), dtype)
    view = memoryview(buf)
    assert view.itemsize == np.dtype(dtype).itemsize
    assert np.asarray(view).dtype == np.dtype(dtype)
    assert np.asarray(buf).dtype == np.dtype(dtype)


@pytest.mark.parametrize("code", "?bBhHiIlLqQefd")
def test_memoryview_indexes_native_numbers(code):
    buf = ndma.array([1, 0], np.dtype(code))
    assert memoryview(buf).format == code
    if code != "e":
        assert memoryview(buf).tolist() == [1, 0]


def test_sub_arrays_of_sub_arrays_are_one_with_all_the_dimensions():
    dtype = np.dtype([("m", np.dtype(("?", (3,))), (2,))])
    buf = ndma.empty((4,), dtype)
    other = ndma.from_fd(buf.fileno())
    assert other.dtype == np.dtype([("m", "?", (2, 3))])
    assert other.array()["m"].shape == np.empty((4,), dtype)["m"].shape == (4, 2, 3)


def test_values_arrive_field_by_field():
    dtype = STRUCTURED[6]
    x = np.zeros(2, dtype)
    x["m"][1] = np.arange(6).reshape(2, 3)
    x["v"] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    buf = ndma.array(x)
    other = ndma.from_fd(buf.fileno()).array()
    assert (other == x).all()


def test_a_sub_array_dtype_becomes_dimensions():
    buf = ndma.empty((2,), np.dtype(("i2", (3, 4))))
    assert buf.shape == (2, 3, 4) and buf.dtype == np.dtype("i2")
    assert np.empty((2,), np.dtype(("i2", (3, 4)))).shape == buf.shape


def test_a_format_that_is_too_long_names_the_limit():
    with pytest.raises(ValueError, match="255"):
        ndma.empty(1, [(f"channel_{i}", "i4") for i in range(30)])
    with pytest.raises(ValueError, match="255"):
        ndma.empty(1, [("name" * 60, "i1"), ("shape", "i1", (10, 10, 10, 10, 10, 10, 10))])


def test_32_dimensions_are_the_most():
    assert ndma.empty((1,) * 32, "u1").ndim == 32
    with pytest.raises(ValueError, match="32"):
        ndma.empty((1,) * 33, "u1")
