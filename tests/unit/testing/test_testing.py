"""`gridcompute.testing`: assertions that pass what holds and name what does not; oracles agree."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import gridcompute as gc
from gridcompute import testing

COST = np.array([[4.0, 1.0, 9.0], [2.0, 1.0, 9.0], [5.0, 1.0, 3.0]])
CAPACITY = np.array([2, 1, 1])


@given(testing.transport_problems())
def test_what_transport_answers_passes(case):
    m = gc.transport(**case.arguments)
    least = testing.transport_paths(case.cost, case.capacity, case.unplaced)
    assert (m.status == "infeasible") == math.isinf(least)
    if m.status == "optimal" and m.exact:
        testing.assert_matching_optimal(m, **case.arguments)


@given(testing.transport_problems(gangs=True, most_jobs=4))
def test_gangs_pass(case):
    m = gc.transport(**case.arguments)
    if m.status in ("optimal", "feasible"):
        testing.assert_matching_optimal(m, **case.arguments)


@given(testing.assignment_costs())
def test_what_assignment_answers_passes(cost):
    for maximize in (False, True):
        signed = -cost if maximize else cost
        answer = gc.assignment(signed, maximize=maximize)
        best = testing.assignment_brute(signed, maximize)
        assert (answer.status == "infeasible") == math.isinf(best)
        if answer.status == "optimal":
            testing.assert_assignment_optimal(answer, signed)
            size = float(np.abs(cost[np.isfinite(cost)]).sum())
            assert abs(float(answer.objective) - float(best)) <= 1e-12 * size


@given(testing.networks())
def test_what_min_cost_flow_answers_passes(network):
    f = gc.min_cost_flow(*network)
    least = testing.flow_paths(*network)
    assert (f.status == "infeasible") == math.isinf(least)
    if f.status == "optimal":
        testing.assert_flow_optimal(f)
        assert f.objective == least


@settings(max_examples=3)
@given(testing.grid_problems())
def test_worlds_are_problems(problem):
    assert problem.hours >= 1


def test_each_fault_of_a_matching_is_named():
    """If this fails, an assertion of a service's own CI cannot fail."""
    m = gc.transport(COST, CAPACITY)
    testing.assert_matching_optimal(m, COST, CAPACITY)
    swapped = m.assignment.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    worse = gc.transport(COST, CAPACITY, unplaced=[0.5, 9.0, 9.0])
    for wrong, given_cost, message in (
        (replace(m, objective=m.objective + 1), COST, "objective: found"),
        (replace(m, assignment=np.zeros(3, np.int32)), COST, "load of class 0: found 3"),
        (replace(m, prices=m.prices + 2.0), COST, "prove"),
        (m, COST + 1.0, "objective: found"),
        (worse, COST, "job 0: found unplaced"),
    ):
        with pytest.raises(AssertionError, match=message):
            testing.assert_matching_optimal(wrong, given_cost, CAPACITY)
    anytime = gc.transport(COST, CAPACITY, time_limit=0.0)
    if anytime.status != "optimal":
        with pytest.raises(AssertionError):
            testing.assert_matching_optimal(anytime, COST, CAPACITY)
    assert testing.assert_matching_optimal(worse, COST, CAPACITY, unplaced=[0.5, 9, 9]) is None


def test_faults_of_other_answers_are_named():
    a = gc.assignment(COST)
    with pytest.raises(AssertionError):
        testing.assert_assignment_optimal(a, COST + np.eye(3))
    with pytest.raises(AssertionError, match="needed 'optimal'"):
        testing.assert_assignment_optimal(gc.assignment(np.full((2, 2), np.inf)), COST)
    f = gc.min_cost_flow([0], [1], [9], [1], [4, -4])
    with pytest.raises(AssertionError, match="objective"):
        testing.assert_flow_optimal(replace(f, objective=3))
    with pytest.raises(AssertionError, match="needed 'optimal'"):
        testing.assert_flow_optimal(gc.min_cost_flow([0], [1], [3], [1], [4, -4]))
    plan = gc.match(gc.grid.east_west(n_jobs=50, seed=0), gap=0.5)
    testing.assert_plan_valid(plan, gap=0.5)
    with pytest.raises(AssertionError, match="gap: found"):
        testing.assert_plan_valid(plan, gap=-1.0)
    with pytest.raises(AssertionError, match="CostMismatch"):
        testing.assert_plan_valid(replace(plan, objective_yuan=plan.objective_yuan + 1e6))


def test_assertions_need_no_hypothesis():
    """If this fails, a service has to install Hypothesis to check an answer."""
    code = "import sys; from gridcompute.testing import assert_matching_optimal; "
    code += "assert 'hypothesis' not in sys.modules; print('done')"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert done.stdout == "done\n", done.stderr
