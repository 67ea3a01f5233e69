"""Shortfalls of the mandate that cost less to repair than to pay for do not stay in a plan."""

from __future__ import annotations

import pytest

from gridcompute import grid
from gridcompute.grid.planner.clock import Clock
from gridcompute.grid.planner.incumbent import greedy
from gridcompute.grid.planner.mandate_repair import repair_mandate, short_scopes
from gridcompute.grid.planner.settings import SAMPLED_ASCENT_HASTY
from gridcompute.grid.planner.state import PlannerState


@pytest.mark.parametrize("seed", [0, 1])
def test_a_greedy_plan_is_repaired_where_that_pays(seed: int) -> None:
    """If this fails, a plan pays the penalty for green power that it could have for less."""
    problem = grid.east_west(n_jobs=400, seed=seed)
    state = PlannerState(problem, 0.0, 1, Clock(None, None))
    try:
        state.look(state.sampled(state.rows.start(None), SAMPLED_ASCENT_HASTY))
        state.best = before = greedy(state, state.rows.start(None))
        cost, base = before.cost, problem.energy.base_load_kwh
        missing = state.rows.block.serve(base + before.room.load).dispatch.missing_kwh
        assert short_scopes(state, missing).any(), f"seed {seed}: nothing to repair"
        repair_mandate(state)
        best = state.best
        assert best is not None
        after = state.rows.block.serve(base + best.room.load).dispatch.missing_kwh
        shown = f"seed {seed}: {missing} -> {after}, {cost} -> {best.cost}"
        assert best.cost < cost, shown
        assert after.sum() < missing.sum(), shown
        again = state.judged(best.klass, best.start, best.room)
        assert again.cost == pytest.approx(best.cost, rel=1e-9), shown
    finally:
        state.rows.close()
