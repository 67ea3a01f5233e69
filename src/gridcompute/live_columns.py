"""What jobs bring to a `Matcher`: their ids and columns, checked at the door."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import counts, plain_array
from .errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ._interner import Interner

__all__ = ["find_ids", "job_columns", "moving_cost", "new_ids", "out_cost", "whole_slots"]


def new_ids(interner: Interner, ids: Any, n: int, text: bool) -> list[Any]:
    """`n` ids that are not in yet, all integers or all strings (`text`: those in are strings)."""
    keys = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if len(keys) != n:
        raise InvalidProblemError(f"ids: found {len(keys)}, needed {n}, one a job", "ids")
    strings = [isinstance(k, str) for k in keys]
    if (any(strings) and not all(strings)) or (keys and len(interner) and strings[0] != text):
        raise TypeError("ids: all ids of a world must be integers, or all strings")
    known = interner.lookup(keys)
    if (known >= 0).any():
        k = int((known >= 0).argmax())
        raise InvalidProblemError(f"ids[{k}]: {keys[k]!r} is in the world already", "ids", k)
    if len(set(keys)) != n:
        raise _twice("ids", keys)
    return keys


def job_columns(
    columns: Any, wanted: Mapping[str, str], rows: int | None
) -> tuple[dict[str, NDArray[Any]], int]:
    """Columns by slab name (`wanted`: the caller's), of as many jobs as they or `rows` tell."""
    if not hasattr(columns, "keys"):
        records = list(columns)
        columns = {v: [r[v] for r in records] for v in wanted.values()}
    for name in wanted.values():
        if name not in columns:
            raise InvalidProblemError(f"columns: {name!r} is missing", name)
    n = len(np.atleast_1d(next(iter(columns.values())))) if columns else 0
    n = n if rows is None else rows
    given = {k: np.atleast_1d(plain_array(v, columns[v])) for k, v in wanted.items()}
    for part, v in wanted.items():
        if given[part].shape[:1] != (n,):
            raise InvalidProblemError(f"{v}: found shape {given[part].shape}, needed ({n},)", v)
        if n == 0 and part.startswith("key_"):  # an empty list says nothing of its dtype
            given[part] = np.zeros(0, np.int32)
    return given, n


def find_ids(interner: Interner, ids: Any) -> tuple[list[Any], NDArray[np.int32]]:
    """Ids that are all in, each once, and their places."""
    many = isinstance(ids, (list, tuple, np.ndarray, range))
    keys = (ids.tolist() if isinstance(ids, np.ndarray) else list(ids)) if many else [ids]
    at = interner.lookup(keys)
    if (at < 0).any():
        k = int((at < 0).argmax())
        raise InvalidProblemError(f"ids[{k}]: {keys[k]!r} is not in the world", "ids", k)
    if len(set(keys)) != len(keys):
        raise _twice("ids", keys)
    return keys, at


def whole_slots(slots: Any, n_slots: int) -> NDArray[np.int32]:
    """Numbers of classes, each once."""
    given = np.atleast_1d(np.asarray(slots))
    if given.size == 0:
        return np.zeros(0, np.int32)  # an empty list says nothing of its dtype
    where = counts("slots", given, len(given), "n", 0, np.int32)
    if where.max() >= n_slots:
        k = int((where >= n_slots).argmax())
        raise InvalidProblemError(
            f"slots[{k}]: found {where[k]}, needed a class below {n_slots}", "slots", k
        )
    if len(np.unique(where)) != len(where):
        raise _twice("slots", where.tolist())
    return where


def _twice(field: str, keys: list[Any]) -> InvalidProblemError:
    seen: set[Any] = set()
    for k, key in enumerate(keys):
        if key in seen:
            return InvalidProblemError(f"{field}[{k}]: {key!r} stands twice", field, k)
        seen.add(key)
    raise AssertionError("no key stands twice")


def out_cost(values: Any) -> Any:
    """Costs of being left out: numbers, or inf."""
    bad = ~(np.asarray(values, np.float64) > -math.inf)
    if bad.any():
        raise InvalidProblemError(
            f"unplaced: found {np.atleast_1d(values)[int(bad.argmax())]}, needed a number or inf",
            "unplaced",
        )
    return values if np.ndim(values) else float(values)


def moving_cost(values: Any) -> Any:
    """Costs of a move: 0 or more, finite."""
    array = np.asarray(values, np.float64)
    bad = ~((array >= 0) & (array < math.inf))
    if bad.any():
        raise InvalidProblemError(
            f"move_cost: found {np.atleast_1d(values)[int(bad.argmax())]}, needed finite, >= 0",
            "move_cost",
        )
    return values if np.ndim(values) else float(values)
