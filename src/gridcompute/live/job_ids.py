"""The ids of jobs: integers in an array, or strings in a list, and the position of each."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..errors import InvalidProblemError
from ..records._interner import Interner
from .frames import key_list

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: Ids in their order: int64 array, list of str, or a list of both, none of which is known.
    Keys = NDArray[np.int64] | list[Any]

__all__ = ["JobIds", "key_at", "keys_of", "twice"]

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
