"""Worlds nobody would think of: random tables through match, checker, audit and what-if."""

import numpy as np
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

import gridcompute as gc
from gridcompute import grid
from gridcompute.testing import grid_problem


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 1e-3, 1.0]))
@example(11, 0.0)
def test_any_world_has_a_plan_that_the_checker_accepts(seed, gap):
    """If this fails, some mix of tables makes prices NaN, a plan infeasible or a bound untrue."""
    rng = np.random.default_rng(seed)
    problem = grid_problem(rng)
    try:
        plan = gc.match(problem, gap=gap)
    except gc.InfeasibleError:
        reject()  # its base load alone is too much
    assert plan.verify().valid, plan.verify()
    assert plan.bound_yuan <= plan.objective_yuan + 1e-7 * max(1.0, abs(plan.objective_yuan))
    after = grid.whatif(plan, share=0.9, battery=2.0).after
    assert after.verify().valid, after.verify()
    assert str(grid.audit(plan))
    if len(problem.jobs):
        assert str(plan.explain(int(rng.integers(0, len(problem.jobs)))))
