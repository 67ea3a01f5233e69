"""Policies under shared slots, hour by hour: what runs now is decided by what is known now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..forecast.arrivals import phantoms
from .hindsight_shared_slots import Room, added_cost, flow_plan, local_search
from .start_rules import window_sums
from .trace import Trace, read_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .outlook import Outlook

__all__ = ["SharedRun", "replay_shared"]

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
