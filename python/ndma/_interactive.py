# SPDX-License-Identifier: MIT
"""What IPython displays keeps no frame and no lease.

IPython keeps each displayed value: in Out, _, _n and a few places more. A frame's array would stay
there for the session, and after as many cells as there are frames no further one could come. So
after each cell the copies of such values take their places. What the user gave a name stays as it is.

Imported where IPython is loaded, and not elsewhere.
"""

import sys
from typing import Any, Callable
from weakref import WeakSet

import numpy as np

from ._ext import Frame, Lease

# A larger array is kept as its repr alone.
COPIED_BYTES = 64 << 20

LOOKED_INTO = Frame, Lease, np.ndarray, memoryview, dict, list, tuple, set, frozenset

_attached: WeakSet[Any] = WeakSet()


def _owner(value: Any) -> Any:
    """What the memory of an array or a memoryview belongs to."""
    while True:
        if isinstance(value, memoryview):
            try:
                value = value.obj
            except ValueError:    # released
                return None
        # What as_strided() makes of an array is none, and has a base too.
        elif isinstance(value, np.ndarray) or "__array_interface__" in getattr(value, "__dict__", ()):
            value = value.base
        else:
            return value


def _copy(value: Any) -> Any:
    if value.nbytes > COPIED_BYTES:
        return repr(value)
    if isinstance(value, Frame):
        return value.array(on_error="keep").copy()
    if isinstance(value, memoryview):
        return np.array(value).data
    return value.copy()


class _Copier:
    """Copies by the identity of what they replace, so that Out[n] and _ stay one object."""

    def __init__(self) -> None:
        self.done: dict[int, tuple[Any, Any]] = {}    # the original too, for its id to stay its own

    def replace(self, value: Any) -> Any:
        if not isinstance(value, LOOKED_INTO):
            return value
        if id(value) not in self.done:
            # A list that holds itself meets its copy before that is filled.
            copy: Any = [] if isinstance(value, list) else {} if isinstance(value, dict) else value
            self.done[id(value)] = value, copy
            self.done[id(value)] = value, self._replace(value, copy)
        return self.done[id(value)][1]

    def _replace(self, value: Any, copy: Any) -> Any:
        if isinstance(value, Lease):
            value = np.asarray(value)
        if isinstance(value, (Frame, np.ndarray, memoryview)):
            return _copy(value) if isinstance(_owner(value), (Frame, Lease)) else value
        if isinstance(value, dict):
            return copy if self._rebuild(value.values(), copy,
                                         lambda new: copy.update(zip(value, new))) else value
        if isinstance(value, list):
            return copy if self._rebuild(value, copy, copy.extend) else value
        if isinstance(value, (tuple, set, frozenset)):
            new: list[Any] = []
            # No array is in a set, and a frame's copy is an array.
            make = getattr(value, "_make", tuple) if isinstance(value, tuple) else list
            return make(new) if self._rebuild(value, value, new.extend) else value
        return value

    def _rebuild(self, items: Any, copy: Any, fill: Callable[[list[Any]], Any]) -> bool:
        """Fill the copy, if one of the items has to be replaced."""
        items = list(items)
        new = [self.replace(item) for item in items]
        changed = any(a is not b and a is not copy for a, b in zip(new, items))
        if changed:
            fill(new)
        return changed


class _Shell:
    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def post_run_cell(self, result: Any) -> None:
        copier, count = _Copier(), self.shell.execution_count
        self.replace(copier, {result.execution_count, count, count - 1})
        for outcome in result, self.shell.last_execution_result:
            if outcome is not None:
                outcome.result = copier.replace(outcome.result)

    def replace(self, copier: _Copier, numbers: Any) -> None:
        """What the cells of these numbers displayed, and what the underscores name."""
        hook, out = self.shell.displayhook, self.shell.user_ns.get("_oh", {})
        for number in numbers:
            if number in out:
                out[number] = self.rename(copier, f"_{number}", out[number])
        for name in "_", "__", "___":
            setattr(hook, name, self.rename(copier, name, getattr(hook, name)))

    def rename(self, copier: _Copier, name: str, old: Any) -> Any:
        """Let `name` mean the copy of `old`, where it means `old`."""
        new = copier.replace(old)
        # A name that the user took is not in the second.
        places = self.shell.user_ns, self.shell.user_ns_hidden
        if new is not old and all(names.get(name) is old for names in places):
            for names in places:
                names[name] = new
        return new


def attach() -> None:
    """Have the running IPython replace what it displays; once."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or shell in _attached:
        return
    _attached.add(shell)
    keeper = _Shell(shell)
    keeper.replace(_Copier(), list(shell.user_ns.get("_oh", {})))
    shell.events.register("post_run_cell", keeper.post_run_cell)
