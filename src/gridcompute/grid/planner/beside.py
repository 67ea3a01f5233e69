"""A problem beside jobs that stay where they are: their use of the rows is subtracted.

A job that stays has no choice: it reduces capacity, data and quotas, and adds load. Without its row
in the jobs table no stage of the planner can put another job in its place. In this way the native
engine, which has whole runs only, places jobs beside others that run in pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..plan.account import runs_of
from ..plan.columns import Prices
from .improvement import exchanges, improve
from .incumbent import insert_until_stable, offer
from .mandate_repair import repair_mandate
from .settings import ASCENT_BESIDE, BESIDE_ROUNDS, DIVE_BESIDE
from .state import PlannerState

if TYPE_CHECKING:
    from ..plan.columns import Pieces
    from ..tables.column import Floats, Int32s, Int64s
    from ..tables.problem import Problem

__all__ = ["Taken", "prices_of", "problem_beside", "replaced_beside", "taken_by"]


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


def prices_of(state: PlannerState) -> Prices:
    """Return the best prices of `state` as those of another problem with the same rows."""
    problem, found = state.problem, state.rows.prices(state.y)
    quotas = state.rows.quota_columns(found.quota)
    return Prices(
        capacity=found.capacity,
        energy=found.energy,
        corridor=found.corridor,
        quota=quotas["quota"],
        quota_by_accelerator=quotas["quota_by_accelerator"],
        mandate=np.zeros((len(problem.mandate_rows.names), 2)),
        storage=np.zeros((len(problem.sites), 2)),
        gang=found.gang,
        gang_size=np.array(problem.gang_levels, np.int32),
    )


def replaced_beside(
    state: PlannerState,
    klass: Int32s,
    start: Int32s,
    pieces: Pieces | None,
    *,
    afresh: bool = False,
) -> tuple[Int32s, Int32s]:
    """Place again all jobs that do not run in pieces, beside those that do.

    Starts from the placement given, and returns one that costs no more. Interruptible jobs are
    placed whole. Where `afresh` is True new prices are computed for them, and a dive places all of
    them.
    """
    problem, stays = state.problem, np.zeros(len(klass), bool)
    if pieces is not None:
        stays[pieces.job] = True
    rows = np.flatnonzero(~stays)
    fixed = np.where(stays, klass, -1), np.where(stays, start, -1)
    jobs = problem.jobs.replace(interruptible=False)
    beside = problem_beside(problem.replace(jobs=jobs), rows, taken_by(problem, *fixed, pieces))
    clock, prices = state.clock, prices_of(state)
    before = clock.steps
    sub = PlannerState(beside, state.gap, state.rows.threads, clock)
    mine = sub.rows.work
    try:
        y = sub.rows.start(prices)
        sub.look(y)
        sub.y = y if not len(sub.y) else sub.y
        keep = sub.by_size[klass[rows][sub.by_size] >= 0]
        offer(sub, keep, (klass[rows], start[rows]), None)
        if afresh:
            y = sub.sampled(y, ASCENT_BESIDE)
            sub.look(y)
            improve(sub, DIVE_BESIDE, 0.9, rounds=0)
        exchanges(sub, range(BESIDE_ROUNDS))
        insert_until_stable(sub)
        repair_mandate(sub)
    finally:
        sub.rows.close()
        clock.steps = before
        state.rows.work.took(mine.steps)
    assert sub.best is not None
    klass, start = klass.copy(), start.copy()
    klass[rows], start[rows] = sub.best.klass, sub.best.start
    return klass, start
