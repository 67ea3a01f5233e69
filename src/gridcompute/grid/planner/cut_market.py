"""Jobs that may run in pieces, priced: what a pass over all options gives, with their cuts in it.

The native oracle knows whole runs alone. `CutMarket` asks it for all other jobs, and finds the
cheapest cut of each interruptible one by `interruption`; what it returns has the same form, so that
bounds and slopes follow from it as they do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..eligibility import filtered, hours_needed
from ..interruption import Cuts, cheapest_cuts
from .coupling_constraints import PriceVector
from .dispatch_lp import ROUNDING

if TYPE_CHECKING:
    from ... import _core
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem

__all__ = ["CutMarket", "cuts_of"]


#: Numbers of one kind that are held at once, of jobs at classes by hour.
MOST_PAIRS = 1 << 23


class Best(NamedTuple):
    """The cheapest option of each of some jobs at some prices; inf and -1 where it has none."""

    yuan: Floats
    klass: Int32s
    #: Hours in which it runs, (n, n_hours).
    busy: Bools


class CutMarket:
    """The jobs of a problem of which some are interruptible.

    Parameters
    ----------
    problem : Problem
        In steps, without pinned jobs.
    market : LagrangianOracle
        Of all its jobs, as if none was interruptible.
    """

    def __init__(self, problem: Problem, market: _core.LagrangianOracle) -> None:
        self.problem, jobs = problem, problem.jobs
        rows = np.flatnonzero(jobs.interruptible)
        eligible, need = filtered(problem, rows)[0], hours_needed(problem, rows)
        cut = (eligible & _long_enough(problem, rows, need)).any(axis=1)
        #: Rows of the jobs that can be cut, and the classes at which each has an option.
        self.rows: Int64s = rows[cut]
        self.eligible: Bools = eligible[cut]
        self.need: Int32s = need[cut]
        #: All other jobs.
        self.uncut: Bools = np.ones(len(jobs), bool)
        self.uncut[self.rows] = False
        whole = np.flatnonzero(self.uncut).astype(np.int32)
        self._whole = market.subset(whole, np.ones(len(whole), np.int32))
        gangs = np.unique(problem.jobs.gang)
        kinds = np.searchsorted(gangs, problem.jobs.gang[self.rows], "right") - 1
        self._kind = kinds if problem.gang_levels else np.zeros_like(kinds)

    @property
    def has_option(self) -> Bools:
        """Which of the jobs that can be cut have any option."""
        return np.asarray(self.eligible.any(axis=1))

    @property
    def n_active(self) -> int:
        """How many jobs are asked, a job that can be cut at each class by itself."""
        return self._whole.n_active + int(self.eligible.sum())

    @property
    def shapes(self) -> int:
        """How many tables of prices the other jobs share."""
        return self._whole.shapes

    def price(
        self,
        capacity: Floats,
        energy: Floats,
        corridor: Floats,
        quota: Floats,
        klass: Int32s | None = None,
        start: Int32s | None = None,
        threads: int = 0,
    ) -> dict[str, Any]:
        """Return what `LagrangianOracle.price` does, with interruptible jobs cut at will.

        `klass` and `start` are left as they are: a cut has no place in them (`best` has).
        """
        del klass, start
        found = self._whole.price(capacity, energy, corridor, quota, threads=threads)
        y = PriceVector(capacity, energy, corridor, quota)
        best, jobs = self.best(y), self.problem.jobs
        value = jobs.value_yuan[self.rows]
        on = np.flatnonzero(best.yuan < value)
        found["total"] += float(np.minimum(best.yuan, value).sum())
        found["margin"] += self._margin(y)
        found["placed"] += len(on)
        found["left_out"] += float(np.delete(value, on).sum())
        job, to, busy = self.rows[on], best.klass[on], best.busy[on]
        taken = jobs.gang[job][:, None] * busy
        np.add.at(found["accelerators"], (self._kind[on], to), taken)
        site, first = self.problem.classes.site[to], busy.argmax(axis=1)
        np.add.at(found["data"], (jobs.origin[job], site, first), jobs.data_gb[job])
        kinds = self.problem.quotas.linear_rows.model(self.problem.classes.accelerator)[to]
        np.add.at(found["quota"], (jobs.tenant[job], kinds), taken.sum(axis=1))
        return found

    def best(self, y: PriceVector, among: Int64s | None = None) -> Best:
        """Return the cheapest option of each job that can be cut, or of those at `among`."""
        at = np.arange(len(self.rows)) if among is None else among
        n, hours = len(at), self.problem.hours
        yuan, klass = np.full(n, np.inf), np.full(n, -1, np.int32)
        busy = np.zeros((n, hours), bool)
        size = max(1, MOST_PAIRS // (hours * max(self.eligible.shape[1], 1)))
        for first in range(0, n, size):
            job, c = np.nonzero(self.eligible[at[first : first + size]])
            if not len(job):
                continue
            job += first
            cuts = self.cuts(y, at[job], c)
            found = cheapest_cuts(cuts)[0]
            # Of the pairs of a job, which are together, the first that is cheapest.
            order = np.lexsort((np.arange(len(job)), found, job))
            mine = order[np.append(True, job[order][1:] != job[order][:-1])]
            mine = mine[np.isfinite(found[mine])]
            yuan[job[mine]], klass[job[mine]] = found[mine], c[mine]
            busy[job[mine]] = cheapest_cuts(cuts.of(mine), traced=True)[1]
        return Best(yuan, klass, busy)

    def cuts(
        self,
        y: PriceVector,
        at: Int64s,
        klass: Any,
        capacity: Int64s | None = None,
        data_gb: Floats | None = None,
    ) -> Cuts:
        """What it takes to run the jobs at places `at` at a class each, at prices.

        `capacity` and `data_gb` are what is free of classes and corridors; None: all.
        """
        problem, job = self.problem, self.rows[at]
        kind = problem.quotas.linear_rows.model(problem.classes.accelerator)[klass]
        site = problem.classes.site[klass]
        power = problem.kwh_per_accelerator_h * y.energy[problem.classes.site]
        each = y.capacity[self._kind[at], klass] + power[klass]
        each += y.quota[problem.jobs.tenant[job], kind][:, None]
        toll = y.corridor[problem.jobs.origin[job], site]
        capacity = problem.classes.capacity if capacity is None else capacity
        data_gb = problem.corridors.bandwidth_gb if data_gb is None else data_gb
        each *= problem.jobs.gang[job][:, None]
        return cuts_of(problem, job, klass, self.need[at, klass], each, toll, capacity, data_gb)

    def _margin(self, y: PriceVector) -> float:
        """The most that rounding adds to the sum of the jobs' cheapest prices, yuan."""
        problem, jobs, rows = self.problem, self.problem.jobs, self.rows
        hours, site = problem.hours, problem.classes.site
        power = np.abs(problem.kwh_per_accelerator_h * y.energy[site])
        hourly = (np.abs(y.capacity).max(axis=0) + power).sum(axis=1).max(initial=0.0)
        hourly += hours * np.abs(y.quota).max(initial=0.0)
        wire = problem.corridors.price_yuan_per_gb.max() + np.abs(y.corridor).max(initial=0.0)
        own = jobs.value_yuan + jobs.migration_yuan
        own = own + hours * (jobs.delay_yuan_per_h + jobs.restart_yuan)
        size = own[rows].sum() + hourly * jobs.gang[rows].sum(dtype=np.float64)
        size += wire * jobs.data_gb[rows].sum()
        return float(ROUNDING * (hours + 512) * size)


def _long_enough(problem: Problem, rows: Int64s, need: Int32s) -> Bools:
    """Return at which classes jobs can be cut: each has work and hours for two pieces."""
    jobs = problem.jobs
    least, restart = (
        x[rows].astype(np.int64)[:, None] for x in (jobs.least_piece_h, jobs.restart_h)
    )
    work = least + np.maximum(least - restart, 1)
    window = (jobs.deadline - jobs.release)[rows][:, None]
    return np.asarray((need >= work) & (need + restart + 1 <= window))


def _own_prices(problem: Problem, job: Any, klass: Any, need: Any) -> tuple[Floats, Floats]:
    """Return what jobs pay for beginning in an hour at a class, and for ending before one, yuan.

    Transfer and migration, (n, n_hours); delay, (n, n_hours + 1), below 0 before they can end.
    """
    jobs, clock = problem.jobs, np.arange(problem.hours + 1)
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[klass]]
    was, then = jobs.placed_class[job], jobs.placed_start[job]
    moved = (was >= 0)[:, None] & (
        (was != klass)[:, None] | (then[:, None] != clock[None, : problem.hours])
    )
    begin = (wire * jobs.data_gb[job])[:, None] + np.where(
        moved, jobs.migration_yuan[job][:, None], 0.0
    )
    late = clock[None] - (need + jobs.release[job])[:, None]
    return begin, jobs.delay_yuan_per_h[job][:, None] * late


def cuts_of(
    problem: Problem,
    job: Int64s,
    klass: Any,
    need: Int32s,
    hourly: Floats,
    toll: Floats | float,
    capacity: Int64s,
    data_gb: Floats,
) -> Cuts:
    """Return the cuts of some jobs at a class each, closed where there is no room.

    Parameters
    ----------
    problem : Problem
    job, klass, need : int (n,)
        Rows of the jobs, a class of each, and the hours it takes there whole.
    hourly : float64 (n, n_hours), yuan
        Price of an hour of the job.
    toll : float64 (n, n_hours), yuan/GB
        Price of the corridor in an hour.
    capacity : int64 (n_classes, n_hours)
        Accelerators that are free.
    data_gb : float64 (n_sites, n_sites, n_hours)
        What corridors have left.
    """
    jobs, site = problem.jobs, problem.classes.site[klass]
    clock = np.arange(problem.hours)
    begin, finish = _own_prices(problem, job, klass, need)
    data, origin = jobs.data_gb[job][:, None], jobs.origin[job]
    begin = begin + toll * data
    closed = (origin != site)[:, None] & (data > data_gb[origin, site])
    begin = np.where(closed, np.inf, begin)
    within = (clock >= jobs.release[job][:, None]) & (clock < jobs.deadline[job][:, None])
    within &= capacity[klass] >= jobs.gang[job][:, None]
    return Cuts(
        np.where(within, hourly, np.inf),
        begin,
        finish,
        need,
        jobs.least_piece_h[job],
        jobs.restart_h[job],
        jobs.restart_yuan[job],
    )
