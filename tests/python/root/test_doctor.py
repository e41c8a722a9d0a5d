# SPDX-License-Identifier: MIT
"""What `ndma doctor` says of a machine, in each state that a machine can be in."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import ndma
import pytest

RELEASE = os.uname().release
DKMS = pathlib.Path("/var/lib/dkms/ndma")


def examine(*prefix):
    """Exit status, and the findings: a list of (level, text) for each topic."""
    environment = {name: value for name, value in os.environ.items() if name != "NDMA_BACKEND"}
    done = subprocess.run([*prefix, "ndma", "doctor", "--json"], capture_output=True, text=True, timeout=120,
                          env=environment, check=False)
    assert done.stderr == "", done.stderr
    said = json.loads(done.stdout)
    findings = {}
    for finding in said["findings"]:
        findings.setdefault(finding["topic"], []).append((finding["level"], finding["text"]))
    faults = sum(level == "fault" for topic in findings.values() for level, _ in topic)
    assert (said["faults"], done.returncode) == (faults, int(faults > 0)), said
    return done.returncode, findings


def without(*folders):
    """What runs the command behind it where the folders are empty."""
    empty = " && ".join(f"mount -t tmpfs none {folder}" for folder in folders)
    return "unshare", "--mount", "sh", "-c", f'{empty} && exec "$@"', "sh"


# As a machine looks on which the module is not loaded: this process may have the heap open, and keeps it.
UNLOADED = "/sys/class/ndma", "/sys/module", "/dev/ndma"


@contextlib.contextmanager
def dkms(version, *made_for):
    for release in made_for or ("build",):
        (DKMS / version / release).mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(DKMS)


def test_a_machine_where_all_is_well_has_no_fault():
    status, findings = examine()
    assert status == 0, findings
    assert findings["library"] == [("ok", f"libndma {ndma.__version__}; new buffers and sources are those of kernel: "
                                          "module ndma is loaded")]
    assert findings["module"] == [("ok", f"module ndma {ndma.__version__} is loaded, on Linux {RELEASE}")]
    assert findings["node"] == [("ok", "/dev/ndma/heap opens for this user")]
    assert {text.split(":")[0] for _, text in findings["source"]} == set(ndma.sources())


def test_who_holds_a_source_is_named():
    with ndma.open("sim1"):
        _, findings = examine()
    [text] = [text for _, text in findings["source"] if text.startswith("sim1:")]
    assert f"held by {os.getpid()} (" in text, text


@pytest.mark.skipif("edu" not in os.environ.get("NDMA_CARD", ""), reason="this guest has no edu card")
def test_how_a_card_reaches_memory_is_told():
    _, findings = examine()
    [text] = [text for _, text in findings["source"] if text.startswith("edu0:")]
    behind = ", behind an IOMMU that translates" in text
    assert behind is (os.environ["NDMA_SETTING"] == "iommu"), text


def test_who_may_not_open_the_nodes_is_told_as_by_the_library():
    status, findings = examine("setpriv", "--reuid", "stranger", "--regid", "stranger", "--clear-groups")
    assert status == 1
    [(level, text)] = findings["node"]
    assert level == "fault" and "sudo usermod -aG ndma stranger" in text, text


def test_a_module_that_is_there_and_not_loaded_is_a_fault():
    status, findings = examine(*without(*UNLOADED))
    assert status == 1
    assert findings["module"] == [("fault", f"module ndma is installed for Linux {RELEASE}, and not loaded: "
                                            "sudo modprobe ndma")]


def test_nobody_is_told_to_load_a_module_that_he_never_installed():
    status, findings = examine(*without(*UNLOADED, "/lib/modules"))
    [(level, text)] = findings["module"]
    assert (status, level) == (0, "note") and "ndma-dkms" in text and "modprobe" not in text, text


def test_a_module_that_dkms_has_not_built_for_this_kernel_is_a_fault():
    headers = pathlib.Path("/lib/modules", RELEASE, "build")
    with dkms("0.0.9"):
        status, findings = examine()
        [(level, text)] = findings["dkms"]
        assert (status, level) == (1, "fault"), findings
        expected = "sudo dkms install ndma/0.0.9" if headers.exists() else f"linux-headers-{RELEASE}"
        assert expected in text, text
    with dkms("0.0.9", RELEASE):
        assert examine()[1]["dkms"] == [("ok", f"DKMS has built ndma 0.0.9 for Linux {RELEASE}")]


def test_a_backend_that_nobody_knows_is_a_fault():
    done = subprocess.run(["ndma", "doctor"], capture_output=True, text=True, timeout=120, check=False,
                          env=dict(os.environ, NDMA_BACKEND="gpu"))
    assert done.returncode == 1 and "FAULT  library" in done.stdout, done
