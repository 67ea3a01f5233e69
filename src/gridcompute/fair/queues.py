"""Queues of one resource: guarantee, limit, weight and priority of each, in a tree."""

from __future__ import annotations

import math
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

    Attributes
    ----------
    guarantee, limit : int64 array, shape (n_queues,)
        `UNLIMITED` where there is no limit.
    above : int64 array, shape (n_queues,)
        The index of each parent; -1 = the top level.

    Raises
    ------
    InvalidProblemError
        A name that is there twice or unknown, a cycle, a column that does not fit.
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

    def __init__(
        self,
        *,
        name: Any,
        guarantee: Any = None,
        limit: Any = None,
        weight: Any = None,
        priority: Any = None,
        parent: Any = None,
    ) -> None:
        """Check and convert all columns."""
        names = texts("name", name, None)
        n = len(names)
        seen: dict[str, int] = {}
        for k, text in enumerate(names):
            if seen.setdefault(text, k) != k:
                raise InvalidProblemError(f"name[{k}]: {text!r} is there twice", "name", k)
        zero = 0 if guarantee is None else guarantee
        owed = column("guarantee", zero, n, "n_queues", integers=True)
        if n and owed.max() > UNLIMITED:
            k = int(owed.argmax())
            raise InvalidProblemError(
                f"guarantee[{k}]: found {owed[k]}, needed at most 2**63 - 1", "guarantee", k
            )
        parents = [None] * n if parent is None else texts("parent", parent, n, none=True)
        above = parents_by_name("parent", names, parents)
        top_down("parent", above)
        self.name, self.parent = tuple(names), tuple(parents)
        self.guarantee = read_only(owed.astype(np.int64))
        if isinstance(limit, str) or (limit is not None and np.ndim(limit) == 0):
            limit = [limit] * n
        self.limit = read_only(amount_column("limit", limit, n, "n_queues", missing=True))
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
    def from_columns(cls, table: Any) -> Queues:
        """Build queues from a mapping of columns, a data frame or an Arrow table.

        Parameters
        ----------
        table : table
            Columns ``name``, ``guarantee``, ``limit``, ``weight``, ``priority``, ``parent``; an
            empty limit is none, an empty parent the top level.

        Returns
        -------
        Queues

        Raises
        ------
        InvalidProblemError
            A column that is missing or unknown, and what the constructor refuses.
        """
        columns, _ = named_columns(table, _FIELDS)
        return cls(**columns)

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
