# SPDX-License-Identifier: MIT
"""What in a kernel log fails a run."""
import re

# First lines of reports. Lines that follow them (traces, registers) are shown, not matched.
BAD = re.compile("|".join((
    r"WARNING:", r"\bBUG[: ]", r"\bOops\b", r"Kernel panic",
    r"general protection fault", r"unable to handle",
    # Whatever a die() is called.
    r": [0-9a-f]{4} \[#\d+\]", r"KASAN:", r"UBSAN:", r"DMA-API: (?!.*preallocated|.*debugging enabled)",
    r"refcount_t:", r"list_(add|del) corruption", r"INFO: (task|rcu|possible|lockdep)",
    r"rcu: INFO:", r"possible (circular|recursive|irq)", r"suspicious RCU usage",
    # The guest's: a cgroup's own is "Memory cgroup out of memory", and some tests are about it.
    r"Out of memory: Killed",
    r"soft lockup", r"hard LOCKUP", r"page allocation failure", r"scheduling while atomic",
    r"sleeping function called", r"unreferenced object", r"DMAR: \[", r"Bad page state",
    r"Object .* still in use|objects remaining", r"workqueue lockup", r"stack-protector:",
    # A net that switches itself off.
    r"leak detector disabled", r"turning off the locking correctness validator",
    # A trace through ndma, whatever it is called.
    r"^(\[[^]]*\])? +\w[\w.]*\+0x[0-9a-f]+/0x[0-9a-f]+ \[ndma",
)))

# A breakpoint that a vCPU of TCG still executes when the kernel has put the instruction back: QEMU drops a
# page's translations before the write that changes it, and one made in between stays. Seen in QEMU 7.2 and
# 11.1 (40 s of switching a static key), and once in some sixty boots by itself. Linux never leaves one behind.
STALE_BREAKPOINT = re.compile(r"int3: [0-9a-f]{4} \[#1\]")

SHOWN_AFTER = 25


def problems(log):
    """The bad lines of a log, each first one with what follows it, for the person to read."""
    lines = log.splitlines()
    found = []
    last = -1
    for number, line in enumerate(lines):
        if not BAD.search(line) or line in found:
            continue
        if number > last:
            last = min(len(lines), number + SHOWN_AFTER)
            found += [shown for shown in lines[number:last] if shown not in found]
    return found


def is_qemus(log):
    """Whether the first bad line is a mistake of QEMU's, in code that is not ndma's."""
    lines = log.splitlines()
    first = next((number for number, line in enumerate(lines) if BAD.search(line)), None)
    if first is None or not STALE_BREAKPOINT.search(lines[first]):
        return False
    where = next((line for line in lines[first:] if "RIP:" in line), "")
    return "[ndma" not in where
