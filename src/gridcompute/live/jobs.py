"""Checks of the ids and columns that a caller gives a `Matcher`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import counts, number, plain_array
from ..errors import InvalidProblemError
from .frames import by_position, column_values, named_columns
from .job_ids import twice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .costs import LiveCosts
    from .job_ids import Keys

__all__ = [
    "check_columns",
    "check_job_costs",
    "check_slots",
    "number_or_column",
    "store_columns",
]  # fmt: skip


def check_columns(
    columns: Any,
    needed: Mapping[str, str],
    keys: Keys | None,
    *,
    spare: frozenset[str] = frozenset(),
) -> tuple[dict[str, NDArray[Any]], int]:
    """Return columns by their name in the job store, and the number of jobs.

    `needed` maps names in the job store to names of the caller's columns. The number of jobs is the
    length of the first column; without columns, the number of records or of `keys`. `spare`: names
    of columns that may be there without being needed.
    """
    named, rows = named_columns(columns, dict.fromkeys(needed.values()), spare=spare)
    read = {name: column_values(name, values, keys) for name, values in named.items()}
    given = {part: read[name] for part, name in needed.items()}
    n = len(next(iter(given.values()))) if given else rows or (0 if keys is None else len(keys))
    for part, v in needed.items():
        if len(given[part]) != n:
            raise InvalidProblemError(f"{v}: found shape {given[part].shape}, needed ({n},)", v)
        if n == 0 and part.startswith("key_"):  # an empty list has no dtype of its own
            given[part] = np.zeros(0, np.int32)
    return given, n


def store_columns(
    costs: LiveCosts,
    scalars: Mapping[str, float | str],
    old: Mapping[str, NDArray[Any]],
    size: int,
    more: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """Return columns for a job store of `size` jobs with the old values; a scalar has length 1.

    `more`: empty columns beside those of costs.
    """
    columns: dict[str, NDArray[Any]] = {
        name: costs.empty_column(name, size) for name in costs.needed
    }
    for name, value in scalars.items():
        columns[name] = np.zeros(size) if isinstance(value, str) else np.array([value], np.float64)
    columns |= more
    for name, column in columns.items():
        if name in old and len(column) > 1 and old[name].dtype == column.dtype:
            column[: len(old[name])] = old[name]
    return columns


def check_slots(slots: Any, n_slots: int) -> NDArray[np.int32]:
    """Return numbers of classes, each in range and given once."""
    given = np.atleast_1d(plain_array("slots", by_position("slots", slots)))
    if given.size == 0:
        return np.zeros(0, np.int32)  # an empty list has no dtype of its own
    where = counts("slots", given, len(given), "n", 0, np.int32)
    if where.max() >= n_slots:
        k = int((where >= n_slots).argmax())
        raise InvalidProblemError(
            f"slots[{k}]: found {where[k]}, needed a class below {n_slots}", "slots", k
        )
    if len(np.unique(where)) != len(where):
        raise twice("slots", where)
    return where


def number_or_column(field: str, value: Any) -> float | str:
    """Return the cost `field` ("unplaced" or "move_cost") of all jobs, or its column's name."""
    if isinstance(value, str):
        return value
    real = number(field, value, -math.inf)
    _CHECKS[field](field, np.array([real]))
    return real


def check_job_costs(part: str, field: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the checked column `field` of the cost `part` ("unplaced" or "move_cost")."""
    if values.ndim != 1:
        raise InvalidProblemError(f"{field}: found shape {values.shape}, needed (n_jobs,)", field)
    return _CHECKS[part](field, values)


def _unplaced_cost(field: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _all_good(field, values, values > -math.inf, "a number, or inf")


def _move_cost(field: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _all_good(field, values, (values >= 0) & (values < math.inf), "finite, 0 or more")


_CHECKS = {"unplaced": _unplaced_cost, "move_cost": _move_cost}


def _all_good(
    field: str, values: NDArray[np.float64], good: NDArray[np.bool_], needed: str
) -> NDArray[np.float64]:
    if not good.all():
        k = int((~good).argmax())
        where = f"[{k}]" if len(values) > 1 else ""
        raise InvalidProblemError(f"{field}{where}: found {values[k]}, needed {needed}", field, k)
    return values
