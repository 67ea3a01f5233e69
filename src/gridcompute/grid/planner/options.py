"""Lists of every open option of some jobs, the columns of the integer program.

The Lagrangian oracle never stores an option. Where jobs are few, a list of all options is short,
and a solver of integer programs can use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..eligibility import filtered, hours_needed, least_free

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from .coupling_constraints import RowPrices

__all__ = ["Options", "count_options", "open_options", "priced"]


class Options(NamedTuple):
    """Options as columns, sorted by job, class and first hour."""

    job: Int32s
    klass: Int32s
    start: Int32s
    hours: Int32s
    #: Transfer, delay and migration, yuan.
    own_yuan: Floats
    #: The hours in which each runs, (n_options, n_hours); None where all run whole. With it,
    #: `hours` counts those of all pieces.
    busy: Bools | None = None

    def of(self, chosen: Bools | Int64s) -> Options:
        """Some of them, in their order."""
        job, klass, start, hours, own, busy = self
        parts = (job[chosen], klass[chosen], start[chosen], hours[chosen])
        return Options(*parts, own[chosen], None if busy is None else busy[chosen])

    def running(self) -> tuple[Any, Any]:
        """Each hour that each option runs: the option's place and the hour."""
        if self.busy is not None:
            place, hour = np.nonzero(self.busy)
            return place, hour
        place = np.repeat(np.arange(len(self.job)), self.hours)
        before = np.repeat(np.cumsum(self.hours) - self.hours, self.hours)
        return place, self.start[place] + (np.arange(len(place)) - before)


def count_options(problem: Problem) -> int:
    """Count the options of all jobs, without regard to the capacity that is left in their hours."""
    every = np.arange(len(problem.jobs))
    left, _ = filtered(problem, every)
    need = hours_needed(problem, every)
    slack = problem.jobs.deadline[:, None] - problem.jobs.release[:, None] - need + 1
    return int(slack[left].sum(dtype=np.int64))


def open_options(problem: Problem, rows: Int32s, capacity: Int64s, data_gb: Floats) -> Options:
    """List the open options of the jobs `rows`, for the free accelerators and corridors.

    Parameters
    ----------
    problem : Problem
    rows : int32 (n,)
        Rows of the jobs table, ascending.
    capacity : int64 (n_classes, n_hours)
    data_gb : float64 (n_sites, n_sites, n_hours)
        inf where a corridor has no limit.
    """
    jobs, classes = problem.jobs, problem.classes
    left, _ = filtered(problem, rows.astype(np.int64))
    need = hours_needed(problem, rows)
    row, klass = np.nonzero(left)
    hours = need[row, klass].astype(np.int64)
    starts = jobs.deadline[rows[row]] - jobs.release[rows[row]] - hours + 1
    row, klass = np.repeat(row, starts), np.repeat(klass, starts)
    hours = np.repeat(hours, starts)
    before = np.repeat(np.cumsum(starts) - starts, starts)
    job = rows[row]
    start = jobs.release[job] + (np.arange(len(row)) - before)
    site, origin = classes.site[klass], jobs.origin[job]
    good = least_free(capacity)[hours, klass, start] >= jobs.gang[job]
    good &= (site == origin) | (jobs.data_gb[job] <= data_gb[origin, site, start])
    job, klass, start = (x[good].astype(np.int32) for x in (job, klass, start))
    site, origin, lengths = site[good], origin[good], hours[good].astype(np.int32)
    was, then = jobs.placed_class[job], jobs.placed_start[job]
    moved = (was >= 0) & ((was != klass) | (then != start))
    own = problem.corridors.price_yuan_per_gb[origin, site] * jobs.data_gb[job]
    own += jobs.delay_yuan_per_h[job] * (start - jobs.release[job])
    own += np.where(moved, jobs.migration_yuan[job], 0.0)
    return Options(job, klass, start, lengths, own)


def priced(problem: Problem, options: Options, prices: RowPrices) -> Floats:
    """Return the cost of each option with its use of the rows at these prices, yuan."""
    jobs, site = problem.jobs, problem.classes.site
    job, klass, start, hours, own, busy = options
    gang = jobs.gang[job].astype(np.float64)

    def rent(hourly: Floats) -> Floats:
        if busy is not None:
            return np.asarray((hourly[klass] * busy).sum(axis=1))
        running = np.concatenate([np.zeros((len(hourly), 1)), hourly.cumsum(axis=1)], axis=1)
        return np.asarray(running[klass, start + hours] - running[klass, start])

    cost = rent(prices.capacity + problem.kwh_per_accelerator_h * prices.energy[site])
    rows = problem.quotas.linear_rows
    held = rows.paid(prices.quota)[jobs.tenant[job], rows.model(problem.classes.accelerator)[klass]]
    cost = own + gang * (cost + held * hours)
    cost += prices.corridor[jobs.origin[job], site[klass], start] * jobs.data_gb[job]
    for level, beta in zip(problem.gang_levels, prices.gang, strict=True):
        cost += (jobs.gang[job] // level) * rent(beta)
    return np.asarray(cost)
