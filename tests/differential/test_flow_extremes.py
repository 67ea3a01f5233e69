"""Min-cost flow against networkx, which computes in integers of any size, up to the last int64."""

from collections import Counter

import numpy as np
import pytest

from gridcompute import INFINITE, CostRangeError, min_cost_flow

networkx = pytest.importorskip("networkx")

SIZES = [
    0,
    1,
    2,
    3,
    5,
    9,
    2**31,
    2**58,
    2**59,
    2**60 - 1,
    2**60,
    2**61,
    2**62,
    2**63 - 2,
    2**63 - 1,
]


def values(r, count, *, large, signed):
    """Small numbers for the most part; some as large as they come."""
    out = np.where(
        r.random(count) < large, r.choice(np.array(SIZES), count), r.integers(0, 7, count)
    )
    return np.where(r.random(count) < 0.3, -out, out) if signed else out


def problem(r):
    """Tiny: loops, parallel arcs, lower bounds, capacities without limit, too much supply."""
    n, m = int(r.integers(1, 6)), int(r.integers(0, 10))
    large = float(r.choice([0, 0.1, 0.4]))
    lower = values(r, m, large=large / 4, signed=True) * (r.random() < 0.3)
    capacity = values(r, m, large=large, signed=False)
    capacity[r.random(m) < 0.15] = INFINITE
    supply = np.zeros(n, np.int64)
    for units in values(r, int(r.integers(0, 4)), large=large / 3, signed=False):
        a, b = r.integers(0, n, 2)
        if abs(int(supply[a])) < 2**62 and abs(int(supply[b])) < 2**62 and units < 2**62:
            supply[a] += units
            supply[b] -= units
    tail, head = r.integers(0, n, (2, m))
    cost = values(r, m, large=large, signed=True)
    return tail, head, np.maximum(capacity, lower), cost, supply, lower


def optimum(tail, head, capacity, cost, supply, lower):
    """Return the status, and what the optimum costs, by networkx."""
    graph, total = networkx.MultiDiGraph(), 0
    demand = [-int(b) for b in supply]
    for t, h, u, c, least in zip(
        tail.tolist(), head.tolist(), capacity.tolist(), cost.tolist(), lower.tolist(), strict=True
    ):
        room = {} if u == INFINITE else {"capacity": u - least}
        graph.add_edge(t, h, weight=c, **room)
        demand[t] += least
        demand[h] -= least
        total += c * least
    for v, units in enumerate(demand):
        graph.add_node(v, demand=units)
    try:
        return "optimal", total + networkx.network_simplex(graph)[0]
    except networkx.NetworkXUnfeasible:
        return "infeasible", None
    except networkx.NetworkXUnbounded:
        return "unbounded", None


def answer(f):
    return f.status, f.objective if f.status == "optimal" else None


@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_at_any_size_of_numbers(seed):
    """If this fails, a sum has wrapped, or a capacity near the last int64 is taken for none."""
    r, seen = np.random.default_rng(seed), Counter[str]()
    last = {}
    for trial in range(400):
        arrays = problem(r)
        where = (seed, trial, [a.tolist() for a in arrays])
        expected = optimum(*arrays)
        shape = (len(arrays[4]), len(arrays[0]))
        starts = [None, last[shape]] if shape in last else [None]
        for start in starts:
            for method in ("auto", "network_simplex", "cost_scaling"):
                try:
                    f = min_cost_flow(*arrays, method=method, start=start)
                except CostRangeError:
                    seen["out of range"] += 1
                    continue
                found = f.verify()
                assert found.valid, (where, method, found)
                # Where no flow exists networkx may find the cycle first.
                if (expected[0], f.status) != ("unbounded", "infeasible"):
                    assert answer(f) == expected, (where, method)
                last[shape] = f
                seen[f.status] += 1
    assert min(seen[status] for status in ("optimal", "infeasible", "unbounded")) > 10, seen
