"""A dive by sizes of gangs: whole jobs, within capacity, and better than placing one by one."""

from __future__ import annotations

import numpy as np
import pytest

from gridcompute import grid
from gridcompute.grid.evaluate import evaluate
from gridcompute.grid.planner.clock import Clock
from gridcompute.grid.planner.incumbent import greedy
from gridcompute.grid.planner.level_dive import _groups, dive_by_levels
from gridcompute.grid.planner.settings import SAMPLED_ASCENT_HOUR_FAR
from gridcompute.grid.planner.state import PlannerState


def _state(n_jobs: int, seed: int, limit: float | None = None) -> PlannerState:
    problem = grid.east_west(n_jobs=n_jobs, seed=seed, hours=24)
    state = PlannerState(problem.effective, 0.0, 1, Clock(limit, None))
    y = state.rows.start(None)
    if limit is None:
        y = state.sampled(y, SAMPLED_ASCENT_HOUR_FAR)
    state.look(y)
    state.best = greedy(state, state.y)
    return state


def test_sizes_of_gangs_placed_at_once_cost_less_than_one_job_after_the_other() -> None:
    """If this fails, a dive by sizes misplaces gangs: plans of some hundred jobs lose percents."""
    seed = 1
    state = _state(200, seed)
    assert state.best is not None
    one_by_one = state.best.cost
    dive_by_levels(state)
    found = state.best
    print(f"seed {seed}: {found.cost:,.2f} yuan, one job after the other {one_by_one:,.2f}")
    assert found.cost < one_by_one
    again = _state(200, seed)
    dive_by_levels(again)
    assert again.best is not None
    np.testing.assert_array_equal(again.best.klass, found.klass)
    np.testing.assert_array_equal(again.best.start, found.start)
    plan = evaluate(state.problem, grid.Placement(klass=found.klass, start=found.start))
    assert plan.objective_yuan == pytest.approx(found.cost, rel=1e-9)
    assert plan.verify().valid, str(plan.verify())


def test_each_job_is_placed_by_one_size() -> None:
    """If this fails, gangs whose sizes are no powers of two are placed twice, or never."""
    seed = 1
    problem = grid.east_west(n_jobs=300, seed=seed, hours=24)
    gang = np.random.default_rng(seed).choice([1, 3, 6], len(problem.jobs))
    problem = problem.replace(jobs=problem.jobs.replace(gang=gang))
    state = PlannerState(problem.effective, 0.0, 1, Clock(None, None))
    groups = list(_groups(state))
    placed = np.sort(np.concatenate([jobs for jobs, _, _ in groups]))
    np.testing.assert_array_equal(placed, np.flatnonzero(state.reach), f"seed {seed}")
    levels = [level for _, level, _ in groups]
    assert levels == sorted(levels, reverse=True)
    assert {3, 6} <= set(levels)


def test_a_dive_by_sizes_without_time_still_places_jobs() -> None:
    """If this fails, a time limit that ends within a dive by sizes loses the plan."""
    state = _state(200, 2, limit=0.0)
    assert state.best is not None
    before = state.best
    dive_by_levels(state)
    np.testing.assert_array_equal(state.best.klass, before.klass)
    np.testing.assert_array_equal(state.best.start, before.start)
