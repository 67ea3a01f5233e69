"""Assignment against peers, on classes that defeat one method or another, and on OR-Library."""

import gzip

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment as scipy_lsa

import gridcompute as gc
from assignment_instances import CLASSES
from real_data import library_file

OPTIMA = {"assign100": 305, "assign200": 475, "assign500": 991, "assignp800": 2239}
OPTIMA["assignp3000"] = 18696


@pytest.mark.parametrize("n", [63, 300, 520])
@pytest.mark.parametrize("name", CLASSES)
def test_adversarial_classes_match_scipy_and_are_certified(name, n):
    """If this fails, some structure of costs leads a method to a wrong answer or wrong duals."""
    for seed in range(2 if n < 500 else 1):
        cost = CLASSES[name](n, seed)
        best = int(cost[scipy_lsa(cost)].sum())
        for matrix in (cost, cost.astype(np.float32) if abs(cost).max() < 2**24 else cost):
            answer = gc.assignment(matrix)
            assert answer.exact
            assert answer.objective == best
            assert answer.verify().valid
        assert int(cost[gc.linear_sum_assignment(cost)].sum()) == best
        shifted = cost.astype(np.float64) + np.random.default_rng(seed).random((n, n))
        real = gc.assignment(shifted)
        assert real.verify().valid
        expected = shifted[scipy_lsa(shifted)].sum()
        assert shifted[real.pairs()].sum() == pytest.approx(expected, rel=1e-12)
        slip = 1e-12 * abs(expected)  # scipy's own rounding, and numpy's of the sum
        assert real.bound - slip <= expected <= real.objective + slip


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(5, 5), (40, 40), (30, 80), (80, 30), (150, 150), (200, 400)])
@pytest.mark.parametrize("tail", [0.2, 0.5])
def test_heavy_tails_do_not_drown_the_optimum(tail, shape, kind):
    """If this fails, one huge cost sets a unit in which all good assignments cost the same."""
    r = np.random.default_rng(7)
    cost = np.minimum(r.pareto(tail, shape), 1e30).astype(kind)
    cost[r.random(shape) < 0.1] = np.inf
    np.fill_diagonal(cost, r.pareto(tail, min(shape)).clip(max=1e30))
    expected = cost.astype(np.float64)[scipy_lsa(cost.astype(np.float64))].sum()
    for sign in (1, -1):
        signed = (sign * cost).astype(kind)
        answer = gc.assignment(signed, maximize=sign < 0)
        found = sign * signed[answer.pairs()].astype(np.float64).sum()
        assert found == pytest.approx(expected, rel=1e-9)
        assert sign * answer.bound == pytest.approx(expected, rel=1e-9)
        assert answer.verify().valid
        pairs = gc.linear_sum_assignment(signed, maximize=sign < 0)
        assert sign * signed[pairs].astype(np.float64).sum() == pytest.approx(expected, rel=1e-9)
        allowed = np.nonzero(np.isfinite(cost))
        sparse = sp.csr_array((signed[allowed], allowed), shape=shape)
        arcs = gc.assignment(sparse, maximize=sign < 0)
        found = sign * signed[arcs.pairs()].astype(np.float64).sum()
        assert found == pytest.approx(expected, rel=1e-9)
        assert arcs.verify().valid


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 340), (340, 300), (700, 700)])
def test_gates_of_large_costs_hide_no_near_partner(n, m, kind):
    """If this fails, costs that stand for "never" cost the pairs their last bits."""
    r = np.random.default_rng(n + m)
    at = r.random((n, 2))
    seen = np.concatenate((at + r.normal(0, 0.2 / n**0.5, at.shape), r.random((m, 2))))[:m]
    apart = np.sqrt(((at[:, None] - seen) ** 2).sum(2))
    for never in (1e5, 1e12):
        cost = np.where(apart < 2 / n**0.5, apart, never).astype(kind)
        exact = cost.astype(np.longdouble)
        best = exact[scipy_lsa(cost)].sum()
        assert exact[gc.linear_sum_assignment(cost)].sum() - best <= 1e-11 * best
        answer = gc.assignment(cost)
        assert answer.bound - 1e-11 * best <= best
        assert exact[answer.pairs()].sum() - best <= 1e-11 * best
        assert answer.verify().valid


def seen_at_a_look(n, m):
    """Matrices that a look at a few rows sends to a way of their own, by name."""
    r = np.random.default_rng(n + m)
    u = r.random((n, m))
    partner = np.zeros((n, m), bool)
    partner[np.arange(min(n, m)), r.permutation(min(n, m))] = True
    return {
        "partners": np.where(partner, u / 100, 1 + u),
        "partners within a gate": np.where(partner, u / 100, np.where(u < 5 / m, u, 10)),
        "gates of rows": np.where(u < 6 / m, -u, r.random((n, 1))),
        "one gate": np.where(u < 6 / m, u, 1e9),
        "one gate, integers": np.where(u < 6 / m, r.integers(0, 50, (n, m)), 10**15),
        "forbidden": np.where(partner | (u < 6 / m), u, np.inf),
        "too few allowed": np.where(u < 1 / m, u, np.inf),
        "scales": u * np.exp(4 * r.standard_normal((n, 1))),
        "scales of columns": u * np.exp(9 * r.standard_normal(m)),
        "far below a unit": u**40,
        "tied": np.maximum(u, 0.3),
        "tied integers": np.maximum((u * 1e6).astype(np.int64), 300_000),
    }


@pytest.mark.parametrize("name", seen_at_a_look(1, 1))
@pytest.mark.parametrize(("n", "m"), [(300, 300), (290, 330), (330, 290), (800, 800)])
def test_what_a_look_decides_is_optimal(name, n, m):
    """If this fails, doubles matched as they are, or gates made columns, lose the optimum."""
    cost = seen_at_a_look(n, m)[name]
    kinds = [cost.dtype] if cost.dtype == np.int64 else [np.float64, np.float32]
    for matrix in (cost.astype(kind) for kind in kinds):
        for sign in (1, -1):
            signed = np.ascontiguousarray(sign * matrix)
            try:
                best = scipy_lsa(signed, maximize=sign < 0)
            except ValueError:
                with pytest.raises(gc.InfeasibleError):
                    gc.linear_sum_assignment(signed, maximize=sign < 0)
                continue
            rows, cols = gc.linear_sum_assignment(signed, maximize=sign < 0)
            assert np.array_equal(np.unique(rows), rows)
            assert len(np.unique(cols)) == len(cols) == min(n, m)
            exact = matrix.astype(np.longdouble)
            slip = 2.0**-40 * np.abs(exact[rows, cols]).sum()
            assert exact[rows, cols].sum() - exact[best].sum() <= slip


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("name", ["partners", "one gate", "tied", "far below a unit"])
def test_what_a_look_does_not_see_is_refused(name, bad):
    """If this fails, a cost that is none hides among those that nobody converts."""
    cost = seen_at_a_look(300, 300)[name]
    cost[271, 123] = bad
    with pytest.raises(gc.InvalidProblemError, match="invalid numeric entries"):
        gc.linear_sum_assignment(cost)


def test_mid_size_tries_whole_rows_and_larger_lists():
    """If this fails, a way is never taken (offsets: lists at once), and other tests prove less."""
    middle = gc.assignment(CLASSES["uniform"](300, 1)).stats
    assert middle["phases"] == 0
    assert middle["searches"] > 0
    assert gc.assignment(CLASSES["offsets"](300, 1)).stats["phases"] > 0
    assert gc.assignment(CLASSES["uniform"](800, 1)).stats["phases"] > 0


@pytest.mark.parametrize("n", [400, 600])
def test_searches_that_run_out_of_their_time_are_taken_over(n):
    """If this fails, what a trial over whole rows leaves behind spoils the way that follows it."""
    r = np.random.default_rng(43)
    cost = np.abs(np.sort(r.random(n))[:, None] - np.sort(r.random(n)))
    for matrix in (cost, (cost * 1e6).astype(np.int64)):
        answer = gc.assignment(matrix)
        assert answer.verify().valid
        assert float(answer.objective) == pytest.approx(matrix[scipy_lsa(matrix)].sum(), rel=1e-12)


@pytest.mark.parametrize("name", ["uniform", "product", "line", "binary"])
def test_rectangular_classes_match_scipy(name):
    """If this fails, unmatched columns lose their price of 0, and the answer its proof."""
    for cols in (301, 330, 900):
        cost = CLASSES[name](cols, 1)[:300]
        for matrix in (cost, cost.T):
            answer = gc.assignment(matrix)
            assert answer.exact
            assert answer.objective == int(matrix[scipy_lsa(matrix)].sum())
            assert answer.verify().valid


@pytest.mark.parametrize(
    ("dtype", "forbidden"),
    [(np.int8, False), (np.int64, False), (np.float64, False), (np.float64, True)],
)
def test_ties_are_finished_over_whole_rows(dtype, forbidden):
    """If this fails, costs that lists cannot tell apart lose their optimum, duals or witness."""
    r = np.random.default_rng(3)
    few = (r.random((400, 400)) > 2 / 400).astype(dtype) + (r.random((400, 400)) > 0.1)
    few = few.astype(dtype)
    if forbidden:
        few[few == 2] = np.inf
    answer = gc.assignment(few)
    assert answer.stats["phases"] == 0
    assert answer.stats["searches"] > 0
    assert answer.exact
    assert answer.objective == few[scipy_lsa(few)].sum(dtype=np.float64)
    assert answer.verify().valid
    if forbidden:
        few[:9, 8:] = np.inf  # nine rows, eight columns
        none = gc.assignment(few)
        assert none.status == "infeasible"
        assert none.verify().valid


def test_wide_ties_beyond_half_the_range_fall_back_to_lists():
    """If this fails, costs near the range's end are refused although they have an answer."""
    r = np.random.default_rng(4)
    cost = (r.random((120, 120)) > 2 / 120) * np.int64(2**60)
    answer = gc.assignment(cost)
    assert answer.exact
    assert answer.verify().valid
    ones = (cost > 0).astype(np.int64)
    assert answer.objective == 2**60 * int(ones[scipy_lsa(ones)].sum())


def test_lapx_agrees():
    """If this fails, one of two Jonker-Volgenant descendants is wrong."""
    lap = pytest.importorskip("lap", reason="lapx is not installed")
    cost = CLASSES["geometric"](400, 5)
    matched = lap.lapjv(cost.astype(np.float64), return_cost=False)[0]
    assert gc.assignment(cost).objective == cost[np.arange(400), matched].sum()


def test_ortools_agrees_on_sparse():
    """If this fails, the sparse core misses an arc or a detour."""
    ortools = pytest.importorskip(
        "ortools.graph.python.linear_sum_assignment", reason="OR-Tools is not installed"
    )
    r, n = np.random.default_rng(6), 5000
    rows = np.r_[np.repeat(np.arange(n), 5), np.arange(n)]
    cols = np.r_[r.integers(0, n, 5 * n), r.permutation(n)]
    arcs = sp.coo_array((r.integers(1, 10**4, len(rows)), (rows, cols)), shape=(n, n)).tocsr()
    answer = gc.assignment(arcs)
    model, coo = ortools.SimpleLinearSumAssignment(), arcs.tocoo()
    model.add_arcs_with_cost(coo.row, coo.col, coo.data)
    assert model.solve() == model.OPTIMAL
    assert answer.objective == model.optimal_cost()
    assert answer.verify().valid


@pytest.mark.parametrize("name", [n for n in OPTIMA if library_file(n)])
def test_or_library_optima(name):
    """If this fails, a published optimum is missed."""
    raw = library_file(name)
    text = gzip.decompress(raw.read_bytes()).decode() if raw.suffix == ".gz" else raw.read_text()
    x = np.array(text.split(), np.int64)
    n = int(x[0])
    if name.startswith("assignp"):
        t = x[1:].reshape(-1, 3)
        cost = sp.csr_array((t[:, 2], (t[:, 0] - 1, t[:, 1] - 1)), shape=(n, n))
    else:
        cost = x[1:].reshape(n, n)
    answer = gc.assignment(cost)
    assert answer.objective == OPTIMA[name]
    assert answer.verify().valid
