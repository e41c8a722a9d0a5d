# SPDX-License-Identifier: MIT
"""PyTorch: a tensor over a buffer or a frame is a view like any other."""

import numpy as np
import pytest

import ndma

torch = pytest.importorskip("torch", reason="this guest has no torch")
RELEASE = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
needs_versioned = pytest.mark.skipif(RELEASE < (2, 8), reason="this guest has no torch that reads "
                                     "versioned DLPack capsules")


@pytest.fixture
def buf():
    return ndma.array(np.arange(16, dtype="f4").reshape(4, 4))


TENSORS = {
    "frombuffer": lambda buf: torch.frombuffer(buf, dtype=torch.float32),
    "frombuffer of a memoryview": lambda buf: torch.frombuffer(memoryview(buf), dtype=torch.float32),
    "from_dlpack": torch.from_dlpack,
    "from_dlpack of a capsule": lambda buf: torch.utils.dlpack.from_dlpack(buf.__dlpack__()),
    "from_numpy": lambda buf: torch.from_numpy(buf.array()),
    "as_tensor": lambda buf: torch.as_tensor(buf.array()),
    "slice": lambda buf: torch.from_dlpack(buf)[0:],
    "transpose": lambda buf: torch.from_dlpack(buf).t().t(),
    "view": lambda buf: torch.from_dlpack(buf).view(torch.int32).view(torch.float32),
    "storage": lambda buf: torch.from_dlpack(buf).untyped_storage(),
    "numpy over it": lambda buf: torch.from_dlpack(buf).numpy(),
    "dlpack again": lambda buf: np.from_dlpack(torch.from_dlpack(buf)),
}


@pytest.mark.parametrize("how", TENSORS)
def test_a_tensor_keeps_the_device_out_as_long_as_it_lives(buf, how):
    tensor = TENSORS[how](buf)
    buf[1, 1] = 50
    if isinstance(tensor, torch.UntypedStorage):
        assert tensor.data_ptr() == buf.array().ctypes.data
    else:
        assert tensor.flatten()[5] == 50
    assert len(buf.leases()) == 1
    for refused in (lambda: buf.transfer("from_device").begin(), lambda: buf.resize(3), buf.close):
        with pytest.raises(BufferError):
            refused()
    del tensor
    assert buf.leases() == []
    with buf.transfer("from_device"):
        pass


@pytest.mark.parametrize("make", [
    lambda buf: torch.frombuffer(buf, dtype=torch.float32), torch.from_dlpack,
    lambda buf: torch.from_numpy(np.asarray(buf)), torch.asarray,
    lambda buf: torch.tensor(np.asarray(buf)),
])
def test_no_tensor_is_made_while_the_device_writes(buf, make):
    # frombuffer makes a ValueError or RuntimeError of whatever refuses it.
    with buf.transfer("from_device"):
        with pytest.raises((BufferError, ValueError, RuntimeError, TypeError)):
            make(buf)
        assert buf.leases() == []
    assert make(buf).flatten()[5] == 5


def test_a_copy_keeps_nothing(buf):
    tensor = torch.from_dlpack(buf).clone()
    with buf.transfer("from_device"):
        pass
    assert tensor[1, 1] == 5


def test_what_is_written_to_a_tensor_is_in_the_buffer(buf):
    torch.from_dlpack(buf).mul_(2)
    assert buf[3, 3] == 30 and buf.leases() == []


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
def test_numbers_arrive(dtype):
    buf = ndma.array([3, 0, 1], dtype)
    assert torch.from_dlpack(buf).tolist() == buf.array().tolist()


def test_a_tensor_of_read_only_memory_is_its_own(source):
    ro = ndma.array([5, 6], "i2").as_readonly()
    with source.stream(64, channels=1, count=1) as stream:
        frame = next(stream)
        for memory in frame, ro:
            before = memory.__array__(copy=True)
            tensor = torch.from_dlpack(memory)
            assert tensor.tolist() == before.tolist()
            tensor -= 1
            assert (memory.__array__() == before).all()
        del frame, memory
        assert stream.held == []


@needs_versioned
def test_a_tensor_keeps_a_writable_frame(source):
    with source.stream(64, channels=1, count=1, writable=True) as stream:
        frame = next(stream)
        tensor = torch.from_dlpack(frame)
        assert tensor.tolist() == frame.array().tolist()
        del frame
        assert stream.held == [0]
        del tensor
        assert stream.held == []
