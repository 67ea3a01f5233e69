"""The optimum of `transport` beside that of solvers written by others."""

import gzip

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import linear_sum_assignment

from gridcompute import transport
from instances import sites_by_hours
from real_data import library_file

OPTIMA = {
    "assign100": 305,
    "assign200": 475,
    "assign300": 626,
    "assign400": 804,
    "assign500": 991,
    "assignp800": 2239,
    "assignp3000": 18696,
}


def ortools_optimum(cost, capacity, unplaced=None):
    """By OR-Tools' cost-scaling min-cost flow; None if infeasible."""
    flow = pytest.importorskip("ortools.graph.python.min_cost_flow")
    n, s = cost.shape
    if unplaced is not None:
        cost = np.column_stack([cost, np.full(n, unplaced)])
        capacity = np.append(capacity, n)
        s += 1
    solver = flow.SimpleMinCostFlow()
    jobs, slots = np.repeat(np.arange(n), s), n + np.tile(np.arange(s), n)
    solver.add_arcs_with_capacity_and_unit_cost(jobs, slots, np.ones(n * s, int), cost.ravel())
    sink = np.full(s, n + s)
    solver.add_arcs_with_capacity_and_unit_cost(n + np.arange(s), sink, capacity, np.zeros(s, int))
    solver.set_nodes_supplies(np.arange(n), np.ones(n, int))
    solver.set_node_supply(n + s, -n)
    done = solver.solve()
    return solver.optimal_cost() if done == solver.OPTIMAL else None


def highs_optimum(cost, capacity, demand, unplaced):
    """Of the splittable relaxation, as a linear program."""
    from scipy.optimize import linprog

    n, s = cost.shape
    wide = np.column_stack([cost, unplaced])
    rows = scipy.sparse.kron(scipy.sparse.eye_array(n), np.ones((1, s + 1)))
    use = np.column_stack([np.repeat(demand[:, None], s, axis=1), np.zeros(n)])
    columns = scipy.sparse.coo_array(
        (use.ravel(), (np.tile(np.arange(s + 1), n), np.arange(n * (s + 1))))
    ).tocsr()[:s]
    found = linprog(
        wide.ravel(), A_ub=columns, b_ub=capacity, A_eq=rows, b_eq=np.ones(n), method="highs"
    )
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
@pytest.mark.parametrize("n", [30, 200])
def test_square_as_scipy(n, dtype):
    """If this fails, classes of one slot each are not an assignment problem."""
    for seed in range(5):
        r = np.random.default_rng([n, seed])
        cost = (r.integers(0, 1000, (n, n)) if dtype is np.int32 else r.random((n, n))).astype(
            dtype
        )
        rows, columns = linear_sum_assignment(cost)
        m = transport(cost, np.ones(n, int))
        assert float(m.objective) == pytest.approx(float(cost[rows, columns].sum()), rel=1e-12)
        assert sorted(m.assignment) == [*range(n)]


@pytest.mark.parametrize("kind", ["structured", "uniform", "ties", "skewed", "overload"])
def test_integers_as_ortools(kind):
    """If this fails, an integer optimum is wrong at a size where samples and repair work."""
    n, s = 2000, 25
    for seed in range(2):
        r = np.random.default_rng([n, seed])
        unplaced = None
        capacity = np.maximum(1, r.multinomial(n + n // 50, r.dirichlet(np.ones(s))))
        if kind == "structured":
            cost, capacity = sites_by_hours(n, s, seed)
        elif kind == "ties":
            cost = r.integers(1, 9, (n, 1)) * r.integers(1, 9, (1, s))
        else:
            cost = r.integers(-500, 10_000, (n, s))
        if kind == "skewed":
            capacity = np.maximum(1, r.multinomial(2 * n, r.dirichlet(np.full(s, 0.1))))
        if kind == "overload":
            capacity, unplaced = capacity // 2, 6000
        theirs = ortools_optimum(cost, capacity, unplaced)
        m = transport(cost, capacity, unplaced=unplaced)
        assert m.status == ("infeasible" if theirs is None else "optimal")
        assert theirs is None or m.objective == theirs
        assert m.verify().valid


@pytest.mark.slow
def test_integers_as_ortools_larger():
    """If this fails, several levels of samples lead astray."""
    cost, capacity = sites_by_hours(5000, 50, 3)
    assert transport(cost, capacity).objective == ortools_optimum(cost, capacity)


def test_gangs_between_highs_bound_and_their_cost():
    """If this fails, the bound of gangs is below that of the splittable relaxation."""
    for seed in range(5):
        r = np.random.default_rng(seed)
        n, s = 60, 6
        cost, demand = r.uniform(0, 100, (n, s)), r.integers(1, 9, n)
        capacity, unplaced = r.integers(10, 50, s), r.uniform(50, 300, n)
        least = highs_optimum(cost, capacity, demand, unplaced)
        m = transport(cost, capacity, demand=demand, unplaced=unplaced)
        found = m.verify()
        assert found.valid
        assert m.bound >= least * (1 - 1e-7)
        assert found.bound_low >= least * (1 - 1e-7)
        assert m.objective >= least * (1 - 1e-7)
        assert m.gap < 0.02


def library(name):
    """An instance of OR-Library: a matrix, or triples (row, column, cost) where arcs are few."""
    path = library_file(name)
    raw = path.read_bytes()
    numbers = np.array((gzip.decompress(raw) if path.suffix == ".gz" else raw).split(), np.int64)
    n = int(numbers[0])
    if not name.startswith("assignp"):
        return numbers[1:].reshape(n, n)
    row, column, cost = numbers[1:].reshape(-1, 3).T
    return scipy.sparse.coo_array((cost, (row - 1, column - 1)), shape=(n, n))


@pytest.mark.parametrize("name", [n for n in OPTIMA if library_file(n)])
def test_published_optima(name):
    """If this fails, a published optimum is missed."""
    cost = library(name)
    m = transport(cost, np.ones(cost.shape[0], np.int64))
    assert m.objective == m.bound == OPTIMA[name]
    assert m.verify().gap == 0.0


@pytest.mark.parametrize("name", ["assign100", "assign300"])
def test_published_optima_with_arcs_dropped(name):
    """If this fails, dense and sparse input of one problem differ, in int or in float."""
    cost = library(name)
    n = cost.shape[0]
    cheap = scipy.sparse.csr_array(np.where(cost <= 30, cost, 0))
    for sparse in (cheap, cheap.astype(np.float64)):
        m = transport(sparse, np.ones(n, np.int64))
        assert m.objective == OPTIMA[name]
        assert m.exact
