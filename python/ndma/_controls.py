# SPDX-License-Identifier: MIT
"""The settings of a Source or a Stream by name."""

from collections.abc import Iterator, Mapping
from typing import Any

from ._ext import Control, Source, Stream


class Controls(Mapping[str, Control]):
    """Settings by name, as they are at the moment of asking.

    Assigning sets one; where the attribute of its name is free, that is the same.

    Raises
    ------
    KeyError
        There is no such control; setting lists those there are.
    ValueError, TypeError
        It does not take this value; or the source, or stream, is closed.
    OSError
        EBUSY: a stream that runs cannot take it now. What is refused changes nothing.

    Examples
    --------
    >>> source = ndma.open("sim0")
    >>> source.controls["rate"] = 48000
    >>> source.controls["rate"].value
    48000
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: Source | Stream) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> Control:
        return self._owner._controls()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._owner._set_control(name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner._controls())

    def __len__(self) -> int:
        return len(self._owner._controls())

    def __repr__(self) -> str:
        values = ", ".join(f"{control.name!r}: {control.value!r}"
                           for control in self._owner._controls().values())
        return f"<ndma controls of {self._owner.name}: {values}>"
