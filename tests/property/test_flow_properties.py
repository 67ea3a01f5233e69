"""Random small graphs: feasible iff feasible, cost equal, certificate valid, by every method."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcompute import INFINITE, min_cost_flow
from gridcompute.testing import networks

highspy = pytest.importorskip("highspy")
networkx = pytest.importorskip("networkx")


def highs(tail, head, capacity, cost, supply, lower):
    """The optimum by HiGHS, or None."""
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    variables = [
        h.addVariable(float(lo), float(up)) for lo, up in zip(lower, capacity, strict=True)
    ]
    for v in range(len(supply)):
        out = sum((x for x, t in zip(variables, tail, strict=True) if t == v), 0.0)
        into = sum((x for x, t in zip(variables, head, strict=True) if t == v), 0.0)
        row = out - into
        if isinstance(row, float):
            if supply[v] != 0:
                return None
            continue
        h.addConstr(row == float(supply[v]))
    h.minimize(
        sum((float(c) * x for c, x in zip(cost, variables, strict=True)), 0.0 * h.addVariable(0, 1))
    )
    if h.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    assert h.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return round(h.getInfo().objective_function_value)


def check(f, problem):
    tail, head, capacity, cost, supply, lower = problem
    assert f.verify().valid
    if f.status != "optimal":
        return
    assert ((f.flow >= lower) & (f.flow <= capacity)).all()
    n = len(supply)
    out, into = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.add.at(out, tail, f.flow)
    np.add.at(into, head, f.flow)
    assert (out - into == supply).all()
    reduced = cost + f.potentials[tail] - f.potentials[head]
    assert ((reduced >= 0) | (f.flow == capacity)).all()
    assert ((reduced <= 0) | (f.flow == lower)).all()
    assert f.objective == int((f.flow * cost).sum())


@settings(max_examples=150)
@given(networks())
def test_both_methods_agree_with_highs(problem):
    """A wrong optimum, a wrong verdict on feasibility, or a potential that proves nothing."""
    expected = highs(*problem)
    for method in ("network_simplex", "cost_scaling"):
        f = min_cost_flow(*problem, method=method)
        assert f.status == ("infeasible" if expected is None else "optimal")
        if expected is not None:
            assert f.objective == expected
        check(f, problem)


@settings(max_examples=100)
@given(networks(lower=False))
def test_agrees_with_networkx(problem):
    tail, head, capacity, cost, supply, _ = problem
    graph = networkx.MultiDiGraph()
    for v, b in enumerate(supply):
        graph.add_node(v, demand=-int(b))
    for t, h, u, c in zip(tail, head, capacity, cost, strict=True):
        graph.add_edge(int(t), int(h), capacity=int(u), weight=int(c))
    f = min_cost_flow(tail, head, capacity, cost, supply)
    try:
        expected, _ = networkx.network_simplex(graph)
    except networkx.NetworkXUnfeasible:
        assert f.status == "infeasible"
    else:
        assert f.objective == expected
    assert f.verify().valid


@settings(max_examples=100)
@given(networks(), networks(), st.sampled_from(["network_simplex", "cost_scaling"]), st.data())
def test_a_warm_start_never_changes_the_answer(problem, other, method, data):
    first = min_cost_flow(*problem, method=method)
    tail, head, capacity, cost, supply, lower = problem
    m = len(tail)
    change = lambda low, high: np.array(  # noqa: E731
        data.draw(st.lists(st.integers(low, high), min_size=m, max_size=m)), np.int64
    )
    changed = (
        tail,
        head,
        capacity + change(0, 2),
        cost + change(-2, 2),
        supply,
        lower - change(0, 1),
    )
    warm, cold = min_cost_flow(*changed, start=first), min_cost_flow(*changed)
    assert (warm.status, warm.objective if warm.status == "optimal" else 0) == (
        cold.status,
        cold.objective if cold.status == "optimal" else 0,
    )
    check(warm, changed)
    if (len(other[4]), len(other[0])) == (len(supply), m):
        check(min_cost_flow(*other, start=first), other)


@settings(max_examples=150)
@given(networks(lower=False, most_nodes=12), st.data())
def test_warm_starts_in_a_row_equal_cold_ones(problem, data):
    """Costs, capacities (to 0 and without end) and supplies change, each start from the one before.

    What breaks: a tree that is taken to another problem wrongly, and looks right until the next.
    """
    tail, head, capacity, cost, supply, _ = problem
    n, m = len(supply), len(tail)
    last = min_cost_flow(tail, head, capacity, cost, supply)
    for _ in range(data.draw(st.integers(1, 4))):
        capacity, cost, supply = capacity.copy(), cost.copy(), supply.copy()
        for arc in data.draw(st.lists(st.integers(0, m - 1), max_size=5)) if m else ():
            if data.draw(st.booleans()):
                cost[arc] = data.draw(st.integers(-5, 9))
            else:
                capacity[arc] = data.draw(st.sampled_from([0, 1, 2, 5, 9, INFINITE]))
        for a, b, units in data.draw(
            st.lists(st.tuples(*2 * [st.integers(0, n - 1)], st.integers(0, 4)), max_size=2)
        ):
            supply[a] += units
            supply[b] -= units
        changed = (tail, head, capacity, cost, supply)
        warm, cold = min_cost_flow(*changed, start=last), min_cost_flow(*changed)
        assert warm.status == cold.status
        if cold.status == "optimal":
            assert warm.objective == cold.objective
        check(warm, (*changed, np.zeros(m, np.int64)))
        last = warm


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_small_changes_of_larger_graphs(seed):
    """What breaks: an arc that came to promise something is not among those looked at."""
    r = np.random.default_rng(seed)
    n, m = 60, 400
    tail, head = r.integers(0, n, (2, m))
    capacity, cost = r.integers(0, 30, m), r.integers(-20, 100, m)
    flow = r.integers(0, capacity + 1) * (r.random(m) < 0.3)
    supply = np.zeros(n, np.int64)
    np.add.at(supply, tail, flow)
    np.subtract.at(supply, head, flow)
    last = min_cost_flow(tail, head, capacity, cost, supply)
    for _ in range(8):
        capacity, cost = capacity.copy(), cost.copy()
        some = r.integers(0, m, 3)
        cost[some] += r.integers(-30, 30, 3)
        capacity[some[:1]] += r.integers(0, 3)
        changed = (tail, head, capacity, cost, supply)
        last = min_cost_flow(*changed, start=last)
        assert last.objective == min_cost_flow(*changed).objective
        check(last, (*changed, np.zeros(m, np.int64)))
