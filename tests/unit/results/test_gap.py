"""One definition of a relative gap: (objective - bound) / max(abs(objective), abs(bound))."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from gridcompute import Matcher, assignment, min_cost_flow, transport
from gridcompute._certificate import relative_gap

INF = math.inf


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (110, 99, 0.1),
        (99.0, 99.0, 0.0),
        (0, 0, 0.0),
        (0.0, -0.0, 0.0),
        (0, -5, 1.0),  # an objective of 0 divides by its bound
        (5, 0, 1.0),
        (5, -5, 2.0),
        (-90, -100, 0.1),
        (5e-324, 0.0, 1.0),
        (1e308, -1e308, 2.0),  # whose difference is beyond the doubles
        (2**53 + 1, 2.0**53, 2.0**-53),  # which a conversion to double would make equal
        (10**400, 9 * 10**399, 0.1),
        (INF, 3, INF),
        (3, -INF, INF),
        (INF, INF, INF),
        (math.nan, 1.0, INF),
        (1.0, math.nan, INF),
    ],
)
def test_gap_of_numbers(objective, bound, gap):
    """If this fails, a gap is not what api.md defines, or no number at an edge."""
    assert relative_gap(objective, bound) == pytest.approx(gap, rel=1e-15, abs=0)
    assert relative_gap(-objective, -bound, maximize=True) == relative_gap(objective, bound)


def test_gap_of_doubles_of_any_size():
    """If this fails, a gap is off by more than rounding, or 0 though objective and bound differ."""
    seed = 7
    random = np.random.default_rng(seed)
    for trial in range(2000):
        a, b = (random.normal() * 2.0 ** int(random.integers(-1070, 1020)) for _ in range(2))
        near = trial % 2 == 0
        b = float(np.nextafter(a, -INF)) if near else min(a, b)
        a = max(a, b)
        if a == b:
            continue
        exact = (Fraction(a) - Fraction(b)) / max(abs(Fraction(a)), abs(Fraction(b)))
        found = relative_gap(a, b)
        assert found > 0, (seed, trial, a, b)
        assert abs(Fraction(found) - exact) <= exact * Fraction(1, 2**51), (seed, trial, a, b)


def defined(objective, bound):
    """The definition, in the words of its docstring."""
    if not (math.isfinite(objective) and math.isfinite(bound)):
        return INF
    return 0.0 if objective == bound else (objective - bound) / max(abs(objective), abs(bound))


def cut_short(costs, **options):
    """A matching with a gap that stays open: gangs."""
    n = len(costs)
    return transport(costs, [5, 5, 5], demand=np.arange(n) % 3 + 1, **options)


@pytest.mark.parametrize("shift", [0.0, -6.0, 20.0])
def test_gap_of_matchings(shift):
    """If this fails, a matching and its certificate do not measure their gaps alike."""
    seed = 5
    random = np.random.default_rng(seed)
    for trial in range(50):
        costs = random.uniform(0, 10, (8, 3)) + shift
        m = cut_short(costs, unplaced=10.0 + shift)
        found = m.verify()
        where = (seed, trial, m)
        assert found.valid, (where, found)
        assert m.gap == pytest.approx(defined(m.objective, m.bound), rel=1e-12, abs=0), where
        expected = defined(found.objective, found.bound_low)
        if expected > 2.0**-51:  # below it, equal sums may be rounded apart, up and down
            assert found.gap == pytest.approx(expected, rel=1e-12, abs=0), where


def test_gap_of_an_objective_of_nothing():
    """If this fails, the gap of a matching that costs 0 is some 1e285, and not 1."""
    costs = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0]])
    for demand in ([2, 2, 1], [1, 2, 2], [2, 1, 2]):
        m = transport(costs, [2, 2], demand=demand, unplaced=0.0)
        assert 0 <= m.gap <= 2, (demand, m)
        assert 0 <= m.verify().gap <= 2, (demand, m)


def test_gap_where_there_is_no_answer():
    """If this fails, an infeasible problem has a gap as if it were solved."""
    m = transport([[1.0], [1.0]], [1])
    assert (m.status, m.gap, m.verify().gap) == ("infeasible", INF, INF)
    f = min_cost_flow([0], [1], [3], [1], [4, -4])
    assert (f.status, f.bound, f.gap, f.verify().gap) == ("infeasible", INF, INF, INF)
    f = min_cost_flow([0], [0], [2**63 - 1], [-1], [0])
    assert (f.status, f.bound, f.gap, f.verify().gap) == ("unbounded", -INF, INF, INF)


def test_gap_of_flows_and_rounds():
    """If this fails, an optimum is not at gap 0, or its bound is not its objective."""
    f = min_cost_flow([0, 1], [1, 2], [5, 5], [1, 2], [4, 0, -4])
    assert (f.bound, f.gap, f.verify().gap) == (f.objective, 0.0, 0.0)
    world = Matcher([1, 1], cost=[(np.array([[0.1, 0.7]]), "family", None)], unplaced=1.0)
    world.add({"family": [0, 0, 0]})
    m = world.match()
    assert m.gap == (0.0 if m.exact else defined(m.objective, m.bound))
    assert m.verify().gap <= 1e-12


@pytest.mark.parametrize("maximize", [False, True])
def test_gap_of_assignments(maximize):
    """If this fails, an assignment has no gap, or one below 0 where the largest total is asked."""
    seed = 9
    random = np.random.default_rng(seed)
    wide = 2.0 ** random.integers(-60, 60, (50, 6, 6))
    for trial in range(50):
        costs = [
            random.integers(-9, 9, (6, 6)),
            random.uniform(-5, 5, (6, 6)),
            random.integers(2**62, 2**63 - 1, (6, 4)),
            wide[trial],
        ][trial % 4]
        a = assignment(costs, maximize=maximize)
        found = a.verify()
        assert found.valid, (seed, trial)
        assert a.gap == 0.0 if a.exact else 0 <= a.gap < 1e-9, (seed, trial, a)
        assert found.gap == a.gap, (seed, trial, found)


@pytest.mark.parametrize("maximize", [False, True])
def test_gap_where_there_is_no_assignment(maximize):
    """If this fails, an answer without an assignment, or a forged one, has a gap of 0."""
    forbidden = -INF if maximize else INF
    none = assignment(np.array([[1.0, forbidden], [1.0, forbidden]]), maximize=maximize)
    assert (none.status, none.gap, none.verify().gap) == ("infeasible", INF, INF)
    costs = np.random.default_rng(3).random((300, 300))
    stopped = assignment(costs, maximize=maximize, time_limit=0.0)
    assert (stopped.status, stopped.gap, stopped.verify().gap) == ("time_limit", INF, INF)
    a = assignment(np.array([[1, 2], [3, 1]]), maximize=maximize)
    forged = dataclasses.replace(a, row_duals=a.row_duals + (-9 if maximize else 9))
    assert (forged.verify().valid, forged.verify().gap) == (False, INF)
    worse = dataclasses.replace(a, assignment=a.assignment[::-1].copy(), exact=False)
    assert worse.verify().gap == pytest.approx(0.6), str(worse.verify())
    assert not worse.verify().valid


@pytest.mark.parametrize("maximize", [False, True])
def test_gap_of_an_assignment_of_nothing(maximize):
    """If this fails, no rows and no columns make 0 divided by 0."""
    for shape in ((0, 0), (0, 3), (3, 0)):
        a = assignment(np.zeros(shape), maximize=maximize)
        assert (a.status, a.gap, a.verify().gap) == ("optimal", 0.0, 0.0), shape


@pytest.mark.parametrize("shift", [-50.0, 0.0])
def test_a_gap_asked_for_is_the_gap_proved(shift):
    """If this fails, the search stops by another definition of the gap than the results have."""
    seed = 3
    costs = np.random.default_rng(seed).uniform(0, 10, (20_000, 20)) + shift
    room = np.full(20, 1050)
    for wanted in (0.3, 0.01):
        m = transport(costs, room, gap=wanted, method="auction")
        assert m.gap <= wanted, (seed, shift, wanted, m)
        assert m.verify().gap <= wanted, (seed, shift, wanted, m)
