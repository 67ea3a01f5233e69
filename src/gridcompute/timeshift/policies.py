"""Policies of time shifting: for each job alone, and under shared slots.

Without a capacity each job is decided by the signal only.

Under shared slots, hour by hour, what runs now is decided by what is known now.

Where all is known, jobs in pieces are a min-cost flow, and jobs in one piece a local search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import InternalError
from ..forecast.signal import phantoms
from ..solvers.flow import min_cost_flow
from .trace import (
    Trace,
    best_saving_rate,
    cheapest_hours,
    read_jobs,
    threshold_hours,
    threshold_start,
    window_sums,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .trace import Outlook

_BLOCK = 2**22  # candidates processed together, which bounds the memory of hindsight


def at_once(jobs: Trace) -> NDArray[np.int64]:
    """Return the start of each job that does not wait."""
    return jobs.arrival.copy()


def hindsight(
    jobs: Trace, actual: NDArray[np.float64], pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and hours of the cheapest starts, or in pieces of the cheapest hours; exact.

    Each job is independent of the others, so the least of all candidates is the optimum: its own
    certificate. Ties go to the earliest.
    """
    row_parts, hour_parts = [], []
    for rows, hours, window in _kinds(jobs):
        length = hours + window if pieces else window + 1
        values = actual if pieces or hours == 1 else _sums(jobs, rows, actual, hours, window)
        view = sliding_window_view(values, length)
        step = max(1, _BLOCK // length)
        for part in np.split(rows, range(step, len(rows), step)):
            first = jobs.arrival[part]
            block = view[first]
            if pieces:
                chosen = np.sort(np.argsort(block, axis=1, kind="stable")[:, :hours], axis=1)
                row_parts.append(np.repeat(part, hours))
                hour_parts.append((first[:, None] + chosen).ravel())
            else:
                row_parts.append(part)
                hour_parts.append(first + block.argmin(axis=1))
    return _joined(row_parts), _joined(hour_parts)


def on_arrival(
    jobs: Trace, outlook: Outlook, policy: str, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide each job once, when it arrives; return rows and starts, or in pieces rows and hours.

    `policy` is "arrival", "gaia" or "threshold"; only the first and the last know pieces.
    """
    row_parts, hour_parts = [], []
    for now, rows in _arrivals(jobs):
        reach = int((jobs.end[rows] - now).max())
        value = outlook.forecast(now, max(reach, 24))
        choose = _choice(policy, value, pieces)
        kinds = np.stack([jobs.hours[rows], jobs.window[rows]], axis=1)
        for (hours, window), kind in zip(*_groups(kinds), strict=True):
            chosen = choose(int(hours), int(window))
            part = rows[kind]
            row_parts.append(np.repeat(part, len(chosen)))
            hour_parts.append(np.tile(now + chosen, len(part)))
    return _joined(row_parts), _joined(hour_parts)


def _choice(
    policy: str, value: NDArray[np.float64], pieces: bool
) -> Callable[[int, int], NDArray[np.int64]]:
    """Return the rule: hours and window to the hours from now, one (the start) or one a piece."""

    def rule(hours: int, window: int) -> NDArray[np.int64]:
        if pieces and policy == "arrival":
            return cheapest_hours(value[: hours + window], hours)
        if pieces and policy == "threshold":
            return threshold_hours(value, hours, window)
        if policy == "threshold":
            return np.array([threshold_start(value, window)])
        sums = window_sums(value[: hours + window], hours)
        if policy == "gaia":
            return np.array([best_saving_rate(sums, np.arange(window + 1), hours)])
        return np.array([int(sums.argmin())])

    return rule


def hourly(
    jobs: Trace, outlook: Outlook, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide each hour again what runs; return rows and starts, or in pieces rows and hours.

    A job starts when no later start is forecast to be cheaper; in pieces it runs when fewer hours
    are forecast to be cheaper than it still needs. Ties run.
    """
    if not len(jobs):
        return _joined([]), _joined([])
    order = np.argsort(jobs.arrival, kind="stable")
    arrival = jobs.arrival[order]
    limit = jobs.end if pieces else jobs.arrival + jobs.window
    left = jobs.hours.copy()
    active = np.zeros(0, np.int64)
    row_parts, hour_parts = [], []
    now, new = int(arrival[0]), 0
    while new < len(order) or len(active):
        if not len(active):
            now = max(now, int(arrival[new]))
        after = int(np.searchsorted(arrival, now, side="right"))
        active = np.concatenate([active, order[new:after]])
        new = after
        if pieces:
            value = outlook.forecast(now, int((limit[active] - now).max()))
            cheaper = np.concatenate([[0], np.cumsum(value[1:] < value[0])])
            runs = cheaper[limit[active] - now - 1] < left[active]
        else:
            runs = _starts_now(jobs.hours[active], limit[active] - now, outlook, now)
        rows = active[runs]
        row_parts.append(rows)
        hour_parts.append(np.full(len(rows), now))
        if pieces:
            left[rows] -= 1
            active = active[left[active] > 0]
        else:
            active = active[~runs]
        now += 1
    return _joined(row_parts), _joined(hour_parts)


def _starts_now(
    hours: NDArray[np.int64], waits: NDArray[np.int64], outlook: Outlook, now: int
) -> NDArray[np.bool_]:
    """Return which jobs start now: no later start, up to `waits` hours on, is cheaper."""
    most = int(waits.max())
    kinds, kind = np.unique(hours, return_inverse=True)
    value = outlook.forecast(now, most + int(kinds[-1]))
    total = np.concatenate([[0.0], np.cumsum(value)])
    begin = np.arange(most + 1)
    # Starts too late for the longest job read nothing: all jobs of a kind end within the forecast.
    sums = total[begin + kinds[:, None]] - total[begin]
    later = np.minimum.accumulate(sums[:, 1:], axis=1) if most else sums
    return np.asarray((waits == 0) | (sums[kind, 0] <= later[kind, np.maximum(waits - 1, 0)]))


def _sums(
    jobs: Trace, rows: NDArray[np.int64], actual: NDArray[np.float64], hours: int, window: int
) -> NDArray[np.float64]:
    """Return the sum over `hours` hours from each hour on, where these jobs may start."""
    first = int(jobs.arrival[rows].min())
    last = int(jobs.arrival[rows].max()) + window
    sums = np.zeros(last + 1)
    sums[first:] = window_sums(actual[first : last + hours], hours)
    return sums


def _kinds(jobs: Trace) -> list[tuple[NDArray[np.int64], int, int]]:
    """Return the rows of each kind of job, with its hours and window."""
    kinds, members = _groups(np.stack([jobs.hours, jobs.window], axis=1))
    return [
        (rows, int(hours), int(window))
        for (hours, window), rows in zip(kinds, members, strict=True)
    ]


def _arrivals(jobs: Trace) -> list[tuple[int, NDArray[np.int64]]]:
    """Return the hours at which jobs arrive, ascending, with their rows."""
    hours, members = _groups(jobs.arrival[:, None])
    return [(int(hour[0]), rows) for hour, rows in zip(hours, members, strict=True)]


def _groups(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the distinct rows of keys, ascending, and the members of each, ascending."""
    if not len(keys):
        return keys, []
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    return distinct, np.split(order, np.cumsum(np.bincount(which))[:-1])


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one int64 array."""
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


_PASSES = 3  # of the local search each hour; a fourth changed less than 0.1 % of the cost


class SharedRun:
    """One run of the trace on shared slots: the rest of each job, and the slots in use."""

    def __init__(self, jobs: Trace, slots: int, extra: float, outlook: Outlook) -> None:
        order = np.argsort(jobs.arrival, kind="stable")
        self.order, self.jobs = order, jobs.take(order)
        self.slots, self.extra, self.outlook = slots, extra, outlook
        self.first = int(self.jobs.arrival[0])
        self.last = int(self.jobs.end.max())
        self.end = self.jobs.end
        self.latest = self.jobs.arrival + self.jobs.window
        self.left = self.jobs.units
        self.start = np.full(len(jobs), -1)
        self.load = np.zeros(self.last - self.first, np.int64)
        self.parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []

    def active(self, now: int) -> NDArray[np.int64]:
        """Return the jobs that have arrived and are not done, in order of arrival."""
        arrived = int(np.searchsorted(self.jobs.arrival, now, side="right"))
        return np.flatnonzero(self.left[:arrived] > 0)

    def arriving(self, now: int) -> NDArray[np.int64]:
        """Return the jobs that arrive at this hour."""
        low, high = np.searchsorted(self.jobs.arrival, [now, now + 1])
        return np.arange(low, high)

    def commit(self, rows: NDArray[np.int64], now: int, units: NDArray[np.int64]) -> None:
        """Run a number of slot-hours of these jobs in the hour `now`."""
        self.left[rows] -= units
        self.load[now - self.first] += units.sum()
        self.parts.append((self.order[rows], np.full(len(rows), now), units))

    def commit_starts(self, rows: NDArray[np.int64], now: int) -> None:
        """Start these jobs at `now`, each in one piece."""
        self.start[rows] = now
        self.left[rows] = 0
        for k in rows.tolist():
            hours = now + np.arange(self.jobs.hours[k])
            self.load[hours - self.first] += self.jobs.slots[k]
            same = np.full(len(hours), self.order[k])
            self.parts.append((same, hours, np.full(len(hours), self.jobs.slots[k])))

    def room(self, now: int, end: int) -> Room:
        """Return what the hours from `now` to `end` are forecast to cost."""
        return Room(now, self.outlook.forecast(now, end - now), self.slots, self.extra)

    def load_from(self, now: int, hours: int) -> NDArray[np.int64]:
        """Return what is taken of the hours from `now` on."""
        load = self.load[now - self.first :][:hours]
        return np.concatenate([load, np.zeros(hours - len(load), np.int64)])

    def expected(self, now: int, rows: NDArray[np.int64], arrivals: Any) -> Trace:
        """Return the jobs that are expected until the last of the jobs `rows` must be done."""
        ahead = max(0, int(self.end[rows].max()) - now - 1)
        jobs, arrived = self.jobs, int(np.searchsorted(self.jobs.arrival, now, side="right"))
        if arrivals is None:
            return jobs.take(np.arange(0))
        if arrivals == "known":
            later = np.searchsorted(jobs.arrival, now + ahead, side="right")
            return jobs.take(np.arange(arrived, later))
        names = ("arrival_h", "hours", "slots", "window_h")
        columns = (jobs.arrival, jobs.hours, jobs.slots, jobs.window)
        history = {name: values[:arrived] for name, values in zip(names, columns, strict=True)}
        said = phantoms(history, arrivals, now=now, hours=ahead)
        return read_jobs(said)


def replay_shared(runs: list[SharedRun], policy: str, pieces: bool, arrivals: Any) -> None:
    """Run all traces hour by hour; hours ascend over all of them, as the forecasts must."""
    step = _policy(policy, pieces, arrivals)
    now = min(run.first for run in runs)
    while now < max(run.last for run in runs):
        for run in runs:
            if run.first <= now < run.last:
                step(run, now)
        now += 1


def _policy(policy: str, pieces: bool, arrivals: Any) -> Callable[[SharedRun, int], None]:
    """Return the step of a policy."""
    if policy == "fifo":
        return _fifo_pieces if pieces else _fifo
    if policy == "book":
        return _book_pieces if pieces else _book
    plan = _plan_pieces if pieces else _plan
    return lambda run, now: plan(run, now, arrivals)


def _fifo_pieces(run: SharedRun, now: int) -> None:
    """Run what must run to be done in time, then what came first."""
    rows = run.active(now)
    slots, left = run.jobs.slots[rows], run.left[rows]
    forced = np.maximum(0, left - slots * (run.end[rows] - now - 1))
    wanted = np.minimum(slots, left) - forced
    free = max(0, run.slots - int(forced.sum()))
    units = forced + np.clip(free - (np.cumsum(wanted) - wanted), 0, wanted)
    used = units > 0
    run.commit(rows[used], now, units[used])


def _fifo(run: SharedRun, now: int) -> None:
    """Start what can wait no longer, then what fits, in order of arrival."""
    rows = run.active(now)
    slots = run.jobs.slots[rows]
    forced = run.latest[rows] == now
    free = run.slots - int(run.load[now - run.first]) - int(slots[forced].sum())
    starts = forced.copy()
    for k in np.flatnonzero(~forced & (slots <= free)).tolist():
        if slots[k] <= free:
            starts[k] = True
            free -= int(slots[k])
    run.commit_starts(rows[starts], now)


def _book_pieces(run: SharedRun, now: int) -> None:
    """Book the cheapest hours of each arriving job beside what is booked; run what was booked."""
    for k in run.arriving(now).tolist():
        room = run.room(now, int(run.end[k]))
        slots, left = int(run.jobs.slots[k]), int(run.left[k])
        at = slice(now - run.first, int(run.end[k]) - run.first)
        plain = np.clip(run.slots - run.load[at], 0, slots)
        amount = np.concatenate([plain, slots - plain])
        order = np.argsort(np.concatenate([room.value, room.value + run.extra]), kind="stable")
        sorted_amount = amount[order]
        units = np.clip(left - (np.cumsum(sorted_amount) - sorted_amount), 0, sorted_amount)
        taken = np.zeros(len(plain), np.int64)
        np.add.at(taken, order % len(plain), units)
        run.load[at] += taken
        hours = np.flatnonzero(taken)
        run.parts.append((np.full(len(hours), run.order[k]), now + hours, taken[hours]))
        run.left[k] = 0


def _book(run: SharedRun, now: int) -> None:
    """Book the cheapest start of each arriving job beside what is booked."""
    for k in run.arriving(now).tolist():
        room = run.room(now, int(run.end[k]))
        load = run.load_from(now, len(room.value))
        cost = added_cost(load, int(run.jobs.slots[k]), room, slice(None))
        start = now + int(window_sums(cost, int(run.jobs.hours[k])).argmin())
        run.commit_starts(np.array([k]), start)


def _plan_pieces(run: SharedRun, now: int, arrivals: Any) -> None:
    """Plan the rest of all jobs beside the expected ones, and run the first hour of the plan.

    An expected job that would cost more than the most expensive hour is dropped from the plan:
    otherwise a certain job overflows now to spare one that may never arrive.
    """
    rows = run.active(now)
    if not len(rows):
        return
    extra = run.expected(now, rows, arrivals)
    begin = np.concatenate([np.full(len(rows), now), extra.arrival])
    end = np.concatenate([run.end[rows], extra.end])
    room = run.room(now, int(end.max()))
    plan = flow_plan(
        np.concatenate([run.left[rows], extra.units]),
        np.concatenate([run.jobs.slots[rows], extra.slots]),
        begin,
        end,
        room,
        np.arange(len(rows), len(begin)),
        float(room.value.max()),
    )
    first = plan.hours == now
    run.commit(rows[plan.rows[first]], now, plan.units[first])


def _plan(run: SharedRun, now: int, arrivals: Any) -> None:
    """Plan the starts of all that waits beside what is expected, and start what starts now."""
    rows = run.active(now)
    if not len(rows):
        return
    extra = run.expected(now, rows, arrivals)
    waiting = run.jobs.take(rows)
    both = Trace(
        *(
            np.concatenate([getattr(waiting, name), getattr(extra, name)])
            for name in ("arrival", "hours", "slots", "window")
        )
    )
    room = run.room(now, int(both.end.max()))
    begin = np.maximum(both.arrival, now)
    load = run.load_from(now, len(room.value))
    start = local_search(both, begin, np.full(len(both), -1), load, room, _PASSES)
    run.commit_starts(rows[start[: len(rows)] == now], now)


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
