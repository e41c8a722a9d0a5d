# SPDX-License-Identifier: MIT
"""The machine that QEMU is for a guest: amd64's or arm64's, and how a device reaches its memory."""
import subprocess

import tsc

GUESTS = ("bookworm", "trixie", "sid", "debug", "trixie-arm64", "trixie-arm64-16k")
SETTINGS = ("plain", "iommu", "swiotlb", "noncoherent")
# Where memory begins in the machine "virt".
ARM64_RAM = 1 << 30

ICOUNT = ["-icount", "shift=0,sleep=off", "-accel", "tcg,thread=single", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
ICOUNT_CMDLINE = " nokaslr norandmaps"
WALL_CLOCK = ["-accel", "tcg,thread=multi"]


def is_arm64(guest):
    return "-arm64" in guest


def settings_of(guest):
    """Those that this guest's machine has: amd64's devices are always coherent."""
    return SETTINGS if is_arm64(guest) else SETTINGS[:-1]


def emulator(guest):
    return "qemu-system-aarch64" if is_arm64(guest) else "qemu-system-x86_64"


def how_to_set_up(guest):
    return "tests/vm/setup" + (" tests/vm/arm64/host-packages" if is_arm64(guest) else "")


def processors(options):
    return 1 if options.icount else options.cpus


def edu_bits(options):
    """The edu card's address bits: 28 of QEMU's own accord, of which bounce buffers and arm64's memory want more."""
    return 32 if is_arm64(options.guest) or options.setting == "swiotlb" else 28


def amd64(options):
    """QEMU's arguments for q35, and the kernel's."""
    # Without erms, because QEMU does `rep movsb` a byte at a time: a page is copied in a third of the time. And
    # not with fsrm alone, which Linux 6.1 takes to mean erms: it dies at once.
    processor = "max,-rdrand,-rdseed" if options.icount else "max,-erms,-fsrm"
    arguments = ["-machine", "q35,kernel-irqchip=split", "-cpu", processor]
    cmdline = "console=ttyS0 tsc=reliable no_timer_check"
    if options.setting == "iommu":
        arguments += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
        cmdline += " intel_iommu=on"
    if not options.icount and (rate := tsc.khz()):
        cmdline += f" tsc_early_khz={rate}"
    return arguments, cmdline


def arm64(options, folder):
    """The same for virt, whose memory begins at 1 GiB."""
    # A Cortex-A57, as many boards have it, has no hardware dirty bit, and no pages of 16 KiB.
    processor = "max,pauth-impdef=on" if options.guest.endswith("-16k") else "cortex-a57"
    iommu = ",iommu=smmuv3" if options.setting == "iommu" else ""
    arguments = ["-machine", f"virt,gic-version=3{iommu}", "-cpu", processor]
    if options.setting == "noncoherent":
        arguments += ["-dtb", noncoherent_tree(options, arguments, folder)]
    return arguments, "console=ttyAMA0"


def noncoherent_tree(options, arguments, folder):
    """The file of a device tree in which PCI devices do not see the processor's caches: QEMU's own says they do."""
    tree = f"{folder}/noncoherent.dtb"
    subprocess.run([emulator(options.guest), *arguments, "-machine", f"dumpdtb={tree}", "-display", "none",
                    "-smp", str(processors(options)), "-m", options.memory], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["fdtput", "-d", tree, "/pcie@10000000", "dma-coherent"], check=True)
    return tree


def of(options, folder):
    """QEMU's arguments for the machine of a run, whose temporary files are in `folder`, and its kernel's."""
    arguments, cmdline = arm64(options, folder) if is_arm64(options.guest) else amd64(options)
    if options.icount:
        cmdline += ICOUNT_CMDLINE
    if options.setting == "swiotlb":
        cmdline += " swiotlb=131072,force"
    if edu_bits(options) != 28:
        cmdline += f" ndma_edu.dma_bits={edu_bits(options)}"
    return ([*arguments, *(ICOUNT if options.icount else WALL_CLOCK), "-smp", str(processors(options))],
            f"{cmdline} mitigations=off")
