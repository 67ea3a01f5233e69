"""Repair of the mandate's shortfalls, job by job, while a repair makes the plan cheaper.

Placement leaves small shortfalls: a scope misses some kWh of green power whose price is the
penalty, several times the price of green power in the bound. Rounds of exchanges try jobs in parts,
at prices that are valid for a small change: with the penalty on every kWh, all jobs of a part would
leave, which costs more than the shortfall. Here single jobs are tried, those first whose load is
about as large as the shortfall, each followed by the exact dispatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _core
from ..eligibility import hours_taken
from .cost import dispatch_cost, missed_cost, own_cost
from .settings import REPAIR

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s
    from .state import PlannerState

__all__ = ["repair_mandate", "short_scopes"]

#: Shortfall that counts as 0, kWh, and as a part of the energy required.
NOTHING_KWH, NOTHING = 1e-6, 1e-9


def short_scopes(state: PlannerState, missing_kwh: Floats) -> Bools:
    """Return the scopes short of green power whose price in the bound is below the penalty."""
    rows = state.problem.mandate_rows
    least = NOTHING_KWH + NOTHING * float(state.rows.block.most_kwh.sum())
    if not (missing_kwh > least).any():
        return np.zeros(len(missing_kwh), bool)
    worth = state.rows.block.mandate_at(state.rows.prices(state.y).energy)
    return np.asarray((missing_kwh > least) & (worth < rows.missing_yuan_per_kwh * (1 - 1e-6)))


def repair_mandate(state: PlannerState) -> None:
    """Repair the mandate's shortfalls of the best plan of `state`, as far as that pays."""
    if not len(state.y):
        return
    for _ in range(REPAIR.rounds):
        if state.clock.over(1.0) or not _round(state):
            break


def _round(state: PlannerState) -> bool:
    """Try single jobs; return whether one of them made the plan cheaper."""
    best, block, problem = state.best, state.rows.block, state.problem
    assert best is not None
    base = problem.energy.base_load_kwh
    supplied = block.serve(base + best.room.load)
    missing = supplied.dispatch.missing_kwh
    short = short_scopes(state, missing)
    if not short.any():
        return False
    supplied = block.serve(base + best.room.load)
    price = np.ascontiguousarray(supplied.energy_yuan_per_kwh)
    guide = state.rows.unpack(state.y)._replace(energy=price)
    exchange = _core.LocalSearch(best.room, *guide, 0.0, best.klass, best.start)
    tried = [
        _near(state, problem.mandate_rows.member[q], missing[q]) for q in np.flatnonzero(short)
    ]
    if state.few:
        state.rows.work.placed(len(best.klass))
        tried.append(exchange.regrets(0.0, threads=state.rows.threads)[: REPAIR.tried_by_regret])
    served, lacked = dispatch_cost(problem, supplied.dispatch), _lacked(state)
    curves, gained = block.curves(), False
    for position in np.concatenate(tried).astype(np.int32):
        if state.clock.over(1.0):
            break
        klass, start = best.klass.copy(), best.start.copy()
        state.rows.work.searched(1)
        if exchange.run(np.array([position], np.int32), *curves) == 0:
            continue
        rows = np.flatnonzero((klass != best.klass) | (start != best.start)).astype(np.int32)
        own = own_cost(problem, rows, best.klass[rows], best.start[rows])
        own -= own_cost(problem, rows, klass[rows], start[rows])
        dispatch = block.serve(base + best.room.load).dispatch
        now, still = dispatch_cost(problem, dispatch), _lacked(state)
        change = own + (now - served) + (still - lacked)
        if change >= 0:
            exchange.undo()
            continue
        best.cost += change
        exchange.commit()
        served, lacked, gained = now, still, True
        curves = block.curves()
        if not short_scopes(state, dispatch.missing_kwh).any():
            return False
        block.serve(base + best.room.load)
        curves = block.curves()
    return gained


def _near(state: PlannerState, member: Bools, missing_kwh: float) -> Int32s:
    """Return jobs at a scope's sites, those first whose load is about as large as the shortfall."""
    best, problem = state.best, state.problem
    assert best is not None
    job = np.flatnonzero(best.klass >= 0)
    job = job[member[problem.classes.site[best.klass[job]]]].astype(np.int32)
    kwh = problem.kwh_per_accelerator_h.mean(axis=1)[best.klass[job]]
    kwh = kwh * problem.jobs.gang[job] * hours_taken(problem, job, best.klass[job])
    with np.errstate(divide="ignore"):
        far = np.abs(np.log(kwh) - np.log(missing_kwh / problem.mandate_rows.share))
    job = job[np.argsort(far, kind="stable")[: REPAIR.tried]]
    return state.market.positions(np.ascontiguousarray(job))


def _lacked(state: PlannerState) -> float:
    assert state.best is not None
    return missed_cost(state.problem, state.best.room.quota_used)
