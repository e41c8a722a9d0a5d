# SPDX-License-Identifier: MIT
"""What is shipped: types that agree with the code, documentation that is true, examples that run."""

import ast
import builtins
import doctest
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ndma
import ndma._ext
from conftest import run_python

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(ndma.__file__).parent
CLASSES = [ndma.Allocator, ndma.Buffer, ndma.Frame, ndma.Lease, ndma.Source, ndma.Stream,
           ndma.Sync, ndma.Transfer]
FUNCTIONS = ["allocator", "array", "backend", "empty", "from_fd", "open", "sources",
             "trace_leases", "zeros"]


def stub():
    tree = ast.parse((PACKAGE / "_ext.pyi").read_text())
    return {node.name: node for node in tree.body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef))}, tree


def members(node):
    names = set()
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            names.add(item.name)
        elif isinstance(item, ast.AnnAssign):
            names.add(item.target.id)
    return names


def test_import_of_everything_leaves_the_built_ins_alone():
    names = {}
    exec("from ndma import *", names)
    assert not set(names) - {"__builtins__", "__version__"} & set(dir(builtins))
    assert names["Source"] is ndma.Source and "open" not in names and ndma.open


def test_everything_public_has_a_type():
    nodes, tree = stub()
    assigned = {item.target.id for item in tree.body if isinstance(item, ast.AnnAssign)}
    for name in ndma.__all__:
        # What is written in Python has its types beside it, which mypy sees.
        written = getattr(getattr(ndma, name), "__module__", "").startswith("ndma._rec")
        assert name in nodes or name in assigned or written, name
        assert hasattr(ndma, name)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_types_of_a_class_are_those_it_has(cls):
    nodes, _ = stub()
    typed = members(nodes[cls.__name__])
    real = {name for name, value in vars(cls).items()
            if not name.startswith("__") and not callable(value) or
            callable(value) and not name.startswith("__")}
    special = {"__array__", "__dlpack__", "__dlpack_device__", "__enter__", "__exit__", "__iter__",
               "__next__", "__aiter__", "__anext__", "__len__", "__getitem__", "__setitem__"}
    real |= {name for name in special if name in vars(cls)}
    missing, extra = real - typed, typed - real
    assert not missing, f"without a type: {missing}"
    assert not extra - {"__buffer__", "__getattr__", "__setattr__", "__hash__", "__eq__", "__ne__",
                        "__dir__"}, extra


def test_signatures_agree_with_the_types():
    nodes, _ = stub()
    for name in FUNCTIONS:
        arguments = nodes[name].args
        typed = [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
        assert typed == list(inspect.signature(getattr(ndma, name)).parameters), name
    for cls in CLASSES:
        for item in nodes[cls.__name__].body:
            if not isinstance(item, ast.FunctionDef) or item.name.startswith("_") or \
                    item.decorator_list:
                continue
            arguments = item.args
            typed = [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
            real = list(inspect.signature(getattr(cls, item.name)).parameters)
            assert typed == real, f"{cls.__name__}.{item.name}: {typed}, {real}"


def test_everything_public_is_documented():
    for cls in CLASSES:
        assert cls.__doc__, cls
        for name, value in vars(cls).items():
            if not name.startswith("_"):
                assert value.__doc__, f"{cls.__name__}.{name}"
    for name in set(ndma.__all__) - {"__version__"}:
        assert getattr(ndma, name).__doc__, name


def callables():
    """Every public function and method: its name, itself, and its node in the stub."""
    nodes, _ = stub()
    found = [(name, getattr(ndma, name), nodes[name]) for name in FUNCTIONS]
    for cls in CLASSES:
        typed = {item.name: item for item in nodes[cls.__name__].body
                 if isinstance(item, ast.FunctionDef)}
        found += [(f"{cls.__name__}.{name}", value, typed[name])
                  for name, value in vars(cls).items()
                  if callable(value) and not name.startswith("_")]
    return found


CALLABLES = callables()
# What nothing can go wrong with.
NEVER_RAISES = {"backend", "trace_leases", "Source.close", "Stream.close"}


def sections(text):
    """Title and text of each section of a numpydoc docstring."""
    parts = re.split(r"^(\w+)\n-+$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("name, function, node", CALLABLES, ids=[name for name, *_ in CALLABLES])
def test_a_docstring_says_what_goes_in_what_comes_out_and_what_is_raised(name, function, node):
    found = sections(function.__doc__)
    taken = [parameter for parameter in inspect.signature(function).parameters
             if parameter != "self"]
    described = re.findall(r"^(\w[\w, ]*)(?: :.*)?$", found.get("Parameters", ""), re.MULTILINE)
    assert [word.strip() for words in described for word in words.split(",")] == taken
    returns = ast.unparse(node.returns)
    assert ("Returns" in found) == (returns != "None"), returns
    if "Returns" in found:
        kind = found["Returns"].split()[0]
        assert kind.replace("numpy.ndarray", "NDArray") in returns.replace("Literal", "str"), returns
    assert ("Raises" in found) == (name not in NEVER_RAISES)
    for line in re.findall(r"^(\w.*)$", found.get("Raises", ""), re.MULTILINE):
        for error in line.split(", "):
            assert issubclass(getattr(ndma, error, None) or getattr(builtins, error), Exception)
    assert ">>> " in found["Examples"]
    titles = "Parameters", "Returns", "Raises", "Notes", "Examples"
    assert list(found) == [title for title in titles if title in found]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_shows_how_it_is_used(cls):
    assert ">>> " in sections(cls.__doc__)["Examples"]


def test_an_attribute_says_its_type_first():
    for cls in CLASSES:
        for name, value in vars(cls).items():
            if not name.startswith("_") and not callable(value):
                assert re.match(r"[\w.(][\w. ,()]*[.:]", value.__doc__), f"{cls.__name__}.{name}"


def documented():
    found = [("ndma", ndma.__doc__), ("README", (ROOT / "python" / "README.md").read_text())]
    found += [(name, function.__doc__) for name, function, _ in CALLABLES]
    return found + [(cls.__name__, cls.__doc__) for cls in CLASSES]


@pytest.mark.parametrize("name, text", documented(), ids=lambda value: value[:30])
def test_examples_in_the_documentation_are_true(name, text):
    parser = doctest.DocTestParser()
    test = parser.get_doctest(text, {"ndma": ndma, "np": np}, name, None, 0)
    output = []
    legacy = np.lib.NumpyVersion(np.__version__) < "2.0.0"
    for example in test.examples:
        if legacy:          # np.float64(7.0) is how NumPy 2 writes what 1.x writes as 7.0
            example.want = re.sub(r"np\.\w+\(([^)]*)\)", r"\1", example.want)
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append)
    assert not output, "".join(output)


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists() and (PACKAGE / "_ext.pyi").exists()
    assert ndma.__version__ == ndma._ext.__version__


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="this guest has no mypy")
def test_mypy_is_content_with_package_examples_and_their_use(tmp_path):
    use = tmp_path / "use.py"
    use.write_text("""
import numpy as np
import ndma
with ndma.open("sim0") as source:
    source.rate = 1e6
    x: np.ndarray = source.read(samples=10)
    with source.stream(100, frames=8, timeout=1.0) as stream:
        for frame in stream:
            y: np.ndarray = frame.array()
            z: int = frame.sequence
buf: ndma.Buffer = ndma.empty((2, 3), "f4", source=None)
with buf.transfer("from_device", timeout=1.0) as transfer:
    active: bool = transfer.active
memoryview(buf)
np.asarray(buf)
async def main() -> None:
    async for frame in stream:
        frame.copy()
    frames: list[ndma.Frame] = await stream.read(3)
""")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
                           "--cache-dir", str(tmp_path), str(ROOT / "python" / "ndma"),
                           str(ROOT / "python" / "examples" / "spectrum.py"), str(use)],
                          capture_output=True, text=True,
                          env={**os.environ, "MYPYPATH": str(ROOT / "python")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_spectrum_example_runs():
    done = subprocess.run([sys.executable, str(ROOT / "python" / "examples" / "spectrum.py"),
                           "--count", "5", "--samples", "1024", "sim0"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "5 frames, 5120 samples" in done.stdout and "0 frames lost" in done.stdout
    assert "peak at" in done.stdout and "rms" in done.stdout


def test_an_example_of_a_missing_source_says_so():
    done = subprocess.run([sys.executable, str(ROOT / "python" / "examples" / "spectrum.py"),
                           "sim999"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "sim0" in done.stderr and "Traceback" not in done.stderr


def test_what_records_is_imported_on_first_use():
    out = run_python("""
        import sys, ndma
        assert not {"ndma._record", "ndma._recording", "numpy.typing"} & set(sys.modules)
        assert {"record", "load", "Recording"} <= set(dir(ndma))
        from ndma import load
        assert load is ndma.load and "load" in vars(ndma) and "ndma._recording" in sys.modules
        try:
            ndma.recrd
        except AttributeError as error:
            print(error)
    """)
    assert out == "module 'ndma' has no attribute 'recrd'\n"
