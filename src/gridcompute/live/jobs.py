"""Jobs that a caller gives a `Matcher`: checks of their columns, and the position of each id.

Ids are integers in an array, or strings in a list.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import counts, number, plain_array
from .._columns import by_position, column_values, key_list, named_columns
from ..errors import InvalidProblemError
from ..records._interner import Interner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .costs import LiveCosts

    Keys = NDArray[np.int64] | list[Any]

_MOST = 2**63 - 1


def keys_of(field: str, ids: Any, *, ordered: bool = False) -> Keys:
    """Return a caller's ids: an int64 array of its own if all are integers, else a list.

    A set is refused where the ids are given with columns (`ordered`): it has no defined order.
    """
    if type(ids) is np.ndarray and ids.dtype.kind == "i" and ids.ndim <= 1:
        return np.array(ids, np.int64, ndmin=1)
    keys = key_list(field, ids, ordered=ordered)
    kinds = set(map(type, keys))
    if not kinds <= {int, str}:
        keys = [_exact(key) for key in keys]
        kinds = set(map(type, keys))
    if str in kinds:
        return keys
    try:
        return np.array(keys, np.int64)
    except OverflowError:
        key = next(key for key in keys if not -_MOST - 1 <= key <= _MOST)
        raise OverflowError(f"key {key} does not fit 64 bits") from None


def key_at(keys: Keys, k: int) -> Any:
    """Return one of the ids, as its caller wrote it."""
    key = keys[k]
    return key if isinstance(key, str) else int(key)


def _exact(key: Any) -> str | int:
    """Return the str or int that equals a key of another class; a bool equals none."""
    if isinstance(key, str):
        return str.__str__(key)
    if not isinstance(key, (bool, np.bool_)):
        try:
            return int(operator.index(key))
        except TypeError:
            pass
    raise TypeError(f"a key must be a str or an int, not {type(key).__name__}")


class JobIds:
    """The ids of the live jobs, all integers or all strings, and their positions.

    A position that is freed is given to the next job: of those that are free, the one freed last.
    """

    def __init__(self) -> None:
        self.text = False  # were the ids added last strings?
        self.next = 0  # the integer that is tried first where an id is to be chosen
        self._numbers = _core.JobNumbers()
        self._texts = Interner()  # one of the two is empty

    def check_new(self, keys: Keys, n: int) -> None:
        """Check that `n` ids can be added: of one kind, and not known."""
        if len(keys) != n:
            raise InvalidProblemError(
                f"ids: found {len(keys)}, needed {n}, one for each job", "ids"
            )
        text = not isinstance(keys, np.ndarray)
        other = self._numbers if text else self._texts
        if len(keys) and (len(other) or (text and not all(isinstance(k, str) for k in keys))):
            raise TypeError("ids: all ids of a Matcher must be integers, or all strings")
        known = self.lookup(keys)
        if len(known) and int(known.max()) >= 0:
            k = int((known >= 0).argmax())
            raise InvalidProblemError(
                f"ids[{k}]: {key_at(keys, k)!r} is in the Matcher already", "ids", k
            )
        if text and len(set(keys)) != n:
            raise twice("ids", keys)

    def add(self, keys: Keys) -> NDArray[np.int32]:
        """Give new ids their positions; an id that occurs twice is an error, and none is added."""
        return self._numbers.add(keys) if isinstance(keys, np.ndarray) else self._texts.intern(keys)

    def free(self, n: int) -> NDArray[np.int64]:
        """Return the next n integers that are no ids."""
        if n == 0:
            return np.zeros(0, np.int64)
        if self.next + n > _MOST:
            raise OverflowError(f"key {self.next + n} does not fit 64 bits")
        keys = np.arange(self.next, self.next + n, dtype=np.int64)
        if int(self._numbers.lookup(keys).max()) < 0:
            return keys
        found: list[int] = []
        number = self.next
        while len(found) < n:
            more = np.arange(number, number + n - len(found), dtype=np.int64)
            found += more[self._numbers.lookup(more) < 0].tolist()
            number += len(more)
        return np.array(found, np.int64)

    def lookup(self, keys: Keys) -> NDArray[np.int32]:
        """Return the positions of ids, -1 for those that are unknown."""
        if isinstance(keys, np.ndarray):
            return self._numbers.lookup(keys)
        if all(isinstance(key, str) for key in keys):
            return self._texts.lookup(keys)
        return np.array([self.find(key) for key in keys], np.int32)

    def find(self, key: Any) -> int:
        """Return the position of one id, or -1."""
        return int(self.lookup(keys_of("ids", [key]))[0])

    def known(self, ids: Any, *, ordered: bool = False) -> tuple[Keys, NDArray[np.int32]]:
        """Return a caller's ids, which all have to be known, and their positions."""
        keys = keys_of("ids", ids, ordered=ordered)
        at = self.lookup(keys)
        if len(at) and int(at.min()) < 0:
            k = int((at < 0).argmax())
            raise InvalidProblemError(
                f"ids[{k}]: {key_at(keys, k)!r} is not in the Matcher", "ids", k
            )
        return keys, at

    def distinct(self, ids: Any, *, ordered: bool = False) -> tuple[Keys, NDArray[np.int32]]:
        """Return the same of ids that are given once each."""
        keys, at = self.known(ids, ordered=ordered)
        if len(at) > 1 and self._repeats(at):
            raise twice("ids", keys)
        return keys, at

    def _repeats(self, at: NDArray[np.int32]) -> bool:
        if not len(self._texts):
            return self._numbers.repeated(at) >= 0
        return len(np.unique(at)) != len(at)

    def release(self, at: NDArray[np.int32]) -> None:
        """Free positions that are given, each once."""
        (self._texts if len(self._texts) else self._numbers).release(at)

    def keys(self, at: NDArray[np.int32]) -> list[Any]:
        """Return the ids at these positions, in a list."""
        return self._texts.keys(at) if len(self._texts) else self._numbers.ids(at).tolist()

    def numbers(self, at: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the ids at these positions, which are integers."""
        return self._numbers.ids(at)

    @property
    def size(self) -> int:
        """One more than the largest position ever assigned."""
        return max(self._numbers.size, self._texts.size)

    def __len__(self) -> int:
        return len(self._numbers) + len(self._texts)

    def __contains__(self, key: Any) -> bool:
        return self.find(key) >= 0


def twice(field: str, keys: Keys) -> InvalidProblemError:
    """Return the error of an id, or a number, that is given twice."""
    seen: set[Any] = set()
    for k in range(len(keys)):
        key = key_at(keys, k)
        if key in seen:
            return InvalidProblemError(f"{field}[{k}]: {key!r} is given twice", field, k)
        seen.add(key)
    raise AssertionError("no key is given twice")


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
