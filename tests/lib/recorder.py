#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ndma record` and `ndma repair` on every backend: what they write, and how they end. Speaks TAP."""
import ctypes
import json
import os
import random
import re
import resource
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import backends

COMPLETE, TROUBLE, LOSS, WRONG = 0, 1, 2, 3

# Of unattended recording, as installed.
UNIT = Path(os.environ.get("NDMA_UNIT", "/usr/lib/systemd/system/ndma-record@.service"))


class Case:
    """Runs of `ndma record` in a directory of their own."""

    def __init__(self, backend):
        self.directory = tempfile.TemporaryDirectory()
        self.environment = dict(os.environ, NDMA_BACKEND=backend)
        self.backend = backend
        self.output = Path(self.directory.name) / "run.npy"

    def start(self, *arguments, source="sim0", stdout=subprocess.PIPE, output="", text=True, **options):
        while self.backend == "kernel" and source == "sim0" and not Path("/dev/ndma/sim0").exists():
            time.sleep(0.01)    # one that vanished is plugged in again
        return subprocess.Popen(
            ["ndma", "record", source, *(() if output is None else ("-o", str(output or self.output))),
             *map(str, arguments)],
            env=self.environment, stdout=stdout, stderr=subprocess.PIPE, text=text,
            errors="surrogateescape" if text else None, **options)

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, (out or "") + err

    def repair(self, *paths):
        done = subprocess.run(["ndma", "repair", *map(str, paths or (self.output,))], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def recording(self, output=None):
        """The samples, what the .json says, and the entries."""
        output = Path(output or self.output)
        about = json.loads(output.with_suffix(".json").read_text())
        index = about["index"]
        dtype = np.dtype([tuple(field) for field in index["dtype"]])
        entries = np.fromfile(output.with_name(index["file"]), dtype, about["shape"][0], offset=index["offset"])
        return np.load(output, mmap_mode="r"), about, entries

    def wait_for_bytes(self, process, count):
        while not self.output.exists() or self.output.stat().st_size < count:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)


def counter_frames(first, count, samples, channels=2):
    """What the counter pattern makes: channel c is c sixteenths of the range ahead."""
    numbers = np.arange(first, first + count * samples).reshape(count, 1, samples)
    return (numbers + 4096 * np.arange(channels).reshape(1, channels, 1)).astype("<i2")


def a_whole_recording_is_what_was_made(case):
    status, text = case.run("-n", 50, "-s", 200, "-c", 2, "--set", "pattern=counter",
                            "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, about, entries = case.recording()
    assert data.shape == (50, 2, 200) and data.dtype == np.dtype("<i2")
    assert (data == counter_frames(0, 50, 200)).all()
    assert entries["sequence"].tolist() == list(range(50))
    assert about["backend"] == case.backend and about["simulated"] is True
    assert about["rate"] == 1e6 and about["controls"]["pattern"] == "counter"
    assert [channel["unit"] for channel in about["channels"]] == ["V", "V"]
    assert not any(about["loss"].values())


def interleaved_samples_stay_in_their_order(case):
    status, text = case.run("-n", 20, "-s", 200, "-c", 2, "--order", "interleaved",
                            "--set", "pattern=counter", "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, _, _ = case.recording()
    assert data.shape == (20, 200, 2)
    assert (data.transpose(0, 2, 1) == counter_frames(0, 20, 200)).all()
    about = json.loads(case.output.with_suffix(".sigmf-meta").read_text())
    assert about["global"]["core:datatype"] == "ri16_le" and about["global"]["core:num_channels"] == 2
    assert about["captures"][0]["core:header_bytes"] == 4096


def iq_samples_have_an_axis_of_two(case):
    status, text = case.run("-n", 4, "-s", 128, "--iq", "--set", "paced=0", "--check")
    assert status == COMPLETE, text
    data, about, entries = case.recording()
    assert data.shape == (4, 8, 128, 2) and about["axes"][-1] == "iq"


def lost_frames_are_told_and_end_in_status_2(case):
    status, text = case.run("-n", 40, "-s", 100, "-c", 1, "--set", "fault_drop=5",
                            "--set", "paced=0", "--check")
    assert status == LOSS, text
    data, about, entries = case.recording()
    assert len(data) == 40
    assert [n for n in range(50) if n % 5 != 4][:40] == entries["sequence"].tolist()
    gaps = np.diff([-1, *entries["sequence"].tolist()]) - 1
    assert entries["dropped"].tolist() == gaps.tolist()
    assert [hole["frame"] for hole in about["holes"]] == [0, *np.flatnonzero(gaps)]
    assert about["loss"]["dropped"] == sum(gaps) and f"{sum(gaps)} frames dropped" in text


def short_frames_are_filled_up_with_zeros_and_told(case):
    status, text = case.run("-n", 10, "-s", 100, "-c", 2, "--set", "fault_short=5",
                            "--set", "paced=0", "--set", "pattern=square", "--check")
    assert status == LOSS, text
    data, about, entries = case.recording()
    assert (entries["bytes_used"] // 4).tolist() == [100, 100, 100, 100, 50] * 2
    assert about["loss"]["partial"] == 2
    assert (data[4, :, 50:] == 0).all() and (data[4, :, :50] != 0).all()


def has_no_direct(text):
    """Why files here cannot be written past the page cache, or None."""
    if "opening with O_DIRECT" in text or "O_DIRECT of these frames" in text:
        return "this guest has no O_DIRECT on its temporary files"
    return None


def the_disk_takes_frames_directly_in_either_order(case):
    for order in "planar", "interleaved":
        # Writes of one frame, and of several small ones; more than fit, so that frames must come back.
        for samples, depth in (4096, 4), (65536, 16), (1024, 1):
            status, text = case.run("-n", 40, "-s", samples, "-c", 2, "--direct", "--depth", depth, "--order", order,
                                    "--set", "pattern=counter", "--set", "paced=0", "--checksum", "--replace")
            if has_no_direct(text):
                return has_no_direct(text)
            assert status == COMPLETE and "--direct: io_uring with O_DIRECT, up to" in text, text
            data, about, entries = case.recording()
            wanted = counter_frames(0, 40, samples)
            assert (data == (wanted if order == "planar" else wanted.transpose(0, 2, 1))).all()
            assert case.output.stat().st_size == 4096 + data.nbytes
            assert entries["sequence"].tolist() == list(range(40)) and case.repair()[0] == COMPLETE
    return None


def frames_that_come_short_go_to_the_disk_in_their_place(case):
    status, text = case.run("-n", 50, "-s", 4096, "-c", 2, "--direct", "--set", "fault_short=5", "--set", "paced=0")
    if has_no_direct(text):
        return has_no_direct(text)
    assert status == LOSS, text
    data, about, entries = case.recording()
    assert about["loss"]["partial"] == 10 and (data[4::5, :, 2048:] == 0).all() and (data[0] != 0).any()
    assert entries["sequence"].tolist() == list(range(50)) and case.repair()[0] == LOSS
    return None


def refuse_io_uring():
    """In a child: from here on io_uring_setup(2) is not permitted, as in a container."""
    number, allow, refuse = 425, 0x7fff0000, 0x00050001
    code = [struct.pack("HBBI", *one) for one in (
        (0x20, 0, 0, 0),            # the system call's number
        (0x15, 0, 1, number), (0x06, 0, 0, refuse), (0x06, 0, 0, allow))]
    program = ctypes.create_string_buffer(b"".join(code))
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filters, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def where_io_uring_is_refused_pwrite_writes_and_it_says_so(case):
    status, text = case.run("-n", 20, "-s", 4096, "-c", 2, "--direct", "-q", "--set", "pattern=counter",
                            "--set", "paced=0", preexec_fn=refuse_io_uring)
    if has_no_direct(text):
        return has_no_direct(text)
    assert status == COMPLETE, text
    assert "pwrite with O_DIRECT, one at a time: io_uring: Operation not permitted" in text, text
    data, _, _ = case.recording()
    assert (data == counter_frames(0, 20, 4096)).all()
    return None


def an_interrupted_recording_is_whole_up_to_there(case):
    process = case.start("-n", 1000000, "-s", 1000)
    case.wait_for_bytes(process, 100000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == LOSS, out + err
    data, about, entries = case.recording()
    assert len(data) == len(entries) > 0
    assert case.output.stat().st_size == 4096 + data.nbytes


def what_cannot_be_is_refused_with_words_and_status_1(case):
    for arguments, words in (
            (("-n", 0, "-s", 10), "expected a number from 1"),
            (("-n", 1), "how many samples"),
            (("-n", 1, "-s", 10, "--time", "soon"), "expected seconds"),
            (("-n", 1, "-s", 10, "--bytes", "2X"), "such as 500M"),
            (("-n", 1, "-s", 10, "--append", "--replace"), "either"),
            (("-n", 1, "-s", 10, "--append"), "run.ndma"),
            (("-n", 1, "-s", 10, "--set", "rate=9e12"), "nearest is 4000000000"),
            (("-n", 1, "-s", 10, "--set", "pattern=triangle"), "expected one of sine"),
            (("-n", 1, "-s", 10, "--set", "volume=1"), "has no control"),
            (("-n", 1, "-s", 10, "--set", "amplitude=0.12345"), "nearest is 0.123"),
            (("-n", 1, "-s", 10, "-t", "<d"), "does not make"),
            (("-n", 1, "-s", 10, "-b", 1), "takes 2 to"),
            (("-n", 1, "-s", 100, "--direct"), "multiple of 4096"),):
        status, text = case.run(*arguments)
        assert status == TROUBLE and words in text, (arguments, status, text)
    status, text = case.run("-n", 1, "-s", 1, source="sim99")
    assert status == TROUBLE and "sim0" in text, text


def a_card_that_stops_is_trouble_and_keeps_what_came(case):
    status, text = case.run("-n", 100, "-s", 100, "--set", "fault_stall=7", "--set", "paced=0",
                            "--timeout", "0.2")
    assert status == TROUBLE and "0.200 s" in text, text
    assert len(case.recording()[0]) == 7


def a_card_that_vanishes_is_trouble_and_keeps_what_came(case):
    status, text = case.run("-n", 10, "-s", 100, "--set", "fault_vanish=4", "--set", "paced=0")
    assert status == TROUBLE and "sim0 is gone" in text, text
    assert len(case.recording()[0]) == 4


def quiet_is_quiet_about_success_alone(case):
    assert case.run("-q", "-n", 9, "-s", 100, "--set", "paced=0") == (COMPLETE, "")
    status, text = case.run("-q", "--replace", "-n", 9, "-s", 100, "--set", "paced=0", "--set", "fault_drop=5")
    assert status == LOSS and "2 frames dropped" in text and text.count("\n") == 1, text


def a_summary_that_nobody_gets_is_trouble(case):
    with open("/dev/full", "w", encoding="utf-8") as full:
        status, text = case.run("-n", 1, "-s", 100, stdout=full)
    assert status == TROUBLE and "standard output" in text, text


def a_simulation_that_nobody_asked_for_is_told(case):
    if case.backend == "kernel":
        return
    text = case.run("--replace", "-n", 1, "-s", 100)[1]
    assert "this process simulates" not in text, text
    del case.environment["NDMA_BACKEND"]
    status, text = case.run("--replace", "-n", 1, "-s", 100)
    loaded = Path("/sys/class/ndma/heap").exists()
    assert status == COMPLETE and ("this process simulates sim0" in text) is not loaded, text


def crc32c(data):
    """Bit by bit, as its definition has it."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def the_files_are_as_their_manual_says(case):
    status, text = case.run("-n", 9, "-s", 100, "-c", 2, "--checksum", "--set", "fault_short=5", "--set", "paced=0")
    assert status == LOSS and crc32c(b"123456789") == 0xe3069283, text
    data, about, entries = case.recording()
    index = case.output.with_suffix(".ndma").read_bytes()
    identity = index[24:40]
    assert index[:8] == b"\x89NDMA\r\n\x1a" and identity.hex() == about["id"]
    head = int.from_bytes(index[12:16], "little")
    assert crc32c(index[:236] + index[256:head]) == int.from_bytes(index[236:240], "little")
    assert crc32c(identity + index[240:252]) == int.from_bytes(index[252:256], "little")
    assert int.from_bytes(index[240:248], "little") == 9 and index[248] == 1
    for number, entry in enumerate(entries):
        assert entry["crc"] == crc32c(identity + number.to_bytes(8, "little") + entry.tobytes()[:76])
        assert entry["checksum"] == crc32c(data[number].tobytes())
    assert [int(link) >> 30 for link in entries["link"]] == [3, 0, 0, 0, 1, 0, 0, 0, 0]
    assert (entries["link"] & 0x3fffffff).tolist() == [0, 1, 2, 3, 4, 1, 2, 3, 4]
    padding = case.output.read_bytes()[4095 - 128:4095]
    bits = "".join("1" if mark == 9 else "0" for mark in padding)
    assert bytes(int(bits[at:at + 8][::-1], 2) for at in range(0, 128, 8)) == identity


def ways_to_write(case):
    """Options of each way that this directory has, and samples of a frame that it takes."""
    text = case.run("-n", 1, "-s", 1024, "-c", 2, "--direct", output=Path(case.directory.name) / "try.npy")[1]
    return [((), 500)] if has_no_direct(text) else [((), 500), (("--direct",), 1024)]


def check_what_is_there(case, samples):
    """Frames of the counter pattern in two channels, with the card's own count of each; how many there are."""
    data, _, entries = case.recording()
    assert len(data) == len(entries)
    assert (data[:, 0, 0] == entries["hw_timestamp"].astype("u2").view("<i2")).all()
    assert (data[:, 1, -1] == (entries["hw_timestamp"] + samples - 1 + 4096).astype("u2").view("<i2")).all()
    gaps = np.diff([-1, *entries["sequence"].tolist()]) - 1
    assert entries["dropped"].tolist() == gaps.tolist()
    return len(data)


def accidents(case, name, memfd, kernel):
    """A recording of its own for each, by every way to write in turn: random moments, options, samples.

    tests/host/recordings asks for more of them; a guest is slow.
    """
    moments = random.Random(case.backend)
    ways = ways_to_write(case)
    for number in range(int(os.environ.get(f"NDMA_{name.upper()}", kernel if case.backend == "kernel" else memfd))):
        case.output = Path(case.directory.name) / f"{name}{number}.npy"
        yield moments, *ways[number % len(ways)]
        case.output.unlink()


def killed_at_any_moment_it_opens_with_every_frame_that_its_header_counts(case):
    counted = 0
    for moments, options, samples in accidents(case, "kills", memfd=20, kernel=4):
        process = case.start("-s", samples, "-c", 2, "--set", "pattern=counter", "--set", "paced=0",
                             "--set", "fault_drop=50", "-b", moments.choice((4, 64)), *options)
        case.wait_for_bytes(process, moments.choice((4097, 20000, 1000000)))
        time.sleep(moments.random() / 100)
        process.kill()
        process.communicate()
        before = len(np.load(case.output, mmap_mode="r"))
        counted += before   # none where it came between the first samples and their count
        status, text = case.repair()
        assert status in (COMPLETE, LOSS), (status, text)
        # Behind the last count there may be entries that it did not come to.
        assert before <= check_what_is_there(case, samples) <= before + 64
    assert counted


def a_disk_that_fills_at_any_moment_keeps_every_frame_before(case):
    for moments, options, samples in accidents(case, "fulls", memfd=4, kernel=2):
        # More than the memory of the frames, which the limit is for as well.
        room = moments.randrange(300000, 3000000)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        status, text = case.run("-s", samples, "-c", 2, "--set", "pattern=counter", "--set", "paced=0",
                                "-b", moments.choice((4, 64)), *options, preexec_fn=limit)
        assert status == TROUBLE and "File too large" in text, text
        there = check_what_is_there(case, samples)
        # A write of several frames may fail as a whole.
        assert 0 <= (room - 4096) // (samples * 4) - there < 64, (room, there, text)
        assert case.repair()[0] == COMPLETE


def a_card_that_is_pulled_out_at_any_moment_leaves_what_it_made(case):
    for moments, options, samples in accidents(case, "unplugs", memfd=4, kernel=2):
        frames = moments.randrange(1, 500)
        status, text = case.run("-s", samples, "-c", 2, "--set", "pattern=counter", "--set", "paced=0",
                                "--set", f"fault_vanish={frames}", *options)
        assert status == TROUBLE and "sim0 is gone" in text, text
        assert check_what_is_there(case, samples) == frames, text
        assert case.repair()[0] == COMPLETE


def without_a_count_it_goes_on_until_a_signal_and_misses_nothing(case):
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        case.output = case.output.with_name(f"signal{number}.npy")
        process = case.start("-s", 1000, "-c", 1, "-b", 64, "--set", "rate=2e5")
        case.wait_for_bytes(process, 50000)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == COMPLETE, (number, out + err)
        data, about, _ = case.recording()
        assert len(data) and not any(about["loss"].values())
        assert case.repair()[0] == COMPLETE


def it_ends_after_a_time_or_bytes(case):
    status, text = case.run("-s", 1000, "-c", 1, "-b", 400, "--time", "0.2")
    assert status == COMPLETE and 0 < len(case.recording()[0]) < 1000, text
    status, text = case.run("-s", 1000, "-c", 1, "--bytes", "19k", "--set", "paced=0", "--replace")
    assert status == COMPLETE and len(case.recording()[0]) == 10, text


def it_is_split_without_losing_a_frame(case):
    status, text = case.run("-s", 100, "-c", 1, "-n", 95, "--split-bytes", "2000", "--set", "pattern=counter",
                            "--set", "paced=0")
    assert status == COMPLETE and "in 10 files" in text, text
    parts = [case.recording(case.output.with_name(f"run-{part:04}.npy")) for part in range(1, 11)]
    assert [len(data) for data, _, _ in parts] == [10] * 9 + [5]
    assert np.concatenate([entries["sequence"] for _, _, entries in parts]).tolist() == list(range(95))
    case.output = case.output.with_name("clock.npy")
    status, text = case.run("-s", 1000, "-c", 1, "-n", 200, "-b", 200, "--split-time", "0.05")
    assert status == COMPLETE, text
    parts = [case.recording(path) for path in sorted(case.output.parent.glob("clock-*.npy"))]
    assert len(parts) > 2
    assert np.concatenate([entries["sequence"] for _, _, entries in parts]).tolist() == list(range(200))


def it_goes_on_behind_what_is_there_and_never_over_it(case):
    assert case.run("-s", 100, "-c", 1, "-n", 5)[0] == COMPLETE
    before = case.output.read_bytes()
    status, text = case.run("-s", 100, "-c", 1, "-n", 5)
    assert status == TROUBLE and "is there" in text and case.output.read_bytes() == before, text
    status, text = case.run("-s", 100, "-c", 1, "-n", 7, "--append")
    assert status == COMPLETE, text
    data, about, entries = case.recording()
    assert len(data) == 12 and [hole["frame"] for hole in about["holes"]] == [0, 5]
    assert entries["sequence"].tolist() == [*range(5), *range(7)]
    assert case.output.read_bytes()[4096:len(before)] == before[4096:]
    status, text = case.run("-s", 99, "-c", 1, "-n", 7, "--append")
    assert status == TROUBLE and "another layout" in text, text


def a_pipe_gets_the_samples_alone(case):
    process = case.start("-s", 100, "-c", 1, "-n", 10, "--set", "pattern=counter", output="-", text=False)
    out, err = process.communicate(timeout=60)
    assert process.returncode == COMPLETE and b"10 of 10 frames" in err, err
    assert (np.frombuffer(out, "<i2") == np.arange(1000)).all()
    process = case.start("-s", 100, "-c", 1, output="/dev/stdout", text=False)
    process.stdout.read(1000)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) == TROUBLE and b"Broken pipe" in err, err
    assert not list(Path(case.directory.name).iterdir())


def a_disk_that_fills_is_trouble_and_keeps_what_fitted(case):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150000, resource.RLIM_INFINITY))
    status, text = case.run("-s", 100, "-c", 1, "-n", 1000, "--set", "paced=0", preexec_fn=limit)
    assert status == TROUBLE and "File too large" in text, text
    data, _, entries = case.recording()
    assert len(data) == len(entries) == (150000 - 4096) // 200
    assert case.repair()[0] == COMPLETE


def a_disk_without_room_has_what_fitted_and_its_description(case):
    # Whoever is not root plays it in a namespace, which may mount there.
    namespaces = "-m" if os.geteuid() == 0 else "-Urm"
    directory = Path(case.directory.name)
    script = f"""mount -t tmpfs -o size=400k none {directory} && cd {directory} || exit 99
        ndma record sim0 -s 100 -c 1 --set paced=0 -o run -q; echo status $?
        ndma repair run; echo status $?
        cat run.json"""
    done = subprocess.run(["unshare", namespaces, "sh", "-c", script], env=case.environment, capture_output=True, text=True)
    if done.returncode and done.stderr.startswith("unshare"):
        return f"this guest has no namespace for a small disk, as in a chroot: {done.stderr.strip()}"
    assert "No space left" in done.stderr and "writing run.json" not in done.stderr, done
    _, first, rest = done.stdout.partition("status 1\n")
    text, second, about = rest.partition("status 0\n")
    assert first and second and json.loads(about)["shape"][0] > 500 and "0 cut off" in text, done
    return None


def names_are_taken_as_they_are(case):
    for name in "two\nlines", "quo\"te\\", "run.npy.npy", "\udcff", "-x", "ü" * 100:
        case.output = Path(case.directory.name) / f"{name}.npy"
        status, text = case.run("-s", 10, "-c", 1, "-n", 2)
        assert status == COMPLETE, (name, text)
        data, about, _ = case.recording()
        assert len(data) == 2 and os.fsencode(about["data"]) == os.fsencode(case.output.name)
    case.output = Path(case.directory.name) / ("n" * 300)
    status, text = case.run("-s", 10, "-c", 1, "-n", 2)
    assert status == TROUBLE and "at most" in text, text


def where_it_cannot_write_it_says_so(case):
    for directory, words in ("/nowhere", "/nowhere"), ("/proc/self", "proc"):
        case.output = Path(directory) / "run"
        status, text = case.run("-s", 10, "-c", 1, "-n", 2)
        assert status == TROUBLE and "ndma record: recording: " in text and text.count("\n") == 1, text


def two_with_one_name_do_not_meet(case):
    process = case.start("-s", 1000, "-c", 1, "-b", 1024, "--set", "rate=1e5")
    case.wait_for_bytes(process, 10000)
    for flag in "--append", "--replace":
        status, text = case.run("-s", 1000, "-c", 1, flag)
        assert status == TROUBLE and "being recorded" in text, text
    assert case.repair()[0] == TROUBLE
    process.terminate()
    assert process.wait(60) == COMPLETE, process.communicate()
    assert case.repair()[0] == COMPLETE


def what_is_damaged_is_told_by_repair_and_stays_as_it_is(case):
    status, text = case.run("-s", 100, "-c", 1, "-n", 50, "--checksum", "--set", "paced=0")
    assert status == COMPLETE, text
    index = case.output.with_suffix(".ndma")
    for path, at in (case.output, 4096 + 20 * 200), (index, -80 * 3):
        content = bytearray(path.read_bytes())
        content[at] ^= 1        # a sample, and what an entry says
        path.write_bytes(content)
    status, text = case.repair()
    assert status == WRONG and "50 frames in 1 run, 2 damaged" in text, text
    assert index.read_bytes()[-240:] == content[-240:]
    os.truncate(case.output, 4096 + 30 * 200 + 5)
    status, text = case.repair()
    assert status == WRONG and "30 frames" in text and "20 cut off" in text, text
    assert np.load(case.output).shape == (30, 1, 100)
    index.write_bytes(b"hello")
    status, text = case.repair()
    assert status == TROUBLE and "no index of a recording" in text, text


def memory_does_not_grow_with_frames(case):
    peaks = []
    for frames in 1000, 100000:
        process = case.start("-s", 16, "-c", 1, "-n", frames, "-b", 1024, "-q", "--set", "paced=0", "--replace")
        _, _, usage = os.wait4(process.pid, 0)
        process.stderr.close()
        process.stdout.close()
        peaks.append(usage.ru_maxrss)
    assert peaks[1] < peaks[0] + 1024, peaks


def its_old_name_is_a_link_and_writes_over_what_is_there(case):
    for count in 3, 5:
        done = subprocess.run(["ndma-acquire", "sim0", "-n", str(count), "-s", "10", "-o", str(case.output)],
                              env=case.environment, capture_output=True, text=True)
        assert done.returncode == COMPLETE and len(case.recording()[0]) == count, done


def the_version_is_the_librarys(case):
    done = subprocess.run(["ndma-acquire", "--version"], env=case.environment, capture_output=True, text=True)
    assert done.returncode == COMPLETE and done.stdout.startswith("ndma-acquire 0."), done


def the_unit_records_its_source_under_the_time(case):
    lines = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    assert len(lines) == 1, lines
    # As systemd takes it: specifiers, and what is not its own variable.
    words = shlex.split(lines[0].partition("=")[2].replace("%i", "sim0").replace("%%", "%").replace("$$", "$"))
    words[-1] = re.sub(r"\S*/bin/ndma ", "ndma ", words[-1])
    done = subprocess.run(words, cwd=case.directory.name, capture_output=True, text=True,
                          env=dict(case.environment, OPTIONS="-s 100 -c 1 -n 3 -q"))
    assert done.returncode == COMPLETE, done
    there = sorted(path.suffix for path in Path(case.directory.name).iterdir())
    assert there == [".json", ".ndma", ".npy", ".sigmf-meta"], there
    name = next(Path(case.directory.name).iterdir()).stem
    assert re.fullmatch(r"\d{8}T\d{6}Z", name), name


TESTS = (a_whole_recording_is_what_was_made, interleaved_samples_stay_in_their_order,
         iq_samples_have_an_axis_of_two, lost_frames_are_told_and_end_in_status_2,
         short_frames_are_filled_up_with_zeros_and_told, the_disk_takes_frames_directly_in_either_order,
         frames_that_come_short_go_to_the_disk_in_their_place, where_io_uring_is_refused_pwrite_writes_and_it_says_so,
         an_interrupted_recording_is_whole_up_to_there, what_cannot_be_is_refused_with_words_and_status_1,
         a_card_that_stops_is_trouble_and_keeps_what_came, a_card_that_vanishes_is_trouble_and_keeps_what_came,
         quiet_is_quiet_about_success_alone, a_summary_that_nobody_gets_is_trouble,
         a_simulation_that_nobody_asked_for_is_told, the_files_are_as_their_manual_says,
         killed_at_any_moment_it_opens_with_every_frame_that_its_header_counts,
         a_disk_that_fills_at_any_moment_keeps_every_frame_before,
         a_card_that_is_pulled_out_at_any_moment_leaves_what_it_made,
         without_a_count_it_goes_on_until_a_signal_and_misses_nothing, it_ends_after_a_time_or_bytes,
         it_is_split_without_losing_a_frame, it_goes_on_behind_what_is_there_and_never_over_it,
         a_pipe_gets_the_samples_alone, a_disk_that_fills_is_trouble_and_keeps_what_fitted,
         a_disk_without_room_has_what_fitted_and_its_description,
         names_are_taken_as_they_are, where_it_cannot_write_it_says_so, two_with_one_name_do_not_meet,
         what_is_damaged_is_told_by_repair_and_stays_as_it_is, memory_does_not_grow_with_frames,
         its_old_name_is_a_link_and_writes_over_what_is_there, the_version_is_the_librarys,
         the_unit_records_its_source_under_the_time)


if __name__ == "__main__":
    # What runs the tests may ignore it (nohup), and a recorder that is started so does.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.exit(backends.main("recorder", TESTS, Case))
