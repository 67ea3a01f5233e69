"""Few gangs that fit tightly: every answer is the optimum, or a proof that there is none."""

import math
from dataclasses import replace

import numpy as np
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from effort import examples
from gridcompute import transport
from instances import Transport
from oracles import exact, transport_brute

HALVES = st.integers(-6, 40).map(lambda k: k / 2)
ODD = st.floats(-1e3, 1e3) | st.sampled_from([np.inf, 1e15, 1e-200, 5e-324])


@st.composite
def tight(draw):
    """3 to 7 jobs of 1 to 8 slots, and room for all of them or nearly so."""
    n, s = draw(st.integers(3, 7)), draw(st.integers(1, 4))
    demand = np.array(draw(st.lists(st.integers(1, 8), min_size=n, max_size=n)))
    demand[0] = max(2, demand[0])  # 1 each is no gang
    spare = draw(st.lists(st.integers(-2, 2), min_size=s, max_size=s))
    capacity = np.maximum(0, int(demand.sum()) // s + np.array(spare))
    values = draw(st.sampled_from([st.integers(-9, 30), HALVES, ODD]))
    flat = draw(st.lists(values, min_size=n * s, max_size=n * s))
    cost = np.array(flat).reshape(n, s)
    unplaced = None
    if draw(st.booleans()):
        outs = st.integers(0, 60).map(float) | st.just(math.inf)
        unplaced = np.array(draw(st.lists(outs, min_size=n, max_size=n)))
    return Transport(cost, capacity, demand, unplaced)


@settings(max_examples=examples(500, 5000), deadline=None)
@given(tight())
@example(Transport(np.ones((3, 2)), np.array([4, 4]), np.array([3, 3, 2])))
@example(Transport(np.ones((1, 3), int), np.array([4, 4, 9]), np.array([8])))
def test_few_gangs_are_optimal_or_proved_impossible(t):
    """If this fails, a tight handful ends above its optimum, or without a status that says why."""
    least = transport_brute(t.cost, t.capacity, t.demand, t.unplaced)
    m = transport(**t.arguments)
    found = m.verify()
    assert found.valid, (t, found.reasons)
    if math.isinf(least):
        assert m.status == "infeasible", (t, m)
        assert m.witness is not None
        return
    assert m.status == "optimal", (t, m, least)
    paid = sum(exact(t.unplaced[i] if s < 0 else t.cost[i][s]) for i, s in enumerate(m.assignment))
    assert paid == least, (t, m.assignment)
    assert m.exact, (t, m)
    assert m.objective == m.bound <= least < math.nextafter(m.bound, math.inf), (t, m)
    assert found.gap == 0.0


@settings(max_examples=examples(100, 1000), deadline=None)
@given(tight())
def test_a_wrong_claim_about_gangs_is_refuted(t):
    """If this fails, the checker of gangs passes a bound that no plan supports."""
    m = transport(**t.arguments)
    if m.status != "optimal":
        return
    assert not replace(m, bound=m.bound + 1 + abs(m.bound) / 2, exact=False).verify().valid
    witness = transport(np.ones((3, 2)), [4, 4], demand=[3, 3, 2]).witness
    none = replace(m, status="infeasible", witness=witness, objective=math.inf, bound=math.inf)
    assert not replace(none, exact=False).verify().valid


@settings(max_examples=100, deadline=None)
@given(tight())
def test_sparse_gangs_are_dense_ones(t):
    """If this fails, a sparse pair that is too small for its gang is open."""
    allowed = np.isfinite(t.cost)
    at = np.nonzero(allowed)
    sparse = scipy.sparse.csr_array((t.cost[allowed], at), shape=t.cost.shape)
    dense = transport(**t.arguments)
    other = transport(sparse, t.capacity, demand=t.demand, unplaced=t.unplaced)
    assert other.status == dense.status
    assert other.objective == dense.objective
