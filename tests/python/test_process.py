# SPDX-License-Identifier: MIT
"""Other processes: buffers travel by descriptor, frames stay, forked children do no harm."""

import errno
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import ndma

from conftest import run_python


def wait_for(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def in_child(function):
    """Run it in a forked child; what fails there fails here."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    wait_for(pid)


def test_plain_pickle_is_a_type_error_with_advice():
    buf = ndma.zeros(3)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="multiprocessing"):
            pickle.dumps(buf, protocol)


PROGRAM = """
    import multiprocessing as mp, sys
    import numpy as np
    import ndma

    def work(buf, queue, out):
        try:
            assert buf.shape == (4, 8) and buf.dtype == np.dtype(">i2"), buf
            buf[1] = 7
            other = queue.get()
            assert other.tolist() == [1, 2, 3] if isinstance(other, np.ndarray) else other[1] == 5
            other[0] = 11
            view = buf.array()
            out.put("holding")
            queue.get()
            del view
            out.put("done")
        except BaseException as error:
            out.put(repr(error))

    if __name__ == "__main__":
        mp.set_start_method(sys.argv[1])
        buf = ndma.empty((4, 8), ">i2")
        second = ndma.array([4, 5, 6])
        queue, out = mp.Queue(), mp.Queue()
        child = mp.Process(target=work, args=(buf, queue, out))
        child.start()
        queue.put(second)
        answer = out.get(timeout=60)
        assert answer == "holding", answer
        assert buf[1].tolist() == [7] * 8
        assert second[0] == 11
        try:
            buf.transfer("from_device").begin()
        except ndma.LockedError:
            print("locked out")
        queue.put(None)
        assert out.get(timeout=60) == "done"
        child.join()
        with buf.transfer("from_device"):
            print("transferred")
"""


ENDED = """
    import multiprocessing as mp, os, sys, ndma

    def put(queue, pipe):
        buf = ndma.array([7, 7])
        queue.put(buf)
        pipe.send(buf)

    if __name__ == "__main__":
        context = mp.get_context(sys.argv[1])
        queue, (here, there) = context.Queue(), context.Pipe()
        worker = context.Process(target=put, args=(queue, there))
        worker.start()
        worker.join()
        for take in queue.get, here.recv:
            try:
                take()
            except OSError as error:
                print(type(error).__name__, error)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_buffer_whose_sender_has_ended_is_refused_in_a_sentence(method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(ENDED))
    done = subprocess.run([sys.executable, program, method], capture_output=True, text=True,
                          timeout=180)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout
    for line in lines:
        assert line.startswith("ConnectionAbortedError") and "let it run until then" in line


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_passes_buffers_by_descriptor(method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run([sys.executable, program, method], capture_output=True, text=True,
                          timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["locked out", "transferred", ""]


def test_scm_rights_carries_the_layout():
    buf = ndma.array(np.arange(6, dtype="u2").reshape(2, 3))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
                other = ndma.from_fd(fds[0])
                assert other.shape == (2, 3) and other.dtype == np.dtype("u2")
                other[1, 2] = 99
                status = 0
            finally:
                os._exit(status)
        socket.send_fds(ours, [b"x"], [buf.fileno()])
        wait_for(pid)
    assert buf[1, 2] == 99


def test_others_run_while_from_fd_waits_for_the_peer_that_has_the_header(backend):
    """A memfd's header has a lock, and a peer may be stopped with it."""
    if backend != "memfd":
        return
    run_python("""
        import errno, fcntl, os, struct, sys, threading, ndma
        buf = ndma.array([1, 2, 3])
        fd = os.dup(buf.fileno())
        buf.close()
        peer = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        fcntl.fcntl(peer, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        begun = threading.Event()
        got = []

        def look():
            begun.set()
            for _ in range(20):
                try:
                    got.append(ndma.from_fd(fd))
                    return
                except OSError as error:
                    assert error.errno == errno.EBUSY

        sys.setswitchinterval(60)       # who has the GIL gives it up by itself alone
        thread = threading.Thread(target=look)
        thread.start()
        begun.wait()
        os.close(peer)
        thread.join()
        assert got[0].array().tolist() == [1, 2, 3]
    """)


def test_another_process_that_holds_a_lease_keeps_the_device_out_until_it_is_killed():
    buf = ndma.array([1, 2, 3])
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            view = buf.array()
            os.write(write, b"x")
            time.sleep(60)
            print(view)
        finally:
            os._exit(1)
    assert os.read(read, 1) == b"x"
    with pytest.raises(ndma.LockedError):
        buf.transfer("from_device").begin()
    assert "lease" in [holder.kind for holder in buf.holders()]
    assert pid in [holder.pid for holder in buf.holders()] + [pid] * (buf.holders()[0].pid == 0)
    with pytest.raises(ndma.LockedError):
        buf.resize(5)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    with buf.transfer("from_device"):
        pass
    os.close(read)
    os.close(write)


def test_revoke_takes_back_what_others_hold():
    buf = ndma.array([1, 2, 3])
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            view = buf.array()
            os.write(write, b"x")
            time.sleep(60)
            print(view)
        finally:
            os._exit(1)
    assert os.read(read, 1) == b"x"
    try:
        assert buf.revoke() >= 1
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP and buf.backend == "memfd"
    else:
        with buf.transfer("from_device"):
            pass
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    os.close(read)
    os.close(write)


def test_no_new_view_joins_a_lease_that_was_revoked():
    buf = ndma.array([1, 2, 3])
    (taken, take), (revoked, revoke) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        try:
            view = buf.array()
            os.write(take, b"x")
            os.read(revoked, 1)
            with pytest.raises(OSError) as caught:
                buf.array()
            assert caught.value.errno == errno.ESTALE
            del view, caught
            assert buf.array().tolist() == [1, 2, 3]
            os._exit(0)
        finally:
            os._exit(1)
    assert os.read(taken, 1) == b"x"
    try:
        assert buf.revoke() >= 1
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP and buf.backend == "memfd"
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    else:
        os.write(revoke, b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for fd in taken, take, revoked, revoke:
        os.close(fd)


def test_only_the_maker_transfers():
    buf = ndma.zeros(3)

    def child():
        with pytest.raises(PermissionError):
            buf.transfer("from_device").begin()
        assert not buf.locked

    in_child(child)
    with buf.transfer("from_device"):
        pass


def test_a_forked_child_uses_a_buffer_by_its_own_handle():
    buf = ndma.array([1, 2, 3])
    kept = buf.array()

    def child():
        assert kept.tolist() == [1, 2, 3]           # inherited, unleased
        assert buf.leases() == []
        buf[0] = 9
        a = buf.array()
        assert a[0] == 9 and len(buf.leases()) == 1

    in_child(child)
    assert kept[0] == 9
    assert len(buf.leases()) == 1
    with pytest.raises(BufferError):
        buf.transfer("from_device").begin()


def test_a_childs_copies_of_leases_count_nowhere():
    buf = ndma.array([1, 2, 3])
    views = [buf.array() for _ in range(3)]

    def child():
        views.clear()
        buf.array()

    in_child(child)
    assert len(buf.leases()) == 3
    with pytest.raises(BufferError):
        buf.transfer("from_device").begin()
    del views
    with buf.transfer("from_device"):
        pass


def test_a_child_cannot_end_its_parents_transfer():
    buf = ndma.zeros(3)
    with buf.transfer("from_device", timeout=30) as transfer:
        def child():
            try:
                transfer.end()
            except OSError:
                pass
            with pytest.raises(BufferError):
                buf.array()

        in_child(child)
        assert buf.locked


def test_fork_in_mid_stream_harms_nobody(fast):
    with fast.stream(64, frames=4, count=100) as stream:
        frame = next(stream)
        array = frame.array()
        kept = array.copy()

        def child():
            nonlocal frame, array
            for use in (lambda: next(stream), stream.start, stream.stop, stream.fileno):
                with pytest.raises(RuntimeError, match="forked"):
                    use()
            assert (array == kept).all()
            del frame, array
            with ndma.open("sim0") as own, own.stream(64, count=2) as other:
                assert len(list(other)) == 2

        in_child(child)
        assert stream.held == [0]
        assert (frame.array() == kept).all()
        del frame, array
        assert len([None for frame in stream]) == 99
        assert stream.stats.bad_releases == 0


def test_a_child_that_drops_everything_leaves_the_parent_alone(fast):
    stream = fast.stream(64, frames=4, count=50)
    frames = [next(stream), next(stream)]
    box = [stream, frames, ndma.zeros(3)]

    def child():
        nonlocal stream, frames
        del stream, frames
        box.clear()

    in_child(child)
    assert stream.held == [0, 1]
    frames.clear()
    assert len([None for frame in stream]) == 48


def test_a_source_of_the_parent_is_not_the_childs(fast):
    def child():
        with pytest.raises(RuntimeError, match="forked"):
            fast.read(10)

    in_child(child)
    assert fast.read(10).shape[1] == 10


def test_a_process_that_ends_with_live_views_ends_quietly():
    out = run_python("""
        import ndma, numpy as np, threading
        buf = ndma.zeros(1000)
        a = buf.array(); m = memoryview(buf); d = np.from_dlpack(buf)
        source = ndma.open("sim0")
        stream = source.stream(64)
        frame = next(stream); view = frame.array()
        transfer = ndma.zeros(3).transfer("both", timeout=60); transfer.begin()
        import builtins
        builtins.kept = [buf, a, m, d, stream, frame, view]
        ndma.kept = builtins.kept
        print("end")
    """)
    assert out == "end\n"


def test_a_reader_that_is_killed_leaves_the_source_usable():
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent("""
            import ndma
            with ndma.open("sim0").stream(64, on_loss="ignore") as stream:
                for frame in stream:
                    if frame.sequence == 3:
                        print("x", flush=True)
        """)], stdout=subprocess.PIPE)
        assert child.stdout.read(1) == b"x"
        child.kill()
        child.wait()
        child.stdout.close()
    assert ndma.open("sim0").read(100).shape[1] == 100
