"""Lifted cover rows: how many gangs fit beside a job.

Where a job runs, the gangs that run through the same hours share what it leaves of the class. For a
class c of C accelerators, gangs of g, some hours in a row and a job j, every plan keeps

    sum over i != j of (gang_i // g) * [i runs at c in all of the hours]
        + (C // g - (C - gang_j) // g) * [j runs at c in any of them]  <=  C // g.

The relaxation violates such rows: half of a gang of four and one whole single share a class of four
accelerators. Rows that a solution violates are found by looking at all of them for one hour and for
two in a row; longer stretches lift the bound by 1e-6 of it (750 jobs, seed 1).

Source: lifted cover inequalities (Balas, "Facets of the knapsack polytope", Mathematical
Programming 8, 1975), clique inequalities where C // g is 1; over several hours those of van den
Akker, van Hoesel and Savelsbergh, "A polyhedral approach to single-machine scheduling problems",
Mathematical Programming 85, 1999.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem
    from .options import Options

__all__ = [
    "CoverProof",
    "CoverRows",
    "coefficients",
    "cover_cost",
    "joined",
    "no_rows",
    "violated_rows",
]

#: Longest stretch of hours that rows are looked for over.
MOST_HOURS = 2
#: Least excess over a row's limit, in gangs, at which it counts as violated.
VIOLATED = 0.05
#: Rows of one class, size and stretch at a time.
EACH = 2


class CoverRows(NamedTuple):
    """Rows as columns, one entry each."""

    klass: Int64s
    #: The gangs that are counted, accelerators.
    size: Int64s
    #: First and last hour.
    first: Int64s
    last: Int64s
    job: Int64s

    def of(self, chosen: Bools | Int64s) -> CoverRows:
        """Some of them."""
        return CoverRows(*(values[chosen] for values in self))

    def each(self) -> Iterator[tuple[int, ...]]:
        """Yield the rows as tuples."""
        return zip(*(values.tolist() for values in self), strict=True)

    def limits(self, problem: Problem) -> Int64s:
        """How many gangs each row allows, C // g."""
        found = [
            int(problem.classes.capacity[c, a : b + 1].max()) // g
            for c, g, a, b in zip(self.klass, self.size, self.first, self.last, strict=True)
        ]
        return np.array(found, np.int64)


class CoverProof(NamedTuple):
    """Prices that prove more with lifted cover rows than without."""

    bound: float
    y: Floats
    rows: CoverRows
    yuan: Floats

    def columns(self) -> dict[str, Any]:
        """Return the rows and their prices as columns of `Prices`."""
        klass, size, first, last, job = (values.astype(np.int32) for values in self.rows)
        return {
            "cover_class": klass,
            "cover_size": size,
            "cover_first": first,
            "cover_last": last,
            "cover_job": job,
            "cover_yuan": self.yuan,
        }


def no_rows() -> CoverRows:
    """No rows."""
    return CoverRows(*(np.zeros(0, np.int64) for _ in CoverRows._fields))


def joined(rows: CoverRows, more: CoverRows) -> CoverRows:
    """Both, in their order."""
    return CoverRows(*(np.concatenate(pair) for pair in zip(rows, more, strict=True)))


def coefficients(problem: Problem, options: Options, row: tuple[int, ...]) -> tuple[Any, Any]:
    """What options have of one row, of those sorted by class: their places, and how much each."""
    klass, size, first, last, job = row
    some = np.arange(
        np.searchsorted(options.klass, klass), np.searchsorted(options.klass, klass, "right")
    )
    most = int(problem.classes.capacity[klass, first : last + 1].max())
    begin, end = options.start[some], options.start[some] + options.hours[some]
    gang = problem.jobs.gang[options.job[some]].astype(np.int64)
    through = np.where((begin <= first) & (end > last), gang // size, 0)
    beside = most // size - np.maximum(most - gang, 0) // size
    beside = np.where((begin <= last) & (end > first), beside, 0)
    amount = np.where(options.job[some] == job, beside, through)
    held = amount > 0
    return some[held], amount[held]


def cover_cost(problem: Problem, options: Options, rows: CoverRows, yuan: Floats) -> Floats:
    """What options, sorted by class, pay for the rows at these prices, yuan."""
    cost = np.zeros(len(options.job))
    for row, price in zip(rows.each(), yuan, strict=True):
        place, amount = coefficients(problem, options, row)
        cost[place] += price * amount
    return cost


def violated_rows(problem: Problem, options: Options, part: Floats, most: int) -> CoverRows:
    """Find rows that a solution violates, the most violated first.

    Parameters
    ----------
    problem : Problem
    options : Options
        Sorted by class.
    part : float64 (n_options,)
        How much of each option the solution takes.
    most : int
        Number of rows at most.
    """
    found: list[tuple[Floats, CoverRows]] = []
    used = part > 1e-7
    some, part = options.of(used), part[used]
    ends = np.searchsorted(some.klass, np.arange(len(problem.classes) + 1))
    for c in range(len(problem.classes)):
        here = slice(ends[c], ends[c + 1])
        job, at = np.unique(some.job[here], return_inverse=True)
        if not len(job):
            continue
        begin = some.start[here, None]
        end = begin + some.hours[here, None]
        x, gang = part[here], problem.jobs.gang[some.job[here]].astype(np.int64)
        for length in range(1, min(MOST_HOURS, problem.hours) + 1):
            first = np.arange(problem.hours - length + 1)
            last = first + length - 1
            through, beside = (begin <= first) & (end > last), (begin <= last) & (end > first)
            windows = np.lib.stride_tricks.sliding_window_view(problem.classes.capacity[c], length)
            capacity = windows.max(axis=1)
            for size in (1, *problem.gang_levels):
                # A row of single accelerators over one hour is that of the class.
                if size > capacity.max() or (size == 1 and length == 1):
                    continue
                whole = (x * (gang // size))[:, None] * through
                left = np.maximum(capacity - gang[:, None], 0) // size
                alone = x[:, None] * (capacity // size - left) * beside
                over = np.zeros((len(job), len(first)))
                np.add.at(over, at, alone - whole)
                over += whole.sum(axis=0) - capacity // size
                which, hour = np.nonzero(over > VIOLATED)
                n = len(which)
                rows = CoverRows(
                    np.full(n, c), np.full(n, size), first[hour], last[hour], job[which].astype(int)
                )
                found.append((over[which, hour], rows))
    if not found:
        return no_rows()
    by = np.concatenate([over for over, _ in found])
    rows = CoverRows(*(np.concatenate(x) for x in zip(*(r for _, r in found), strict=True)))
    order = np.argsort(-by, kind="stable")
    rows = rows.of(order)
    # Rows that differ in their job alone are nearly one.
    alike = np.ravel_multi_index(
        (rows.klass, rows.size, rows.first, rows.last - rows.first),
        (len(problem.classes), int(rows.size.max(initial=0)) + 1, problem.hours, MOST_HOURS),
    )
    at = np.argsort(alike, kind="stable")
    rank = np.zeros(len(at), np.int64)
    rank[at] = np.arange(len(at)) - np.searchsorted(alike[at], alike[at])
    return rows.of(np.flatnonzero(rank < EACH)[:most])
