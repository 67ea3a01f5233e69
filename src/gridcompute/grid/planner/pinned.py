"""Removes jobs that run and cannot move from a problem before it is solved, and adds them after.

A pinned job has no choice: it reduces capacity and quotas, and adds load. Without its row in the
jobs table no stage of the planner can put another job in its place.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..plan.account import pieces_at
from ..plan.columns import Placement

if TYPE_CHECKING:
    from ..plan.columns import Prices
    from ..plan.plan import Plan
    from ..tables.column import Int32s, Int64s
    from ..tables.problem import Problem

__all__ = ["WithoutPinned"]

#: The columns of `Prices` that have an entry for each cover row.
COVER_COLUMNS = tuple(f"cover_{x}" for x in ("class", "size", "first", "last", "job", "yuan"))


class WithoutPinned:
    """A problem without the jobs that run and cannot move.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        """Remove the pinned jobs."""
        self.whole = problem
        #: Rows of the jobs that are left; None = all.
        self.rows: Int64s | None = None
        self.problem = problem.effective
        if problem.pinned.any():
            self.rows = np.flatnonzero(~problem.pinned)
            self.problem = _reduced(problem, self.rows)

    def prices(self, prices: Prices | None) -> Prices | None:
        """Return start prices of the whole problem as those of this one."""
        if prices is None or self.rows is None:
            return prices
        prices, placement = self._covered(prices), prices.placement
        if placement is None:
            return prices
        if len(placement.klass) != len(self.whole.jobs):
            return dataclasses.replace(prices, placement=None)
        return dataclasses.replace(prices, placement=self.placement(placement))

    def _covered(self, prices: Prices) -> Prices:
        """Return prices with cover rows of the jobs that are left, by their rows here."""
        assert self.rows is not None
        if not len(prices.cover_job):
            return prices
        place = np.full(max(len(self.whole.jobs), int(prices.cover_job.max()) + 1), -1)
        place[self.rows] = np.arange(len(self.rows))
        job = place[prices.cover_job]
        kept = {name: getattr(prices, name)[job >= 0] for name in COVER_COLUMNS}
        return prices.replace(**(kept | {"cover_job": job[job >= 0].astype(np.int32)}))

    def placement(self, placement: Placement) -> Placement:
        """Return a placement of the whole problem's jobs as one of this one's."""
        if self.rows is None:
            return placement
        klass, start = placement.klass[self.rows], placement.start[self.rows]
        pieces = pieces_at(placement.pieces, self.rows, len(placement.klass))
        return Placement(klass=klass, start=start, pieces=pieces)

    def plan(self, found: Plan) -> Plan:
        """Return a plan of this problem as one of the whole problem."""
        if self.problem is self.whole:
            return found
        klass, start, pieces = found.assignment, found.start, found.pieces
        if self.rows is not None:
            klass = _spread(klass, self.rows, len(self.whole.jobs))
            start = _spread(start, self.rows, len(self.whole.jobs))
            running = self.whole.running
            assert running is not None
            at = running.pinned_in(self.whole.hours)
            klass[running.id[at]] = running.klass[at]
            start[running.id[at]] = 0
            if pieces is not None:
                pieces = pieces.replace(job=self.rows[pieces.job])
        placement = Placement(klass=klass, start=start, pieces=pieces)
        covered = found.prices.cover_job
        if self.rows is not None:
            covered = self.rows[covered].astype(np.int32)
        return dataclasses.replace(
            found,
            problem=self.whole,
            assignment=klass,
            start=start,
            pieces=pieces,
            prices=found.prices.replace(placement=placement, cover_job=covered),
        )


def _spread(values: Int32s, rows: Int64s, n: int) -> Int32s:
    out = np.full(n, -1, np.int32)
    out[rows] = values
    return out


def _reduced(problem: Problem, rows: Int64s) -> Problem:
    """Return the problem of the jobs `rows`, with the pinned ones subtracted from its limits."""
    whole, use = problem.effective, problem.pinned_accelerators
    load = np.zeros_like(whole.energy.base_load_kwh)
    np.add.at(load, whole.classes.site, use * whole.kwh_per_accelerator_h)
    pinned = np.flatnonzero(problem.pinned)
    hours = whole.jobs.deadline[pinned]  # a pinned job's window has exactly its hours
    running = problem.running
    assert running is not None
    at = dict(zip(running.id.tolist(), running.klass.tolist(), strict=True))
    kinds = problem.classes.accelerator[[at[job] for job in pinned.tolist()]]
    taken, tenants = whole.jobs.gang[pinned] * hours, whole.jobs.tenant[pinned]
    quotas = problem.stepped.quotas
    used = quotas.linear_rows.used(tenants, kinds, taken)
    energy = whole.energy
    jobs = {name: getattr(whole.jobs, name)[rows] for name in whole.jobs.columns()}
    return whole.replace(
        jobs=type(whole.jobs)(**jobs),
        classes=whole.classes.replace(capacity=whole.classes.capacity - use),
        energy=energy.replace(
            base_load_kwh=energy.base_load_kwh + load, shed_kwh=energy.shed_kwh + load
        ),
        quotas=quotas.after(used),
    )
