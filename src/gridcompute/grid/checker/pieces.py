"""Interruptible jobs as the checker reads them: their pieces, and their cheapest cut.

The planner goes hour by hour through what a job has done so far (`interruption`); here whole pieces
are put together, each of every length, so that an error in one of them is found by the other.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Pieces
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.jobs import Jobs
    from ..tables.problem import Problem

__all__ = ["Priced", "Stretches", "cheapest_in_pieces", "faulty_pieces", "stretches", "ways"]


class Stretches(NamedTuple):
    """Consecutive hours in which placed jobs run, by job and first hour."""

    #: Place of each stretch's job among the placed jobs.
    at: Int64s
    start: Int64s
    hours: Int64s
    #: By placed job: all its hours, the hour after its last, and the number of its restarts.
    whole_h: Int64s
    end: Int64s
    resumed: Int64s


def stretches(job: Int32s, start: Int32s, hours: Int32s, pieces: Pieces | None) -> Stretches:
    """Read when placed jobs run: whole, for `hours` from `start`, but for those with pieces."""
    n = len(job)
    cut: dict[int, list[tuple[int, int]]] = {}
    if pieces is not None:
        columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
        for j, first, length in zip(*columns, strict=True):
            cut.setdefault(j, []).append((first, length))
    if not cut:
        every = np.arange(n)
        whole = hours.astype(np.int64)
        return Stretches(every, start.astype(np.int64), whole, whole, start + whole, 0 * every)
    rows = [
        (i, first, length)
        for i, j in enumerate(job.tolist())
        for first, length in sorted(cut.get(j, [(int(start[i]), int(hours[i]))]))
    ]
    at, first_h, length_h = np.array(rows, np.int64).reshape(-1, 3).T
    total = np.bincount(at, length_h, n).astype(np.int64)
    last = np.zeros(n, np.int64)
    np.maximum.at(last, at, first_h + length_h)
    return Stretches(at, first_h, length_h, total, last, np.bincount(at, minlength=n) - 1)


def faulty_pieces(
    jobs: Jobs, job: Int32s, start: Int32s, hours: Int32s, n_hours: int, pieces: Pieces
) -> tuple[str, str, float, float] | None:
    """Return token, place, what was found and needed of the first thing wrong with pieces.

    Parameters
    ----------
    jobs : Jobs
    job, start, hours : int32 (n,)
        The placed jobs, their first hours, and the hours that each takes whole.
    n_hours : int
    pieces : Pieces
    """
    place = {j: i for i, j in enumerate(job.tolist())}
    cut: dict[int, list[tuple[int, int]]] = {}
    columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
    for j, first, length in zip(*columns, strict=True):
        where = f"a piece of job {j}"
        if j not in place:
            return "PiecesMalformed", where, float(j), float(len(jobs) - 1)
        if length < 1 or first < 0 or first + length > n_hours:
            return "PiecesMalformed", where, float(first + length), float(n_hours)
        cut.setdefault(j, []).append((first, length))
    for j, parts in cut.items():
        least, restart = int(jobs.least_piece_h[j]), int(jobs.restart_h[j])
        i = place[j]
        if len(parts) < 2 or min(parts)[0] != start[i]:
            return "PiecesMalformed", f"first piece of job {j}", float(min(parts)[0]), start[i]
        if not jobs.interruptible[j]:
            return "NotInterruptible", f"job {j}", float(len(parts)), 1.0
        parts.sort()
        for (first, length), (later, _) in itertools.pairwise(parts):
            if later <= first + length:
                return "PiecesMalformed", f"a break of job {j}", float(later), first + length + 1
        for k, (_, length) in enumerate(parts):
            needed = max(least, restart + 1) if k else least
            if length < needed:
                return "PieceTooShort", f"piece {k} of job {j}", float(length), float(needed)
        done = sum(length for _, length in parts) - restart * (len(parts) - 1)
        if done != hours[i]:
            return "WorkMismatch", f"pieces of job {j}", float(done), float(hours[i])
    return None


class Priced(NamedTuple):
    """Interruptible jobs at one class at some prices, one row each.

    Parameters
    ----------
    need : int64 (n,)
    stretch : float64 (n, n_hours + 1, n_hours), yuan
        Price of a run of `length` hours from hour `first`, by these; inf where it is closed.
    begin : float64 (n, n_hours), yuan
        What is paid once for beginning in an hour, inf where the job may not.
    own : float64 (n, n_hours), yuan
        The part of it that is no price of a shared row.
    """

    job: Int64s
    need: Int64s
    stretch: Floats
    begin: Floats
    own: Floats

    def of(self, rows: Any) -> Priced:
        """Some of them."""
        return Priced(*(column[rows] for column in self))


def cheapest_in_pieces(problem: Problem, priced: Priced) -> Floats:
    """Return the least price at which each job runs, whole or in pieces; inf where it cannot."""
    jobs, out = problem.jobs, np.full(len(priced.job), np.inf)
    kinds = [(int(jobs.least_piece_h[j]), int(jobs.restart_h[j])) for j in priced.job.tolist()]
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero([k == kind for k in kinds])
        out[rows] = _cheapest(problem, priced.of(rows), *kind)
    return out


def _cheapest(problem: Problem, priced: Priced, least: int, restart: int) -> Floats:
    """`cheapest_in_pieces` of jobs whose pieces have the same least length and restart."""
    jobs, hours, (job, need, stretch, begin, _) = problem.jobs, problem.hours, priced
    n, most = len(job), int(need.max())
    late = jobs.delay_yuan_per_h[job]
    out = np.full(n, np.inf)
    #: By hour, least price by work done where the last piece ended at it or before.
    before = [np.full((n, most + 1), np.inf)]
    for end in range(1, hours + 1):
        now = np.full((n, most + 1), np.inf)
        for length in range(1, end + 1):
            first = end - length
            price = stretch[:, length, first]
            if length <= most:
                may = need == length if length < least else need >= length
                starts = np.where(may, begin[:, first] + price, np.inf)
                now[:, length] = np.minimum(now[:, length], starts)
            work = length - restart
            if length >= least and 1 <= work <= most and first >= 1:
                again = before[first - 1][:, : most + 1 - work]
                again = again + (price + jobs.restart_yuan[job])[:, None]
                now[:, work:] = np.minimum(now[:, work:], again)
        done = now[np.arange(n), need] + late * (end - need - jobs.release[job])
        out = np.minimum(out, done)
        before.append(np.minimum(before[-1], now))
    return out


def ways(
    problem: Problem, priced: Priced, k: int, most: int
) -> Iterator[tuple[Bools, float, float] | None]:
    """Yield all ways to run job `k`: its hours, what it pays beside shared rows, and its price.

    After `most` ways, finished or begun, None is yielded, and the search ends.
    """
    jobs, hours, j = problem.jobs, problem.hours, int(priced.job[k])
    least, restart, need = int(jobs.least_piece_h[j]), int(jobs.restart_h[j]), int(priced.need[k])
    rest: list[tuple[list[tuple[int, int]], int]] = [([], need)]
    done = 0
    while rest:
        if done + len(rest) > most:
            yield None
            return
        pieces, left = rest.pop()
        done += 1
        if not left:
            end = pieces[-1][0] + pieces[-1][1]
            own = (len(pieces) - 1) * float(jobs.restart_yuan[j])
            own += float(jobs.delay_yuan_per_h[j]) * (end - need - int(jobs.release[j]))
            price = own + float(priced.begin[k, pieces[0][0]])
            price += sum(float(priced.stretch[k, length, first]) for first, length in pieces)
            busy = np.zeros(hours, bool)
            for first, length in pieces:
                busy[first : first + length] = True
            yield busy, own + float(priced.own[k, pieces[0][0]]), price
            continue
        lost = restart if pieces else 0
        soonest = pieces[-1][0] + pieces[-1][1] + 1 if pieces else 0
        for first in range(soonest, hours):
            if not pieces and not np.isfinite(priced.begin[k, first]):
                continue
            for length in range(lost + 1, min(left + lost, hours - first) + 1):
                whole = not pieces and length == left
                open_ = np.isfinite(priced.stretch[k, length, first])
                if open_ and (length >= least or whole):
                    rest.append(([*pieces, (first, length)], left - (length - lost)))
