"""Explains the class of one job, in numbers and in words.

`TransportProblem` is the problem that a matching answers, as the core read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._html import paragraphs
from ..costs.source import cost_source
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .. import _core


class TransportProblem(NamedTuple):
    """The problem that a matching answers, as the core read it.

    `cost` is None where it was left behind, in a pickle.
    """

    cost: _core.CostSource | None
    n_jobs: int
    n_slots: int
    capacity: NDArray[np.int64]
    demand: NDArray[np.int32] | None
    unplaced: NDArray[np.float64] | None
    threads: int

    def source(self, cost: Any = None) -> _core.CostSource:
        """Return the cost: the one given, else the problem's own; neither is an error."""
        if cost is None:
            if self.cost is None:
                raise InvalidProblemError(
                    "cost: found none, needed the cost of the problem: a matching that was pickled "
                    "leaves it behind, so pass it, as in verify(cost)",
                    "cost",
                )
            return self.cost
        given = cost_source(cost)
        if given.shape != (self.n_jobs, self.n_slots):
            raise InvalidProblemError(
                f"cost: found shape {given.shape}, needed (n_jobs, n_slots) = "
                f"({self.n_jobs}, {self.n_slots})",
                "cost",
            )
        return given

    def without_cost(self) -> TransportProblem:
        """Return the problem without its cost, as a pickle holds it."""
        return self._replace(cost=None)

    def weight(self, job: int) -> int:
        """Return the number of slots of the job."""
        return 1 if self.demand is None else int(self.demand[job])

    def out(self, job: int) -> float:
        """Return the cost of leaving the job out; inf = it must be placed."""
        if self.unplaced is None:
            return math.inf
        return float(self.unplaced[0 if self.unplaced.size == 1 else job])


_FORBIDDEN = 2**62 - 1  # what the core says for "forbidden" where costs are integers


@dataclass(frozen=True)
class Explanation:
    """The class of one job, and the changes that would alter it; ``str()`` gives it in words.

    Attributes
    ----------
    job : int
    slot : int
        Its class; -1 = unplaced.
    cost, price : float
        What it costs there, and the price of the slots it takes there. Unplaced: the cost of
        leaving it out, and 0.
    runner_up : int or None
        Where it would go otherwise, cost and price taken together; -1 = left out; None if nothing
        else is open to it.
    runner_up_cost, runner_up_price : float
        The same there; inf and 0 if nothing is.
    margin : float
        The excess of the runner-up's price: the cost here may rise, or that of the runner-up fall,
        by so much before the job would rather be there, at these prices. Negative only where the
        matching is not optimal, or the gang did not fit.
    forbidden, too_small : int
        How many classes it may not use, and how many others are smaller than its gang.
    text : str
        All that in words.
    """

    job: int
    slot: int
    cost: float
    price: float
    runner_up: int | None
    runner_up_cost: float
    runner_up_price: float
    margin: float
    forbidden: int
    too_small: int
    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return paragraphs(self.text)


def explain(
    q: TransportProblem,
    source: _core.CostSource,
    assignment: NDArray[np.int32],
    prices: NDArray[np.float64],
    job: int,
) -> Explanation:
    """Return the explanation of a job in range, at the prices of a matching."""
    slot = int(assignment[job])
    row = source.row(job)
    cost = row.astype(np.float64)
    if row.dtype.kind == "i":
        cost[row == _FORBIDDEN] = np.inf
    # Being left out is one more class, the last: -1 in both senses.
    weight = q.weight(job)
    cost = np.append(cost, q.out(job))
    price = np.append(weight * prices, 0.0)
    small = np.append(q.capacity < weight, False)
    forbidden = np.isinf(cost)
    total = np.where(forbidden | small, np.inf, cost + price)
    total[slot] = np.inf
    other = int(total.argmin())
    found = bool(total[other] < math.inf)
    runner_up = None if not found else other if other < q.n_slots else -1
    here = float(cost[slot] + price[slot])
    margin = float(total[other]) - here if found or math.isfinite(here) else math.inf
    lines = [_here(job, slot, float(cost[slot]), float(price[slot]), weight)]
    lines += _next(runner_up, float(cost[other]), float(price[other]), margin)
    n_forbidden = int(forbidden[:-1].sum())
    n_small = int((small & ~forbidden).sum())
    lines += _why(slot, runner_up, float(cost[other]), margin)
    if n_forbidden or n_small:
        lines.append(_closed(n_forbidden, n_small, q.n_slots))
    return Explanation(
        job=job,
        slot=slot,
        cost=float(cost[slot]),
        price=float(price[slot]),
        runner_up=runner_up,
        runner_up_cost=float(cost[other]) if found else math.inf,
        runner_up_price=float(price[other]) if found else 0.0,
        margin=margin,
        forbidden=n_forbidden,
        too_small=n_small,
        text="\n".join(lines),
    )


def _sum(cost: float, price: float) -> str:
    return f"cost {cost:.6g} + price {price:.6g} = {cost + price:.6g}"


def _here(job: int, slot: int, cost: float, price: float, weight: int) -> str:
    gang = f" ({weight} slots)" if weight > 1 else ""
    if slot >= 0:
        return f"job {job}{gang} goes to class {slot}: {_sum(cost, price)}."
    if math.isinf(cost):
        return f"job {job}{gang} must be placed, and is not."
    return f"job {job}{gang} is left out, at cost {cost:.6g}."


def _next(runner_up: int | None, cost: float, price: float, margin: float) -> list[str]:
    if runner_up is None:
        return ["Nothing else is open to it."]
    there = f"leaving it out: cost {cost:.6g}" if runner_up < 0 else f"class {runner_up}: "
    if runner_up >= 0:
        there += _sum(cost, price)
    if math.isinf(margin):
        return [f"Cheapest is {there}."]
    beside = f"{'dearer' if margin > 0 else 'cheaper'} by {abs(margin):.6g}"
    return [f"Next best is {there}, {beside if margin else 'as dear'}."]


def _why(slot: int, runner_up: int | None, cost: float, margin: float) -> list[str]:
    """Return the changes that would alter the answer."""
    if runner_up is None or math.isinf(margin):
        return []
    there = "leaving it out" if runner_up < 0 else f"class {runner_up}"
    if margin < 0:
        return [f"At these prices {there} would be better: there is no room for it, or no proof."]
    if margin == 0:
        return [f"A tie: at these prices {there} would do as well."]
    if slot < 0 and cost < math.inf:
        return [f"It would be placed if its cost in {there} or the price there fell by more."]
    return [f"It stays while its cost here rises, or that of {there} falls, by less."]


def _closed(forbidden: int, small: int, n_slots: int) -> str:
    parts = []
    if forbidden:
        parts.append(f"{forbidden} forbidden")
    if small:
        parts.append(f"{small} smaller than its gang")
    return f"Of {n_slots} classes, {' and '.join(parts)}."
