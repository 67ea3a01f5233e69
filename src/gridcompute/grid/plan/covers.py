"""The payments of options at the prices of lifted cover rows (see `Prices`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem
    from .columns import Prices

__all__ = ["covers_paid"]

#: Pairs of a job and a row that are processed at once.
MOST_PAIRS = 1 << 22


def covers_paid(
    problem: Problem, prices: Prices, job: Int32s, klass: Int32s, start: Int32s, end: Int32s
) -> Floats:
    """Return what options pay for lifted cover rows, yuan, (n_options,).

    Interruptible jobs, and those that run and cannot move, pay nothing.

    Parameters
    ----------
    problem : Problem
        The whole one, with its running jobs.
    prices : Prices
    job, klass, start, end : int32 (n_options,)
        Row of the jobs table, class, first hour, and the hour after the last one.
    """
    out = np.zeros(len(job))
    jobs, free = problem.jobs, problem.classes.capacity - problem.pinned_accelerators
    hours = np.arange(problem.hours)
    counts = ~(jobs.interruptible | problem.pinned)[job]
    for c in np.unique(klass[counts]).tolist():
        rows = np.flatnonzero(prices.cover_class == c)
        if not len(rows):
            continue
        room = np.stack([np.maximum.accumulate(np.where(hours >= t, free[c], 0)) for t in hours])
        most = room[prices.cover_first[rows], prices.cover_last[rows]]
        on = np.flatnonzero(counts & (klass == c))
        block = max(1, MOST_PAIRS // len(rows))
        for at in (on[i : i + block] for i in range(0, len(on), block)):
            out[at] = _paid(prices, rows, most, job[at], jobs.gang[job[at]], start[at], end[at])
    return out


def _paid(
    prices: Prices,
    rows: np.ndarray,
    room: np.ndarray,
    job: Int32s,
    gang: Int32s,
    start: Int32s,
    end: Int32s,
) -> Floats:
    """Return the payments of options at one class for the `rows` of that class."""
    size, first, last = prices.cover_size[rows], prices.cover_first[rows], prices.cover_last[rows]
    whole = (start[:, None] <= first) & (last < end[:, None])
    share = np.where(whole, gang[:, None] // size, 0)
    own, row = np.nonzero(job[:, None] == prices.cover_job[rows])
    gangs, left = room[row] // size[row], room[row] - gang[own]
    touched = (start[own] <= last[row]) & (first[row] < end[own]) & (left >= 0)
    share[own, row] = np.where(touched, gangs - left // size[row], 0)
    return np.asarray(share @ prices.cover_yuan[rows])
