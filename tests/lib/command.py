#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command ndma on every backend: what it shows, and how it ends. Speaks TAP."""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import backends


class Case:
    def __init__(self, backend):
        self.backend = backend
        self.environment = dict(os.environ, NDMA_BACKEND=backend)

    def run(self, *arguments, stdout=subprocess.PIPE):
        """Status, and what went to standard output and to standard error."""
        done = subprocess.run(["ndma", *arguments], env=self.environment, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr


def list_shows_sources_and_who_answers(case):
    status, out, err = case.run("list")
    assert (status, err) == (0, ""), (status, err)
    assert re.search(r"^sim0 +ndma_.*8 channels, 1e\+06 samples/s$", out, re.MULTILINE), out
    assert f"backend {case.backend}: " in out, out
    assert ("sim0 is simulated in each process" in out) is (case.backend == "memfd"), out


def info_shows_what_a_source_can_do(case):
    status, out, err = case.run("info", "sim0")
    assert (status, err) == (0, ""), (status, err)
    for line in ("rate      1e+06 samples/s, of each channel", "samples   any number",
                 "  b     8 bits in 1 byte, planar or interleaved", f"backend   {case.backend}"):
        assert line in out.splitlines(), (line, out)


def a_rate_that_nobody_knows_is_no_rate_of_channels(case):
    if case.backend == "kernel" and Path("/dev/ndma/edu0").exists():
        status, out, err = case.run("info", "edu0")
        assert (status, err) == (0, ""), (status, err)
        assert "rate      not known" in out.splitlines(), out


def controls_shows_its_settings(case):
    status, out, err = case.run("controls", "sim0")
    assert (status, err) == (0, ""), (status, err)
    assert re.search(r"^frequency +1000 +0 to 2000000000 in steps of 1 Hz$", out, re.MULTILINE), out


def programs_get_json(case):
    status, out, err = case.run("list", "--json")
    said = json.loads(out)
    [sim0] = [source for source in said["sources"] if source["name"] == "sim0"]
    assert (status, err, said["backend"]) == (0, "", case.backend), (status, err, said)
    assert (sim0["channels"], sim0["rate"]) == (8, 1e6), sim0
    said = json.loads(case.run("info", "sim0", "--json")[1])
    assert said["backend"] == case.backend and len(said["channels"]) == 8, said
    assert said["formats"][0] == {"format": "<h", "bits": 16, "itemsize": 2, "iq": False, "planar": True,
                                  "interleaved": True}, said
    said = {control["name"]: control for control in json.loads(case.run("controls", "sim0", "--json")[1])}
    assert said["frequency"] == {"name": "frequency", "type": "integer", "unit": "Hz", "value": 1000, "min": 0,
                                 "max": 2000000000, "step": 1}, said
    assert said["pattern"]["value"] in said["pattern"]["choices"], said


def the_doctor_says_which_backend_and_why(case):
    status, out, err = case.run("doctor")
    assert err == "" and f"those of {case.backend}: the environment has NDMA_BACKEND" in out, (out, err)
    said = json.loads(case.run("doctor", "--json")[1])
    assert status == (said["faults"] > 0), (status, said)
    assert all(finding["level"] in ("ok", "note", "fault") for finding in said["findings"]), said


def each_verb_explains_itself(case):
    for verb, words in (("list", "memory"), ("info", "formats"), ("controls", "settings"), ("doctor", "sources")):
        for option in "-h", "--help":
            status, out, err = case.run(verb, option)
            assert (status, err) == (0, ""), (verb, status, err)
            assert out.startswith(f"usage: ndma {verb}") and words in out, out


def an_unknown_verb_is_named(case):
    status, out, err = case.run("lst")
    assert (status, out) == (1, "") and '"lst"' in err and "usage: ndma list" in err, (status, out, err)


def a_verb_that_is_a_program_is_run(case):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "ndma-spectrum")
        program.write_text('#!/bin/sh\necho "$@"\nexit 3\n', encoding="utf-8")
        program.chmod(0o755)
        case.environment["PATH"] = f"{folder}:{case.environment['PATH']}"
        assert case.run("spectrum", "sim0", "--window", "a b") == (3, "sim0 --window a b\n", "")
        program.chmod(0o644)
        status, out, err = case.run("spectrum")
        assert (status, out) == (1, "") and "running ndma-spectrum: Permission denied" in err, (status, err)
    for word in ("../bin/true", "x" * 100):
        status, out, err = case.run(word)
        assert (status, out) == (1, "") and word in err, (status, out, err)


def a_verb_without_its_source_says_what_it_wants(case):
    for arguments in (("info",), ("info", "sim0", "sim1"), ("info", "--sim0"), ("list", "sim0")):
        status, out, err = case.run(*arguments)
        assert (status, out) == (1, "") and f"ndma {arguments[0]}: expected" in err, (arguments, out, err)


def a_source_that_is_not_there_is_named(case):
    status, out, err = case.run("info", "sim99")
    assert (status, out) == (1, "") and "sim99" in err, (status, out, err)


def output_that_nobody_gets_is_a_failure(case):
    for arguments in (("list",), ("info", "sim0"), ("controls", "sim0"), ("list", "--json"), ("doctor",), ("--version",), ("--help",)):
        with open("/dev/full", "w", encoding="utf-8") as full:
            status, _, err = case.run(*arguments, stdout=full)
        assert status == 1 and "standard output" in err, (arguments, status, err)


TESTS = (list_shows_sources_and_who_answers, info_shows_what_a_source_can_do,
         a_rate_that_nobody_knows_is_no_rate_of_channels, controls_shows_its_settings,
         programs_get_json, the_doctor_says_which_backend_and_why,
         each_verb_explains_itself, an_unknown_verb_is_named, a_verb_that_is_a_program_is_run, a_verb_without_its_source_says_what_it_wants,
         a_source_that_is_not_there_is_named, output_that_nobody_gets_is_a_failure)


if __name__ == "__main__":
    sys.exit(backends.main("command", TESTS, Case))
