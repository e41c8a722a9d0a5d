#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure the user-space path on this machine, without a module: a table and build/bench-native.json.

Instructions are counted by valgrind, user side only: what a system call costs beyond that is in
the wall-clock figures beside them, taken by turns in one run. Instructions and frames a second of
processor time have bars and decide the exit status.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "bench"
COUNT = 51_200

BARS = {
    "native_ready_frame": lambda value: (60, value <= 60),
    "native_frames_a_second": lambda value: (10_000_000, value >= 10_000_000),
    "native_python_step": lambda value: (0.8, value <= 0.8),
    "native_python_step_asarray": lambda value: (1.5, value <= 1.5),
    "native_numpy_sum_mapped": lambda value: (0.97, None),
}


def prepare(build):
    """Build the program and the package; the environment in which both run."""
    if not (build / "build.ninja").exists():
        headers = subprocess.check_output([ROOT / "tests/vm/linux-source"], text=True).strip()
        subprocess.run(["meson", "setup", build, ROOT, "-Dtests=true",
                        f"-Dkselftest_dir={headers}/tools/testing/selftests"],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "all", "tests/bench/ndma-bench-native"],
                   check=True, stdout=subprocess.DEVNULL)
    return {**os.environ, "NDMA_BACKEND": "memfd", "PYTHONPATH": str(build / "python"),
            "LD_LIBRARY_PATH": str(build / "lib"), "PYTHONHASHSEED": "0"}


def count_instructions(environment, command, *options):
    """Instructions of the program's first thread."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=yes",
                        f"--callgrind-out-file={place}/out", *options, *map(str, command)],
                       check=True, env=environment)
        threads = sorted(pathlib.Path(place).glob("out-*"))
        return int(re.search(r"^totals: (\d+)", threads[0].read_text(), re.MULTILINE)[1])


def ready_frame(environment, program):
    ways = {way: count_instructions(environment, [program, way, COUNT],
                                    f"--toggle-collect=take_{way}") / COUNT
            for way in ("ring", "pipe", "eventfd")}
    return {"name": "native_ready_frame", "unit": "instructions", "value": round(ways["ring"], 1),
            "peers": {"pipe": round(ways["pipe"], 1), "eventfd ring": round(ways["eventfd"], 1)}}


def python_steps(environment):
    """Differences of two counts, so that starting Python and filling rings are in neither."""
    few, many = 500, 2500
    command = [sys.executable, HERE / "native_step.py"]

    def cost(kind):
        counts = [count_instructions(environment, [*command, kind, number])
                  for number in (few, many)]
        return (counts[1] - counts[0]) / (many - few)

    peer = cost("frombuffer")
    for name, kind in (("native_python_step", "array"), ("native_python_step_asarray", "asarray")):
        step = cost(kind)
        yield {"name": name, "unit": "ratio", "value": round(step / peer, 3),
               "peers": {"step": round(step), "np.frombuffer": round(peer)}}


def printed(environment, *command):
    return json.loads(subprocess.check_output([str(part) for part in command], env=environment))


def measure(environment, build):
    program = build / "tests/bench/ndma-bench-native"
    yield ready_frame(environment, program)
    yield printed(environment, program, "wall")
    yield printed(environment, program, "rate")
    yield from python_steps(environment)
    yield printed(environment, sys.executable, HERE / "native_step.py", "sum")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "native",
                        help="Meson's directory, made where it is missing (default: %(default)s)")
    build = parser.parse_args().build.resolve()
    environment = prepare(build)
    rows = []
    print(f"{'what':28} {'ours':>14} {'unit':13} {'bar':>12} {'':9} peers")
    for row in measure(environment, build):
        row["guest"] = "native"
        row["bar"], row["holds"] = BARS.get(row["name"], lambda _: (None, None))(row["value"])
        verdict = {True: "holds", False: "MISSED", None: "reported"}[row["holds"]]
        bar = "" if row["bar"] is None else f"{row['bar']:,}"
        peers = ", ".join(f"{name} {value:,}" for name, value in row["peers"].items())
        print(f"{row['name']:28} {row['value']:>14,} {row['unit']:13} {bar:>12} {verdict:9} {peers}",
              flush=True)
        rows.append(row)
    keys = ("name", "guest", "value", "unit", "peers", "bar", "holds")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-native.json").write_text(
        json.dumps([{key: row[key] for key in keys} for row in rows], indent=1) + "\n")
    sys.exit(any(row["holds"] is False for row in rows))


main()
