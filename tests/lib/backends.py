# SPDX-License-Identifier: MIT
"""What tests of a whole program share: each test on every backend, in TAP.

A program that uses it takes -v BACKEND, only on that one, and -V BACKEND, on all but that, as the harness of the C
tests has them.
"""
import argparse
from pathlib import Path

BACKENDS = ("kernel", "memfd")


def attempt(test, case):
    """Run one test; what TAP has before its number, and what behind its name."""
    if case.backend == "kernel" and not Path("/sys/class/ndma/heap").exists():
        return "ok", " # SKIP module ndma is not loaded"
    try:
        reason = test(case)
        return "ok", f" # SKIP {reason}" if reason else ""
    except Exception as error:
        return "not ok", f"\n# {error!r}"


def main(noun, tests, make_case):
    """Run the tests; the exit status. A test returns None, or why it had to be skipped.

    Parameters
    ----------
    noun : str
        What the tests are of: the first word of their names.
    tests : sequence of callable
        Given a case each; an exception is a failure.
    make_case : callable
        Given the name of a backend, a new case, whose attribute `backend` it is.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", dest="only", choices=BACKENDS)
    parser.add_argument("-V", dest="without", choices=BACKENDS)
    options = parser.parse_args()
    plan = [(test, backend) for backend in BACKENDS for test in tests
            if options.only in (None, backend) and options.without != backend]
    print(f"TAP version 13\n1..{len(plan)}")
    failed = False
    for number, (test, backend) in enumerate(plan, 1):
        result, words = attempt(test, make_case(backend))
        print(f"{result} {number} {noun}.{backend}.{test.__name__}{words}", flush=True)
        failed |= result != "ok"
    return failed
