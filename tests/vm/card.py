# SPDX-License-Identifier: MIT
"""The cards of a guest: what QEMU is told of them, and the processes that are the virtual ones."""
import argparse
import os
import subprocess
from pathlib import Path

import machine

NAMES = ("edu", "vdig", "vdig-vfio")
# Each is in a slot, so that it can be unplugged: device_del card, device_del vdig.
SLOTS = {"edu": "bay", "vdig": "vdig-bay", "vdig-vfio": "vdig-bay"}
# The suite's cards in each setting. The virtual digitizer reaches memory through an IOMMU only as a PCI
# function of a newer QEMU, of which there is none for arm64.
CARDS_OF_SUITE = {"plain": "edu,vdig", "iommu": "edu,vdig-vfio", "swiotlb": "edu,vdig-vfio", "noncoherent": "edu"}
# The virtual digitizer's exit status when its driver did something that the data sheet forbids.
DRIVER_WRONG = 3
END_TIMEOUT = 10
# In a guest's build.
PROGRAM = "programs/meson/tests/card/vdig-card"


def parse(text):
    """The names in an option such as "edu,vdig", for argparse."""
    names = [] if text == "none" else text.split(",")
    if not set(names) <= set(NAMES) or len({SLOTS[name] for name in names}) != len(names):
        raise argparse.ArgumentTypeError(
            f"'{text}': expected none, edu, vdig, vdig-vfio, or edu and one of the others "
            "separated by a comma")
    return names


def machine_of_suite(setting, guest):
    """What the suite tells `run` of its machine, and that root runs it."""
    cards = CARDS_OF_SUITE[setting]
    if machine.is_arm64(guest):
        cards = cards.removesuffix(",vdig-vfio")
    return ["--guest", guest, "--setting", setting, "--card", cards, "--nvme", "256M", "--monitor", "--root"]


def size_of(memory):
    """Bytes of a size as QEMU takes it: 512M, 2G, or a number of MiB."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(memory.rstrip("KMG")) * units.get(memory[-1], 1 << 20)


class Cards:
    """The cards of one run, used as a context manager around QEMU's life.

    Parameters
    ----------
    names : list of str
        From parse().
    folder : Path
        For sockets; its path is short.
    out : Path
        Where the digitizer's log goes (vdig.log), what it says (vdig.messages), and a link to
        its control socket (vdig.control).
    memory : str
        The guest's, as QEMU takes it.
    prepare : callable
        Runs one of the rig's tools and returns the path it prints.
    guest : str
        Whose build of the digitizer is used, trixie's with arm64: it is linked statically, and runs on any amd64.
    """

    def __init__(self, names, *, folder, out, memory, prepare, guest):
        self.names, self.folder, self.out, self.memory = names, Path(folder), out, memory
        self.vdig = next((name for name in names if name.startswith("vdig")), None)
        self.qemu = machine.emulator(guest)
        self.ram_start = machine.ARM64_RAM if machine.is_arm64(guest) else 0
        if self.vdig:
            builds = "trixie" if machine.is_arm64(guest) else guest
            self.program = prepare("build", builds, "programs").parent / PROGRAM
        if self.vdig == "vdig-vfio":
            self.qemu = prepare("qemu")
        self.process = None
        self.fds = []

    def __enter__(self):
        if self.vdig:
            self.ram = os.memfd_create("ram")
            os.ftruncate(self.ram, size_of(self.memory))
            self.fds = [self.ram]
            self.start()
        return self

    def __exit__(self, *exception):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.fds:
            os.close(self.ram)
        link = self.out / "vdig.control"
        link.unlink(missing_ok=True)

    def start(self):
        """Start the digitizer's process; returns when QEMU may be started."""
        socket, control = self.folder / "vdig", self.folder / "vdig.control"
        attachment = ["--vfio-user", socket] if self.vdig == "vdig-vfio" else [
            "--ivshmem", socket, "--ram", f"/proc/self/fd/{self.ram}", "--ram-start", str(self.ram_start)]
        with (self.out / "vdig.messages").open("wb") as messages:
            self.process = subprocess.Popen(
                [self.program, *attachment, "--check", "--control", control,
                 "--log", self.out / "vdig.log"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages,
                pass_fds=self.fds)
        with self.process.stdout:
            if self.process.stdout.readline() != b"ready\n":
                raise RuntimeError((self.out / "vdig.messages").read_text())
        (self.out / "vdig.control").unlink(missing_ok=True)
        (self.out / "vdig.control").symlink_to(control)

    def end(self):
        """End the digitizer in order; what it has to complain of, as lines."""
        if not self.process:
            return []
        self.process.terminate()
        try:
            status = self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            return [f"the digitizer does not end within {END_TIMEOUT} s"]
        if status not in (0, DRIVER_WRONG):
            return [f"the digitizer ended with status {status}"]
        said = (self.out / "vdig.messages").read_text(errors="replace").splitlines()
        return said if status == DRIVER_WRONG else []

    def arguments(self, edu):
        """QEMU's arguments for memory and cards; `edu` is that card's -device."""
        words = ["-m", self.memory]
        if self.vdig:
            words += ["-machine", "memory-backend=ram", "-object",
                      f"memory-backend-file,id=ram,size={self.memory},share=on,"
                      f"mem-path=/proc/self/fd/{self.ram}"]
        slots = dict.fromkeys(["bay", *(SLOTS[name] for name in self.names)])
        for number, slot in enumerate(slots):
            words += ["-device", f"pcie-root-port,id={slot},chassis={number + 1}"]
        if "edu" in self.names:
            words += ["-device", edu]
        socket = self.folder / "vdig"
        if self.vdig == "vdig":
            words += ["-chardev", f"socket,id=vdig-bus,path={socket}", "-device",
                      "ivshmem-doorbell,id=vdig,bus=vdig-bay,chardev=vdig-bus,vectors=1"]
        if self.vdig == "vdig-vfio":
            words += ["-device", '{"driver":"vfio-user-pci","id":"vdig","bus":"vdig-bay",'
                      f'"socket":{{"type":"unix","path":"{socket}"}}}}']
        if self.vdig:
            # The way from the guest to the digitizer's control socket, for tests/card/ctl.
            words += ["-chardev", f"socket,id=vdig-control,path={self.folder}/vdig.control",
                      "-device", "virtserialport,chardev=vdig-control,name=ndma.card"]
        return words
