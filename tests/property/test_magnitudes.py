"""Numbers of every size in one problem, short time limits, many threads: what is claimed is true.

`make explore` runs these with fresh seeds for a minute. The judge is exact: fractions and a search
over all answers of tiny problems.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import gridcompute as gc
from oracles import exact, transport_brute


def near_power(exponent, step, sign):
    """A power of two or a neighbour of it: what a rounding rule gets wrong first."""
    value = math.ldexp(1.0, exponent)
    for _ in range(abs(step)):
        value = math.nextafter(value, math.inf if step > 0 else 0.0)
    return sign * min(value, 1.7976931348623157e308)


POWERS = st.builds(
    near_power, st.integers(-1074, 1023), st.integers(-12, 12), st.sampled_from([1, 1, -1])
)
FLOATS = st.one_of(
    POWERS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 5e-324, -5e-324, 1e-200, 2.0**600, 1e300, 1.7976931348623157e308]),
    st.floats(-4, 4, width=16),
    st.integers(1, 100).map(lambda k: sum([0.1] * k)),
)
INTEGERS = st.one_of(  # the largest that transport takes for six slot classes is near 2**56
    st.integers(-9, 9),
    st.builds(lambda e, d: 2**e + d, st.integers(0, 55), st.integers(-2, 2)),
    st.integers(-(2**55), 2**55),
)
LIMITS = st.one_of(st.none(), st.sampled_from([0, 1e-9, 1e-6]), st.floats(0, 0.01))
THREADS = st.one_of(st.none(), st.integers(1, 100))


@st.composite
def tables(draw, most_rows, most_columns):
    """A small matrix, of integers or of floats of any size; some pairs are forbidden."""
    n, s = draw(st.integers(0, most_rows)), draw(st.integers(0, most_columns))
    if draw(st.booleans()):
        flat = draw(st.lists(INTEGERS, min_size=n * s, max_size=n * s))
        return np.array(flat, np.int64).reshape(n, s)
    one_size = draw(st.booleans())
    values = st.floats(0.5, 1.0).map(lambda x: x) if one_size else FLOATS
    scale = draw(st.integers(-1074, 1000)) if one_size else 0
    entry = st.one_of(values, values, values, st.just(math.inf))
    flat = [math.ldexp(x, scale) for x in draw(st.lists(entry, min_size=n * s, max_size=n * s))]
    return np.array(flat, np.float64).reshape(n, s)


def infinite(x):
    """Is it the float? A fraction beyond the doubles is not."""
    return isinstance(x, float) and math.isinf(x)


def nearest(x):
    """Return the number as a double, infinite where it is beyond all."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def cost_of(cost, assignment, out):
    """What an assignment costs, without rounding."""
    parts = [exact(cost[i, s]) if s >= 0 else exact(out) for i, s in enumerate(assignment.tolist())]
    return sum(parts, Fraction(0)) if not any(map(infinite, parts)) else math.inf


@given(
    tables(5, 4), st.data(), LIMITS, THREADS, st.one_of(st.none(), FLOATS, st.just(math.inf)),
    st.sampled_from(["auto", "exact", "auction"]), st.booleans(),
)  # fmt: skip
def test_transport_claims_nothing_false(cost, data, limit, threads, out, method, gangs):
    """If this fails, a bound lies above the optimum, or an answer called exact is not optimal."""
    n, s = cost.shape
    room = np.array(data.draw(st.lists(st.integers(0, 4), min_size=s, max_size=s)), np.int64)
    demand = None
    if gangs:
        demand = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)), np.int64)
    m = gc.transport(
        cost, room, demand=demand, unplaced=out, time_limit=limit, threads=threads, method=method
    )
    found = m.verify()
    assert found.valid, found.reasons
    outs = None if out is None else [out] * n
    best = transport_brute(cost, room, demand, outs)
    if m.status == "infeasible":
        assert infinite(best), best
        return
    paid = cost_of(cost, m.assignment, math.inf if out is None else out)
    assert math.isinf(m.objective) or np.isclose(nearest(paid), m.objective, rtol=1e-12), paid
    if infinite(best):
        assert infinite(paid)
        return
    assert exact(m.bound) <= best <= paid, (m.bound, best, paid)
    if m.exact:
        assert paid == best, (paid, best)
    if limit is None and method != "auction":  # few jobs: nothing is left to rounding
        beyond = not math.isfinite(m.bound) or not math.isfinite(nearest(paid))
        assert m.status == "optimal", m
        assert m.exact or beyond, (m, paid)
        assert m.gap == 0.0 or beyond, (m, paid)


@given(tables(5, 5), LIMITS, THREADS, st.booleans())
def test_assignment_claims_nothing_false(cost, limit, threads, maximize):
    """If this fails, an assignment called optimal is not, or its bound is no bound."""
    if maximize and cost.dtype.kind == "f":
        cost = -cost
    a = gc.assignment(cost, maximize=maximize, time_limit=limit, threads=threads)
    n, m = cost.shape
    wide = cost if n <= m else cost.T
    totals = [
        sum((exact(wide[i, j]) for i, j in enumerate(p)), Fraction(0))
        for p in itertools.permutations(range(max(n, m)), min(n, m))
        if all(math.isfinite(wide[i, j]) for i, j in enumerate(p))
    ]
    if a.status == "infeasible":
        assert not totals
        return
    if a.status != "optimal":
        assert limit is not None
        return
    best = max(totals) if maximize else min(totals)
    paid = sum(
        (exact(cost[i, j]) for i, j in enumerate(a.assignment.tolist()) if j >= 0), Fraction(0)
    )
    assert a.verify().valid
    if a.exact:
        assert paid == best, (paid, best)
    bound = exact(a.bound)
    assert bound >= best if maximize else bound <= best, (a.bound, best)


@given(st.data(), LIMITS, THREADS, st.sampled_from(["auto", "network_simplex", "cost_scaling"]))
def test_flow_claims_nothing_false(data, limit, threads, method):
    """If this fails, a flow's certificate refuses its status."""
    n = data.draw(st.integers(0, 5))
    arcs = data.draw(st.integers(0, 8)) if n else 0

    def column(values, size=arcs):
        return np.array(data.draw(st.lists(values, min_size=size, max_size=size)), np.int64)

    nodes = st.integers(0, max(n - 1, 0))
    supply = column(st.integers(-4, 4), n)
    if n:
        supply[-1] -= supply.sum()
    room = st.one_of(st.integers(0, 5), st.just(gc.INFINITE), st.integers(0, 2**62))
    problem = column(nodes), column(nodes), column(room), column(INTEGERS), supply
    try:
        f = gc.min_cost_flow(*problem, method=method, time_limit=limit, threads=threads)
    except gc.CostRangeError:  # cost scaling multiplies costs by the number of nodes
        return
    found = f.verify()
    if f.status in ("optimal", "infeasible", "unbounded"):
        assert found.valid, (f.status, found.reasons)
    else:
        assert limit is not None, f.status
