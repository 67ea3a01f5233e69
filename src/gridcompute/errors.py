"""Every error class of the library, and the one map from the core's error kinds to them."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ClusterError",
    "CostRangeError",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "InvalidProblemError",
]


class GridComputeError(Exception):
    """Base of all errors this library raises on purpose (wrong types stay `TypeError`)."""


class InvalidProblemError(GridComputeError, ValueError):
    """The input is no problem: a shape, a NaN, a negative capacity, an id out of range.

    Parameters
    ----------
    message : str
        What was found, what was needed, and where.
    field : str
        The argument or column at fault.
    index : int, tuple of int or None
        Where in it, if one place is at fault.
    """

    def __init__(
        self, message: str, field: str = "", index: int | tuple[int, ...] | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.index = index


class CostRangeError(GridComputeError, OverflowError):
    """Costs too large to be solved without overflow; the message says the largest range allowed."""


class InfeasibleError(GridComputeError, ValueError):
    """No answer exists, raised only where the caller asked to raise; `witness` proves it."""

    def __init__(self, message: str, witness: Any = None) -> None:
        super().__init__(message)
        self.witness = witness


class ClusterError(GridComputeError, ConnectionError):
    """A cluster refused a request, or gave no answer to it.

    Parameters
    ----------
    message : str
        What was asked, and what came back.
    answered : bool
        True: the cluster said no. False: there was no answer, or none of its own.
    maybe : bool
        Whether the request may have been carried out all the same.
    """

    def __init__(self, message: str, *, answered: bool = False, maybe: bool = False) -> None:
        super().__init__(message)
        self.answered = answered
        self.maybe = maybe


class InternalError(GridComputeError, RuntimeError):
    """An answer failed its own certificate: a bug here, please report it."""


def from_native(kind: str, field: str, index: int, message: str) -> GridComputeError:
    """The error for what the core threw (`kind` as named in csrc/bindings/module.cpp)."""
    if kind == "invalid_problem":
        return InvalidProblemError(message, field, index if index >= 0 else None)
    if kind == "cost_range":
        return CostRangeError(message)
    return InternalError(message)
