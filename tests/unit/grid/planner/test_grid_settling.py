"""Large jobs of a dive are placed by how settled their choice is."""

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import _core
from gridcompute.grid.planner.coupling_constraints import CouplingConstraints
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.fixing import fix_by_frequency, most_frequent
from gridcompute.grid.planner.native_problem import market_of
from gridcompute.grid.planner.settings import FixingOptions


def test_the_most_frequent_choice_is_found_and_ties_go_to_the_least() -> None:
    """Else a job would be placed where it went once, or by the order of its choices."""
    chosen = np.array([[3, 5, -1], [7, 5, -1], [3, 2, 4], [7, 5, -1]], np.int32)
    option, count = most_frequent(chosen)
    assert option.tolist() == [3, 5, -1]
    assert count.tolist() == [2, 3, 3]


@pytest.fixture(scope="module")
def problem() -> gc.grid.Problem:
    return gc.grid.east_west(n_jobs=400, seed=2)


def placed(
    problem: gc.grid.Problem, how: FixingOptions, stop_at: float, threads: int = 1
) -> np.ndarray:
    # Rows of its own, as each solve has: which of several cheapest dispatches the energy block
    # answers with depends on the basis that its last answer left.
    rows = CouplingConstraints(problem, EnergyBlock(problem), threads)
    market = market_of(problem)
    room, n = _core.ResidualCapacity(market), len(problem.jobs)
    placement = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    jobs = np.argsort(-market.min_accelerator_hours(), kind="stable").astype(np.int32)
    y = rows.start(None)
    _, declined = fix_by_frequency(
        rows, room, [market], jobs, y, placement, how, 7, lambda part: part >= stop_at
    )
    rows.close()
    assert not (declined & (placement[0] >= 0)).any()
    assert room.accelerators.min() >= 0, "a gang was placed where it has no room"
    assert (room.quota_used <= problem.quotas.upper_accelerator_h).all()
    assert ((placement[0] >= 0) == (placement[1] >= 0)).all()
    return np.stack([*placement, declined])


def test_all_that_is_placed_fits_and_two_runs_agree(
    problem: gc.grid.Problem,
) -> None:
    """A plan that overfills a row, or differs between runs, is worth nothing."""
    how = FixingOptions(parts=20, before=40, between=2)
    first = placed(problem, how, 2.0)
    assert (first[0] >= 0).mean() > 0.5
    for threads in (1, 2):
        assert np.array_equal(first, placed(problem, how, 2.0, threads)), threads


def test_a_stop_before_the_first_step_places_nothing(
    problem: gc.grid.Problem,
) -> None:
    """A deadline that has passed must end the dive with a whole plan: here, an empty one."""
    assert (placed(problem, FixingOptions(parts=5), 0.0)[:2] == -1).all()


def test_jobs_that_would_rather_stay_out_are_told(
    problem: gc.grid.Problem,
) -> None:
    """Else others make way for a gang that is worth hardly more than the quota it takes: one that
    took 4 % of a tenant's made a plan of 20,000 jobs 0.7 % dearer."""
    value = np.where(np.arange(len(problem.jobs)) % 2, problem.jobs.value_yuan, 0.0)
    poor = problem.replace(jobs=dataclasses.replace(problem.jobs, value_yuan=value))
    *_, declined = placed(poor, FixingOptions(parts=5), 2.0)
    assert declined[::2].all()
    assert not declined[1::2].all()
