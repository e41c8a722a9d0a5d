#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What <ndma.h> declares is what the library exports, no more and no less. Speaks TAP.

symbols.py NDMA_H LIBNDMA_MAP LIBNDMA_SO
"""
import re
import subprocess
import sys
from pathlib import Path

DECLARED = re.compile(r"^(?!static)[a-z][\w ]*[ *](ndma_\w+)\(", re.MULTILINE)
MAPPED = re.compile(r"^\t(ndma_\w+);", re.MULTILINE)
EXPORTED = re.compile(r" T (ndma_\w+)(@@LIBNDMA_[\d.]+)$", re.MULTILINE)


def main(header, version_script, library):
    declared = set(DECLARED.findall(Path(header).read_text()))
    mapped = set(MAPPED.findall(Path(version_script).read_text()))
    listing = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    exported = {name for name, _ in EXPORTED.findall(listing)}
    others = [line for line in listing.splitlines() if not re.search(r" (T ndma_|A LIBNDMA_)", line)]
    results = {
        "every_declared_function_is_in_the_version_script": declared ^ mapped,
        "every_function_of_the_version_script_is_exported_with_its_version": mapped ^ exported,
        "nothing_else_is_exported": others,
    }
    print(f"TAP version 13\n1..{len(results)}")
    for number, (sentence, wrong) in enumerate(results.items(), 1):
        print(f"{'not ' if wrong else ''}ok {number} symbols.{sentence}")
        for name in sorted(wrong):
            print(f"# {name}")
    return any(results.values())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
