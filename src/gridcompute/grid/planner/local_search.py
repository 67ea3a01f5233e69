"""Rounds of exchanges: jobs move to cheaper options, and the plan's exact cost falls.

A round finds the jobs whose regret is largest at the best prices and tries them in parts. Curves of
cost at or near the present load give the change of energy cost of a step; after each part the exact
dispatch decides whether it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _core
from ...errors import InfeasibleError
from .cost import dispatch_cost, missed_cost, own_cost
from .settings import CHAINS, MARGIN_PART, MOST_TRIED_SHORT, WORTH_A_ROUND

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s
    from .dispatch_lp import EnergyBlock
    from .settings import LocalSearchOptions
    from .state import Incumbent, PlannerState

__all__ = ["curves_about", "exchange_round", "fill", "polished"]


def exchange_round(state: PlannerState, round_: int, effort: LocalSearchOptions) -> bool:
    """Make a round of exchanges on the best plan of `state`; keep steps that lower the exact cost.

    Even rounds use the prices at the present load, odd ones those on both its sides: the first miss
    that a price jumps, the second miss moves between the hours of a site. Returns whether another
    round is worth its time.
    """
    best, block, prices = state.best, state.rows.block, state.rows.unpack(state.y)
    assert best is not None
    problem, base, before = state.problem, state.problem.energy.base_load_kwh, best.cost
    supplied = block.serve(base + best.room.load)
    served, missed = dispatch_cost(problem, supplied.dispatch), _missed(state)
    short = supplied.dispatch.missing_kwh.sum() * problem.mandate_rows.missing_yuan_per_kwh
    most, both_sides = effort.jobs, round_ % 2 == 1
    if both_sides and short > WORTH_A_ROUND * (before - state.bound):
        # With the penalty of a missed mandate in the prices, jobs move away from its sites.
        prices = prices._replace(energy=np.ascontiguousarray(supplied.energy_yuan_per_kwh))
        most = min(most, MOST_TRIED_SHORT)
    exchange = _core.LocalSearch(best.room, *prices, 0.0, best.klass, best.start)
    least = 1e-7 * abs(best.cost) / effort.parts
    work = state.rows.work
    work.placed(len(best.klass))
    found = exchange.regrets(least, threads=state.rows.threads)[:most]
    parts = np.array_split(found, min(effort.parts, len(found)) or 1)
    curves = curves_about(block, best.room.load) if both_sides else block.curves()
    for i, part in enumerate(parts):
        if state.clock.over(i / len(parts)) or state.proved():
            return False
        klass, start = best.klass.copy(), best.start.copy()
        work.searched(len(part), chains=effort.chains)
        if exchange.run(np.ascontiguousarray(part), *curves, chains=effort.chains) == 0:
            continue
        rows = np.flatnonzero((klass != best.klass) | (start != best.start)).astype(np.int32)
        own = own_cost(problem, rows, best.klass[rows], best.start[rows])
        own -= own_cost(problem, rows, klass[rows], start[rows])
        now = dispatch_cost(problem, block.serve(base + best.room.load).dispatch)
        still = _missed(state)
        change = own + (now - served) + (still - missed)
        if change < 0:
            best.cost += change
            served, missed = now, still
            exchange.commit()
            curves = curves_about(block, best.room.load) if both_sides else block.curves()
        else:
            exchange.undo()
    gained = before - best.cost
    return round_ < 2 or gained > WORTH_A_ROUND * (before - state.bound)


def fill(state: PlannerState, y: Floats | None = None, order: Int32s | None = None) -> bool:
    """Place jobs that are left out and gain at some prices, if that makes the plan cheaper.

    By default the prices are the best ones, and large jobs go first. The last prices of a dive may
    be higher: a quota with a high price is then not used up. Returns whether the plan is cheaper.
    """
    best = state.best
    assert best is not None
    y, order = state.y if y is None else y, state.by_size if order is None else order
    klass, start = best.klass.copy(), best.start.copy()
    out = np.ascontiguousarray(order[(klass[order] < 0) & state.reach[order]])
    state.rows.place(best.room, y, out, klass, start)
    filled = state.judged(klass, start, best.room)
    cheaper = filled.cost < best.cost
    if cheaper:
        state.best = filled
    else:
        best.room.remove(np.ascontiguousarray(out[klass[out] >= 0]), klass, start)
    return cheaper


def polished(
    state: PlannerState,
    room: _core.ResidualCapacity,
    klass: Int32s,
    start: Int32s,
    curves: tuple[Floats, Floats],
) -> Incumbent:
    """Return a placement improved by exchanges and chains at curves of cost, with one dispatch.

    `room` is the capacity that it leaves.
    """
    exchange = _core.LocalSearch(room, *state.rows.unpack(state.y), 0.0, klass, start)
    assert state.best is not None
    least, threads = 1e-7 * abs(state.best.cost), state.rows.threads
    for chains, most in ((False, len(klass)), (True, CHAINS.jobs)):
        found = exchange.regrets(least, threads=threads)[:most]
        state.rows.work.placed(len(klass))
        state.rows.work.searched(len(found), chains=chains)
        exchange.run(np.ascontiguousarray(found), *curves, chains=chains)
    exchange.commit()
    return state.judged(klass, start, room)


def curves_about(block: EnergyBlock, jobs_kwh: Floats) -> tuple[Floats, Floats]:
    """Return curves of the cost of more load than the jobs', and of the saving of less.

    Where a site has just enough green power for its mandate, the price of load jumps. The prices
    below `jobs_kwh` are those for slightly less load, the ones above those for slightly more: with
    one side's alone, too many jobs would move to hours whose last green kWh is already in use.
    """
    base, now = block.problem.energy.base_load_kwh, jobs_kwh[:, :, None]
    sides = []
    for part in (-MARGIN_PART, MARGIN_PART):
        try:
            found = block.curves(np.minimum(base + (1 + part) * jobs_kwh, block.most_kwh))
        except InfeasibleError:  # no more load can be served, and no job is moved there
            found = block.curves(base + jobs_kwh)
        sides.append(found)
    (less, saved), (more, charged) = sides
    end = np.concatenate([np.minimum(less, now), np.maximum(more, now)], axis=-1)
    return end, np.concatenate([saved, charged], axis=-1)


def _missed(state: PlannerState) -> float:
    assert state.best is not None
    return missed_cost(state.problem, state.best.room.quota_used)
