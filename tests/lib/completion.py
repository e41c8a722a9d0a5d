#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What shells complete of the command ndma, asked of the shells themselves. Speaks TAP."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

FILES = Path(os.environ["NDMA_COMPLETION"])
# What is typed; what must be offered, and, after a "-", what must not.
LINES = {
    "ndma re": "record repair -info",
    "ndma info s": "sim0 -info",
    "ndma info sim0 --": "--json --help -sim0",
    "ndma record sim0 --sp": "--split-bytes --split-time",
    "ndma record sim0 --order p": "planar -interleaved",
    "ndma record sim0 --set am": "amplitude -rate",
    "ndma-record s": "sim0",
}

BASH = r"""
. "$1/ndma.bash"
COMP_WORDS=($2)
[ "${2% }" = "$2" ] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ndma "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""

FISH = r"""
source $argv[1]/ndma.fish
complete -C $argv[2]
"""

# Keys have to be typed to it, and what it draws to be read. It draws the longest that all of what it offers
# begin with, and, at the second key, a list. Before it wants text to be pasted (2004) it reads no key.
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=(${(q)1} \$fpath); autoload -U compinit; compinit -u -D; LISTMAX=9999; COLUMNS=500; echo com''plete"
zpty -r z drawn $'*complete\r\n*2004h*'
zpty -n -w z "$2"$'\t\t'
zpty -n -w z $'\C-e\C-uecho en\'\'ded\r'
zpty -r z drawn $'*ended\r\n*'
print -r -- $drawn
"""


def offered(shell, line):
    """The words that a shell offers behind a line."""
    script = {"bash": BASH, "fish": FISH, "zsh": ZSH}[shell]
    options = {"bash": ["--norc", "-c", script, "bash"], "fish": ["--no-config", "-c", script],
               "zsh": ["-f", "-c", script, "zsh"]}[shell]
    done = subprocess.run([shell, *options, str(FILES), line], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=120, env={**os.environ, "HOME": "/nonexistent"})
    assert not done.returncode and not done.stderr, (shell, line, done.stderr)
    return done.stdout


def completes(shell):
    for line, words in LINES.items():
        text = offered(shell, line)
        for word in words.split():
            if word.startswith("-") and not word.startswith("--"):
                assert shell == "zsh" or word[1:] not in text.split(), (line, word, text)
            else:
                assert word in text, (line, word, text)


def main():
    shells = ["bash", "zsh", "fish"]
    status = 0
    print(f"TAP version 13\n1..{len(shells)}")
    for number, shell in enumerate(shells, 1):
        name = f"{shell}_completes_verbs_options_sources_and_controls"
        if not shutil.which(shell):
            print(f"ok {number} {name} # SKIP this guest has no {shell}")
            continue
        try:
            completes(shell)
            print(f"ok {number} {name}")
        except AssertionError as error:
            status = 1
            print(f"# {error}\nnot ok {number} {name}")
    return status


if __name__ == "__main__":
    sys.exit(main())
