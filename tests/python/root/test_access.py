# SPDX-License-Identifier: MIT
"""What a person meets who is not in the group ndma."""

import os
import subprocess
import sys

import pytest

OPEN = "import ndma; ndma.open('edu0')"
ALLOCATE = "import ndma; ndma.empty(4)"


def as_stranger(*command):
    return subprocess.run(["setpriv", "--reuid", "stranger", "--regid", "stranger", "--clear-groups",
                           *command], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "HOME": "/home/stranger", "NDMA_BACKEND": "kernel"})


@pytest.mark.parametrize("command", [
    ("ndma", "info", "edu0"),
    ("ndma-acquire", "edu0", "--count", "1", "--samples", "64", "--output", "/tmp/x.npy"),
    (sys.executable, "-c", OPEN),
    (sys.executable, "-c", ALLOCATE),
], ids=["ndma", "ndma-acquire", "open", "empty"])
def test_who_is_not_in_the_group_is_told_which_to_join(command):
    done = as_stranger(*command)
    assert done.returncode != 0
    assert "sudo usermod -aG ndma" in done.stderr, done.stderr
    assert done.stderr.count("Traceback") == (command[0] == sys.executable)


@pytest.mark.parametrize("code", [OPEN, ALLOCATE])
def test_for_python_that_is_a_permission_error(code):
    assert "\nPermissionError: " in as_stranger(sys.executable, "-c", code).stderr
