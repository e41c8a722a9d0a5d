#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""See that what the fuzzer finds is kept, and found again by replay: the same call, the same answer.

Root; TAP. The find is planted: who reads the directory "power" as if it were an attribute gets
EISDIR whatever other threads do, and that answer is declared to be wrong.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FUZZ = Path(__file__).resolve().parent / "fuzz"
WRONG = ["--wrong", "attribute=21"]


def fuzz(*arguments, out):
    """Run the fuzzer; its status, the call that it complains of, and its output."""
    done = subprocess.run([FUZZ, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", env={**os.environ, "NDMA_OUT": out})
    found = re.search(r"^# (call .*)$", done.stdout, re.MULTILINE)
    return done.returncode, found and found[1], done.stdout


def tell(number, name, passed, output):
    print(f"{'ok' if passed else 'not ok'} {number} {name}", flush=True)
    if not passed:
        print("".join(f"# | {line}\n" for line in output.splitlines()[-20:]), end="")
    return passed


def main():
    print("1..3", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-replay-") as out:
        # The fuzzer is nobody when it writes there.
        os.chmod(out, 0o777)
        failure = Path(out) / "fuzz-failure.txt"
        status, found, output = fuzz("--seconds", "300", *WRONG, out=out)
        results = [tell(1, f"a program with a wrong answer is kept ({found})",
                        status == 1 and found and failure.exists(), output)]
        status, again, output = fuzz("--replay", failure, "--repeat", "1", *WRONG, out=out)
        results.append(tell(2, f"its replay gives the same answer ({again})",
                            status == 1 and found and again == found, output))
        status, again, output = fuzz("--replay", failure, "--repeat", "1", out=out)
        results.append(tell(3, "a replay in which nothing is wrong passes",
                            status == 0 and not again, output))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
