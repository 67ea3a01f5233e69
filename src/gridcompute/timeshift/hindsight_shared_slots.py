"""Plans under shared slots, all known: in pieces a min-cost flow, in one piece a local search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InternalError
from ..solvers.flow import min_cost_flow
from .start_rules import window_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .trace import Trace

__all__ = ["Room", "flow_plan", "local_search", "priced_bound", "raised_prices"]

_COST_BITS = 58  # of (largest cost + 1) * (nodes + 1): two below the solver's limit
_FINEST = 40  # bits after the point: beyond them a sum of float64 is no finer
_ROUNDS = 60  # of subgradient steps; the bound of the recorded weeks rises by less than 0.1 % later


class Room(NamedTuple):
    """The cost of an hour: `value` a slot-hour, and `extra` more for each beyond `slots`.

    Entry k of `value` is the hour ``first + k``.
    """

    first: int
    value: NDArray[np.float64]
    slots: int
    extra: float


class FlowPlan(NamedTuple):
    """Slot-hours by job and hour, and the price of a slot-hour in each hour."""

    rows: NDArray[np.int64]
    hours: NDArray[np.int64]
    units: NDArray[np.int64]
    prices: NDArray[np.float64]


def flow_plan(
    left: NDArray[np.int64],
    rate: NDArray[np.int64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    room: Room,
    droppable: NDArray[np.int64] | None = None,
    drop: float = 0.0,
) -> FlowPlan:
    """Return the cheapest slot-hours of jobs that may pause: a min-cost flow, exact.

    Job i takes ``left[i]`` slot-hours from hour ``begin[i]`` to before ``end[i]``, at most
    ``rate[i]`` in each. Nodes are the jobs, then the hours, then the sink; costs are rounded to a
    power of two as fine as the solver's range allows. The jobs `droppable` may be left out at
    `drop` a slot-hour.
    """
    n, n_hours = len(left), len(room.value)
    length = end - begin
    row = np.repeat(np.arange(n), length)
    before = np.cumsum(length) - length
    hour = np.arange(len(row)) - np.repeat(before - begin + room.first, length)
    hour_node = n + np.arange(n_hours)
    total = int(left.sum())
    out = np.zeros(0, np.int64) if droppable is None else droppable
    most = max(1.0, float(np.abs(room.value).max(initial=0.0)) + room.extra, abs(drop))
    bits = _COST_BITS - math.ceil(math.log2(most + 1)) - math.ceil(math.log2(n + n_hours + 2))
    scale = 2.0 ** min(_FINEST, bits)
    plain = np.rint(room.value * scale).astype(np.int64)
    beyond = np.rint((room.value + room.extra) * scale).astype(np.int64)
    flow = min_cost_flow(
        np.concatenate([row, hour_node, hour_node, out]),
        np.concatenate([n + hour, np.full(2 * n_hours + len(out), n + n_hours)]),
        np.concatenate(
            [rate[row], np.full(n_hours, room.slots), np.full(n_hours, total), left[out]]
        ),
        np.concatenate(
            [np.zeros(len(row), np.int64), plain, beyond, np.full(len(out), round(drop * scale))]
        ),
        np.concatenate([left, np.zeros(n_hours, np.int64), [-total]]),
    )
    if flow.status != "optimal":
        raise InternalError(f"the flow of a plan is {flow.status}: each job has hours enough")
    sent = flow.flow[: len(row)]
    used = sent > 0
    price = (flow.potentials[-1] - flow.potentials[hour_node]) / scale
    return FlowPlan(row[used], room.first + hour[used], sent[used], price)


def priced_bound(jobs: Trace, room: Room, prices: NDArray[np.float64], pieces: bool) -> float:
    """Return what the jobs cost at least, by weak duality: any prices give a valid bound.

    Each job takes its cheapest hours (in one piece: its cheapest start) at `prices`; the slots of
    an hour, sold at its price, cost at least ``slots * min(0, value - price)``. A price above
    ``value + extra`` bounds nothing and is lowered to that. The sums are rounded once each.
    """
    price = np.minimum(prices, room.value + room.extra)
    terms = (room.slots * np.minimum(0.0, room.value - price)).tolist()
    for k in range(len(jobs)):
        hours, first = int(jobs.hours[k]), int(jobs.arrival[k]) - room.first
        window = price[first : first + hours + int(jobs.window[k])]
        if pieces:
            least = math.fsum(np.partition(window, hours - 1)[:hours])
        else:
            least = float(window_sums(window, hours).min())
        terms.append(least * int(jobs.slots[k]))
    return math.fsum(terms)


def raised_prices(
    jobs: Trace, room: Room, prices: NDArray[np.float64], target: float
) -> NDArray[np.float64]:
    """Return prices of the best bound of jobs in one piece, by subgradient steps from `prices`."""
    price = np.clip(prices, room.value, room.value + room.extra)
    best, highest = price, -math.inf
    step = 1.0
    for _ in range(_ROUNDS):
        sums, load = 0.0, np.zeros(len(price), np.int64)
        for k in range(len(jobs)):
            hours, first = int(jobs.hours[k]), int(jobs.arrival[k]) - room.first
            window = window_sums(price[first : first + hours + int(jobs.window[k])], hours)
            start = int(window.argmin())
            sums += float(window[start]) * int(jobs.slots[k])
            load[first + start : first + start + hours] += jobs.slots[k]
        found = sums - room.slots * float((price - room.value).sum())
        if found > highest:
            best, highest = price, found
        else:
            step *= 0.9
        slope = (load - room.slots).astype(float)
        slope[(slope < 0) & (price <= room.value)] = 0.0
        square = float(slope @ slope)
        if square == 0.0 or highest >= target:
            break
        price = price + step * max(target - found, 0.0) / square * slope
        price = np.clip(price, room.value, room.value + room.extra)
    return best


def local_search(
    jobs: Trace,
    begin: NDArray[np.int64],
    start: NDArray[np.int64],
    load: NDArray[np.int64],
    room: Room,
    passes: int,
) -> NDArray[np.int64]:
    """Return starts of jobs in one piece: each is placed again at its best, pass after pass.

    ``start[i]`` is -1 where job i has no place yet, `begin` its earliest start, and ``load[k]``
    what others take of the hour ``first + k``. It ends when a pass changes nothing.
    """
    start, load = start.copy(), load.copy()
    latest = jobs.arrival + jobs.window
    for k in np.flatnonzero(start >= 0).tolist():
        load[_hours_of(jobs, k, int(start[k]), room)] += jobs.slots[k]
    for _ in range(passes):
        changed = False
        for k in range(len(jobs)):
            slots, hours, old = int(jobs.slots[k]), int(jobs.hours[k]), int(start[k])
            if old >= 0:
                load[_hours_of(jobs, k, old, room)] -= slots
            first = int(begin[k])
            span = slice(first - room.first, int(latest[k]) + hours - room.first)
            sums = window_sums(added_cost(load[span], slots, room, span), hours)
            best = first + int(sums.argmin())
            if old >= first and sums[old - first] <= sums[best - first]:
                best = old
            start[k] = best
            load[_hours_of(jobs, k, best, room)] += slots
            changed |= best != old
        if not changed:
            break
    return start


def added_cost(load: NDArray[np.int64], slots: int, room: Room, span: slice) -> NDArray[np.float64]:
    """Return what `slots` more slots cost in each hour of a span."""
    over = np.maximum(0, load + slots - room.slots) - np.maximum(0, load - room.slots)
    return np.asarray(slots * room.value[span] + room.extra * over)


def _hours_of(jobs: Trace, k: int, start: int, room: Room) -> Any:
    """Return the hours that job k runs in when it starts at `start`."""
    return slice(start - room.first, start - room.first + int(jobs.hours[k]))
