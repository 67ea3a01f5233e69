"""Dominant resource fairness: whole tasks that take several resources, given in one exact order.

A task of tenant i takes ``demand[i]``; its dominant share is the largest part of a resource that
its tasks take. Tasks are given one by one to the tenant of least dominant share / weight, until its
next task does not fit (progressive filling). Most are given at once: the order is that of `_order`,
so the longest prefix that fits is found by bisection; near the capacities tasks go one by one.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._columns import by_position
from .._value import Value
from ..errors import InternalError, InvalidProblemError
from ._algorithms import first_units
from ._inputs import LARGEST, at_most_int64, column, read_only
from .check import task_refutations
from .leximin_shares import SharesCertificate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, repr=False)
class TaskShares(Value):
    """The number of tasks of each tenant, and its limiting resource; the arrays are read-only.

    Attributes
    ----------
    tasks : int64 array, shape (n_tenants,)
        Whole tasks.
    share : float64 array, shape (n_tenants,)
        The largest part of a resource that the tasks take, 0 to 1.
    dominant : int64 array, shape (n_tenants,)
        That resource, the first of equal ones; -1 where a task takes nothing.
    bottleneck : int64 array, shape (n_tenants,)
        The resource that had no room for the next task; -1 where all are given.
    used : float64 array, shape (n_resources,)
        What all tasks take.
    """

    tasks: NDArray[np.int64]
    share: NDArray[np.float64]
    dominant: NDArray[np.int64]
    bottleneck: NDArray[np.int64]
    used: NDArray[np.float64]
    demand: NDArray[Any]
    capacity: NDArray[Any]
    most: NDArray[np.int64]
    weight: NDArray[Any]

    def __repr__(self) -> str:
        size = f"{len(self.tasks)} tenants, {len(self.capacity)} resources"
        return f"<TaskShares: {size}, {int(self.tasks.sum())} tasks>"

    def verify(self) -> SharesCertificate:
        """Check that all fits and that each next task does not, by code that shares nothing.

        Returns
        -------
        SharesCertificate

        Notes
        -----
        Complexity: O(n_tenants * n_resources) fractions, and O(n_tenants) for each resource and
        each smaller demand that it stopped.

        Examples
        --------
        >>> from gridcompute import fair
        >>> fair.dominant([[1, 4], [3, 1]], [9, 18]).verify().valid
        True
        """
        reasons = task_refutations(
            _fractions(self.demand),
            [Fraction(c) for c in self.capacity.tolist()],
            self.most.tolist(),
            self.weight.tolist(),
            self,
        )
        return SharesCertificate(not reasons, tuple(reasons))

    def explain(self, tenant: int) -> str:
        """Say what a tenant runs, and which resource stops it.

        Parameters
        ----------
        tenant : int
            Its index.

        Returns
        -------
        str

        Raises
        ------
        InvalidProblemError
            There is no such tenant.

        Examples
        --------
        >>> from gridcompute import fair
        >>> print(fair.dominant([[1, 4], [3, 1]], [9, 18]).explain(0))
        tenant 0 runs 3 tasks: 0.666667 of resource 1, its dominant one.
        Its next task takes 1 of resource 0, where 9 of 9 are used.
        """
        i = _checks.whole("tenant", tenant, 0, len(self.tasks) - 1)
        count, d, r = int(self.tasks[i]), int(self.dominant[i]), int(self.bottleneck[i])
        text = f"tenant {i} runs {count} tasks"
        if d >= 0:
            text += f": {self.share[i]:g} of resource {d}, its dominant one"
        if r < 0:
            why = "It has all it asks for."
            if self.weight[i] == 0:
                why = "Its weight is 0: it gets none."
        else:
            takes, used, room = self.demand[i, r], self.used[r], self.capacity[r]
            why = (
                f"Its next task takes {takes:g} of resource {r}, where {used:g} of {room:g} are "
                "used."
            )
        return f"{text}.\n{why}"


def dominant(
    demand: ArrayLike,
    capacity: ArrayLike,
    *,
    request: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> TaskShares:
    """Divide several resources among tenants by dominant resource fairness, in whole tasks.

    Parameters
    ----------
    demand : int or float array, shape (n_tenants, n_resources)
        What one task of each tenant takes.
    capacity : int or float array, shape (n_resources,)
        What there is.
    request : int array, shape (n_tenants,), optional
        The most tasks that each asks for; None = no limit.
    weight : int or float array, shape (n_tenants,), optional
        Dominant shares are compared as share / weight. None = 1. 0 = no task.

    Returns
    -------
    TaskShares

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, a NaN, infinite or negative number, tasks that take nothing and
        are not limited.
    TypeError
        Numbers of a wrong type.

    Notes
    -----
    Tasks are given one by one to the tenant whose dominant share / weight is least (of equal ones,
    the one that a task lifts most, then the lower index), until its next task does not fit; all
    comparisons are exact. Whole tasks: a tenant of small tasks may go on where one of large tasks
    stopped.
    Complexity: O(n_tenants * log(tasks)) a bisection, of which there are few; O(log(n_tenants)) for
    each task near the capacities.
    Determinism: the same bits each time.
    Source: Ghodsi et al., NSDI 2011, algorithm 1 and section 4.3 (weights).

    Examples
    --------
    The example of the paper, 9 CPUs and 18 GB:

    >>> from gridcompute import fair
    >>> x = fair.dominant([[1, 4], [3, 1]], [9, 18])
    >>> x.tasks, x.share.round(3), x.used
    (array([3, 2]), array([0.667, 0.667]), array([ 9., 14.]))
    """
    takes = _demand(demand)
    n, n_resources = takes.shape
    room = column("capacity", capacity, n_resources, "n_resources")
    size = column("weight", 1 if weight is None else weight, n, "n_tenants")
    wanted = (
        np.full(n, LARGEST, np.int64)
        if request is None
        else at_most_int64(column("request", request, n, "n_tenants", integers=True))
    )
    rows, have = _fractions(takes), [Fraction(c) for c in room.tolist()]
    most, part, of, stopped = _bounds(rows, have, wanted, size)
    tasks = _fill(rows, have, most, part, size, stopped)
    used = [
        sum((row[r] * x for row, x in zip(rows, tasks.tolist(), strict=True)), Fraction(0))
        for r in range(n_resources)
    ]
    share = [float(p * int(x)) for p, x in zip(part, tasks, strict=True)]
    bound = np.where(size == 0, 0, wanted)
    answer = TaskShares(
        tasks=read_only(tasks),
        share=read_only(np.array(share, np.float64)),
        dominant=read_only(of),
        bottleneck=read_only(np.where(tasks < bound, stopped, -1)),
        used=read_only(np.array([float(u) for u in used], np.float64)),
        demand=read_only(takes),
        capacity=read_only(np.array(room)),
        most=read_only(bound),
        weight=read_only(np.array(size)),
    )
    certificate = answer.verify()
    if not certificate.valid:
        raise InternalError(f"dominant shares refuted by their check: {certificate.reasons[0]}")
    return answer


def _demand(demand: Any) -> NDArray[Any]:
    """Return the demands as int64 or float64, in memory of their own."""
    array = _checks.plain_array("demand", by_position("demand", demand))
    if array.size and (array.dtype.kind not in "iuf" or array.dtype.itemsize > 8):
        raise TypeError(f"demand must be int or float of at most 64 bits, not {array.dtype}")
    if array.ndim != 2:
        raise InvalidProblemError(
            f"demand: found shape {array.shape}, needed (n_tenants, n_resources)", "demand"
        )
    if array.dtype.kind != "u":
        array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    bad = ~(array >= 0) | ~np.isfinite(array)
    if bad.any():
        i, r = (int(k) for k in np.unravel_index(int(bad.argmax()), array.shape))
        raise InvalidProblemError(
            f"demand[{i}, {r}]: found {array[i, r]}, needed a finite number of at least 0",
            "demand",
            (i, r),
        )
    return np.array(array, order="C")


def _fractions(values: NDArray[Any]) -> list[list[Fraction]]:
    return [[Fraction(v) for v in row] for row in values.tolist()]


def _bounds(
    demand: list[list[Fraction]],
    capacity: list[Fraction],
    wanted: NDArray[np.int64],
    weight: NDArray[Any],
) -> tuple[NDArray[np.int64], list[Fraction], NDArray[np.int64], NDArray[np.int64]]:
    """Return the most tasks of each alone, the part one takes, of which resource, what stops it."""
    n = len(demand)
    most, of, stopped = np.zeros(n, np.int64), np.full(n, -1), np.full(n, -1)
    part = [Fraction(0)] * n
    for i, row in enumerate(demand):
        fits: int | None = None
        for r, (takes, room) in enumerate(zip(row, capacity, strict=True)):
            if takes == 0:
                continue
            number = room // takes
            if fits is None or number < fits:
                fits, stopped[i] = number, r
            if room and takes / room > part[i]:
                part[i], of[i] = takes / room, r
        if weight[i] == 0:
            continue
        if fits is None and wanted[i] == LARGEST:
            raise InvalidProblemError(
                f"demand[{i}]: found zeros only, needed something, or a request", "demand", i
            )
        count = int(wanted[i]) if fits is None else min(int(wanted[i]), fits)
        if count == LARGEST:
            raise InvalidProblemError(
                f"demand[{i}]: found tasks of which {fits} fit, needed fewer than 2**63 - 1",
                "demand",
                i,
            )
        most[i] = count
    return most, part, of.astype(np.int64), stopped.astype(np.int64)


def _fill(
    demand: list[list[Fraction]],
    capacity: list[Fraction],
    most: NDArray[np.int64],
    part: list[Fraction],
    weight: NDArray[Any],
    stopped: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the tasks of each by progressive filling; `stopped` gets what stops each."""
    n = len(demand)
    # Integers: each resource in units of which every demand and the capacity are multiples.
    columns = []
    for r, have in enumerate(capacity):
        unit = math.lcm(have.denominator, *(row[r].denominator for row in demand))
        columns.append(([int(row[r] * unit) for row in demand], int(have * unit)))
    takes = [np.array(c[0], object) for c in columns]
    room = [c[1] for c in columns]
    tasks = np.zeros(n, np.int64)
    free = np.array([p == 0 for p in part], np.bool_)
    tasks[free] = most[free]  # tasks that take nothing
    heights = [
        Fraction(w) / p if p and w else Fraction(1)
        for w, p in zip(weight.tolist(), part, strict=True)
    ]
    active = ~free & (most > 0)

    def fits(count: NDArray[np.int64]) -> bool:
        whole = count.astype(object)
        return all(int((t * whole).sum()) <= c for t, c in zip(takes, room, strict=True))

    while active.any():
        at = np.flatnonzero(active)
        chosen = [heights[i] for i in at.tolist()]
        low, high = tasks[at], most[at]
        none = np.zeros(len(at), np.int64)
        start = sum(low.tolist())
        least, beyond = start, sum(high.tolist()) + 1
        while beyond - least > 1:
            middle = (least + beyond) // 2
            trial = tasks.copy()
            trial[at] = first_units(middle, low, high, none, chosen)
            if fits(trial):
                least = middle
            else:
                beyond = middle
        tasks[at] = first_units(least, low, high, none, chosen)
        _one_by_one(tasks, active, most, heights, takes, room, stopped, 4 * n + 1000)
    return tasks


def _one_by_one(
    tasks: NDArray[np.int64],
    active: NDArray[np.bool_],
    most: NDArray[np.int64],
    heights: list[Fraction],
    takes: list[NDArray[Any]],
    room: list[int],
    stopped: NDArray[np.int64],
    steps: int,
) -> None:
    """Give up to `steps` tasks in order; a tenant whose task does not fit is active no more."""
    active &= tasks < most
    whole = tasks.astype(object)
    left = [c - int((t * whole).sum()) for t, c in zip(takes, room, strict=True)]
    heap = [(int(tasks[i]) / heights[i], heights[i], i) for i in np.flatnonzero(active).tolist()]
    heapq.heapify(heap)
    while heap and steps:
        steps -= 1
        _, weight, i = heap[0]
        short = next((r for r, t in enumerate(takes) if t[i] > left[r]), None)
        if short is not None:
            active[i], stopped[i] = False, short
            heapq.heappop(heap)
            continue
        for r, t in enumerate(takes):
            left[r] -= t[i]
        tasks[i] += 1
        if tasks[i] < most[i]:
            heapq.heapreplace(heap, (int(tasks[i]) / weight, weight, i))
        else:
            active[i] = False
            heapq.heappop(heap)
