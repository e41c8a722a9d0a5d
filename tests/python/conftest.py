# SPDX-License-Identifier: MIT
"""One suite for every backend: kernel where its module is loaded, memfd elsewhere.

NDMA_BACKEND=memfd|kernel chooses one.
"""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import ndma

MODULE = Path("/dev/ndma/heap")
EDU = Path("/dev/ndma/edu0")
BACKENDS = [os.environ["NDMA_BACKEND"]] if os.environ.get("NDMA_BACKEND") else \
    ["kernel" if MODULE.exists() else "memfd"]


def pytest_collection_modifyitems(config, items):
    """What needs a card is not collected where there is none."""
    if EDU.exists():
        return
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("guest")])
    items[:] = [item for item in items if not item.get_closest_marker("guest")]


@pytest.fixture(autouse=True, params=BACKENDS)
def backend(request, monkeypatch):
    monkeypatch.setenv("NDMA_BACKEND", request.param)
    return request.param


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """A shell's background job, such as CI's, is born ignoring Ctrl-C, and what it starts too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def small_collections():
    """Every refusal collects first: not the thousands of objects that pytest itself has."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def open_sim():
    """sim0, which the kernel plugs in again some time after a test has unplugged it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return ndma.open("sim0")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture
def source():
    with open_sim() as source:
        yield source


@pytest.fixture
def fast(source):
    """As fast as the consumer."""
    source.paced = False
    return source


def ready(stream, count):
    """Wait until so many frames have been made."""
    deadline = time.monotonic() + 30
    while stream.stats.produced < count:
        assert time.monotonic() < deadline, stream.stats
        time.sleep(0.001)


def when_asleep(call, *, until=lambda: True):
    """Call from another thread, once `until` holds and the calling thread sleeps in a system call."""
    task = Path(f"/proc/self/task/{threading.get_native_id()}/syscall")

    def watch():
        before, looks = "", 0
        while looks < 20:
            # This lets the interpreter go: a thread that sleeps only for that is soon elsewhere.
            time.sleep(0.001)
            now = task.read_text()
            looks = looks + 1 if until() and now == before and "running" not in now else 0
            before = now
        call()

    threading.Thread(target=watch).start()


def run_python(code, *, status=0, timeout=120, **environment):
    """A program in a process of its own; its output. GUARD=… and the like are its environment."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=timeout,
                          capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def no_leaks():
    """Descriptors and mappings are as before."""
    def mappings():
        return Path("/proc/self/maps").read_text().count("ndma")

    gc.collect()
    before = open_descriptors(), mappings()
    yield
    gc.collect()
    assert (open_descriptors(), mappings()) == before


@pytest.fixture(autouse=True)
def numpy_namespace(doctest_namespace):
    doctest_namespace["ndma"] = ndma
    doctest_namespace["np"] = np
