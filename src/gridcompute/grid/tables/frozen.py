"""Values that do not change once they are made: read-only arrays and dicts, and classes of them.

A problem is validated once and a plan is what a ledger records, so neither may share memory with an
array that somebody can still write to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..._checks import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frozen", "FrozenDict", "frozen", "sealed"]


def frozen(array: NDArray[Any], source: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return `array` contiguous and read-only, in memory that no other code can write to.

    An array is copied unless it is immutable already, or was converted from `source` into memory of
    its own.
    """
    own = aligned(np.ascontiguousarray(array))
    if _is_immutable(own):
        return own
    if source is None or np.may_share_memory(own, source):
        own = own.copy()
    return sealed(own)


def sealed(own: NDArray[Any]) -> NDArray[Any]:
    """Make a fresh array read-only; return a view of it, whose flag cannot be set back."""
    if own.base is not None:  # of an array that is hidden, and writable
        own = own.copy()
    own.flags.writeable = False
    return own.view()


def _is_immutable(array: NDArray[Any]) -> bool:
    """Return whether the array is read-only, and all that it is a view of."""
    memory: Any = array
    while isinstance(memory, np.ndarray):
        if memory.flags.writeable:
            return False
        if memory.base is None:
            return True
        memory = memory.base
    return isinstance(memory, bytes)


class Frozen:
    """Base of frozen dataclasses that hold arrays: copies and pickles of them are as read-only."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields; what is computed from them on demand is left behind."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields; an array comes out of a pickle writable, so it is sealed again."""
        for name, value in state.items():
            is_open = isinstance(value, np.ndarray) and value.flags.writeable
            object.__setattr__(self, name, sealed(value) if is_open else value)


class FrozenDict(dict[str, Any]):
    """A dict, and all dicts in it, that cannot be written to."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Copy `content`, and each mapping and array in it."""
        super().__init__({name: _frozen_value(value) for name, value in content.items()})

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this dict is read-only: write to dict(...) of it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the plain dict that it is made of."""
        return FrozenDict, (dict(self),)


def _frozen_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenDict(value)
    return frozen(value) if isinstance(value, np.ndarray) else value
