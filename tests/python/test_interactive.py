# SPDX-License-Identifier: MIT
"""Interactive sessions: what is displayed keeps no frame and no lease, in IPython and the plain REPL."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest

from conftest import run_python

needs_ipython = pytest.mark.skipif(importlib.util.find_spec("IPython") is None,
                                   reason="this guest has no IPython")

PRELUDE = """
import gc, numpy as np, ndma
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()

def cell(text, **options):
    result = shell.run_cell(text, store_history=options.pop("store_history", True), **options)
    result.raise_error()
    return result

names = shell.user_ns
cell("import ndma, numpy as np")
cell("stream = ndma.open('sim0').stream(samples=100, frames=4, channels=1, on_loss='ignore')")
stream = names["stream"]
"""


@pytest.fixture
def ipython(tmp_path):
    """Run a program that has a shell, cell() and a stream of four frames."""
    def run(program):
        return run_python(PRELUDE + textwrap.dedent(program), IPYTHONDIR=str(tmp_path))

    return run


DISPLAYED = [
    "frame", "frame.array()", "frame.array()[0, ::2]", "frame.buffer_array()", "memoryview(frame)",
    "np.frombuffer(frame, 'i2')", "np.lib.stride_tricks.sliding_window_view(frame.array(), 5, 1)",
    "[frame]", "(1, frame.array())", "{'a': [frame.array()], 'b': 2}", "{frame}", "[(frame,)] * 3",
    "np.ma.masked_array(frame.array())", "frame.array().view(np.recarray)",
]


@needs_ipython
@pytest.mark.parametrize("what", DISPLAYED)
def test_a_value_that_is_displayed_keeps_no_frame(ipython, what):
    ipython(f"""
        for i in range(6):
            cell("frame = next(stream); {what}")
            cell("del frame")
            assert stream.held == [], (i, stream.held)
        cell("Out, _, __, ___")
    """)


@needs_ipython
@pytest.mark.parametrize("what", ["buf.array()", "np.asarray(buf)", "memoryview(buf)", "buf[1:]",
                                  "buf.array().base", "[buf.array(writable=False)]"])
def test_a_value_that_is_displayed_keeps_no_lease(ipython, what):
    ipython(f"""
        buf = names["buf"] = ndma.zeros(5)
        for i in range(4):
            cell("{what}")
            assert buf.leases() == []
            with buf.transfer("from_device"):
                pass
    """)


@needs_ipython
def test_all_places_of_a_value_have_the_same_copy(ipython):
    ipython("""
        result = cell("frame = next(stream); frame.array()")
        cell("samples = frame.copy(); last = frame.sequence; del frame")
        n = result.execution_count
        kept = names["Out"][n]
        assert isinstance(kept, np.ndarray) and (kept == names["samples"]).all()
        assert kept.base is None and kept.flags.writeable
        for other in (names["_"], names[f"_{n}"], result.result, shell.displayhook._,
                      shell.user_ns_hidden["_"], shell.user_ns_hidden[f"_{n}"]):
            assert other is kept
        # IPython goes on with its underscores.
        cell("1"); cell("2")
        assert names["___"] is kept and (names["_"], names["__"]) == (2, 1)
        cell("3")
        assert (names["_"], names["__"], names["___"]) == (3, 2, 1)
    """)


@needs_ipython
def test_what_has_a_name_stays_as_it_is(ipython):
    ipython("""
        cell("frame = next(stream); array = frame.array(); pair = [frame, array]; pair")
        assert stream.held == [0]
        assert names["pair"][0] is names["frame"] and names["pair"][1] is names["array"]
        assert names["array"].base is names["frame"] and names["_"] is not names["pair"]
        # What holds none of them is not even copied.
        cell("other = [1, (2, np.zeros(3)), ndma.zeros(3)]; other")
        assert names["_"] is names["other"]
        # A name of IPython's that the user took.
        cell("_ = array")
        cell("array")
        assert names["_"] is names["array"]
    """)


@needs_ipython
def test_a_large_value_is_kept_as_its_text(ipython):
    ipython("""
        buf = names["buf"] = ndma.zeros((9, 1 << 20))
        cell("buf.array()"); cell("buf.array()[:8]"); cell("[buf.array()]")
        large, largest, inside = (names["Out"][n] for n in sorted(names["Out"])[-3:])
        assert buf.leases() == []
        assert large.startswith("array([[0., 0.") and inside == [large]
        assert largest.shape == (8, 1 << 20)
    """)


@needs_ipython
def test_each_of_a_cells_displayed_values_is_replaced(ipython):
    ipython("""
        shell.ast_node_interactivity = "all"
        cell("next(stream)\\nnext(stream).array()\\nnext(stream)")
        assert stream.held == []
        shell.ast_node_interactivity = "last_expr"
        cell("next(stream)", store_history=False)
        cell("next(stream); next(stream)")
        assert stream.held == []
    """)


@needs_ipython
def test_a_list_that_holds_itself_is_displayed(ipython):
    ipython("""
        cell("knot = [next(stream)]; knot.append(knot); knot")
        cell("del knot")
        gc.collect()
        assert stream.held == []
    """)


@needs_ipython
def test_an_ipython_that_is_loaded_later_is_met_at_the_first_stream(tmp_path):
    run_python("""
        import ndma
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        stream = ndma.open("sim0").stream(100, frames=4)
        shell.push({"stream": stream})
        for i in range(8):
            shell.run_cell("next(stream)", store_history=True).raise_error()
        assert stream.held == []
    """, IPYTHONDIR=str(tmp_path))


@needs_ipython
def test_ipythons_history_from_before_is_let_go_of_when_it_is_reset(tmp_path):
    """What ndma cannot see into keeps its views: the control, and the advice."""
    run_python("""
        import ndma
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        buf = ndma.zeros(5)
        shell.run_cell("class Box:\\n  def __init__(self, x): self.x = x")
        shell.push({"buf": buf})
        for cell in "Box(buf.array())", "1", "2", "3", "4":
            shell.run_cell(cell, store_history=True).raise_error()
        assert len(buf.leases()) == 1
        try:
            buf.resize(3)
        except BufferError as error:
            assert "%reset -f out" in str(error)
        else:
            raise SystemExit("resized under a view")
        shell.run_cell("%reset -f out")
        buf.resize(3)
    """, IPYTHONDIR=str(tmp_path))


def test_without_ipython_nothing_of_it_is_imported():
    run_python("""
        import sys, ndma
        next(ndma.open("sim0").stream(100)); ndma.zeros(3)
        assert not {"IPython", "ndma._interactive"} & set(sys.modules)
    """)


def test_the_plain_repl_keeps_what_it_displayed_last_alone():
    lines = ["import ndma", "stream = ndma.open('sim0').stream(100, frames=4, on_loss='ignore')",
             *["next(stream).array()[0, 0] * 0 + 7; next(stream)"] * 20,
             "print('held', len(stream.held))", ""]
    done = subprocess.run([sys.executable, "-i", "-q"], input="\n".join(lines), text=True,
                          capture_output=True, timeout=120)
    assert "held 1" in done.stdout and "Error" not in done.stderr, done.stderr
