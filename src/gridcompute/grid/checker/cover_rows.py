"""Lifted cover rows as the checker reads them: whether each is one, and what options pay for it.

For a class c, a size g of gangs, consecutive hours, and a job j, with C the most accelerators that
c has in one of these hours,

    sum over jobs i != j of (gang_i // g) * [i runs at c in all of the hours]
        + k * [j runs at c in any of them]  <=  C // g,      k = C // g - (C - gang_j) // g

(k = 0 where gang_j > C). Where j runs in one of the hours, the others that run through all of them
share what j leaves of that hour, room for (C - gang_j) // g gangs of g at most, which is k fewer
than C // g; where j runs in none they have room for C // g. Left out, and of no share in any row,
are interruptible jobs: no term is below 0, so a row holds with fewer of them. Jobs that run and
cannot move are no jobs here, and C is what they leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .running import fixed, fixed_rows

if TYPE_CHECKING:
    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem

__all__ = ["CoverRows", "cover_fault", "cover_rows"]

#: The largest sum of all prices that a bound is computed from: no product of it overflows.
MOST_YUAN = 1e280


class CoverRows(NamedTuple):
    """Lifted cover rows that have prices above 0, and which jobs have no share in any."""

    klass: Int64s
    size: Int64s
    first: Int64s
    last: Int64s
    #: Row among the jobs that are priced.
    job: Int64s
    yuan: Floats
    #: C // g; what the row's own job takes of it, k; and what it would take as one of the others.
    gangs: Int64s
    own: Int64s
    other: Int64s
    #: By job priced.
    exempt: Bools

    def of(self, rows: Bools) -> CoverRows:
        """Some of the rows."""
        kept: dict[str, Any] = {name: getattr(self, name)[rows] for name in self._fields[:-1]}
        return self._replace(**kept)

    def most_yuan(self, gang: Any) -> float:
        """A sum that no sum of what jobs pay exceeds, nor any part of it in size."""
        each = np.bincount(self.klass, self.yuan / self.size).max(initial=0.0)
        own = (self.yuan * (self.own + self.other)).sum()
        return float(each * gang.sum(dtype=np.float64) + 2 * own)

    def paid(self, job: Any, gang: Any, lasts: Any, hours: int) -> tuple[Floats, Int64s]:
        """Return the payment of jobs for these rows, all of one class, by their first hour.

        Parameters
        ----------
        job, gang, lasts : int (n,)
            Jobs, each once; their accelerators, and the hours that each runs.
        hours : int
            Hours of the batch.

        Returns
        -------
        yuan : float64 (n_kinds, hours)
        kind : int64 (n,)
            The row of `yuan` that holds for each job.
        """
        width, clock = hours + 1, np.arange(hours)
        counted = np.where(self.exempt[job], 0, gang.astype(np.int64))
        kinds, kind = np.unique(counted * width + lasts, return_inverse=True)
        many, end = kinds[:, None] // width, np.minimum(clock + kinds[:, None] % width, hours)
        yuan = np.zeros(end.shape)
        for size in np.unique(self.size).tolist():
            rows = self.size == size
            place = self.first[rows] * width + self.last[rows] + 1
            at = np.bincount(place, self.yuan[rows], hours * width).reshape(hours, width)
            # By a first hour and an end, the sum over the rows between the two.
            within = at[::-1].cumsum(axis=0)[::-1].cumsum(axis=1)
            yuan += (many // size) * within[clock, end]
        order = np.argsort(job, kind="stable")
        place = np.minimum(np.searchsorted(job[order], self.job), max(len(job) - 1, 0))
        found = job[order][place] == self.job if len(job) else np.zeros(len(self.job), bool)
        named, row = np.unique(order[place[found]], return_inverse=True)
        changed = self.of(found)._changes(row, lasts[named], hours)
        yuan = np.concatenate([yuan, yuan[kind[named]] + changed])
        kind[named] = len(yuan) - len(named) + np.arange(len(named))
        return yuan, kind

    def _changes(self, row: Int64s, lasts: Int64s, hours: int) -> Floats:
        """Return the extra payment of jobs for rows of their own, by first hour, (n, hours).

        `row` is the place of each row's job.
        """
        width, long = hours + 1, lasts[row]
        any_, whole = self.yuan * self.own, self.yuan * self.other
        touched = np.maximum(self.first - long + 1, 0), self.last + 1
        covered = np.maximum(self.last - long + 1, 0), self.first + 1
        has = covered[0] < covered[1]
        steps = np.zeros(len(lasts) * width)
        for hour, by in (
            (touched[0], any_),
            (touched[1], -any_),
            (covered[0], np.where(has, -whole, 0.0)),
            (covered[1], np.where(has, whole, 0.0)),
        ):
            steps += np.bincount(row * width + hour, by, len(steps))
        return np.asarray(steps.reshape(-1, width).cumsum(axis=1)[:, :hours])


def cover_fault(problem: Problem, prices: Prices) -> tuple[str, float, float] | None:
    """Return place, what was found and needed of the first price of no lifted cover row.

    `problem` is the whole one, with its running jobs.
    """
    n, (classes, hours) = len(problem.jobs), problem.classes.capacity.shape
    job, pinned = prices.cover_job, np.zeros(n + 1, bool)
    pinned[fixed_rows(problem)] = True
    for name, low, high in (
        ("class", np.zeros(1), classes - 1),
        ("size", np.ones(1), np.inf),
        ("first", np.zeros(1), hours - 1),
        ("last", prices.cover_first, hours - 1),
        ("job", np.zeros(1), n - 1),
    ):
        values = getattr(prices, f"cover_{name}")
        for bad, needed in ((values < low, low), (values > high, high)):
            if bad.any():
                k = int(np.argmax(bad))
                most = float(np.broadcast_to(needed, values.shape)[k])
                return f"cover_{name}[{k}]", float(values[k]), most
    bad = pinned[job]
    if bad.any():
        k = int(np.argmax(bad))
        return f"cover_job[{k}]: 1 as job {job[k]} runs and cannot move", 1.0, 0.0
    return None


def cover_rows(problem: Problem, prices: Prices, priced: Problem) -> CoverRows | None:
    """Read the rows that prices name; None where one of these proves nothing, so that all do not.

    Parameters
    ----------
    problem : Problem
        The whole one, with its running jobs.
    prices : Prices
    priced : Problem
        What is made of it: `plain`, with all jobs, or `fixed`.
    """
    with np.errstate(over="ignore"):
        total = prices.cover_yuan.sum()
    good = (prices.cover_yuan >= 0).all() and total <= MOST_YUAN
    if not good or cover_fault(problem, prices) is not None:
        return None
    kept = np.ones(len(problem.jobs), bool)
    kept[fixed_rows(problem)] = False
    place, exempt = np.arange(len(kept)), priced.jobs.interruptible
    capacity = priced.classes.capacity
    if len(priced.jobs) < len(kept):
        place = np.cumsum(kept) - 1
    elif not kept.all() and len(prices.cover_yuan):
        exempt, capacity = exempt | ~kept, fixed(problem).classes.capacity
    used = prices.cover_yuan > 0
    klass, size, first, last, job = (
        getattr(prices, f"cover_{name}")[used].astype(np.int64)
        for name in ("class", "size", "first", "last", "job")
    )
    job = place[job]
    most = np.zeros(len(job), np.int64)
    for c in np.unique(klass).tolist():
        at = np.flatnonzero(klass == c)
        for t in np.unique(first[at]).tolist():
            rows = at[first[at] == t]
            most[rows] = np.maximum.accumulate(capacity[c, t:])[last[rows] - t]
    gang = priced.jobs.gang[job].astype(np.int64)
    gangs = most // size
    own = np.where(exempt[job] | (gang > most), 0, gangs - np.maximum(most - gang, 0) // size)
    other = np.where(exempt[job], 0, gang // size)
    yuan = prices.cover_yuan[used]
    return CoverRows(klass, size, first, last, job, yuan, gangs, own, other, exempt)
