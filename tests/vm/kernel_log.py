# SPDX-License-Identifier: MIT
"""What in a kernel log fails a run."""
import re

# First lines of reports. Lines that follow them (traces, registers) are shown, not matched.
BAD = re.compile("|".join((
    r"WARNING:", r"\bBUG[: ]", r"\bOops\b", r"Kernel panic",
    r"general protection fault", r"unable to handle", r"KASAN:", r"UBSAN:", r"DMA-API: (?!.*preallocated|.*debugging)",
    r"refcount_t:", r"list_(add|del) corruption", r"INFO: (task|rcu|possible|lockdep)",
    r"rcu: INFO:", r"possible (circular|recursive|irq)", r"suspicious RCU usage",
    r"soft lockup", r"hard LOCKUP", r"page allocation failure", r"scheduling while atomic",
    r"sleeping function called", r"unreferenced object", r"DMAR: \[", r"Bad page state",
    r"Object .* still in use|objects remaining", r"workqueue lockup", r"stack-protector:",
    # A trace through ndma, whatever it is called.
    r"^(\[[^]]*\])? +\w[\w.]*\+0x[0-9a-f]+/0x[0-9a-f]+ \[ndma",
)))

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
