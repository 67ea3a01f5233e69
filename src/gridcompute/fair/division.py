"""One resource divided among queues: guarantees first, then by priority and weight, down a tree.

The rule is that of the KAI scheduler, computed in exact arithmetic. For the queues of one level:

1. Each queue gets min(guarantee, request, limit), even where the total does not suffice.
2. What remains goes to priorities from high to low, in rounds. A queue is unsatisfied while its
   share is below its request and its limit. Each round offers every unsatisfied queue
   remaining * weight / (sum of the weights of the unsatisfied). A queue that requests no more than
   its offer gets its request; another takes the whole part, and its fraction is recorded. There is
   another round while some queue requested less than its offer.
3. What remains then is given in pieces of at most 1 to the recorded queues: priorities from high to
   low, the largest fraction first, then the older queue, then the lower index.

Amounts are integers in units of 2**-shift, so that floats are exact as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._html import ShownAsText
from .._value import Value
from ..errors import InvalidProblemError
from ._inputs import (
    LARGEST,
    children_of,
    column,
    count_of,
    exact_integers,
    parent_column,
    read_only,
    real,
    shift_of,
    to_float,
    top_down,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


# Products below it stay within int64, sums of two of them as well.
_SAFE = 2**62


@dataclass(frozen=True)
class DivisionExplanation(ShownAsText):
    """The part of one queue and its reason; ``str()`` gives it in words.

    Attributes
    ----------
    queue : int
    share, given, guaranteed, surplus : float or int
        The share, and its parts: what it started with, what its guarantee gave, what it got of the
        rest.
    short : float or int
        What it asked for, within its limit, and did not get.
    reason : str
        What bounds it: "request", "limit", "weight" (it has none), "total".
    text : str
        All that in words.
    """

    queue: int
    share: float
    given: float
    guaranteed: float
    surplus: float
    short: float
    reason: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False, repr=False)
class Division(Value):
    """The division of a total; the arrays are read-only.

    Attributes
    ----------
    share : int64 or float64 array, shape (n_queues,)
        What each queue gets; int64 where total, guarantee, request and given are integers (and no
        limit has a fraction).
    remaining : int or float
        What is left at the top level.
    rounds : int
        Rounds of offers, over all levels and priorities.
    guaranteed : array, shape (n_queues,)
        The part of each share that its guarantee gave.
    unused : array, shape (n_queues,)
        What the children of an inner queue left of its share; 0 at a leaf.
    """

    share: NDArray[Any]
    remaining: int | float
    rounds: int
    guaranteed: NDArray[Any]
    unused: NDArray[Any]
    total: int | float
    columns: dict[str, NDArray[Any]]

    def __repr__(self) -> str:
        size = f"{len(self.share)} queues, {self.rounds} rounds"
        return f"<Division: {self.total} among {size}, {self.remaining} remaining>"

    def explain(self, queue: int) -> DivisionExplanation:
        """Say what a queue got, of what, and what bounds it.

        Parameters
        ----------
        queue : int
            Its index.

        Returns
        -------
        DivisionExplanation

        Raises
        ------
        InvalidProblemError
            There is no such queue.

        Examples
        --------
        >>> from gridcompute import fair
        >>> d = fair.divide(8, guarantee=[2, 2], request=[6, 6], weight=[1, 3])
        >>> print(d.explain(1))
        queue 1: share 5 = 2 guaranteed + 3 of the surplus; it asks for 6 and is 1 short.
        Bound by the total, 8: weight 3 of 4 among the queues of its level and priority.
        """
        k = _checks.whole("queue", queue, 0, len(self.share) - 1)
        c = self.columns
        share, guaranteed, given = (
            _plain(v) for v in (self.share[k], self.guaranteed[k], c["given"][k])
        )
        request, limit = _plain(c["request"][k]), _plain(c["limit"][k])
        surplus = share - guaranteed - given
        wanted = min(request, limit)
        short = max(0, wanted - share)
        above = int(c["parent"][k])
        if share >= request:
            reason, why = "request", "It has all it asks for."
        elif share >= limit:
            reason, why = "limit", f"Bound by its limit, {limit}."
        elif c["weight"][k] == 0:
            reason, why = "weight", "Its weight is 0: it gets nothing of the surplus."
        else:
            peers = (c["parent"] == above) & (c["priority"] == c["priority"][k])
            all_weights = _plain(c["weight"][peers].sum())
            of = f"the share of queue {above}" if above >= 0 else f"the total, {self.total}"
            reason, why = (
                "total",
                f"Bound by {of}: weight {_plain(c['weight'][k])} of {all_weights} among the queues "
                "of its level and priority.",
            )
        parts = [f"{guaranteed} guaranteed", f"{surplus} of the surplus"]
        if given:
            parts.insert(0, f"{given} given")
        asks = f"it asks for {request}" + (f" and is {short} short" if short else "")
        text = f"queue {k}: share {share} = {' + '.join(parts)}; {asks}.\n{why}"
        return DivisionExplanation(k, share, given, guaranteed, surplus, short, reason, text)


def _plain(value: Any) -> Any:
    """Return a numpy scalar as a Python number, an integral float as an int."""
    number = value.item()
    return int(number) if isinstance(number, float) and number.is_integer() else number


def divide(
    total: float,
    *,
    guarantee: ArrayLike,
    request: ArrayLike,
    weight: ArrayLike,
    limit: ArrayLike = math.inf,
    priority: ArrayLike = 0,
    age: ArrayLike | None = None,
    given: ArrayLike = 0,
    parent: ArrayLike | None = None,
) -> Division:
    """Divide one resource among queues, by KAI's rule, to the last unit.

    Each queue gets its guarantee as far as it asks for it; the rest goes to priorities from high to
    low, in proportion to weights, in whole units, and no further than request and limit.

    Parameters
    ----------
    total : int or float
        What there is to divide, 0 or more.
    guarantee : int or float array, shape (n_queues,)
        What each queue gets before any surplus is divided; inf = the whole total. One number stands
        for all queues, here and below.
    request : int or float array, shape (n_queues,)
        What each asks for; inf = all it can get. Of an inner queue of a tree: for all below it (see
        `subtree_sum`).
    weight : int or float array, shape (n_queues,)
        Its part of the surplus, against others of its level and priority; 0 = none of it.
    limit : int or float array, shape (n_queues,), optional
        What it gets at most; inf = no limit. A limit below the guarantee bounds that as well.
    priority : int or float array, shape (n_queues,), optional
        The larger comes first. It does not matter for guarantees.
    age : int, float or datetime array, shape (n_queues,), optional
        Of equal fractions the smaller (older) comes first; None = all alike.
    given : int or float array, shape (n_queues,), optional
        What each has already; it counts towards request and limit, and not against `total`.
    parent : int array, shape (n_queues,), optional
        The queue above each, -1 = the top level. The share of an inner queue is the total that its
        children divide.

    Returns
    -------
    Division

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, a NaN or negative number, a `parent` that is no tree.
    TypeError
        Numbers that are neither integers nor floats of at most 64 bits.

    Notes
    -----
    All arithmetic is exact, in integers of any size; float shares are rounded once, at the end.
    Guarantees are given in full even where they exceed the total: the shares then do, too. Where
    requests or limits are not whole, the last piece may exceed them by less than 1, as in KAI.
    Complexity: O(n_queues) a round; a round satisfies at least one queue, in practice many.
    Determinism: ties by fraction, age, index.
    Source: the proportion plugin of NVIDIA KAI-Scheduler (Apache-2.0), as published.

    Examples
    --------
    >>> from gridcompute import fair
    >>> d = fair.divide(11, guarantee=[2, 2], request=[10, 10], weight=[1, 4])
    >>> d.share, d.remaining
    (array([3, 8]), 0)

    Two departments, the first with two teams:

    >>> fair.divide(
    ...     12, guarantee=[4, 4, 1, 1], request=[20, 20, 10, 10], weight=[1, 1, 1, 2],
    ...     parent=[-1, -1, 0, 0],
    ... ).share
    array([6, 6, 2, 4])
    """
    whole = real("total", total)
    n = count_of(request, guarantee, weight, limit, priority, given, parent)
    amounts = {
        "guarantee": column("guarantee", guarantee, n, "n_queues", infinite=True),
        "request": column("request", request, n, "n_queues", infinite=True),
        "limit": column("limit", limit, n, "n_queues", infinite=True),
        "given": column("given", given, n, "n_queues"),
    }
    weights = column("weight", weight, n, "n_queues")
    level = column("priority", priority, n, "n_queues", infinite=True, least=None)
    above = np.full(n, -1, np.int64) if parent is None else parent_column("parent", parent, n)
    order = top_down("parent", above)
    older = _age_rank(age, n)

    shift = shift_of(whole, *amounts.values())
    start = (
        exact_integers(np.atleast_1d(np.asarray(whole)), shift)
        if isinstance(whole, float)
        else [whole << shift]
    )
    scaled = {name: exact_integers(values, shift) for name, values in amounts.items()}
    scale = shift_of(weights)
    parts = [w or 0 for w in exact_integers(weights, scale)]

    share = [g or 0 for g in scaled["given"]]
    guaranteed = [0] * n
    unused = [0] * n
    ranks = np.unique(level, return_inverse=True)[1].tolist()
    children = children_of(above)
    top = [k for k in order if above[k] < 0]
    levels = [(-1, top), *((k, children[k]) for k in order if k in children)]
    rounds, remaining = 0, start[0] or 0
    for node, members in levels:
        available = (start[0] or 0) if node < 0 else share[node]
        left, took = _divide_level(
            available, members, scaled, parts, ranks, older, share, guaranteed, 1 << shift
        )
        rounds += took
        if node < 0:
            remaining = left
        else:
            unused[node] = left

    integers = (
        shift == 0
        and isinstance(whole, int)
        and all(name == "limit" or v.dtype.kind != "f" for name, v in amounts.items())
    )
    columns = {**amounts, "weight": weights, "priority": level, "parent": above}
    return Division(
        share=_numbers("share", share, shift, integers),
        remaining=remaining if integers else to_float(remaining, shift),
        rounds=rounds,
        guaranteed=_numbers("guaranteed", guaranteed, shift, integers),
        unused=_numbers("unused", unused, shift, integers),
        total=whole,
        columns={name: read_only(np.array(values)) for name, values in columns.items()},
    )


def _age_rank(age: Any, n: int) -> list[int]:
    """Return the rank of each queue by age, oldest first; equal ages have equal ranks."""
    if age is None:
        return [0] * n
    array = np.asarray(age)
    if array.dtype.kind == "M":
        if array.shape not in ((n,), ()) or np.isnat(array).any():
            raise InvalidProblemError(
                f"age: found shape {array.shape}, needed ({n},) times without NaT", "age"
            )
        values = np.broadcast_to(array, (n,))
    else:
        values = column("age", age, n, "n_queues", infinite=True, least=None)
    return list(map(int, np.unique(values, return_inverse=True)[1]))


def _divide_level(
    total: int,
    members: list[int],
    scaled: dict[str, list[int | None]],
    weight: list[int],
    priority: list[int],
    age: list[int],
    share: list[int],
    guaranteed: list[int],
    unit: int,
) -> tuple[int, int]:
    """Divide `total` among `members`, into `share`; return what remains, and the rounds.

    All amounts are integers, `unit` of them a whole unit; None is infinite.
    """
    remaining = total
    for k in members:
        bounds = [scaled[name][k] for name in ("guarantee", "request", "limit")]
        bounds[0] = total if bounds[0] is None else bounds[0]
        guaranteed[k] = min(b for b in bounds if b is not None)
        share[k] += guaranteed[k]
        remaining -= guaranteed[k]
    if remaining <= 0:
        return 0, 0
    groups: dict[int, list[int]] = {}
    for k in members:
        groups.setdefault(priority[k], []).append(k)
    rounds, noted = 0, []
    for rank in sorted(groups, reverse=True):
        group = groups[rank]
        room = []
        for k in group:
            caps = [b for b in (scaled["request"][k], scaled["limit"][k]) if b is not None]
            # No queue can get more than `remaining`, so a larger request has no effect.
            room.append(min(remaining + 1, max(0, min(caps) - share[k])) if caps else remaining + 1)
        taken, fractions, took = _rounds(remaining, room, [weight[k] for k in group], unit)
        for k, amount in zip(group, taken, strict=True):
            share[k] += amount
        remaining -= sum(taken)
        rounds += took
        noted.append([(-f, age[k], k) for k, f in zip(group, fractions, strict=True) if f >= 0])
    for group_notes in noted:
        for _, _, k in sorted(group_notes):
            if remaining == 0:
                return 0, rounds
            piece = min(unit, remaining)
            share[k] += piece
            remaining -= piece
    return remaining, rounds


def _rounds(
    remaining: int, room: list[int], weight: list[int], unit: int
) -> tuple[list[int], list[int], int]:
    """Offer `remaining` to the queues of one priority until no queue requests less than its offer.

    Returns what each takes; the numerator of the fraction noted of each in the last round, which
    have one denominator (-1: not noted); and the rounds. A noted queue is still unsatisfied, so
    that each later round notes it again: the fractions of earlier rounds never decide.
    """
    dtype: Any = np.int64
    if (max(remaining, unit) + 1) * max(1, sum(weight)) >= _SAFE:
        dtype = object
    want, parts = np.array(room, dtype), np.array(weight, dtype)
    taken = np.zeros(len(room), dtype)
    fraction = np.full(len(room), -1, dtype)
    open_ = np.flatnonzero((want > 0) & (parts > 0))
    rounds = 0
    while len(open_) and remaining > 0:
        rounds += 1
        all_parts = int(parts[open_].sum())
        numerator = remaining * parts[open_]  # of the offer, over all_parts
        wanted = want[open_] * all_parts
        whole = numerator // (all_parts * unit) * unit
        satisfied = wanted <= numerator
        take = np.where(satisfied, want[open_], whole)
        taken[open_] += take
        want[open_] -= take
        fraction[open_] = np.where(satisfied, -1, numerator - whole * all_parts)
        remaining -= int(take.sum())
        if not (wanted < numerator).any():
            break
        open_ = open_[~satisfied.astype(np.bool_)]
    return [int(t) for t in taken], [int(f) for f in fraction], rounds


def _numbers(field: str, values: list[int], shift: int, integers: bool) -> NDArray[Any]:
    """Return amounts as int64, or as the nearest float64."""
    if not integers:
        return read_only(np.array([to_float(v, shift) for v in values], np.float64))
    for k, value in enumerate(values):
        if value > LARGEST:
            raise InvalidProblemError(
                f"{field}[{k}]: found {value}, needed at most 2**63 - 1; give floats instead",
                field,
                k,
            )
    return read_only(np.array(values, np.int64))
