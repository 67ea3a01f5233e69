"""Doubles of all sizes, mixed by row and by column: answers checked in exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import scipy.sparse
from hypothesis import event, given
from hypothesis import strategies as st

from gridcompute import transport
from oracles import exact, transport_brute

MOST, LEAST = 1.7976931348623157e308, 5e-324


@st.composite
def neighbours(draw):
    """A power of two, or one of its next doubles on either side."""
    x = math.ldexp(1.0, draw(st.integers(-1074, 1023)))
    for _ in range(draw(st.integers(0, 11))):
        x = math.nextafter(x, draw(st.sampled_from([0.0, MOST])))
    return x * draw(st.sampled_from([1, -1]))


SIZES = st.one_of(
    neighbours(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-4, 4).map(float),
    st.integers(1, 20).map(lambda k: k * 0.1),
    st.sampled_from([LEAST, 3 * LEAST, 1e-200, 2e-200, 1e300, MOST, -MOST, math.inf]),
)
FACTORS = st.one_of(st.just(1.0), st.integers(-900, 900).map(lambda e: math.ldexp(1.0, e)))


@st.composite
def problems(draw):
    """Up to five jobs and four classes; rows and columns times powers of two to 2^900."""
    n, s = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    flat = draw(st.lists(SIZES, min_size=n * s, max_size=n * s))
    cost = np.array(flat, np.float64).reshape(n, s)
    rows = np.array(draw(st.lists(FACTORS, min_size=n, max_size=n)), np.float64).reshape(n, 1)
    columns = np.array(draw(st.lists(FACTORS, min_size=s, max_size=s)), np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for factor in (rows, columns):
            scaled = cost * factor
            cost = np.where(np.isfinite(scaled), scaled, cost)
    capacity = np.array(draw(st.lists(st.integers(0, 3), min_size=s, max_size=s)), np.int64)
    out = draw(st.none() | st.lists(SIZES, min_size=n, max_size=n).map(np.array))
    return {"cost": cost, "capacity": capacity, "unplaced": out if out is None or n else None}


def nearest(value):
    """The nearest double, infinite beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check(p, m):
    """Against brute force over Fractions."""
    cost, out = p["cost"], p["unplaced"]
    least = transport_brute(cost.tolist(), p["capacity"], None, out)
    told = (p, m, m.bound, m.exact, m.prices.tolist(), m.stats)
    if isinstance(least, float):
        assert m.status == "infeasible", told
        return
    # Sums and prices beyond the doubles cannot be told: then the optimum is not said to be proved.
    sizes = np.abs(np.append(cost.ravel(), [] if out is None else out))
    edge = sizes[np.isfinite(sizes)].max(initial=0.0) >= 2.0**1021
    assert m.status == "optimal" or (edge and m.status == "feasible"), told
    pairs = enumerate(m.assignment.tolist())
    paid = sum((exact(cost[i, s] if s >= 0 else out[i]) for i, s in pairs), Fraction(0))
    assert paid == least, told
    assert m.bound == -math.inf or Fraction(m.bound) <= least, told
    assert m.verify().valid, (told, m.verify())
    # Rounded to the nearest double, or where it is the bound as well, down.
    near = nearest(Fraction(least))
    down = near if math.isinf(near) or Fraction(near) <= least else math.nextafter(near, -math.inf)
    assert m.objective in (near, min(down, MOST)), told
    assert (np.isfinite(m.prices) & (m.prices >= 0)).all(), told
    if m.exact:
        assert m.objective == m.bound, told
        assert m.gap == 0.0, told
    event("exact" if m.exact else "proved, but for the rounding of prices")


@given(problems(), st.sampled_from(["auto", "exact"]))
def test_the_optimum_of_doubles_of_all_sizes_is_that_of_fractions(p, method):
    """If this fails, rounding has hidden a cheaper matching, or a bound is above it."""
    check(p, transport(**p, method=method))


@given(problems())
def test_sparse_doubles_of_all_sizes_too(p):
    """If this fails, lists of pairs are rounded where a matrix is not."""
    allowed = np.isfinite(p["cost"])
    coo = scipy.sparse.coo_array((p["cost"][allowed], np.nonzero(allowed)), shape=allowed.shape)
    check(p, transport(coo.tocsr(), p["capacity"], unplaced=p["unplaced"]))


@given(problems(), st.sampled_from([0.0, 1e-6, 1e-3]))
def test_a_time_limit_leaves_bounds_of_doubles_true(p, limit):
    """If this fails, a solve that was stopped claims what rounding made of the costs."""
    least = transport_brute(p["cost"].tolist(), p["capacity"], None, p["unplaced"])
    m = transport(**p, time_limit=limit)
    if m.status == "infeasible":
        assert least == math.inf, (p, m)
    elif not isinstance(least, float):
        assert m.bound == -math.inf or Fraction(m.bound) <= least, (p, m, m.bound)
        if m.status == "optimal":
            check(p, m)


@given(problems(), st.data())
def test_gangs_of_doubles_of_all_sizes_have_true_bounds(p, data):
    """If this fails, the bound of a problem with gangs is above its optimum."""
    n = len(p["cost"])
    demand = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    least = transport_brute(p["cost"].tolist(), p["capacity"], demand, p["unplaced"])
    m = transport(**p, demand=np.array(demand, np.int64))
    if m.status == "infeasible":
        assert least == math.inf, (p, demand, m)
    elif not isinstance(least, float) and m.bound != -math.inf:
        assert Fraction(m.bound) <= least, (p, demand, m, m.bound)
