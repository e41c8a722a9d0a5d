# SPDX-License-Identifier: MIT
"""asyncio: frames are taken when they are ready, and no cancelled wait loses one."""

import asyncio
import os
import sys
import time

import pytest

import ndma

from conftest import ready, run_python


def test_async_for(fast):
    async def run():
        with fast.stream(64, count=200) as stream:
            return [frame.sequence async for frame in stream]

    assert asyncio.run(run()) == list(range(200))


def test_read_gives_so_many_frames(fast):
    async def run():
        with fast.stream(64, frames=16, count=20) as stream:
            first = await stream.read(8)
            assert [frame.sequence for frame in first] == list(range(8))
            del first
            assert [frame.sequence for frame in await stream.read(10)] == list(range(8, 18))
            assert [frame.sequence for frame in await stream.read(10)] == [18, 19]
            assert await stream.read(10) == []
            for bad in 0, -1, 17:
                with pytest.raises(ValueError):
                    await stream.read(bad)

    asyncio.run(run())


def test_cancelling_a_read_loses_no_frame(source):
    source.rate = 20_000

    async def run():
        # More frames than are made: a slow machine loses none.
        with source.stream(100, frames=64, count=30, on_loss="raise") as stream:
            got = []
            while len(got) < 30:
                try:
                    frames = await asyncio.wait_for(stream.read(8), 0.017)
                except TimeoutError:
                    frame = await anext(stream, None)
                    frames = [frame] if frame else []
                if not frames:
                    break
                got += [frame.sequence for frame in frames]
                del frames
            return got

    assert asyncio.run(run()) == list(range(30))


def test_cancelling_a_wait_loses_no_frame(source):
    source.rate = 20_000

    async def run():
        with source.stream(100, frames=64, count=20, on_loss="raise") as stream:
            got = []
            while len(got) < 20:
                task = asyncio.ensure_future(anext(stream))
                done, _ = await asyncio.wait([task], timeout=0.002)
                if not done:
                    task.cancel()
                try:
                    frame = await task
                except asyncio.CancelledError:
                    continue
                got.append(frame.sequence)
                del frame
                task = None
            return got

    assert asyncio.run(run()) == list(range(20))


def test_a_frame_that_nobody_polled_cannot_be_taken(fast):
    with fast.stream(64) as stream:
        with pytest.raises(ValueError, match="polled"):
            stream._take()
        assert next(stream).sequence == 0


def test_an_always_ready_stream_lets_others_run(fast):
    async def run():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        with fast.stream(16, frames=200, channels=1, count=1000) as stream:
            ready(stream, 200)
            async for frame in stream:
                pass
        task.cancel()
        return turns

    assert asyncio.run(run()) >= 1000 // 64


def test_a_second_waiter_is_refused(source):
    source.fault_stall = 1

    async def run():
        with source.stream(64) as stream:
            await anext(stream)
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.01)
            with pytest.raises(RuntimeError, match="one at a time"):
                await anext(stream)
            with pytest.raises(RuntimeError, match="one at a time"):
                await stream.read(1)
            with pytest.raises(RuntimeError, match="one at a time"):
                next(stream)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            stream.timeout = 0.01
            with pytest.raises(TimeoutError):
                await anext(stream)

    asyncio.run(run())


def test_an_ended_stream_starts_again_for_the_next_loop_alone(fast):
    async def main():
        with fast.stream(64, count=3) as stream:
            assert [frame.sequence async for frame in stream] == [0, 1, 2]
            assert [frame.sequence async for frame in stream] == [3, 4, 5]
            assert await stream.read(3) == []
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            stream.start()
            assert [frame.sequence for frame in await stream.read(4)] == [6, 7, 8]
            assert [frame.sequence async for frame in stream] == [9, 10, 11]

    asyncio.run(main())


def test_stop_and_close_wake_the_waiter(source):
    source.fault_stall = 1

    async def run(end):
        with source.stream(64) as stream:
            await anext(stream)
            asyncio.get_running_loop().call_later(0.02, getattr(stream, end))
            return [frame async for frame in stream]

    assert asyncio.run(run("stop")) == []
    with pytest.raises(ValueError, match="closed"):
        asyncio.run(run("close"))


def test_closing_a_stream_that_is_awaited_frees_its_descriptors_number_for_others(source):
    source.trigger = "software"

    async def run():
        loop = asyncio.get_running_loop()
        stream = source.stream(64)
        waiting = asyncio.ensure_future(stream.read(1))
        await asyncio.sleep(0)
        number = stream.fileno()
        stream.close()
        another = os.eventfd(1)     # readable
        if another != number:
            os.dup2(another, number)
            os.close(another)
        called = loop.create_future()
        loop.add_reader(number, lambda: called.done() or called.set_result(True))
        assert await asyncio.wait_for(called, 10)
        with pytest.raises(ValueError, match="closed"):
            await waiting
        assert loop.remove_reader(number), "the wait took away what is not its own"
        os.close(number)

    asyncio.run(run())


def test_closing_a_stream_that_is_awaited_gives_the_device_back_at_once(source):
    source.trigger = "software"

    def named(name):
        """How many descriptors have such a file."""
        count = 0
        for number in os.listdir("/proc/self/fd"):
            try:
                count += os.readlink(f"/proc/self/fd/{number}") == name
            except FileNotFoundError:
                pass    # the listing's own
        return count

    async def run():
        stream = source.stream(64)
        name = os.readlink(f"/proc/self/fd/{stream.fileno()}")
        before = named(name)
        waiting = asyncio.ensure_future(stream.read(1))
        await asyncio.sleep(0)
        stream.close()
        assert named(name) == before - 1
        with pytest.raises(ValueError, match="closed"):
            await waiting

    asyncio.run(run())


def test_a_timeout_leaves_the_stream_usable(source):
    source.trigger = "software"

    async def run():
        with source.stream(100, timeout=0.005) as stream:
            before = time.monotonic()
            with pytest.raises(TimeoutError):
                await anext(stream)
            assert time.monotonic() - before < 5
            stream.timeout = 10
            source.trigger_software = True
            assert (await anext(stream)).sequence == 0

    asyncio.run(run())


def test_the_timeout_is_each_frames_own(source, monkeypatch):
    source.trigger = "software"
    # Were it the loop's turn at the second read, time would pass before that has begun to wait.
    monkeypatch.setattr("ndma._aio._turns", 0)

    class Loop(asyncio.SelectorEventLoop):
        """Time passes at once."""
        passed = 0

        def time(self):
            return super().time() + self.passed

    async def run():
        loop = asyncio.get_running_loop()
        with source.stream(64, frames=8, timeout=1000) as stream:
            reading = asyncio.ensure_future(stream.read(4))
            for count in range(1, 4):
                loop.passed += 600
                source.trigger_software = True
                while len(stream.held) < count and not reading.done():
                    await asyncio.sleep(0)
            source.trigger_software = True
            assert [frame.sequence for frame in await reading] == [0, 1, 2, 3]
            reading = asyncio.ensure_future(stream.read(4))
            await asyncio.sleep(0)
            loop.passed += 1001
            with pytest.raises(TimeoutError):
                await reading

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(run())


def test_a_vanished_source_is_source_gone(fast):
    fast.fault_vanish = 3

    async def run():
        count = 0
        with fast.stream(64) as stream:
            with pytest.raises(ndma.SourceGone):
                async for frame in stream:
                    count += 1
        return count

    assert asyncio.run(run()) == 3


def test_holding_every_frame_is_an_error(fast):
    async def run():
        with fast.stream(64, frames=4, on_loss="ignore") as stream:
            kept = [await anext(stream) for _ in range(4)]
            with pytest.raises(ndma.FramesHeldError):
                await anext(stream)
            assert len(kept) == 4

    asyncio.run(run())


def test_loss_is_told_as_in_a_plain_loop(fast):
    fast.fault_drop = 2

    async def run():
        with fast.stream(64, count=20, on_loss="raise") as stream:
            with pytest.raises(ndma.FrameLossError) as caught:
                async for frame in stream:
                    pass
            assert caught.value.frame.dropped

    asyncio.run(run())


def test_a_loss_at_the_end_of_a_run_is_told_as_in_a_plain_loop(fast):
    fast.fault_drop = 10

    async def loop(on_loss):
        seen = []
        with fast.stream(64, frames=16, count=10, on_loss=on_loss) as stream:
            async for frame in stream:
                seen.append(frame.sequence)
            return seen

    async def read():
        with fast.stream(64, frames=16, count=10, on_loss="raise") as stream:
            frames = await stream.read(10)
            assert [frame.sequence for frame in frames] == list(range(9))
            with pytest.raises(ndma.FrameLossError, match="after frame 8, the last that came"):
                await stream.read(1)
            assert await stream.read(1) == []

    with pytest.raises(ndma.FrameLossError, match="after frame 8, the last that came"):
        asyncio.run(loop("raise"))
    with pytest.warns(ndma.LossWarning, match="lost 1 frames after frame 8"):
        assert asyncio.run(loop("warn")) == list(range(9))
    asyncio.run(read())


def test_a_loss_is_raised_after_the_frames_before_it(fast):
    fast.fault_drop = 3

    def plain():
        with fast.stream(64, frames=16, count=12, on_loss="raise") as stream:
            while True:
                try:
                    yield next(stream).sequence
                except ndma.FrameLossError as error:
                    yield "lost", error.frame and error.frame.sequence
                except StopIteration:
                    return

    async def read():
        got = []
        with fast.stream(64, frames=16, count=12, on_loss="raise") as stream:
            while True:
                try:
                    frames = await stream.read(4)
                except ndma.FrameLossError as error:
                    got.append(("lost", error.frame and error.frame.sequence))
                    continue
                if not frames:
                    return got
                got += [frame.sequence for frame in frames]
                del frames

    async def cancelled():
        """What it leaves is another call's."""
        with fast.stream(64, frames=16, count=12, on_loss="raise") as stream:
            ready(stream, 12)
            assert stream._poll(4) == (2, True)
            assert [next(stream).sequence for _ in range(2)] == got[:2]
            with pytest.raises(ndma.FrameLossError) as caught:
                next(stream)
            assert ("lost", caught.value.frame.sequence) == got[2]

    got = list(plain())
    assert len([one for one in got if isinstance(one, tuple)]) >= 3
    assert asyncio.run(read()) == got
    asyncio.run(cancelled())


def test_the_loop_is_left_clean(fast, no_leaks):
    async def run():
        with fast.stream(64, count=5) as stream:
            async for frame in stream:
                pass

    asyncio.run(run())


def test_asyncio_is_imported_on_first_use_alone():
    run_python("""
        import sys, numpy
        before = set(sys.modules)
        import ndma
        new = set(sys.modules) - before
        assert not any(name.split(".")[0] in ("asyncio", "multiprocessing") for name in new), new
    """)
    assert "asyncio" in sys.modules
