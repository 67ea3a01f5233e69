"""Linear assignment beside scipy, lapx, laprust, lapcpp and OR-Tools, model building included.

Every bench asserts the optimum; gridcompute's was certified by its duals beforehand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment as scipy_lsa
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

import gridcompute as gc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from assignment_instances import CLASSES

NAMES = ["uniform", "geometric", "product", "narrow", "offsets", "low_rank", "line", "binary"]


def solve_ours(cost):
    rows, cols = gc.linear_sum_assignment(cost)
    return cost[rows, cols].sum()


def solve_scipy(cost):
    rows, cols = scipy_lsa(cost)
    return cost[rows, cols].sum()


def solve_lapx(cost):
    lap = pytest.importorskip("lap")
    matched = lap.lapjv(cost.astype(np.float64), return_cost=False)[0]
    return cost[np.arange(len(cost)), matched].sum()


def solve_laprust(cost):
    rows, cols = pytest.importorskip("laprust").lapjv(cost, return_cost=False)
    return cost[rows, cols].sum()


def solve_lapcpp(cost):
    rows, cols = pytest.importorskip("lapcpp").lapjv(cost, return_cost=False)
    return cost[rows, cols].sum()


def solve_ortools(cost):
    peer = pytest.importorskip("ortools.graph.python.linear_sum_assignment")
    n, model = len(cost), peer.SimpleLinearSumAssignment()
    model.add_arcs_with_cost(np.repeat(np.arange(n), n), np.tile(np.arange(n), n), cost.ravel())
    assert model.solve() == model.OPTIMAL
    return model.optimal_cost()


SOLVERS = {
    "gridcompute": solve_ours,
    "scipy": solve_scipy,
    "lapx": solve_lapx,
    "laprust": solve_laprust,
    "lapcpp": solve_lapcpp,
    "ortools": solve_ortools,
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n", [100, 500, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_dense(benchmark, name: str, n: int, solver: str) -> None:
    benchmark.group = f"assignment {name} {n}"
    cost = CLASSES[name](n, 1)
    proved = gc.assignment(cost)
    assert proved.exact
    value = benchmark.pedantic(SOLVERS[solver], (cost,), rounds=3, warmup_rounds=1)
    assert value == proved.objective


SMALL = [(1000, 100), (2000, 100), (4000, 100), (8000, 1000)]


@pytest.mark.parametrize("solver", ["gridcompute", "lapx", "laprust", "lapcpp"])
@pytest.mark.parametrize(("n", "below"), SMALL)
def test_small_integers(benchmark, n: int, below: int, solver: str) -> None:
    benchmark.group = f"assignment integers below {below}, {n}"
    cost = np.random.default_rng(1).integers(0, below, (n, n), np.int32)
    value = benchmark.pedantic(SOLVERS[solver], (cost,), rounds=3, warmup_rounds=1)
    assert value == gc.assignment(cost).objective


def plane(n, r):
    a, b = r.random((n, 2)), r.random((n, 2))
    return np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])


REALS = {
    "plane": plane,
    "geometric": lambda n, r: CLASSES["geometric"](n, 1) + r.random((n, n)) / 1000,
    "uniform": lambda n, r: r.random((n, n)),
    "low rank": lambda n, r: r.random((n, 4)) @ r.random((4, n)),
}


@pytest.mark.parametrize("numbers", ["floats", "integers"])
@pytest.mark.parametrize("n", [1000, 2000, 4000])
@pytest.mark.parametrize("name", REALS)
def test_floats_beside_integers(benchmark, name: str, n: int, numbers: str) -> None:
    """The same costs as they are, and rounded to integers of a ten-thousandth of the largest."""
    benchmark.group = f"assignment {name} {n}, floats beside integers"
    cost = REALS[name](n, np.random.default_rng(1))
    if numbers == "integers":
        cost = np.rint(cost * (10_000 / cost.max())).astype(np.int32)
    value = benchmark.pedantic(solve_ours, (cost,), rounds=3, warmup_rounds=1)
    assert value == pytest.approx(gc.assignment(cost).objective, rel=1e-12)


PEERS = ["gridcompute", "scipy", "lapx", "laprust", "lapcpp"]


@pytest.mark.parametrize("solver", PEERS)
@pytest.mark.parametrize("n", [500, 1000])
def test_real(benchmark, n: int, solver: str) -> None:
    benchmark.group = f"assignment real {n}"
    r = np.random.default_rng(1)
    cost = r.random((n, n)) + r.random(n)
    proved = gc.assignment(cost)
    assert proved.exact
    value = benchmark.pedantic(SOLVERS[solver], (cost,), rounds=3, warmup_rounds=1)
    assert value == pytest.approx(proved.objective, rel=1e-12)


def near_partners(n, seed):
    r = np.random.default_rng(seed)
    a = r.random((n, 2))
    b = (a + r.normal(0, 0.1 / np.sqrt(n), (n, 2)))[r.permutation(n)]
    return np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])


def overlap(n, seed):
    """1 - IoU of boxes that moved by a fifth of their size: most pairs are exactly 1."""
    r = np.random.default_rng(seed)
    corner, side = r.random((n, 2)), r.uniform(0.5, 1.5, (n, 2)) * 0.5 / np.sqrt(n)
    a = np.c_[corner, corner + side]
    b = (a + np.tile(r.normal(0, 0.1 / np.sqrt(n), (n, 2)), 2))[r.permutation(n)]
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    both, area = np.clip(high - low, 0, None).prod(-1), side.prod(1)
    return 1 - both / (area[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - both)


def cut_distances(n, seed):
    r = np.random.default_rng(seed)
    a, b = r.random((n, 2)), r.random((n, 2))
    return np.minimum(np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1]), 0.1)


def points_on_a_line(n, seed):
    r = np.random.default_rng(seed)
    return np.abs(r.random(n)[:, None] - r.random(n))


def gated_points(n, seed):
    """Points told apart by a gate that eight of them pass: the others cost one large number."""
    r = np.random.default_rng(seed)
    a, b = r.random((n, 2)), r.random((n, 2))
    apart = np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])
    return np.where(apart < np.sqrt(8 / np.pi / n), apart, 1e6)


def row_scales(n, seed):
    r = np.random.default_rng(seed)
    return r.random((n, n)) * np.exp(4 * r.standard_normal((n, 1)))


def crowded_at_zero(n, seed):
    return np.random.default_rng(seed).beta(0.1, 0.1, (n, n))


def larger_index(n, _):
    return np.maximum(np.arange(n)[:, None], np.arange(n)) * 0.1


FAMILIES = {
    f.__name__: f
    for f in (
        near_partners,
        overlap,
        cut_distances,
        points_on_a_line,
        gated_points,
        row_scales,
        crowded_at_zero,
        larger_index,
    )
}


@pytest.mark.parametrize("solver", PEERS)
@pytest.mark.parametrize("n", [500, 1000, 2000])
@pytest.mark.parametrize("name", FAMILIES)
def test_family(benchmark, name: str, n: int, solver: str) -> None:
    benchmark.group = f"assignment {name} {n}"
    cost = FAMILIES[name](n, 1)
    value = benchmark.pedantic(SOLVERS[solver], (cost,), rounds=3, warmup_rounds=1)
    assert value == pytest.approx(gc.assignment(cost).objective, rel=1e-12)


@pytest.mark.parametrize("solver", ["gridcompute", "scipy"])
@pytest.mark.parametrize("shape", [(50, 500), (500, 50), (200, 2000), (2000, 200), (5000, 500)])
def test_rectangle(benchmark, shape: tuple[int, int], solver: str) -> None:
    benchmark.group = f"assignment {shape[0]} x {shape[1]} real"
    cost = np.random.default_rng(1).random(shape)
    value = benchmark.pedantic(SOLVERS[solver], (cost,), rounds=20, warmup_rounds=2)
    assert value == pytest.approx(gc.assignment(cost).objective, rel=1e-12)


@pytest.mark.parametrize("solver", ["gridcompute", "scipy"])
def test_tiny(benchmark, solver: str) -> None:
    benchmark.group = "assignment 10 x 10"
    cost = np.random.default_rng(1).integers(0, 1000, (10, 10))
    assert benchmark(SOLVERS[solver], cost) == gc.assignment(cost).objective


@pytest.mark.parametrize("solver", ["gridcompute", "scipy loop"])
def test_batch(benchmark, solver: str) -> None:
    benchmark.group = "assignment batch of 2000, 32 x 32"
    many = np.random.default_rng(1).integers(0, 1000, (2000, 32, 32))

    def loop():
        return np.array([scipy_lsa(one)[1] for one in many])

    def batch():
        return gc.linear_sum_assignment_batch(many)[1]

    cols = benchmark.pedantic(batch if solver == "gridcompute" else loop, rounds=3)
    for k in range(0, 2000, 100):
        assert many[k][np.arange(32), cols[k]].sum() == gc.assignment(many[k]).objective


@pytest.mark.parametrize("solver", ["gridcompute", "scipy", "ortools"])
@pytest.mark.parametrize("n", [20_000])
def test_sparse(benchmark, n: int, solver: str) -> None:
    benchmark.group = f"assignment sparse {n}, 10 a row"
    r = np.random.default_rng(1)
    rows = np.r_[np.repeat(np.arange(n), 10), np.arange(n)]
    cols = np.r_[r.integers(0, n, 10 * n), r.permutation(n)]
    cost = sp.coo_array((r.integers(1, 10_000, len(rows)), (rows, cols)), shape=(n, n)).tocsr()

    def ours():
        i, j = gc.linear_sum_assignment(cost)
        return np.asarray(cost[i, j]).sum()

    def scipys():
        i, j = min_weight_full_bipartite_matching(sp.csr_matrix(cost))
        return np.asarray(cost[i, j]).sum()

    def ortools():
        peer = pytest.importorskip("ortools.graph.python.linear_sum_assignment")
        model, coo = peer.SimpleLinearSumAssignment(), cost.tocoo()
        model.add_arcs_with_cost(coo.row, coo.col, coo.data)
        assert model.solve() == model.OPTIMAL
        return model.optimal_cost()

    run = {"gridcompute": ours, "scipy": scipys, "ortools": ortools}[solver]
    assert benchmark.pedantic(run, rounds=2) == gc.assignment(cost).objective
