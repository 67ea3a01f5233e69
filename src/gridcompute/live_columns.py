"""What jobs bring to a `Matcher`: their ids and columns, checked at the door."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ._interner import Interner
    from .matcher import Matcher

__all__ = ["find_ids", "kept", "moving_cost", "new_ids", "out_cost", "reach_of", "term_spec"]


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
        k = next(k for k, key in enumerate(keys) if key in keys[:k])
        raise InvalidProblemError(f"ids[{k}]: {keys[k]!r} stands twice", "ids", k)
    return keys


def find_ids(interner: Interner, ids: Any) -> NDArray[np.int32]:
    """The places of ids that are all in, each once."""
    many = isinstance(ids, (list, tuple, np.ndarray, range))
    keys = (ids.tolist() if isinstance(ids, np.ndarray) else list(ids)) if many else [ids]
    at = interner.lookup(keys)
    if (at < 0).any():
        k = int((at < 0).argmax())
        raise InvalidProblemError(f"ids[{k}]: {keys[k]!r} is not in the world", "ids", k)
    if len(np.unique(at)) != len(at):
        k = next(k for k in range(len(at)) if at[k] in at[:k])
        raise InvalidProblemError(f"ids[{k}]: {keys[k]!r} stands twice", "ids", k)
    return at


def term_spec(k: int, term: Any) -> tuple[Any, str | None, str | None]:
    """Table and column names of a term."""
    if not isinstance(term, (tuple, list)) or len(term) != 3:
        raise TypeError(f"cost[{k}] must be (table, key_name, coef_name)")
    table, key, coef = term
    for name in (key, coef):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"cost[{k}]: columns are named by str or None, not {name!r}")
    return table, key, coef


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


def reach_of(tables: Sequence[NDArray[np.float64]], columns: Mapping[str, Any]) -> float:
    """How far costs of jobs with these columns of a slab may reach."""
    total = 0.0
    for k, table in enumerate(tables):
        coef = float(np.abs(columns.get(f"coef_{k}", np.ones(1))).max(initial=0.0))
        total += coef * float(np.abs(table[np.isfinite(table)]).max(initial=0.0))
    for name in ("unplaced", "move_cost"):
        values = columns[name][np.isfinite(columns[name])]
        total += float(np.abs(values).max(initial=0.0))
    return total


@contextmanager
def kept(world: Matcher) -> Iterator[None]:
    """What fails inside leaves classes, tables and the core as they were."""
    names = ("_tables", "_reach", "_capacity", "_closed", "_n_slots", "_native")
    before = {name: getattr(world, name) for name in names}
    try:
        yield
    except BaseException:
        vars(world).update(before)
        raise
