"""Shortfalls of the mandate that cost less to repair than to pay for do not stay in a plan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.search import greedy, repair_mandate, short_scopes
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


def forbidding(problem: grid.Problem, share: float) -> grid.Problem:
    """The problem with a mandate that must be kept."""
    hard = dataclasses.replace(problem.mandate, shortfall="forbidden", share=share)
    return problem.replace(mandate=hard)


def test_a_hard_mandate_is_kept() -> None:
    """If this fails, a plan misses green power that it may not miss, or says no word of it."""
    problem = forbidding(grid.east_west(n_jobs=300, seed=2), 0.97)
    plan = gc.match(problem, gap=0.2, time_limit=1.0)
    assert (plan.dispatch.missing_kwh == 0).all()
    assert plan.verify().valid, plan.verify()
    assert (plan.assignment >= 0).any()
    loose = plan.problem.replace(mandate=dataclasses.replace(problem.mandate, shortfall="priced"))
    assert loose.mandate.shortfall_yuan_per_kwh == 3.0


def test_a_hard_mandate_that_nothing_keeps_is_refuted() -> None:
    """If this fails, base load without green power counts as kept, or nobody learns how far off."""
    problem = grid.east_west(n_jobs=40, seed=2)
    base = np.full(problem.energy.base_load_kwh.shape, 1.0)
    energy = problem.energy.replace(
        base_load_kwh=base, direct_kwh=problem.energy.direct_kwh * 0.0, bundled_kwh=0.0
    )
    # What a minimum load costs beside is no shortfall of the mandate.
    held = problem.sites.replace(minimum_load_kw=5.0, load_limit_yuan_per_kwh=9.0)
    hard = forbidding(problem.replace(energy=energy, sites=held), 0.8)
    with pytest.raises(gc.InfeasibleError, match="forbidden") as found:
        gc.match(hard, gap=0.2, time_limit=1.0)
    new = problem.sites.new.sum()
    witness = found.value.witness
    assert witness["least_kwh"] == pytest.approx(0.8 * new * 24, rel=1e-4)
    assert witness["found_kwh"] >= witness["least_kwh"] * (1 - 1e-6)
