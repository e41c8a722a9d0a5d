# SPDX-License-Identifier: MIT
"""Play QEMU's part against the whole card process, over both attachments.

Usage: front_test.py CARD-PROGRAM
"""
import mmap
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).parent
RAM_BYTES = 4 << 20
RING, COMPLETIONS, FRAMES = 0x200000, 0x210000, 0x300000
FRAME = 512

ID, DOORBELL, STATUS, TIME_MS = 0x000, 0x014, 0x040, 0x050
CTRL, TAIL, RING_LO, COMPLETIONS_LO, RING_LOG2 = 0x080, 0x084, 0x0C0, 0x0C8, 0x0D0
CHANNELS, SAMPLES, FORMAT, PATTERN, AMPLITUDE = 0x0D4, 0x0D8, 0x0DC, 0x100, 0x108
COUNTER = 3

CARD = None


class Machine:
    """The guest's memory, and a card process beside it."""

    def __init__(self, test, *arguments):
        self.folder = pathlib.Path(test.enterContext(tempfile.TemporaryDirectory()))
        self.ram_path = self.folder / "ram"
        with open(self.ram_path, "wb") as ram:
            ram.truncate(RAM_BYTES)
        self.ram_fd = os.open(self.ram_path, os.O_RDWR)
        test.addCleanup(os.close, self.ram_fd)
        self.ram = mmap.mmap(self.ram_fd, RAM_BYTES)
        self.control = str(self.folder / "control")
        self.log = self.folder / "log"
        words = [word.format(folder=self.folder) for word in arguments]
        self.process = subprocess.Popen(
            [CARD, *words, "--control", self.control, "--log", str(self.log), "--check"],
            stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.process.stdout.close)
        test.addCleanup(self.end)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        """Ask the process to end; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def connect(self, name):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(10)
        peer.connect(str(self.folder / name))
        return peer

    def ctl(self, *words):
        """Run the command for people; return its output."""
        result = subprocess.run([sys.executable, HERE / "ctl", "--socket", self.control, *words],
                                capture_output=True, text=True, timeout=10)
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout

    def completion(self, index):
        """(sequence, sample, flags, generation) of one entry."""
        at = COMPLETIONS + 64 * index
        words = struct.unpack("<4Q8I", self.ram[at:at + 64])
        return words[0], words[2], words[7], words[11]


class Ivshmem(Machine):
    """The card as QEMU's ivshmem-doorbell sees it."""

    def __init__(self, test):
        super().__init__(test, "--ivshmem", "{folder}/bus", "--ram", "{folder}/ram")
        self.peer = self.connect("bus")
        test.addCleanup(self.peer.close)
        assert self.message() == (0, None)              # protocol
        self.own, _ = self.message()
        minus_one, shared = self.message()
        assert minus_one == -1
        self.card, self.doorbell = self.message()
        own, self.vector = self.message()
        assert own == self.own != self.card
        self.registers = mmap.mmap(shared, 4096)
        os.close(shared)
        test.addCleanup(os.close, self.doorbell)
        test.addCleanup(os.close, self.vector)

    def message(self):
        data, fds, _, _ = socket.recv_fds(self.peer, 8, 1)
        return struct.unpack("<q", data)[0], fds[0] if fds else None

    def read(self, register):
        return struct.unpack_from("<I", self.registers, register)[0]

    def write(self, register, value):
        struct.pack_into("<I", self.registers, register, value)
        if register in (CTRL, TAIL):
            assert self.read(DOORBELL) >> 16 == self.card
            os.eventfd_write(self.doorbell, 1)


class VfioUser(Machine):
    """The card as QEMU's vfio-user-pci sees it."""

    def __init__(self, test):
        super().__init__(test, "--vfio-user", "{folder}/bus")
        self.peer = self.connect("bus")
        test.addCleanup(self.peer.close)
        self.number = 0
        version = self.call(1, struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0')
        assert version[:4] == b"\0\0\0\0" and version.endswith(b"\0")
        info = self.call(4, struct.pack("<4I", 16, 0, 0, 0))
        _, flags, regions, irqs = struct.unpack("<4I", info)
        assert (flags, regions, irqs) == (3, 9, 5)
        self.call(2, struct.pack("<IIQQQ", 32, 3, 0, 0, RAM_BYTES), self.ram_fd)
        self.vector = os.eventfd(0)
        test.addCleanup(os.close, self.vector)
        self.call(8, struct.pack("<5I", 20, 4 | 32, 1, 0, 1), self.vector)
        self.write_region(7, 4, struct.pack("<H", 6))   # memory and bus master

    def call(self, command, payload=b"", fd=None, reply=True):
        self.number += 1
        flags = 0 if reply else 0x10
        header = struct.pack("<HHIII", self.number, command, 16 + len(payload), flags, 0)
        socket.send_fds(self.peer, [header + payload], [] if fd is None else [fd])
        if not reply:
            return None
        number, same, size, flags, error = struct.unpack("<HHIII", self.exactly(16))
        assert (number, same) == (self.number, command)
        if flags & 0x20:
            raise OSError(error, os.strerror(error))
        return self.exactly(size - 16)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            data += self.peer.recv(count - len(data))
        return data

    def read_region(self, region, offset, count):
        answer = self.call(9, struct.pack("<QII", offset, region, count))
        assert answer[:16] == struct.pack("<QII", offset, region, count)
        return answer[16:]

    def write_region(self, region, offset, data):
        self.call(10, struct.pack("<QII", offset, region, len(data)) + data, reply=False)

    def read(self, register):
        return struct.unpack("<I", self.read_region(0, register, 4))[0]

    def write(self, register, value):
        self.write_region(0, register, struct.pack("<I", value))


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def configure(machine):
    for register, value in ((RING_LO, RING), (COMPLETIONS_LO, COMPLETIONS), (RING_LOG2, 4),
                            (CHANNELS, 1), (SAMPLES, FRAME // 2), (FORMAT, 16),
                            (PATTERN, COUNTER), (AMPLITUDE, 0x10000), (TAIL, 0)):
        machine.write(register, value)


def post(machine, frames):
    for i in range(frames):
        machine.ram[RING + 16 * i:RING + 16 * i + 16] = struct.pack(
            "<QII", FRAMES + FRAME * i, FRAME, 3)
    machine.write(TAIL, frames)


class Attachment:
    """What holds on both; `machine` opens one."""

    def start(self):
        machine = self.machine(self)
        self.assertEqual(machine.read(ID), 0x47494456)
        configure(machine)
        machine.write(CTRL, 1)
        until(lambda: machine.read(STATUS) & 1)
        return machine

    def test_frames_and_interrupts_arrive_and_the_log_agrees(self):
        machine = self.start()
        post(machine, 4)
        self.assertTrue(select.select([machine.vector], [], [], 10)[0])
        until(lambda: machine.completion(3)[3] == 1)
        for i in range(4):
            self.assertEqual(machine.completion(i), (i, i * FRAME // 2, 0, 1))
            at = FRAMES + FRAME * i
            samples = struct.unpack(f"<{FRAME // 2}H", machine.ram[at:at + FRAME])
            self.assertEqual(list(samples), list(range(i * FRAME // 2, (i + 1) * FRAME // 2)))
        machine.write(CTRL, 0)
        until(lambda: not machine.read(STATUS) & 1)
        self.assertEqual(machine.end(), 0)
        lines = machine.log.read_text().splitlines()
        sent = [dict(pair.split("=") for pair in line.split()[1:]) for line in lines
                if line.startswith("frame ")]
        self.assertEqual([int(frame["sequence"]) for frame in sent], [0, 1, 2, 3])
        self.assertFalse([line for line in lines if line.startswith("check ")])

    def test_the_clock_moves_until_the_card_is_gone_and_it_comes_back(self):
        machine = self.start()
        before = machine.read(TIME_MS)
        until(lambda: machine.read(TIME_MS) != before)
        machine.ctl("fault", "gone")
        self.assertEqual(machine.read(ID), 0xFFFFFFFF)
        self.assertIn("gone=1", machine.ctl("stats"))
        machine.ctl("fault", "back")
        self.assertEqual(machine.read(ID), 0x47494456)
        self.assertEqual(machine.read(RING_LOG2), 0)

    def test_a_wrong_driver_shows_in_the_exit_status(self):
        machine = self.start()
        machine.write(TAIL, 1000)
        until(lambda: machine.read(STATUS) & 8)
        self.assertIn("doorbell-overrun 1", machine.ctl("check"))
        self.assertEqual(machine.end(), 3)

    def test_a_disconnect_is_a_power_cycle(self):
        machine = self.start()
        machine.peer.close()
        until(lambda: "running=0" in machine.ctl("stats"))
        self.assertEqual(machine.end(), 0)

    def test_the_exit_fault_ends_the_process(self):
        machine = self.start()
        machine.ctl("fault", "exit")
        self.assertEqual(machine.process.wait(10), 0)

    def test_a_bad_command_is_explained(self):
        machine = self.start()
        with self.assertRaisesRegex(RuntimeError, "no such fault 'frob'"):
            machine.ctl("fault", "frob")
        with self.assertRaisesRegex(RuntimeError, "try 'help'"):
            machine.ctl("frob")


class IvshmemTest(Attachment, unittest.TestCase):
    machine = Ivshmem


class VfioUserTest(Attachment, unittest.TestCase):
    machine = VfioUser

    def test_identity_and_capabilities_are_read_from_configuration_space(self):
        machine = self.machine(self)
        self.assertEqual(machine.read_region(7, 0, 4), struct.pack("<HH", 0x1234, 0xD161))
        machine.ctl("fault", "gone")
        self.assertEqual(machine.read_region(7, 0, 4), b"\xff" * 4)

    def test_bad_messages_get_an_error_and_harm_nothing(self):
        machine = self.start()
        for command, payload in (
                (6, b""), (99, b""), (2, b"short"),
                (5, struct.pack("<IIIIQQ", 32, 0, 9, 0, 0, 0)),
                (8, struct.pack("<5I", 20, 4 | 32, 1, 0, 2)),
                (9, struct.pack("<QII", 4090, 0, 8)),
                (9, struct.pack("<QII", 0, 3, 4)),
                (9, struct.pack("<QII", 2**64 - 4, 0, 8))):
            with self.assertRaises(OSError):
                machine.call(command, payload)
        self.assertEqual(machine.read(ID), 0x47494456)

    def test_work_without_bus_mastering_is_reported(self):
        machine = self.start()
        machine.write_region(7, 4, struct.pack("<H", 2))
        machine.write(TAIL, 1)
        self.assertIn("no-bus-master 1", machine.ctl("check"))

    def test_memory_that_was_unmapped_is_not_written(self):
        machine = self.start()
        machine.call(3, struct.pack("<IIQQ", 24, 0, 0, RAM_BYTES))
        machine.call(2, struct.pack("<IIQQQ", 32, 3, 0, 0, FRAMES), machine.ram_fd)
        post(machine, 1)
        until(lambda: machine.completion(0)[3] == 1)
        self.assertEqual(machine.completion(0)[2] & 8, 8)
        self.assertIn("unmapped 1", machine.ctl("check"))
        self.assertEqual(machine.ram[FRAMES:FRAMES + FRAME], bytes(FRAME))

    def test_a_bus_reset_is_a_power_cycle(self):
        machine = self.start()
        machine.call(13)
        self.assertEqual(machine.read(STATUS), 0)
        self.assertEqual(machine.read_region(7, 4, 2), b"\0\0")


if __name__ == "__main__":
    CARD = sys.argv.pop(1)
    unittest.main()
