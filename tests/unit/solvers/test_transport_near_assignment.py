"""Few jobs a class: nearly an assignment problem, solved over lists of cheapest classes."""

import numpy as np
import pytest
import scipy.optimize

from gridcompute import Terms, transport


def terms(n, s, seed):
    """Prices must move far: jobs differ in what classes are worth to them, as in a grid's day."""
    r = np.random.default_rng(seed)
    cost = Terms(
        [
            (r.random((8, s)), r.integers(0, 8, n), r.lognormal(1, 1, n)),
            (r.random((20, s)), r.integers(0, 20, n), r.lognormal(0, 1, n)),
        ]
    )
    return cost, r.multinomial(int(n * 1.1), np.ones(s) / s)


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_one_job_a_class_is_scipys_assignment(dtype):
    """If this fails, lists that ended too early were taken for whole rows."""
    n, s = 900, 1100
    cost = (np.random.default_rng(3).random((n, s)) ** 2 * 10**6).astype(dtype)
    m = transport(cost, np.ones(s, np.int64))
    assert m.stats["seconds"].keys() == {"direct"}
    i, j = scipy.optimize.linear_sum_assignment(cost)
    assert m.objective == pytest.approx(cost[i, j].sum(), rel=1e-12)
    assert m.verify().valid


def test_a_few_jobs_a_class_without_a_matrix():
    """If this fails, thousands of classes with a job or two each take minutes or answer wrongly."""
    cost, capacity = terms(4000, 3000, 1)
    m = transport(cost, capacity)
    assert m.status == "optimal"
    assert m.stats["seconds"].keys() == {"direct"}
    assert m.stats["rows_extended"] > 0
    assert m.verify().valid
    for threads in (1, 3):
        again = transport(cost, capacity, threads=threads)
        assert again.assignment.tobytes() == m.assignment.tobytes()
        assert again.prices.tobytes() == m.prices.tobytes()


def test_leaving_out_and_skewed_room():
    """If this fails, being left out is no class like the others, or unneeded room has a price."""
    r = np.random.default_rng(5)
    n, s = 2000, 1500
    cost = r.integers(0, 1000, (n, s), dtype=np.int64)
    capacity = np.where(r.random(s) < 0.3, 3, 0)
    m = transport(cost, capacity, unplaced=r.integers(0, 30, n).astype(np.float64))
    assert m.stats["seconds"].keys() == {"direct"}
    assert (m.assignment < 0).any()
    assert m.status == "optimal"
    assert m.verify().valid


@pytest.mark.parametrize("levels", [3, 100])
def test_paths_that_tie_are_found_together(levels):
    """If this fails, each search moves a job or two where hundreds of paths are equally short."""
    n, s = 2060, 1030
    cost = np.random.default_rng(levels).integers(0, levels, (n, s), dtype=np.int32)
    cost[:: n // 20, : s // 2] += 50 * levels  # some jobs have half of the classes
    m = transport(cost, np.full(s, 2))
    assert m.stats["seconds"].keys() == {"direct"}
    i, j = scipy.optimize.linear_sum_assignment(np.tile(cost, 2))
    assert m.objective == np.tile(cost, 2)[i, j].sum()
    assert m.verify().valid
    assert m.stats["searches"] <= 40, (levels, m.stats)  # 11 and 10; along one tree 176 and 302


@pytest.mark.parametrize("odd", ["copies", "no way"])
def test_what_lists_do_not_solve_goes_the_general_way(odd):
    """If this fails, copies of columns fill the lists, or infeasible problems have no witness."""
    r = np.random.default_rng(7)
    n, s = 700, 700
    cost = r.random((n, s))
    if odd == "copies":
        cost = cost[:, r.integers(0, 9, s)]
    else:
        cost[:40, 30:] = np.inf
    m = transport(cost, np.ones(s, np.int64))
    assert m.verify().valid
    if odd == "copies":
        assert m.status == "optimal"
        i, j = scipy.optimize.linear_sum_assignment(cost)
        assert m.objective == pytest.approx(cost[i, j].sum(), rel=1e-9)
    else:
        assert m.status == "infeasible"
        assert m.witness is not None
        assert m.witness.needed > m.witness.available
