"""Explains the class of a `Matcher`'s job, or why it waits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._html import ShownAsText

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .state import LiveState

__all__ = ["JobExplanation", "explain_job"]


@dataclass(frozen=True)
class JobExplanation(ShownAsText):
    """The class of a job, its cost there, and the reason; ``str()`` gives it in words.

    Attributes
    ----------
    id : int or str
    slot : int
        Its class; -1 = it waits.
    cost, price : float
        What it costs there, and what its slots are worth there. Waiting: what that costs, and 0.
    reason : str
        Of a running job: "Running", "Fixed" (pinned, or not preemptible), "Owed" (something else
        would cost less at these prices, and its queue is owed the place). Of a waiting one:
        "Forbidden" (no class is open to it), "TooLarge" (no class is as large), "NotWorth" (waiting
        costs less than any class), "Limit" (of its queue or of one above), "LimitOfType" (the same
        of a type of classes, which keeps free slots from the job, or all classes open to it),
        "Priority" (jobs of its queue with the same priority or a higher one hold the room), "Share"
        (its queue holds its share), "Capacity" (nothing has room).
    text : str
    """

    id: Any
    slot: int
    cost: float
    price: float
    reason: str
    text: str

    def __str__(self) -> str:
        return self.text


def explain_job(matcher: LiveState, key: Any, at: int) -> JobExplanation:
    """Return the explanation of the job at this position of the store."""
    native = matcher._native
    where = np.array([at], np.int32)
    columns = {n: c[where] if len(c) > 1 else c for n, c in matcher._columns.items()}
    costs = matcher._costs.source(columns, 1).row(0)
    costs = np.where(matcher._closed, np.inf, np.asarray(costs, np.float64))
    gangs = matcher._rules is not None
    demand = int(columns["demand"][0]) if gangs else 1
    prices = native.prices() * demand
    leave, slot = float(columns["unplaced"][0]), int(native.placements(where)[0])
    what = f"job {key!r}" + (f" ({demand} slots)" if demand > 1 else "")
    name = matcher._slot_names.name
    if slot >= 0:
        lines = [
            f"{what} runs in {name(slot)}: cost {costs[slot]:.6g} + price {prices[slot]:.6g} = "
            f"{costs[slot] + prices[slot]:.6g}."
        ]
        margin, line = _runner_up(costs, prices, slot, leave, name)
        lines.append(line)
        reason = "Running"
        if native.is_pinned(where)[0]:
            reason = "Fixed"
            lines.append("It stays there: it is pinned.")
        elif gangs and not columns["preemptible"][0]:
            reason = "Fixed"
            lines.append("It stays there: it may not be preempted.")
        elif margin < 0:
            reason, why = _why_kept(matcher, columns, slot)
            lines.append(f"It stays there: {why}")
        cost, price = float(costs[slot]), float(prices[slot])
        return JobExplanation(key, slot, cost, price, reason, "\n".join(lines))
    reason, why = _why_waiting(matcher, columns, costs, demand, leave)
    best = int((costs + prices).argmin()) if len(costs) else -1
    lines = [f"{what} waits, at cost {leave:.6g}: {why}"]
    if best >= 0 and math.isfinite(costs[best]):
        lines.append(
            f"Cheapest is {name(best)}: cost {costs[best]:.6g} + price {prices[best]:.6g} = "
            f"{costs[best] + prices[best]:.6g}."
        )
    return JobExplanation(key, -1, leave, 0.0, reason, "\n".join(lines))


def _runner_up(
    costs: NDArray[np.float64], prices: NDArray[np.float64], slot: int, leave: float, name: Any
) -> tuple[float, str]:
    """Return by how much the next best costs more than the place of a job, and that as text."""
    total = costs + prices
    here = float(total[slot])
    total[slot] = np.inf
    other = int(total.argmin())
    best = min(leave, float(total[other]))
    if math.isinf(best):
        return best, "Nothing else is open to it."
    what = f"waiting: cost {leave:.6g}" if leave <= total[other] else f"{name(other)}: {best:.6g}"
    more = best - here
    beside = f"{'dearer' if more > 0 else 'cheaper'} by {abs(more):.6g}" if more else "as dear"
    return more, f"Next best is {what}, {beside}."


def _why_kept(matcher: LiveState, columns: dict[str, NDArray[Any]], slot: int) -> tuple[str, str]:
    """Return why a job runs where something else would cost less at the prices."""
    rules, types = matcher._rules, matcher._slot_types
    if rules is not None and rules.queues is not None:
        usage = matcher._native.usage()
        shares = rules.shares(int(matcher._capacity.sum()), matcher._native.requests())
        up = int(columns["queue"][0])
        while up >= 0:
            held = f"queue {rules.names[up]!r} takes {usage[up]} slots"
            if types.names:
                t = int(types.numbers[slot])
                used, owed = rules.of_type(usage)[t, up], rules.guarantee_by_type[t, up]
                if used <= owed:
                    kind = f"of type {types.names[t]!r}"
                    held = held.replace(f"{usage[up]} slots", f"{used} slots {kind}")
                    return "Owed", f"{held}, and is guaranteed {owed}."
            if usage[up] <= shares[up]:
                guarantee = f"(guarantee {rules.guarantee[up]})"
                return "Owed", f"{held}, and is owed its share of {shares[up]} {guarantee}."
            up = int(rules.parent[up])
    if rules is not None and rules.ranked:
        priority = int(columns["priority"][0])
        return "Running", f"priority goes before cost, and its priority is {priority}."
    return "Running", "no change that has room is proved to cost less in all."


def _why_waiting(
    matcher: LiveState,
    columns: dict[str, NDArray[Any]],
    costs: NDArray[np.float64],
    demand: int,
    leave: float,
) -> tuple[str, str]:
    """Return the first reason that holds, and its sentence."""
    capacity, rules = matcher._capacity, matcher._rules
    open_to = np.isfinite(costs)
    if not open_to.any():
        return "Forbidden", "no class is open to it."
    fits = open_to & (capacity >= demand)
    if not fits.any():
        most = int(capacity[open_to].max())
        return "TooLarge", f"the largest class open to it has {most} slots."
    if not (costs[fits] < leave).any():
        least = float(costs[fits].min())
        return "NotWorth", f"any class costs at least {least:.6g}, which is no less."
    if matcher._version == 0 or rules is None:
        return "Capacity", "other jobs are worth more in every class that it would rather run in."
    usage = matcher._native.usage()
    queue, priority = int(columns["queue"][0]), int(columns["priority"][0])
    up = queue
    while up >= 0:
        if usage[up] + demand > rules.limit[up]:
            return "Limit", (
                f"queue {rules.names[up]!r} takes {usage[up]} slots, and its limit is "
                f"{rules.limit[up]}."
            )
        up = int(rules.parent[up])
    rather = np.flatnonzero(fits & (costs < leave))
    typed = _limit_of_type(matcher, usage, queue, demand, rather)
    if rules.queues is not None:
        return typed or _share_or_room(matcher, usage, queue, demand)
    if rules.ranked:
        return "Priority", f"jobs of priority {priority} or higher, or fixed ones, hold the slots."
    return "Capacity", "other jobs are worth more for each slot in every class open to it."


def _limit_of_type(
    matcher: LiveState, usage: NDArray[np.int64], queue: int, demand: int, rather: NDArray[np.intp]
) -> tuple[str, str] | None:
    """Return the limit of a type that keeps free slots from the job, or all these classes."""
    rules, types = matcher._rules, matcher._slot_types
    assert rules is not None
    if not types.names:
        return None
    used, reached = rules.of_type(usage), {}
    for t in np.unique(types.numbers[rather]).tolist():
        up = queue
        while up >= 0 and used[t, up] + demand <= rules.limit_by_type[t, up]:
            up = int(rules.parent[up])
        if up >= 0:
            reached[t] = up
    kept = [s for s in rather.tolist() if int(types.numbers[s]) in reached]
    with_room = [s for s in kept if _free_slots(matcher, s) >= demand]
    if not with_room and len(kept) < len(rather):
        return None
    said = [
        f"queue {rules.names[up]!r} takes {used[t, up]} slots of type {types.names[t]!r}, and its "
        f"limit of that type is {rules.limit_by_type[t, up]}"
        for t, up in reached.items()
    ]
    rest = "" if len(kept) == len(rather) else ", and classes of other types have no room for it"
    return "LimitOfType", "; ".join(said) + rest + "."


def _free_slots(matcher: LiveState, slot: int) -> int:
    """Return how many slots of a class no job takes."""
    at = matcher._native.live_jobs()
    here = at[matcher._native.placements(at) == slot]
    demand = matcher._columns["demand"]
    taken = len(here) * int(demand[0]) if len(demand) == 1 else int(demand[here].sum())
    return int(matcher._capacity[slot]) - taken


def _share_or_room(
    matcher: LiveState, usage: NDArray[np.int64], queue: int, demand: int
) -> tuple[str, str]:
    """Say whether the queue holds its share, or nothing has room."""
    rules = matcher._rules
    assert rules is not None
    shares = rules.shares(int(matcher._capacity.sum()), matcher._native.requests())
    guarantee = int(rules.guarantee[queue])
    held = f"queue {rules.names[queue]!r} takes {usage[queue]} slots"
    if usage[queue] + demand > shares[queue]:
        return "Share", (
            f"{held} of its share of {shares[queue]} (guarantee {guarantee}), and nothing has "
            "room for more."
        )
    return "Capacity", (
        f"{held} of its share of {shares[queue]} (guarantee {guarantee}), but no class has "
        f"{demand} free slots, and no preemptible job holds them."
    )
