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


#: Jobs from which on it pays to tell their lengths and windows apart: each group takes some hundred
#: calls of numpy.
MANY = 1 << 13
#: Numbers of one kind that are held at once, of all jobs done side by side: they stay in the cache.
#: Those of all hours, where paths are followed back, need not.
MOST_HELD, MOST_TRACED = 1 << 15, 1 << 19


class Cuts(NamedTuple):
    """The cuts of some jobs at a class each, one row for each.

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
    open_ = np.isfinite(cuts.hourly)
    first = open_.argmax(axis=1)
    width = np.where(open_.any(axis=1), hours - open_[:, ::-1].argmax(axis=1) - first, 0)
    can = np.flatnonzero((cuts.need >= 1) & (cuts.need <= width))
    if not len(can):
        return yuan, busy
    alike = [cuts.least[can], cuts.restart[can]]
    if len(can) >= MANY:
        # Nodes are as many as the longest of the jobs has, over the widest of the windows: jobs
        # that are about as long, in windows about as wide, are done together.
        need = cuts.need[can].astype(np.float64)
        alike += [np.frexp(need)[1], _half_octave(width[can])]
    order = np.lexsort(alike)
    keys = np.stack(alike)[:, order]
    edges = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
    for rows in np.split(can[order], edges):
        most, wide = int(cuts.need[rows].max()) + 1, int(width[rows].max())
        size = max(1, MOST_TRACED // (most * (wide + 1)) if traced else MOST_HELD // most)
        for at in range(0, len(rows), size):
            some = rows[at : at + size]
            paths = _Paths(_within(cuts, some, first[some], wide), traced=traced)
            yuan[some] = paths.yuan
            if traced:
                place, hour = np.nonzero(paths.busy())
                busy[some[place], first[some[place]] + hour] = True
    return yuan, busy


def _half_octave(count: Any) -> Any:
    """Return a number that is the same for counts that differ by less than half."""
    part, octave = np.frexp(count.astype(np.float64))
    return 2 * octave + (part > 0.75)


def _within(cuts: Cuts, rows: Any, first: Any, wide: int) -> Cuts:
    """Return some jobs with the hours from `first` on alone, `wide` of them."""
    hours = cuts.hourly.shape[1]
    clock = first[:, None] + np.arange(wide + 1)
    at, row = np.minimum(clock[:, :wide], hours - 1), rows[:, None]
    hourly = cuts.hourly[row, at]
    hourly[clock[:, :wide] >= hours] = np.inf
    finish = cuts.finish[row, np.minimum(clock, hours)]
    own = (cuts.need[rows], cuts.least[rows], cuts.restart[rows], cuts.resumed_yuan[rows])
    return Cuts(hourly, cuts.begin[row, at], finish, *own)


class _Paths:
    """The shortest paths of jobs whose pieces have the same least length and restart."""

    def __init__(self, cuts: Cuts, *, traced: bool) -> None:
        n, hours = cuts.hourly.shape
        least, restart = int(cuts.least[0]), int(cuts.restart[0])
        self._need, rows = cuts.need.astype(np.int64), np.arange(n)
        most = int(self._need.max())
        self._hourly = np.ascontiguousarray(cuts.hourly.T)
        begin, finish = np.ascontiguousarray(cuts.begin.T), cuts.finish.T
        #: Least hours of a first piece, by job, and of each further one; work done in the latter.
        self._first = np.minimum(least, self._need)
        self._length = min(max(least, restart + 1), hours + 1)
        self._work = shift = max(least, restart + 1) - restart
        same = int(self._first[0])
        alike = bool((self._first == same).all())
        self._begun = _ending(self._hourly, same if alike else self._first, begin)
        resumed = np.broadcast_to(cuts.resumed_yuan, begin.shape)
        again = _ending(self._hourly, self._length, resumed)
        kept = hours + 1 if traced else 2
        #: By hour, or by odd and even hours: least price so far by work done, of those that run and
        #: have done the least, and of those that are idle, (hour, work, job).
        running = np.full((kept, most + 1, n), np.inf)
        idle = np.full((hours + 1 if traced else self._length + 1, most + 1, n), np.inf)
        room, ends = np.empty((most + 1, n)), np.full((hours + 1, n), np.inf)
        for t in range(1, hours + 1):
            after, before = running[t % kept], running[(t - 1) % kept]
            np.add(before[:-1], self._hourly[t - 1], out=after[1:])
            begun = after[same] if alike else after[self._first, rows]
            begun = np.minimum(begun, self._begun[t])
            after[same if alike else (self._first, rows)] = begun
            if t >= self._length and shift <= most:
                idled = idle[(t - self._length) % len(idle)][: most + 1 - shift]
                better = np.add(idled, again[t], out=room[: most + 1 - shift])
                np.minimum(after[shift:], better, out=after[shift:])
            np.minimum(idle[(t - 1) % len(idle)], before, out=idle[t % len(idle)])
            ends[t] = after[self._need, rows] + finish[t]
        self._running, self._idle = running, idle
        self._end = ends.argmin(axis=0)
        self.yuan = ends[self._end, rows]

    def busy(self) -> Bools:
        """Follow each path back from its end; return the hours in which each job runs."""
        hours, n = self._hourly.shape
        change = np.zeros((n, hours + 1), np.int64)
        active = np.flatnonzero(np.isfinite(self.yuan))
        t, work = self._end.copy(), self._need.copy()
        runs = np.ones(n, bool)
        running, idle = self._running, self._idle
        while len(active):
            on = active[runs[active]]
            now = running[t[on], work[on], on]
            whole = (work[on] == self._first[on]) & (now == self._begun[t[on], on])
            done = on[whole]
            np.add.at(change, (done, t[done] - self._first[done]), 1)
            np.add.at(change, (done, t[done]), -1)
            on, now = on[~whole], now[~whole]
            longer = running[t[on] - 1, work[on] - 1, on] + self._hourly[t[on] - 1, on]
            goes_on = now == longer
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
    """Return by hour what a stretch of `length` hours costs that ends before it, (n_hours + 1, n).

    `begin` is the price of its first hour beside, (n_hours, n). inf where one of its hours is
    closed.
    """
    hours, n = hourly.shape
    out = np.full((hours + 1, n), np.inf)
    if np.ndim(length) == 0 and length > hours:
        return out
    if np.ndim(length) == 0 and length == 1:
        np.add(hourly, begin, out=out[1:])
        return out
    shut = ~np.isfinite(hourly)
    total, blocked = np.zeros((hours + 1, n)), np.zeros((hours + 1, n), np.int64)
    np.cumsum(np.where(shut, 0.0, hourly), axis=0, out=total[1:])
    np.cumsum(shut, axis=0, out=blocked[1:])
    if np.ndim(length) == 0:
        ended = np.where(
            blocked[length:] == blocked[:-length],
            total[length:] - total[:-length] + begin[: hours + 1 - length],
            np.inf,
        )
        out[length:] = ended
        return out
    first, row = np.arange(hours + 1)[:, None] - length, np.arange(n)
    good, first = first >= 0, np.maximum(first, 0)
    good &= blocked == blocked[first, row]
    start = begin[np.minimum(first, hours - 1), row]
    return np.where(good, total - total[first, row] + start, np.inf)


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
