"""Certificates, the base of what every `verify` returns; and the definition of a relative gap."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ._html import facts


def relative_gap(objective: float, bound: float, *, maximize: bool = False) -> float:
    """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal.

    Parameters
    ----------
    objective : int or float
        What the answer costs; infinite where there is no answer.
    bound : int or float
        What every answer costs at least (at most, if `maximize`); infinite where nothing is proved.
    maximize : bool
        The objective is to be as large as possible, so that the bound is not below it.

    Returns
    -------
    float
        From 0 to 2: 0.0 only where the objective reaches its bound, 1.0 where one of the two is 0,
        above 1 where their signs differ. inf where one of them is infinite or NaN: without an
        answer, or without a bound, nothing is known of the gap.

    Notes
    -----
    Integers are taken as they are, however large. The last digits of a float are those of one
    subtraction and one division.

    Examples
    --------
    >>> relative_gap(110, 99), relative_gap(0, 0), relative_gap(0.0, -2.5)
    (0.1, 0.0, 1.0)
    >>> relative_gap(float("inf"), 3), relative_gap(7, float("-inf"))
    (inf, inf)
    """
    if not (_known(objective) and _known(bound)):
        return math.inf
    if maximize:
        objective, bound = bound, objective
    if objective <= bound:  # by less than a rounding, or a contradiction, which verify() names
        return 0.0
    size = max(abs(objective), abs(bound))
    difference = objective - bound
    if isinstance(objective, float) is isinstance(bound, float) and difference < math.inf:
        return float(difference / size)
    # An integer less a float would be rounded first, and two large floats may differ by inf.
    return float((Fraction(objective) - Fraction(bound)) / Fraction(size))


def _known(number: float) -> bool:
    return not isinstance(number, float) or math.isfinite(number)


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
