"""Small days with interruptible jobs beside the integer program of test_grid_small."""

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid

from .test_grid_small import day, optimum


def cut_day(seed):
    """A small day on which jobs may be interrupted, and of which some hours are closed."""
    r = np.random.default_rng([seed, 21])
    problem = day(seed)
    jobs, classes, n = problem.jobs, problem.classes, len(problem.jobs)
    closed = r.random(classes.capacity.shape) < 0.15
    jobs = jobs.replace(
        work_h=np.minimum(jobs.work_h * r.choice([1.0, 2.0], n), 4.0),
        interruptible=r.random(n) < 0.6,
        least_piece_h=r.integers(1, 3, n),
        restart_h=r.integers(0, 2, n),
        restart_yuan=r.choice([0.0, 0.02, 0.5], n),
        deadline=np.minimum(jobs.deadline + 3, problem.hours),
    )
    if seed % 3 == 0:  # some were placed before
        klass = np.where(r.random(n) < 0.5, r.integers(0, len(classes), n), -1)
        jobs = jobs.replace(
            placed_class=klass,
            placed_start=np.where(klass >= 0, r.integers(0, problem.hours, n), -1),
            migration_yuan=r.choice([0.0, 0.3], n),
        )
    capacity = np.where(closed, 0, classes.capacity)
    return problem.replace(jobs=jobs, classes=classes.replace(capacity=capacity))


@pytest.mark.parametrize("seed", range(12))
def test_no_bound_is_above_the_best_plan_in_pieces(seed):
    """If this fails, prices that know whole runs alone are taken for a proof."""
    problem = cut_day(seed)
    best = optimum(problem)
    assert best is not None
    nothing = np.full(len(problem.jobs), -1, np.int32)
    plan = grid.evaluate(problem, (nothing, nothing))
    found, size = plan.verify(), max(1.0, abs(best))
    shown = f"seed {seed}: {plan}, bound {plan.bound_yuan}, best {best}, {found}"
    assert found.valid, shown
    assert plan.bound_yuan <= best + 2e-6 * size, shown
    assert found.bound_yuan <= best + 2e-6 * size, shown


@pytest.mark.parametrize(
    ("seed", "forbidden"), [*((s, False) for s in range(12)), (2, True), (5, True)]
)
def test_a_small_plan_in_pieces_is_the_best_there_is(seed, *, forbidden):
    """If this fails, a plan costs more than an integer program over all cuts finds."""
    problem = cut_day(seed)
    if forbidden:
        hard = dataclasses.replace(problem.mandate, shortfall="forbidden", share=0.8)
        problem = problem.replace(mandate=hard)
    best = optimum(problem)
    if best is None:
        with pytest.raises(gc.InfeasibleError):
            gc.match(problem)
        return
    plan = gc.match(problem)
    found, size = plan.verify(), max(1.0, abs(best))
    shown = f"seed {seed}: {plan}, bound {plan.bound_yuan}, best {best}, {found}"
    assert found.valid, shown
    assert plan.bound_yuan <= best + 2e-6 * size, shown
    assert plan.objective_yuan >= best - 2e-6 * size, shown
    most = best + 2e-6 * size if plan.status == "optimal" else best * 1.03 + 1e-6 * size
    assert plan.objective_yuan <= most, shown


def test_most_small_plans_in_pieces_are_proved_the_best():
    """If this fails, the test above mostly allows three percent."""
    found = [gc.match(cut_day(seed)).status for seed in range(12)]
    assert found.count("optimal") >= 9, found
