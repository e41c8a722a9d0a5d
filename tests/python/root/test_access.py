# SPDX-License-Identifier: MIT
"""What a person meets whom the nodes are closed to: what is so, and what would change it."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OPEN = "import ndma; ndma.open('edu0')"
ALLOCATE = "import ndma; ndma.empty(4)"


NODE = Path("/dev/ndma/edu0")
RULE = Path("/usr/lib/udev/rules.d/60-ndma.rules")


def start_as(user, *command):
    """Without the groups that the user has."""
    return subprocess.Popen(["setpriv", "--reuid", user, "--regid", user, "--clear-groups", *command],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "HOME": f"/home/{user}", "NDMA_BACKEND": "kernel"})


def as_stranger(*command):
    started = start_as("stranger", *command)
    out, err = started.communicate(timeout=120)
    return subprocess.CompletedProcess(command, started.returncode, out, err)


@contextlib.contextmanager
def roots_alone():
    """The node as the kernel makes it."""
    before = NODE.stat()
    os.chown(NODE, 0, 0)
    NODE.chmod(0o600)
    try:
        yield
    finally:
        os.chown(NODE, before.st_uid, before.st_gid)
        NODE.chmod(before.st_mode & 0o777)


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


def test_a_member_whose_session_began_before_is_not_told_to_join():
    started = start_as("tester", "ndma", "info", "edu0")
    _, err = started.communicate(timeout=120)
    assert started.returncode == 1
    assert "tester is in the group ndma" in err and "log in again" in err, err
    assert "usermod" not in err, err


def test_a_node_that_is_roots_alone_is_told_as_that():
    with roots_alone():
        err = as_stranger("ndma", "info", "edu0").stderr
    assert "root's alone (mode 0600)" in err and "sudo udevadm trigger" in err, err
    assert "usermod" not in err, err


def test_without_the_rule_of_udev_it_is_what_is_missing(tmp_path):
    shutil.move(RULE, tmp_path / RULE.name)
    try:
        with roots_alone():
            err = as_stranger("ndma", "info", "edu0").stderr
    finally:
        shutil.move(tmp_path / RULE.name, RULE)
    assert "60-ndma.rules is not installed" in err and "trigger" not in err, err


def test_right_after_modprobe_the_first_command_waits_for_udev():
    subprocess.run(["rmmod", "ndma_sim"], check=True)
    subprocess.run(["udevadm", "settle"], check=True)
    subprocess.run(["udevadm", "control", "--stop-exec-queue"], check=True)
    try:
        subprocess.run(["modprobe", "ndma_sim"], check=True)
        assert Path("/dev/ndma/sim0").stat().st_gid == 0
        # A tester of a new session is let in as soon as udev has been at the node.
        waiting = subprocess.Popen(["setpriv", "--reuid", "tester", "--regid", "tester", "--init-groups",
                                    "ndma", "info", "sim0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=0.5)
    finally:
        subprocess.run(["udevadm", "control", "--start-exec-queue"], check=True)
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0 and "sim0" in out, err
