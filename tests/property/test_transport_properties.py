"""What must hold for every transport instance, however odd; tiny ones, against slow oracles."""

import math
from dataclasses import replace

import numpy as np
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from gridcompute import transport
from instances import Transport, transports
from oracles import exact, transport_brute, transport_paths

UNIT = transports()
GANGS = transports(gangs=True)


def solve(t, **options):
    """By candidate lists; the short way of small problems must come to the same."""
    m = transport(**t.arguments, **{"method": "exact"} | options)
    if t.demand is None and not options:
        short = transport(**t.arguments)
        assert short.status == m.status or (short.status == "optimal" and m.status == "feasible")
        assert close(short.objective, m.objective, t)
        assert m.status == "infeasible" or short.verify().valid
    return m


def close(a, b, t):
    """Equal where integers, else within the rounding of the costs of one matching."""
    if math.isinf(a) or math.isinf(b):
        return a == b
    finite = t.cost[np.isfinite(t.cost)]
    outs = [] if t.unplaced is None else t.unplaced[np.isfinite(t.unplaced)]
    scale = max((abs(float(x)) for x in (*finite, *outs)), default=0.0)
    # No power of two is large enough to tell the smallest doubles apart.
    tiny = 2.0**-1000
    tolerance = 0 if t.cost.dtype.kind == "i" and t.unplaced is None else max(1e-9 * scale, tiny)
    return abs(exact(a) - exact(b)) <= tolerance


def solved(m):
    """Is there an answer? It is optimal, or says that its reals lie too far apart to tell."""
    assert m.status in ("optimal", "infeasible") or (m.status == "feasible" and not m.exact)
    return m.status != "infeasible"


@given(UNIT)
def test_optimum_is_that_of_the_oracles(t):
    """If this fails, an answer called optimal is not, or an infeasible problem got one."""
    least = transport_paths(t.cost, t.capacity, t.unplaced)
    assert least == transport_brute(t.cost, t.capacity, None, t.unplaced)
    m = solve(t)
    assert (m.status == "infeasible") == math.isinf(least)
    assert close(m.objective, least, t)
    if m.exact:
        assert m.objective == m.bound
        assert m.gap == 0.0


@given(UNIT)
def test_certificate_holds(t):
    """If this fails, the checker and the solver disagree: one of them is wrong."""
    m = solve(t)
    found = m.verify()
    assert found.valid, found.reasons
    assert found.feasible == (m.status != "infeasible")
    if m.status == "infeasible":
        assert m.witness.needed > m.witness.available
        assert found.objective == math.inf
    else:
        assert found.bound_low <= transport_paths(t.cost, t.capacity, t.unplaced)
        assert found.bound_low <= found.bound_high or found.gap == 0
        if m.exact:
            assert found.gap == 0.0


@given(GANGS)
def test_gangs_are_whole_and_bounded(t):
    """If this fails, a gang is split, or a bound is above what can be had."""
    least = transport_brute(t.cost, t.capacity, t.demand, t.unplaced)
    m = solve(t)
    found = m.verify()
    assert found.valid, found.reasons
    if m.status == "infeasible":
        assert math.isinf(least)
        return
    scale = 1e-9 * (1 + (0 if math.isinf(m.objective) else abs(float(m.objective))))
    assert m.bound <= least
    assert m.objective >= least - scale
    assert found.feasible == (not math.isinf(m.objective))
    if m.status == "optimal":
        assert close(m.objective, least, t)


@given(UNIT, st.randoms(use_true_random=False))
def test_order_does_not_matter(t, random):
    """If this fails, the answer's cost depends on how jobs or classes are listed."""
    jobs, slots = [*range(t.cost.shape[0])], [*range(t.cost.shape[1])]
    random.shuffle(jobs)
    random.shuffle(slots)
    other = Transport(
        np.ascontiguousarray(t.cost[jobs][:, slots]),
        t.capacity[slots],
        None,
        None if t.unplaced is None else t.unplaced[jobs],
    )
    a, b = solve(t), solve(other)
    assert solved(a) == solved(b)
    assert close(a.objective, b.objective, t)


@given(transports(kinds=("int",)), st.data())
def test_constants_of_jobs_and_classes_change_nothing(t, data):
    """If this fails, a constant added to a job, or a price moved into the costs, is not neutral."""
    t = replace(t, unplaced=None)
    n, s = t.cost.shape
    row = np.array(data.draw(st.lists(st.integers(-50, 50), min_size=n, max_size=n)), np.int64)
    a = solve(t)
    b = solve(replace(t, cost=t.cost + row[:, None]))
    assert a.status == b.status
    if a.status != "optimal":
        return
    assert b.objective == a.objective + int(row.sum())
    # With each class's price in its costs every job is where it is cheapest: D(p) with p = 0.
    priced = t.cost + a.prices.astype(np.int64)[None, :]
    c = solve(replace(t, cost=priced))
    least = int(priced.min(axis=1).sum()) if s else 0
    used = int(a.prices[a.assignment].sum()) if s and n else 0
    assert c.objective == least == a.objective + used


@given(st.one_of(UNIT, GANGS))
def test_any_number_of_threads_gives_the_same_bits(t):
    """If this fails, an answer depends on the machine."""
    first = solve(t, threads=1)
    for threads in (2, 7):
        other = solve(t, threads=threads)
        assert other.assignment.tobytes() == first.assignment.tobytes()
        assert other.prices.tobytes() == first.prices.tobytes()
        assert (other.objective, other.bound) == (first.objective, first.bound)
        assert other.verify(threads=threads) == first.verify(threads=1)


@given(
    UNIT,
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([1e17, 1e300]), min_size=4, max_size=4),
)
def test_start_prices_do_not_change_the_cost(t, wild):
    """If this fails, start prices are trusted."""
    cold = solve(t)
    for start in (cold.prices, np.array(wild[: t.cost.shape[1]])):
        warm = solve(t, prices=start)
        assert solved(warm) == solved(cold)
        assert close(warm.objective, cold.objective, t)
        assert warm.verify().valid


@given(transports(kinds=("int", "real")))
def test_sparse_is_dense_without_the_forbidden(t):
    """If this fails, absent pairs are not forbidden, or stored zeros are."""
    allowed = np.isfinite(t.cost) & (t.cost != 2)
    rows, columns = np.nonzero(allowed)
    shape = t.cost.shape
    coo = scipy.sparse.coo_array((t.cost[allowed], (rows, columns)), shape=shape)
    dense = transport(np.where(allowed, t.cost, np.inf), t.capacity, unplaced=t.unplaced)
    for sparse in (coo, coo.tocsr(), coo.tocsc()):
        m = transport(sparse, t.capacity, unplaced=t.unplaced)
        assert solved(m) == solved(dense)
        assert close(m.objective, dense.objective, t)
        assert m.verify().valid


@given(UNIT, st.sampled_from([0.0, 1e-5]))
def test_a_stopped_solve_tells_no_lies(t, limit):
    """If this fails, a solve cut short claims a bound that does not hold or breaks a rule."""
    m = solve(t, time_limit=limit)
    found = m.verify()
    assert found.valid, found.reasons
    if m.status != "infeasible":
        assert m.bound <= transport_paths(t.cost, t.capacity, t.unplaced)


@given(transports(kinds=("int",)), st.data())
def test_a_wrong_answer_is_found_out(t, data):
    """If this fails, the checker would pass a matching that is not what it says."""
    m = solve(t)
    n, s = t.cost.shape
    if m.status != "optimal" or n == 0 or s == 0:
        return
    job = data.draw(st.integers(0, n - 1))
    moved = m.assignment.copy()
    moved[job] = (moved[job] + 2) % (s + 1) - 1
    assert not replace(m, assignment=moved).verify().valid
    assert not replace(m, bound=m.bound + 1, exact=False).verify().valid
    assert not replace(m, objective=m.objective - 1, exact=False).verify().valid
    assert not replace(m, assignment=moved.astype(np.int64)).verify().valid
