# SPDX-License-Identifier: MIT
"""python/examples: what a person sees of them, and how they end."""
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import open_sim

SPECTRUM = Path(__file__).resolve().parent.parent.parent / "python" / "examples" / "spectrum.py"


def spectrum(*settings):
    """Exit status, lines of the output, and what it complained of."""
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    done = subprocess.run([sys.executable, str(SPECTRUM), "--count", "16", "--samples", "512",
                           "--set", "paced=0", *arguments, "sim0"],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_tone_stands_where_its_frequency_is():
    status, lines, err = spectrum("frequency=250e3")
    assert status == 0, err
    highest = next(line for line in lines if "0 dB│" in line)
    columns = [at for at, cell in enumerate(highest) if cell not in "\u2800 │dB0"]
    middle = (highest.index("│") + len(highest)) / 2
    assert columns and all(abs(at - middle) < 2 for at in columns), highest
    assert any(line.split() == ["0", "125", "250", "375", "500"] for line in lines)
    assert "kHz" in [line.strip() for line in lines]


@pytest.mark.parametrize(("setting", "words"), [
    ("fault_drop=16", "1 frames lost"),         # the last one: no frame tells of it
    ("fault_short=16", "1 short or wrong"),
    ("fault_error=16", "1 short or wrong"),
])
def test_what_is_missing_ends_in_status_1(setting, words):
    status, lines, _ = spectrum(setting)
    assert status == 1
    assert words in lines[-1]


@pytest.mark.parametrize("setting", ["volume=1", "frequency", "pattern=triangle", "frequency=-1"])
def test_a_setting_that_cannot_be_is_refused_in_one_line(setting):
    status, _, err = spectrum(setting)
    assert status == 1
    assert setting.split("=")[0] in err and "Traceback" not in err


def test_a_card_that_vanishes_is_told():
    status, _, err = spectrum("fault_vanish=4")
    assert status == 1
    assert "sim0" in err and "Traceback" not in err
    open_sim().close()      # the kernel's comes back
