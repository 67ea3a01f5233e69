"""Gangs against CP-SAT: small jobs must make way for large ones."""

import math

import numpy as np
import pytest

from gang_instances import KINDS, greedy, greedy_orders
from gridcompute import transport
from instances import Transport

cp_model = pytest.importorskip("ortools.sat.python.cp_model")


def proved_optimum(t):
    """By CP-SAT, proved."""
    model = cp_model.CpModel()
    n, s = t.cost.shape
    at = [[model.new_bool_var("") for _ in range(s)] for _ in range(n)]
    out = [model.new_bool_var("") for _ in range(n)]
    optional = [i for i in range(n) if t.unplaced is not None and math.isfinite(t.unplaced[i])]
    for i in range(n):
        model.add_exactly_one([*at[i], out[i]])
        if i not in optional:
            model.add(out[i] == 0)
    for k in range(s):
        model.add(sum(int(t.demand[i]) * at[i][k] for i in range(n)) <= int(t.capacity[k]))
    cost = sum(int(t.cost[i, k]) * at[i][k] for i in range(n) for k in range(s))
    model.minimize(cost + sum(int(t.unplaced[i]) * out[i] for i in optional))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = 300
    status = solver.solve(model)
    assert status == cp_model.OPTIMAL, solver.status_name(status)
    return solver.objective_value


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_small_gangs_make_way_for_large_ones(kind, seed):
    """If this fails, gangs end far from the optimum, or dearer than a greedy, with time left."""
    t = KINDS[kind](np.random.default_rng(seed))
    least = proved_optimum(t)
    m = transport(**t.arguments, time_limit=5.0)
    found = m.verify()
    assert found.valid, found.reasons
    assert least <= m.objective <= 1.02 * least, (kind, seed, m.objective, least)
    assert m.bound <= least, (kind, seed, m.bound, least)
    assert m.objective <= min(greedy(t, order) for order in greedy_orders(t))
    if m.status == "optimal":
        assert m.objective == least


def test_twenty_gangs_are_as_cp_sat_says():
    """If this fails, what fixed steps find is far from the optimum, or a bound is above it."""
    for seed in range(10):
        r = np.random.default_rng(seed)
        demand = r.choice([1, 2, 4, 8], 20, p=[0.4, 0.3, 0.2, 0.1])
        capacity = np.full(5, max(8, int(demand.sum()) // 5 + 1))
        t = Transport(r.integers(1, 100, (20, 5)) * demand[:, None], capacity, demand)
        t = Transport(t.cost, capacity, demand, np.where(r.random(20) < 0.5, 400.0, np.inf))
        least = proved_optimum(t)
        m = transport(**t.arguments)
        assert m.verify().valid
        assert m.bound <= least <= m.objective <= 1.02 * least, (seed, m, least)
        assert m.status != "optimal" or m.objective == least, (seed, m, least)
        assert not m.stats["exhausted"] or m.objective == least, (seed, m, least)
