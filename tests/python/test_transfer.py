# SPDX-License-Identifier: MIT
"""Transfers: the time in which the device owns a buffer."""

import contextlib
import errno
import gc
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import ndma

from conftest import run_python


@pytest.fixture
def buf():
    return ndma.array([1, 2, 3, 4], "i4")


def test_a_transfer_locks_from_enter_to_exit(buf):
    transfer = buf.transfer("from_device", timeout=5)
    assert not transfer.active and not buf.locked
    with transfer as inside:
        assert inside is transfer and transfer.active and buf.locked
        assert transfer.buffer is buf
        assert (transfer.direction, transfer.guard, transfer.timeout) == ("from_device", "none", 5)
        assert "guard none, in progress" in repr(transfer)
        assert "locked" in repr(buf)
    assert not transfer.active and not buf.locked
    assert buf.array().tolist() == [1, 2, 3, 4]


def test_begin_and_end_by_hand(buf):
    transfer = buf.transfer("both")
    with pytest.raises(ValueError):
        transfer.end()
    transfer.begin()
    with pytest.raises(ndma.LockedError):
        transfer.begin()
    transfer.end()
    with pytest.raises(ValueError):
        transfer.end()
    transfer.begin()
    transfer.end()


@pytest.mark.parametrize("arguments, error", [
    (("sideways",), ValueError), ((1,), TypeError), (("both", -1), ValueError),
    (("both", 0), ValueError), (("both", None), ValueError), (("both", float("nan")), ValueError),
    (("both", "soon"), TypeError), (("both", 1, "maybe"), ValueError), (("both", 1, 0), TypeError),
    ((), TypeError), (("both", float("inf")), ValueError),
])
def test_bad_arguments_are_refused(buf, arguments, error):
    with pytest.raises(error):
        buf.transfer(*arguments)
    assert not buf.locked


def test_a_deadline_of_a_year_is_refused(buf):
    with pytest.raises(ValueError):
        buf.transfer("both", timeout=365 * 86400).begin()
    assert not buf.locked


def test_transfers_do_not_nest(buf):
    with buf.transfer("from_device"):
        with pytest.raises(ndma.LockedError):
            buf.transfer("to_device").begin()
        assert buf.locked


def test_an_exception_ends_the_transfer_and_goes_on(buf):
    with pytest.raises(KeyError):
        with buf.transfer("from_device"):
            raise KeyError("stop")
    assert not buf.locked
    buf[0] = 5


def test_the_deadline_ends_it_and_end_says_so(buf):
    with pytest.raises(TimeoutError):
        with buf.transfer("from_device", timeout=0.05):
            while buf.locked:
                time.sleep(0.005)
            assert buf.array() is not None
    assert buf.aborted == 1
    with buf.transfer("from_device"):
        pass


# A transfer that its deadline ended, not known to be over to the object that began it.
EXPIRED = """
        import gc, time, ndma
        buf = ndma.zeros(4)
        old = buf.transfer("from_device", timeout=0.01)
        old.begin()
        while buf.locked:
            time.sleep(0.002)
"""


@pytest.mark.parametrize("leave", ["end", "drop"])
def test_leaving_an_expired_transfer_leaves_the_next_one_alone(leave):
    run_python(EXPIRED + f"""
        new = buf.transfer("from_device", timeout=60)
        new.begin()
        if {leave == "end"}:
            try:
                old.end()
            except (ValueError, TimeoutError):
                pass
        del old
        gc.collect()
        try:
            buf.close()
        except ndma.LockedError as error:
            assert "end it first" in str(error)
        else:
            raise SystemExit("closed in the middle of a transfer")
        assert buf.locked and new.active
        new.end()
        buf.close()
    """)


def test_an_expired_transfer_keeps_its_memory_until_it_is_ended():
    """Ids begin anew with new memory: there it would end another one."""
    run_python(EXPIRED + """
        with buf.transfer("from_device", timeout=60):
            pass
        try:
            buf.resize(8)
        except ndma.LockedError as error:
            assert "end it first" in str(error)
        else:
            raise SystemExit("resized under an id")
        try:
            old.end()
        except (ValueError, TimeoutError):
            pass
        buf.resize(8)
        with buf.transfer("from_device", timeout=60):
            assert buf.locked
        buf.close()
    """)


def test_a_transfer_does_not_begin_in_the_middle_of_its_own_beginning(buf):
    transfer = buf.transfer("from_device", timeout=0.01)
    refused = []

    class Node:
        def __del__(self):
            del self.view
            try:
                transfer.begin()
            except ndma.LockedError as error:
                refused.append(str(error))
            while buf.locked:
                time.sleep(0.002)

    node = Node()
    node.self, node.view = node, buf.array()
    del node
    with pytest.raises(TimeoutError), transfer:
        while buf.locked:
            time.sleep(0.002)
    assert len(refused) == 1 and "already" in refused[0]
    buf.close()


def test_an_exception_is_not_hidden_by_a_deadline(buf):
    with pytest.raises(KeyError):
        with buf.transfer("from_device", timeout=0.02):
            time.sleep(0.1)
            raise KeyError("the news")


def test_a_read_only_handle_does_not_transfer(buf):
    with pytest.raises(OSError) as caught:
        buf.as_readonly().transfer("from_device").begin()
    assert caught.value.errno in (errno.EPERM, errno.EACCES)


def test_a_lease_of_another_handle_counts(buf):
    other = ndma.from_fd(buf.fileno())
    view = other.array()
    with pytest.raises(ndma.LockedError):
        buf.transfer("from_device").begin()
    del view
    with buf.transfer("from_device"):
        with pytest.raises(ndma.LockedError):
            other.array()
        assert other.locked


@pytest.mark.parametrize("other", [
    lambda buf: ndma.from_fd(buf.fileno()), lambda buf: buf.as_readonly(), lambda buf: buf,
])
def test_a_live_view_of_another_handle_lets_no_second_one_in(buf, other):
    other = other(buf)
    kept = other.array(writable=False)
    with buf.transfer("from_device", guard="sigbus", timeout=60):
        with pytest.raises(ndma.LockedError, match="with its device"):
            other.array(writable=False)
    assert other.array(writable=False).tolist() == kept.tolist() == [1, 2, 3, 4]


def test_the_memory_of_an_array_is_one_buffer_by_whichever_handle():
    with ndma.allocator() as allocator:
        x = np.arange(4000)
    buf, other = allocator.buffer(x), allocator.buffer(x)
    kept = other.array()
    with buf.transfer("from_device", guard="sigbus", timeout=60):
        with pytest.raises(ndma.LockedError, match="with its device"):
            other.array()
    assert kept.tolist() == list(range(4000))


def test_a_forgotten_transfer_ends_with_a_warning(buf):
    transfer = buf.transfer("from_device", timeout=60)
    transfer.begin()
    with pytest.warns(ResourceWarning, match="transfer"):
        del transfer
        gc.collect()
    assert not buf.locked
    buf.array()


def test_leaving_the_buffer_in_a_transfer_frees_it_afterwards(no_leaks):
    buf = ndma.empty(4)
    with buf:
        transfer = buf.transfer("from_device")
        transfer.begin()
    assert buf.closed
    transfer.end()


# Where the backend has no way to block, block= is refused and said so: there is nothing to test.

def blocks(buf):
    try:
        with buf.transfer("from_device", guard="block"):
            return True
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        return False


@pytest.fixture
def blocking():
    buf = ndma.empty(1 << 16, "i4")
    buf.fill(7)
    if not blocks(buf):
        pytest.skip("this guest has no userfaultfd")
    return buf


def test_a_blocking_transfer_begins_under_live_views(blocking):
    a = blocking.array()
    with blocking.transfer("from_device", guard="block", timeout=1) as transfer:
        assert transfer.guard == "block"
    assert a[0] == 7


@contextlib.contextmanager
def device_at_work(transfer, turns):
    """A thread that begins the transfer, takes so many turns of 5 ms, and ends it. Gives those it had."""
    begun, had = threading.Event(), []

    def device():
        transfer.begin()
        begun.set()
        for i in range(turns):
            had.append(i)
            time.sleep(0.005)
        transfer.end()

    thread = threading.Thread(target=device)
    thread.start()
    begun.wait()
    try:
        yield had
    finally:
        thread.join()


@pytest.mark.parametrize("use", [
    lambda buf: buf.array(), np.asarray, memoryview, lambda buf: buf[0],
    lambda buf: buf.fill(3),
])
def test_a_new_view_waits_for_a_blocking_transfer_with_the_gil_free(blocking, use):
    transfer = blocking.transfer("from_device", guard="block", timeout=10)
    with device_at_work(transfer, 20) as had:
        use(blocking)
        assert len(had) == 20, "the view came before the end, or the GIL was held"


def test_a_live_view_does_not_let_a_new_one_in_early(blocking):
    kept = blocking.array()
    transfer = blocking.transfer("from_device", guard="block", timeout=10)
    with device_at_work(transfer, 20):
        blocking.array()
        assert not transfer.active
    assert kept[0] == 7


def test_a_live_view_lets_nobody_in_while_another_handle_transfers(blocking):
    other = ndma.from_fd(blocking.fileno())
    kept = other.array()
    transfer = blocking.transfer("from_device", guard="block", timeout=10)
    with device_at_work(transfer, 10) as had:
        other.array()
        assert len(had) == 10, "the view came before the end, or the GIL was held"
    assert kept[0] == 7


def test_who_began_a_blocking_transfer_is_refused_instead_of_waiting_for_himself(blocking):
    with blocking.transfer("from_device", guard="block", timeout=10):
        before = time.monotonic()
        with pytest.raises(ndma.LockedError):
            blocking.array()
        assert time.monotonic() - before < 5


def test_who_began_a_blocking_transfer_is_refused_through_any_handle(blocking):
    others = ndma.from_fd(blocking.fileno()), blocking.as_readonly(), ndma.from_fd(blocking.fileno())
    kept = others[2].array()
    with blocking.transfer("from_device", guard="block", timeout=10):
        for other in others:
            # Whoever waits here waits for the deadline, and is let in.
            with pytest.raises(ndma.LockedError):
                other.array()
    assert kept[0] == 7


def test_a_thread_whose_transfer_is_of_other_memory_waits(blocking):
    mine = ndma.empty(4, "i4")
    transfer = blocking.transfer("from_device", guard="block", timeout=10)
    with mine.transfer("from_device", guard="block", timeout=60), device_at_work(transfer, 10) as had:
        blocking.array()
        assert len(had) == 10, "the view came before the end, or the GIL was held"


def test_ctrl_c_interrupts_the_wait_for_a_view(blocking):
    transfer = blocking.transfer("from_device", guard="block", timeout=30)
    begun = threading.Event()
    main = threading.main_thread().ident

    def device():
        transfer.begin()
        begun.set()
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=device)
    thread.start()
    begun.wait()
    with pytest.raises(KeyboardInterrupt):
        blocking.array()
    thread.join()
    transfer.end()
    assert blocking.leases() == []


def test_a_touch_of_an_older_array_freezes_the_interpreter_until_the_deadline(blocking):
    a = blocking.array()
    turns = 0
    stop = False

    def other():
        nonlocal turns
        while not stop:
            turns += 1
            time.sleep(0.001)

    thread = threading.Thread(target=other)
    thread.start()
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        with blocking.transfer("from_device", guard="block", timeout=0.5):
            turns_before = turns
            assert a[100] == 7
            slept, turned = time.monotonic() - before, turns - turns_before
    stop = True
    thread.join()
    assert slept >= 0.45
    assert turned < 50, "another thread ran while the touch slept"
    assert blocking.touches >= 1


def test_a_touch_that_no_count_sees_sleeps_too(blocking):
    a = np.ndarray((4,), "i4", blocking)
    assert blocking.leases() == []
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        with blocking.transfer("from_device", guard="block", timeout=0.3):
            assert a[1] == 7
            assert time.monotonic() - before >= 0.25


def test_an_unguarded_transfer_is_not_waited_for(buf):
    done = threading.Event()
    transfer = buf.transfer("from_device", timeout=10)
    transfer.begin()

    def look():
        with pytest.raises(ndma.LockedError):
            buf.array()
        done.set()

    thread = threading.Thread(target=look)
    thread.start()
    assert done.wait(5)
    thread.join()
    transfer.end()


def test_nothing_is_warned_about_in_ordinary_use(buf):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with buf.transfer("from_device"):
            pass
        buf.close()
