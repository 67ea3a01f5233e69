"""The base of what every `verify` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._html import facts

__all__ = ["Certificate"]


class Certificate:
    """The result of an independent check of an answer; true where the answer is proved.

    Every ``verify()`` of the library returns one of its subclasses, which say more.

    Attributes
    ----------
    valid : bool
        All that the answer claims holds. ``bool(certificate)`` is the same.
    objective : number
        What the answer costs, recomputed; nan where an answer has no such number (shares).
    bound : number
        What is proved of every answer, recomputed; nan where there is none.
    gap : float
        (objective - bound) / max(abs(objective), abs(bound)), of the recomputed numbers; 0.0 where
        both are equal, inf where one of them is not known.
    reasons : tuple of str
        Why not, where something does not hold.
    """

    if TYPE_CHECKING:  # fields or properties of the subclasses

        @property
        def valid(self) -> bool: ...

        @property
        def objective(self) -> Any: ...

        @property
        def bound(self) -> Any: ...

        @property
        def gap(self) -> float: ...

        @property
        def reasons(self) -> tuple[str, ...]: ...

    def __bool__(self) -> bool:
        return self.valid

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "valid": self.valid,
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
        }
        return facts(type(self).__name__, rows, "; ".join(self.reasons))
