"""Queues of one resource: guarantee, limit, weight and priority of each, in a tree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._value import Value
from ..errors import InvalidProblemError
from ..live.frames import named_columns
from ._inputs import column, read_only
from ._tree import parents_by_name, top_down
from .division import Division, divide
from .quotas import UNLIMITED, amount_column, texts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Queues"]

_FIELDS = ("name", "guarantee", "limit", "weight", "priority", "parent")


class Queues(Value):
    """Queues with what they are guaranteed, limited to and weighed by, as typed columns.

    Parameters
    ----------
    name : sequence of str, shape (n_queues,)
        Each once.
    guarantee : int array, shape (n_queues,), optional
        What each has before any surplus is divided. None = 0.
    limit : int array, shape (n_queues,), optional
        The most that each may have; `UNLIMITED` (2**63 - 1), inf, "unlimited" and None are no
        limit.
    weight : int or float array, shape (n_queues,), optional
        Its part of the surplus. None = 1.
    priority : int or float array, shape (n_queues,), optional
        The larger comes first for the surplus. None = 0.
    parent : sequence of str or None, shape (n_queues,), optional
        The queue above each; None = the top level.
    guarantee_by_type, limit_by_type : mapping of str to array, optional
        By type of slot class (an accelerator, say): what each queue is guaranteed of it and limited
        to, columns as `guarantee` and `limit`, beside those of all types together. None in place of
        a column is no guarantee, or no limit. A `Matcher` honours them; `divide` does not read
        them.

    Attributes
    ----------
    guarantee, limit : int64 array, shape (n_queues,)
        `UNLIMITED` where there is no limit.
    types : tuple of str
        The types named by either mapping, in their order.
    guarantee_by_type, limit_by_type : int64 array, shape (n_types, n_queues)
    above : int64 array, shape (n_queues,)
        The index of each parent; -1 = the top level.

    Raises
    ------
    InvalidProblemError
        A name that occurs twice or is unknown, a cycle, a column that does not fit.
    TypeError
        Numbers of a wrong type.

    Examples
    --------
    >>> from gridcompute import fair
    >>> q = fair.Queues(name=["vision", "speech"], guarantee=[2, 2], weight=[1, 3])
    >>> q
    <Queues: 2 queues, 4 guaranteed>
    >>> q.divide(8, [6, 6]).share
    array([3, 5])
    """

    name: tuple[str, ...]
    guarantee: NDArray[np.int64]
    limit: NDArray[np.int64]
    weight: NDArray[Any]
    priority: NDArray[Any]
    parent: tuple[str | None, ...]
    above: NDArray[np.int64]
    types: tuple[str, ...]
    guarantee_by_type: NDArray[np.int64]
    limit_by_type: NDArray[np.int64]

    def __init__(
        self,
        *,
        name: Any,
        guarantee: Any = None,
        limit: Any = None,
        weight: Any = None,
        priority: Any = None,
        parent: Any = None,
        guarantee_by_type: Any = None,
        limit_by_type: Any = None,
    ) -> None:
        """Check and convert all columns."""
        names = texts("name", name, None)
        n = len(names)
        seen: dict[str, int] = {}
        for k, text in enumerate(names):
            if seen.setdefault(text, k) != k:
                raise InvalidProblemError(f"name[{k}]: {text!r} is there twice", "name", k)
        owed = _guarantees("guarantee", guarantee, n)
        parents = [None] * n if parent is None else texts("parent", parent, n, none=True)
        above = parents_by_name("parent", names, parents)
        top_down("parent", above)
        self.name, self.parent = tuple(names), tuple(parents)
        self.guarantee = read_only(owed)
        self.limit = read_only(_limits("limit", limit, n))
        owed_of = _by_type("guarantee_by_type", guarantee_by_type)
        limit_of = _by_type("limit_by_type", limit_by_type)
        self.types = tuple(dict.fromkeys([*owed_of, *limit_of]))
        rows = np.zeros((2, len(self.types), n), np.int64)
        for t, kind in enumerate(self.types):
            rows[0, t] = _guarantees(f"guarantee_by_type[{kind!r}]", owed_of.get(kind), n)
            rows[1, t] = _limits(f"limit_by_type[{kind!r}]", limit_of.get(kind), n)
        self.guarantee_by_type, self.limit_by_type = read_only(rows[0]), read_only(rows[1])
        self.weight = read_only(
            np.array(column("weight", 1 if weight is None else weight, n, "n_queues"))
        )
        given = 0 if priority is None else priority
        self.priority = read_only(
            np.array(column("priority", given, n, "n_queues", infinite=True, least=None))
        )
        self.above = read_only(above)

    def __repr__(self) -> str:
        return f"<Queues: {len(self)} queues, {sum(self.guarantee.tolist())} guaranteed>"

    def __len__(self) -> int:
        return len(self.name)

    @classmethod
    def from_columns(
        cls, table: Any, *, guarantee_by_type: Any = None, limit_by_type: Any = None
    ) -> Queues:
        """Build queues from a mapping of columns, a data frame or an Arrow table.

        Parameters
        ----------
        table : table
            Columns ``name``, ``guarantee``, ``limit``, ``weight``, ``priority``, ``parent``; an
            empty limit is none, an empty parent the top level.
        guarantee_by_type, limit_by_type : mapping of str to array, optional
            As of the constructor, in the order of the table's rows.

        Returns
        -------
        Queues

        Raises
        ------
        InvalidProblemError
            A column that is missing or unknown, and what the constructor refuses.
        """
        columns, _ = named_columns(table, _FIELDS)
        by_type = {"guarantee_by_type": guarantee_by_type, "limit_by_type": limit_by_type}
        return cls(**columns, **by_type)

    def divide(self, total: float, request: ArrayLike, *, given: ArrayLike = 0) -> Division:
        """Divide a total among the queues by `gridcompute.fair.divide`.

        Parameters
        ----------
        total : int or float
            What there is.
        request : int or float array, shape (n_queues,)
            What each asks for; of an inner queue, for all below it.
        given : int or float array, shape (n_queues,), optional
            What each has already.

        Returns
        -------
        Division
        """
        return divide(
            total,
            guarantee=self.guarantee,
            request=request,
            weight=self.weight,
            limit=np.where(self.limit == UNLIMITED, math.inf, self.limit),
            priority=self.priority,
            given=given,
            parent=self.above,
        )


def _guarantees(field: str, values: Any, n: int) -> NDArray[np.int64]:
    """Return a column of guarantees; None = 0."""
    owed = column(field, 0 if values is None else values, n, "n_queues", integers=True)
    if n and owed.max() > UNLIMITED:
        k = int(owed.argmax())
        raise InvalidProblemError(
            f"{field}[{k}]: found {owed[k]}, needed at most 2**63 - 1", field, k
        )
    return owed.astype(np.int64)


def _limits(field: str, values: Any, n: int) -> NDArray[np.int64]:
    """Return a column of limits; one value is that of all queues, None no limit."""
    if isinstance(values, str) or (values is not None and np.ndim(values) == 0):
        values = [values] * n
    return amount_column(field, values, n, "n_queues", missing=True)


def _by_type(field: str, given: Any) -> dict[str, Any]:
    """Return columns by the name of a type."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{field} must be a mapping of types to columns, not {type(given).__name__}"
        )
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{field}: a type must be str, not {type(name).__name__}")
    return dict(given)
