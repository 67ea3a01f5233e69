"""Assignment against brute force and scipy on many small problems."""

import itertools
import math
import sys
from fractions import Fraction

import numpy as np
import scipy.sparse as sp
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment as scipy_lsa

import gridcompute as gc

shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
entries = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, width=32), st.just(float("inf"))
)


def brute_force(cost):
    """The least total over all injections of the shorter side, inf if there is none."""
    c = cost if cost.shape[0] <= cost.shape[1] else cost.T
    n, m = c.shape
    return min(sum(c[i, p[i]] for i in range(n)) for p in itertools.permutations(range(m), n))


@given(shapes.flatmap(lambda s: hnp.arrays(np.float64, s, elements=entries)))
def test_small_problems_match_brute_force(cost):
    """If this fails, some answer is not optimal, or feasible and infeasible are confused."""
    best = brute_force(cost)
    answer = gc.assignment(cost)
    proof = answer.verify()
    assert proof.valid
    assert (answer.status == "optimal") == np.isfinite(best)
    if answer.status != "optimal":
        return
    pairs = gc.linear_sum_assignment(cost)
    assert np.isclose(cost[pairs].sum(), best, rtol=1e-12, atol=1e-9)
    assert np.isclose(float(answer.objective), best, rtol=1e-12, atol=1e-9)
    i, j = np.nonzero(np.isfinite(cost))
    arcs = sp.coo_array((cost[i, j], (i, j)), shape=cost.shape)
    assert np.isclose(float(gc.assignment(arcs).objective), best, rtol=1e-12, atol=1e-9)


sizes = [
    0.0,
    -0.0,
    0.25,
    1.0,
    1 / 3,
    2.0,
    1e-9,
    2e-9,
    1e6,
    1e20,
    3e38,
    1e-38,
    1.7e308,
    5e-324,
    1e-310,
]


@st.composite
def near_powers(draw):
    """A power of two, or one of the three doubles above and below it."""
    x = math.ldexp(1.0, draw(st.integers(-1074, 1023)))
    for _ in range(draw(st.integers(0, 3))):
        x = math.nextafter(x, draw(st.sampled_from([0.0, 1.7e308])))
    return x


magnitudes = st.one_of(
    st.sampled_from(sizes), near_powers(), st.floats(0, sys.float_info.max, allow_infinity=False)
)
drowning = st.one_of(magnitudes, magnitudes.map(lambda x: -x), st.just(float("inf")))


def exact_total(cost, rows, cols):
    return sum((Fraction(x) for x in cost[rows, cols].astype(float).tolist()), Fraction(0))


def exact_least(cost):
    """As brute_force, without rounding; None if there is no assignment."""
    c = cost if cost.shape[0] <= cost.shape[1] else cost.T
    rows = np.arange(c.shape[0])
    ways = (np.array(p) for p in itertools.permutations(range(c.shape[1]), c.shape[0]))
    return min(
        (exact_total(c, rows, p) for p in ways if np.isfinite(c[rows, p]).all()), default=None
    )


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
        lambda s: hnp.arrays(np.float64, s, elements=drowning)
    ),
    st.booleans(),
    st.booleans(),
)
@example(np.array([[1.0, 0.0, 0.25]]), False, False)  # nothing is paid: every cost is far above it
@example(np.array([[1e20, 1, -1], [1, 0, 0], [1e20, 0.25, 0.25]]), False, False)
@example(
    np.array([[1e-38, 3e38], [-3e38, -1]]), False, True
)  # large costs cancel, small ones decide
@example(np.array([[1e-310, 2e-310], [1e-310, 3e-310]]), False, False)  # below the finest scale
@example(np.array([[0.0], [1e200], [1e-5], [1e-200]]), True, False)  # scaled down, -1e-200 vanishes
@example(  # the least that does not vanish makes the next unit coarser, where it vanishes again
    np.array([[0, 0, -5.2e213, 0, 0], [0, 3.2e281, 0, -1.7e-230, -5.2e-218]]), False, False
)
@example(  # the optimum lies beyond the doubles
    np.array([[0.25, np.inf, 0], [0, 0, -1.7e308], [0, -1.7e308, np.inf]]), False, False
)
@example(np.array([[1.7e308, 0.25], [1.7e308, np.inf]]), True, False)
@example(  # lowered costs of 32 bits must stay finite
    np.array([[-0.0, 3.4e38, np.inf], [3.4e38, 2147483648.0, -3.4e38], [3.4e38, -3.4e38, np.inf]]),
    False,
    True,
)
@example(np.full((3, 3), 8.000000000000002), False, False)
def test_costs_of_all_sizes_match_brute_force(cost, maximize, narrow):
    """If this fails, costs are rounded or lowered such that they tie or change the optimum."""
    if narrow:
        with np.errstate(over="ignore", under="ignore"):
            far = cost.astype(np.float32)
        far[np.isfinite(cost) & (far == np.inf)] = np.finfo(np.float32).max
        far[far == -np.inf] = np.finfo(np.float32).min
        cost = far
    best = exact_least(cost)
    if best is None:
        return
    asked = -cost if maximize else cost
    i, j = np.nonzero(np.isfinite(cost))
    arcs = sp.coo_array((asked[i, j], (i, j)), shape=cost.shape)
    batch = gc.linear_sum_assignment_batch(asked[None], maximize=maximize)
    answer = gc.assignment(asked, maximize=maximize)
    assert answer.verify().valid
    for pairs in (
        gc.linear_sum_assignment(asked, maximize=maximize),
        gc.linear_sum_assignment(arcs, maximize=maximize),
        (batch[0][0], batch[1][0]),
        answer.pairs(),
    ):
        assert exact_total(cost, *pairs) - best <= abs(best) / 2**40
    total = -answer.objective if maximize else answer.objective
    bound = -answer.bound if maximize else answer.bound
    assert bound <= total
    if np.isfinite(bound):
        assert Fraction(bound) <= best
    if not answer.exact and np.isfinite(total):
        assert best <= Fraction(total)
    last = np.finfo(np.float64).max
    if abs(best) > Fraction(last):  # rounded up or down: infinity, or the last of the doubles
        assert abs(total) >= last
        assert (total > 0) == (best > 0)
    elif np.isfinite(total):
        assert abs(Fraction(total) - best) <= abs(best) / 2**40 + Fraction(5e-324)


@given(
    st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64]),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_integers_at_the_ends_of_their_range(dtype, shape, seed, maximize):
    """If this fails, integers wrap, or the four ways in do not agree on the exact optimum."""
    r = np.random.default_rng(seed)
    ends = np.iinfo(dtype)
    low, high = int(ends.min), int(ends.max)
    some = [low, low + 1, max(-1, low), 0, 1, high // 2 + 1, high - 1, high]
    cost = r.choice(np.array(some, dtype), shape)
    answer = gc.assignment(cost, maximize=maximize)
    assert answer.verify().valid
    assert answer.exact
    batch = gc.linear_sum_assignment_batch(cost[None], maximize=maximize)
    for rows, cols in (
        gc.linear_sum_assignment(cost, maximize=maximize),
        gc.linear_sum_assignment(sp.coo_array(cost), maximize=maximize)
        if cost.all()
        else answer.pairs(),
        (batch[0][0], batch[1][0]),
    ):
        assert sum(cost[rows, cols].tolist()) == answer.objective


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(60, 110), st.integers(60, 110)),
    st.sampled_from([1, 2, 10, 1000, 2**27, 2**40]),
    st.floats(0, 0.98),
    st.booleans(),
)
def test_lists_auction_and_searches_match_scipy(seed, shape, most, forbidden, offsets):
    """If this fails, a core errs beyond the small solver: with offsets that of lists."""
    r = np.random.default_rng(seed)
    cost = r.integers(0, most, shape).astype(np.float64)
    if offsets:
        shape = (min(shape),) * 2
        cost = cost[: shape[0], : shape[1]] + r.integers(0, 20 * most + 20, shape[1])
    cost[r.random(shape) < forbidden] = np.inf
    answer = gc.assignment(cost)
    assert answer.verify().valid
    try:
        best = cost[scipy_lsa(cost)].sum()
    except ValueError:
        assert answer.status == "infeasible"
        return
    assert answer.exact
    assert answer.objective == best


@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 4))
def test_sparse_graphs_match_dense(seed, n, degree):
    """If this fails, absent pairs and forbidden pairs mean different things."""
    r = np.random.default_rng(seed)
    rows, cols = np.repeat(np.arange(n), degree), r.integers(0, n, n * degree)
    dense = np.full((n, n), np.inf)
    data = r.integers(0, 9, n * degree)
    np.minimum.at(dense, (rows, cols), data)
    i, j = np.nonzero(np.isfinite(dense))
    arcs = sp.coo_array((dense[i, j].astype(np.int64), (i, j)), shape=(n, n))
    answer, other = gc.assignment(arcs), gc.assignment(dense)
    assert answer.status == other.status
    assert answer.objective == other.objective
    assert answer.verify().valid
