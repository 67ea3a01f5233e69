"""What placed jobs leave: a problem without them, and which jobs of a placement can stay.

A pinned job, which runs and cannot move, or one that stays where it is, has no choice: it reduces
capacity, data and quotas, and adds load. Without its row in the jobs table no stage of the planner
can put another job in its place.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..eligibility import filtered, hours_needed
from ..plan.account import pieces_at, runs_of
from ..plan.columns import Placement, Prices
from .prices import supply_kwh

if TYPE_CHECKING:
    from ..plan.columns import Pieces, Prices
    from ..plan.plan import Plan
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem

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


#: Part of the remaining capacity by which an amount may exceed it: sums are rounded.
SLACK = 1e-12


def standing_jobs(problem: Problem, placement: Placement, order: Int64s) -> Bools:
    """Return which of the jobs in `order` can stay, giving way to those before them.

    The native engine decides it for whole runs; here pieces are tested as well.

    Parameters
    ----------
    problem : Problem
        In steps, without pinned jobs.
    placement : Placement
    order : int (n,)
        Rows of jobs that are placed.
    """
    jobs, classes = problem.jobs, problem.classes
    stays = np.zeros(len(jobs), bool)
    if not len(order):
        return stays
    klass, pieces = placement.klass, _pieces_by_job(placement)
    at = klass[order]
    may = filtered(problem, order)[0][np.arange(len(order)), at]
    need = hours_needed(problem, order)[np.arange(len(order)), at]
    free, wires = classes.capacity.copy(), problem.corridors.bandwidth_gb.copy()
    power = np.maximum(supply_kwh(problem) - problem.energy.base_load_kwh, 0.0)
    quotas = problem.quotas.linear_rows
    left = quotas.upper_h.copy()
    for job, c, possible, work in zip(
        order.tolist(), at.tolist(), may.tolist(), need.tolist(), strict=True
    ):
        first = int(placement.start[job])
        runs = pieces.get(job, [(first, work)])
        if not possible or not _is_run(problem, job, runs, work):
            continue
        on = np.concatenate([np.arange(t, t + n) for t, n in runs])
        gang, site, origin = int(jobs.gang[job]), int(classes.site[c]), int(jobs.origin[job])
        data, kwh = float(jobs.data_gb[job]), gang * problem.kwh_per_accelerator_h[c, on]
        queues = quotas.rows_of(int(jobs.tenant[job]), classes.accelerator[c])
        fits = bool((free[c, on] >= gang).all() and (kwh <= power[site, on] * (1 + SLACK)).all())
        fits &= site == origin or data <= wires[origin, site, first] * (1 + SLACK)
        fits &= bool((gang * len(on) <= left[queues] * (1 + SLACK)).all())
        if fits:
            stays[job] = True
            free[c, on] -= gang
            power[site, on] -= kwh
            wires[origin, site, first] -= data
            left[queues] -= gang * len(on)
    return stays


def _pieces_by_job(placement: Placement) -> dict[int, list[tuple[int, int]]]:
    """Return first hour and hours of each piece of the jobs that run in pieces."""
    out: dict[int, list[tuple[int, int]]] = {}
    pieces = placement.pieces
    if pieces is not None:
        columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
        for job, first, length in zip(*columns, strict=True):
            out.setdefault(job, []).append((first, length))
    return out


def _is_run(problem: Problem, job: int, runs: list[tuple[int, int]], work: int) -> bool:
    """Return whether these can be the hours of the job, by its window and the rules of pieces."""
    jobs = problem.jobs
    least, restart = int(jobs.least_piece_h[job]), int(jobs.restart_h[job])
    if runs[0][0] < jobs.release[job] or sum(runs[-1]) > jobs.deadline[job]:
        return False
    if len(runs) == 1:
        return runs[0][1] == work
    if not jobs.interruptible[job] or runs[0][1] < least:
        return False
    if min(length for _, length in runs[1:]) < max(least, restart + 1):
        return False
    return sum(length for _, length in runs) - restart * (len(runs) - 1) == work


class Taken(NamedTuple):
    """The use by placed jobs of the rows that all jobs share."""

    accelerators: Int64s
    load_kwh: Floats
    data_gb: Floats
    #: By row of `Quotas.linear_rows`.
    quota_h: Floats


def taken_by(problem: Problem, klass: Int32s, start: Int32s, pieces: Pieces | None) -> Taken:
    """Return the use of rows by a placement; `problem` is in steps and nothing runs in it."""
    jobs, site = problem.jobs, problem.classes.site
    runs = runs_of(problem, klass, start, pieces)
    change = np.zeros((len(problem.classes), problem.hours + 1), np.int64)
    np.add.at(change, (runs.klass, runs.start), jobs.gang[runs.job])
    np.add.at(change, (runs.klass, runs.start + runs.hours), -jobs.gang[runs.job])
    use = change.cumsum(axis=1)[:, : problem.hours]
    load = np.zeros_like(problem.energy.base_load_kwh)
    np.add.at(load, site, use * problem.kwh_per_accelerator_h)
    data = np.zeros(problem.corridors.bandwidth_gb.shape)
    job = np.flatnonzero(klass >= 0)
    np.add.at(data, (jobs.origin[job], site[klass[job]], start[job]), jobs.data_gb[job])
    kinds = problem.classes.accelerator[runs.klass]
    hours = jobs.gang[runs.job] * runs.hours
    return Taken(
        use, load, data, problem.quotas.linear_rows.used(jobs.tenant[runs.job], kinds, hours)
    )


def problem_beside(problem: Problem, rows: Int64s, taken: Taken, shed: bool = False) -> Problem:
    """Return the problem of the jobs `rows` beside others whose use of rows is `taken`.

    Where `shed` is True the load of these others may be shed.
    """
    energy = problem.energy
    jobs = {name: getattr(problem.jobs, name)[rows] for name in problem.jobs.columns()}
    energy = energy.replace(
        base_load_kwh=energy.base_load_kwh + taken.load_kwh,
        shed_kwh=energy.shed_kwh + taken.load_kwh * shed,
    )
    # A remainder that rounding explains is no capacity.
    wires = np.maximum(problem.corridors.bandwidth_gb - taken.data_gb, 0.0)
    return problem.replace(
        jobs=type(problem.jobs)(**jobs),
        classes=problem.classes.replace(capacity=problem.classes.capacity - taken.accelerators),
        corridors=problem.corridors.replace(bandwidth_gb=wires),
        energy=energy,
        quotas=problem.quotas.after(taken.quota_h),
    )
