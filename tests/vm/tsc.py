# SPDX-License-Identifier: MIT
"""How fast this machine's time stamp counter is, which is also a guest's under TCG.

A guest measures that when it boots. When this machine is busy it can be wrong by a factor of ten, and
then all of its timeouts come too early.
"""
import ctypes
import mmap
import platform
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
SPAN_NS = 100_000_000
TRIES = 50


def moment(read_tsc):
    """A time and the counter at that time, as close together as one of some tries gets them."""
    best = None
    for _ in range(TRIES):
        before = time.monotonic_ns()
        counter = read_tsc()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) // 2, counter
    return best[1:]


def khz():
    """Thousands of ticks a second; 0 where a guest does not count as this machine does."""
    if platform.machine() != "x86_64":
        return 0
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(READ_TSC)
        address = ctypes.c_char.from_buffer(page)
        read_tsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(address))
        start_ns, start = moment(read_tsc)
        time.sleep(SPAN_NS / 1e9)
        end_ns, end = moment(read_tsc)
        del address, read_tsc
    return round((end - start) * 1_000_000 / (end_ns - start_ns))
