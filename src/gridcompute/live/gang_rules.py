"""The columns of a `Matcher` of gangs beside costs, and the names and types of its classes.

Limits and guarantees by type count the classes of that type.

The columns are demands, queues, priorities and preemption.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._checks import counts, plain_array, whole
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


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


#: Columns that jobs may bring to a matcher of gangs though none of its arguments names them:
#: records of jobs in queues fit a matcher without queues. Any other unknown column is an error.
SPARE_COLUMNS = frozenset({"tenant", "priority", "preemptible"})

_MOST_DEMAND = 2**31 - 1
_LEAST, _MOST = -(2**63), 2**63 - 1
UNLIMITED = 2**63 - 1
_NO_TYPES = np.zeros((0, 0), np.int64)
_PARTS = (
    "name", "guarantee", "limit", "above", "divide", "types", "guarantee_by_type", "limit_by_type",
)  # fmt: skip
_DTYPES: dict[str, Any] = {
    "demand": np.int32,
    "queue": np.int32,
    "priority": np.int64,
    "preemptible": np.uint8,
}


class Queues(Protocol):
    """The interface of queues that `gridcompute.fair.Queues` has."""

    name: tuple[str, ...]
    guarantee: NDArray[np.int64]
    limit: NDArray[np.int64]
    above: NDArray[np.int64]
    types: tuple[str, ...]
    guarantee_by_type: NDArray[np.int64]
    limit_by_type: NDArray[np.int64]

    def __len__(self) -> int: ...
    def divide(self, total: float, request: Any, *, given: Any = 0) -> Any:
        """Divide a total among the queues; the result has ``.share``."""


@dataclass(frozen=True, eq=False)
class GangRules:
    """The constructor's arguments for gangs, checked, with the queues as arrays.

    Attributes
    ----------
    fields : dict
        By part (demand, queue, priority, preemptible): the name of the jobs' column, or the value
        of all jobs.
    queues : Queues or None
    names : tuple of str
        Of the queues; one queue without a name where there are none.
    parent, limit, guarantee : array, shape (n_queues,)
    types : tuple of str
        The types of classes that queues have limits or guarantees of.
    limit_by_type, guarantee_by_type : array, shape (n_types, n_queues)
    ranked : bool
        Queues or priorities decide which jobs run, not costs alone.
    """

    fields: dict[str, str | int]
    queues: Queues | None
    names: tuple[str, ...]
    parent: NDArray[np.int32]
    limit: NDArray[np.int64]
    guarantee: NDArray[np.int64]
    ranked: bool
    types: tuple[str, ...]
    limit_by_type: NDArray[np.int64]
    guarantee_by_type: NDArray[np.int64]

    @classmethod
    def of(
        cls, demand: Any, queues: Any, queue: Any, priority: Any, preemptible: Any
    ) -> GangRules | None:
        """Return the rules of these arguments; None if none is given."""
        if all(v is None for v in (demand, queues, queue, priority, preemptible)):
            return None
        if (queues is None) != (queue is None):
            missing = "queues" if queues is None else "queue"
            raise InvalidProblemError(
                f"{missing}: found none, needed both queues and queue, the name of the jobs' "
                "column, or neither",
                missing,
            )
        fields: dict[str, str | int] = {
            "demand": _number_or_name("demand", demand, 1, 1, _MOST_DEMAND),
            "queue": 0,
            "priority": _number_or_name("priority", priority, 0, _LEAST, _MOST),
            "preemptible": preemptible if isinstance(preemptible, str) else _flag(preemptible),
        }
        if queues is None:
            none = (np.full(1, -1, np.int32), np.full(1, UNLIMITED), np.zeros(1, np.int64))
            ranked = isinstance(priority, str)
            return cls(fields, None, ("",), *none, ranked, (), _NO_TYPES, _NO_TYPES)
        for name in _PARTS:
            if not hasattr(queues, name):
                raise TypeError(f"queues must be fair.Queues, not {type(queues).__name__}")
        if not isinstance(queue, str):
            raise TypeError(
                f"queue must be the name of the jobs' column, not {type(queue).__name__}"
            )
        if not len(queues):
            raise InvalidProblemError("queues: found none, needed at least one", "queues")
        fields["queue"] = queue
        return cls(
            fields,
            queues,
            tuple(queues.name),
            np.ascontiguousarray(queues.above, np.int32),
            np.ascontiguousarray(queues.limit, np.int64),
            np.ascontiguousarray(queues.guarantee, np.int64),
            True,
            tuple(queues.types),
            np.ascontiguousarray(queues.limit_by_type, np.int64),
            np.ascontiguousarray(queues.guarantee_by_type, np.int64),
        )

    @property
    def needed(self) -> dict[str, str]:
        """Name in the job store -> name of the caller's column."""
        return {part: name for part, name in self.fields.items() if isinstance(name, str)}

    def of_type(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return those of each type, (n_types, n_queues), of the core's values by limit."""
        return values[len(self.names) :].reshape(len(self.types), len(self.names))

    def check(self, given: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
        """Return the checked columns of `n` jobs."""
        out: dict[str, NDArray[Any]] = {}
        for part, name in self.needed.items():
            values = plain_array(name, given[part])
            if not values.size and n == 0:
                out[part] = np.zeros(0, _DTYPES[part])
            elif part == "queue":
                out[part] = self._queue_numbers(name, values)
            elif part == "preemptible":
                if values.dtype != bool:
                    raise TypeError(f"{name} must be of dtype bool, not {values.dtype}")
                out[part] = values.astype(np.uint8)
            else:
                least = 1 if part == "demand" else _LEAST
                out[part] = counts(name, values, n, "n_jobs", least, _DTYPES[part])
        return out

    def check_stored(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Check columns of a job store that come from elsewhere."""
        most = {"demand": _MOST_DEMAND, "queue": len(self.names) - 1, "preemptible": 1}
        for part, largest in most.items():
            values = columns[part]
            bad = (values < (1 if part == "demand" else 0)) | (values > largest)
            if bad.any():
                k = int(bad.argmax())
                raise InvalidProblemError(
                    f"{part}[{k}]: found {values[k]}, needed at most {largest}", part, k
                )

    def empty_columns(self, size: int) -> dict[str, NDArray[Any]]:
        """Return columns of the job store: of `size` positions, or one value for all jobs."""
        return {
            part: np.ones(size, _DTYPES[part])
            if isinstance(value, str)
            else np.full(1, value, _DTYPES[part])
            for part, value in self.fields.items()
        }

    def shares(self, total: int, request: NDArray[np.int64]) -> NDArray[np.int64]:
        """Divide all slots among the queues by their requests."""
        if self.queues is None:
            return np.full(1, UNLIMITED)
        share = np.asarray(self.queues.divide(int(total), request).share)
        out: NDArray[np.int64] = np.floor(np.minimum(share, 2.0**62)).astype(np.int64)
        return out

    def _queue_numbers(self, name: str, values: NDArray[Any]) -> NDArray[np.int32]:
        n = len(self.names)
        if values.dtype.kind in "iu":
            bad = (values < 0) | (values >= n)
            if bad.any():
                k = int(bad.argmax())
                raise InvalidProblemError(
                    f"{name}[{k}]: found {values[k]}, needed a queue: 0 to {n - 1}, or its name",
                    name,
                    k,
                )
            return np.ascontiguousarray(values, np.int32)
        if values.dtype.kind not in "UOT":
            raise TypeError(f"{name} must hold numbers or names of queues, not {values.dtype}")
        number = {text: k for k, text in enumerate(self.names)}
        out = np.empty(len(values), np.int32)
        for k, value in enumerate(values.tolist()):
            if value not in number:
                raise InvalidProblemError(
                    f"{name}[{k}]: found {value!r}, needed the name of a queue", name, k
                )
            out[k] = number[value]
        return out


def _number_or_name(field: str, value: Any, default: int, least: int, most: int) -> str | int:
    if isinstance(value, str):
        return value
    return default if value is None else whole(field, value, least, most)


def _flag(value: Any) -> int:
    if value is None:
        return 1
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"preemptible must be bool or the name of a column, not {type(value).__name__}"
        )
    return int(value)
