"""Instances at the edge of what a transport problem can be, each with what it must give."""

import math

import numpy as np
import pytest

from gridcompute import CostRangeError, InvalidProblemError, Terms, transport
from instances import sites_by_hours

INF = np.inf


def test_no_jobs():
    """If this fails, an empty batch crashes."""
    m = transport(np.empty((0, 3)), [1, 0, 2])
    assert (m.status, m.objective, m.bound) == ("optimal", 0, 0)
    assert m.assignment.shape == (0,)
    assert m.load.tolist() == [0, 0, 0]
    assert m.verify().valid


def test_no_slots():
    """If this fails, having nowhere to go crashes, or is no proof that there is no answer."""
    m = transport(np.empty((2, 0), np.int32), [])
    assert m.status == "infeasible"
    assert m.witness.needed > m.witness.available == 0
    assert m.verify().valid
    left = transport(np.empty((2, 0), np.int32), [], unplaced=[3, 4])
    assert (left.assignment.tolist(), left.objective) == ([-1, -1], 7)


def test_no_jobs_and_no_slots():
    """If this fails, 0 x 0 crashes."""
    for unplaced in (None, 1.0, np.empty(0)):
        for prices in (None, np.empty(0)):
            m = transport(np.empty((0, 0)), [], unplaced=unplaced, prices=prices)
            assert m.status == "optimal"
            assert m.verify().valid


def test_one_by_one():
    """If this fails, the least instance does."""
    m = transport([[5]], [1])
    assert (m.assignment.tolist(), m.objective, m.status) == ([0], 5, "optimal")
    assert transport([[5]], [0]).status == "infeasible"
    assert transport([[5]], [1], unplaced=4).assignment.tolist() == [-1]
    assert m.verify().valid


def test_zero_capacities():
    """If this fails, a class without slots is used, or breaks the prices."""
    m = transport([[1, 9], [1, 9]], [0, 2])
    assert m.assignment.tolist() == [1, 1]
    assert m.verify().gap == 0.0
    assert transport([[1, 9], [1, 9]], [0, 0]).status == "infeasible"
    assert transport([[1, 9], [1, 9]], [0, 0], unplaced=2).objective == 4


def test_capacity_far_above_demand():
    """If this fails, capacities overflow, or classes with room to spare have a price."""
    big = np.iinfo(np.int64).max
    m = transport([[1, 2], [3, 2]], [big, big])
    assert (m.assignment.tolist(), m.objective) == ([0, 1], 3)
    assert m.prices.tolist() == [0.0, 0.0]
    assert m.verify().gap == 0.0


def test_all_costs_equal():
    """If this fails, ties are not settled, or not to the lowest index."""
    m = transport(np.full((50, 7), 3), np.full(7, 8))
    assert m.objective == 150
    assert m.exact
    assert m.verify().valid
    assert transport([[3, 3]], [1, 1]).assignment.tolist() == [0]


def test_all_forbidden():
    """If this fails, a forbidden pair is used where nothing else is left."""
    cost = np.full((3, 2), INF)
    m = transport(cost, [5, 5])
    assert m.status == "infeasible"
    assert m.witness.jobs.tolist() == [0]
    assert m.witness.slots.tolist() == []
    assert m.verify().valid
    assert transport(cost, [5, 5], unplaced=1.5).objective == 4.5


def test_one_column():
    """If this fails, jobs that have but one class are not the cheapest ones."""
    m = transport([[4], [1], [3]], [2], unplaced=10)
    assert m.assignment.tolist() == [-1, 0, 0]
    assert m.exact


def test_negative_costs():
    """If this fails, gains are mistaken for costs."""
    m = transport([[-5, -1], [-4, -3]], [1, 1])
    assert (m.objective, m.assignment.tolist()) == (-8, [0, 1])
    assert m.gap == 0.0
    assert m.verify().valid


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_at_the_edge(dtype):
    """If this fails, the largest costs allowed overflow, or one more is let through."""
    n_slots = 2
    most = int(np.iinfo(np.int32).max)
    if dtype is np.int64:  # csrc/gridcompute/base/types.hpp: largest_cost(n_slots + 2)
        most = 2**61 // (2 * (n_slots + 6)) // 256 * 256
    cost = np.array([[most, -most], [-most, most], [most, most]], dtype)
    m = transport(cost, [2, 1])
    assert m.objective == -most
    assert m.exact
    assert m.verify().objective == m.objective
    if dtype is np.int64:
        for over in (most + 1, -most - 1, np.iinfo(np.int64).max, np.iinfo(np.int64).min):
            cost[0, 0] = over
            with pytest.raises(CostRangeError, match="is allowed"):
                transport(cost, [2, 1])
    else:
        cost[0, 0] = np.iinfo(np.int32).min
        assert transport(cost, [2, 1]).verify().valid


def test_objective_beyond_float():
    """If this fails, totals of integers pass through a float."""
    odd = (1 << 56) + 1
    m = transport(np.full((5, 1), odd), [5])
    assert m.objective == 5 * odd
    late = transport(np.full((5, 1), odd), [5], time_limit=0)
    assert late.objective == 5 * odd
    gangs = transport(np.full((2, 1), odd), [5], demand=[2, 2])
    assert gangs.objective == 2 * odd


def test_costs_of_leaving_out_beyond_the_range_of_integers_are_told_apart():
    """If this fails, those that came late were clipped, and so were equal, or are refused."""
    cost, limit = np.array([[2**40], [0], [0]]), 2.0**57
    for outs in ([3, 2], [2, 3]):
        for method in ("auto", "exact"):
            m = transport(cost, [1], unplaced=[0, *np.multiply(outs, limit)], method=method)
            assert (m.status, m.objective) == ("optimal", 2 * 2**57)
            assert m.assignment.tolist() == [-1, *(0 if out == 3 else -1 for out in outs)]


def test_prices_that_no_double_holds():
    """If this fails, a right answer is refused, or a bound is claimed that its prices miss."""
    least = 2**55 + 1
    for method in ("auto", "exact"):
        m = transport([[0, least], [0, least + 2]], [1, 1], method=method)
        assert (m.status, m.objective, m.assignment.tolist()) == ("optimal", least, [1, 0])
        assert m.bound <= least
        assert m.bound >= least - 2**5
        assert m.exact == (m.bound == least)
        assert m.verify().valid, m.verify().reasons


def test_float32_far_apart():
    """If this fails, 1 beside 1e30 is lost and the answer still called exact."""
    cost = np.array([[1e30, 1.0], [2.0, 1e30], [1e30, 1e30]], np.float32)
    m = transport(cost, [2, 1])
    assert m.assignment.tolist()[:2] == [1, 0]
    found = m.verify()
    assert found.valid
    assert found.bound_low <= found.objective
    assert m.bound <= found.objective


def test_subnormals():
    """If this fails, the smallest numbers are taken for zero or make the resolution overflow."""
    tiny = 5e-324
    m = transport(np.array([[tiny, 3 * tiny], [tiny, 2 * tiny]]), [1, 1])
    assert m.assignment.tolist() == [0, 1]
    assert m.objective == 3 * tiny
    assert m.verify().objective == 3 * tiny


def test_largest_doubles():
    """If this fails, a cost near the end of the doubles is refused, or makes a price infinite."""
    for most in (2.0**900, 2.0**1023, np.finfo(np.float64).max):
        m = transport(np.array([[most, 0.0], [0.0, most]]), [1, 1])
        assert (m.status, m.assignment.tolist()) == ("optimal", [1, 0])
        assert m.verify().valid
        far = transport(np.array([[most, -most], [5e-324, -most]]), [1, 1])
        assert far.status in ("optimal", "feasible")  # prices that no double holds prove less
        assert far.assignment.tolist() == [1, 0]
        assert np.isfinite(far.prices).all()


def test_resolution_too_fine():
    """If this fails, a cost that a fine resolution makes infinite is taken for forbidden."""
    with pytest.raises(CostRangeError, match="is allowed"):
        transport([[1e10, 2.0]], [1, 0], resolution=1e300)


def test_optimum_of_zero_among_reals():
    """If this fails, the rounding of costs that nobody pays hides that 0 is optimal."""
    r = np.random.default_rng(1)
    m = transport(r.random((50, 4)), np.full(4, 10), unplaced=0.0)
    assert (m.status, m.objective, m.bound, m.gap) == ("optimal", 0.0, 0.0, 0.0)
    assert m.verify().gap == 0.0


def test_costs_too_far_apart_are_not_called_optimal():
    """If this fails, what one resolution cannot tell apart is called optimal."""
    m = transport(np.array([[1e-3, 2e-3, 1e18], [3e-3, 1e-3, 1e18]]), [1, 1, 1])
    found = m.verify()
    assert found.valid
    assert m.status == "feasible" or m.gap <= 1e-9
    assert m.bound <= 2e-3 <= m.objective


def test_minus_zero():
    """If this fails, -0.0 is a cost of its own."""
    m = transport(np.array([[-0.0, 0.0], [0.0, -0.0]]), [1, 1])
    assert m.objective == 0
    assert m.exact
    assert m.verify().gap == 0.0


@pytest.mark.parametrize("bad", [np.nan, -INF])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_not_a_number(bad, dtype):
    """If this fails, NaN or -inf is a cost, or the error does not say where it stands."""
    cost = np.ones((300, 5), dtype)
    cost[217, 3] = bad
    with pytest.raises(InvalidProblemError, match=r"cost\[217, 3\]") as caught:
        transport(cost, np.full(5, 100))
    assert (caught.value.field, caught.value.index) == ("cost", (217, 3))


def test_infinity_forbids():
    """If this fails, +inf is not "forbidden"."""
    m = transport([[INF, 7.0], [1.0, INF]], [1, 1])
    assert (m.objective, m.assignment.tolist()) == (8, [1, 0])


def test_unplaced_infinite_for_some():
    """If this fails, a job that must be placed is left out, or one that may not counts as such."""
    m = transport([[1], [2], [3]], [1], unplaced=[INF, 5, 6])
    assert m.assignment.tolist() == [0, -1, -1]
    none = transport([[1], [2], [3]], [1], unplaced=[INF, INF, 6])
    assert none.status == "infeasible"
    assert none.witness.jobs.tolist() == [0, 1]
    assert transport([[1]], [0], unplaced=INF).status == "infeasible"


def test_rounding_of_unplaced_is_never_called_exact():
    """If this fails, a resolution too coarse for `unplaced` goes unnoticed."""
    m = transport([[3], [5]], [1], unplaced=2.4, resolution=1.0)
    assert m.verify().valid
    assert not m.exact or m.objective == m.bound == 4.8


def test_gang_larger_than_every_class():
    """If this fails, a gang is cut, or is not left out when it may be."""
    m = transport([[1, 1]], [2, 2], demand=[3], unplaced=9)
    assert m.assignment.tolist() == [-1]
    assert m.objective == 9
    must = transport([[1, 1]], [2, 2], demand=[3])
    assert must.status in ("infeasible", "stopped")
    assert must.objective == math.inf
    assert must.verify().valid


def test_gangs_of_one_are_jobs():
    """If this fails, `demand` of all ones costs the proof of optimality."""
    a = transport([[4, 1], [2, 1]], [1, 1], demand=[1, 1])
    assert a.status == "optimal"
    assert a.exact


def test_time_limit_zero():
    """If this fails, no time at all is a crash, or gives a bound out of thin air."""
    r = np.random.default_rng(0)
    m = transport(r.random((2000, 30)), np.full(30, 80), time_limit=0)
    assert m.status == "time_limit"
    assert m.bound <= m.objective
    assert m.verify().valid
    assert m.verify().feasible


def test_progress_stops():
    """If this fails, a caller cannot stop a solve, or is shown a fraction that falls."""
    seen = []

    def look(p):
        seen.append(p)
        return True

    r = np.random.default_rng(0)
    m = transport(r.random((20_000, 50)), np.full(50, 500), progress=look)
    assert m.status == "stopped"
    assert len(seen) == 1
    assert 0 <= seen[0].done <= 1
    assert m.verify().valid


def test_progress_may_raise():
    """If this fails, an error in a progress callback is swallowed."""

    def fail(_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        transport(np.random.default_rng(0).random((20_000, 50)), np.full(50, 500), progress=fail)


@pytest.mark.parametrize("kind", ["its own", "a new class", "random", "zeros", "wild", "one wild"])
def test_given_prices_cost_no_more_looks_than_none(kind):
    """If this fails, yesterday's prices, or a class they do not know, make a solve slower."""
    r = np.random.default_rng(5)
    n, s = 30_000, 20
    cost = (r.integers(100, 1000, (n, 1)) * r.integers(10, 30, s)).astype(np.int32)
    cost += r.integers(0, 2000, (n, s), np.int32)
    capacity = np.full(s, n // s)
    cold = transport(cost, capacity, method="exact")
    prices = {
        "its own": cold.prices,
        "a new class": np.where(np.arange(s) == 3, 0.0, cold.prices),
        "random": r.uniform(0, 2 * cold.prices.max(), s),
        "zeros": np.zeros(s),
        "wild": np.full(s, 1e18),
        "one wild": np.where(np.arange(s) == 3, 1e18, cold.prices),
    }[kind]
    m = transport(cost, capacity, method="exact", prices=prices)
    assert m.objective == cold.objective
    assert m.stats["passes"] < 1.1 * cold.stats["passes"]
    assert m.stats["searches"] < 2 * cold.stats["searches"] + 200


def test_prices_that_fall_from_beyond_2_53():
    """If this fails, doubles rounded away that a job wants another class."""
    for start in (1e15, 1e16, 1e17, 1e18):
        m = transport([[3, 0, 2]], [2, 2, 2], method="exact", prices=[0, start, 1])
        assert m.objective == 0


@pytest.mark.parametrize("kind", ["same", "costs", "capacities", "other jobs"])
def test_good_prices_make_samples_unnecessary(kind):
    """If this fails, yesterday's prices are forgotten, and today's solve is a cold one."""
    cost, capacity = sites_by_hours(60_000, 30, 1)
    yesterday = transport(cost, capacity, method="exact")
    assert (yesterday.stats["warm_levels"], yesterday.stats["levels"] > 1) == (0, True)
    r = np.random.default_rng(2)
    if kind == "costs":
        cost[r.choice(len(cost), len(cost) // 100, replace=False)] += 1000
    elif kind == "capacities":
        capacity = np.rint(capacity * r.uniform(0.99, 1.01, 30)).astype(np.int64)
    elif kind == "other jobs":
        half = len(cost) // 2
        yesterday = transport(cost[:half], capacity // 2, method="exact")
        cost, capacity = cost[half:], capacity // 2
    cold = transport(cost, capacity, method="exact")
    warm = transport(cost, capacity, method="exact", prices=yesterday.prices)
    assert warm.stats["warm_levels"] == cold.stats["levels"]
    assert warm.stats["levels"] == 0
    assert warm.objective == cold.objective
    assert warm.stats["passes"] < 1.05 * cold.stats["passes"]
    assert warm.verify().valid


@pytest.mark.parametrize("kind", ["random", "zeros", "reversed", "gangs"])
def test_bad_prices_are_told_by_the_smallest_sample(kind):
    """If this fails, bad prices are followed for a while, or gangs' good ones refused."""
    cost, capacity = sites_by_hours(60_000, 30, 1)
    r = np.random.default_rng(3)
    demand = r.choice([1, 2, 4], len(cost)) if kind == "gangs" else None
    if demand is not None:
        capacity *= 3
    cold = transport(cost, capacity, method="exact", demand=demand)
    p = cold.prices
    start = {
        "random": r.uniform(0, 2 * p.max(), 30),
        "zeros": 0 * p,
        "reversed": p[::-1],
        "gangs": p,
    }
    m = transport(cost, capacity, method="exact", demand=demand, prices=start[kind])
    assert m.stats["warm_levels"] == (cold.stats["levels"] if kind == "gangs" else 0)
    assert m.stats["levels"] == (0 if kind == "gangs" else cold.stats["levels"])
    assert m.objective == pytest.approx(cold.objective, rel=1e-3 if kind == "gangs" else 0)
    assert m.verify().valid


def test_every_fallback_is_taken_and_ends_in_the_optimum():
    """If this fails, a box, a list or a short way that does not suffice ends in a wrong answer."""
    taken = dict.fromkeys(
        ("repeated_passes", "box_widenings", "escape_searches", "small_solver_aborts"), 0
    )
    for seed in range(60):
        r = np.random.default_rng(seed)
        n, s = 300, 10
        cost = 10 ** r.uniform(0, 10, (n, s))
        capacity = r.multinomial(int(1.02 * n) + 1, r.dirichlet(np.ones(s)))
        if seed % 6 == 0:  # nowhere to go for some
            cost[:20, 1:], capacity[0] = INF, 5
        by_lists, short = (transport(cost, capacity, method=m) for m in ("exact", "auto"))
        assert by_lists.objective == pytest.approx(short.objective, rel=1e-9)
        assert by_lists.verify().valid
        for name in taken:
            taken[name] += by_lists.stats[name] + short.stats[name]
    assert min(taken.values()) > 0, taken


def test_a_cost_beyond_what_samples_showed_begins_the_solve_anew():
    """If this fails, a resolution too fine for one job is an error, or a wrong sum."""
    r = np.random.default_rng(1)
    cost = r.integers(0, 1000, (70_000, 64)).astype(np.float64)
    cost[41_013] = 1e9
    m = transport(cost, np.full(64, 1100))
    assert m.stats["restarts"] == 1
    assert m.status == "optimal"
    found = m.verify()
    assert found.valid
    assert found.gap == 0.0


def test_terms_have_a_bound_without_a_look():
    """If this fails, a limit too short for a look at all costs leaves nothing to go by."""
    r = np.random.default_rng(2)
    n, s = 40_000, 40
    cost = Terms(
        [
            (1 + r.random((5, s)), r.integers(0, 5, n), r.lognormal(1, 1, n)),
            (-r.random((9, s)), r.integers(0, 9, n), None),
        ]
    )
    options = {"unplaced": 3.0, "demand": r.integers(1, 5, n)}
    for chosen in ({}, {"unplaced": 3.0}, options):
        m = transport(cost, np.full(s, n // s * 3), time_limit=0, **chosen)
        assert m.status == "time_limit"
        assert -math.inf < m.bound < m.objective < math.inf
        found = m.verify()
        assert found.valid
        assert m.bound <= found.bound_low


@pytest.mark.parametrize("shape", [(300, 20), (30_000, 20)])
@pytest.mark.parametrize("unplaced", [None, 2.0, 1e15])
def test_costs_far_above_all_others_do_not_drown_them(shape, unplaced):
    """If this fails, 1e15 for "rather not" turns all other costs into multiples of one tenth."""
    r = np.random.default_rng(4)
    n, s = shape
    cost = r.random(shape)
    rather_not = r.random(shape) < 0.3
    capacity = np.full(s, n // s + 1)
    forbidden = transport(np.where(rather_not, np.inf, cost), capacity, unplaced=unplaced)
    m = transport(np.where(rather_not, 1e15, cost), capacity, unplaced=unplaced)
    assert m.status == "optimal"
    assert m.objective == pytest.approx(forbidden.objective, rel=1e-9)
    assert m.stats["refinements"] > 0
    assert m.verify().valid


def test_heavy_tails_are_solved_to_the_end():
    """If this fails, the answer for costs of all sizes is far from the optimum, and says so."""
    r = np.random.default_rng(5)
    cost = np.exp(6 * r.normal(size=(3000, 50)))
    m = transport(cost, np.full(50, 66))
    assert m.gap < 1e-9
    assert m.status == "optimal"
    assert m.verify().valid
    # What nobody can avoid sets the unit, and what lies below is told as a gap.
    cost[7] = 1e40
    m = transport(cost, np.full(50, 66))
    assert m.objective == pytest.approx(1e40)
    assert m.verify().valid


def test_sparse_jobs_without_time_go_to_classes_that_are_listed():
    """If this fails, a solve without time leaves jobs out that have a class with room."""
    sparse = pytest.importorskip("scipy.sparse")
    r = np.random.default_rng(4)
    slot = np.arange(20) * 15 + r.integers(0, 15, (30_000, 20))
    rows = np.arange(0, slot.size + 1, 20)
    cost = sparse.csr_array((r.integers(0, 99, slot.size), slot.ravel(), rows), shape=(30_000, 300))
    m = transport(cost, np.full(300, 110), time_limit=0)
    assert m.status == "time_limit"
    assert (m.assignment >= 0).all()
    assert m.verify().valid
