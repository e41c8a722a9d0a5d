#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the benchmarks in the guests, print a table, write build/bench.json.

Figures on the instruction clock have bars and decide the exit status; wall-clock ratios are
reported beside them and never fail a run.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "tests" / "vm" / "run"
PROGRAMS = "/usr/libexec/ndma"
KERNELS = {"bookworm": "6.1", "trixie": "6.12", "sid": "7.2"}


def at_most(limit):
    return lambda guest, row: (limit, row["value"] <= limit)


def at_most_by_guest(bookworm, later):
    def holds(guest, row):
        limit = bookworm if guest == "bookworm" else later
        return limit, row["value"] <= limit
    return holds


def of_peer(peer, ratio):
    """At most `ratio` of a peer measured in the same boot; no verdict where the kernel lacks it."""
    def holds(guest, row):
        if peer not in row["peers"]:
            return None, None
        limit = row["peers"][peer] * ratio
        return round(limit), row["value"] <= limit
    return holds


def goal_of_peer(peer, ratio):
    """At least `ratio` of a peer measured by turns: by wall clock, so reported only."""
    return lambda guest, row: (round(row["peers"][peer] * ratio), None)


def flat(ratio):
    """Within `ratio` of the cheapest of its peers, the same step at other sizes."""
    def holds(guest, row):
        limit = min(row["peers"].values()) * ratio
        return round(limit, 1), row["value"] <= limit
    return holds


BARS = {
    "map_touch_unmap_4MiB": at_most_by_guest(70_000, 45_000),
    "map_touch_unmap_4MiB_received_fd": at_most_by_guest(105_000, 60_000),
    "alloc_free_64MiB": of_peer("dma_heap/system", 1.02),
    "alloc_free_4KiB": of_peer("with 10 alive", 1.05),
    "lease_acquire_release": at_most(2_600),
    "transfer_begin_end": at_most(3_000),
    "transfer_begin_end_fence": at_most(6_000),
    "transfer_guarded_touch_4MiB": at_most(60_000),
    "transfer_guarded_touch_4MiB_faults": at_most(2),
    "stream_next_release": at_most(60),
    "stream_next_release_drain": at_most(160),
    "stream_syscalls_1024_frames": lambda guest, row: (0, row["value"] == 0),
    "stream_flat_by_frames": flat(1.25),
    "stream_flat_by_bytes": flat(1.25),
    "stream_next_frame_of_a_full_ring": flat(1.25),
    "python_step_array": at_most(0.8),
    "python_step_asarray": at_most(1.5),
    "python_array_held": at_most(0.8),
    "python_array_alone": at_most(1.6),
    "python_asarray_held": at_most(1.5),
    "python_asarray_alone": at_most(2.2),
    "python_import": at_most(1.03),
    "disk_from_frames": goal_of_peer("anonymous memory", 0.95),
}
# By wall clock: reported, and never a reason to fail.
GOALS = {"numpy_sum_mapped": 0.97, "card_every_sample_checked": 0.8,
         "card_4KiB_frames_lossless": 5_000, "card_python_sum_1MiB": 1.05}
ICOUNT = ("--memory", "3G", "--icount")
WALL = ("--memory", "3G")
# The digitizer over ivshmem reaches 2 GiB.
CARD = ("--memory", "2G", "--card", "vdig")
COMMANDS = (((f"{PROGRAMS}/ndma-bench",), ICOUNT),
            (("python3", f"{PROGRAMS}/bench.py"), ICOUNT),
            (("python3", f"{PROGRAMS}/bench.py", "wall"), WALL),
            ((f"{PROGRAMS}/ndma-bench", "disk"), (*WALL, "--nvme", "256M")),
            (("sh", "-ec", f"{PROGRAMS}/ndma-bench-card; python3 {PROGRAMS}/bench-card.py"), CARD))


def measure(guest, command, machine):
    """Rows that a program prints in a guest."""
    done = subprocess.run(
        [str(RUN), "--guest", guest, *machine, "--root", "--timeout", "900", "--", *command],
        stdout=subprocess.PIPE, text=True)
    rows = [json.loads(text) for text in done.stdout.splitlines() if text.startswith('{"name"')]
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"bench: {guest}: {' '.join(command)}: exit status {done.returncode}")
    for row in rows:
        row["guest"] = guest
        row["bar"], row["holds"] = BARS.get(row["name"], lambda *_: (GOALS.get(row["name"]), None))(guest, row)
    return rows


def table(rows):
    for row in rows:
        peers = ", ".join(f"{name} {value:,.10g} ({row['value'] / value:.3g}×)" if value else f"{name} 0"
                          for name, value in row["peers"].items())
        verdict = {True: "holds", False: "MISSED", None: "reported"}[row["holds"]]
        bar = "" if row["bar"] is None else f"{row['bar']:,}"
        print(f"{row['name']:38} {KERNELS[row['guest']]:5} {row['value']:>14,.10g} {row['unit']:13} "
              f"{bar:>12} {verdict:9} {peers}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guest", action="append", choices=KERNELS)
    guests = parser.parse_args().guest or list(KERNELS)

    print(f"{'what':38} {'linux':5} {'ours':>14} {'unit':13} {'bar':>12} {'':9} peers (ours / peer)")
    rows = []
    for guest in guests:
        for command, machine in COMMANDS:
            found = measure(guest, command, machine)
            table(found)
            rows += found
    keys = ("name", "guest", "value", "unit", "peers", "bar", "holds")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(
        json.dumps([{key: row[key] for key in keys} for row in rows], indent=1) + "\n")
    missed = [row for row in rows if row["holds"] is False]
    print(f"{len(rows) - len(missed)} passed, {len(missed)} failed")
    sys.exit(bool(missed))


main()
