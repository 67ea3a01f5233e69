"""Types of slot classes: what limits and guarantees by type of a `Matcher`'s queues count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SlotTypes"]


class SlotTypes:
    """The type of each class, as its index among the types that queues distinguish.

    Attributes
    ----------
    names : tuple of str
        The types; none where queues do not distinguish types.
    numbers : int32 array, shape (n_slots,)
        Empty where there are no types.
    """

    def __init__(self, names: tuple[str, ...], numbers: NDArray[np.int32]) -> None:
        self.names, self.numbers = names, numbers

    @classmethod
    def of(cls, given: Any, n: int, names: tuple[str, ...]) -> SlotTypes:
        """Return the types given, one for each class."""
        none = cls(names, np.zeros(0, np.int32))
        if given is None and not names:
            return none
        return cls(names, none._checked("slot_types", given, n))

    def with_more(self, given: Any, more: int) -> SlotTypes:
        """Return the types with those of new classes."""
        if given is None and not self.names:
            return self
        return SlotTypes(self.names, np.append(self.numbers, self._checked("types", given, more)))

    def of_classes(self) -> tuple[str, ...] | None:
        """Return the type of each class by name; None where there are no types."""
        return tuple(self.names[t] for t in self.numbers.tolist()) if self.names else None

    def _checked(self, field: str, given: Any, n: int) -> NDArray[np.int32]:
        known = ", ".join(map(repr, self.names))
        if not self.names:
            raise InvalidProblemError(
                f"{field}: found types, needed none: no queue has a limit or a guarantee by type",
                field,
            )
        if given is None:
            raise InvalidProblemError(
                f"{field}: found none, needed the type of each class, as queues have limits or "
                f"guarantees of {known}",
                field,
            )
        single = isinstance(given, (str, bytes)) or getattr(given, "ndim", 1) == 0
        if single or not isinstance(given, Iterable):
            raise TypeError(f"{field} must be a sequence of names, not {type(given).__name__}")
        types: Sequence[Any] = list(given)
        if len(types) != n:
            raise InvalidProblemError(
                f"{field}: found {len(types)} types, needed {n}, one for each class", field
            )
        number = {name: t for t, name in enumerate(self.names)}
        out = np.empty(n, np.int32)
        for k, name in enumerate(types):
            if not isinstance(name, str):
                raise TypeError(f"{field}[{k}] must be str, not {type(name).__name__}")
            if name not in number:
                raise InvalidProblemError(
                    f"{field}[{k}]: found {name!r}, needed a type of the queues: {known}", field, k
                )
            out[k] = number[name]
        return out
