"""Names of slot classes, beside their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SlotNames"]


class SlotNames:
    """Names by number; without names, classes are called ``class 0``, ``class 1`` and so on."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = names
        self._numbers = {name: s for s, name in enumerate(names or ())}

    @classmethod
    def of(cls, names: Any, n: int) -> SlotNames:
        """Return the names given, one for each class and each once."""
        return cls(None if names is None else _checked("slots", names, n, ()))

    def with_more(self, names: Any, more: int) -> SlotNames:
        """Return the names with those of new classes."""
        if self.names is None:
            if names is not None:
                raise InvalidProblemError(
                    "names: found names, needed none: no class has one", "names"
                )
            return self
        if names is None:
            start = len(self.names)
            names = [f"slot-{start + k}" for k in range(more)]
        return SlotNames(self.names + _checked("names", names, more, self.names))

    def name(self, slot: int) -> str:
        """Return what a class is called."""
        return f"class {slot}" if self.names is None else self.names[slot]

    def numbers(self, field: str, slots: Any) -> Any:
        """Return slots with names replaced by numbers."""
        if isinstance(slots, str):
            slots = [slots]
        if not isinstance(slots, (list, tuple)) or not any(isinstance(s, str) for s in slots):
            return slots
        out = []
        for k, slot in enumerate(slots):
            if isinstance(slot, str) and slot not in self._numbers:
                raise InvalidProblemError(
                    f"{field}[{k}]: found {slot!r}, needed the name of a class", field, k
                )
            out.append(self._numbers[slot] if isinstance(slot, str) else slot)
        return out


def _checked(field: str, names: Any, n: int, known: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{field} must be a sequence of names, not str")
    given = list(names)
    if len(given) != n:
        raise InvalidProblemError(
            f"{field}: found {len(given)} names, needed {n}, one for each class", field
        )
    seen = set(known)
    for k, name in enumerate(given):
        if not isinstance(name, str):
            raise TypeError(f"{field}[{k}] must be str, not {type(name).__name__}")
        if name in seen:
            raise InvalidProblemError(f"{field}[{k}]: {name!r} is there twice", field, k)
        seen.add(name)
    return tuple(str(name) for name in given)
