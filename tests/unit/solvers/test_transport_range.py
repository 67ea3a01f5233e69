"""Costs of any size a double has: answered, and "optimal" only where they are that."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse

from gridcompute import kernel, transport
from oracles import transport_brute

JUST_ABOVE = [
    math.nextafter(8.0, math.inf),
    7 * 1.1 + 0.3,
    float(np.cumsum(np.full(10, 0.1))[9]),
    float(np.cumsum(np.full(80, 0.1))[79]),
    *(8.0 + k * 2.0**-50 for k in range(1, 12)),
    *(2.0**e * (1 + 2.0**-52) for e in (-1022, -500, -1, 0, 1, 52, 500, 1022)),
]


@kernel
def plain(job_cost, slot_factor):
    return job_cost * slot_factor


def paid(m, cost, unplaced=0.0):
    """What the assignment costs, in exact arithmetic."""
    at = m.assignment.tolist()
    return sum(
        (Fraction(float(cost[i, s]) if s >= 0 else unplaced) for i, s in enumerate(at)), Fraction(0)
    )


KINDS = ("dense", "float32", "csr", "gangs", "kernel", "unplaced")
RANGES = [(k, c) for k in KINDS for c in JUST_ABOVE if k != "float32" or 1e-30 < c < 1e30]


@pytest.mark.parametrize(("kind", "most"), RANGES)
def test_a_cost_just_above_a_power_of_two_is_in_range(kind, most):
    """If this fails, a rounded logarithm gives a resolution that is twice too fine."""
    options = {}
    cost = np.array([[most, most / 2], [most / 4, most]])
    if kind == "float32":
        cost = np.nextafter(cost.astype(np.float32), np.float32(np.inf))
    elif kind == "csr":
        cost = scipy.sparse.csr_array(cost)
    elif kind == "gangs":
        options["demand"] = [3, 1]
    elif kind == "kernel":
        cost = plain.bind(
            jobs={"job_cost": np.array([most, most])}, slots={"slot_factor": np.array([1.0, 0.5])}
        )
    elif kind == "unplaced":
        cost, options["unplaced"] = np.array([[1, 2], [2, 1]]), most
    for method in ("auto", "exact"):
        m = transport(cost, [3, 3], method=method, **options)
        assert m.status in ("optimal", "feasible"), (most, kind, method)
        assert m.verify().valid, (most, kind, method, m.verify())


@pytest.mark.parametrize("far", [2.0**600, 1e300, 1.7e308])
@pytest.mark.parametrize("tiny", [1e-200, 1e-310, 5e-324])
@pytest.mark.parametrize("method", ["auto", "exact"])
def test_the_dearer_matching_is_not_optimal(far, tiny, method):
    """If this fails, costs that underflow beside a large one were equal, and exactly so."""
    for cost in (np.array([[tiny, 2 * tiny]]), np.array([[2 * tiny, tiny]])):
        m = transport(cost, [1, 1], unplaced=far, method=method)
        assert (m.status, m.objective, m.exact) == ("optimal", tiny, True)
        assert m.verify().gap == 0.0


@pytest.mark.parametrize("method", ["auto", "exact"])
def test_a_cost_that_nobody_can_avoid_hides_no_other(method):
    """If this fails, what is below the rounding of the largest cost paid is left to chance."""
    for far in (1e40, 2.0**600, 1.7e308):
        cost = np.array([[2e-200, 1e-200], [1e-200, 2e-200], [far, far]])
        m = transport(cost, [2, 1], method=method)
        assert m.status == "optimal"
        assert m.assignment.tolist() == [0, 0, 1] or m.assignment.tolist() == [1, 0, 0]
        assert paid(m, cost) == min(
            Fraction(2e-200) + Fraction(1e-200) + Fraction(far),
            2 * Fraction(1e-200) + Fraction(far),
        )
        assert Fraction(m.bound) <= paid(m, cost)


def test_one_row_far_above_all_others_is_solved_to_the_last_bit():
    """If this fails, a job that costs 1e40 everywhere leaves thousands of others unsolved."""
    r = np.random.default_rng(0)
    cost = r.random((2000, 30))
    cap = np.full(30, 67)
    cost[7] = 0.0
    plainly = transport(cost, cap)
    cost[7] = 1e40
    m = transport(cost, cap)
    assert m.status == plainly.status == "optimal"
    assert paid(m, cost) == paid(plainly, cost)


def test_an_explicit_resolution_that_hides_a_difference_is_not_optimal():
    """If this fails, the optimum of rounded costs is called that of the costs."""
    m = transport([[1e10 + 0.4, 1e10 + 0.3]], [1, 1], resolution=1.0)
    best = Fraction(1e10 + 0.3)
    assert (m.status == "optimal") == (paid(m, np.array([[1e10 + 0.4, 1e10 + 0.3]])) == best)
    assert Fraction(m.bound) <= best


def test_a_coarse_resolution_is_optimal_only_where_its_own_check_proves_it():
    """If this fails, an optimum of rounded costs is called that of the costs, or its proof is lost.

    The first is that of issue 37: "optimal", with a gap of 1, and `verify` said no.
    """
    cases = [([[1.0, -1.0, 0.0], [0.0, -1.0, -1.0]], [1, 0, 1], 0.1, None)]
    r = np.random.default_rng(37)
    for _ in range(400):
        n, s = r.integers(1, 5, 2)
        cost = r.integers(-3, 4, (n, s)) * r.choice([1, 1.0, 0.4])
        unplaced = r.choice([None, 0.0, 2.4])
        resolution = float(r.choice([1e-6, 0.1, 0.5, 1.0, 3.0]))
        cases.append((cost.tolist(), r.integers(0, 3, s).tolist(), resolution, unplaced))
    statuses = set()
    for cost, room, resolution, unplaced in cases:
        m = transport(cost, room, resolution=resolution, unplaced=unplaced)
        found = m.verify()
        where = (cost, room, resolution, unplaced, m, found)
        assert found.valid, where
        statuses.add(m.status)
        outs = None if unplaced is None else [unplaced] * len(cost)
        best = transport_brute(cost, room, None, outs)
        if m.status == "infeasible":
            assert best == np.inf, where
            continue
        assert Fraction(m.bound) <= best, where
        if m.status == "optimal":
            assert m.exact, where
            assert m.gap == found.gap == 0.0, where
    assert statuses == {"optimal", "feasible", "infeasible"}


def test_integers_beside_a_cost_of_leaving_out_beyond_their_range():
    """If this fails, `unplaced` alone is out of range, or turns integers into rounded ones."""
    m = transport([[2**53 + 1, 2**53]], [1, 1], unplaced=1e300)
    assert (m.status, m.assignment.tolist(), m.objective) == ("optimal", [1], 2**53)


@pytest.mark.parametrize("far", [2.0**53 + 2, 2.0**600, 1e300])
@pytest.mark.parametrize("method", ["auto", "exact"])
def test_an_optimum_beside_a_far_cost_is_proved_and_its_gap_is_0(far, method):
    """If this fails, "optimal" is said of an answer whose prices prove nothing: its gap is 1."""
    r = np.random.default_rng(11)
    for kind in range(60):
        n, s = r.integers(1, 9), r.integers(1, 6)
        cost = (
            r.integers(0, 10, (n, s)).astype(float),
            r.random((n, s)),
            r.integers(-(2**54), 2**54, (n, s)),
            r.choice([0, 1e-200, 1.0, -1.0, 1e300, far, -far], (n, s)),
        )[kind % 4]
        room = r.multinomial(n + kind % 3 - 1, np.full(s, 1 / s))
        m = transport(cost, room, unplaced=far, method=method)
        found = m.verify()
        case = (cost, room, far, m, m.prices, m.remainders)
        assert found.valid, (case, found.reasons)
        assert (m.status, m.exact, m.gap, found.gap) == ("optimal", True, 0.0, 0.0), case
        if kind % 4 < 2 and (m.assignment >= 0).all() and m.objective > 0:
            assert m.prices.max() <= 2**20 * m.objective, case  # nobody pays what is far


def test_prices_that_no_doubles_hold_have_remainders():
    """If this fails, the last bits of large integers are not proved, or any remainders pass."""
    cost = np.array([[2**55 + 1, 2**54 - 7], [2**55 + 4, 2**54 + 9], [-(2**55) - 3, 2**54 + 1]])
    m = transport(cost, [1, 2])
    assert (m.status, m.exact, m.gap) == ("optimal", True, 0.0)
    far = transport([[1.0, 2.0**60 + 2.0**9], [2.0**-60, 7.0]], [1, 1], unplaced=2.0**61)
    tight = transport([[1.0], [2.0**-60]], [1], unplaced=2.0**61)
    assert tight.remainders is not None
    for a in (m, far, tight):
        assert a.exact, a
        assert a.verify().valid, a.verify()
    shape = tight.remainders.shape
    assert not dataclasses.replace(tight, remainders=None).verify().valid
    for wrong in (-tight.prices - 1, [math.nan], [math.inf]):
        rows = np.broadcast_to(np.asarray(wrong, float), shape).copy()
        assert not dataclasses.replace(tight, remainders=rows).verify().valid
    for misfit in (np.zeros(1), np.zeros((1, 2)), np.zeros((1, 1), int), "none"):
        reasons = dataclasses.replace(tight, remainders=misfit).verify().reasons
        assert "remainders" in reasons[0], reasons
    with pytest.raises(ValueError, match="read-only"):
        tight.remainders[:] = 0
