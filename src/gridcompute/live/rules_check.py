"""Checks of the rules of gangs in queues, from an answer's own data; nothing here is of the solver.

The bound with prices of limits: a job of demand w whose queue and all above it have limits of price
q in sum pays w q for running, whatever its class. Taking that off its cost of waiting and adding it
to the whole leaves the same minimum, so the bound by prices of slots alone is that of a problem
with lower costs of waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._gap import relative_gap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .gang_rules import GangRules

__all__ = ["Shift", "broken", "gap"]


@dataclass(frozen=True)
class Shift:
    """What the prices of limits charge: for each job, and in all."""

    charges: NDArray[np.float64]
    spent: float  # limits times their prices
    any: bool

    @classmethod
    def of(
        cls,
        columns: Mapping[str, NDArray[Any]],
        rules: GangRules,
        prices: NDArray[np.float64],
        n: int,
    ) -> Shift:
        """Sum the prices above each queue."""
        if not (prices > 0).any():
            return cls(np.zeros(n), 0.0, False)
        total = np.zeros(len(prices))
        for k in range(len(prices)):
            up = k
            while up >= 0:
                total[k] += prices[up]
                up = int(rules.parent[up])
        demand = np.broadcast_to(columns["demand"], (n,)).astype(np.float64)
        queue = np.broadcast_to(columns["queue"], (n,))
        spent = math.fsum(
            float(p) * float(u) for p, u in zip(prices, rules.limit, strict=True) if p > 0
        )
        return cls(demand * total[queue], spent, True)

    def lowered(self, unplaced: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Return costs of waiting less the charges, rounded down."""
        if not self.any or unplaced is None:
            return unplaced
        lower: NDArray[np.float64] = np.nextafter(unplaced - self.charges, -np.inf)
        return np.where(np.isinf(unplaced), unplaced, lower)

    def bound(self, value: float) -> float:
        """Return a bound of the lowered problem as one of the problem itself."""
        if not math.isfinite(value):
            return value
        total = math.fsum([value, *self.charges.tolist(), -self.spent])
        sizes = abs(value) + 2 * float(self.charges.sum()) + abs(self.spent)
        return total - math.ldexp(sizes, -50)


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
) -> list[str]:
    """Return which rules the placement breaks: limits, fixed jobs, priorities within queues."""
    n = len(after)
    demand = np.broadcast_to(columns["demand"], (n,)).astype(np.int64)
    queue = np.broadcast_to(columns["queue"], (n,))
    priority = np.broadcast_to(columns["priority"], (n,))
    running = after >= 0
    out = []
    usage = np.zeros(len(rules.parent), np.int64)
    np.add.at(usage, queue[running], demand[running])
    pinned = np.zeros_like(usage)
    np.add.at(pinned, queue[running & fixed], demand[running & fixed])
    for counted in (usage, pinned):
        own = counted.copy()
        for k in range(len(own)):
            up = int(rules.parent[k])
            while up >= 0:
                counted[up] += own[k]
                up = int(rules.parent[up])
    over = usage > np.maximum(rules.limit, pinned)
    if over.any():
        k = int(over.argmax())
        out.append(f"queue {k}: it takes {usage[k]} slots, and its limit is {rules.limit[k]}")
    moved = fixed & (after != before)
    if moved.any():
        k = int(moved.argmax())
        out.append(f"assignment[{k}]: the job may not be preempted, and left class {before[k]}")
    if rules.ranked:
        out += _envied(columns, demand, queue, priority, after, fixed, source)
    return out


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
    # Of the jobs that could make way, each queue's lowest priority by class and demand.
    could = np.flatnonzero((after >= 0) & ~fixed & np.isfinite(leave))
    sizes = np.unique(demand[could])
    n_slots = source.shape[1]
    lowest: dict[tuple[int, int], NDArray[np.float64]] = {}
    for k in could.tolist():
        for size in sizes[sizes <= demand[k]].tolist():
            row = lowest.setdefault((int(queue[k]), size), np.full(n_slots, np.inf))
            row[after[k]] = min(row[after[k]], float(priority[k]))
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
                f"{least[s]:.0f} of its queue runs in class {s}"
            ]
    return []
