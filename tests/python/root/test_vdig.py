# SPDX-License-Identifier: MIT
"""The virtual digitizer, its faults, and its own log of what it sent.

Every fault is seen by the Python package and by the C program as what it is, and what arrived is
compared with the card's log, frame by frame.
"""
import contextlib
import errno
import fcntl
import importlib.machinery
import importlib.util
import itertools
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

import ndma
import numpy as np
import pytest

CARDS = os.environ.get("NDMA_CARD", "")
pytestmark = [pytest.mark.device,
              pytest.mark.skipif("vdig" not in CARDS, reason="this guest has no digitizer")]

CHECKOUT = pathlib.Path(__file__).parents[3]
LOG = pathlib.Path(os.environ.get("NDMA_OUT", ".")) / "vdig.log"
MONITOR = pathlib.Path("/dev/virtio-ports/monitor")
SAMPLES, CHANNELS, COUNT = 2048, 2, 12

PARTIAL, ERROR, OVERFLOW, TIME_START, LOSS_UNKNOWN = 1, 2, 4, 16, 256


def load_ctl():
    loader = importlib.machinery.SourceFileLoader("ctl", str(CHECKOUT / "tests/card/ctl"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ctl", loader))
    loader.exec_module(module)
    return module


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def node():
    """The digitizer's node, or None."""
    return next(pathlib.Path("/dev/ndma").glob("vdig*"), None)


class Card:
    """The card's control socket, and its log."""

    def __init__(self):
        self.ctl = load_ctl()

    def __call__(self, line):
        return self.ctl.command(self.ctl.GUEST_PORT, line)

    def disarm(self):
        for line in self("faults"):
            if "(armed" in line:
                self(f"fault {line.split()[0]} 0")
        self("fault stall 0")
        self("fault irq-storm 0")

    def run(self):
        """The last run in the log: the line of its start, its frames, its other lines."""
        self("flush")
        lines = LOG.read_text().splitlines()
        start = max(i for i, line in enumerate(lines) if line.startswith("start "))
        frames = [dict(pair.split("=") for pair in line.split()[1:])
                  for line in lines[start:] if line.startswith("frame ")]
        return lines[start], [{k: int(v) for k, v in frame.items()} for frame in frames]


@pytest.fixture
def card():
    card = Card()
    if "gone=1" in card("stats")[0]:
        card("fault back")
    bound()
    yield card
    card.disarm()
    assert card("check") == [], "the driver did what the data sheet forbids"


def address():
    """The digitizer's PCI function, or None."""
    for device in pathlib.Path("/sys/bus/pci/devices").iterdir():
        ids = (device / "vendor").read_text().strip(), (device / "device").read_text().strip()
        if ids in (("0x1234", "0xd161"), ("0x1af4", "0x1110")):
            return device
    return None


def bound():
    """See to it that the driver has the card: after a test that made it vanish, bind it again."""
    if node():
        return
    device, driver = address(), pathlib.Path("/sys/bus/pci/drivers/ndma_vdig")
    if (device / "driver").exists():
        (driver / "unbind").write_text(device.name)
    (driver / "bind").write_text(device.name)
    until(node)


def expected(first, channel, samples):
    """The counter pattern as int16."""
    numbers = np.uint64(first) + np.arange(samples, dtype="u8") + np.uint64(channel << 12)
    return numbers.astype("<u2").view("<i2")


def wrong_samples(data, first):
    return sum(int((row != expected(first, c, len(row))).sum()) for c, row in enumerate(data))


def acquire(count, *more, **options):
    """The C program, started."""
    command = ["ndma-acquire", node().name, "-n", str(count), "-s", str(SAMPLES),
               "-c", str(CHANNELS), "--set", "rate=1e6", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **options)


@contextlib.contextmanager
def streaming(count=None, rate=1e6, paced=True, timeout=20, samples=SAMPLES, **more):
    with ndma.open(node().name) as source:
        source.rate, source.pattern, source.paced = rate, "counter", paced
        for name, value in more.items():
            setattr(source, name, value)
        with source.stream(samples, channels=CHANNELS, count=count, timeout=timeout,
                           on_loss="ignore") as stream:
            yield stream


def describe(frame):
    data = frame.array(on_error="keep")
    return {"sequence": frame.sequence, "hw_sequence": frame.hw_sequence,
            "first": frame.hw_timestamp, "dropped": frame.dropped, "flags": frame.flags,
            "valid": frame.valid, "time": frame.timestamp_ns,
            "wrong": wrong_samples(data, frame.hw_timestamp)}


def by_python(count, tmp_path):
    with streaming() as stream:
        return [describe(frame) for frame, _ in zip(stream, range(count))]


def by_c(count, tmp_path):
    process = acquire(count, "--set", "pattern=counter", "-o", tmp_path / "run.npy")
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 2), said
    recording = ndma.load(tmp_path / "run")
    frames = [describe(frame) for frame in recording.frames()]
    assert process.returncode == (2 if any(recording.loss) else 0)
    assert recording.loss.dropped == sum(frame["dropped"] for frame in frames)
    return frames


@pytest.fixture(params=[by_python, by_c])
def capture(request, tmp_path):
    return lambda count: request.param(count, tmp_path)


def end_in_python(card, accident, timeout):
    """What the end of a stream without end is, to Python: the exception's type, or None."""
    with streaming(timeout=timeout) as stream:
        kept = next(stream)
        accident()
        try:
            for _ in stream:
                pass
        except (OSError, TimeoutError) as error:
            return type(error)
        finally:
            # What has arrived stays.
            assert wrong_samples(kept.array(), kept.hw_timestamp) == 0
    return None


def end_in_c(card, accident, timeout):
    """The same of the C program, from its exit status and its words."""
    before = frames_sent(card)
    process = acquire(10**12, "--timeout", str(timeout))
    until(lambda: frames_sent(card) > before)
    accident()
    _, said = process.communicate(timeout=60)
    if process.returncode == 2:
        return None
    assert process.returncode == 1
    words = {"is gone": ndma.SourceGone, "none came from": TimeoutError}
    return next((kind for text, kind in words.items() if text in said), said)


def frames_sent(card):
    return int(dict(pair.split("=") for pair in card("stats")[0].split())["frames"])


@pytest.fixture(params=[end_in_python, end_in_c])
def end(request):
    return request.param


def same_as_log(frames, log):
    """What arrived is what the card sent, in that order, from its first frame on."""
    assert len(log) >= len(frames)
    for frame, sent in zip(frames, log):
        if frame["flags"] & ERROR:
            continue
        assert (frame["hw_sequence"], frame["first"], frame["valid"], frame["dropped"]) == (
            sent["sequence"], sent["sample"], sent["samples"], sent["lost"])


def test_everything_arrives_as_the_log_says(card, capture):
    frames = capture(COUNT)
    start, log = card.run()
    assert f"channels={CHANNELS} samples={SAMPLES}" in start and "rate=1000000" in start
    same_as_log(frames, log)
    assert [frame["sequence"] for frame in frames] == list(range(COUNT))
    assert not any(frame["wrong"] or frame["dropped"] for frame in frames)
    assert all(frame["flags"] & TIME_START for frame in frames)
    times = np.diff([frame["time"] for frame in frames])
    assert np.all(times == SAMPLES * 1000), times


# fault: what frame 4 (or the one in its place) is; keys as in describe()
FAULTS = {
    "drop 2": {"dropped": 2, "hw_sequence": 6, "clear": ERROR | OVERFLOW},
    "overrun 2": {"dropped": 2, "hw_sequence": 6, "set": OVERFLOW, "clear": ERROR},
    "error 1": {"set": ERROR, "wrong": 0},
    "short 1": {"set": PARTIAL, "clear": ERROR, "valid": SAMPLES // 2, "wrong": 0},
    "duplicate 1": {"next": {"set": ERROR, "hw_sequence": 4}},
    "dma-fault 1": {"set": ERROR},
    "timestamp 1": {"clear": ERROR | TIME_START, "wrong": 0},
    "corrupt 1": {"clear": ERROR, "wrong": 1},
    "lie-samples 1": {"set": ERROR, "valid": SAMPLES},
    "lie-sequence 1": {"set": ERROR},
    "lie-slot 1": {"set": ERROR},
    "lie-flags 1": {"set": ERROR},
}


def as_it_should(frame, want):
    assert frame["flags"] & want.get("set", 0) == want.get("set", 0)
    assert not frame["flags"] & want.get("clear", 0)
    for key in want.keys() - {"set", "clear", "next"}:
        assert frame[key] == want[key], key


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_as_what_it_is_and_costs_nothing_else(card, capture, fault):
    want = FAULTS[fault]
    card(f"fault {fault} at=4")
    frames = capture(COUNT)
    _, log = card.run()
    odd = 5 if "next" in want else 4
    as_it_should(frames[odd], want.get("next", want))
    same_as_log(frames, log)
    for i, frame in enumerate(frames):
        if i != odd:
            assert not frame["wrong"] and not frame["dropped"]
            assert not frame["flags"] & (ERROR | OVERFLOW | PARTIAL)
            assert frame["flags"] & TIME_START
    total = frames[-1]["sequence"] + 1 - len(frames)
    assert total == sum(frame["dropped"] for frame in frames)


@pytest.mark.parametrize("fault", ["irq-lost 1000000", "irq-storm 1000", "stall 300"])
def test_interrupts_and_stalls_cost_time_and_no_frame(card, capture, fault):
    card(f"fault {fault}")
    frames = capture(COUNT)
    _, log = card.run()
    same_as_log(frames, log)
    assert not any(frame["wrong"] or frame["dropped"] for frame in frames)


def test_interrupts_without_cause_are_harmless(card, capture):
    stop = threading.Event()

    def interrupt():
        while not stop.is_set():
            card("fault irq-spurious 100")

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        frames = capture(COUNT)
    finally:
        stop.set()
        thread.join()
    assert not any(frame["wrong"] or frame["dropped"] for frame in frames)


def test_a_stalled_card_is_a_timeout(card, end):
    assert end(card, lambda: card("fault stall 3600000"), 1) is TimeoutError


def test_a_stream_goes_on_after_a_timeout(card):
    with streaming(timeout=1) as stream:
        next(stream)
        card("fault stall 3600000")
        with pytest.raises(TimeoutError):
            for _ in stream:
                pass
        card("fault stall 0")
        stream.timeout = 20
        frame = next(stream)
        assert wrong_samples(frame.array(), frame.hw_timestamp) == 0


def test_a_consumer_that_sleeps_loses_what_the_card_lost_and_no_more(card):
    with streaming(rate=20e6, samples=65536) as stream:
        held = [next(stream) for _ in range(stream.frames)]
        until(lambda: " lost=0 " not in card("stats")[0])
        del held
        # First comes what the on-board memory kept, then the loss.
        frames = [describe(next(stream))]
        while not frames[-1]["dropped"]:
            frames.append(describe(next(stream)))
    _, log = card.run()
    assert frames[-1]["flags"] & OVERFLOW and not any(frame["wrong"] for frame in frames)
    by_sequence = {sent["sequence"]: sent for sent in log}
    for frame in frames:
        sent = by_sequence[frame["hw_sequence"]]
        assert (frame["first"], frame["dropped"]) == (sent["sample"], sent["lost"])


def test_who_looks_rarely_gets_the_latest_frame_of_a_card_that_takes_them_ahead(card):
    with ndma.open(node().name) as source:
        source.rate, source.pattern = 1e6, "counter"
        with source.stream(SAMPLES, channels=CHANNELS, frames=4, policy="latest", timeout=20,
                           on_loss="ignore") as stream:
            frames = []
            for _ in range(COUNT):
                before = stream.stats.stolen
                until(lambda: stream.stats.stolen > before + 4)
                frames.append(describe(next(stream)))
    assert not any(frame["wrong"] for frame in frames)
    sequences = [frame["sequence"] for frame in frames]
    assert [frame["dropped"] for frame in frames] == list(np.diff([-1, *sequences]) - 1)
    assert min(np.diff(sequences)) > 4


def test_a_card_whose_status_is_garbage_ends_the_stream(card, end):
    assert end(card, lambda: card("fault lie-status"), 20) is None
    assert len(by_python(3, None)) == 3


def test_a_completion_of_nothing_makes_no_frame_that_is_believed(card):
    """From then on completions name other descriptors than are due: those frames are in error, until
    there is one more than there are frames, which ends the stream."""
    with streaming() as stream:
        card("fault lie-extra")
        frames = (describe(frame) for frame in stream)
        before = list(itertools.takewhile(lambda frame: not frame["flags"] & ERROR, frames))
        assert not any(frame["wrong"] for frame in before)
        assert all(frame["flags"] & ERROR for frame in itertools.islice(frames, COUNT))
    assert not any(frame["flags"] & ERROR or frame["wrong"] for frame in by_python(3, None))


def test_a_card_that_completes_more_than_it_was_given_ends_the_stream(card, end):
    assert end(card, lambda: card("fault lie-extra 100"), 20) is None
    assert len(by_python(3, None)) == 3


def triggered_in_python(trigger, press, tmp_path):
    with ndma.open(node().name) as source:
        source.rate, source.pattern, source.trigger = 1e6, "sine", trigger
        source.frequency, source.trigger_level = 100, 1000
        with source.stream(512, channels=1, timeout=20) as stream:
            for _ in range(press):
                source.trigger_software = True
            frames = [next(stream) for _ in range(3)]
            assert all(frame.trigger == 0 for frame in frames)
            return [frame.array()[0].copy() for frame in frames]


def triggered_in_c(trigger, press, tmp_path):
    process = acquire(3, "-s", "512", "-c", "1", "--set", "pattern=sine",
                      "--set", f"trigger={trigger}", "--set", "frequency=100",
                      "--set", "trigger_level=1000", "-o", tmp_path / "run.npy")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return list(np.load(tmp_path / "run.npy")[:, 0])


@pytest.mark.parametrize("trigger, captured", [
    ("level", triggered_in_python), ("level", triggered_in_c), ("external", triggered_in_python),
    ("external", triggered_in_c), ("software", triggered_in_python)])
def test_a_trigger_starts_frames(card, trigger, captured, tmp_path):
    stop, pull = threading.Event(), None
    if trigger == "external":
        # Edges before the start are nobody's, so they go on until the frames are there.
        pull = threading.Thread(target=lambda: [card("trigger") for _ in iter(stop.is_set, True)])
        pull.start()
    try:
        mode = "level" if trigger == "level" else "external"
        frames = captured(mode, 3 if trigger == "software" else 0, tmp_path)
    finally:
        stop.set()
        if pull:
            pull.join()
    start, log = card.run()
    assert f"trigger={1 if trigger == 'level' else 2}" in start
    assert [sent["sequence"] for sent in log][:3] == [0, 1, 2]
    assert len({sent["sample"] for sent in log[:3]}) == 3
    if trigger == "level":
        # The sine rises by 21 a sample there.
        assert all(1000 <= samples[0] < 1040 for samples in frames)


def test_without_a_trigger_no_frame_comes(card):
    with streaming(trigger="external", timeout=0.3) as stream:
        with pytest.raises(TimeoutError):
            next(stream)


def test_a_card_that_ignores_a_reset_is_refused_and_does_not_get_the_bus(card):
    """What it would write then, to descriptors of before, it reports; the fixture looks for that."""
    with streaming() as stream:
        next(stream)
        card("fault deaf")
        stream.stop()
        for _ in range(2):
            with pytest.raises(OSError) as refused:
                stream.start()
            assert refused.value.errno == errno.ETIMEDOUT
        card("fault deaf 0")
        stream.start()
        assert describe(next(frame for frame in stream if frame.hw_sequence == 0))["wrong"] == 0


def test_shared_memory_is_left_alone_unless_it_is_asked_for(card):
    """QEMU's ivshmem has one number for everybody's memory."""
    device = address()
    if (device / "vendor").read_text().strip() != "0x1af4":
        assert (device / "driver").resolve().name == "ndma_vdig"
        return
    module = pathlib.Path("/usr/lib/modules") / os.uname().release / "updates/ndma/ndma_vdig.ko"
    override, probe = device / "driver_override", pathlib.Path("/sys/bus/pci/drivers_probe")
    subprocess.run(["rmmod", "ndma_vdig"], check=True)
    try:
        subprocess.run(["insmod", module], check=True)
        assert not (device / "driver").exists() and not node()
        override.write_text("ndma_vdig")
        probe.write_text(device.name)
        until(node)
        assert len(by_python(3, None)) == 3
        override.write_text("\n")
    finally:
        subprocess.run(["rmmod", "ndma_vdig"], check=True)
        subprocess.run(["insmod", module, "ivshmem=1"], check=True)
        until(node)


def used_bytes():
    """Of buffer memory, by this user: NDMA_HEAP_INFO."""
    info = bytearray(struct.pack("<IIIIIIQQQ", 48, *[0] * 8))
    with open("/dev/ndma/heap", "rb") as heap:
        fcntl.ioctl(heap, 0xda00, info)
    return struct.unpack("<IIIIIIQQQ", info)[7]


def test_a_card_can_leave_while_memory_of_a_large_stream_is_cleared(card):
    """That takes much longer than for the card to go, and would be the stream's if the card had waited."""
    device, before, came = address(), used_bytes(), []
    unbind = pathlib.Path("/sys/bus/pci/drivers/ndma_vdig/unbind")

    def set_up():
        with ndma.open(node().name) as source:
            try:
                source.stream(16 << 20, channels=1, frames=24).close()
                came.append("a stream")
            except ndma.SourceGone as error:
                came.append(error.errno)

    thread = threading.Thread(target=set_up)
    thread.start()
    until(lambda: used_bytes() > before)
    unbind.write_text(device.name)
    thread.join()
    bound()
    assert came == [errno.ENODEV] and used_bytes() == before


def test_a_card_that_was_pulled_out_is_gone_and_can_come_back(card, end):
    assert end(card, lambda: card("fault gone"), 20) is ndma.SourceGone
    until(lambda: not node())
    card("fault back")
    bound()
    assert len(by_python(3, None)) == 3


class Monitor:
    """QEMU's monitor, in QMP."""

    def __init__(self):
        self.port = open(MONITOR, "r+b", buffering=0)
        self.rest = b""
        # Refused where an earlier program has done it.
        self.send("qmp_capabilities")
        self.read()

    def send(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        self.port.write(json.dumps(message).encode() + b"\n")

    def __call__(self, command, **arguments):
        self.send(command, **arguments)
        while True:
            answer = self.read()
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    def read(self):
        while b"\n" not in self.rest:
            self.rest += self.port.read(4096)
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def await_event(self, name, **data):
        while True:
            event = self.read()
            if event.get("event") == name and data.items() <= event["data"].items():
                return


@pytest.fixture(scope="module")
def monitor():
    if not MONITOR.exists():
        pytest.skip(f"this guest has no {MONITOR}")
    monitor = Monitor()
    yield monitor
    monitor.port.close()


@pytest.mark.skipif("vdig-vfio" not in CARDS, reason="this guest has no digitizer that can be pulled out of "
                    "QEMU: it frees an ivshmem device and goes on waiting for its interrupts")
def test_a_card_can_be_unplugged_and_plugged_while_it_streams(card, monitor, end):
    assert end(card, lambda: monitor("device_del", id="vdig"), 20) is ndma.SourceGone
    monitor.await_event("DEVICE_DELETED", device="vdig")
    assert not node()
    path = card("attachment")[0].split()[1]
    monitor("device_add", driver="vfio-user-pci", id="vdig", bus="vdig-bay",
            socket={"type": "unix", "path": path})
    until(node, 60)
    assert len(by_python(3, None)) == 3


def goes_on_after(stream, accident):
    """The stream gives frames, the accident happens, an unknown loss is told, and right frames follow."""
    assert next(stream).dropped == 0
    thread = threading.Thread(target=accident)
    thread.start()
    frames = (describe(frame) for frame in stream)
    frame = next(frame for frame in frames if frame["flags"] & LOSS_UNKNOWN)
    thread.join()
    assert not frame["flags"] & ERROR
    for _ in range(20):
        assert next(frames)["wrong"] == 0


def test_a_reset_while_it_streams_is_a_loss_and_no_end(card):
    reset = address() / "reset"
    if not reset.exists():
        pytest.skip(f"this guest has no {reset}")
    with streaming() as stream:
        goes_on_after(stream, lambda: reset.write_text("1"))


def test_a_fill_ends_by_a_reset_and_one_that_begins_meanwhile_waits(card):
    reset, stop = address() / "reset", threading.Event()
    if not reset.exists():
        pytest.skip(f"this guest has no {reset}")
    thread = threading.Thread(target=lambda: [reset.write_text("1") for _ in iter(stop.is_set, True)])
    thread.start()
    try:
        with ndma.open(node().name) as source:
            buf = ndma.zeros((1, SAMPLES), "<i2", source=source)
            with pytest.raises(OSError) as ended:
                for _ in range(1000):
                    source.read_into(buf, timeout=20)
            assert ended.value.errno == errno.ECANCELED
    finally:
        stop.set()
        thread.join()
    # The card is none the worse.
    assert len(by_python(3, None)) == 3


# Where the kernel waits for the end of a pause, as its compiler made it.
AWAITING = ("ndma_source_await", "ndma_stream_lock_awake")
STARTS = """
import ndma, sys
while True:
    with ndma.open(sys.argv[1]) as source, source.stream(64, channels=1, frames=4):
        pass
"""


def test_a_start_during_a_reset_waits_and_can_be_killed(card):
    reset, stop = address() / "reset", threading.Event()
    if not reset.exists():
        pytest.skip(f"this guest has no {reset}")
    starting = subprocess.Popen([sys.executable, "-c", STARTS, node().name])
    thread = threading.Thread(target=lambda: [reset.write_text("1") for _ in iter(stop.is_set, True)])
    thread.start()
    try:
        until(lambda: pathlib.Path(f"/proc/{starting.pid}/wchan").read_text() in AWAITING, 60)
    finally:
        starting.kill()
        status = starting.wait()
        stop.set()
        thread.join()
    assert status == -signal.SIGKILL and len(by_python(3, None)) == 3


@pytest.mark.skipif("vdig-vfio" not in CARDS, reason="this guest has no digitizer on PCI Express")
@pytest.mark.skipif(not any(pathlib.Path("/sys/bus/pci_express/drivers/aer").glob("*:pcie*")), reason="this guest has "
                    "no AER: its kernel reads no extended configuration space, where errors are told")
@pytest.mark.parametrize("error", ["0x40000", "0x1000"], ids=["fatal", "mild"])
def test_a_bus_error_while_it_streams_is_a_loss_and_no_end(card, monitor, error):
    with streaming() as stream:
        goes_on_after(stream, lambda: monitor(
            "human-monitor-command", **{"command-line": f"pcie_aer_inject_error vdig-bay {error}"}))


def test_a_card_that_dies_without_a_word_is_gone(monitor):
    """The last test: nothing brings the card back to this guest."""
    card = Card()
    bound()
    end = end_in_c if os.environ["NDMA_SETTING"] == "plain" else end_in_python
    assert end(card, lambda: card("fault exit"), 60) is ndma.SourceGone
    if "vdig-vfio" in CARDS:
        # QEMU tells the card of every mapping, and ends where an IOMMU's cannot be told.
        monitor("device_del", id="vdig")
        monitor.await_event("DEVICE_DELETED", device="vdig")
