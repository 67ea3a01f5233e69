"""The NetworkX backend beside NetworkX: the same costs, flows that fit, the same exceptions."""

import math

import networkx as nx
import numpy as np
import pytest

from gridcompute.networkx import FUNCTIONS, backend, info

FLOWS = ("network_simplex", "capacity_scaling")


def outcome(function, *args):
    """What a call returns, or the exception it ends with."""
    try:
        return function(*args)
    except nx.NetworkXException as error:
        return type(error)


def drawn(seed, *, multi, floats):
    """A graph with loops, single nodes, missing attributes, no limits and negative cycles."""
    r = np.random.default_rng(seed)
    g = nx.MultiDiGraph() if multi else nx.DiGraph()
    n = int(r.integers(1, 9))
    scale = 0.25 if floats else 1
    for v in range(n):
        g.add_node(f"v{v}")
    moved = r.integers(0, 6, (2, n))
    for v in range(n):
        demand = int(moved[0, v] - moved[0, v - 1])
        if demand:
            g.nodes[f"v{v}"]["demand"] = demand * scale
    for _ in range(int(r.integers(0, 4 * n))):
        u, v = (f"v{k}" for k in r.integers(0, n, 2))
        data = {}
        if r.random() < 0.9:
            data["weight"] = int(r.integers(-3 if r.random() < 0.3 else 0, 10)) * scale
        if r.random() < 0.8:
            data["capacity"] = int(r.integers(0, 9)) * scale
        g.add_edge(u, v, **data)
    return g


def balance(g, flow):
    """What enters each node, less what leaves it."""
    net = dict.fromkeys(g, 0)
    for u, targets in flow.items():
        for v, x in targets.items():
            for part in x.values() if isinstance(x, dict) else [x]:
                net[u] -= part
                net[v] += part
    return net


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("floats", [False, True])
def test_flows_are_those_of_networkx(name, multi, floats):
    """If this fails, a program that switches backends gets another cost, form or exception."""
    if floats and name == "capacity_scaling":
        pytest.skip("NetworkX' own capacity scaling takes integers only")
    kinds = set()
    for seed in range(150):
        g = drawn(seed, multi=multi, floats=floats)
        want = outcome(getattr(nx, name), g)
        got = outcome(getattr(backend, name), backend.convert_from_nx(g))
        if name == "capacity_scaling" and not isinstance(want, type):
            needed = {v: d.get("demand", 0) for v, d in g.nodes(data=True)}
            if balance(g, want[1]) != needed:  # NetworkX' own slip where no edge has capacity
                want = nx.NetworkXUnfeasible
        kinds.add(want if isinstance(want, type) else "flow")
        if isinstance(want, type) or isinstance(got, type):
            assert got == want, (seed, got, want)
            continue
        cost, flow = got
        assert cost == want[0], (seed, got, want)
        assert floats or isinstance(cost, int), (seed, cost)
        assert {u: dict.fromkeys(t) for u, t in flow.items()} == {
            u: dict.fromkeys(t) for u, t in want[1].items()
        }, seed
        assert balance(g, flow) == {v: d.get("demand", 0) for v, d in g.nodes(data=True)}, seed
        for u, v, data in g.edges(data=True):
            if not multi:
                assert 0 <= flow[u][v] <= data.get("capacity", math.inf), (seed, u, v)
    assert {"flow", nx.NetworkXUnfeasible, nx.NetworkXUnbounded} <= kinds


def test_the_largest_of_flows_at_least_cost():
    """If this fails, a largest flow is not the largest, or not the cheapest of these."""
    for seed in range(150):
        g = drawn(seed, multi=False, floats=False)
        for v in g:
            g.nodes[v].pop("demand", None)
        s, t = "v0", f"v{len(g) - 1}"
        want = outcome(nx.max_flow_min_cost, g, s, t)
        got = outcome(backend.max_flow_min_cost, g, s, t)
        if isinstance(want, type) or isinstance(got, type):
            assert got == want, (seed, got, want)
            continue
        assert balance(g, got) == balance(g, want), seed
        assert nx.cost_of_flow(g, got) == nx.cost_of_flow(g, want), seed
    assert outcome(backend.max_flow_min_cost, g, s, "x") == nx.NetworkXError


def test_full_matchings_of_dense_and_sparse_graphs():
    """If this fails, a matching is dearer than NetworkX', or misses that there is none."""
    r = np.random.default_rng(0)
    for seed in range(60):
        n, m = (int(k) for k in r.integers(1, 12, 2))
        g = nx.Graph()
        g.add_nodes_from(range(n + m))
        for i in range(n):
            for j in range(m):
                if r.random() < (0.05, 0.6, 1)[seed % 3]:
                    g.add_edge(i, n + j, weight=float(r.integers(-5, 9)) / 4)
        if seed % 4:
            g.remove_edges_from([e for e in g.edges if r.random() < 0.1])
        top = range(n)
        try:
            want = nx.bipartite.minimum_weight_full_matching(g, top)
        except ValueError:
            with pytest.raises(ValueError, match="infeasible"):
                backend.minimum_weight_full_matching(g, top)
            continue
        got = backend.minimum_weight_full_matching(g, top)
        assert all(got[got[v]] == v for v in got), seed
        cost = [sum(g[u][v]["weight"] for u, v in d.items() if u < n) for d in (got, want)]
        assert cost[0] == pytest.approx(cost[1], abs=1e-12), seed
        assert len(got) == len(want), seed


def test_numbers_beyond_64_bits_are_left_to_networkx():
    """If this fails, a program with large integers gets an error where NetworkX had an answer."""
    g = nx.DiGraph()
    g.add_node("a", demand=-(10**20))
    g.add_node("b", demand=10**20)
    g.add_edge("a", "b", weight=10**25)
    want = (10**45, {"a": {"b": 10**20}, "b": {}})
    assert backend.network_simplex(g) == nx.network_simplex(g) == want


def test_of_equal_paths_the_shorter_one_is_taken():
    """If this fails, which of several cheapest flows is returned depends on the solver's pivots."""
    g = nx.DiGraph()
    g.add_node("a", demand=-4)
    g.add_node("c", demand=4)
    g.add_edge("a", "b", weight=1)
    g.add_edge("b", "c", weight=2)
    g.add_edge("a", "c", weight=3, capacity=3)
    assert backend.network_simplex(g)[1] == {"a": {"b": 1, "c": 3}, "b": {"c": 1}, "c": {}}


def test_what_networkx_asks_of_a_backend():
    """If this fails, NetworkX does not find the backend, or sends it calls beyond it."""
    assert info()["functions"].keys() == FUNCTIONS.keys()
    assert all(callable(getattr(backend, name)) for name in FUNCTIONS)
    multi, plain = nx.MultiDiGraph([(0, 1)]), nx.Graph([(0, 1)])
    assert backend.can_run("network_simplex", (multi,), {}) is True
    assert backend.can_run("max_flow_min_cost", (multi, 0, 1), {}) is not True
    assert backend.can_run("minimum_weight_full_matching", (nx.MultiGraph(plain),), {}) is not True
    assert backend.can_run("capacity_scaling", (nx.DiGraph(),), {}) is not True
    if "gridcompute" not in nx.utils.backends.backends:
        pytest.skip("the package is not installed with its entry points")
    g = nx.DiGraph([(0, 1, {"weight": -2, "capacity": 3}), (1, 0, {"weight": 1, "capacity": 2})])
    assert nx.network_simplex(g, backend="gridcompute")[0] == nx.network_simplex(g)[0]
