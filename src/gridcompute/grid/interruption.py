"""The cheapest way to run a job in pieces, hour by hour: a shortest path over hours and work done.

A node is (hour, work done, running or idle); a running job goes on for an hour, or stops, and an
idle one waits, or goes on with a piece of the least length, whose first hours are its restart. The
path is the cheapest of all ways to cut the job, whole runs among them, for any price of an hour at
each hour; many jobs are done side by side. An hour that is closed costs inf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .tables.column import Bools, Floats, Int32s

__all__ = ["Cuts", "cheapest_cuts", "count_cuts", "every_cut"]

#: Numbers of one kind that are held at once, of all jobs done side by side.
MOST_HELD = 1 << 20


class Cuts(NamedTuple):
    """What it takes to run each of some jobs at a class, one row each.

    Parameters
    ----------
    hourly : float64 (n, n_hours), yuan
        Price of an hour; inf where it is closed.
    begin : float64 (n, n_hours), yuan
        Price of beginning in an hour, once; inf where the job may not.
    finish : float64 (n, n_hours + 1), yuan
        Price of ending before an hour.
    need : int (n,)
        Hours that the job takes whole, at least 1.
    least, restart : int (n,)
        Least hours of a piece, and those of its restart.
    resumed_yuan : float64 (n,)
        Price of each piece but the first.
    """

    hourly: Floats
    begin: Floats
    finish: Floats
    need: Int32s
    least: Int32s
    restart: Int32s
    resumed_yuan: Floats

    def of(self, rows: Any) -> Cuts:
        """Some of them."""
        return Cuts(*(column[rows] for column in self))


def cheapest_cuts(cuts: Cuts, *, traced: bool = False) -> tuple[Floats, Bools]:
    """Return the least price of each job, and the hours in which it runs then, (n, n_hours).

    Without `traced` no hours are looked for, and none are marked. A job that cannot run costs inf
    and is marked nowhere.
    """
    n, hours = cuts.hourly.shape
    yuan, busy = np.full(n, np.inf), np.zeros((n, hours) if traced else (0, 0), bool)
    can = np.flatnonzero((cuts.need >= 1) & (cuts.need <= hours))
    kinds = np.stack([cuts.least[can], cuts.restart[can]], axis=1)
    if not len(can):
        return yuan, busy
    unlike, kind = np.unique(kinds, axis=0, return_inverse=True)
    for k in range(len(unlike)):
        of_kind = can[kind.reshape(-1) == k]
        # Nodes are as many as the longest of the jobs has: jobs of about one length are together.
        octave = np.frexp(cuts.need[of_kind].astype(np.float64))[1]
        for rows in (of_kind[octave == o] for o in np.unique(octave).tolist()):
            most = int(cuts.need[rows].max()) + 1
            size = max(1, MOST_HELD // (most * (hours + 1)))
            for first in range(0, len(rows), size):
                some = rows[first : first + size]
                paths = _Paths(cuts.of(some), traced=traced)
                yuan[some] = paths.yuan
                if traced:
                    busy[some] = paths.busy()
    return yuan, busy


class _Paths:
    """The shortest paths of jobs whose pieces have the same least length and restart."""

    def __init__(self, cuts: Cuts, *, traced: bool) -> None:
        self._cuts, (n, hours) = cuts, cuts.hourly.shape
        least, restart = int(cuts.least[0]), int(cuts.restart[0])
        need, rows = cuts.need.astype(np.int64), np.arange(n)
        #: Least hours of a first piece, by job, and of each further one; work done in the latter.
        self._first = np.minimum(least, need)
        self._length = min(max(least, restart + 1), hours + 1)
        self._work = max(least, restart + 1) - restart
        self._begun = _ending(cuts.hourly, self._first, cuts.begin)
        resumed = np.broadcast_to(cuts.resumed_yuan[:, None], cuts.hourly.shape)
        self._resumed = _ending(cuts.hourly, np.full(n, self._length), resumed)
        most, shift = int(need.max()), self._work
        running, idle = np.full((most + 1, n), np.inf), np.full((most + 1, n), np.inf)
        #: By hour: least price so far by work done, of those that run and have done the least, and
        #: of those that are idle, (work, job).
        self._running, self._idle = [running], [idle]
        ends = np.full((hours + 1, n), np.inf)
        for t in range(1, hours + 1):
            after = np.full((most + 1, n), np.inf)
            after[1:] = running[:-1] + cuts.hourly[:, t - 1]
            after[self._first, rows] = np.minimum(after[self._first, rows], self._begun[:, t])
            if t >= self._length and shift <= most:
                before = self._idle[t - self._length][: most + 1 - shift]
                resumed_at = before + self._resumed[:, t]
                after[shift:] = np.minimum(after[shift:], resumed_at)
            idle = np.minimum(idle, running)
            running = after
            self._running.append(running if traced else running[:0])
            self._idle.append(idle)
            ends[t] = running[need, rows] + cuts.finish[:, t]
        self._end = ends.argmin(axis=0)
        self.yuan = ends[self._end, rows]

    def busy(self) -> Bools:
        """Follow each path back from its end; return the hours in which each job runs."""
        cuts, (n, hours) = self._cuts, self._cuts.hourly.shape
        change = np.zeros((n, hours + 1), np.int64)
        active = np.flatnonzero(np.isfinite(self.yuan))
        t, work = self._end.copy(), cuts.need.astype(np.int64)
        runs = np.ones(n, bool)
        running, idle = np.array(self._running), np.array(self._idle)
        while len(active):
            on = active[runs[active]]
            whole = (work[on] == self._first[on]) & (
                running[t[on], work[on], on] == self._begun[on, t[on]]
            )
            done = on[whole]
            np.add.at(change, (done, t[done] - self._first[done]), 1)
            np.add.at(change, (done, t[done]), -1)
            on = on[~whole]
            longer = running[t[on] - 1, work[on] - 1, on] + cuts.hourly[on, t[on] - 1]
            goes_on = running[t[on], work[on], on] == longer
            kept, cut = on[goes_on], on[~goes_on]
            np.add.at(change, (kept, t[kept] - 1), 1)
            np.add.at(change, (kept, t[kept]), -1)
            t[kept] -= 1
            work[kept] -= 1
            np.add.at(change, (cut, t[cut] - self._length), 1)
            np.add.at(change, (cut, t[cut]), -1)
            t[cut] -= self._length
            work[cut] -= self._work
            off = active[~runs[active]]
            waits = idle[t[off], work[off], off] == idle[t[off] - 1, work[off], off]
            t[off] -= 1
            runs[off[~waits]] = True
            runs[cut] = False
            active = np.setdiff1d(active, done, assume_unique=True)
        return np.asarray(change.cumsum(axis=1)[:, :hours] > 0)


def _ending(hourly: Floats, length: Any, begin: Floats) -> Floats:
    """Return by hour what a stretch of `length` hours costs that ends before it, (n, n_hours + 1).

    `begin` is the price of its first hour beside. inf where one of its hours is closed.
    """
    n, hours = hourly.shape
    shut = ~np.isfinite(hourly)
    total = np.zeros((n, hours + 1))
    np.cumsum(np.where(shut, 0.0, hourly), axis=1, out=total[:, 1:])
    blocked = np.zeros((n, hours + 1), np.int64)
    np.cumsum(shut, axis=1, out=blocked[:, 1:])
    end = np.arange(hours + 1)
    first = end[None] - np.asarray(length)[:, None]
    good, first = first >= 0, np.maximum(first, 0)
    row = np.arange(n)[:, None]
    good &= blocked == blocked[row, first]
    start = begin[row, np.minimum(first, hours - 1)]
    return np.where(good, total - total[row, first] + start, np.inf)


def count_cuts(cuts: Cuts, most: float) -> float:
    """Count the ways to run all jobs, whole or in pieces; about `most` where there are more."""
    found = 0.0
    hours = cuts.hourly.shape[1]
    for k in range(len(cuts.need)):
        need, least, restart = int(cuts.need[k]), int(cuts.least[k]), int(cuts.restart[k])
        if not 1 <= need <= hours:
            continue
        open_ = np.isfinite(cuts.hourly[k])
        length = max(least, restart + 1)
        first, shift = min(least, need), length - restart
        running = np.zeros((hours + 1, need + 1))
        idle = np.zeros((hours + 1, need + 1))
        for t in range(1, hours + 1):
            if open_[t - 1]:
                running[t, 1:] = running[t - 1, :-1]
            begins = t >= first and open_[t - first : t].all()
            running[t, first] += begins and np.isfinite(cuts.begin[k, t - first])
            if t >= length and shift <= need and open_[t - length : t].all():
                running[t, shift:] += idle[t - length, : need + 1 - shift]
            idle[t] = idle[t - 1] + running[t - 1]
            found += running[t, need] * np.isfinite(cuts.finish[k, t])
        if found > most:
            break
    return found


def every_cut(cuts: Cuts, k: int) -> tuple[Bools, Floats]:
    """Return all ways to run job `k`, the hours of each and its price, (n_ways, n_hours).

    They are in the order of their hours: what begins sooner comes first.
    """
    hours, need = cuts.hourly.shape[1], int(cuts.need[k])
    least, restart = int(cuts.least[k]), int(cuts.restart[k])
    hourly, open_ = cuts.hourly[k], np.isfinite(cuts.hourly[k])
    length = max(least, restart + 1)
    rows: list[tuple[list[tuple[int, int]], float]] = []

    def extend(pieces: list[tuple[int, int]], first: int, left: int, yuan: float) -> None:
        """Add all ways to do the work left from hour `first` on, after `pieces`."""
        begins, extra = not pieces, 0 if not pieces else restart
        shortest = min(least, left) if begins else length
        for t in range(first, hours):
            price = cuts.begin[k, t] if begins else cuts.resumed_yuan[k]
            if not np.isfinite(price):
                continue
            for size in range(1, left + extra + 1):
                end = t + size
                if end > hours or not open_[end - 1]:
                    break
                rest = left - (size - extra)
                if size < shortest or (rest and size < least):
                    continue
                now = yuan + price + float(hourly[t:end].sum())
                if rest == 0:
                    if np.isfinite(cuts.finish[k, end]):
                        rows.append(([*pieces, (t, size)], now + float(cuts.finish[k, end])))
                else:
                    extend([*pieces, (t, size)], end + 1, rest, now)

    if 1 <= need <= hours:
        extend([], 0, need, 0.0)
    busy = np.zeros((len(rows), hours), bool)
    for i, (pieces, _) in enumerate(rows):
        for t, size in pieces:
            busy[i, t : t + size] = True
    return busy, np.array([yuan for _, yuan in rows])
