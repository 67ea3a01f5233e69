"""Checks of the rules of gangs in queues, from an answer's own data; nothing here is of the solver.

The bound with prices of limits: a job of demand w whose queue and all above it have limits of price
q in sum pays w q for running, whatever its class. Taking that off its cost of waiting and adding it
to the whole leaves the same minimum, so the bound by prices of slots alone is that of a problem
with lower costs of waiting. Limits of one type of classes charge a job by its class: then each
queue has prices of its own, and the least costs of its jobs at these are summed up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._certificate import relative_gap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..results.explanation import TransportProblem
    from .gang_rules import GangRules


@dataclass(frozen=True)
class Shift:
    """The charges by the prices of limits: for each job, and in total."""

    charges: NDArray[np.float64]
    spent: float  # limits times their prices
    any: bool
    waiting: float = 0.0  # the sizes of all costs of waiting, where these are finite

    @classmethod
    def of(
        cls,
        columns: Mapping[str, NDArray[Any]],
        rules: GangRules,
        prices: NDArray[np.float64],
        limits: NDArray[np.int64],
        n: int,
        unplaced: NDArray[np.float64] | None,
    ) -> Shift:
        """Sum the prices above each queue."""
        if not (prices > 0).any():
            return cls(np.zeros(n), 0.0, False)
        total = np.zeros(len(prices))
        for k in range(len(prices)):
            for up in _path(rules, k):
                total[k] += prices[up]
        demand = np.broadcast_to(columns["demand"], (n,)).astype(np.float64)
        queue = np.broadcast_to(columns["queue"], (n,))
        spent = math.fsum(float(p) * float(u) for p, u in zip(prices, limits, strict=True) if p > 0)
        out = np.zeros(0) if unplaced is None else unplaced[np.isfinite(unplaced)]
        return cls(demand * total[queue], spent, True, float(np.abs(out).sum()))

    def lowered(self, unplaced: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Return costs of waiting less the charges, rounded down."""
        if not self.any or unplaced is None:
            return unplaced
        lower: NDArray[np.float64] = np.nextafter(unplaced - self.charges, -np.inf)
        return np.where(np.isinf(unplaced), unplaced, lower)

    def bound(self, value: float, *, up: bool = False) -> float:
        """Return a bound of the lowered problem as one of the problem itself, rounded."""
        if not math.isfinite(value):
            return value
        total = math.fsum([value, *self.charges.tolist(), -self.spent])
        sizes = abs(value) + 2 * float(self.charges.sum()) + abs(self.spent)
        if up:  # what lowering rounded down as well, at most twice the last place of each cost
            return total + math.ldexp(sizes + self.waiting, -49)
        return total - math.ldexp(sizes, -50)


def bound_by_type(
    question: TransportProblem,
    columns: Mapping[str, NDArray[Any]],
    rules: GangRules,
    types: NDArray[np.int32],
    prices: NDArray[np.float64],
    limit_prices: NDArray[np.float64],
    limits: NDArray[np.int64],
    threads: int,
) -> tuple[float, float]:
    """Return what encloses the bound that prices of slots and of limits by type prove.

    `limits` and their prices: those over all types, (n_queues,), then those of each type.
    """
    n, n_queues = question.n_jobs, len(rules.parent)
    over, by_type = limit_prices[:n_queues], rules.of_type(limit_prices)
    queue = np.ascontiguousarray(np.broadcast_to(columns["queue"], (n,)), np.int32)
    present, group = np.unique(queue, return_inverse=True)
    paths = [_path(rules, int(k)) for k in present]
    depth = max((len(path) for path in paths), default=0)
    # Two rows for each queue of a path: its price over all types, and of the type of each class.
    charges = np.zeros((len(paths), 2 * depth, question.n_slots))
    for g, path in enumerate(paths):
        for d, up in enumerate(path):
            charges[g, 2 * d] = over[up]
            charges[g, 2 * d + 1] = by_type[types, up]
    low, high = _core.least_costs(
        question.source(),
        question.capacity,
        question.demand,
        question.unplaced,
        prices,
        np.ascontiguousarray(group, np.int32),
        charges,
        threads,
    )
    if not (math.isfinite(low) and math.isfinite(high)):
        return low, high
    demand = question.demand
    divisor = 1 if demand is None or not n else max(1, int(np.gcd.reduce(demand)))
    worth = sum(
        (
            Fraction(p) * (u // divisor * divisor)  # what whole jobs can fill
            for p, u in zip(prices.tolist(), question.capacity.tolist(), strict=True)
            if p > 0
        ),
        Fraction(0),
    )
    for q, limit in zip(limit_prices.tolist(), limits.tolist(), strict=True):
        worth += Fraction(q) * limit if q > 0 else 0
    return _down(Fraction(low) - worth), -_down(worth - Fraction(high))


def _down(exact: Fraction) -> float:
    """Return the largest double that is not above."""
    nearest = float(exact)
    return nearest if nearest <= exact else math.nextafter(nearest, -math.inf)


def _path(rules: GangRules, queue: int) -> list[int]:
    """Return a queue and those above it."""
    out = []
    while queue >= 0:
        out.append(queue)
        queue = int(rules.parent[queue])
    return out


def usages(
    columns: Mapping[str, NDArray[Any]],
    rules: GangRules,
    placed: NDArray[np.int32],
    types: NDArray[np.int32],
    among: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return what queues hold, those below them included: of all types, then of each type.

    Only of the jobs that run and are `among` those asked about.
    """
    n = len(placed)
    demand = np.broadcast_to(columns["demand"], (n,)).astype(np.int64)
    queue = np.broadcast_to(columns["queue"], (n,))
    jobs = np.flatnonzero((placed >= 0) & among)
    own = np.zeros((1 + len(rules.types), len(rules.parent)), np.int64)
    np.add.at(own[0], queue[jobs], demand[jobs])
    if rules.types:
        np.add.at(own, (1 + types[placed[jobs]], queue[jobs]), demand[jobs])
    out = np.zeros_like(own)
    for k in range(len(rules.parent)):
        for up in _path(rules, k):
            out[:, up] += own[:, k]
    return out.ravel()


def limits_of(
    columns: Mapping[str, NDArray[Any]],
    rules: GangRules,
    placed: NDArray[np.int32],
    types: NDArray[np.int32],
    fixed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the limits as `usages` counts: what fixed jobs take, where that is more."""
    limits = np.append(rules.limit, rules.limit_by_type.ravel())
    least: NDArray[np.int64] = np.maximum(limits, usages(columns, rules, placed, types, fixed))
    return least


def gap(objective: float, bound: float) -> float:
    """Return the relative gap; 0.0 where both agree."""
    return 0.0 if objective == bound else relative_gap(objective, bound)


def broken(
    columns: Mapping[str, NDArray[Any]],
    rules: GangRules,
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    fixed: NDArray[np.bool_],
    source: Any,
    types: NDArray[np.int32],
    settled: bool,
) -> list[str]:
    """Return which rules the placement breaks: limits, fixed jobs, priorities within queues.

    `types`: of the classes; read where queues have limits by type. `settled`: False of a round that
    was stopped, or had no more moves; priorities may wait for the next one then.
    """
    n = len(after)
    demand = np.broadcast_to(columns["demand"], (n,)).astype(np.int64)
    queue = np.broadcast_to(columns["queue"], (n,))
    priority = np.broadcast_to(columns["priority"], (n,))
    running = after >= 0
    out = []

    usage = usages(columns, rules, after, types, running)
    limits = limits_of(columns, rules, after, types, fixed)
    for k in np.flatnonzero(usage > limits).tolist():
        t, q = divmod(k, len(rules.parent))
        of = "" if t == 0 else f" of type {rules.types[t - 1]!r}"
        out.append(
            f"queue {rules.names[q]!r}: it takes {usage[k]} slots{of}, and its limit is {limits[k]}"
        )
    moved = fixed & (after != before)
    if moved.any():
        k = int(moved.argmax())
        out.append(f"assignment[{k}]: the job may not be preempted, and left class {before[k]}")
    if rules.ranked and settled:
        out += _envied(columns, demand, queue, priority, after, fixed, source)
    return out


def wrongly_fixed(
    columns: Mapping[str, NDArray[Any]],
    before: NDArray[np.int32],
    pinned: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    source: Any,
    asked: NDArray[np.int64] | None = None,
) -> list[str]:
    """Return which jobs count as fixed and are not, or are and do not count.

    A job is fixed if it was placed, and is pinned or may not be preempted while its class is open
    to it. Of the jobs that count, the costs of those at the positions `asked` alone are read: where
    the others are is checked with the assignment.
    """
    soft = np.broadcast_to(columns["preemptible"], (len(before),)) != 0
    bound = (before >= 0) & (pinned | ~soft)
    wrong = (fixed & ~bound) | (bound & pinned & ~fixed)
    read = bound & ~pinned & ~fixed
    if asked is not None:
        read[asked] |= bound[asked] & ~pinned[asked]
    for k in np.flatnonzero(read).tolist():
        wrong[k] |= bool(np.isfinite(source.row(k)[before[k]]) != fixed[k])
    if not wrong.any():
        return []
    k = int(wrong.argmax())
    counts = "counts as one that stays, and is none" if fixed[k] else "stays, and does not count"
    return [f"assignment[{k}]: the job {counts}"]


def _envied(
    columns: Mapping[str, NDArray[Any]],
    demand: NDArray[np.int64],
    queue: NDArray[np.int32],
    priority: NDArray[np.int64],
    after: NDArray[np.int32],
    fixed: NDArray[np.bool_],
    source: Any,
) -> list[str]:
    """Find a waiting job that would rather run in the place of a less important one."""
    n = len(after)
    leave = np.broadcast_to(columns["unplaced"], (n,))
    # Of the jobs that may be evicted, each queue's lowest priority by class and demand.
    could = np.flatnonzero((after >= 0) & ~fixed & np.isfinite(leave))
    sizes = np.unique(demand[could])
    n_slots, none = source.shape[1], np.iinfo(np.int64).max  # no priority is above it
    lowest: dict[tuple[int, int], NDArray[np.int64]] = {}
    for k in could.tolist():
        for size in sizes[sizes <= demand[k]].tolist():
            row = lowest.setdefault((int(queue[k]), size), np.full(n_slots, none))
            row[after[k]] = min(row[after[k]], priority[k])
    for k in np.flatnonzero(after < 0).tolist():
        fits = sizes[sizes >= demand[k]]
        least = lowest.get((int(queue[k]), int(fits[0]))) if len(fits) else None
        if least is None or not (least < priority[k]).any():
            continue
        costs = np.asarray(source.row(k), np.float64)
        wrong = (least < priority[k]) & (costs < leave[k])
        if wrong.any():
            s = int(wrong.argmax())
            return [
                f"assignment[{k}]: the job waits at priority {priority[k]}, and one of priority "
                f"{least[s]} of its queue runs in class {s}"
            ]
    return []
